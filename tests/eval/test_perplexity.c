/* Perplexity and its files: windows, coded distributions, and figures worked out from plain logits. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/observe.h"
#include "eval/perplexity.h"
#include "eval/stats.h"

#include <math.h>

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.17g is not %.17g", a, b);
}

/* ---- windows ------------------------------------------------------------------------------------- */

static void halves_are_scored_as_llama_cpp_scores_them(void **state) {
    (void)state;
    fm_perplexity_window w;
    assert_true(fm_perplexity_window_at(1300, 512, 0, 0, &w));
    assert_true(w.begin == 0 && w.end == 512 && w.first == 257); /* 255 of 512 */
    assert_true(fm_perplexity_window_at(1300, 512, 0, 1, &w));
    assert_true(w.begin == 512 && w.end == 1024 && w.first == 769);
    assert_false(fm_perplexity_window_at(1300, 512, 0, 2, &w));
    assert_false(fm_perplexity_window_at(511, 512, 0, 0, &w));
}

static void strides_score_every_token_but_the_first_once(void **state) {
    (void)state;
    for (int64_t n = 2; n < 60; n++)
        for (int64_t context = 4; context < 20; context += 3)
            for (int64_t stride = 1; stride < context; stride++) {
                int64_t next = 1, index = 0;
                fm_perplexity_window w;
                for (; fm_perplexity_window_at(n, context, stride, index, &w); index++) {
                    assert_int_equal(w.first, next);
                    assert_true(w.begin < w.first && w.first < w.end && w.end <= n);
                    assert_true(w.end - w.begin <= context);
                    if (index > 0) assert_true(w.first - w.begin >= context - stride);
                    next = w.end;
                }
                assert_int_equal(next, n);
            }
}

/* ---- coded distributions ------------------------------------------------------------------------- */

static void random_logits(float *logits, int64_t n, uint64_t seed, double spread) {
    for (int64_t i = 0; i < n; i++) logits[i] = (float)(spread * fm_rng_normal(seed, 0, (uint64_t)i));
}

static void a_coded_distribution_is_the_distribution_but_for_its_rounding(void **state) {
    (void)state;
    enum { N = 5001 };
    static float logits[N];
    static double p[N];
    void *row = malloc(fm_baseline_row_bytes(N));
    for (uint64_t seed = 0; seed < 20; seed++) {
        random_logits(logits, N, seed, 0.1 + (double)seed);
        double norm = fm_baseline_norm(logits, N), kl = 0, sum = 0;
        int32_t token = (int32_t)(seed * 250);
        fm_baseline_encode(logits, N, norm, token, row);
        fm_baseline_row head;
        assert_true(fm_baseline_decode(row, N, &head, p));
        assert_int_equal(head.token, token);
        assert_near((double)head.logprob, (double)logits[token] - norm, 1e-5);
        for (int64_t i = 0; i < N; i++) {
            double exact = (double)logits[i] - norm, below = (double)head.top - exact;
            /* half the distance to the next code, float32's rounding of the top, and the shift by which the
             * rounded row is normalised anew */
            double step = sqrt((double)head.range * fmax(below, 1e-9)) / 65535 + (double)head.range / 4e9;
            if (below < 79) assert_near(p[i], exact, step + 5e-5);
            kl += exp(p[i]) * (p[i] - exact);
            sum += exp(p[i]);
        }
        assert_near(sum, 1, 1e-9);
        assert_true(kl > -1e-12 && kl < 1e-7);
    }
    free(row);
}

