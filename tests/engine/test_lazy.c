/* Experts that are packed when they are chosen, or read ahead where their panels are mapped: the bits of a
 * model that was packed at once, by one engine or several at the same time, with much memory or little; and
 * errors of the step, after which the next one goes on, where the file is not what it was or memory runs out. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "model/lazy.h"
#include "model/panels.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

enum { CONTEXT = 160, MOST_THREADS = 4 };

static const char *const models[] = {
    "tiny-v3", "tiny-v3-fp8", "tiny-v2-lite", "tiny-v2", "gguf/tiny-v3.f16-mla.gguf",
    "gguf/tiny-v2-lite.q8_0.gguf", "odd/v3-mtp", "odd/v2-groups", "odd/v3-every-expert",
    "odd/v3-no-shared-no-dense", "odd/v3-one-expert-per-token", "odd/v3-every-second-layer",
    "odd/gguf-v2-iq/model.gguf", "odd/gguf-v3-fused-f32/model.gguf", "odd/gguf-moonlight-q8_0/model.gguf"};

static const char QUANTISED[] = "gguf/tiny-v2-lite.q8_0.gguf";

/* ---- a model and an engine over it --------------------------------------------------------------- */

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} rig;

static void start_engine(rig *r) {
    fm_error err;
    fm_engine_options options = {.rows = 64, .context = CONTEXT, .cache = FM_KV_F32,
                                 .activations = FM_ACTIVATIONS_INT16,
                                 .kernels = fm_kernels_get(fm_cpu_detect()), .pool = r->pool};
    assert_ok(fm_engine_new(r->model, &options, &r->engine, &err));
    assert_ok(fm_engine_start(r->engine, &err));
}

/* With `panels` the model is not packed but mapped from this file. */
static rig open_with(const char *path, const char *panels, bool lazy, int threads) {
    rig r = {0};
    fm_error err;
    fm_model_options options = {.pack = true, .mtp = true, .lazy = lazy};
    assert_ok(fm_store_open(path, &r.store, &err));
    assert_ok(fm_model_bind(r.store, &options, &r.model, &err));
    assert_ok(fm_pool_new(threads, &r.pool, &err));
    if (panels) assert_ok(fm_model_use_panels(r.model, panels, &err));
    assert_ok(fm_model_load(r.model, r.pool, NULL, NULL, &err));
    start_engine(&r);
    return r;
}

static rig open_rig(const char *path, bool lazy, int threads) { return open_with(path, NULL, lazy, threads); }

/* Returns the file of the model's panels; the next call writes over it. */
static const char *write_panels(const char *path) {
    fm_error err;
    fm_store *store;
    fm_model *model;
    const char *panels = scratch_path("model.panels");
    assert_ok(fm_store_open(path, &store, &err));
    assert_ok(fm_model_bind(store, &(fm_model_options){.pack = true, .mtp = true}, &model, &err));
    assert_ok(fm_panels_write(model, NULL, panels, NULL, NULL, &err));
    fm_model_free(model);
    fm_store_close(store);
    return panels;
}

static void close_rig(rig *r) {
    fm_engine_free(r->engine);
    fm_model_free(r->model);
    fm_pool_free(r->pool);
    fm_store_close(r->store);
}

/* The same ids for the same seed. */
static void make_ids(const rig *r, uint64_t seed, int32_t *ids, int64_t n) {
    double vocabulary = (double)r->model->config.vocab_size;
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(fm_rng_uniform(seed, 3, (uint64_t)i) * vocabulary);
}

/* Logits after each of several chunks of a text, one row at a time in the end; the caller frees. */
static const int64_t chunks[] = {5, 1, 1, 30, 1, 7, 1, 1, 1};
enum { CHUNKS = 9, TOKENS = 48 };

static fm_status run_text(const rig *r, uint64_t seed, float *logits, fm_error *err) {
    size_t v = (size_t)r->model->config.vocab_size;
    int32_t ids[TOKENS];
    int64_t at = 0;
    fm_sequence *s;
    make_ids(r, seed, ids, TOKENS);
    FM_TRY(fm_sequence_new(r->engine, &s, err));
    fm_status status = FM_OK;
    for (size_t i = 0; i < CHUNKS && status == FM_OK; at += chunks[i++]) {
        status = fm_sequence_extend(s, ids + at, chunks[i], NULL, NULL, err);
        if (status == FM_OK) memcpy(logits + i * v, fm_sequence_logits(s), v * sizeof *logits);
    }
    fm_sequence_free(s);
    return status;
}

