/* eval: a file of questions with answers, asked and checked. */
#include "base/json_write.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/loading.h"
#include "cli/report.h"
#include "fathom/fathom_measure.h"

#include <stddef.h>

typedef struct arguments {
    const char *model, *questions, *out, *system, *instruction, *style;
    int64_t samples, max_tokens, budget, limit, parallel;
    bool raw, think, json;
    fm_sampling_arguments sampling;
    fm_load_arguments load;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_INTEGER, "samples", 'k', "N", "replies to each question", offsetof(arguments, samples), 1,
     1e6, NULL, "1"},
    {FM_OPTION_INTEGER, "max-tokens", 'n', "N",
     "stop a reply after N tokens; without it when the model is done or the context full",
     offsetof(arguments, max_tokens), 1, 1e12, NULL, NULL},
    {FM_OPTION_INTEGER, "thinking-budget", 0, "N", "close the reasoning after about N tokens",
     offsetof(arguments, budget), 0, 1e12, NULL, NULL},
    {FM_OPTION_INTEGER, "limit", 0, "N", "the first N questions only", offsetof(arguments, limit), 1, 1e12,
     NULL, NULL},
    {FM_OPTION_TEXT, "out", 'o', "FILE",
     "keep results there, a JSON object a line; what is done there is not asked again",
     offsetof(arguments, out), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "instruction", 'i', "TEXT", "a line behind each question",
     offsetof(arguments, instruction), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "system", 's', "TEXT", "system prompt (R1 wants none)", offsetof(arguments, system),
     0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "raw", .help = "continue the question as it is, without a chat template",
     .offset = offsetof(arguments, raw)},
    {FM_OPTION_FLAG, "think", .help = "reason first, where a model leaves the choice (V3.1)",
     .offset = offsetof(arguments, think)},
    {FM_OPTION_TEXT, "style", 0, "NAME", "chat template to use instead of the model's own",
     offsetof(arguments, style), 0, 0, NULL, NULL},
    {FM_OPTION_INTEGER, "parallel", 'p', "N",
     "replies side by side; without it as many as memory has room for, at most 8",
     offsetof(arguments, parallel), 1, 1024, NULL, NULL},
    {FM_OPTION_FLAG, "json", .help = "print the figures as one JSON object",
     .offset = offsetof(arguments, json)},
    FM_SAMPLING_OPTIONS(arguments, sampling),
    FM_LOAD_OPTIONS(arguments, load),
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_eval = {
    .name = "eval",
    .about = "Asks every question of a file, takes the final answer from each reply (\\boxed{}, \"the "
             "answer is\", the last number or line) and compares it exactly. Says accuracy with its 95 % "
             "interval, pass@1 and, of several samples, the majority's. Stopped at any time, it goes on "
             "where --out ends.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true},
                 {"QUESTIONS", "JSON objects, one a line: \"prompt\" (or \"question\", \"messages\") and "
                               "\"answer\"", offsetof(arguments, questions), true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom eval model.gguf gsm8k.jsonl --limit 100 -T 0 -n 512\n"
                "fathom eval model.gguf aime.jsonl -k 16 --out aime.results.jsonl \\\n"
                "    -i 'Reason step by step, and put your final answer within \\boxed{}.'\n",
};

/* ---- while it works ------------------------------------------------------------------------------ */

typedef struct watch {
    fm_progress progress;
    char what[64];
} watch;

static bool on_progress(void *context, const fathom_eval_result *r) {
    watch *w = context;
    double done = r->items > 0 ? (double)r->done / (double)r->items : 1;
    if (w->progress.before == 0 && r->resumed > 0)
        w->progress.before = (double)r->resumed / (double)r->items;
    snprintf(w->what, sizeof w->what, "%lld of %lld, %.1f %% right, %.1f tokens/s", (long long)r->done,
             (long long)r->items, 100 * r->accuracy,
             r->seconds > 0 ? (double)r->tokens / r->seconds : 0.0);
    w->progress.what = w->what;
    fm_progress_at(&w->progress, done);
    return !fm_interrupted();
}

/* ---- the figures --------------------------------------------------------------------------------- */

static void put(fm_report *r, const char *label, const char *format, double value, const char *remark) {
    char text[48];
    snprintf(text, sizeof text, format, value);
    fm_report_row(r, label, text, NULL, remark);
}

static void put_interval(fm_report *r, const char *label, double value, double low, double high) {
    char remark[80];
    snprintf(remark, sizeof remark, "95 %%: %.1f to %.1f", 100 * low, 100 * high);
    put(r, label, "%.1f %%", 100 * value, remark);
}

static fm_status print_report(const arguments *a, const fathom_model *model, const fathom_eval_result *e,
                              fm_error *err) {
    fm_report r;
    char label[40], remark[80];
    fm_report_begin(&r);
    fm_report_title(&r, fathom_model_describe(model).name, a->questions);
    put_interval(&r, "accuracy", e->accuracy, e->accuracy_low, e->accuracy_high);
    snprintf(remark, sizeof remark, "± %.4f", e->accuracy_error);
    put(&r, "pass@1", "%.4f", e->accuracy, remark);
    snprintf(label, sizeof label, "majority of %lld", (long long)a->samples);
    if (a->samples > 1) put_interval(&r, label, e->majority, e->majority_low, e->majority_high);
    snprintf(remark, sizeof remark, e->resumed ? "%lld of them from %s" : "", (long long)e->resumed, a->out);
    put(&r, "questions", "%.0f", (double)e->done, remark);
    put(&r, "replies", "%.0f", (double)e->samples, NULL);
    put(&r, "without a final answer", "%.0f", (double)e->unanswered, NULL);
    put(&r, "cut at the limit", "%.0f", (double)e->cut, NULL);
    put(&r, "tokens of a reply", "%.1f", e->mean_tokens, NULL);
    fm_report_row(&r, "time", fm_human_seconds(e->seconds), NULL, NULL);
    return fm_report_end(&r, err);
}

static fm_status print_json(const arguments *a, const fathom_model *model, const fathom_eval_result *e,
                            fm_error *err) {
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "model", fathom_model_describe(model).name);
    fm_json_put_text(&w, "questions", a->questions);
    fm_json_put_integer(&w, "items", e->items);
    fm_json_put_integer(&w, "done", e->done);
    fm_json_put_integer(&w, "resumed", e->resumed);
    fm_json_put_integer(&w, "samples", e->samples);
    fm_json_put_integer(&w, "correct", e->correct);
    fm_json_put_real(&w, "accuracy", e->accuracy);
    fm_json_put_real(&w, "accuracy_error", e->accuracy_error);
    fm_json_put_real(&w, "accuracy_low", e->accuracy_low);
    fm_json_put_real(&w, "accuracy_high", e->accuracy_high);
    fm_json_put_real(&w, "majority", e->majority);
    fm_json_put_real(&w, "majority_low", e->majority_low);
    fm_json_put_real(&w, "majority_high", e->majority_high);
    fm_json_put_integer(&w, "unanswered", e->unanswered);
    fm_json_put_integer(&w, "ended", e->ended);
    fm_json_put_integer(&w, "cut", e->cut);
    fm_json_put_real(&w, "mean_tokens", e->mean_tokens);
    fm_json_put_integer(&w, "tokens", e->tokens);
    fm_json_put_real(&w, "seconds", e->seconds);
    fm_json_close(&w, '}');
    return fm_output_buffer(&out, err);
}

