/* A run that is stopped and goes on is the run that was never stopped. */
#include "train_support.h"

#include "base/file.h"
#include "train/run_state.h"

#include <math.h>
#include <sys/stat.h>

static fm_error err;

typedef struct run {
    made_list made;
    fm_stretches cut;
    fm_optim *optim;
    fm_average average;
    fm_run_state state;
} run;

static void run_begin(run *r, const char *rule) {
    fm_optim_options o = fm_optim_defaults();
    o.rule = fm_optim_rule_find(rule);
    o.kernels = fm_kernels_get(fm_cpu_detect());
    memset(r, 0, sizeof *r);
    made_begin(&r->made);
    assert_ok(fm_stretches_cut(&r->made.list, &r->cut, &err));
    assert_ok(fm_optim_new(&o, &r->made.list, NULL, &r->optim, &err));
    assert_ok(fm_average_new(&r->made.list, 0.9, &r->average, &err));
    r->state.spikes = (fm_spikes){.limit = 6, .patience = 2};
    memset(r->state.recipe, 'a', FM_SHA256_HEX);
    r->state.best_step = -1;
}

static void run_end(run *r) {
    fm_average_clear(&r->average);
    fm_optim_free(r->optim);
    fm_stretches_clear(&r->cut);
    made_end(&r->made);
}

static void run_steps(run *r, int64_t to) {
    for (double by; r->state.step < to; r->state.step++) {
        made_gradient(&r->made, (uint64_t)r->state.step);
        fm_spikes_judge(&r->state.spikes, 3.0 / (double)(r->state.step + 1), 0.1 * (double)r->state.step, &by);
        fm_optim_step(r->optim, 0.01 / (double)(r->state.step + 1), 0.7);
        fm_average_update(&r->average, &r->made.list, &r->cut, NULL);
        r->state.tokens += 1000;
        r->state.best_loss = 1.0 / 3 + (double)r->state.step;
        r->state.best_step = r->state.step;
    }
}

static fm_run_tensors tensors(run *r) { return (fm_run_tensors){&r->made.list, r->optim, &r->average}; }

static void save(run *r, const char *folder, char *hash) {
    fm_checkpoint *c;
    fm_run_tensors t = tensors(r);
    assert_ok(fm_checkpoint_begin(folder, r->state.step, &c, &err));
    assert_ok(fm_run_state_save(c, &r->state, &t, &err));
    assert_ok(fm_checkpoint_commit(c, hash, &err));
}

static void going_on_from_any_step_ends_in_the_same_bytes(void **state) {
    (void)state;
    static const char *const rules[] = {"adamw", "muon"};
    for (size_t i = 0; i < FM_COUNT(rules); i++) {
        run whole, first;
        char wanted[FM_SHA256_HEX + 1], got[FM_SHA256_HEX + 1];
        const char *folder = scratch_path(rules[i]);
        mkdir(folder, 0777);
        run_begin(&whole, rules[i]);
        run_steps(&whole, 7);
        save(&whole, folder, wanted);
        for (int64_t stop = 0; stop < 7; stop += 3) {
            run again;
            char *path;
            char part[64];
            int64_t step;
            snprintf(part, sizeof part, "%s-%d", rules[i], (int)stop);
            const char *other = scratch_path(part);
            mkdir(other, 0777);
            run_begin(&first, rules[i]);
            run_steps(&first, stop);
            save(&first, other, got);
            run_end(&first);
            run_begin(&again, rules[i]);
            run_steps(&again, 5); /* what is in memory counts for nothing */
            assert_ok(fm_checkpoint_latest(other, &path, &step, NULL, NULL, &err));
            fm_run_tensors t = tensors(&again);
            assert_ok(fm_run_state_read(path, &again.state, &err));
            again.state.spikes.limit = 6, again.state.spikes.patience = 2;
            assert_ok(fm_run_state_load(path, &t, &err));
            assert_int_equal(again.state.step, stop);
            run_steps(&again, 7);
            save(&again, other, got);
            assert_string_equal(wanted, got);
            fm_free(path);
            run_end(&again);
        }
        run_end(&whole);
    }
}

static void a_checkpoint_of_another_model_or_without_its_state_is_refused(void **state) {
    (void)state;
    run r;
    char *path;
    int64_t step;
    const char *folder = scratch_path("other");
    mkdir(folder, 0777);
    run_begin(&r, "adamw");
    run_steps(&r, 2);
    save(&r, folder, NULL);
    assert_ok(fm_checkpoint_latest(folder, &path, &step, NULL, NULL, &err));
    fm_run_tensors t = tensors(&r);
    r.made.at[2].columns--;
    assert_int_equal(fm_run_state_load(path, &t, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "tensor tensor.2.weight has another shape"));
    r.made.at[2].columns++;
    t.optim = NULL;
    char name[4096];
    snprintf(name, sizeof name, "%s/state.json", path);
    FILE *f = fopen(name, "w");
    fputs("{\"version\": 1}", f), fclose(f);
    assert_int_equal(fm_run_state_read(path, &r.state, &err), FM_ERR_FORMAT);
    f = fopen(name, "w");
    fputs("{\"version\": 7}", f), fclose(f);
    assert_int_equal(fm_run_state_read(path, &r.state, &err), FM_ERR_UNSUPPORTED);
    fm_free(path);
    run_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(going_on_from_any_step_ends_in_the_same_bytes),
        cmocka_unit_test(a_checkpoint_of_another_model_or_without_its_state_is_refused),
    };
    return cmocka_run_group_tests_name("train/run_state", tests, NULL, NULL);
}
