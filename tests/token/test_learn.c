/* Learning a vocabulary, against the textbook: count all pairs, merge the most frequent, begin again. */
#include "support.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "token/chat.h"
#include "token/learn.h"
#include "token/vocab.h"

typedef struct learnt {
    fm_buffer json, config;
    fm_learnt made;
    fm_tokenizer *tokenizer;
} learnt;

static fm_status learn(const fm_learn_options *o, const fm_token_text *texts, size_t n, fm_learn_chat chat, learnt *out,
                       fm_error *err) {
    fm_learner *l = NULL;
    *out = (learnt){0};
    fm_status status = fm_learner_new(o, &l, err);
    for (size_t i = 0; i < n && status == FM_OK; i++) status = fm_learner_add(l, &texts[i], 1, err);
    if (status == FM_OK) status = fm_learner_finish(l, chat, &out->json, &out->config, &out->made, err);
    fm_learner_free(l);
    if (status == FM_OK)
        status = fm_tokenizer_from_json(out->json.data, out->json.size, out->config.data, out->config.size,
                                        &out->tokenizer, err);
    return status;
}

static void forget(learnt *l) {
    fm_tokenizer_free(l->tokenizer);
    fm_buffer_clear(&l->json);
    fm_buffer_clear(&l->config);
}

static learnt learn_text(const char *text, int64_t vocabulary, bool merge_digits, int64_t least) {
    fm_error err;
    learnt l;
    fm_learn_options o = {.vocabulary = vocabulary, .merge_digits = merge_digits, .least_count = least};
    fm_token_text t = {text, strlen(text)};
    assert_ok(learn(&o, &t, 1, FM_LEARN_CHAT_V3, &l, &err));
    return l;
}

/* ---- the textbook --------------------------------------------------------------------------------*/

enum { LONGEST = 64, WORDS = 400, TOKENS = 700 };

typedef struct textbook {
    int words[WORDS][LONGEST], sizes[WORDS], n_words;
    char pieces[TOKENS][LONGEST + 1];
    int n_tokens;
} textbook;

static void best_pair(const textbook *t, bool merge_digits, int *left, int *right, int *count) {
    static int counts[TOKENS][TOKENS];
    memset(counts, 0, sizeof counts);
    *count = 0;
    for (int w = 0; w < t->n_words; w++)
        for (int i = 0; i + 1 < t->sizes[w]; i++) counts[t->words[w][i]][t->words[w][i + 1]]++;
    for (int a = 0; a < t->n_tokens; a++)
        for (int b = 0; b < t->n_tokens; b++) {
            bool digit = (t->pieces[a][0] >= '0' && t->pieces[a][0] <= '9') ||
                         (t->pieces[b][0] >= '0' && t->pieces[b][0] <= '9');
            if (counts[a][b] > *count && (merge_digits || !digit)) *left = a, *right = b, *count = counts[a][b];
        }
}

static int find_piece(textbook *t, const char *piece) {
    for (int i = 0; i < t->n_tokens; i++)
        if (strcmp(t->pieces[i], piece) == 0) return i;
    strcpy(t->pieces[t->n_tokens], piece);
    return t->n_tokens++;
}

static void merge(textbook *t, int left, int right, int id) {
    for (int w = 0; w < t->n_words; w++) {
        int n = 0;
        for (int i = 0; i < t->sizes[w]; i++) {
            bool here = i + 1 < t->sizes[w] && t->words[w][i] == left && t->words[w][i + 1] == right;
            t->words[w][n++] = here ? id : t->words[w][i];
            i += here;
        }
        t->sizes[w] = n;
    }
}

/* Checks every merge in the file; the words of `text` are separated by line feeds, which stay alone. */
static void check_merges(const char *text, int64_t vocabulary, bool merge_digits, int least) {
    static textbook t;
    fm_error err;
    fm_json *root;
    learnt l = learn_text(text, vocabulary, merge_digits, least);
    assert_ok(fm_json_parse(l.json.data, l.json.size, &root, &err));
    const fm_json *merges = fm_json_get(fm_json_get(root, "model"), "merges");
    t.n_words = t.n_tokens = 0;
    for (int id = 0; id < (int)fm_learn_least(); id++) { /* ids of special tokens and bytes are the file's */
        size_t n;
        const char *piece = fm_tokenizer_piece(l.tokenizer, id, &n);
        memset(t.pieces[id], 0, sizeof t.pieces[id]);
        memcpy(t.pieces[id], piece, n);
        t.n_tokens++;
    }
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        int n = (int)strcspn(at, "\n");
        for (int i = 0; i < n; i++) t.words[t.n_words][i] = find_piece(&t, (char[]){at[i], 0});
        t.sizes[t.n_words++] = n;
        assert_true(t.n_words < WORDS && n < LONGEST);
    }
    size_t done = 0;
    for (int left, right, count; t.n_tokens < vocabulary; done++) {
        char expected[2 * LONGEST + 2], piece[2 * LONGEST + 1];
        best_pair(&t, merge_digits, &left, &right, &count);
        if (count < least) break;
        snprintf(expected, sizeof expected, "%s %s", t.pieces[left], t.pieces[right]);
        assert_string_equal(fm_json_string(fm_json_at(merges, done), ""), expected);
        snprintf(piece, sizeof piece, "%s%s", t.pieces[left], t.pieces[right]);
        merge(&t, left, right, find_piece(&t, piece));
    }
    assert_int_equal(fm_json_length(merges), done);
    assert_int_equal(l.made.merges, done);
    fm_json_free(root);
    forget(&l);
}

