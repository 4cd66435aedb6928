/* open.c: opening a model in steps, so that what it takes is known, and refused if it is too much,
 * before it is taken. */
#include "api/handles.h"

#include <string.h>

enum { DEFAULT_CONTEXT = 32768, SMALLEST_CONTEXT = 2048, MOST_SESSIONS = 1 << 16 };
enum { DEFAULT_ROWS = 256, ROUTED_ROWS = 512 };

fathom_model_options fathom_model_defaults(void) {
    return (fathom_model_options){.cpu = "auto", .arith = FATHOM_EXACT, .cache = FATHOM_CACHE_BF16,
                                  .activations = FATHOM_ACTIVATIONS_INT16, .lazy = true};
}

fm_kv_type fm_api_kv_type(fathom_cache_type type) {
    return type == FATHOM_CACHE_BF16 ? FM_KV_BF16 : type == FATHOM_CACHE_INT8 ? FM_KV_INT8 : FM_KV_F32;
}

fm_activations fm_api_activations(fathom_activations activations) {
    return activations == FATHOM_ACTIVATIONS_INT8    ? FM_ACTIVATIONS_INT8
           : activations == FATHOM_ACTIVATIONS_INT16 ? FM_ACTIVATIONS_INT16
                                                     : FM_ACTIVATIONS_F32;
}

const char *fm_api_activations_name(fathom_activations activations) {
    return fm_activations_name(fm_api_activations(activations));
}

fm_status fm_api_resolve(const fathom_model_options *options, fathom_model_options *out,
                         fm_cpu_level *level, fm_error *err) {
    *out = options ? *options : fathom_model_defaults();
    if (out->context < 0 || out->rows < 0 || out->rows > 1 << 20)
        return fm_fail(err, FM_ERR_ARGUMENT, "context and rows must be positive");
    FM_TRY(fm_cpu_level_parse(out->cpu ? out->cpu : "auto", level, err));
    out->cpu = fm_cpu_level_name(*level);
    if (out->prompt_memory < -1)
        return fm_fail(err, FM_ERR_ARGUMENT, "the memory for long prompts must be positive, or -1 for none");
    if (out->sessions < 0 || out->sessions > MOST_SESSIONS)
        return fm_fail(err, FM_ERR_ARGUMENT, "there may be from 1 to %d sessions", MOST_SESSIONS);
    if (!out->sessions) out->sessions = 1;
    if (!out->memory_limit) out->memory_limit = fm_mem_available();
    return FM_OK;
}

fm_model_options fm_api_model_options(const fathom_model_options *o) {
    return (fm_model_options){.arith = o->arith == FATHOM_FAST ? FM_FAST : FM_EXACT,
                              .pack = !o->map_only, .mtp = !o->no_mtp, .lazy = o->lazy};
}

/* Rows of a chunk are shared out among the experts, and what each gets should be worth reading it. */
int64_t fm_api_rows(const fm_model *model, const fathom_model_options *o) {
    return o->rows ? o->rows : model->config.n_routed_experts > 0 ? ROUTED_ROWS : DEFAULT_ROWS;
}

fm_engine_options fm_api_engine_options(const fathom_model_options *o, fm_cpu_level level, fm_pool *pool) {
    enum { TOGETHER = 16 }; /* sequences in one step */
    int64_t together = o->sessions > TOGETHER ? o->sessions : TOGETHER;
    return (fm_engine_options){.rows = o->rows, .sequences = together,
                               .outputs = together + FM_DRAFT_MAX, .cache = fm_api_kv_type(o->cache),
                               .activations = fm_api_activations(o->activations),
                               .share_prefixes = !o->no_sharing, .kernels = fm_kernels_get(level),
                               .pool = pool};
}

uint64_t fm_api_cache_bytes(const fm_engine *e, const fathom_model_options *o, int64_t context) {
    return (uint64_t)o->sessions * (fm_engine_cache_bytes(e, context) + fm_engine_cache_bytes(e, 1));
}

uint64_t fm_api_reply_bytes(const fm_model *model, const fathom_model_options *o) {
    uint64_t v = (uint64_t)model->config.vocab_size, d = (uint64_t)model->config.hidden_size;
    uint64_t rows = 1 + FM_API_GUESSES, drawing = 12 * v; /* sample.h */
    return (uint64_t)o->sessions * (rows * (v + d) * sizeof(float) + drawing);
}

/* "3.2 GiB" and the like, for sentences. */
static double gib(uint64_t bytes) { return (double)bytes / (1 << 30); }