static void extreme_logits_are_coded_too(void **state) {
    (void)state;
    static const float cases[][4] = {{0, 0, 0, 0}, {1e30f, -1e30f, 0, 1}, {0, -INFINITY, -INFINITY, -1},
                                     {-1e-40f, 1e-40f, 0, -0.0f}, {500, 400, 300, 200}};
    char row[64];
    double p[4];
    for (size_t c = 0; c < FM_COUNT(cases); c++) {
        double norm = fm_baseline_norm(cases[c], 4);
        assert_true(isfinite(norm));
        fm_baseline_row head;
        fm_baseline_encode(cases[c], 4, norm, 0, row);
        assert_true(fm_baseline_decode(row, 4, &head, p));
        for (int i = 0; i < 4; i++) {
            double exact = (double)cases[c][i] - norm;
            assert_near(exp(p[i]), exp(exact), 1e-4);
        }
    }
    static const float wrong[][2] = {{NAN, 0}, {0, NAN}, {INFINITY, 0}, {-INFINITY, -INFINITY}};
    for (size_t c = 0; c < FM_COUNT(wrong); c++) assert_true(isnan(fm_baseline_norm(wrong[c], 2)));
}

static void random_bytes_are_no_distribution_or_a_sane_one(void **state) {
    (void)state;
    enum { N = 11 };
    double p[N];
    uint8_t row[64];
    int taken = 0;
    assert_true(fm_baseline_row_bytes(N) == 40);
    for (uint64_t round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof row; i += 16) {
            fm_rng_block r = fm_rng_at(3, round, i);
            memcpy(row + i, &r, 16);
        }
        if (round % 2) row[0] = (uint8_t)(round % N), row[1] = row[2] = row[3] = 0;
        fm_baseline_row head;
        if (!fm_baseline_decode(row, N, &head, p)) continue;
        taken++;
        double sum = 0;
        for (int i = 0; i < N; i++) sum += exp(p[i]);
        assert_near(sum, 1, 1e-9);
    }
    assert_true(taken > 100);
}

static void a_file_says_what_it_is_and_is_whole(void **state) {
    (void)state;
    fm_baseline_shape shape = {.vocabulary = 7, .context = 512, .stride = 0, .bos = -1, .rows = 3, .hash = 99};
    uint64_t size;
    assert_true(fm_baseline_file_bytes(&shape, &size));
    assert_int_equal(size, 48 + 3 * 32);
    char *bytes = calloc(1, (size_t)size);
    fm_baseline_header(&shape, bytes);
    const char *path = scratch_path("whole");
    fm_error err;
    fm_baseline_file file;
    for (size_t n = 0; n <= size; n++) { /* cut anywhere, it is refused */
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
        fm_status status = fm_baseline_open(path, &file, &err);
        assert_int_equal(status, n == size ? FM_OK : FM_ERR_FORMAT);
        if (status == FM_OK) {
            assert_memory_equal(&file.shape, &shape, sizeof shape);
            assert_ok(fm_baseline_match(&file, path, &shape, &err));
            fm_baseline_shape other = shape;
            other.context = 256;
            assert_int_equal(fm_baseline_match(&file, path, &other, &err), FM_ERR_ARGUMENT);
            assert_non_null(strstr(err.message, "a context of 512 and this run has 256"));
            other = shape, other.hash++;
            assert_int_equal(fm_baseline_match(&file, path, &other, &err), FM_ERR_ARGUMENT);
            fm_baseline_close(&file);
        }
    }
    shape.rows = UINT64_MAX / 32;
    assert_false(fm_baseline_file_bytes(&shape, &size));
    free(bytes);
}

/* ---- a model ------------------------------------------------------------------------------------- */

typedef struct opened {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} opened;

static opened open_model(const char *path, int64_t rows, int64_t outputs, int threads, fm_kv_type cache) {
    opened o = {0};
    fm_error err;
    assert_ok(fm_store_open(path, &o.store, &err));
    assert_ok(fm_model_bind(o.store, &(fm_model_options){.pack = true}, &o.model, &err));
    assert_ok(fm_pool_new(threads, &o.pool, &err));
    assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
    fm_engine_options options = {.rows = rows, .sequences = 1, .outputs = outputs, .context = 512,
                                 .cache = cache, .kernels = fm_kernels_get(fm_cpu_detect()), .pool = o.pool};
    assert_ok(fm_engine_new(o.model, &options, &o.engine, &err));
    assert_ok(fm_engine_start(o.engine, &err));
    return o;
}

