#include "cli/loading.h"

#include "base/json.h"
#include "cli/call.h"
#include "cli/report.h"

#include <math.h>

static bool on_progress(void *context, double fraction) {
    fm_progress_at(context, fraction);
    return !fm_interrupted();
}

static fathom_model_options options_of(const fm_load_arguments *a) {
    fathom_model_options o = fathom_model_defaults();
    if (a->threads > 0) o.threads = (int)a->threads;
    if (a->context > 0) o.context = a->context;
    if (a->cpu) o.cpu = a->cpu;
    if (a->arith >= 0) o.arith = (fathom_arith)a->arith;
    if (a->cache >= 0) o.cache = (fathom_cache_type)a->cache;
    if (a->activations >= 0) o.activations = (fathom_activations)a->activations;
    if (!isnan(a->prompt_memory)) o.prompt_memory = a->prompt_memory > 0 ? (int64_t)a->prompt_memory : -1;
    o.adapter = a->lora;
    o.panels = a->panels && strcmp(a->panels, "none") == 0 ? "" : a->panels;
    o.map_only = a->map_only;
    o.no_mtp = a->no_mtp;
    o.lazy = !a->eager;
    return o;
}

/* "needs 480 MiB of 21.8 GiB: weights 92.4 MiB, ...": before any of it is taken. Where it cannot be
 * known, opening the model will say why. Returns the bytes of the weights that loading packs, or 0. */
static double say_needs(const char *path, const fathom_model_options *options) {
    char *text;
    double weights = 0, later = 0, mapped = 0;
    fm_json *root = NULL;
    if (fathom_inspect(path, options, &text, NULL) != FATHOM_OK) return 0;
    if (fm_json_parse(text, strlen(text), &root, NULL) == FM_OK) {
        weights = fm_report_number(root, "memory", "weights");
        later = fm_report_number(root, "memory", "weights_later");
        mapped = fm_report_number(root, "memory", "weights_mapped");
        double plan = fm_report_number(root, "memory", "plan") + fm_report_number(root, "memory", "replies");
        double available = fm_report_number(root, "memory", "available");
        double context = fm_report_number(root, "memory", "context");
        double token = fm_report_number(root, "memory", "cache_bytes_per_token");
        /* as opening does: a context that nobody asked for shrinks until it fits */
        while (!options->context && available > 0 && context > 2048 &&
               weights + plan + context * token > available)
            context /= 2;
        fm_ink ink = fm_ink_for(stderr);
        fprintf(stderr, "%sneeds %s", ink.dim, fm_human_bytes(weights + plan + context * token));
        if (available > 0) fprintf(stderr, " of %s", fm_human_bytes(available));
        fprintf(stderr, ": weights %s, activations %s, %s tokens %s", fm_human_bytes(weights),
                fm_human_bytes(plan), fm_human_integer(context), fm_human_bytes(context * token));
        if (mapped > 0) fprintf(stderr, "; and weights %s mapped from a file of panels", fm_human_bytes(mapped));
        double prompt = fm_report_number(root, "memory", "prompt");
        if (prompt > 0) fprintf(stderr, "; up to %s more while a long prompt is read", fm_human_bytes(prompt));
        fprintf(stderr, "%s\n", ink.reset);
    }
    fm_json_free(root);
    fathom_free(text);
    return mapped > 0 ? mapped : weights - later;
}

fm_status fm_load_model(const char *path, const fm_load_arguments *a, fathom_model **out,
                        fm_error *err) {
    fathom_model_options options = options_of(a);
    fm_progress progress;
    fathom_error said;
    double bytes = 0;
    if (a->verbose || fm_is_terminal(stderr)) bytes = say_needs(path, &options);
    fm_progress_begin(&progress, "Loading", bytes, bytes > 0 ? "B" : NULL);
    options.progress = on_progress;
    options.progress_context = &progress;
    fm_interrupt_catch();
    fathom_status status = fathom_model_open(path, &options, out, &said);
    fm_interrupt_release();
    fm_progress_end(&progress);
    const char *ignored = status == FATHOM_OK ? fathom_model_describe(*out).panels_ignored : NULL;
    fm_ink ink = fm_ink_for(stderr);
    if (ignored) fprintf(stderr, "%snote: the weights were packed anew: %s%s\n", ink.dim, ignored, ink.reset);
    return fm_said(status, &said, err);
}

fathom_sampling fm_sampling_of(const fm_sampling_arguments *a, const fathom_model *model) {
    fathom_sampling s = {.temperature = 0.6f, .top_p = 0.95f};
    if (model) s = fathom_sampling_defaults(model);
    if (!isnan(a->temperature)) s.temperature = (float)a->temperature;
    if (!isnan(a->top_p)) s.top_p = (float)a->top_p;
    if (!isnan(a->min_p)) s.min_p = (float)a->min_p;
    if (!isnan(a->repetition_penalty)) s.repetition_penalty = (float)a->repetition_penalty;
    if (!isnan(a->presence_penalty)) s.presence_penalty = (float)a->presence_penalty;
    if (!isnan(a->frequency_penalty)) s.frequency_penalty = (float)a->frequency_penalty;
    if (a->top_k >= 0) s.top_k = (int)(a->top_k < 1 << 30 ? a->top_k : 1 << 30);
    if (a->seed >= 0) s.seed = (uint64_t)a->seed;
    return s;
}
