/* Small models of odd shapes in every family and file form (tests/golden/make/odd_models.py) against
 * their logits, experts and MTP logits in double precision; the bounds are those of the golden
 * models. FATHOM_ODD_MODELS names another folder of such models (tests/soak/odd_models.py). */
#include "support.h"

#include "engine/engine.h"
#include "engine/observe.h"

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

static char names[4096][256];
static int n_names;
static int failures; /* a sweep names every model that fails, not the first alone */

static const char *folder(void) {
    const char *other = getenv("FATHOM_ODD_MODELS");
    return other ? other : golden_path("odd");
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static int list_models(void **state) {
    (void)state;
    DIR *d = opendir(folder());
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d)) && n_names < 4096;)
        if (e->d_name[0] != '.') snprintf(names[n_names++], sizeof names[0], "%s", e->d_name);
    closedir(d);
    qsort(names, (size_t)n_names, sizeof names[0], by_name);
    return n_names > 0 ? 0 : -1;
}

typedef struct opened {
    const char *name;
    fm_store *store, *expected;
    fm_model *model;
    fm_pool *pool;
} opened;

static opened open_odd(const char *name, fm_arith arith, bool pack, int threads) {
    opened o = {.name = name};
    fm_error err;
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s/model.gguf", folder(), name);
    if (stat(path, &st) != 0) snprintf(path, sizeof path, "%s/%s", folder(), name);
    assert_ok(fm_store_open(path, &o.store, &err));
    snprintf(path, sizeof path, "%s/%s/expected.safetensors", folder(), name);
    assert_ok(fm_store_open(path, &o.expected, &err));
    assert_ok(fm_pool_new(threads, &o.pool, &err));
    fm_model_options options = {.arith = arith, .pack = pack,
                                .mtp = fm_store_find(o.expected, "mtp.logits") != NULL};
    assert_ok(fm_model_bind(o.store, &options, &o.model, &err));
    assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
    return o;
}

static void close_odd(opened *o) {
    fm_model_free(o->model);
    fm_pool_free(o->pool);
    fm_store_close(o->store);
    fm_store_close(o->expected);
}

static void compare(const opened *o, const char *what, const float *got, const fm_tensor *want,
                    double bound) {
    double worst = 0;
    for (int64_t i = 0; i < fm_tensor_elements(want); i++) {
        double d = fabs((double)got[i] - (double)((const float *)want->data)[i]);
        if (!(d <= worst)) worst = d;
    }
    if (worst <= bound) return;
    print_error("%s: %s off by %g, bound %g\n", o->name, what, worst, bound);
    failures++;
}

static const fm_tensor *expected(const opened *o, const char *format, long long layer) {
    char name[64];
    snprintf(name, sizeof name, format, layer);
    const fm_store_entry *e = fm_store_find(o->expected, name);
    return e ? &e->tensor : NULL;
}

static const void *observed(const fm_observation *seen, const char *format, long long layer) {
    char name[64];
    snprintf(name, sizeof name, format, layer);
    const fm_observed *e = fm_observation_find(seen, name);
    if (!e) fail_msg("%s was not observed", name);
    return e->data;
}

static void check_experts(const opened *o, const fm_observation *seen) {
    double bound = 2e-5 * fmax(1, o->model->config.routed_scaling_factor);
    int seen_layers = 0, expected_layers = 0;
    for (int64_t l = 0; l < o->model->config.num_hidden_layers; l++) {
        const fm_tensor *ids = expected(o, "moe.%lld.expert_ids", l);
        char name[64];
        snprintf(name, sizeof name, "experts.%lld", (long long)l);
        seen_layers += fm_observation_find(seen, name) != NULL;
        if (!ids) continue;
        expected_layers++;
        if (memcmp(observed(seen, "experts.%lld", l), ids->data,
                   (size_t)fm_tensor_elements(ids) * 4) != 0) {
            print_error("%s: other experts in layer %lld\n", o->name, (long long)l);
            failures++;
        }
        compare(o, "expert weights", observed(seen, "expert_weights.%lld", l),
                expected(o, "moe.%lld.expert_weights", l), bound);
    }
    assert_int_equal(seen_layers, expected_layers);
}

static void check_prefill(const opened *o, fm_cpu_level level) {
    fm_error err;
    const fm_tensor *ids = expected(o, "input_ids", 0), *mtp = expected(o, "mtp.logits", 0);
    fm_observe_options options = {.kernels = fm_kernels_get(level), .pool = o->pool,
                                  .cache = FM_KV_F32, .experts = true, .mtp = mtp != NULL};
    fm_observation seen;
    assert_ok(fm_observe_prefill(o->model, ids->data, ids->shape[0], &options, &seen, &err));
    const fm_observed *logits = fm_observation_find(&seen, "logits");
    assert_int_equal(logits->shape[0], ids->shape[0]);
    assert_int_equal(logits->shape[1], o->model->config.vocab_size);
    compare(o, "logits", logits->data, expected(o, "logits", 0), 5e-4);
    if (mtp) compare(o, "mtp.logits", observed(&seen, "mtp.logits", 0), mtp, 5e-4);
    check_experts(o, &seen);
    fm_observation_clear(&seen);
}

