/* fathom_inspect.c: what is in a model's files, what running it would take, and whether that fits.
 * The same steps as opening it, stopping before anything is taken. */
#include "api/handles.h"
#include "base/json_write.h"
#include "base/pool.h"
#include "model/inspect.h"

#include <stdio.h>
#include <string.h>

/* What a run would take, in bytes. */
typedef struct needs {
    uint64_t weights, plan, replies;
    uint64_t weights_later;    /* of the weights: experts that are packed when they are first chosen */
    uint64_t weights_mapped;   /* beside them: in a file of panels, which counts as cache */
    uint64_t weights_in_place; /* leaving the file's rows where they are */
    uint64_t page;             /* cache of page_positions positions, with what a page costs beside rows */
    uint64_t token;            /* of one position */
    uint64_t prompt;           /* most that may be taken beside, while a long prompt is read */
    int64_t page_positions, context, sessions;
    uint64_t parameters;
    uint64_t available; /* 0: unknown */
} needs;

static uint64_t cache_of(const needs *n, int64_t positions) {
    int64_t pages = (positions + n->page_positions - 1) / n->page_positions;
    return (uint64_t)(n->sessions * (pages + 1)) * n->page; /* as fm_api_cache_bytes */
}

static fm_status weigh(const fm_store *store, const fathom_model_options *o, bool pack,
                       fm_model **model, uint64_t *bytes, fm_error *err) {
    fm_model_options what = fm_api_model_options(o);
    char *path, *ignored;
    what.pack = pack;
    FM_TRY(fm_model_bind(store, &what, model, err));
    *bytes = fm_model_memory(*model);
    if (!pack) return FM_OK;
    fm_status status = fm_api_use_panels(*model, o, &path, &ignored, err);
    if (status != FM_OK) {
        fm_model_free(*model);
        *model = NULL;
        return status;
    }
    fm_free(path);
    fm_free(ignored);
    *bytes = fm_model_memory(*model);
    return FM_OK;
}

static fm_status weigh_plan(const fm_model *model, const fathom_model_options *o,
                            fm_cpu_level level, needs *n, fm_error *err) {
    fm_pool *pool;
    fm_engine *engine = NULL;
    FM_TRY(fm_pool_new(o->threads, &pool, err));
    fm_engine_options options = fm_api_engine_options(o, level, pool);
    options.rows = fm_api_rows(model, o);
    fm_status status = fm_engine_new(model, &options, &engine, err);
    if (status == FM_OK)
        status = fm_api_settle_context(model, engine, o, n->weights, &n->context, err);
    if (status == FM_OK) {
        n->plan = fm_engine_plan_bytes(engine);
        n->replies = fm_api_reply_bytes(model, o);
        n->page = fm_engine_cache_bytes(engine, 1);
        n->page_positions = fm_engine_kv(engine)->page_positions;
        n->token = fm_engine_kv(engine)->page_bytes / (uint64_t)n->page_positions;
        n->prompt = fm_api_prompt_bytes(engine, o, n->weights + n->plan + n->replies + cache_of(n, n->context),
                                        n->context);
    }
    fm_engine_free(engine);
    fm_pool_free(pool);
    return status;
}

static fm_status find_needs(const fm_store *store, const fathom_model_options *o,
                            fm_cpu_level level, needs *n, fm_error *err) {
    fm_model *model = NULL;
    *n = (needs){.available = o->memory_limit, .sessions = o->sessions};
    FM_TRY(weigh(store, o, false, &model, &n->weights_in_place, err));
    fm_model_free(model);
    FM_TRY(weigh(store, o, !o->map_only, &model, &n->weights, err));
    n->weights_later = fm_model_memory_later(model);
    n->weights_mapped = model->mapped_bytes;
    n->parameters = model->parameters;
    fm_status status = weigh_plan(model, o, level, n, err);
    fm_model_free(model);
    return status;
}

/* ---- what fits -------------------------------------------------------------------------------*/

/* Positions of cache that fit beside weights and plan, at most the model's own; 0: none. */
static int64_t largest_context(const needs *n, int64_t most) {
    uint64_t fixed = n->weights + n->plan + n->replies;
    if (n->available == 0) return most;
    if (n->available <= fixed) return 0;
    uint64_t pages = (n->available - fixed) / n->page / (uint64_t)n->sessions; /* one of them spare */
    uint64_t positions = (pages ? pages - 1 : 0) * (uint64_t)n->page_positions;
    return positions < (uint64_t)most ? (int64_t)positions : most;
}