static float *logits_of(const rig *r, uint64_t seed) {
    fm_error err;
    float *logits = malloc(CHUNKS * (size_t)r->model->config.vocab_size * sizeof *logits);
    assert_ok(run_text(r, seed, logits, &err));
    return logits;
}

static void assert_text(const rig *r, uint64_t seed, const float *expected) {
    float *logits = logits_of(r, seed);
    assert_memory_equal(logits, expected, CHUNKS * (size_t)r->model->config.vocab_size * sizeof *logits);
    free(logits);
}

/* ---- the same bits ------------------------------------------------------------------------------- */

static void the_bits_are_those_of_a_model_packed_at_once(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        size_t before = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS];
        rig eager = open_rig(golden_path(models[i]), false, 2);
        size_t taken = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS] - before;
        rig lazy = open_rig(golden_path(models[i]), true, 1 + (int)i % 3);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS] - before, 2 * taken);
        assert_true(fm_model_memory(lazy.model) == fm_model_memory(eager.model));
        assert_int_equal(fm_model_later(lazy.model).experts, 0);
        assert_int_equal(fm_model_later(eager.model).experts_total, 0);
        for (uint64_t text = 0; text < 3; text++) {
            float *expected = logits_of(&eager, text);
            assert_text(&lazy, text, expected);
            free(expected);
        }
        fm_later later = fm_model_later(lazy.model);
        assert_true(later.experts > 0 && later.experts <= later.experts_total);
        assert_true(later.bytes > 0 && later.seconds > 0);
        assert_true(fm_model_fingerprint(lazy.model) == fm_model_fingerprint(eager.model));
        close_rig(&lazy);
        close_rig(&eager);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS], before);
    }
}

static void mapped_panels_give_the_bits_and_each_expert_is_read_once(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        const char *path = golden_path(models[i]), *panels = write_panels(path);
        rig eager = open_rig(path, false, 2);
        size_t before = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS];
        rig mapped = open_with(path, panels, true, 1 + (int)i % 3), whole = open_with(path, panels, false, 2);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS], before);
        assert_int_equal(fm_model_later(mapped.model).experts, 0);
        assert_int_equal(fm_model_later(whole.model).experts_total, 0);
        for (uint64_t text = 0; text < 3; text++) {
            float *expected = logits_of(&eager, text);
            assert_text(&mapped, text, expected);
            assert_text(&whole, text, expected);
            free(expected);
        }
        fm_later later = fm_model_later(mapped.model);
        assert_true(later.experts > 0 && later.experts <= later.experts_total && later.bytes > 0);
        assert_true(later.bytes <= mapped.model->mapped_bytes);
        float *again = logits_of(&mapped, 2);
        assert_int_equal(fm_model_later(mapped.model).bytes, later.bytes);
        free(again);
        close_rig(&whole);
        close_rig(&mapped);
        close_rig(&eager);
    }
}

/* An expert is read twice at most, once where memory is short, and then never again. */
static void what_stays_is_not_read_again(void **state) {
    (void)state;
    fm_error err;
    for (int crowded = 0; crowded < 2; crowded++) {
        rig eager = open_rig(golden_path("tiny-v3"), false, 2), lazy = open_rig(golden_path("tiny-v3"), true, 2);
        if (crowded) { /* as if there were one byte for copies and file together */
            fm_lazy_free(lazy.model->lazy);
            assert_ok(fm_lazy_new(lazy.model, 1, &lazy.model->lazy, &err));
        }
        for (uint64_t text = 0; text < 12; text++) {
            float *expected = logits_of(&eager, text);
            assert_text(&lazy, text, expected);
            free(expected);
        }
        fm_later later = fm_model_later(lazy.model);
        assert_true(later.experts + 2 >= later.experts_total); /* some hardly ever are chosen */
        uint64_t all = eager.model->load_bytes - lazy.model->load_bytes; /* of all experts */
        assert_true(later.bytes > all * 3 / 4 * (crowded ? 1 : 2) && later.bytes <= all * (crowded ? 1 : 2));
        float *again = logits_of(&lazy, 5);
        assert_int_equal(fm_model_later(lazy.model).bytes, later.bytes);
        free(again);
        close_rig(&lazy);
        close_rig(&eager);
    }
}

