/* The loop, with a student whose mathematics fits a screen: a table of bigrams. What real models compute is
 * tested elsewhere; here it is steps, splits, threads, kills, bad numbers, full disks and other recipes. */
#include "counting_data.h"

#include "base/file.h"
#include "base/json.h"
#include "report/page.h"
#include "train/checkpoint_folder.h"
#include "train/trainer.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- the student -------------------------------------------------------------------------------*/

enum { EXPERTS = 4 };

typedef struct bigrams {
    float table[CLASSES * CLASSES], grad[CLASSES * CLASSES];
    float further[CLASSES * CLASSES], further_grad[CLASSES * CLASSES];
    float bias[EXPERTS];
    int64_t load[EXPERTS];
    fm_learned learned[3];
    fm_expert_layer layer;
    int64_t poison_at, learnt, changes; /* batches before a gradient is no number; -1: never */
    fm_student student;
} bigrams;

static void depth(const fm_student_task *t, int d, const float *table, float *grad, fm_student_loss *loss) {
    const fm_batch *b = t->batch;
    for (int64_t i = 0; i < b->n_rows; i++) {
        if (b->targets[d][i] < 0) continue;
        const float *row = table + (b->ids[i] % CLASSES) * CLASSES;
        double sum = 0;
        for (int k = 0; k < CLASSES; k++) sum += exp((double)row[k]);
        int target = b->targets[d][i] % CLASSES;
        loss->nats[d] += log(sum) - (double)row[target];
        if (!grad) continue;
        float *out = grad + (b->ids[i] % CLASSES) * CLASSES;
        for (int k = 0; k < CLASSES; k++)
            out[k] += (float)(t->weight[d] * (exp((double)row[k]) / sum - (k == target)));
    }
}

static fm_status learn(void *self, const fm_student_task *t, fm_student_loss *loss, fm_error *e) {
    bigrams *s = self;
    (void)e;
    depth(t, 0, s->table, s->grad, loss);
    depth(t, 1, s->further, s->further_grad, loss);
    loss->balance += t->balance * (double)t->batch->n_segments;
    for (int64_t i = 0; i < t->batch->n_rows; i++) s->load[t->batch->ids[i] % 3]++;
    if (s->poison_at >= 0 && s->learnt++ >= s->poison_at) s->further_grad[7] = NAN;
    return FM_OK;
}

static fm_status measure(void *self, const fm_student_task *t, fm_student_loss *loss, fm_error *e) {
    (void)e;
    depth(t, 0, ((bigrams *)self)->table, NULL, loss);
    return FM_OK;
}

static fm_status changed(void *self, fm_error *e) { return (void)e, ((bigrams *)self)->changes++, FM_OK; }

static bigrams *student_new(void) {
    bigrams *s = calloc(1, sizeof *s);
    s->learned[0] = (fm_learned){.name = "table", .rows = CLASSES, .columns = CLASSES, .value = s->table,
                                 .grad = s->grad};
    s->learned[1] = s->learned[0];
    s->learned[1].name = "further", s->learned[1].value = s->further, s->learned[1].grad = s->further_grad;
    s->learned[2] = (fm_learned){.name = "bias", .kind = FM_LEARNED_BIAS, .rows = 1, .columns = EXPERTS,
                                 .value = s->bias};
    s->layer = (fm_expert_layer){1, EXPERTS, s->load, s->bias};
    s->poison_at = -1;
    s->student = (fm_student){.self = s, .learned = {s->learned, 3}, .layers = &s->layer, .n_layers = 1, .ahead = 2,
                              .batch_tokens = 4096, .learn = learn, .measure = measure, .changed = changed};
    return s;
}

/* ---- the data and the run ----------------------------------------------------------------------*/

typedef struct session {
    fm_run_recipe recipe;
    fm_run_folder folder;
    fm_dataset *data;
    bigrams *student;
    fm_pool *pool;
    fm_trainer *trainer;
    int64_t stop_at; /* 0: never */
    int notes, told;
    char said[FM_ERROR_MAX];
    double last_loss;
    useconds_t pause;
} session;

static bool progress(void *context, const fm_run_progress *p) {
    session *s = context;
    s->told++;
    s->last_loss = p->loss;
    if (s->pause) usleep(s->pause);
    return p->step != s->stop_at;
}

static void note(void *context, const char *sentence) {
    session *s = context;
    s->notes++;
    snprintf(s->said, sizeof s->said, "%s", sentence);
}