fm_status fm_api_settle_context(const fm_model *model, const fm_engine *engine,
                                const fathom_model_options *options, uint64_t weight_bytes,
                                int64_t *context, fm_error *err) {
    int64_t most = model->config.max_position_embeddings, asked = options->context;
    if (asked > most)
        return fm_fail(err, FM_ERR_LIMIT, "a context of %lld is more than the %lld positions this "
                       "model was made for", (long long)asked, (long long)most);
    uint64_t fixed = weight_bytes + fm_engine_plan_bytes(engine) + fm_api_reply_bytes(model, options);
    uint64_t limit = options->memory_limit;
    *context = asked ? asked : most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    while (!asked && limit && *context > SMALLEST_CONTEXT &&
           fixed + fm_api_cache_bytes(engine, options, *context) > limit)
        *context /= 2;
    return FM_OK;
}

/* All that may be used for them, or no more than a prompt as long as the context is made into. */
uint64_t fm_api_prompt_bytes(const fm_engine *engine, const fathom_model_options *o, uint64_t taken,
                             int64_t context) {
    uint64_t want = fm_engine_unfold_bytes(engine, context);
    if (o->prompt_memory < 0 || o->memory_limit <= taken) return 0;
    uint64_t left = o->memory_limit - taken, most = (uint64_t)o->prompt_memory;
    if (most == 0) most = left / 2;
    else want *= (uint64_t)o->sessions;
    if (most > left) most = left;
    return want < most ? want : most;
}

/* Refuses, with the numbers, a model that does not fit. */
static fm_status fit(fathom_model *m, fm_engine_options *engine, fm_error *err) {
    int64_t asked = m->options.context, context = 0;
    FM_TRY(fm_engine_new(m->inner, engine, &m->engine, err));
    FM_TRY(fm_api_settle_context(m->inner, m->engine, &m->options, m->weight_bytes, &context, err));
    uint64_t plan = fm_engine_plan_bytes(m->engine) + fm_api_reply_bytes(m->inner, &m->options);
    uint64_t fixed = m->weight_bytes + plan, limit = m->options.memory_limit;
    uint64_t cache = fm_api_cache_bytes(m->engine, &m->options, context);
    if (limit && fixed + cache > limit)
        return fm_fail(err, FM_ERR_MEMORY,
                       "%s needs %.1f GiB (weights %.1f, activations %.2f, %lld tokens of context "
                       "%.2f) and %.1f GiB are available: use a smaller quantisation%s",
                       m->path, gib(fixed + cache), gib(m->weight_bytes),
                       gib(plan), (long long)context, gib(cache),
                       gib(limit), asked ? " or a smaller context" : "");
    m->options.context = engine->context = context;
    fm_engine_set_context(m->engine, context);
    fm_engine_set_cache_limit(m->engine, cache);
    fm_engine_set_unfold_limit(m->engine, fm_api_prompt_bytes(m->engine, &m->options, fixed + cache, context));
    return FM_OK;
}

static fm_status name_model(fathom_model *m, const char *path, fm_error *err) {
    const char *name = NULL;
    FM_TRY(fm_meta_get_string(fm_store_meta(m->store), "general.name", &name, err));
    if (!name) {
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/') n--;
        size_t begin = n;
        while (begin > 0 && path[begin - 1] != '/') begin--;
        m->name = fm_strndup(path + begin, n - begin);
    } else {
        m->name = fm_strdup(name);
    }
    return m->name ? FM_OK : fm_fail_memory(err, 64, "a name");
}

/* A tokenizer that knows more ids than the model has rows belongs to another model. */
static fm_status check_tokenizer(const fathom_model *m, fm_error *err) {
    if (!m->tokenizer) return FM_OK;
    int64_t ids = fm_tokenizer_size(m->tokenizer->inner), rows = m->inner->config.vocab_size;
    if (ids <= rows) return FM_OK;
    return fm_fail(err, FM_ERR_FORMAT, "%s: the tokenizer has %lld ids but the model only %lld rows "
                   "of embedding: they do not belong together", m->path, (long long)ids,
                   (long long)rows);
}

static fm_status open_model(fathom_model *m, const char *path, const fathom_model_options *options,
                            fm_error *err) {
    fm_cpu_level level;
    FM_TRY(fm_api_resolve(options, &m->options, &level, err));
    m->path = fm_strdup(path);
    if (!m->path) return fm_fail_memory(err, strlen(path), "a path");
    FM_TRY(fm_store_open(path, &m->store, err));
    FM_TRY(name_model(m, path, err));
    fm_model_options what = fm_api_model_options(&m->options);
    FM_TRY(fm_model_bind(m->store, &what, &m->inner, err));
    FM_TRY(fm_pool_new(m->options.threads, &m->pool, err));
    m->options.threads = fm_pool_threads(m->pool);
    FM_TRY(fm_api_use_panels(m->inner, &m->options, &m->panels, &m->panels_ignored, err));
    m->weight_bytes = fm_model_memory(m->inner);
    if (m->options.adapter) { /* before the engine records the model */
        FM_TRY(fm_adapters_open(m->inner, m->options.adapter, &m->adapters, err));
        m->weight_bytes += fm_adapters_bytes(m->adapters);
    }
    m->options.rows = fm_api_rows(m->inner, &m->options);
    fm_engine_options engine = fm_api_engine_options(&m->options, level, m->pool);
    FM_TRY(fit(m, &engine, err));
    FM_TRY(fm_api_tokenizer_of_store(m->store, &m->tokenizer, err));
    FM_TRY(check_tokenizer(m, err));
    FM_TRY(fm_model_load(m->inner, m->pool, m->options.progress, m->options.progress_context, err));
    return fm_engine_start(m->engine, err);
}