typedef struct runner {
    rig r;
    const float *expected[MOST_THREADS];
    int number;
    bool same;
    pthread_t thread;
} runner;

static void *run_all_texts(void *context) {
    runner *me = context;
    size_t bytes = CHUNKS * (size_t)me->r.model->config.vocab_size * sizeof(float);
    float *logits = malloc(bytes);
    me->same = true;
    for (int i = 0; i < MOST_THREADS; i++) {
        int text = (me->number + i) % MOST_THREADS;
        fm_error err;
        me->same &= run_text(&me->r, (uint64_t)text, logits, &err) == FM_OK &&
                    memcmp(logits, me->expected[text], bytes) == 0;
    }
    free(logits);
    return NULL;
}

static void engines_that_run_one_model_at_once_each_get_the_bits(void **state) {
    (void)state;
    fm_error err;
    static const char *const some[] = {"tiny-v3", "odd/v3-mtp", QUANTISED};
    for (size_t m = 0; m < 2 * FM_COUNT(some); m++) {
        const char *path = golden_path(some[m / 2]);
        bool mapped = m % 2;
        rig eager = open_rig(path, false, 1), lazy = open_with(path, mapped ? write_panels(path) : NULL, true, 1);
        float *expected[MOST_THREADS];
        runner runners[MOST_THREADS];
        for (int i = 0; i < MOST_THREADS; i++) expected[i] = logits_of(&eager, (uint64_t)i);
        for (int i = 0; i < MOST_THREADS; i++) {
            runners[i] = (runner){.r = {.store = lazy.store, .model = lazy.model}, .number = i};
            memcpy(runners[i].expected, expected, sizeof expected);
            assert_ok(fm_pool_new(1 + i % 2, &runners[i].r.pool, &err));
            start_engine(&runners[i].r);
        }
        for (int i = 0; i < MOST_THREADS; i++)
            assert_int_equal(pthread_create(&runners[i].thread, NULL, run_all_texts, &runners[i]), 0);
        uint64_t last = fm_model_fingerprint(lazy.model); /* may be asked meanwhile, as may how far it is */
        assert_true(last == fm_model_fingerprint(eager.model));
        assert_true(fm_model_later(lazy.model).experts <= fm_model_later(lazy.model).experts_total);
        for (int i = 0; i < MOST_THREADS; i++) {
            pthread_join(runners[i].thread, NULL);
            assert_true(runners[i].same);
            fm_engine_free(runners[i].r.engine);
            fm_pool_free(runners[i].r.pool);
        }
        uint64_t all = eager.model->load_bytes - lazy.model->load_bytes;
        assert_true(fm_model_later(lazy.model).bytes <= (mapped ? lazy.model->mapped_bytes : 2 * all));
        for (int i = 0; i < MOST_THREADS; i++) free(expected[i]);
        close_rig(&lazy);
        close_rig(&eager);
    }
}

/* ---- what can go wrong --------------------------------------------------------------------------- */

