#include "api/own_engine.h"

static double gib(uint64_t bytes) { return (double)bytes / (1 << 30); }

fm_status fm_api_own_engine(const fathom_model *model, int64_t sequences, int64_t outputs,
                            int64_t context, bool share_prefixes, fm_engine **out, fm_error *err) {
    fm_engine_options options = *fm_engine_options_of(model->engine);
    options.sequences = sequences;
    options.outputs = outputs;
    options.context = context;
    options.share_prefixes = share_prefixes;
    /* the tree of prefixes gives way to sequences that are full */
    uint64_t cache = (uint64_t)sequences * (fm_engine_cache_bytes(model->engine, context) +
                                             fm_engine_cache_bytes(model->engine, 1)); /* a page to copy */
    options.cache_limit = share_prefixes ? cache : 0;
    FM_TRY(fm_engine_new(model->inner, &options, out, err));
    uint64_t need = cache + fm_engine_plan_bytes(*out), available = fm_mem_available();
    fm_status status = FM_OK;
    if (available && need > available)
        status = fm_fail(err, FM_ERR_MEMORY, "%lld sequences of %lld positions need %.1f GiB and %.1f GiB "
                         "are available: measure fewer, or shorter ones", (long long)sequences,
                         (long long)context, gib(need), gib(available));
    fathom_model_options left = model->options;
    left.memory_limit = available;
    fm_engine_set_unfold_limit(*out, fm_api_prompt_bytes(*out, &left, need, context));
    if (status == FM_OK) status = fm_engine_start(*out, err);
    if (status == FM_OK) return FM_OK;
    fm_engine_free(*out);
    *out = NULL;
    return status;
}
