/* logits.c: the yardstick: one prefill of exactly these ids, written as safetensors. */
#include "api/handles.h"

#include "base/file.h"
#include "engine/observe.h"
#include "model/adapters.h"

#include <string.h>

fathom_logits_options fathom_logits_defaults(void) {
    return (fathom_logits_options){.cpu = "auto", .arith = FATHOM_EXACT, .cache = FATHOM_CACHE_F32};
}

typedef struct job {
    fm_store *store;
    fm_model *model;
    fm_adapters *adapters; /* NULL: none */
    fm_pool *pool;
    fm_observation seen;
} job;

static fm_status write_out(const job *j, const char *path, fm_error *err) {
    fm_safetensors_item *items = fm_alloc_array(j->seen.n, sizeof *items, FM_MEM_OTHER);
    if (!items) return fm_fail_memory(err, j->seen.n * sizeof *items, "the list of tensors");
    for (size_t i = 0; i < j->seen.n; i++) {
        const fm_observed *o = &j->seen.items[i];
        items[i] = (fm_safetensors_item){.name = o->name, .dtype = FM_DTYPE_F32,
                                         .integers = o->integers, .n_dims = 2,
                                         .shape = {o->shape[0], o->shape[1]}, .data = o->data};
    }
    static const char *const metadata[] = {"producer", "fathom logits"};
    fm_status status = fm_safetensors_write(path, items, j->seen.n, metadata, 1, err);
    fm_free(items);
    return status;
}

/* A folder that cannot be written to is found out before the work, not after. */
static fm_status check_writable(const char *path, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_writer_abort(w);
    return FM_OK;
}

static fm_status run(job *j, const char *path, const int32_t *ids, size_t n,
                     const fathom_logits_options *o, const char *out, fm_error *err) {
    fm_cpu_level level;
    fathom_model_options options = fathom_model_defaults(), resolved;
    options.cpu = o->cpu;
    FM_TRY(fm_api_resolve(&options, &resolved, &level, err));
    FM_TRY(check_writable(out, err));
    FM_TRY(fm_store_open(path, &j->store, err));
    fm_model_options what = {.arith = o->arith == FATHOM_FAST ? FM_FAST : FM_EXACT, .pack = true,
                             .mtp = o->mtp};
    FM_TRY(fm_model_bind(j->store, &what, &j->model, err));
    if (o->adapter) FM_TRY(fm_adapters_open(j->model, o->adapter, &j->adapters, err));
    uint64_t need = fm_model_memory(j->model), limit = resolved.memory_limit;
    if (j->adapters) need += fm_adapters_bytes(j->adapters);
    if (limit && need > limit)
        return fm_fail(err, FM_ERR_MEMORY, "%s needs %.1f GiB for its weights and %.1f GiB are "
                       "available: use a smaller quantisation", path, (double)need / (1 << 30),
                       (double)limit / (1 << 30));
    FM_TRY(fm_pool_new(o->threads, &j->pool, err));
    FM_TRY(fm_model_load(j->model, j->pool, o->progress, o->progress_context, err));
    fm_observe_options observe = {.kernels = fm_kernels_get(level), .pool = j->pool,
                                  .cache = fm_api_kv_type(o->cache),
                                  .activations = fm_api_activations(o->activations),
                                  .memory_limit = limit > need ? limit - need : 0,
                                  .hidden = o->hidden, .experts = o->experts, .mtp = o->mtp};
    FM_TRY(fm_observe_prefill(j->model, ids, (int64_t)n, &observe, &j->seen, err));
    return write_out(j, out, err);
}

fathom_status fathom_logits(const char *path, const int32_t *ids, size_t n,
                            const fathom_logits_options *options, const char *out_path,
                            fathom_error *error) {
    fm_error err;
    fathom_logits_options defaults = fathom_logits_defaults();
    job j = {0};
    fm_status status = run(&j, path, ids, n, options ? options : &defaults, out_path, &err);
    fm_observation_clear(&j.seen);
    fm_adapters_free(j.adapters);
    fm_model_free(j.model);
    fm_pool_free(j.pool);
    fm_store_close(j.store);
    return fm_api_return(status, &err, error);
}