/* Everything up to the trainer; settings are "key=value" separated by blanks. */
static fm_status session_begin(session *s, const char *folder, const char *settings, int threads) {
    char text[512], *save = NULL, start[4200];
    memset(s, 0, sizeof *s);
    s->folder.lock = -1;
    assert_ok(fm_run_recipe_begin(&s->recipe, &err));
    snprintf(text, sizeof text, "run.steps=40 data.context=64 batch.tokens=512 batch.micro_tokens=256 optimizer.lr=0.3 "
             "checkpoint.every=10 validation.every=10 validation.tokens=200 average.decay=0.9 %s", settings);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        assert_ok(fm_run_recipe_set(&s->recipe, word, &err));
    snprintf(start, sizeof start, "model.start=%s", golden_path("tiny-v3"));
    assert_ok(fm_run_recipe_set(&s->recipe, start, &err));
    s->data = open_data();
    s->student = student_new();
    assert_ok(fm_pool_new(threads, &s->pool, &err));
    FM_TRY(fm_run_folder_open(folder, &s->recipe, &s->folder, note, s, &err));
    fm_trainer_options o = {.recipe = &s->recipe, .folder = &s->folder, .dataset = s->data,
                            .student = &s->student->student, .kernels = fm_kernels_get(fm_cpu_detect()),
                            .pool = s->pool, .flops_per_token = 1e6, .peak_flops = 1e12, .progress = progress,
                            .note = note, .context = s};
    return fm_trainer_new(&o, &s->trainer, &err);
}

static void session_end(session *s) {
    fm_trainer_free(s->trainer);
    fm_run_folder_close(&s->folder);
    fm_dataset_close(s->data);
    fm_pool_free(s->pool);
    fm_run_recipe_clear(&s->recipe);
    free(s->student);
}

static fm_status run(session *s) {
    fm_run_end end;
    return fm_trainer_run(s->trainer, &end, &err);
}

static void hash_at(const char *folder, int64_t step, char *hash) {
    char path[4200], name[FM_CHECKPOINT_NAME];
    fm_checkpoint_name(step, name);
    snprintf(path, sizeof path, "%s/checkpoints/%s", folder, name);
    assert_ok(fm_checkpoint_verify(path, hash, &err));
}

/* A run to its end in a folder of its own: the hash of its last checkpoint. */
static double whole_run(const char *name, const char *settings, int threads, char *hash) {
    session s;
    const char *folder = scratch_path(name);
    assert_ok(session_begin(&s, folder, settings, threads));
    assert_ok(run(&s));
    double loss = s.last_loss;
    hash_at(folder, fm_trainer_state(s.trainer)->step, hash);
    session_end(&s);
    return loss;
}

static char *log_of(const char *folder, size_t *size) {
    char path[4200], *text;
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    assert_ok(fm_file_read(path, 1 << 26, &text, size, &err));
    return text;
}

/* ---- what it does ------------------------------------------------------------------------------*/

static void a_run_learns_logs_validates_and_keeps_checkpoints_that_are_models(void **state) {
    (void)state;
    session s;
    const char *folder = scratch_path("learns");
    assert_ok(session_begin(&s, folder, "", 1));
    assert_ok(run(&s));
    assert_int_equal(s.told, 40);
    assert_true(s.last_loss < 0.2); /* from ln 64 = 4.16 */
    const fm_run_state *at = fm_trainer_state(s.trainer);
    assert_int_equal(at->step, 40);
    assert_true(at->best_step >= 30);
    assert_true(at->best_loss < 0.2);
    for (int i = 0; i < 3; i++) assert_true(s.student->bias[i] < s.student->bias[3]); /* the idle one rises */
    char hash[FM_SHA256_HEX + 1], path[4200], *text;
    size_t size;
    hash_at(folder, 30, hash);
    hash_at(folder, 40, hash);
    snprintf(path, sizeof path, "%s/checkpoints/step-%012d/config.json", folder, 40);
    assert_true(fm_file_exists(path));
    snprintf(path, sizeof path, "%s/checkpoints/step-%012d", folder, 20);
    assert_false(fm_file_exists(path));
    text = log_of(folder, &size);
    const char *events[] = {"\"start\"", "\"step\", \"step\": 40", "\"validation\", \"step\": 40", "\"experts\"",
                            "\"checkpoint\", \"step\": 40", "all steps are done", "\"mtp_loss\""};
    for (size_t i = 0; i < FM_COUNT(events); i++) assert_non_null(strstr(text, events[i]));
    fm_buffer page = {0};
    assert_ok(fm_report_page(&(fm_report_options){.name = "run"}, text, size, &page, &err));
    fm_buffer_clear(&page);
    fm_free(text);
    session_end(&s);
}

