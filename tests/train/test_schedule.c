/* Learning rates by step, and which steps stand out. */
#include "support.h"

#include "train/schedule.h"
#include "train/spike.h"

#include <math.h>

static bool near(double a, double b) { return fabs(a - b) <= 1e-12 + 1e-9 * fabs(b); }

static void the_rate_rises_in_the_warm_up_and_never_begins_at_0(void **state) {
    (void)state;
    for (int kind = FM_SCHEDULE_CONSTANT; kind <= FM_SCHEDULE_V3; kind++) {
        fm_schedule s = {.kind = (fm_schedule_kind)kind, .peak = 0.02, .floor = 0.1, .decay_from = 0.7,
                         .warmup = 10, .steps = 1000};
        assert_true(near(fm_schedule_rate(&s, 0), 0.002));
        assert_true(near(fm_schedule_rate(&s, 4), 0.01));
        assert_true(near(fm_schedule_rate(&s, 9), 0.02));
        assert_true(near(fm_schedule_rate(&s, 10), 0.02));
    }
}

static void every_schedule_ends_where_it_says(void **state) {
    (void)state;
    fm_schedule s = {.peak = 1, .floor = 0.1, .decay_from = 0.8, .warmup = 5, .steps = 101};
    s.kind = FM_SCHEDULE_CONSTANT;
    assert_true(near(fm_schedule_rate(&s, 100), 1));
    s.kind = FM_SCHEDULE_LINEAR;
    assert_true(near(fm_schedule_rate(&s, 100), 0.1));
    assert_true(near(fm_schedule_rate(&s, 1000000), 0.1));
    s.kind = FM_SCHEDULE_COSINE;
    assert_true(near(fm_schedule_rate(&s, 100), 0.1));
    assert_true(near(fm_schedule_rate(&s, 5) + fm_schedule_rate(&s, 100), 1.1));
    s.kind = FM_SCHEDULE_WSD;
    assert_true(near(fm_schedule_rate(&s, 80), 1));
    assert_true(near(fm_schedule_rate(&s, 90), 0.55));
    assert_true(near(fm_schedule_rate(&s, 100), 0.1));
}

static void v3_holds_falls_holds_and_falls_again(void **state) {
    (void)state;
    fm_schedule s = {.kind = FM_SCHEDULE_V3, .peak = 2.2e-4, .warmup = 0, .steps = 14801};
    assert_true(near(fm_schedule_rate(&s, 9999), 2.2e-4));
    assert_true(near(fm_schedule_rate(&s, 12150), 1.21e-4)); /* half way down */
    assert_true(near(fm_schedule_rate(&s, 14500), 2.2e-5));
    assert_true(near(fm_schedule_rate(&s, 14800), 7.3e-6));
}

static void runs_of_one_step_and_runs_that_are_all_warm_up_have_a_rate(void **state) {
    (void)state;
    for (int kind = FM_SCHEDULE_CONSTANT; kind <= FM_SCHEDULE_V3; kind++)
        for (int64_t warmup = 0; warmup < 4; warmup++)
            for (int64_t steps = 1; steps < 4; steps++)
                for (int64_t step = 0; step < steps; step++) {
                    fm_schedule s = {(fm_schedule_kind)kind, 1, 0, 1, warmup, steps};
                    double rate = fm_schedule_rate(&s, step);
                    assert_true(rate >= 0 && rate <= 1);
                }
}

static double noise(int i) { return 0.01 * sin(37.0 * i); }

static void a_batch_that_stands_out_is_left_out_and_a_run_that_has_changed_is_not(void **state) {
    (void)state;
    fm_spikes s = {.limit = 6, .patience = 3};
    double by;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fm_spikes_judge(&s, 3 - 0.001 * i + noise(i), 1 + noise(i + 50), &by), FM_SPIKE_NONE);
    assert_int_equal(fm_spikes_judge(&s, 5, 1, &by), FM_SPIKE_LOSS);
    assert_true(by > 6);
    assert_int_equal(fm_spikes_judge(&s, 2.9, 9, &by), FM_SPIKE_NORM);
    assert_int_equal(fm_spikes_judge(&s, 2.9, 1, &by), FM_SPIKE_NONE); /* and nothing was learnt from those */
    assert_int_equal(s.skipped, 2);
    for (int i = 0; i < 3; i++) assert_int_equal(fm_spikes_judge(&s, 5, 1, &by), FM_SPIKE_LOSS);
    assert_int_equal(fm_spikes_judge(&s, 5, 1, &by), FM_SPIKE_NONE); /* the fourth in a row counts */
}

static void early_steps_falling_losses_and_a_limit_of_0_never_stand_out(void **state) {
    (void)state;
    fm_spikes young = {.limit = 3, .patience = 5}, off = {.limit = 0, .patience = 5};
    double by;
    for (int i = 0; i < FM_SPIKE_LEAST; i++)
        assert_int_equal(fm_spikes_judge(&young, i % 7, i % 5, &by), FM_SPIKE_NONE);
    assert_int_equal(fm_spikes_judge(&young, -100, -100, &by), FM_SPIKE_NONE);
    for (int i = 0; i < 100; i++) fm_spikes_judge(&off, 1, 1, &by);
    assert_int_equal(fm_spikes_judge(&off, 1e6, 1e6, &by), FM_SPIKE_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_rises_in_the_warm_up_and_never_begins_at_0),
        cmocka_unit_test(every_schedule_ends_where_it_says),
        cmocka_unit_test(v3_holds_falls_holds_and_falls_again),
        cmocka_unit_test(runs_of_one_step_and_runs_that_are_all_warm_up_have_a_rate),
        cmocka_unit_test(a_batch_that_stands_out_is_left_out_and_a_run_that_has_changed_is_not),
        cmocka_unit_test(early_steps_falling_losses_and_a_limit_of_0_never_stand_out),
    };
    return cmocka_run_group_tests_name("train/schedule", tests, NULL, NULL);
}
