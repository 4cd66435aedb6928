/* fathom_bench.c: the speed of an open model, in an engine of its own so that nothing is shared. */
#include "api/own_engine.h"
#include "fathom/fathom_measure.h"

#include "base/json_write.h"
#include "eval/bandwidth.h"
#include "eval/bench.h"

#include <inttypes.h>
#include <stdio.h>

enum { REPEAT = 5, MOST_REPEAT = 10000, MOST_SEQUENCES = 4096, MOST_LENGTH = 1 << 30 };

fathom_bench_options fathom_bench_defaults(void) {
    static const int64_t prompt[] = {512}, generate[] = {128}, depth[] = {0};
    return (fathom_bench_options){.prompt = prompt, .n_prompt = 1, .generate = generate,
                                  .n_generate = 1, .depth = depth, .n_depth = 1};
}

typedef struct job {
    fathom_model *model;
    fm_bench_options options;
    fm_engine *engine;
    size_t buffer;         /* of the measurement of bandwidth; 0: none */
    double before, after;  /* bytes a second */
    fm_bench_result *results;
    size_t n;
} job;

static fm_status check_lengths(const int64_t *list, size_t n, const char *what, fm_error *err) {
    for (size_t i = 0; i < n; i++)
        if (list[i] < 0 || list[i] > MOST_LENGTH)
            return fm_fail(err, FM_ERR_ARGUMENT, "a %s of %" PRId64 " tokens cannot be measured: give "
                           "0 to %d", what, list[i], MOST_LENGTH);
    return FM_OK;
}

static fm_status take_options(job *j, const fathom_bench_options *o, fm_error *err) {
    FM_TRY(check_lengths(o->prompt, o->n_prompt, "prompt", err));
    FM_TRY(check_lengths(o->generate, o->n_generate, "reply", err));
    FM_TRY(check_lengths(o->depth, o->n_depth, "depth", err));
    if (o->repeat < 0 || o->repeat > MOST_REPEAT || o->sequences < 0 || o->sequences > MOST_SEQUENCES)
        return fm_fail(err, FM_ERR_ARGUMENT, "repetitions go to %d and sequences to %d", MOST_REPEAT,
                       MOST_SEQUENCES);
    j->options = (fm_bench_options){
        .prompt = o->prompt, .n_prompt = o->n_prompt, .generate = o->generate,
        .n_generate = o->n_generate, .depth = o->depth, .n_depth = o->n_depth,
        .sequences = o->sequences ? o->sequences : 1, .repeat = o->repeat ? o->repeat : REPEAT,
        .seed = o->seed, .vocabulary = fm_api_drawable(j->model), .profile = o->profile,
        .progress = o->progress, .context = o->progress_context};
    int64_t need = fm_bench_positions(&j->options);
    int64_t most = j->model->inner->config.max_position_embeddings;
    if (need > most)
        return fm_fail(err, FM_ERR_LIMIT, "the longest test needs %" PRId64 " positions and this model "
                       "was made for %" PRId64 ": measure shorter prompts or lesser depths", need, most);
    return FM_OK;
}

static fm_status measure(job *j, bool bandwidth, fm_error *err) {
    if (bandwidth) j->buffer = fm_bandwidth_buffer();
    if (j->buffer) FM_TRY(fm_bandwidth_measure(j->model->pool, j->buffer, &j->before, err));
    FM_TRY(fm_api_own_engine(j->model, j->options.sequences, 0, fm_bench_positions(&j->options),
                             false, &j->engine, err));
    FM_TRY(fm_bench_run(j->model->inner, j->engine, &j->options, &j->results, &j->n, err));
    if (j->buffer) FM_TRY(fm_bandwidth_measure(j->model->pool, j->buffer, &j->after, err));
    return FM_OK;
}

/* ---- the document ------------------------------------------------------------------------------- */