static void the_split_into_micro_batches_changes_no_more_than_rounding(void **state) {
    (void)state;
    char hash[FM_SHA256_HEX + 1];
    double one = whole_run("micro-64", "batch.micro_tokens=64", 1, hash);
    double all = whole_run("micro-512", "batch.micro_tokens=512", 1, hash);
    assert_true(fabs(one - all) < 1e-6);
}

static void the_number_of_threads_changes_no_byte_of_the_last_checkpoint(void **state) {
    (void)state;
    char one[FM_SHA256_HEX + 1], three[FM_SHA256_HEX + 1];
    whole_run("threads-1", "run.threads=1", 1, one);
    whole_run("threads-3", "run.threads=3 optimizer.name=adamw", 3, three);
    assert_string_equal(one, three);
}

/* ---- going on ----------------------------------------------------------------------------------*/

static void a_run_that_was_stopped_goes_on_and_ends_in_the_same_bytes(void **state) {
    (void)state;
    char wanted[FM_SHA256_HEX + 1], got[FM_SHA256_HEX + 1];
    whole_run("stop-whole", "optimizer.name=muon", 1, wanted);
    const char *folder = scratch_path("stop-parts");
    static const int64_t stops[] = {3, 10, 17, 39, 0};
    for (size_t i = 0; i < FM_COUNT(stops); i++) {
        session s;
        fm_run_end end;
        assert_ok(session_begin(&s, folder, "optimizer.name=muon", 1 + (int)(i % 3)));
        s.stop_at = stops[i];
        assert_ok(fm_trainer_run(s.trainer, &end, &err));
        assert_int_equal(end, stops[i] ? FM_RUN_STOPPED : FM_RUN_DONE);
        session_end(&s);
    }
    hash_at(folder, 40, got);
    assert_string_equal(wanted, got);
    size_t size;
    char *text = log_of(folder, &size);
    int64_t next = 1;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        fm_json *root;
        assert_ok(fm_json_parse(line, strlen(line), &root, &err));
        if (strcmp(fm_json_string(fm_json_get(root, "event"), ""), "step") == 0)
            assert_int_equal(fm_json_integer(fm_json_get(root, "step"), -1), next++); /* each once, in order */
        fm_json_free(root);
    }
    assert_int_equal(next, 41);
    fm_free(text);
}

static void killed_at_any_moment_it_ends_in_the_same_bytes_as_if_nothing_had_been(void **state) {
    (void)state;
    char wanted[FM_SHA256_HEX + 1], got[FM_SHA256_HEX + 1];
    int kills = soaking() ? 20 : 3, killed = 0;
    whole_run("kill-whole", "checkpoint.every=3", 1, wanted);
    const char *folder = scratch_path("kill-parts");
    for (int attempt = 0;; attempt++) {
        pid_t child = fork();
        if (child == 0) {
            session s;
            if (session_begin(&s, folder, "checkpoint.every=3", 1 + attempt % 2) != FM_OK) _exit(2);
            s.pause = 3000;
            _exit(run(&s) == FM_OK ? 0 : 1);
        }
        int how;
        if (killed < kills) {
            usleep(20000 + fm_rng_at(11, (uint64_t)getpid(), (uint64_t)attempt).word[0] % 100000);
            kill(child, SIGKILL);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        killed += WIFSIGNALED(how);
        if (WIFEXITED(how)) {
            assert_int_equal(WEXITSTATUS(how), 0);
            break;
        }
    }
    assert_true(killed > 0);
    hash_at(folder, 40, got);
    assert_string_equal(wanted, got);
}

static void another_recipe_in_the_same_folder_is_refused_and_a_longer_run_is_not(void **state) {
    (void)state;
    session s;
    char hash[FM_SHA256_HEX + 1];
    const char *folder = scratch_path("another");
    whole_run("another", "run.steps=4", 1, hash);
    assert_int_equal(session_begin(&s, folder, "optimizer.beta2=0.99", 1), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "optimizer.beta2 = 0.95 and the recipe now says 0.99"));
    session_end(&s);
    assert_ok(session_begin(&s, folder, "run.steps=6", 1));
    session other; /* and while it runs, nobody else may */
    assert_int_equal(session_begin(&other, folder, "run.steps=6", 1), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "another process is training"));
    session_end(&other);
    assert_int_equal(fm_trainer_state(s.trainer)->step, 4);
    assert_ok(run(&s));
    assert_int_equal(s.told, 2);
    session_end(&s);
}

/* ---- what goes wrong ---------------------------------------------------------------------------*/

