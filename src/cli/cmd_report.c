/* report: a run's history as one page. */
#include "cli/args.h"
#include "cli/call.h"
#include "cli/screen.h"
#include "fathom/fathom_train.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct arguments {
    const char *run, *out, *currency;
    double price, watts;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "out", 'o', "FILE", "the page; report.html beside the log if not given", offsetof(arguments, out),
     0, 0, NULL, NULL},
    {FM_OPTION_REAL, "price", 0, "X", "what an hour of the machine costs; otherwise what the recipe says",
     offsetof(arguments, price), 0, 1e9, NULL, NULL},
    {FM_OPTION_TEXT, "currency", 0, "NAME", "of that price", offsetof(arguments, currency), 0, 0, NULL, NULL},
    {FM_OPTION_REAL, "watts", 0, "X",
     "the machine's power, where the log has no measured energy; otherwise what the recipe says",
     offsetof(arguments, watts), 0, 1e9, NULL, NULL},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_report = {
    .name = "report",
    .about = "Writes the report of a training run from its log: curves, experts' loads, samples, where the time went, "
             "what it has cost, the recipe and the hashes, on one HTML page that needs no network. Works while the run "
             "goes on.",
    .operands = {{"RUN", "the folder of a run, or a log.jsonl", offsetof(arguments, run), true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom report runs/nano\n"
                "fathom report runs/nano --watts 65 --price 0.05 --currency EUR -o nano.html\n",
};

/* Where the page is, for whoever opens it. */
static fm_status say_where(const arguments *a, fm_error *err) {
    static const char ending[] = ".jsonl";
    fm_buffer text = {0};
    size_t n = strlen(a->run), e = sizeof ending - 1;
    if (n >= e && strcmp(a->run + n - e, ending) == 0)
        while (n > 0 && a->run[n - 1] != '/') n--;
    fm_buffer_put(&text, a->run, a->out ? 0 : n);
    if (!a->out && n > 0 && a->run[n - 1] != '/') fm_buffer_text(&text, "/");
    fm_buffer_text(&text, a->out ? a->out : "report.html");
    fm_buffer_text(&text, "\n");
    return fm_output_buffer(&text, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_report_options o = fathom_report_defaults();
    fathom_error said;
    if (!isnan(a->price)) o.price = a->price;
    if (!isnan(a->watts)) o.watts = a->watts;
    o.currency = a->currency;
    FM_TRY(fm_said(fathom_report(a->run, a->out, &o, &said), &said, err));
    return say_where(a, err);
}