static void close_model(opened *o) {
    fm_engine_free(o->engine);
    fm_model_free(o->model);
    fm_pool_free(o->pool);
    fm_store_close(o->store);
}

enum { TEXT = 100 };

static void draw_text(const opened *o, int32_t *ids) {
    for (uint64_t i = 0; i < TEXT; i++)
        ids[i] = (int32_t)(fm_rng_at(1, 0, i).word[0] % (uint32_t)o->model->config.vocab_size);
}

/* -log p of a window's scored tokens from one plain prefill; returns how many. */
static int64_t expected_nll(const opened *o, const int32_t *ids, const fm_perplexity_window *w, int32_t bos,
                            fm_kv_type cache, double *sum) {
    int32_t window[TEXT];
    int64_t n = w->end - w->begin, v = o->model->config.vocab_size;
    fm_error err;
    fm_observation seen;
    fm_observe_options options = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = o->pool, .cache = cache};
    memcpy(window, ids + w->begin, (size_t)n * sizeof *ids);
    if (bos >= 0) window[0] = bos;
    assert_ok(fm_observe_prefill(o->model, window, n, &options, &seen, &err));
    const float *logits = fm_observation_find(&seen, "logits")->data;
    for (int64_t t = w->first; t < w->end; t++) {
        const float *row = logits + (t - w->begin - 1) * v;
        double total = 0;
        for (int64_t i = 0; i < v; i++) total += exp((double)row[i] - (double)row[0]);
        *sum += log(total) + (double)row[0] - (double)row[ids[t]];
    }
    fm_observation_clear(&seen);
    return w->end - w->first;
}

static void scores_are_those_of_a_plain_prefill(void **state) {
    (void)state;
    static const char *const names[] = {"tiny-v3", "tiny-v2-lite", "tiny-llama"};
    static const int64_t strides[] = {0, 7, 19};
    for (size_t m = 0; m < FM_COUNT(names); m++)
        for (size_t s = 0; s < FM_COUNT(strides); s++) {
            opened o = open_model(golden_path(names[m]), 9, 1 + (int64_t)s * 4, 2, FM_KV_F32);
            int32_t ids[TEXT], bos = s == 1 ? 5 : -1, *bytes = calloc(100000, sizeof *bytes);
            draw_text(&o, ids);
            for (int64_t i = 0; i < o.model->config.vocab_size; i++) bytes[i] = (int32_t)(i % 5);
            fm_perplexity_options options = {.context = 30, .stride = strides[s], .bos = bos,
                                             .token_bytes = bytes};
            fm_perplexity_result r;
            fm_error err;
            assert_ok(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err));
            double sum = 0, size = 0;
            int64_t n = 0, windows = 0;
            fm_perplexity_window w;
            for (; fm_perplexity_window_at(TEXT, 30, strides[s], windows, &w); windows++) {
                n += expected_nll(&o, ids, &w, bos, FM_KV_F32, &sum);
                for (int64_t t = w.first; t < w.end; t++) size += ids[t] % 5;
            }
            assert_int_equal(r.windows, windows);
            assert_int_equal(r.all_windows, windows);
            assert_int_equal(r.scored, n);
            assert_near(r.nll, sum / (double)n, 1e-9);
            assert_near(r.bytes, size, 0);
            assert_true(r.nll_error > 0 && r.kl == 0 && r.base_nll == 0);
            free(bytes);
            close_model(&o);
        }
}

static void figures_do_not_depend_on_chunks_and_threads(void **state) {
    (void)state;
    double nll = 0;
    for (int i = 0; i < 3; i++) {
        opened o = open_model(golden_path("tiny-v3"), 3 + 20 * i, 1 + 6 * i, 1 + i, FM_KV_F32);
        int32_t ids[TEXT];
        fm_perplexity_result r;
        fm_error err;
        draw_text(&o, ids);
        fm_perplexity_options options = {.context = 40, .bos = -1};
        assert_ok(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err));
        if (i == 0) nll = r.nll;
        assert_true(r.nll == nll); /* to the bit */
        close_model(&o);
    }
}