/* Seconds, calls and bytes per computed token. */
static void put_profile(fm_json_writer *w, const job *j, const fm_bench_result *t) {
    double tokens = (double)t->tokens * (double)t->sequences * j->options.repeat;
    fm_json_open(w, "profile", '[');
    for (size_t i = 0; i < t->profile_lines; i++) {
        const fm_profile_line *l = &t->profile[i];
        fm_json_open(w, NULL, '{');
        fm_json_put_text(w, "op", l->op);
        fm_json_put_integer(w, "columns_in", l->columns_in);
        fm_json_put_integer(w, "columns_out", l->columns_out);
        fm_json_put_integer(w, "calls", l->calls);
        fm_json_put_real(w, "seconds", l->seconds);
        fm_json_put_real(w, "seconds_per_token", l->seconds / tokens);
        fm_json_put_real(w, "weight_bytes", l->bytes);
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
}

static void put_test(fm_json_writer *w, const job *j, const fm_bench_result *t) {
    char hash[24];
    double peak = j->before > j->after ? j->before : j->after;
    double bytes = t->weight_bytes + t->cache_bytes;
    double steps = t->median / (double)t->sequences; /* a second */
    snprintf(hash, sizeof hash, "%016" PRIx64, t->hash);
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "test", t->name);
    fm_json_put_text(w, "kind", t->decode ? "decode" : "prefill");
    fm_json_put_integer(w, "tokens", t->tokens);
    fm_json_put_integer(w, "depth", t->depth);
    fm_json_put_integer(w, "sequences", t->sequences);
    fm_json_put_real(w, "tokens_per_second", t->median);
    fm_json_put_real(w, "tokens_per_second_min", t->low);
    fm_json_put_real(w, "tokens_per_second_max", t->high);
    fm_json_put_real(w, "seconds", t->seconds);
    if (t->depth > 0) fm_json_put_real(w, "depth_seconds", t->depth_seconds);
    if (t->decode) {
        fm_json_put_real(w, "weight_bytes_per_step", t->weight_bytes);
        fm_json_put_real(w, "cache_bytes_per_step", t->cache_bytes);
        fm_json_put_real(w, "bytes_per_second", bytes * steps);
        if (peak > 0) fm_json_put_real(w, "bandwidth_fraction", bytes * steps / peak);
    } else {
        fm_json_put_real(w, "flops", t->flops);
        fm_json_put_real(w, "flops_per_second", t->flops / t->seconds);
    }
    fm_json_put_text(w, "logits_hash", hash);
    if (j->options.profile) put_profile(w, j, t);
    fm_json_close(w, '}');
}

static void put_model(fm_json_writer *w, const job *j) {
    fathom_model_info info = fathom_model_describe(j->model);
    static const char *const caches[] = {
        [FATHOM_CACHE_F32] = "f32", [FATHOM_CACHE_BF16] = "bf16", [FATHOM_CACHE_INT8] = "int8"};
    const fm_gate *gate = &j->model->inner->gate;
    fm_json_put_text(w, "model", info.name);
    fm_json_put_text(w, "architecture", info.architecture);
    fm_json_put_integer(w, "parameters", (int64_t)info.parameters);
    fm_json_put_integer(w, "active_parameters", (int64_t)info.active_parameters);
    fm_json_put_integer(w, "weight_bytes", (int64_t)info.weight_bytes);
    fm_json_put_text(w, "panels", info.panels);
    fm_json_put_integer(w, "mapped_bytes", (int64_t)info.mapped_bytes);
    fm_json_put_integer(w, "load_bytes", (int64_t)info.load_bytes);
    fm_json_put_real(w, "load_seconds", info.load_seconds);
    fm_json_put_text(w, "arith", info.arith == FATHOM_EXACT ? "exact" : "fast");
    fm_json_put_text(w, "cache", caches[j->model->options.cache]);
    fm_json_put_text(w, "activations", fm_api_activations_name(info.activations));
    fm_json_put_text(w, "cpu", info.cpu);
    fm_json_put_text(w, "processor", fm_cpu_brand());
    fm_json_put_integer(w, "threads", info.threads);
    fm_json_put_integer(w, "rows", j->model->options.rows);
    fm_json_put_integer(w, "repeat", j->options.repeat);
    fm_json_put_integer(w, "seed", (int64_t)j->options.seed);
    if (gate->n_experts > 0) /* what weight_bytes_per_step stands on */
        fm_json_put_text(w, "experts_counted", j->options.sequences == 1 ? "routed" : "expected");
}

static fm_status document(const job *j, char **json, fm_error *err) {
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "version", fathom_version());
    put_model(&w, j);
    if (j->buffer) {
        fm_json_open(&w, "bandwidth", '{');
        fm_json_put_integer(&w, "buffer_bytes", (int64_t)j->buffer);
        fm_json_put_real(&w, "before", j->before);
        fm_json_put_real(&w, "after", j->after);
        fm_json_close(&w, '}');
    }
    fm_json_open(&w, "tests", '[');
    for (size_t i = 0; i < j->n; i++) put_test(&w, j, &j->results[i]);
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    fm_status status = fm_buffer_status(&out, err);
    if (status == FM_OK && !(*json = fm_buffer_take(&out)))
        status = fm_fail_memory(err, out.size, "the results");
    fm_buffer_clear(&out);
    return status;
}

fathom_status fathom_bench(fathom_model *model, const fathom_bench_options *options, char **json,
                           fathom_error *error) {
    fm_error err;
    fathom_bench_options defaults = fathom_bench_defaults();
    const fathom_bench_options *o = options ? options : &defaults;
    job j = {.model = model};
    *json = NULL;
    fm_status status = take_options(&j, o, &err);
    if (status == FM_OK) status = measure(&j, !o->no_bandwidth, &err);
    if (status == FM_OK) status = document(&j, json, &err);
    fm_free(j.results);
    fm_engine_free(j.engine);
    return fm_api_return(status, &err, error);
}
