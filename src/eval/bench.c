#include "eval/bench.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "eval/stats.h"
#include "eval/traffic.h"

#include <inttypes.h>
#include <stdio.h>

/* Everything under way, so that one place gives it back. */
typedef struct bench {
    const fm_model *model;
    fm_engine *engine;
    const fm_bench_options *options;
    fm_sequence **sequences;
    int32_t *ids;       /* of the longest queue */
    double *rates;      /* [repeat] of the test being run */
    double depth_seconds;
    fm_bench_result *results;
    size_t n;
    double done, total; /* tokens, of everything */
} bench;

static int64_t longest(const int64_t *list, size_t n) {
    int64_t most = 0;
    for (size_t i = 0; i < n; i++)
        if (list[i] > most) most = list[i];
    return most;
}

static int64_t longer(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t fm_bench_positions(const fm_bench_options *o) {
    return longest(o->depth, o->n_depth) + longer(longest(o->prompt, o->n_prompt),
                                                  longest(o->generate, o->n_generate));
}

static double sum(const int64_t *list, size_t n) {
    double tokens = 0;
    for (size_t i = 0; i < n; i++) tokens += (double)list[i];
    return tokens;
}

/* Tokens in all, those of the warm-up and of the depths included: what progress counts. */
static double total_tokens(const fm_bench_options *o) {
    double many = (double)o->sequences, runs = (double)o->repeat + 1;
    double tests = runs * (sum(o->prompt, o->n_prompt) + many * sum(o->generate, o->n_generate));
    return tests * (o->n_depth ? (double)o->n_depth : 1) + many * sum(o->depth, o->n_depth);
}

static void draw(const bench *b, int64_t sequence, int64_t position, int64_t n) {
    uint64_t vocabulary = (uint64_t)b->options->vocabulary;
    for (int64_t i = 0; i < n; i++) {
        fm_rng_block r = fm_rng_at(b->options->seed, (uint64_t)sequence, (uint64_t)(position + i));
        b->ids[i] = (int32_t)((((uint64_t)r.word[0] << 32) | r.word[1]) % vocabulary);
    }
}

/* Steps until none of the first `many` sequences waits; adds the seconds of the steps. */
static fm_status step_all(bench *b, int64_t many, const char *name, double *seconds, fm_error *err) {
    const fm_bench_options *o = b->options;
    for (;;) {
        int64_t waiting = 0;
        for (int64_t s = 0; s < many; s++) waiting += fm_sequence_waiting(b->sequences[s]);
        if (waiting == 0) return FM_OK;
        fm_step_report report;
        double start = fm_clock_seconds();
        FM_TRY(fm_engine_step(b->engine, b->sequences, many, &report, err));
        *seconds += fm_clock_seconds() - start;
        b->done += (double)report.rows;
        if (o->progress && !o->progress(o->context, name, b->done / b->total))
            return fm_fail(err, FM_ERR_CANCELLED, "stopped in %s", name);
    }
}

static fm_status extend_all(bench *b, int64_t many, int64_t position, int64_t n, const char *name,
                            double *seconds, fm_error *err) {
    for (int64_t s = 0; s < many; s++) {
        draw(b, s, position, n);
        FM_TRY(fm_sequence_queue(b->sequences[s], b->ids, n, err));
    }
    return step_all(b, many, name, seconds, err);
}

/* One repetition: its seconds, and the hash of the last logits. */
static fm_status repetition(bench *b, const fm_bench_result *t, double *seconds, uint64_t *hash,
                            fm_error *err) {
    *seconds = 0;
    *hash = 0;
    for (int64_t s = 0; s < t->sequences; s++) fm_sequence_truncate(b->sequences[s], t->depth);
    int64_t at_once = t->decode ? 1 : t->tokens;
    for (int64_t i = 0; i < t->tokens; i += at_once)
        FM_TRY(extend_all(b, t->sequences, t->depth + i, at_once, t->name, seconds, err));
    size_t bytes = (size_t)b->model->config.vocab_size * sizeof(float);
    for (int64_t s = 0; s < t->sequences; s++)
        *hash = fm_hash(fm_sequence_logits(b->sequences[s]), bytes, *hash);
    return FM_OK;
}

static fm_status run_test(bench *b, fm_bench_result *t, fm_error *err) {
    double tokens = (double)(t->tokens * t->sequences);
    for (int i = -1; i < b->options->repeat; i++) {
        double seconds;
        uint64_t hash;
        if (b->options->profile && i == 0) FM_TRY(fm_plan_profile(fm_engine_plan(b->engine), err));
        FM_TRY(repetition(b, t, &seconds, &hash, err));
        if (i < 0) t->hash = hash;
        if (hash != t->hash)
            return fm_fail(err, FM_ERR_FORMAT,
                           "%s: repetition %d gave logits %016" PRIx64 " where the first gave %016" PRIx64
                           "; the same tokens must give the same bits, so this machine's memory or "
                           "Fathom is at fault: check the one and report the other", t->name, i + 1,
                           hash, t->hash);
        if (i >= 0) b->rates[i] = tokens / (seconds > 1e-9 ? seconds : 1e-9);
    }
    t->profile_lines = fm_plan_profile_lines(fm_engine_plan(b->engine), t->profile, FM_BENCH_LINES);
    size_t n = (size_t)b->options->repeat;
    fm_sort_numbers(b->rates, n);
    t->median = fm_quantile(b->rates, n, 0.5);
    t->low = b->rates[0];
    t->high = b->rates[n - 1];
    t->seconds = tokens / t->median;
    return FM_OK;
}

static void name_test(fm_bench_result *t) {
    char many[24] = "";
    if (t->sequences > 1) snprintf(many, sizeof many, "x%" PRId64, t->sequences);
    snprintf(t->name, sizeof t->name, "%s%" PRId64 "%s@d%" PRId64, t->decode ? "tg" : "pp", t->tokens,
             many, t->depth);
}

static void expect_traffic(const bench *b, fm_bench_result *t) {
    int64_t in_step = longer(1, fm_engine_options_of(b->engine)->sequences);
    if (!t->decode) {
        t->flops = fm_traffic_flops(b->model, t->depth, t->tokens);
        return;
    }
    /* more sequences than fit in a step take several, and each reads the weights */
    for (int64_t left = t->sequences; left > 0; left -= in_step)
        t->weight_bytes += fm_traffic_weights(b->model, left < in_step ? left : in_step);
    for (int64_t i = 0; i < t->tokens; i++)
        t->cache_bytes += fm_traffic_cache(fm_engine_kv(b->engine), t->depth + i);
    t->cache_bytes *= (double)t->sequences / (double)t->tokens;
}

static fm_status run_list(bench *b, const int64_t *lengths, size_t n, int64_t depth, bool decode,
                          fm_error *err) {
    for (size_t i = 0; i < n; i++) {
        if (lengths[i] == 0) continue;
        fm_bench_result *t = &b->results[b->n];
        *t = (fm_bench_result){.decode = decode, .tokens = lengths[i], .depth = depth,
                               .sequences = decode ? b->options->sequences : 1,
                               .depth_seconds = b->depth_seconds};
        name_test(t);
        expect_traffic(b, t);
        FM_TRY(run_test(b, t, err));
        b->n++;
    }
    return FM_OK;
}

static fm_status run_depth(bench *b, int64_t depth, fm_error *err) {
    const fm_bench_options *o = b->options;
    b->depth_seconds = 0;
    for (int64_t s = 0; s < o->sequences; s++) fm_sequence_truncate(b->sequences[s], 0);
    if (depth > 0)
        FM_TRY(extend_all(b, o->sequences, 0, depth, "depth", &b->depth_seconds, err));
    FM_TRY(run_list(b, o->prompt, o->n_prompt, depth, false, err));
    return run_list(b, o->generate, o->n_generate, depth, true, err);
}

static fm_status prepare(bench *b, fm_error *err) {
    const fm_bench_options *o = b->options;
    size_t tests = (o->n_prompt + o->n_generate) * (o->n_depth ? o->n_depth : 1);
    int64_t queue = longer(longest(o->prompt, o->n_prompt), longest(o->depth, o->n_depth));
    b->total = total_tokens(o);
    b->ids = fm_alloc_array((size_t)queue + 1, sizeof *b->ids, FM_MEM_OTHER);
    b->rates = fm_alloc_array((size_t)o->repeat, sizeof *b->rates, FM_MEM_OTHER);
    b->results = fm_alloc_array(tests + 1, sizeof *b->results, FM_MEM_OTHER);
    b->sequences = fm_alloc_array((size_t)o->sequences, sizeof *b->sequences, FM_MEM_OTHER);
    if (!b->ids || !b->rates || !b->results || !b->sequences)
        return fm_fail_memory(err, (size_t)queue * sizeof *b->ids, "the tests");
    for (int64_t s = 0; s < o->sequences; s++)
        FM_TRY(fm_sequence_new(b->engine, &b->sequences[s], err));
    return FM_OK;
}

static fm_status run_all(bench *b, fm_error *err) {
    const fm_bench_options *o = b->options;
    FM_TRY(prepare(b, err));
    if (o->n_depth == 0) return run_depth(b, 0, err);
    for (size_t i = 0; i < o->n_depth; i++) FM_TRY(run_depth(b, o->depth[i], err));
    return FM_OK;
}

fm_status fm_bench_run(const fm_model *model, fm_engine *engine, const fm_bench_options *options,
                       fm_bench_result **results, size_t *n, fm_error *err) {
    bench b = {.model = model, .engine = engine, .options = options};
    fm_status status = run_all(&b, err);
    for (int64_t s = 0; b.sequences && s < options->sequences; s++)
        fm_sequence_free(b.sequences[s]);
    fm_free(b.sequences);
    fm_free(b.ids);
    fm_free(b.rates);
    *results = status == FM_OK ? b.results : NULL;
    *n = status == FM_OK ? b.n : 0;
    if (status != FM_OK) fm_free(b.results);
    return status;
}