/* KL of every scored token, the slow way. */
static int64_t divergences(opened *a, opened *b, const int32_t *ids, double *kl, double *delta,
                           double *same) {
    int64_t v = a->model->config.vocab_size, n = 0;
    fm_perplexity_window w;
    for (int64_t i = 0; fm_perplexity_window_at(TEXT, 30, 0, i, &w); i++) {
        fm_observation seen[2];
        fm_error err;
        opened *both[] = {a, b};
        for (int k = 0; k < 2; k++) {
            fm_observe_options options = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = both[k]->pool,
                                          .cache = k ? FM_KV_INT8 : FM_KV_F32};
            assert_ok(fm_observe_prefill(both[k]->model, ids + w.begin, w.end - w.begin, &options, &seen[k], &err));
        }
        const float *x = fm_observation_find(&seen[0], "logits")->data;
        const float *y = fm_observation_find(&seen[1], "logits")->data;
        for (int64_t t = w.first; t < w.end; t++, n++) {
            const float *p = x + (t - w.begin - 1) * v, *q = y + (t - w.begin - 1) * v;
            double np = fm_baseline_norm(p, v), nq = fm_baseline_norm(q, v);
            int64_t best[2] = {0, 0};
            kl[n] = 0;
            for (int64_t j = 0; j < v; j++) {
                double lp = (double)p[j] - np, lq = (double)q[j] - nq;
                kl[n] += exp(lp) * (lp - lq);
                if (p[j] > p[best[0]]) best[0] = j;
                if (q[j] > q[best[1]]) best[1] = j;
            }
            *delta += ((double)q[ids[t]] - nq) - ((double)p[ids[t]] - np);
            *same += best[0] == best[1];
        }
        fm_observation_clear(&seen[0]);
        fm_observation_clear(&seen[1]);
    }
    return n;
}

static bool remember_plan(void *context, int64_t windows, int64_t scored, uint64_t bytes) {
    uint64_t *plan = context;
    plan[0] = (uint64_t)windows, plan[1] = (uint64_t)scored, plan[2] = bytes;
    return true;
}

static void the_distance_to_another_run_is_that_of_its_logits(void **state) {
    (void)state;
    opened a = open_model(golden_path("tiny-v2-lite"), 16, 4, 2, FM_KV_F32);
    opened b = open_model(golden_path("tiny-v2-lite"), 16, 8, 2, FM_KV_INT8);
    int32_t ids[TEXT];
    draw_text(&a, ids);
    const char *path = scratch_path("base");
    uint64_t plan[3];
    fm_perplexity_result base, r, again;
    fm_error err;
    fm_perplexity_options options = {.context = 30, .bos = -1, .save = path, .on_plan = remember_plan,
                                     .callback_context = plan};
    assert_ok(fm_perplexity_run(a.model, a.engine, ids, TEXT, &options, &base, &err));
    fm_map map;
    assert_ok(fm_map_open(path, &map, &err));
    assert_int_equal(plan[0], 3);
    assert_int_equal(plan[1], base.scored);
    assert_int_equal(plan[2], map.size);
    fm_map_close(&map);
    options = (fm_perplexity_options){.context = 30, .bos = -1, .against = path};
    assert_ok(fm_perplexity_run(b.model, b.engine, ids, TEXT, &options, &r, &err));
    assert_ok(fm_perplexity_run(a.model, a.engine, ids, TEXT, &options, &again, &err));
    double kl[TEXT], delta = 0, same = 0, sum = 0;
    int64_t n = divergences(&a, &b, ids, kl, &delta, &same);
    for (int64_t i = 0; i < n; i++) sum += kl[i];
    fm_sort_numbers(kl, (size_t)n);
    assert_int_equal(r.scored, n);
    /* KL is of second order in the codes' rounding where the other run is the same one, and of first
     * order in (rounding * difference) where it is another */
    double slack = 1e-8 + 1e-4 * sqrt(kl[n - 1]);
    assert_near(r.kl, sum / (double)n, slack);
    assert_near(r.kl_median, fm_quantile(kl, (size_t)n, 0.5), slack);
    assert_near(r.kl_99, fm_quantile(kl, (size_t)n, 0.99), slack);
    assert_near(r.kl_max, kl[n - 1], slack);
    assert_near(r.same_top, same / (double)n, 1e-12);
    assert_near(r.delta, delta / (double)n, 1e-6);
    assert_near(r.base_nll, base.nll, 1e-6);
    assert_true(r.kl > 1e-9 && r.kl_max > r.kl && r.kl_max >= r.kl_99 && r.kl_99 >= r.kl_median);
    assert_true(again.kl >= 0 && again.kl_max < 1e-7 && again.same_top == 1);
    assert_near(again.delta, 0, 1e-7);
    close_model(&a);
    close_model(&b);
}