static void check_all(fm_arith arith, bool pack, fm_cpu_level level) {
    failures = 0;
    for (int i = 0; i < n_names; i++) {
        opened o = open_odd(names[i], arith, pack, 1 + i % 3);
        check_prefill(&o, level);
        close_odd(&o);
    }
    assert_int_equal(failures, 0);
}

static void exact_form_agrees(void **state) {
    (void)state;
    check_all(FM_EXACT, true, fm_cpu_detect());
}

static void reference_kernels_agree(void **state) {
    (void)state;
    check_all(FM_EXACT, true, FM_CPU_REF);
}

static void fast_form_agrees(void **state) {
    (void)state;
    check_all(FM_FAST, true, fm_cpu_detect());
}

static void rows_of_the_file_agree_without_packing(void **state) {
    (void)state;
    check_all(FM_EXACT, false, fm_cpu_detect());
}

static void assert_refused(const opened *o) {
    fm_error err;
    fm_observation seen;
    fm_engine *engine;
    const fm_kernels *k = fm_kernels_get(fm_cpu_detect());
    fm_observe_options observe = {.kernels = k, .pool = o->pool, .cache = FM_KV_INT8};
    fm_engine_options options = {.rows = 4, .context = 8, .cache = FM_KV_INT8, .kernels = k,
                                 .pool = o->pool};
    assert_int_equal(fm_observe_prefill(o->model, &(int32_t){1}, 1, &observe, &seen, &err),
                     FM_ERR_UNSUPPORTED);
    assert_int_equal(fm_engine_new(o->model, &options, &engine, &err), FM_ERR_UNSUPPORTED);
    assert_null(engine);
    assert_non_null(strstr(err.message, "use a bf16 or f32 cache"));
}

/* Through a sequence, in chunks of 1, 3 or 64 rows, a few tokens taken back on the way: the last
 * token's logits are the bits of the prefill in one piece, with a cache of any type. A shape that an
 * int8 cache cannot hold is refused by either. */
static void sequences_give_the_bits_of_one_prefill(void **state) {
    (void)state;
    fm_error err;
    for (int i = 0; i < n_names; i++) {
        opened o = open_odd(names[i], FM_EXACT, true, 2);
        const fm_tensor *ids = expected(&o, "input_ids", 0);
        int64_t n = ids->shape[0], v = o.model->config.vocab_size;
        fm_kv_type cache = (fm_kv_type)(i % 3);
        if (cache == FM_KV_INT8 && fm_config_cache_block(&o.model->config) < FM_KV_LEAST_BLOCK) {
            assert_refused(&o);
            close_odd(&o);
            continue;
        }
        fm_observe_options whole = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = o.pool,
                                    .cache = cache};
        fm_observation seen;
        assert_ok(fm_observe_prefill(o.model, ids->data, n, &whole, &seen, &err));
        const float *want = (const float *)fm_observation_find(&seen, "logits")->data + (n - 1) * v;
        static const int64_t rows[] = {1, 3, 64};
        for (size_t r = 0; r < FM_COUNT(rows); r++) {
            fm_engine_options options = {.rows = rows[r], .context = n, .cache = cache,
                                         .kernels = whole.kernels, .pool = o.pool};
            fm_engine *engine;
            fm_sequence *s;
            assert_ok(fm_engine_new(o.model, &options, &engine, &err));
            assert_ok(fm_engine_start(engine, &err));
            assert_ok(fm_sequence_new(engine, &s, &err));
            const int32_t *id = ids->data;
            int32_t wrong = (id[n - 1] + 1) % (int32_t)v;
            if (n > 1) assert_ok(fm_sequence_extend(s, id, n - 1, NULL, NULL, &err));
            assert_ok(fm_sequence_extend(s, &wrong, 1, NULL, NULL, &err));
            fm_sequence_truncate(s, n - n / 2 - 1);
            assert_ok(fm_sequence_extend(s, id + (n - n / 2 - 1), n / 2 + 1, NULL, NULL, &err));
            if (memcmp(fm_sequence_logits(s), want, (size_t)v * sizeof(float)) != 0)
                fail_msg("%s: other bits in chunks of %lld", names[i], (long long)rows[r]);
            fm_sequence_free(s);
            fm_engine_free(engine);
        }
        fm_observation_clear(&seen);
        close_odd(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_form_agrees),
        cmocka_unit_test(reference_kernels_agree),
        cmocka_unit_test(fast_form_agrees),
        cmocka_unit_test(rows_of_the_file_agree_without_packing),
        cmocka_unit_test(sequences_give_the_bits_of_one_prefill),
    };
    return cmocka_run_group_tests_name("odd models", tests, list_models, NULL);
}