static fm_status ask(const arguments *a, fathom_model *model, fm_error *err) {
    fathom_eval_options o = fathom_eval_defaults(model);
    fathom_eval_result result;
    fathom_error said;
    watch w;
    o.samples = a->samples;
    if (a->max_tokens > 0) o.max_tokens = a->max_tokens;
    o.thinking_budget = a->budget;
    if (a->limit > 0) o.limit = a->limit;
    if (a->parallel > 0) o.parallel = a->parallel;
    o.sampling = fm_sampling_of(&a->sampling, model);
    o.raw = a->raw;
    o.chat = (fathom_chat_options){.style = a->style, .thinking = a->think};
    o.system = a->system;
    o.instruction = a->instruction;
    o.out = a->out;
    o.progress = on_progress;
    o.progress_context = &w;
    fm_progress_begin(&w.progress, "Asking", 1, NULL);
    fm_interrupt_catch();
    fathom_status status = fathom_eval(model, a->questions, &o, &result, &said);
    fm_interrupt_release();
    fm_progress_end(&w.progress);
    if (status == FATHOM_ERR_CANCELLED && a->out)
        fprintf(stderr, "%lld of %lld questions are in %s; the same command goes on from there\n",
                (long long)result.done, (long long)result.items, a->out);
    FM_TRY(fm_said(status, &said, err));
    return a->json ? print_json(a, model, &result, err) : print_report(a, model, &result, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_error said;
    int64_t count;
    if (a->raw && (a->style || a->think))
        return fm_fail(err, FM_ERR_ARGUMENT, "--raw uses no template and has no place for --style and --think");
    FM_TRY(fm_said(fathom_eval_count(a->questions, a->limit > 0 ? a->limit : 0, &count, &said), &said, err));
    fathom_model *model;
    fm_load_arguments load = a->load;
    load.eager = true;
    load.no_mtp = true; /* replies side by side keep the machine busy without guesses */
    FM_TRY(fm_load_model(a->model, &load, &model, err));
    fm_status status = ask(a, model, err);
    fathom_model_close(model);
    return status;
}