static void a_gradient_or_a_weight_that_is_no_number_ends_the_run_and_is_named(void **state) {
    (void)state;
    session s;
    const char *folder = scratch_path("nan");
    assert_ok(session_begin(&s, folder, "", 1));
    s.student->poison_at = 30;
    assert_int_equal(run(&s), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "step 16: the norm of the gradient is no number, first in the gradient "
                                         "of further"));
    session_end(&s);
    assert_ok(session_begin(&s, folder, "", 1)); /* the checkpoint before it is there, and whole */
    assert_int_equal(fm_trainer_state(s.trainer)->step, 10);
    s.student->table[5] = NAN;
    assert_int_equal(run(&s), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "the weight table holds a NaN"));
    session_end(&s);
    size_t size;
    char *text = log_of(folder, &size);
    assert_non_null(strstr(text, "is no number"));
    fm_free(text);
}

static void a_step_that_stands_out_is_left_out_and_logged(void **state) {
    (void)state;
    session s;
    const char *folder = scratch_path("spike");
    assert_ok(session_begin(&s, folder, "run.steps=60 spike.limit=5 optimizer.lr=0.0001 optimizer.weight_decay=0", 1));
    s.stop_at = 50;
    assert_ok(run(&s));
    session_end(&s);
    assert_ok(session_begin(&s, folder, "run.steps=60 spike.limit=5 optimizer.lr=0.0001 optimizer.weight_decay=0", 1));
    for (int i = 0; i < CLASSES; i++) s.student->table[i * CLASSES + 9] = 30; /* all is wrong now */
    s.stop_at = 51;
    float before = s.student->table[100];
    int64_t changes = s.student->changes;
    assert_ok(run(&s));
    assert_true(s.student->table[100] == before);
    assert_int_equal(s.student->changes, changes);
    assert_int_equal(fm_trainer_state(s.trainer)->spikes.skipped, 1);
    session_end(&s);
    size_t size;
    char *text = log_of(folder, &size);
    assert_non_null(strstr(text, "{\"event\": \"skip\", \"step\": 51, \"because\": "));
    fm_free(text);
}

static void a_full_disk_is_a_note_or_the_end_as_the_recipe_says(void **state) {
    (void)state;
    session s;
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 30000; /* a log, and no model */
    assert_ok(session_begin(&s, scratch_path("full-goes-on"), "run.steps=21", 1));
    s.stop_at = 0;
    setrlimit(RLIMIT_FSIZE, &small);
    fm_status status = run(&s);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, FM_ERR_IO); /* the last one has to be written */
    assert_int_equal(s.told, 21);
    assert_true(s.notes >= 2);
    assert_non_null(strstr(s.said, "could not be written and older ones are as they were"));
    session_end(&s);
    assert_ok(session_begin(&s, scratch_path("full-ends"), "run.steps=21 checkpoint.when_full=stop", 1));
    setrlimit(RLIMIT_FSIZE, &small);
    status = run(&s);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, FM_ERR_IO);
    assert_int_equal(s.told, 10);
    session_end(&s);
}

static void a_batch_smaller_than_a_row_and_a_folder_of_something_else_are_refused(void **state) {
    (void)state;
    session s;
    assert_int_equal(session_begin(&s, scratch_path("small"), "batch.tokens=63", 1), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "batch.tokens is 63, less than one row of data.context = 64"));
    session_end(&s);
    assert_int_equal(session_begin(&s, made_folder("data"), "", 1), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "holds something else (data.json)"));
    session_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_learns_logs_validates_and_keeps_checkpoints_that_are_models),
        cmocka_unit_test(the_split_into_micro_batches_changes_no_more_than_rounding),
        cmocka_unit_test(the_number_of_threads_changes_no_byte_of_the_last_checkpoint),
        cmocka_unit_test(a_run_that_was_stopped_goes_on_and_ends_in_the_same_bytes),
        cmocka_unit_test(killed_at_any_moment_it_ends_in_the_same_bytes_as_if_nothing_had_been),
        cmocka_unit_test(another_recipe_in_the_same_folder_is_refused_and_a_longer_run_is_not),
        cmocka_unit_test(a_gradient_or_a_weight_that_is_no_number_ends_the_run_and_is_named),
        cmocka_unit_test(a_step_that_stands_out_is_left_out_and_logged),
        cmocka_unit_test(a_full_disk_is_a_note_or_the_end_as_the_recipe_says),
        cmocka_unit_test(a_batch_smaller_than_a_row_and_a_folder_of_something_else_are_refused),
    };
    return cmocka_run_group_tests_name("train/trainer", tests, NULL, NULL);
}
