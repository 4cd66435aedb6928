/* Biases that choose, and figures of how even the load is. */
#include "support.h"

#include "train/expert_load.h"

#include <math.h>

static void the_figures_are_those_of_the_definition(void **state) {
    (void)state;
    int64_t even[] = {5, 5, 5, 5}, one[] = {0, 20, 0, 0}, none[] = {0, 0};
    fm_load_figures f = fm_load_measure(even, 4);
    assert_true(f.max_violation == 0 && fabs(f.entropy - 1) < 1e-12 && f.dead == 0);
    f = fm_load_measure(one, 4);
    assert_true(f.max_violation == 3 && f.entropy == 0 && f.dead == 3);
    f = fm_load_measure(none, 2);
    assert_true(f.max_violation == 0 && f.dead == 2);
}

static void the_busy_fall_the_idle_rise_and_the_mean_stays(void **state) {
    (void)state;
    int64_t load[] = {10, 5, 0, 5};
    float bias[] = {0.5f, 0, 0, -0.5f};
    fm_expert_layer l = {0, 4, load, bias};
    fm_expert_bias_move(&l, 0.001);
    assert_true(fabsf(bias[0] - 0.499f) < 1e-6f && fabsf(bias[2] - 0.001f) < 1e-6f);
    assert_true(fabsf(bias[1]) < 1e-6f && fabsf(bias[3] + 0.5f) < 1e-6f);
    int64_t skew[] = {100, 1, 1, 1};
    l.load = skew;
    for (int i = 0; i < 1000; i++) fm_expert_bias_move(&l, 0.001);
    assert_true(fabsf(bias[0] + bias[1] + bias[2] + bias[3]) < 1e-4f); /* nothing drifts */
}

static void an_even_load_and_a_speed_of_0_move_nothing(void **state) {
    (void)state;
    int64_t even[] = {7, 7, 7}, odd[] = {1, 2, 3};
    float bias[] = {0.25f, -0.25f, 0}, before[] = {0.25f, -0.25f, 0};
    fm_expert_layer l = {0, 3, even, bias};
    fm_expert_bias_move(&l, 0.001);
    assert_memory_equal(bias, before, sizeof bias);
    l.load = odd;
    fm_expert_bias_move(&l, 0);
    assert_memory_equal(bias, before, sizeof bias);
    l.bias = NULL;
    fm_expert_bias_move(&l, 0.001);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_figures_are_those_of_the_definition),
        cmocka_unit_test(the_busy_fall_the_idle_rise_and_the_mean_stays),
        cmocka_unit_test(an_even_load_and_a_speed_of_0_move_nothing),
    };
    return cmocka_run_group_tests_name("train/expert_load", tests, NULL, NULL);
}
