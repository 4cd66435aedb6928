#include "rl/maths/equivalence.h"

#include "base/buffer.h"
#include "rl/maths/compare.h"
#include "rl/maths/flint.h"
#include "rl/maths/form.h"

#include <string.h>

enum { PROMPT_MAX = 1 << 16, WORK = 50000000 };

typedef struct text {
    const char *s;
    size_t n;
} text;

static uint64_t hash(uint64_t h, text t) {
    for (size_t i = 0; i < t.n; i++) h = (h ^ (unsigned char)t.s[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static bool same_words(text a, text b, bool *failed) {
    fm_buffer x = {0}, y = {0};
    fm_form_fold(&x, a.s, a.n);
    fm_form_fold(&y, b.s, b.n);
    *failed = x.failed || y.failed;
    bool same = !*failed && x.size == y.size && x.size > 0 && memcmp(x.data, y.data, x.size) == 0;
    fm_buffer_clear(&x), fm_buffer_clear(&y);
    return same;
}

static bool is_measured(const fm_tree_node *x) {
    return x->kind == FM_TREE_QUANTITY ||
           (x->kind == FM_TREE_RELATION && x->child[1]->kind == FM_TREE_QUANTITY);
}

/* What can be read in two ways, and how it is read now. */
typedef struct way {
    bool tight;                     /* a/bc is a over bc */
    bool common;                    /* log is of base 10 */
    bool gold_commas, given_commas; /* 1,234 is a list of two */
} way;

static fm_verdict read_and_compare(text gold, text given, const fm_maths_options *options, way as,
                                   fm_arena *arena, fm_tree trees[2], const char **why) {
    fm_tree_reading reading = {FM_LETTERS_SPACED, as.tight, as.gold_commas};
    fm_tree_parse(&trees[0], gold.s, gold.n, reading, arena);
    bool units = trees[0].root && (is_measured(trees[0].root) || !trees[0].variables);
    reading.letters = units ? FM_LETTERS_UNITS : FM_LETTERS_VARIABLES;
    reading.commas = as.given_commas;
    fm_tree_parse(&trees[1], given.s, given.n, reading, arena);
    *why = "there was no memory";
    if (trees[0].memory || trees[1].memory) return FM_UNDECIDED;
    *why = "the expected answer is not in the grammar, and the texts differ";
    if (!trees[0].root) return FM_UNDECIDED;
    *why = trees[1].why;
    if (!trees[1].root) return FM_WRONG;
    fm_comparison c = {.options = options, .arena = arena};
    c.scope = (fm_scope){
        .seed = hash(hash(0xcbf29ce484222325u, gold), given), .common = as.common, .work = WORK};
    fm_verdict verdict = fm_compare(&c, trees[0].root, trees[1].root);
    *why = c.why;
    if (c.scope.work >= 0 || verdict == FM_RIGHT) return verdict;
    *why = "it takes too long to compare";
    return FM_UNDECIDED;
}

/* A slash in front of a product and a logarithm without a base are read both ways. So are commas,
 * if the other side is a list: in an answer they may part what the gold parts; a gold stays
 * undecided. */
static fm_verdict compare_texts(text gold, text given, const fm_maths_options *options,
                                fm_arena *arena, const char **why) {
    fm_tree trees[2], ignored[2];
    const char *other_why;
    fm_verdict verdict = read_and_compare(gold, given, options, (way){0}, arena, trees, why);
    if (!trees[0].root || !trees[1].root) return verdict;
    bool slash = trees[0].slash || trees[1].slash, bare = trees[0].bare_log || trees[1].bare_log;
    for (int k = 1; k < 4; k++) {
        if (((k & 1) && !slash) || ((k & 2) && !bare)) continue;
        way other = {.tight = k & 1, .common = k & 2};
        if (read_and_compare(gold, given, options, other, arena, ignored, &other_why) == verdict)
            continue;
        *why = "it can be read in two ways, and is right in one of them";
        return FM_UNDECIDED;
    }
    if (verdict != FM_WRONG) return verdict;
    way parted = {.gold_commas = trees[0].thousands && trees[1].root->kind == FM_TREE_LIST,
                  .given_commas = trees[1].thousands && trees[0].root->kind == FM_TREE_LIST};
    if (!parted.gold_commas && !parted.given_commas) return verdict;
    if (read_and_compare(gold, given, options, parted, arena, ignored, &other_why) != FM_RIGHT)
        return verdict;
    *why = "the expected answer is a number with commas, or a list";
    return parted.gold_commas ? FM_UNDECIDED : FM_RIGHT;
}

static fm_verdict judge(text gold, text given, const fm_maths_options *options, fm_arena *arena,
                        const char **why) {
    bool failed;
    *why = "it is too long";
    if (given.n > FM_MATHS_TEXT) return FM_WRONG;
    *why = "the expected answer is too long";
    if (gold.n > FM_MATHS_TEXT) return FM_UNDECIDED;
    char choice = fm_form_choice(gold.s, gold.n);
    bool letter = choice && choice == fm_form_choice(given.s, given.n);
    if (letter && (gold.n > 1 || memchr(given.s, *gold.s, given.n)))
        return FM_RIGHT; /* c may be a variable */
    fm_verdict verdict = compare_texts(gold, given, options, arena, why);
    if (verdict == FM_RIGHT) return verdict;
    fm_tree tree;
    fm_tree_parse(&tree, gold.s, gold.n, (fm_tree_reading){0}, arena);
    bool words = !tree.root || tree.root->kind == FM_TREE_WORDS;
    if (words && same_words(gold, given, &failed)) return FM_RIGHT;
    return verdict;
}

fm_verdict fm_maths_equivalent(const char *gold, size_t gold_n, const char *given, size_t given_n,
                               const fm_maths_options *options, const char **why) {
    static const fm_maths_options strict;
    const char *reason = NULL;
    fm_arena arena = {0};
    if (!options) options = &strict;
    text a = {gold_n ? gold : "", gold_n}, b = {given_n ? given : "", given_n};
    fm_verdict verdict = FM_UNDECIDED;
    bool begun = fm_flint_begin(), was_short = !begun;
    if (begun) verdict = judge(a, b, options, &arena, &reason);
    if (verdict == FM_RIGHT && options->prompt && options->prompt_n <= PROMPT_MAX &&
        fm_form_is_echo(options->prompt, options->prompt_n, given, given_n, &arena) &&
        !fm_form_is_echo(options->prompt, options->prompt_n, gold, gold_n, &arena)) {
        verdict = FM_WRONG;
        reason = "it repeats the question";
    }
    fm_arena_clear(&arena);
    if (begun) was_short = fm_flint_end();
    if (was_short) {
        verdict = FM_UNDECIDED;
        reason = "there was no memory";
    }
    if (why) *why = verdict == FM_RIGHT || !reason ? "" : reason;
    return verdict;
}
