/* perplexity: how well a model foretells a text, and how far its distributions are from another run's:
 * what a quantisation, a cache type or a new kernel costs. */
#include "base/file.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/ids.h"
#include "cli/loading.h"
#include "cli/report.h"
#include "fathom/fathom_measure.h"

#include <math.h>
#include <stddef.h>

enum { SHORTEST = 4 }; /* window */

typedef struct arguments {
    const char *model, *text, *save, *against;
    int64_t stride, limit;
    bool json, quiet;
    fm_load_arguments load;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_INTEGER, "stride", 0, "N",
     "begin a window every N tokens and score all that are new; without it windows lie side by side and "
     "the second half of each is scored, as llama.cpp does",
     offsetof(arguments, stride), 1, 1e9, NULL, NULL},
    {FM_OPTION_INTEGER, "limit", 0, "N", "at most N windows", offsetof(arguments, limit), 1, 1e12, NULL,
     NULL},
    {FM_OPTION_TEXT, "save-logits", 0, "FILE", "write the distribution at every scored token",
     offsetof(arguments, save), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "against", 0, "FILE", "compare with the distributions of another run",
     offsetof(arguments, against), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "quiet", 'q', .help = "print no running values",
     .offset = offsetof(arguments, quiet)},
    {FM_OPTION_FLAG, "json", .help = "print the figures as one JSON object",
     .offset = offsetof(arguments, json)},
    FM_LOAD_OPTIONS_WITH(arguments, load, "tokens of a window (512 if not given)"),
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_perplexity = {
    .name = "perplexity",
    .about = "Scores a text: perplexity with its standard error and bits per byte, in llama.cpp's windows "
             "or with a stride. With --against, the distance from another run of the same text: "
             "Kullback-Leibler divergence, agreement on the most probable token, change of the true "
             "token's log-probability.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true},
                 {"TEXT", "a UTF-8 text file; - is standard input", offsetof(arguments, text), true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom perplexity model.gguf wiki.test.raw\n"
                "fathom perplexity model-bf16.gguf text.txt --save-logits bf16.logits\n"
                "fathom perplexity model-q4_k.gguf text.txt --against bf16.logits\n",
};

/* ---- while it works ------------------------------------------------------------------------------ */

typedef struct watch {
    const arguments *a;
    fm_progress progress;
    int column;
} watch;

static bool on_plan(void *context, int64_t windows, int64_t scored, uint64_t bytes) {
    const watch *w = context;
    if (bytes == 0 && !fm_is_terminal(stderr)) return true;
    fm_ink ink = fm_ink_for(stderr);
    fprintf(stderr, "%s%s windows, %s tokens to score", ink.dim, fm_human_integer((double)windows),
            fm_human_integer((double)scored));
    if (bytes > 0) fprintf(stderr, "; %s will have %s", w->a->save, fm_human_decimal((double)bytes));
    fprintf(stderr, "%s\n", ink.reset);
    return true;
}

static bool on_progress(void *context, double fraction) {
    watch *w = context;
    fm_progress_at(&w->progress, fraction);
    return !fm_interrupted();
}

/* "[1]21.3051  [2]22.9013 ...": the figure over all windows so far. */
static bool on_window(void *context, const fathom_perplexity_result *r) {
    watch *w = context;
    if (w->a->quiet || w->a->json) return !fm_interrupted();
    char text[64];
    int n = snprintf(text, sizeof text, "[%lld]%.4f", (long long)r->windows, r->perplexity);
    bool last = r->windows == r->all_windows, full = w->column + n + 18 > 80;
    if (w->progress.visible) { /* the bar stands where the figures go */
        fputs("\r\033[K", stderr);
        fflush(stderr);
        w->progress.visible = false;
    }
    fm_output_text(text);
    fm_output_text(last || full ? "\n" : "  ");
    w->column = last || full ? 0 : w->column + n + 2;
    return fm_output_flush() && !fm_interrupted();
}

/* ---- the figures --------------------------------------------------------------------------------- */

static void put_pair(fm_report *r, const char *label, const char *format, double value, double error) {
    char text[48], remark[48];
    snprintf(text, sizeof text, format, value);
    snprintf(remark, sizeof remark, "± %.3g", error);
    fm_report_row(r, label, text, NULL, remark);
}

static void put_one(fm_report *r, const char *label, const char *format, double value,
                    const char *remark) {
    char text[48];
    snprintf(text, sizeof text, format, value);
    fm_report_row(r, label, text, NULL, remark);
}

static void put_comparison(fm_report *r, const arguments *a, const fathom_perplexity_result *p) {
    fm_report_section(r, "Beside the other run", NULL, NULL);
    fm_report_fact(r, "file", a->against);
    put_one(r, "its perplexity", "%.6f", p->base_perplexity, NULL);
    put_one(r, "ratio", "%.6f", p->perplexity / p->base_perplexity, "this one's by the other's");
    put_pair(r, "KL divergence, mean", "%.6g", p->kl, p->kl_error);
    put_one(r, "median", "%.6g", p->kl_median, NULL);
    put_one(r, "99 %", "%.6g", p->kl_99, NULL);
    put_one(r, "largest", "%.6g", p->kl_max, NULL);
    put_pair(r, "same first choice, %", "%.3f", 100 * p->same_top, 100 * p->same_top_error);
    put_pair(r, "change of log p, mean", "%+.6f", p->delta, p->delta_error);
}

static fm_status print_report(const arguments *a, const fathom_model *model,
                              const fathom_perplexity_result *p, fm_error *err) {
    fm_report r;
    fm_report_begin(&r);
    fathom_model_info info = fathom_model_describe(model);
    fm_buffer remark = {0};
    fm_buffer_format(&remark, "%s on %s", a->text, info.cpu);
    if (!a->quiet) fm_buffer_text(&r.out, "\n");
    fm_report_title(&r, info.name, fm_buffer_string(&remark));
    fm_buffer_clear(&remark);
    put_pair(&r, "perplexity", "%.6f", p->perplexity, p->error);
    put_one(&r, "bits per byte", "%.6f", p->bits_per_byte, NULL);
    put_one(&r, "tokens scored", "%.0f", (double)p->scored, NULL);
    put_one(&r, "tokens in the text", "%.0f", (double)p->tokens, NULL);
    put_one(&r, "windows", "%.0f", (double)p->windows, NULL);
    put_one(&r, "tokens of a window", "%.0f", (double)p->context, NULL);
    if (a->against) put_comparison(&r, a, p);
    return fm_report_end(&r, err);
}

static fm_status print_json(const arguments *a, const fathom_model *model,
                            const fathom_perplexity_result *p, fm_error *err) {
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fathom_model_info info = fathom_model_describe(model);
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "model", info.name);
    fm_json_put_text(&w, "cpu", info.cpu);
    fm_json_put_integer(&w, "context", p->context);
    fm_json_put_integer(&w, "stride", a->stride > 0 ? a->stride : 0);
    fm_json_put_integer(&w, "windows", p->windows);
    fm_json_put_integer(&w, "tokens", p->tokens);
    fm_json_put_integer(&w, "scored", p->scored);
    fm_json_put_real(&w, "perplexity", p->perplexity);
    fm_json_put_real(&w, "perplexity_error", p->error);
    fm_json_put_real(&w, "nll", p->nll);
    fm_json_put_real(&w, "bits_per_byte", p->bits_per_byte);
    if (a->against) {
        fm_json_open(&w, "against", '{');
        fm_json_put_real(&w, "perplexity", p->base_perplexity);
        fm_json_put_real(&w, "kl", p->kl);
        fm_json_put_real(&w, "kl_error", p->kl_error);
        fm_json_put_real(&w, "kl_median", p->kl_median);
        fm_json_put_real(&w, "kl_99", p->kl_99);
        fm_json_put_real(&w, "kl_max", p->kl_max);
        fm_json_put_real(&w, "same_top", p->same_top);
        fm_json_put_real(&w, "same_top_error", p->same_top_error);
        fm_json_put_real(&w, "delta_logprob", p->delta);
        fm_json_put_real(&w, "delta_logprob_error", p->delta_error);
        fm_json_close(&w, '}');
    }
    fm_json_close(&w, '}');
    return fm_output_buffer(&out, err);
}