static void every_merge_is_that_of_the_textbook(void **state) {
    (void)state;
    for (uint64_t round = 0; round < (sanitized() ? 6 : 40); round++) {
        char text[8000];
        size_t n = 0;
        unsigned letters = 2 + (unsigned)round % 5;
        for (int w = 0; w < 150; w++) {
            int size = 1 + (int)(fm_rng_at(1, round, (uint64_t)w).word[0] % 40);
            for (int i = 0; i < size; i++)
                text[n++] = (char)('a' + fm_rng_at(2 + round, (uint64_t)w, (uint64_t)i).word[0] % letters);
            text[n++] = '\n';
        }
        text[n] = 0;
        check_merges(text, fm_learn_least() + 30 + (int64_t)round * 5, false, 1 + (int)(round % 3));
    }
}

static void runs_of_one_letter_are_merged_from_the_left(void **state) {
    (void)state;
    check_merges("aaaaaaa\naaa\naaaaa\nbaaab\n", fm_learn_least() + 20, false, 1);
    check_merges("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", fm_learn_least() + 20, false, 1);
}

/* ---- what comes out ------------------------------------------------------------------------------*/

static const char prose[] =
    "The quick brown fox jumps over the lazy dog. The dog sleeps; the fox runs on, and on, and on.\n"
    "In 1905 and in 2024 there were 365 days, or 366.\n"
    "def fox(n):\n    return [n * i for i in range(12345)]\n"
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82 \xc3\xa9t\xc3\xa9, na\xc3\xafve.\n";

static void text_survives_being_cut_and_put_together(void **state) {
    (void)state;
    fm_error err;
    learnt l = learn_text(prose, 330, false, 2);
    static const char *const texts[] = {prose, "", " ", "\n\n\n", "\xf0\x9f\x98\x80 unseen \x01\x7f", "0123456789"};
    for (size_t i = 0; i < FM_COUNT(texts); i++) {
        fm_buffer ids = {0}, back = {0};
        assert_ok(fm_tokenizer_encode(l.tokenizer, texts[i], strlen(texts[i]), FM_ENCODE_PLAIN, &ids, &err));
        fm_tokenizer_decode(l.tokenizer, (const fm_token *)(const void *)ids.data, ids.size / 4, false, &back);
        assert_string_equal(fm_buffer_string(&back), texts[i]);
        fm_buffer_clear(&ids);
        fm_buffer_clear(&back);
    }
    forget(&l);
}

static bool has_digit_in_company(const fm_tokenizer *t) {
    for (fm_token id = (fm_token)fm_learn_least(); id < fm_tokenizer_size(t); id++) {
        size_t n;
        const char *piece = fm_tokenizer_piece(t, id, &n);
        for (size_t i = 0; i < n; i++)
            if (piece[i] >= '0' && piece[i] <= '9') return true;
    }
    return false;
}

static void digits_stay_alone_unless_asked_for(void **state) {
    (void)state;
    learnt alone = learn_text("1905 1905 1905 1905 x1905 the the\n", 300, false, 2);
    assert_false(has_digit_in_company(alone.tokenizer));
    forget(&alone);
    learnt merged = learn_text("1905 1905 1905 1905 x1905 the the\n", 300, true, 2);
    assert_true(has_digit_in_company(merged.tokenizer));
    forget(&merged);
}

