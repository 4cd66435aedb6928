/* Guesses: repeats are found as a plain search finds them, and their number follows how often they are
 * right. */
#include "support.h"

#include "base/rng.h"
#include "engine/draft.h"

#include <math.h>

static uint64_t draws;
static int64_t draw(int64_t n) { return (int64_t)(fm_rng_uniform(3, 0, draws++) * (double)n); }

/* The definition: the longest end (2 to 8 tokens) that occurs earlier, the latest such place. */
static int64_t plain_search(const int32_t *t, int64_t n) {
    for (int64_t length = 8; length >= 2; length--)
        for (int64_t end = n - 1; end >= length; end--)
            if (memcmp(t + end - length, t + n - length, (size_t)length * sizeof *t) == 0) return end;
    return -1;
}

static void the_longest_and_latest_repeat_is_continued(void **state) {
    (void)state;
    int32_t t[200], out[15];
    int found = 0;
    for (int round = 0; round < 4000; round++) {
        int64_t n = 1 + draw(199), alphabet = 2 + draw(20), most = draw(16);
        for (int64_t i = 0; i < n; i++) t[i] = (int32_t)draw(alphabet);
        int64_t from = plain_search(t, n), got = fm_draft_repeat(t, n - 1, t[n - 1], most, out);
        assert_int_equal(got, from < 0 ? 0 : most);
        for (int64_t i = 0; i < got; i++) {
            int64_t at = from + i;
            while (at >= n) at -= n - from; /* what is copied is copied again */
            assert_int_equal(out[i], t[at]);
        }
        found += got > 0;
    }
    assert_true(found > 1000);
}

static void nothing_is_guessed_where_nothing_repeats(void **state) {
    (void)state;
    int32_t t[] = {1, 2, 3, 4, 5, 4}, out[4];
    for (int64_t n = 0; n < 6; n++) assert_int_equal(fm_draft_repeat(t, n, t[n], 4, out), 0);
}

/* Steps whose rows each cost `price` of the first. */
static int64_t length_at(fm_draft_pace *p, double price, double each, int64_t most) {
    double seconds[17];
    for (int r = 0; r < 17; r++) seconds[r] = 0.01 * (1 + price * (r - 1));
    return fm_draft_length(p, seconds, 0.01 * each, most);
}

/* Tokens to be expected for a second, tried for every length. */
static void the_length_is_that_of_most_tokens_for_a_second(void **state) {
    (void)state;
    for (int round = 0; round < 2000; round++) {
        double seconds[17] = {0, 0.01}, chance = (double)draw(1000) / 1000, each = (double)draw(3) * 1e-3;
        for (int r = 2; r < 17; r++) seconds[r] = seconds[r - 1] + (double)draw(100) * 1e-4;
        int64_t most = draw(16), best = 0;
        double rate = 1 / seconds[1];
        for (int64_t k = 1; k <= most; k++) {
            double tokens = 0;
            for (int64_t i = 0; i <= k; i++) tokens += pow(chance, (double)i);
            double now = tokens / (seconds[1 + k] + (double)k * each);
            if (now > rate * (best ? 1 : 1.03) * (1 + 1e-9)) rate = now, best = k;
        }
        fm_draft_pace p = {.right = chance, .trials = 50};
        assert_int_equal(fm_draft_length(&p, seconds, each, most), best);
    }
}

static void right_guesses_lengthen_and_wrong_ones_end_them(void **state) {
    (void)state;
    fm_draft_pace p = {0};
    assert_in_range(length_at(&p, 0.3, 0, 15), 1, 5);
    for (int i = 0; i < 40; i++) fm_draft_learn(&p, 4, 4);
    assert_int_equal(length_at(&p, 0.3, 0, 15), 15);
    for (int i = 0; i < 40; i++) fm_draft_learn(&p, 4, 0);
    int tried = 0;
    for (int i = 0; i < 1000; i++) tried += length_at(&p, 0.3, 0, 15) > 0;
    assert_in_range(tried, 3, 6); /* now and then, ever more rarely, in case things have changed */
    for (int i = 0; i < 60; i++) fm_draft_learn(&p, 1, 1);
    assert_true(length_at(&p, 0.3, 0, 15) > 5);
    assert_int_equal(length_at(&p, 0.3, 0, 0), 0);
    fm_draft_pace even = {.right = 0.5, .trials = 50};
    assert_int_equal(length_at(&even, 0.6, 0, 15), 0); /* half a token for more than half a step */
    assert_true(length_at(&even, 0.1, 0, 15) > 1);
    assert_int_equal(length_at(&even, 0.1, 0.5, 15), 0); /* dear to make */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_and_latest_repeat_is_continued),
        cmocka_unit_test(nothing_is_guessed_where_nothing_repeats),
        cmocka_unit_test(the_length_is_that_of_most_tokens_for_a_second),
        cmocka_unit_test(right_guesses_lengthen_and_wrong_ones_end_them),
    };
    return cmocka_run_group_tests_name("draft", tests, NULL, NULL);
}
