/* The statistics that measurements are reported with, against values worked out elsewhere. */
#include "support.h"

#include "eval/stats.h"

#include <math.h>

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.17g is not %.17g", a, b);
}

static void mean_and_error_are_those_of_the_textbook(void **state) {
    (void)state;
    static const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    fm_moments m = {0};
    assert_near(fm_moments_error(&m), 0, 0);
    for (size_t i = 0; i < FM_COUNT(x); i++) fm_moments_add(&m, x[i]);
    assert_int_equal(m.n, 8);
    assert_near(m.mean, 5, 1e-15);
    assert_near(m.squares, 32, 1e-12);
    assert_near(fm_moments_error(&m), sqrt(32.0 / 7 / 8), 1e-15);
}

static void a_large_common_part_costs_no_digits(void **state) {
    (void)state;
    fm_moments m = {0};
    for (int i = 0; i < 1000; i++) fm_moments_add(&m, 1e9 + i % 2);
    assert_near(m.mean, 1e9 + 0.5, 1e-6);
    assert_near(m.squares, 250, 1e-3);
}

static void quantiles_lie_between_neighbours(void **state) {
    (void)state;
    double x[] = {3, 1, 4, 1, 5, NAN, -INFINITY};
    fm_sort_numbers(x, 7);
    assert_true(x[0] == -INFINITY && x[1] == 1 && x[2] == 1 && x[3] == 3 && x[5] == 5 && isnan(x[6]));
    static const double y[] = {10, 20, 30, 40};
    assert_near(fm_quantile(y, 4, 0), 10, 0);
    assert_near(fm_quantile(y, 4, 0.5), 25, 0);
    assert_near(fm_quantile(y, 4, 0.99), 39.7, 1e-12);
    assert_near(fm_quantile(y, 4, 1), 40, 0);
    assert_near(fm_quantile(y, 4, 2), 40, 0);
    assert_near(fm_quantile(y, 1, 0.3), 10, 0);
    assert_true(isnan(fm_quantile(y, 0, 0.5)));
    static const double infinite[] = {0, INFINITY, INFINITY};
    assert_true(fm_quantile(infinite, 3, 0.5) == INFINITY && fm_quantile(infinite, 3, 0) == 0);
}

static void wilsons_interval_is_that_of_the_tables(void **state) {
    (void)state;
    double low, high;
    fm_wilson(8, 10, 1.959963984540054, &low, &high); /* worked out in Python */
    assert_near(low, 0.49016247153664183, 1e-12);
    assert_near(high, 0.9433178485456247, 1e-12);
    fm_wilson(0, 20, 1.959963984540054, &low, &high);
    assert_near(low, 0, 0);
    assert_near(high, 0.16112515805281938, 1e-12);
    fm_wilson(20, 20, 1.959963984540054, &low, &high);
    assert_near(low, 1 - 0.16112515805281938, 1e-12);
    assert_near(high, 1, 0);
    fm_wilson(0, 0, 1.96, &low, &high);
    assert_true(low == 0 && high == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_error_are_those_of_the_textbook),
        cmocka_unit_test(a_large_common_part_costs_no_digits),
        cmocka_unit_test(quantiles_lie_between_neighbours),
        cmocka_unit_test(wilsons_interval_is_that_of_the_tables),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