static void the_files_say_what_a_model_needs_to_know(void **state) {
    (void)state;
    fm_error err;
    learnt l = learn_text(prose, 300, false, 2);
    const fm_tokenizer *t = l.tokenizer;
    assert_int_equal(fm_tokenizer_bos(t), 0);
    assert_int_equal(fm_tokenizer_eos(t), 1);
    assert_true(fm_tokenizer_adds_bos(t));
    assert_true(fm_tokenizer_is_end_of_turn(t, 1));
    assert_true(fm_tokenizer_is_special(t, 0) && !fm_tokenizer_is_special(t, fm_tokenizer_find(t, "<think>")));
    assert_string_equal(fm_tokenizer_pre(t), "deepseek-v3");
    for (int64_t id = 0; id < 10; id++) assert_true(fm_tokenizer_is_added(t, (fm_token)id));
    assert_int_equal(fm_tokenizer_find(t, "<｜fim▁hole｜>"), 8);
    assert_int_equal(fm_chat_detect(t), FM_CHAT_DEEPSEEK_V3);
    forget(&l);
    fm_token_text text = {prose, strlen(prose)};
    fm_learn_options o = {.vocabulary = 300, .least_count = 2};
    assert_ok(learn(&o, &text, 1, FM_LEARN_CHAT_R1, &l, &err));
    assert_int_equal(fm_chat_detect(l.tokenizer), FM_CHAT_R1_DISTILL);
    forget(&l);
    assert_ok(learn(&o, &text, 1, FM_LEARN_CHAT_NONE, &l, &err));
    assert_null(fm_tokenizer_chat_template(l.tokenizer));
    forget(&l);
}

static void every_way_of_cutting_can_be_learnt_with(void **state) {
    (void)state;
    fm_error err;
    static const char *const names[] = {"deepseek-v3", "deepseek-llm", "deepseek-coder", "qwen2", "llama3", "smollm",
                                        "gpt-2", "default"};
    for (size_t i = 0; i < FM_COUNT(names); i++) {
        learnt l;
        fm_token_text text = {prose, strlen(prose)};
        fm_learn_options o = {.vocabulary = 300, .least_count = 2, .pre = fm_known_find(names[i])};
        fm_buffer ids = {0};
        assert_ok(learn(&o, &text, 1, FM_LEARN_CHAT_V3, &l, &err));
        assert_in_range(l.made.vocabulary, fm_learn_least() + 10, 300);
        assert_ok(fm_tokenizer_encode(l.tokenizer, prose, strlen(prose), FM_ENCODE_PLAIN, &ids, &err));
        assert_true(ids.size / 4 < strlen(prose));
        fm_buffer_clear(&ids);
        forget(&l);
    }
}

static void neither_threads_nor_the_order_of_texts_change_a_byte(void **state) {
    (void)state;
    fm_error err;
    enum { N = 40, SIZE = 40000 };
    fm_token_text texts[N], backwards[N];
    for (int i = 0; i < N; i++) {
        char *text = malloc(SIZE);
        for (size_t k = 0; k < SIZE; k++) {
            uint32_t r = fm_rng_at(9, (uint64_t)i, k).word[0];
            text[k] = r % 6 == 0 ? ' ' : r % 53 == 1 ? '\n' : (char)('a' + r / 60 % (2 + (unsigned)i % 7));
        }
        texts[i] = backwards[N - 1 - i] = (fm_token_text){text, SIZE};
    }
    learnt first = {0};
    for (int threads = 1; threads <= 5; threads += 2) {
        learnt l;
        fm_learn_options o = {.vocabulary = 1500, .least_count = 2};
        assert_ok(fm_pool_new(threads, &o.pool, &err));
        fm_learner *learner;
        assert_ok(fm_learner_new(&o, &learner, &err));
        assert_ok(fm_learner_add(learner, threads == 3 ? backwards : texts, N, &err));
        l = (learnt){0};
        assert_ok(fm_learner_finish(learner, FM_LEARN_CHAT_V3, &l.json, &l.config, &l.made, &err));
        fm_learner_free(learner);
        fm_pool_free(o.pool);
        if (threads == 1) first = l;
        assert_int_equal(l.json.size, first.json.size);
        assert_memory_equal(l.json.data, first.json.data, l.json.size);
        if (threads > 1) forget(&l);
    }
    forget(&first);
    for (int i = 0; i < N; i++) free((void *)(uintptr_t)texts[i].data);
}

static fm_status count_piece(void *context, const char *word, size_t size, fm_error *err) {
    (void)word, (void)size, (void)err;
    ++*(int64_t *)context;
    return FM_OK;
}

/* A long text is counted in blocks, which may not show: line feeds in a row, which patterns look over. */
static void the_pieces_of_a_long_text_are_those_of_the_whole(void **state) {
    (void)state;
    enum { SIZE = 3 << 20 };
    static const char *const names[] = {"deepseek-v3", "deepseek-llm", "deepseek-coder", "qwen2", "llama3", "smollm",
                                        "gpt-2", "default"};
    fm_error err;
    char *text = malloc(SIZE + 1);
    for (size_t i = 0; i < SIZE; i++) {
        uint32_t r = fm_rng_at(21, 1, i).word[0];
        text[i] = "\n\n\n\r  \tabcdefgABC.;'s(1234"[r % 26];
    }
    text[SIZE] = 0;
    for (size_t i = 0; i < FM_COUNT(names); i++) {
        fm_pretoken *p;
        int64_t pieces = 0;
        learnt l;
        fm_learn_options o = {.vocabulary = fm_learn_least(), .pre = fm_known_find(names[i])};
        fm_token_text whole = {text, SIZE};
        assert_ok(fm_pretoken_new(&p, &err));
        assert_ok(fm_known_add_stages(o.pre, p, &err));
        fm_known_use_scanner(p);
        assert_ok(fm_pretoken_finish(p, &err));
        assert_ok(fm_pretoken_run(p, text, SIZE, count_piece, &pieces, &err));
        assert_ok(learn(&o, &whole, 1, FM_LEARN_CHAT_V3, &l, &err));
        assert_int_equal(l.made.pieces, pieces);
        forget(&l);
        fm_pretoken_free(p);
    }
    free(text);
}