fathom_status fathom_model_open(const char *path, const fathom_model_options *options,
                                fathom_model **out, fathom_error *error) {
    fm_error err;
    *out = NULL;
    fathom_model *m = fm_alloc_zero(sizeof *m, FM_MEM_OTHER);
    if (m) pthread_mutex_init(&m->lock, NULL);
    fm_status status = m ? open_model(m, path, options, &err)
                         : fm_fail_memory(&err, sizeof *m, "a model");
    if (status == FM_OK)
        *out = m;
    else
        fathom_model_close(m);
    return fm_api_return(status, &err, error);
}

void fathom_model_close(fathom_model *m) {
    if (!m) return;
    fm_token_trie_free(m->trie);
    fm_engine_free(m->engine);
    fm_adapters_free(m->adapters);
    fm_model_free(m->inner);
    fathom_tokenizer_close(m->tokenizer);
    fm_pool_free(m->pool);
    fm_store_close(m->store);
    fm_free(m->name);
    fm_free(m->path);
    fm_free(m->panels);
    fm_free(m->panels_ignored);
    pthread_mutex_destroy(&m->lock);
    fm_free(m);
}

const fathom_tokenizer *fathom_model_tokenizer(const fathom_model *m) { return m->tokenizer; }

int64_t fm_api_drawable(const fathom_model *m) {
    int64_t rows = m->inner->config.vocab_size;
    int64_t ids = m->tokenizer ? fm_tokenizer_size(m->tokenizer->inner) : rows;
    return ids < rows ? ids : rows;
}

/* Parameters that one token passes through: all but the experts it is not sent to. */
static uint64_t active_parameters(const fm_model *m) {
    const fm_config *c = &m->config;
    uint64_t idle = 0;
    for (int64_t l = 0; l < c->num_hidden_layers; l++)
        if (m->layers[l].is_moe)
            idle += (uint64_t)((c->n_routed_experts - c->num_experts_per_tok) * 3 * c->hidden_size *
                               c->moe_intermediate_size);
    return m->parameters - idle;
}

fathom_model_info fathom_model_describe(const fathom_model *m) {
    const fm_config *c = &m->inner->config;
    const fm_kv_shape *kv = fm_engine_kv(m->engine);
    const fm_later later = fm_model_later(m->inner);
    return (fathom_model_info){
        .name = m->name, .architecture = c->arch->name,
        .format = fm_store_format_name(m->store), .cpu = m->options.cpu,
        .chat_style = fm_chat_style_name(m->tokenizer ? m->tokenizer->style : FM_CHAT_NONE),
        .arith = m->options.arith, .activations = m->options.activations, .threads = m->options.threads,
        .layers = c->num_hidden_layers, .hidden_size = c->hidden_size,
        .vocabulary = c->vocab_size, .context = m->options.context,
        .parameters = m->inner->parameters, .active_parameters = active_parameters(m->inner),
        .weight_bytes = m->weight_bytes, .plan_bytes = fm_engine_plan_bytes(m->engine),
        .cache_bytes_per_token = kv->page_bytes / (uint64_t)kv->page_positions,
        .cache_bytes = fm_engine_options_of(m->engine)->cache_limit,
        .prompt_bytes = fm_engine_options_of(m->engine)->unfold_limit,
        .mtp = fm_engine_has_mtp(m->engine), .load_seconds = m->inner->load_seconds,
        .load_bytes = m->inner->load_bytes, .panels = m->panels, .panels_ignored = m->panels_ignored,
        .mapped_bytes = m->inner->mapped_bytes, .experts_later = later.experts_total,
        .experts_packed = later.experts, .experts_bytes = later.bytes,
        .experts_seconds = later.seconds};
}

fathom_sampling fathom_sampling_defaults(const fathom_model *m) {
    const fm_config *c = &m->inner->config;
    bool given = c->temperature >= 0;
    return (fathom_sampling){.temperature = given ? (float)c->temperature : 0.6f,
                             .top_p = c->top_p > 0 ? (float)c->top_p : given ? 1.0f : 0.95f,
                             .top_k = c->top_k > 0 ? (int)c->top_k : 0};
}
