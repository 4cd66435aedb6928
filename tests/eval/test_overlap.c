/* Questions that a training file has too: against a search word by word. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "eval/overlap.h"

enum { QUESTIONS = 12, WORDS = 40 };

static const char *const words[] = {"one", "Two", "3", "vier"};

typedef struct text {
    int word[WORDS * 8];
    size_t n;
} text;

static text random_text(uint64_t stream, size_t most) {
    text t = {.n = 1 + fm_rng_at(9, stream, 0).word[0] % most};
    for (size_t i = 0; i < t.n; i++) t.word[i] = (int)(fm_rng_at(9, stream, i + 1).word[0] % FM_COUNT(words));
    return t;
}

/* With marks and cases that mean nothing between and in the words. */
static size_t write_text(const text *t, char *out, bool plain) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += (size_t)sprintf(out + n, "%s%s", words[t->word[i]], plain ? " " : i % 3 ? ", " : "-\n");
    return n;
}

static bool contains(const text *t, const int *word, size_t n) {
    for (size_t at = 0; at + n <= t->n; at++)
        if (memcmp(t->word + at, word, n * sizeof *word) == 0) return true;
    return false;
}

static bool shares(const text *question, const text *data, size_t n) {
    if (question->n < n) return contains(data, question->word, question->n);
    for (size_t at = 0; at + n <= question->n; at++)
        if (contains(data, question->word + at, n)) return true;
    return false;
}

static fm_overlap count(const fm_eval_items *items, const char *data, size_t n) {
    const char *path = scratch_path("data");
    FILE *f = fopen(path, "wb");
    fm_overlap o;
    fm_error err;
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
    assert_ok(fm_overlap_count(items, path, NULL, NULL, &o, &err));
    return o;
}

static void add(fm_eval_items *items, const char *question, size_t n, const char *key, const char *phrasing) {
    fm_eval_message message = {.role = "user"};
    message.content = fm_arena_strndup(&items->arena, question, n);
    message.size = n;
    fm_eval_message *kept = fm_arena_array(&items->arena, 1, sizeof *kept);
    *kept = message;
    fm_eval_item item = {.line = (int64_t)items->n + 1, .messages = kept, .n_messages = 1, .answer = "1",
                         .answer_size = 1, .key = key, .phrasing = phrasing};
    fm_error err;
    assert_ok(fm_eval_items_add(items, &item, &err));
}

static void n_grams_are_those_of_a_search_word_by_word(void **state) {
    (void)state;
    static char data[1 << 14], question[1 << 12];
    int found[2] = {0}, missed[2] = {0};
    for (uint64_t round = 0; round < 300; round++) {
        fm_eval_items items = {0};
        text all = random_text(round * 100, WORDS * 8), asked[QUESTIONS];
        int64_t expected[2] = {0};
        for (uint64_t q = 0; q < QUESTIONS; q++) {
            asked[q] = random_text(round * 100 + q + 1, WORDS);
            if (q % 3 == 0 && all.n > 13) { /* else long ones are hardly ever found */
                size_t n = 8 + q % 6;
                memcpy(asked[q].word, all.word + (q * 7) % (all.n - 13), n * sizeof(int));
                if (asked[q].n < n) asked[q].n = n;
            }
            add(&items, question, write_text(&asked[q], question, true), NULL, NULL);
            expected[0] += shares(&asked[q], &all, 8);
            expected[1] += shares(&asked[q], &all, 13);
        }
        fm_overlap o = count(&items, data, write_text(&all, data, false));
        assert_int_equal(o.grams_8, expected[0]);
        assert_int_equal(o.grams_13, expected[1]);
        for (int i = 0; i < 2; i++) found[i] += (int)expected[i], missed[i] += QUESTIONS - (int)expected[i];
        fm_eval_items_clear(&items);
    }
    assert_true(found[0] > 300 && found[1] > 300 && missed[0] > 300 && missed[1] > 300);
}

static void keys_and_templates_are_compared_as_they_are(void **state) {
    (void)state;
    fm_eval_items items = {0};
    add(&items, "a", 1, "gcd:12,18", "gcd/1");
    add(&items, "b", 1, "gcd:12,19", "gcd/2");
    add(&items, "c", 1, NULL, NULL);
    static const char data[] = "{\"prompt\": \"gcd:12,19\", \"key\": \"gcd:12,18\"}\n"
                               "{\"deep\": [{\"phrasing\": \"gcd/2\"}]}\n{\"key\": 7, \"phrasing\": null}\n"
                               "{\"key\": \"gcd:12,18\", \"template\": \"gcd/2\"}\n{broken";
    fm_overlap o = count(&items, data, sizeof data - 1);
    assert_true(o.with_key == 2 && o.with_phrasing == 2 && o.keys == 1 && o.phrasings == 1 && o.lines == 5);
    o = count(&items, "", 0);
    assert_true(o.keys == 0 && o.grams_8 == 0 && o.lines == 0);
    fm_eval_items_clear(&items);
}

static bool never(void *context) {
    (void)context;
    return false;
}

static void any_bytes_are_read_and_a_lack_of_memory_is_said(void **state) {
    (void)state;
    static char data[1 << 16];
    fm_eval_items items = {0};
    fm_error err;
    fm_overlap o;
    add(&items, "one two three", 13, "k", "p");
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)fm_rng_at(3, 0, i).word[0];
    count(&items, data, sizeof data);
    memset(data, '\n', sizeof data);
    count(&items, data, sizeof data);
    assert_int_equal(fm_overlap_count(&items, scratch_path("data"), never, NULL, &o, &err), FM_ERR_CANCELLED);
    assert_int_equal(fm_overlap_count(&items, "/nonexistent", NULL, NULL, &o, &err), FM_ERR_IO);
    fm_status status = FM_ERR_MEMORY;
    for (int k = 0; status != FM_OK; k++) {
        fm_mem_fail_from(k);
        status = fm_overlap_count(&items, scratch_path("data"), NULL, NULL, &o, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
    }
    fm_eval_items_clear(&items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n_grams_are_those_of_a_search_word_by_word),
        cmocka_unit_test(keys_and_templates_are_compared_as_they_are),
        cmocka_unit_test(any_bytes_are_read_and_a_lack_of_memory_is_said),
    };
    return cmocka_run_group_tests_name("overlap", tests, NULL, NULL);
}