static const char *size_text(uint64_t bytes, char text[24]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    snprintf(text, 24, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

/* Every way out that the numbers allow, in the order of what it costs. */
static void advise(fm_buffer *out, const needs *n, int64_t largest, uint64_t parameters,
                   bool map_only) {
    char needed[24], left[24], in_place[24];
    const uint64_t beside = n->plan + n->replies + cache_of(n, n->context);
    size_text(n->weights + beside, needed), size_text(n->available, left);
    if (n->available == 0) {
        fm_buffer_format(out, "It needs %s; how much this machine has left is unknown.", needed);
        return;
    }
    if (n->weights + beside <= n->available) {
        fm_buffer_format(out, "It fits: %s of %s.", needed, left);
        return;
    }
    fm_buffer_format(out, "It does not fit: it needs %s and %s are available.", needed, left);
    size_t without_advice = out->size;
    if (largest > 0)
        fm_buffer_format(out, " A context of %lld would fit.", (long long)largest);
    if (!map_only && n->weights_in_place + beside <= n->available)
        fm_buffer_format(out, " Leaving the weights in the file takes %s, and is slower.",
                         size_text(n->weights_in_place + beside, in_place));
    double bits = n->available > beside
                      ? 8 * (double)(n->available - beside) / (double)parameters : 0;
    if (largest == 0 && bits >= 1.5)
        fm_buffer_format(out, " A file of at most %.1f bits a weight would fit.", bits);
    if (out->size == without_advice)
        fm_buffer_text(out, " It takes a machine with more memory.");
}

static void put_advice(fm_json_writer *w, const needs *n, int64_t largest, uint64_t parameters,
                       bool map_only) {
    fm_buffer text = {0};
    advise(&text, n, largest, parameters, map_only);
    fm_json_put_text(w, "advice", fm_buffer_string(&text));
    if (text.failed) w->out->failed = true;
    fm_buffer_clear(&text);
}

static void put_memory(fm_json_writer *w, const needs *n, const fm_config *config,
                       const fathom_model_options *o) {
    const uint64_t cache = cache_of(n, n->context);
    const uint64_t total = n->weights + n->plan + n->replies + cache;
    const int64_t largest = largest_context(n, config->max_position_embeddings);
    fm_json_open(w, "memory", '{');
    fm_json_put_integer(w, "weights", (int64_t)n->weights);
    fm_json_put_integer(w, "weights_later", (int64_t)n->weights_later);
    fm_json_put_integer(w, "weights_mapped", (int64_t)n->weights_mapped);
    fm_json_put_integer(w, "weights_in_place", (int64_t)n->weights_in_place);
    fm_json_put_integer(w, "plan", (int64_t)n->plan);
    fm_json_put_integer(w, "replies", (int64_t)n->replies);
    fm_json_put_text(w, "activations", fm_api_activations_name(o->activations));
    fm_json_put_integer(w, "context", n->context);
    fm_json_put_integer(w, "cache", (int64_t)cache);
    fm_json_put_integer(w, "cache_bytes_per_token",
                        (int64_t)n->token);
    fm_json_put_integer(w, "prompt", (int64_t)n->prompt);
    fm_json_put_integer(w, "total", (int64_t)total);
    if (n->available) {
        fm_json_put_integer(w, "available", (int64_t)n->available);
        fm_json_put_bool(w, "fits", total <= n->available);
        fm_json_put_integer(w, "largest_context", largest);
    } else {
        fm_json_put_text(w, "available", NULL);
        fm_json_put_text(w, "fits", NULL);
        fm_json_put_text(w, "largest_context", NULL);
    }
    put_advice(w, n, largest, n->parameters, o->map_only);
    fm_json_close(w, '}');
}

/* ---- tokenizer -------------------------------------------------------------------------------*/

static fm_status put_tokenizer(fm_json_writer *w, const fm_store *store, const fm_config *config,
                               fm_error *err) {
    fathom_tokenizer *t;
    FM_TRY(fm_api_tokenizer_of_store(store, &t, err));
    if (!t) {
        fm_json_put_text(w, "tokenizer", NULL);
        return FM_OK;
    }
    const char *pre = NULL;
    fm_error ignored;
    fm_meta_get_string(fm_store_meta(store), "tokenizer.ggml.pre", &pre, &ignored);
    fm_json_open(w, "tokenizer", '{');
    fm_json_put_text(w, "kind", "byte-level BPE");
    fm_json_put_text(w, "pre_tokenizer", pre);
    fm_json_put_integer(w, "size", fm_tokenizer_size(t->inner));
    fm_json_put_bool(w, "belongs", fm_tokenizer_size(t->inner) <= config->vocab_size);
    fm_json_put_integer(w, "bos", fm_tokenizer_bos(t->inner));
    fm_json_put_integer(w, "eos", fm_tokenizer_eos(t->inner));
    fm_json_put_bool(w, "adds_bos", fm_tokenizer_adds_bos(t->inner));
    fm_json_put_text(w, "chat_style", fm_chat_style_name(t->style));
    fm_json_close(w, '}');
    fathom_tokenizer_close(t);
    return FM_OK;
}

/* ---- the document ----------------------------------------------------------------------------*/

static fm_status describe(const fm_store *store, const fathom_model_options *options,
                          fm_json_writer *w, fm_error *err) {
    fathom_model_options o;
    fm_cpu_level level;
    fm_config config;
    needs n = {0};
    FM_TRY(fm_api_resolve(options, &o, &level, err));
    FM_TRY(fm_config_of_store(&config, store, err));
    FM_TRY(find_needs(store, &o, level, &n, err));
    fm_json_open(w, NULL, '{');
    fm_inspect_summary(w, &config, store);
    FM_TRY(put_tokenizer(w, store, &config, err));
    put_memory(w, &n, &config, &o);
    fm_inspect_tensors(w, store);
    fm_json_close(w, '}');
    return fm_buffer_status(w->out, err);
}

fathom_status fathom_inspect(const char *path, const fathom_model_options *options, char **json,
                             fathom_error *error) {
    fm_error err;
    fm_store *store;
    fm_buffer text = {0};
    *json = NULL;
    fm_status status = fm_store_open(path, &store, &err);
    if (status != FM_OK) return fm_api_return(status, &err, error);
    status = describe(store, options, &(fm_json_writer){.out = &text}, &err);
    if (status == FM_OK) *json = fm_buffer_take(&text);
    fm_buffer_clear(&text);
    fm_store_close(store);
    return fm_api_return(status, &err, error);
}