/* ---- what goes wrong ----------------------------------------------------------------------------- */

static void a_text_of_less_than_a_window_is_refused(void **state) {
    (void)state;
    opened o = open_model(golden_path("tiny-llama"), 16, 4, 1, FM_KV_F32);
    int32_t ids[TEXT];
    draw_text(&o, ids);
    fm_perplexity_options options = {.context = TEXT + 1, .bos = -1};
    fm_perplexity_result r;
    fm_error err;
    assert_int_equal(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "100 tokens, fewer than a window of 101"));
    options.stride = 50;
    assert_ok(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err));
    assert_int_equal(r.scored, TEXT - 1);
    close_model(&o);
}

static void another_text_or_a_damaged_file_is_no_baseline(void **state) {
    (void)state;
    opened o = open_model(golden_path("tiny-llama"), 16, 4, 1, FM_KV_F32);
    int32_t ids[TEXT];
    draw_text(&o, ids);
    const char *path = scratch_path("other");
    fm_perplexity_options save = {.context = 30, .bos = -1, .save = path};
    fm_perplexity_options against = {.context = 30, .bos = -1, .against = path};
    fm_perplexity_result r;
    fm_error err;
    assert_ok(fm_perplexity_run(o.model, o.engine, ids, TEXT, &save, &r, &err));
    ids[3]++;
    assert_int_equal(fm_perplexity_run(o.model, o.engine, ids, TEXT, &against, &r, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "other tokens"));
    ids[3]--;
    ids[TEXT - 1]++; /* past the last window: not read */
    assert_ok(fm_perplexity_run(o.model, o.engine, ids, TEXT, &against, &r, &err));
    FILE *f = fopen(path, "r+b");
    float wrong = NAN;
    fseek(f, 48 + 8, SEEK_SET); /* the first row's `top` */
    fwrite(&wrong, sizeof wrong, 1, f);
    fclose(f);
    assert_int_equal(fm_perplexity_run(o.model, o.engine, ids, TEXT, &against, &r, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "row 0"));
    close_model(&o);
}

static void logits_that_are_no_numbers_are_an_error(void **state) {
    (void)state;
    opened o = open_model(golden_path("tiny-llama"), 16, 4, 1, FM_KV_F32);
    int32_t ids[TEXT];
    draw_text(&o, ids);
    o.model->final_norm.master[0] = NAN;
    fm_perplexity_options options = {.context = 30, .bos = -1, .save = scratch_path("nan")};
    fm_perplexity_result r;
    fm_error err;
    assert_int_equal(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "not numbers"));
    assert_false(fm_file_exists(scratch_path("nan")));
    close_model(&o);
}

static bool stop_at(void *context, double fraction) {
    assert_true(fraction >= 0 && fraction <= 1);
    return (*(int *)context)-- > 0;
}

