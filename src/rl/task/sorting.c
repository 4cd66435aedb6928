/* sorting.c: numbers or words put in order, by insertion; and the k-th of them. */
#include "rl/task/literal.h"
#include "rl/task/task.h"
#include "rl/task/word_list.h"

#include <inttypes.h>
#include <string.h>

enum { ITEMS_MAX = 16, TEXT_MAX = 200 };

enum { ASCENDING, DESCENDING, ALPHABET, KTH_SMALLEST, KTH_LARGEST };

typedef struct sorting {
    int64_t order;                  /* ASCENDING, ... */
    int64_t k;                      /* from 1; 0 where nobody asks */
    int64_t numbers[ITEMS_MAX], n;  /* none for ALPHABET */
    char words[TEXT_MAX];           /* with single blanks between; "" for the others */
} sorting;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(sorting, order, ASCENDING, KTH_LARGEST),
    FM_FACT_INTEGER_OF(sorting, k, 0, ITEMS_MAX),
    FM_FACT_INTEGERS_OF(sorting, numbers, n, -9999, 9999),
    FM_FACT_TEXT_OF(sorting, words),
};

static const char *const bands[] = {
    "four to six numbers up to 99", "six to nine numbers from -99 to 999", "four to eight words in alphabetical order",
    "the k-th smallest or largest of seven to eleven numbers", "ten to sixteen numbers from -9999 to 9999"};

static const char *const phrasings[] = {
    "{task}: {items}.",
    "Here are {what}: {items}. {task}.",
    "{items}\n{task}.",
    "Given {items}: {task}.",
    "{task}. The {what} are {items}.",
    "I wrote down {what}: {items}. Please help: {task}.",
};

/* ---- items --------------------------------------------------------------------------------------- */

typedef struct items {
    const char *word[ITEMS_MAX];
    size_t length[ITEMS_MAX];
    int n;
} items;

static items split_words(const char *words) {
    items all = {.n = 0};
    for (const char *at = words; *at && all.n < ITEMS_MAX; all.n++) {
        size_t n = strcspn(at, " ");
        all.word[all.n] = at;
        all.length[all.n] = n;
        at += n + (at[n] == ' ');
    }
    return all;
}

static int word_order(const items *all, int a, int b) {
    size_t n = all->length[a] < all->length[b] ? all->length[a] : all->length[b];
    int order = memcmp(all->word[a], all->word[b], n);
    return order ? order : (all->length[a] > all->length[b]) - (all->length[a] < all->length[b]);
}

static bool descending(const sorting *s) { return s->order == DESCENDING || s->order == KTH_LARGEST; }

/* Is item a to stand before item b? Equal ones stay as they are. */
static bool before(const sorting *s, const items *all, int a, int b) {
    if (s->order == ALPHABET) return word_order(all, a, b) < 0;
    return descending(s) ? s->numbers[a] > s->numbers[b] : s->numbers[a] < s->numbers[b];
}

static int count(const sorting *s, const items *all) { return s->order == ALPHABET ? all->n : (int)s->n; }

static void put_item(const sorting *s, const items *all, int i, fm_buffer *out) {
    if (s->order == ALPHABET) fm_buffer_put(out, all->word[i], all->length[i]);
    else fm_buffer_format(out, "%" PRId64, s->numbers[i]);
}

static void put_places(const sorting *s, const items *all, const int *place, int n, fm_buffer *out) {
    for (int i = 0; i < n; i++) {
        if (i > 0) fm_buffer_text(out, ", ");
        put_item(s, all, place[i], out);
    }
}

/* ---- the kind ------------------------------------------------------------------------------------ */

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const struct {
        int fewest, most;
        int64_t low, high;
    } levels[] = {{4, 6, 1, 99}, {6, 9, -99, 999}, {4, 8, 0, 0}, {7, 11, -99, 999}, {10, 16, -9999, 9999}};
    sorting *s = out;
    (void)phrasing;
    int n = (int)fm_dice_between(d, levels[band].fewest, levels[band].most);
    if (band == 2) {
        s->order = ALPHABET;
        return fm_task_words(d, n, 3, 9, s->words, sizeof s->words);
    }
    s->order = fm_dice_between(d, 0, 1);
    s->n = n;
    for (int i = 0; i < n; i++) s->numbers[i] = fm_dice_between(d, levels[band].low, levels[band].high);
    if (band == 3) {
        s->order += KTH_SMALLEST;
        s->k = fm_dice_between(d, 2, n - 1);
    }
    return true;
}