static fm_status score(const arguments *a, fathom_model *model, const char *text, size_t size,
                       fm_error *err) {
    fathom_perplexity_options o = fathom_perplexity_defaults();
    fathom_perplexity_result result;
    fathom_error said;
    watch w = {.a = a};
    o.context = a->load.context > 0 ? a->load.context : 0;
    o.stride = a->stride > 0 ? a->stride : 0;
    o.limit = a->limit > 0 ? a->limit : 0;
    o.save_logits = a->save;
    o.against = a->against;
    o.on_plan = on_plan;
    o.on_window = on_window;
    o.progress = on_progress;
    o.callback_context = &w;
    fm_progress_begin(&w.progress, "Scoring", 1, NULL);
    fm_interrupt_catch();
    fathom_status status = fathom_perplexity(model, text, size, &o, &result, &said);
    fm_interrupt_release();
    fm_progress_end(&w.progress);
    if (w.column > 0) fm_output_text("\n");
    FM_TRY(fm_said(status, &said, err));
    return a->json ? print_json(a, model, &result, err) : print_report(a, model, &result, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    char *text;
    size_t size;
    FM_TRY(fm_file_read(a->text, FM_TEXT_LIMIT, &text, &size, err));
    fathom_model *model;
    fm_load_arguments load = a->load; /* no room for sessions: there are none */
    if (load.context < 0) load.context = SHORTEST;
    load.no_mtp = load.eager = true;
    fm_status status = fm_load_model(a->model, &load, &model, err);
    if (status == FM_OK) {
        status = score(a, model, text, size, err);
        fathom_model_close(model);
    }
    fm_free(text);
    return status;
}