static void it_stops_between_steps_and_leaves_no_file(void **state) {
    (void)state;
    opened o = open_model(golden_path("tiny-llama"), 16, 4, 1, FM_KV_F32);
    int32_t ids[TEXT];
    draw_text(&o, ids);
    for (int at = 0; at < 12; at++) {
        int left = at;
        fm_perplexity_options options = {.context = 30, .bos = -1, .save = scratch_path("half"),
                                         .on_step = stop_at, .callback_context = &left};
        fm_perplexity_result r;
        fm_error err;
        assert_int_equal(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err),
                         FM_ERR_CANCELLED);
        assert_false(fm_file_exists(scratch_path("half")));
    }
    assert_int_equal(fm_engine_cache_statistics(o.engine).in_use, 0);
    close_model(&o);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    opened o = open_model(golden_path("tiny-llama"), 16, 4, 1, FM_KV_F32);
    int32_t ids[TEXT];
    draw_text(&o, ids);
    const char *path = scratch_path("base2");
    fm_perplexity_result r;
    fm_error err;
    fm_perplexity_options options = {.context = 30, .bos = -1, .save = path};
    assert_ok(fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err));
    options.against = path;
    options.save = scratch_path("again");
    fm_status status = FM_ERR_MEMORY;
    for (int k = 0; status != FM_OK; k++) {
        fm_mem_fail_from(k);
        status = fm_perplexity_run(o.model, o.engine, ids, TEXT, &options, &r, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
        if (status != FM_OK) assert_false(fm_file_exists(options.save));
        assert_int_equal(fm_engine_cache_statistics(o.engine).in_use, 0);
        if (status == FM_OK) assert_true(k > 8);
    }
    close_model(&o);
}

/* ---- llama.cpp ----------------------------------------------------------------------------------- */

/* tests/golden/peers: -log p of tokens 1 .. 511 of three windows, by llama.cpp in float32. */
static void a_real_model_scores_a_text_as_llama_cpp_does(void **state) {
    (void)state;
    enum { WINDOW = 512 };
    const char *model = fixture_path("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if (!fm_file_exists(model)) skip_because("SmolLM2 is not here: run tests/fixtures/fetch");
    fm_store *peer;
    fm_error err;
    assert_ok(fm_store_open(golden_path("peers/smollm2-llamacpp-f32.safetensors"), &peer, &err));
    const int32_t *ids = fm_store_find(peer, "text.ids")->tensor.data;
    const float *nll = fm_store_find(peer, "text.nll")->tensor.data;
    int windows = sanitized() ? 1 : 3;
    opened o = open_model(model, 256, 64, 2, FM_KV_F32);
    fm_perplexity_options options = {.context = WINDOW, .bos = -1};
    fm_perplexity_result r;
    assert_ok(fm_perplexity_run(o.model, o.engine, ids, windows * WINDOW, &options, &r, &err));
    double theirs = 0;
    for (int w = 0; w < windows; w++)
        for (int t = WINDOW / 2 + 1; t < WINDOW; t++) theirs += (double)nll[w * (WINDOW - 1) + t - 1];
    assert_int_equal(r.scored, windows * 255);
    theirs /= (double)r.scored;
    print_message("# perplexity %.6f; llama.cpp in F32 %.6f\n", exp(r.nll), exp(theirs));
    assert_near(exp(r.nll - theirs), 1, 1e-5);
    close_model(&o);
    fm_store_close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_are_scored_as_llama_cpp_scores_them),
        cmocka_unit_test(strides_score_every_token_but_the_first_once),
        cmocka_unit_test(a_coded_distribution_is_the_distribution_but_for_its_rounding),
        cmocka_unit_test(extreme_logits_are_coded_too),
        cmocka_unit_test(random_bytes_are_no_distribution_or_a_sane_one),
        cmocka_unit_test(a_file_says_what_it_is_and_is_whole),
        cmocka_unit_test(scores_are_those_of_a_plain_prefill),
        cmocka_unit_test(figures_do_not_depend_on_chunks_and_threads),
        cmocka_unit_test(the_distance_to_another_run_is_that_of_its_logits),
        cmocka_unit_test(a_text_of_less_than_a_window_is_refused),
        cmocka_unit_test(another_text_or_a_damaged_file_is_no_baseline),
        cmocka_unit_test(logits_that_are_no_numbers_are_an_error),
        cmocka_unit_test(it_stops_between_steps_and_leaves_no_file),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_real_model_scores_a_text_as_llama_cpp_does),
    };
    return cmocka_run_group_tests_name("perplexity", tests, NULL, NULL);
}