/* A copy of the model's one file, which a test may spoil. */
static const char *copy_of_model(char **bytes, size_t *n) {
    fm_error err;
    const char *path = scratch_path("model.gguf");
    assert_ok(fm_file_read(golden_path(QUANTISED), SIZE_MAX / 2, bytes, n, &err));
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(*bytes, 1, *n, f), *n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void assert_step_fails(const rig *r, const char *words) {
    fm_error err = {0};
    float *logits = malloc(CHUNKS * (size_t)r->model->config.vocab_size * sizeof *logits);
    assert_int_equal(run_text(r, 1, logits, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "model.gguf"));
    assert_non_null(strstr(err.message, "_exps.weight"));
    assert_non_null(strstr(err.message, words));
    free(logits);
}

static void a_file_that_changes_is_an_error_of_the_step(void **state) {
    (void)state;
    rig eager = open_rig(golden_path(QUANTISED), false, 1);
    float *expected = logits_of(&eager, 1);
    for (int cut = 0; cut < 2; cut++) {
        char *bytes;
        size_t n;
        const char *path = copy_of_model(&bytes, &n);
        rig lazy = open_rig(path, true, 2);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        if (cut) {
            assert_int_equal(truncate(path, st.st_size / 4), 0);
        } else { /* a byte among the weights; the clock of files may be coarse */
            assert_int_equal(fseek(f, (long)n / 2, SEEK_SET), 0);
            fputc(~bytes[n / 2], f);
            fflush(f);
            const struct timespec later[2] = {st.st_atim, {st.st_mtim.tv_sec + 1, st.st_mtim.tv_nsec}};
            assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
        }
        assert_step_fails(&lazy, "changed the file");
        assert_step_fails(&lazy, "changed the file");
        assert_int_equal(fseek(f, 0, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
        const struct timespec then[2] = {st.st_atim, st.st_mtim};
        assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
        assert_text(&lazy, 1, expected); /* all is as it was: so is the model */
        close_rig(&lazy);
        fm_free(bytes);
    }
    free(expected);
    close_rig(&eager);
}

static void a_file_that_is_replaced_by_renaming_is_still_the_old_one(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    rig eager = open_rig(golden_path(QUANTISED), false, 1);
    float *expected = logits_of(&eager, 1);
    const char *path = copy_of_model(&bytes, &n);
    rig lazy = open_rig(path, true, 2);
    FILE *f = fopen(scratch_path("another"), "wb");
    assert_non_null(f);
    fputs("no model at all", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(scratch_path("another"), path), 0);
    assert_text(&lazy, 1, expected);
    free(expected);
    fm_free(bytes);
    close_rig(&lazy);
    close_rig(&eager);
}

static bool can_look_ahead(const rig *r) {
    const fm_map *map = &r->model->panels->map;
    fm_error err;
    return fm_map_populate(map, map->size - 1, 1, &err) != FM_OK;
}

/* What a step reads ahead is looked for before it is touched, which would be the end of the process. */
static void panels_that_are_cut_short_are_an_error_of_the_step(void **state) {
    (void)state;
    const char *path = golden_path("tiny-v3"), *panels = write_panels(path);
    rig mapped = open_with(path, panels, true, 2);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), experts = SIZE_MAX;
    for (size_t i = 0; i < mapped.model->n_bindings; i++) {
        const fm_binding *b = &mapped.model->bindings[i];
        if (b->moe && b->ready->offset < experts) experts = (size_t)b->ready->offset;
    }
    float *logits = malloc(CHUNKS * (size_t)mapped.model->config.vocab_size * sizeof *logits);
    fm_error err = {0};
    assert_int_equal(truncate(panels, (off_t)((experts + page - 1) / page * page)), 0);
    if (!can_look_ahead(&mapped)) skip_because("the kernel is older than 5.14 and cannot populate a mapping");
    assert_int_equal(run_text(&mapped, 1, logits, &err), FM_ERR_IO);
    if (!strstr(err.message, "the panels of ") || !strstr(err.message, "shortened")) fail_msg("'%s'", err.message);
    free(logits);
    close_rig(&mapped);
}

static void a_failed_allocation_fails_the_step_and_the_next_goes_on(void **state) {
    (void)state;
    rig eager = open_rig(golden_path("tiny-v3"), false, 1), lazy = open_rig(golden_path("tiny-v3"), true, 2);
    float *expected = logits_of(&eager, 1), *logits = logits_of(&eager, 2);
    int failures = 0;
    for (int64_t k = 0, done = 0; !done; k++) {
        fm_error err = {0};
        fm_mem_fail_from(k);
        fm_status status = run_text(&lazy, 1, logits, &err);
        fm_mem_fail_from(-1);
        done = status == FM_OK;
        failures += !done;
        if (!done) assert_int_equal(status, FM_ERR_MEMORY);
        if (!done) assert_non_null(strstr(err.message, "memory"));
    }
    assert_true(failures > 4);
    assert_text(&lazy, 1, expected);
    free(expected);
    free(logits);
    close_rig(&lazy);
    close_rig(&eager);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_those_of_a_model_packed_at_once),
        cmocka_unit_test(mapped_panels_give_the_bits_and_each_expert_is_read_once),
        cmocka_unit_test(what_stays_is_not_read_again),
        cmocka_unit_test(engines_that_run_one_model_at_once_each_get_the_bits),
        cmocka_unit_test(a_file_that_changes_is_an_error_of_the_step),
        cmocka_unit_test(a_file_that_is_replaced_by_renaming_is_still_the_old_one),
        cmocka_unit_test(panels_that_are_cut_short_are_an_error_of_the_step),
        cmocka_unit_test(a_failed_allocation_fails_the_step_and_the_next_goes_on),
    };
    return cmocka_run_group_tests_name("lazy", tests, NULL, NULL);
}