static fm_status valid(const void *p, fm_error *err) {
    const sorting *s = p;
    if (s->order == ALPHABET) {
        items all = split_words(s->words);
        if (s->n || s->k || all.n < 2)
            return fm_fail(err, FM_ERR_FORMAT, "words to be sorted are two or more, without \"numbers\", \"k\" 0");
        for (int i = 0; i < all.n; i++)
            if (all.length[i] == 0) return fm_fail(err, FM_ERR_FORMAT, "\"words\" has single blanks between words");
        if (strspn(s->words, "abcdefghijklmnopqrstuvwxyz ") != strlen(s->words) ||
            all.word[all.n - 1] + all.length[all.n - 1] != s->words + strlen(s->words))
            return fm_fail(err, FM_ERR_FORMAT, "\"words\" has at most %d words of small letters", ITEMS_MAX);
        return FM_OK;
    }
    if (s->words[0] || s->n < 2)
        return fm_fail(err, FM_ERR_FORMAT, "numbers to be sorted are two or more, and \"words\" is empty");
    if ((s->order >= KTH_SMALLEST) != (s->k > 0) || s->k > s->n)
        return fm_fail(err, FM_ERR_FORMAT, "\"k\" is from 1 to the count of numbers, or 0 where nobody asks for it");
    return FM_OK;
}

static void put_task(const sorting *s, fm_buffer *out) {
    switch (s->order) {
    case ASCENDING: fm_buffer_text(out, "Sort in ascending order"); break;
    case DESCENDING: fm_buffer_text(out, "Sort in descending order"); break;
    case ALPHABET: fm_buffer_text(out, "Sort in alphabetical order"); break;
    default:
        fm_buffer_format(out, "Find number %" PRId64 " when they are sorted in %s order", s->k,
                         descending(s) ? "descending" : "ascending");
    }
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const sorting *s = p;
    items all = split_words(s->words);
    static const int same[ITEMS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    if (!strcmp(name, "task")) put_task(s, out);
    else if (!strcmp(name, "what")) fm_buffer_text(out, s->order == ALPHABET ? "words" : "numbers");
    else if (!strcmp(name, "items")) put_places(s, &all, same, count(s, &all), out);
    else return false;
    return true;
}

/* Where each item stands when sorted, by insertion; `working` may be NULL. */
static void insert_all(const sorting *s, const items *all, int *place, fm_buffer *working) {
    for (int i = 0; i < count(s, all); i++) {
        int j = i;
        for (; j > 0 && before(s, all, i, place[j - 1]); j--) place[j] = place[j - 1];
        place[j] = i;
        if (!working) continue;
        fm_buffer_text(working, "insert ");
        put_item(s, all, i, working);
        fm_buffer_text(working, ": ");
        put_places(s, all, place, i + 1, working);
        fm_buffer_text(working, "\n");
    }
}

/* What is to be sorted, in one order: how it was given does not matter, nor which way it goes. */
static void key(const void *p, fm_buffer *out) {
    const sorting *s = p;
    sorting up = *s;
    items all = split_words(s->words);
    int place[ITEMS_MAX];
    if (s->order != ALPHABET) up.order = ASCENDING;
    insert_all(&up, &all, place, NULL);
    fm_buffer_text(out, s->k ? "k-th of " : "");
    put_places(&up, &all, place, count(s, &all), out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const sorting *s = p;
    items all = split_words(s->words);
    int place[ITEMS_MAX];
    insert_all(s, &all, place, working);
    if (s->k) {
        fm_buffer_format(working, "Number %" PRId64 " is ", s->k);
        put_item(s, &all, place[s->k - 1], answer);
    } else {
        fm_buffer_text(working, "Sorted: ");
        put_places(s, &all, place, count(s, &all), answer);
    }
    fm_buffer_text(working, fm_buffer_string(answer));
    fm_buffer_text(working, "\n");
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const sorting *s = p;
    items all = split_words(s->words);
    int place[ITEMS_MAX], n = count(s, &all), i = 0;
    insert_all(s, &all, place, NULL);
    if (s->k) return fm_literal_check(answer, size, 0, s->numbers[place[s->k - 1]], 1);
    int64_t sorted[ITEMS_MAX];
    for (int k = 0; k < n; k++) sorted[k] = s->numbers[place[k]];
    if (s->order != ALPHABET) return fm_list_answer_is(answer, size, sorted, (size_t)n) ? FM_RIGHT : FM_WRONG;
    fm_list_answer list = fm_list_answer_of(answer, size);
    const char *piece;
    size_t length;
    for (; fm_list_answer_next(&list, &piece, &length); i++)
        if (i == n || length != all.length[place[i]] || memcmp(piece, all.word[place[i]], length)) return FM_WRONG;
    return list.good && i == n ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_sorting = {
    .name = "sorting",
    .answer = "the items with commas or blanks between, or one number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(sorting), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};