static void a_text_without_an_end_of_a_word_is_learnt_in_stretches(void **state) {
    (void)state;
    enum { SIZE = 3 << 20 };
    char *text = malloc(SIZE + 1);
    memset(text, 'a', SIZE);
    text[SIZE] = 0;
    learnt l = learn_text(text, fm_learn_least() + 30, false, 2);
    assert_int_equal(l.made.distinct, 1);
    assert_int_equal(l.made.merges, 10); /* up to 1024 letters */
    forget(&l);
    free(text);
}

static void too_little_text_gives_a_smaller_vocabulary(void **state) {
    (void)state;
    learnt l = learn_text("ab ab\n", 4000, false, 2);
    assert_int_equal(l.made.vocabulary, fm_learn_least() + 1);
    assert_int_equal(fm_tokenizer_size(l.tokenizer), l.made.vocabulary);
    forget(&l);
    l = learn_text("", 4000, false, 2);
    assert_int_equal(l.made.vocabulary, fm_learn_least());
    forget(&l);
}

static bool stop_at_once(void *context, double fraction) {
    (void)fraction;
    ++*(int *)context;
    return false;
}

static void what_cannot_be_learnt_is_refused(void **state) {
    (void)state;
    fm_error err;
    fm_learner *l;
    fm_learn_options o = {.vocabulary = fm_learn_least() - 1};
    assert_int_equal(fm_learner_new(&o, &l, &err), FM_ERR_ARGUMENT);
    o.vocabulary = FM_VOCAB_MAX + 1;
    assert_int_equal(fm_learner_new(&o, &l, &err), FM_ERR_ARGUMENT);
    o.vocabulary = 300;
    assert_ok(fm_learner_new(&o, &l, &err));
    assert_int_equal(fm_learner_add(l, &(fm_token_text){"\xff", 1}, 1, &err), FM_ERR_ARGUMENT);
    fm_learner_free(l);

    int asked = 0;
    learnt out;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + fm_rng_at(1, 1, i).word[0] % 20);
    o = (fm_learn_options){.vocabulary = 600, .least_count = 1, .progress = stop_at_once, .context = &asked};
    assert_int_equal(learn(&o, &(fm_token_text){text, sizeof text}, 1, FM_LEARN_CHAT_V3, &out, &err), FM_ERR_CANCELLED);
    assert_int_equal(asked, 1);
    forget(&out);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fm_error err;
    fm_status status = FM_ERR_MEMORY;
    fm_learn_options o = {.vocabulary = 300, .least_count = 2};
    for (int64_t k = 0; status != FM_OK && k < 5000; k++) {
        fm_learner *l = NULL;
        fm_buffer json = {0}, config = {0};
        fm_learnt made;
        fm_mem_fail_from(k);
        status = fm_learner_new(&o, &l, &err);
        if (status == FM_OK) status = fm_learner_add(l, &(fm_token_text){prose, strlen(prose)}, 1, &err);
        if (status == FM_OK) status = fm_learner_finish(l, FM_LEARN_CHAT_V3, &json, &config, &made, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_learner_free(l);
        fm_buffer_clear(&json);
        fm_buffer_clear(&config);
    }
    assert_int_equal(status, FM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_merge_is_that_of_the_textbook),
        cmocka_unit_test(runs_of_one_letter_are_merged_from_the_left),
        cmocka_unit_test(text_survives_being_cut_and_put_together),
        cmocka_unit_test(digits_stay_alone_unless_asked_for),
        cmocka_unit_test(the_files_say_what_a_model_needs_to_know),
        cmocka_unit_test(every_way_of_cutting_can_be_learnt_with),
        cmocka_unit_test(neither_threads_nor_the_order_of_texts_change_a_byte),
        cmocka_unit_test(the_pieces_of_a_long_text_are_those_of_the_whole),
        cmocka_unit_test(a_text_without_an_end_of_a_word_is_learnt_in_stretches),
        cmocka_unit_test(too_little_text_gives_a_smaller_vocabulary),
        cmocka_unit_test(what_cannot_be_learnt_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
