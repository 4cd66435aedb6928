/* Telling documents apart, against the similarity by its definition. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "train/dedup.h"

#include <math.h>

enum { WORDS = 400, SIZE = WORDS * 8 + 1 };

/* Words by number; `changed` of them, spread evenly, are others. */
static size_t make_text(char *out, uint64_t seed, int words, int changed) {
    size_t n = 0;
    for (int i = 0; i < words; i++) {
        bool other = changed > 0 && i % (words / changed) == words / changed / 2 && i / (words / changed) < changed;
        uint32_t r = fm_rng_at(seed, other ? 99 : 1, (uint64_t)i).word[0] % 5000;
        n += (size_t)sprintf(out + n, "w%u ", r);
    }
    return n;
}

static fm_print print_of(const char *text, size_t size) {
    fm_buffer scratch = {0};
    fm_print p;
    assert_true(fm_print_of(text, size, true, &scratch, &p));
    fm_buffer_clear(&scratch);
    return p;
}

/* Jaccard similarity of the sets of five words in a row. */
static double jaccard(const char *a, const char *b) {
    static char shingles[2][WORDS][64];
    int n[2] = {0}, both = 0;
    const char *texts[] = {a, b};
    for (int t = 0; t < 2; t++) {
        const char *at[WORDS + 1];
        int words = 0;
        for (const char *s = texts[t]; *s; s = strchr(s, ' ') + 1) at[words++] = s;
        at[words] = texts[t] + strlen(texts[t]);
        for (int i = 0; i + 5 <= words; i++) {
            char shingle[64];
            snprintf(shingle, sizeof shingle, "%.*s", (int)(at[i + 5] - at[i]), at[i]);
            bool known = false;
            for (int k = 0; k < n[t]; k++) known |= strcmp(shingles[t][k], shingle) == 0;
            if (!known) strcpy(shingles[t][n[t]++], shingle);
        }
    }
    for (int i = 0; i < n[0]; i++)
        for (int k = 0; k < n[1]; k++) both += strcmp(shingles[0][i], shingles[1][k]) == 0;
    return (double)both / (n[0] + n[1] - both);
}

static void the_estimate_is_the_similarity_to_its_standard_error(void **state) {
    (void)state;
    static char a[SIZE], b[SIZE];
    double errors = 0, variances = 0;
    int n = 0;
    for (uint64_t seed = 0; seed < (sanitized() ? 10 : 60); seed++)
        for (int changed = 0; changed <= 20; changed += 5) {
            size_t size_a = make_text(a, seed, WORDS, 0), size_b = make_text(b, seed, WORDS, changed);
            fm_print pa = print_of(a, size_a), pb = print_of(b, size_b);
            double truth = jaccard(a, b), estimate = fm_print_similarity(&pa, &pb);
            double sigma = sqrt(truth * (1 - truth) / FM_NEAR_MINIMA);
            if (changed == 0) assert_true(estimate == 1);
            assert_true(fabs(estimate - truth) <= 6 * sigma + 1.0 / FM_NEAR_MINIMA);
            errors += estimate - truth;
            variances += sigma * sigma;
            n++;
        }
    assert_true(n > 40 && fabs(errors) <= 5 * sqrt(variances)); /* no bias */
}

static fm_seen add(fm_prints *p, const char *text, size_t size) {
    fm_error err;
    fm_seen seen;
    fm_print print = print_of(text, size);
    assert_ok(fm_prints_add(p, &print, &seen, &err));
    return seen;
}

static void copies_are_found_whatever_their_spaces_and_capitals(void **state) {
    (void)state;
    fm_prints p = {.threshold = 0.8};
    assert_int_equal(add(&p, "Hello, World!", 13), FM_SEEN_NEW);
    assert_int_equal(add(&p, "hello,\n\t world!\n", 16), FM_SEEN_SAME);
    assert_int_equal(add(&p, "hello, world", 12), FM_SEEN_NEW);
    assert_int_equal(add(&p, "helloworld!", 11), FM_SEEN_NEW);
    fm_prints_clear(&p);
}

static void near_copies_are_found_and_different_texts_stay(void **state) {
    (void)state;
    static char text[SIZE];
    fm_prints p = {.threshold = 0.8};
    enum { N = 400 };
    int nearly = 0;
    for (uint64_t seed = 0; seed < N; seed++)
        assert_int_equal(add(&p, text, make_text(text, seed, WORDS, 0)), FM_SEEN_NEW);
    for (uint64_t seed = 0; seed < N; seed++) {
        /* 4 words of 400 are others: 20 of 396 shingles, a similarity of 0.90 */
        nearly += add(&p, text, make_text(text, seed, WORDS, 4)) == FM_SEEN_NEARLY;
        /* 40 are: about 0.33 */
        assert_int_equal(add(&p, text, make_text(text, seed, WORDS, 40)), FM_SEEN_NEW);
    }
    /* The estimate is below 0.8 with probability 0.0002 (3.7 standard errors), no candidate with 0.0001. */
    assert_in_range(nearly, N - 4, N);
    fm_prints_clear(&p);
}

static void short_texts_and_a_threshold_of_nought_know_copies_only(void **state) {
    (void)state;
    static char text[SIZE];
    fm_prints some = {.threshold = 0.8}, none = {0};
    assert_int_equal(add(&some, text, make_text(text, 1, 39, 0)), FM_SEEN_NEW);
    assert_int_equal(add(&some, text, make_text(text, 1, 39, 1)), FM_SEEN_NEW);
    assert_int_equal(add(&none, text, make_text(text, 1, 400, 0)), FM_SEEN_NEW);
    assert_int_equal(add(&none, text, make_text(text, 1, 400, 1)), FM_SEEN_NEW);
    assert_int_equal(add(&none, text, make_text(text, 1, 400, 1)), FM_SEEN_SAME);
    fm_prints_clear(&some);
    fm_prints_clear(&none);
}

static void texts_without_spaces_have_words_too(void **state) {
    (void)state;
    char a[1000], b[1000];
    size_t n = 0;
    for (int i = 0; i < 300; i++) n += (size_t)sprintf(a + n, "\xe4%c%c", 0xb8 + i % 8, 0x80 + i * 7 % 64);
    memcpy(b, a, n);
    memcpy(b + 450, "\xe9\xbe\x99", 3);
    fm_prints p = {.threshold = 0.8};
    assert_int_equal(add(&p, a, n), FM_SEEN_NEW);
    assert_int_equal(add(&p, b, n), FM_SEEN_NEARLY);
    fm_prints_clear(&p);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static char text[SIZE];
    fm_error err;
    fm_seen seen;
    fm_print print = print_of(text, make_text(text, 3, WORDS, 0));
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK && k < 20; k++) {
        fm_prints p = {.threshold = 0.8};
        fm_mem_fail_from(k);
        status = fm_prints_add(&p, &print, &seen, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_prints_clear(&p);
    }
    assert_int_equal(status, FM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_estimate_is_the_similarity_to_its_standard_error),
        cmocka_unit_test(copies_are_found_whatever_their_spaces_and_capitals),
        cmocka_unit_test(near_copies_are_found_and_different_texts_stay),
        cmocka_unit_test(short_texts_and_a_threshold_of_nought_know_copies_only),
        cmocka_unit_test(texts_without_spaces_have_words_too),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
