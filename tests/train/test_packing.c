/* Packing against its definition: every piece in one row, no row overfull, and the bound of best fit. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "train/packing.h"
#include "train/permute.h"

static void check(const int64_t *lengths, int64_t n, int64_t capacity) {
    fm_error err;
    int64_t *row_of = calloc((size_t)n + 1, sizeof *row_of), rows, sum = 0;
    assert_ok(fm_pack_rows(lengths, n, capacity, row_of, &rows, &err));
    int64_t *used = calloc((size_t)rows + 1, sizeof *used);
    for (int64_t i = 0; i < n; i++) {
        assert_in_range(row_of[i], 0, rows - 1);
        used[row_of[i]] += lengths[i];
        sum += lengths[i];
    }
    for (int64_t r = 0; r < rows; r++) assert_in_range(used[r], 1, capacity);
    /* The sum is a lower bound of the best; best fit decreasing needs at most 11/9 of the best + 1. Where
     * pieces are small the best is next to the sum. */
    int64_t least = (sum + capacity - 1) / capacity;
    bool small = true;
    for (int64_t i = 0; i < n; i++) small &= lengths[i] * 4 <= capacity;
    if (small) assert_true(rows <= least * 4 / 3 + 1);
    free(used);
    free(row_of);
}

static void every_piece_lies_in_one_row_and_no_row_is_overfull(void **state) {
    (void)state;
    int64_t lengths[500];
    for (uint64_t round = 0; round < 300; round++) {
        fm_rng_block b = fm_rng_at(1, 2, round);
        int64_t capacity = 2 + b.word[0] % 300, n = b.word[1] % 500, most = 1 + b.word[2] % (unsigned)capacity;
        for (int64_t i = 0; i < n; i++) lengths[i] = 1 + fm_rng_at(3, round, (uint64_t)i).word[0] % (unsigned)most;
        check(lengths, n, capacity);
    }
}

/* The best fit, found by looking at every row. */
static void rows_are_those_of_best_fit_decreasing(void **state) {
    (void)state;
    fm_error err;
    int64_t lengths[200], row_of[200], rows, order[200];
    for (uint64_t round = 0; round < 100; round++) {
        int64_t capacity = 70 + (int64_t)round;
        for (int64_t i = 0; i < 200; i++) {
            lengths[i] = 1 + fm_rng_at(5, round, (uint64_t)i).word[0] % (unsigned)(capacity - 1);
            int64_t at = i;
            for (; at > 0 && lengths[order[at - 1]] < lengths[i]; at--) order[at] = order[at - 1];
            order[at] = i;
        }
        assert_ok(fm_pack_rows(lengths, 200, capacity, row_of, &rows, &err));
        int64_t begun = 0, left[200];
        for (int64_t k = 0; k < 200; k++) {
            int64_t piece = order[k], best = INT64_MAX;
            for (int64_t r = 0; r < begun; r++)
                if (left[r] >= lengths[piece] && left[r] < best) best = left[r];
            int64_t row = row_of[piece];
            if (best == INT64_MAX) { /* none had room: it begins the next one */
                assert_int_equal(row, begun);
                left[begun++] = capacity;
            } else {
                assert_int_equal(left[row], best);
            }
            left[row] -= lengths[piece];
        }
        assert_int_equal(begun, rows);
    }
}

static void nothing_makes_no_row(void **state) {
    (void)state;
    check(NULL, 0, 16);
}

static void running_out_of_memory_is_said(void **state) {
    (void)state;
    fm_error err;
    int64_t length = 3, row, rows;
    for (int64_t k = 0; k < 5; k++) {
        fm_mem_fail_from(k);
        assert_int_equal(fm_pack_rows(&length, 1, 16, &row, &rows, &err), FM_ERR_MEMORY);
        fm_mem_fail_from(-1);
    }
    assert_ok(fm_pack_rows(&length, 1, 16, &row, &rows, &err));
}

static void a_permutation_meets_everything_once(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 100, 255, 256, 257, 1000, 4097};
    for (size_t k = 0; k < FM_COUNT(sizes); k++)
        for (uint64_t key = 0; key < 5; key++) {
            uint8_t *seen = calloc((size_t)sizes[k], 1);
            for (int64_t i = 0; i < sizes[k]; i++) {
                int64_t at = fm_permute(i, sizes[k], key);
                assert_in_range(at, 0, sizes[k] - 1);
                assert_int_equal(seen[at]++, 0);
            }
            free(seen);
        }
}

static void permutations_of_different_keys_differ_and_look_random(void **state) {
    (void)state;
    enum { N = 10000 };
    int64_t same = 0, rising = 0;
    for (int64_t i = 0; i + 1 < N; i++) {
        same += fm_permute(i, N, 1) == fm_permute(i, N, 2);
        rising += fm_permute(i, N, 1) < fm_permute(i + 1, N, 1);
    }
    assert_in_range(same, 0, 10);                                /* 1 is expected */
    assert_in_range(rising, N / 2 - 5 * 29, N / 2 + 5 * 29); /* variance (N + 1) / 12 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_lies_in_one_row_and_no_row_is_overfull),
        cmocka_unit_test(rows_are_those_of_best_fit_decreasing),
        cmocka_unit_test(nothing_makes_no_row),
        cmocka_unit_test(running_out_of_memory_is_said),
        cmocka_unit_test(a_permutation_meets_everything_once),
        cmocka_unit_test(permutations_of_different_keys_differ_and_look_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
