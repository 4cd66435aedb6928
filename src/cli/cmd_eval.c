/* eval: questions with answers, asked and graded: of a file, or problems that are made. */
#include "cli/args.h"
#include "cli/call.h"
#include "cli/eval_report.h"
#include "cli/lengths.h"
#include "cli/loading.h"
#include "cli/report.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct arguments {
    const char *first, *second, *out, *system, *instruction, *style, *pass_at, *train_data;
    const char *task, *split, *endpoint, *model, *key_variable;
    int64_t samples, max_tokens, budget, limit, parallel, band, task_seed, seconds, attempts;
    bool raw, think, json;
    fm_sampling_arguments sampling;
    fm_load_arguments load;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_INTEGER, "samples", 'k', "N",
     "replies to each question; for several, temperature 0.6 and top-p 0.95 unless you say otherwise",
     offsetof(arguments, samples), 1, 1e6, NULL, "1"},
    {FM_OPTION_TEXT, "pass-at", 0, "LIST", "the k of pass@k, as in 1,8,64; without it 2, 4, ... and N",
     offsetof(arguments, pass_at), 0, 0, NULL, NULL},
    {FM_OPTION_INTEGER, "max-tokens", 'n', "N",
     "stop a reply after N tokens; without it when the model is done or the context full",
     offsetof(arguments, max_tokens), 1, 1e12, NULL, NULL},
    {FM_OPTION_INTEGER, "thinking-budget", 0, "N", "close the reasoning after about N tokens",
     offsetof(arguments, budget), 0, 1e12, NULL, NULL},
    {FM_OPTION_INTEGER, "limit", 0, "N", "the first N questions only; of --task, N problems of each band (100)",
     offsetof(arguments, limit), 1, 1e12, NULL, NULL},
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
    {FM_OPTION_TEXT, "train-data", 0, "FILE",
     "count the questions that this file, text or JSON lines, has too: by key, template, 8 and 13 words",
     offsetof(arguments, train_data), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "json", .help = "print the figures as one JSON object",
     .offset = offsetof(arguments, json)},
    {.help = "Problems that are made, instead of QUESTIONS"},
    {FM_OPTION_TEXT, "task", 0, "KIND", "their kind, as `fathom tasks list` has it, or all",
     offsetof(arguments, task), 0, 0, NULL, NULL},
    {FM_OPTION_INTEGER, "band", 0, "N", "their difficulty, from 1; without it all", offsetof(arguments, band), 1, 99,
     NULL, NULL},
    {FM_OPTION_TEXT, "split", 0, "NAME", "train, validation or test", offsetof(arguments, split), 0, 0, NULL, "test"},
    {FM_OPTION_INTEGER, "task-seed", 0, "N", "same seed, same problems", offsetof(arguments, task_seed), 0, 9e18,
     NULL, "0"},
    {.help = "A model behind an address, instead of MODEL"},
    {FM_OPTION_TEXT, "endpoint", 0, "URL",
     "ask the chat completions (as OpenAI has them) at this address, as in https://host/v1",
     offsetof(arguments, endpoint), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "model", 0, "NAME", "what the endpoint calls the model", offsetof(arguments, model), 0, 0, NULL,
     NULL},
    {FM_OPTION_TEXT, "key-from", 0, "VARIABLE",
     "the environment variable with the key; sent over https, or to this machine, only",
     offsetof(arguments, key_variable), 0, 0, NULL, "FATHOM_ENDPOINT_KEY"},
    {FM_OPTION_INTEGER, "timeout", 0, "SECONDS", "that a reply may take", offsetof(arguments, seconds), 1, 86400, NULL,
     "600"},
    {FM_OPTION_INTEGER, "attempts", 0, "N", "before an endpoint that is busy or broken is given up",
     offsetof(arguments, attempts), 1, 100, NULL, "6"},
    FM_SAMPLING_OPTIONS(arguments, sampling),
    FM_LOAD_OPTIONS(arguments, load),
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_eval = {
    .name = "eval",
    .about = "Asks a model every question of a file (or problems that are made), takes the final answer from each "
             "reply and grades it. Says pass@1, cons@k and pass@k with 95 % bootstrap intervals, per domain and "
             "band, how many replies were cut or have no answer, and how long right and wrong ones are. No "
             "program touches a reply before it is done. Stopped at any time, it goes on where --out ends.",
    .operands = {{"MODEL", FM_MODEL_HELP "; left out with --endpoint", offsetof(arguments, first)},
                 {"QUESTIONS", "JSON objects, one a line: \"prompt\" (\"question\", \"problem\", \"messages\") and "
                               "\"answer\"; also choices and functions to write; left out with --task",
                  offsetof(arguments, second)}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom eval model.gguf gsm8k.jsonl --limit 100 -T 0 -n 512\n"
                "fathom eval model.gguf aime.jsonl -k 16 --out aime.results.jsonl \\\n"
                "    -i 'Reason step by step, and put your final answer within \\boxed{}.'\n"
                "fathom eval model.gguf --task countdown --band 1 --limit 200 -k 8\n"
                "fathom eval --endpoint https://host/v1 --model NAME math500.jsonl -k 4 -p 8\n",
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

/* ---- what is asked of whom ----------------------------------------------------------------------- */

typedef struct plan {
    const arguments *a;
    const char *questions; /* NULL: a task */
    char *model_path;      /* NULL: an endpoint */
    char about[200];
    fathom_eval_task task;
    fathom_endpoint endpoint;
    fm_lengths pass_at;
} plan;

/* MODEL and QUESTIONS are there as far as neither --endpoint nor --task is in their place. */
static fm_status sort_operands(plan *p, fm_error *err) {
    const arguments *a = p->a;
    const char *operands[] = {a->first, a->second};
    fathom_error said;
    size_t at = 0;
    const char *model = a->endpoint ? NULL : operands[at++];
    p->questions = a->task ? NULL : operands[at++];
    if (!a->endpoint && !model)
        return fm_fail(err, FM_ERR_ARGUMENT, "MODEL is missing: " FM_MODEL_HELP "; or --endpoint (fathom eval --help)");
    if (!a->task && !p->questions)
        return fm_fail(err, FM_ERR_ARGUMENT, "QUESTIONS is missing: a file of JSON lines; or --task (fathom eval "
                       "--help)");
    if (at < 2 && operands[at])
        return fm_fail(err, FM_ERR_ARGUMENT, "'%s' is one argument too many beside %s", operands[at],
                       a->endpoint && a->task ? "--endpoint and --task" : a->endpoint ? "--endpoint" : "--task");
    return model ? fm_said(fathom_model_path(model, &p->model_path, &said), &said, err) : FM_OK;
}

static fm_status check(plan *p, fm_error *err) {
    const arguments *a = p->a;
    if (a->raw && (a->style || a->think))
        return fm_fail(err, FM_ERR_ARGUMENT, "--raw uses no template and has no place for --style and --think");
    if (a->endpoint && !a->model)
        return fm_fail(err, FM_ERR_ARGUMENT, "--endpoint needs --model, the name of a model there");
    if (!a->endpoint && a->model) return fm_fail(err, FM_ERR_ARGUMENT, "--model belongs to --endpoint");
    if (a->pass_at) FM_TRY(fm_lengths_parse("pass-at", a->pass_at, &p->pass_at, err));
    FM_TRY(sort_operands(p, err));
    const char *key = getenv(a->key_variable);
    p->endpoint = (fathom_endpoint){.url = a->endpoint, .model = a->model, .key = key && *key ? key : NULL,
                                    .ca_file = getenv("SSL_CERT_FILE"), .seconds = (int)a->seconds,
                                    .attempts = (int)a->attempts};
    p->task = (fathom_eval_task){.kind = a->task, .band = a->band > 0 ? (int)a->band : 0, .split = a->split,
                                 .count = a->limit > 0 ? a->limit : 0, .seed = (uint64_t)a->task_seed};
    if (a->task && a->band > 0)
        snprintf(p->about, sizeof p->about, "%.100s, band %lld, %.20s", a->task, (long long)a->band, a->split);
    else if (a->task)
        snprintf(p->about, sizeof p->about, "%.100s, %.20s", a->task, a->split);
    return FM_OK;
}

/* For several samples as DeepSeek's papers have it, whatever the model's files advise. */
static fathom_sampling sampling_of(const arguments *a, const fathom_model *model) {
    fathom_sampling s = fm_sampling_of(&a->sampling, model);
    if (a->samples > 1 && isnan(a->sampling.temperature)) s.temperature = 0.6f;
    if (a->samples > 1 && isnan(a->sampling.top_p)) s.top_p = 0.95f;
    return s;
}

static fathom_eval_options options_of(const plan *p, const fathom_model *model) {
    const arguments *a = p->a;
    fathom_eval_options o = fathom_eval_defaults(model);
    o.samples = a->samples;
    if (a->max_tokens > 0) o.max_tokens = a->max_tokens;
    o.thinking_budget = a->budget;
    if (a->limit > 0) o.limit = a->limit;
    if (a->parallel > 0) o.parallel = a->parallel;
    o.sampling = sampling_of(a, model);
    o.raw = a->raw;
    o.chat = (fathom_chat_options){.style = a->style, .thinking = a->think};
    o.system = a->system;
    o.instruction = a->instruction;
    o.out = a->out;
    o.train_data = a->train_data;
    if (a->pass_at) o.pass_at = p->pass_at.values, o.n_pass_at = p->pass_at.n;
    if (a->task) o.task = &p->task;
    if (a->endpoint) o.endpoint = &p->endpoint;
    return o;
}

static fm_status ask(const plan *p, fathom_model *model, fm_error *err) {
    const arguments *a = p->a;
    fathom_eval_options o = options_of(p, model);
    fathom_eval_result result;
    fathom_error said;
    watch w;
    o.progress = on_progress;
    o.progress_context = &w;
    fm_progress_begin(&w.progress, "Asking", 1, NULL);
    fm_interrupt_catch();
    fathom_status status = fathom_eval(model, p->questions, &o, &result, &said);
    fm_interrupt_release();
    fm_progress_end(&w.progress);
    if (status == FATHOM_ERR_CANCELLED && a->out)
        fprintf(stderr, "%lld of %lld questions are in %s; the same command goes on from there\n",
                (long long)result.done, (long long)result.items, a->out);
    fm_eval_about about = {.model = model ? fathom_model_describe(model).name : a->model,
                           .questions = p->questions ? p->questions : p->about, .out = a->out,
                           .train_data = a->train_data};
    fm_status end = fm_said(status, &said, err);
    if (end == FM_OK) end = (a->json ? fm_eval_print_json : fm_eval_print_table)(&about, &result, err);
    fathom_eval_clear(&result);
    return end;
}

static fm_status open_and_ask(plan *p, fm_error *err) {
    const arguments *a = p->a;
    fathom_error said;
    int64_t count;
    fathom_model *model = NULL;
    FM_TRY(check(p, err));
    if (p->questions)
        FM_TRY(fm_said(fathom_eval_count(p->questions, a->limit > 0 ? a->limit : 0, &count, &said), &said, err));
    fm_load_arguments load = a->load;
    load.eager = true;
    load.no_mtp = true; /* replies side by side keep the machine busy without guesses */
    if (p->model_path) FM_TRY(fm_load_model(p->model_path, &load, &model, err));
    fm_status status = ask(p, model, err);
    fathom_model_close(model);
    return status;
}

static fm_status run(const void *parsed, fm_error *err) {
    plan p = {.a = parsed};
    fm_status status = open_and_ask(&p, err);
    fathom_free(p.model_path);
    return status;
}
