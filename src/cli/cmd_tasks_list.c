/* tasks list: the kinds of problems there are. */
#include "base/json.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/report.h"
#include "fathom/fathom_tasks.h"

#include <stddef.h>

typedef struct arguments {
    bool json;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_FLAG, "json", .help = "print the list as JSON", .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_tasks_list = {
    .name = "tasks list",
    .about = "Lists the kinds of problems that can be drawn: what each is about, its bands of difficulty from the "
             "easiest on, what an answer to it looks like, and in how many ways it is asked.",
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom tasks list\n",
};

static void put_kind(fm_report *r, const fm_json *kind) {
    char text[64];
    long long ways = (long long)fm_json_integer(fm_json_get(kind, "phrasings"), 0);
    long long held = (long long)fm_json_integer(fm_json_get(kind, "held_out"), 0);
    fm_report_title(r, fm_json_string(fm_json_get(kind, "name"), ""), fm_json_string(fm_json_get(kind, "help"), ""));
    const fm_json *bands = fm_json_get(kind, "bands");
    for (size_t i = 0; i < fm_json_length(bands); i++) {
        snprintf(text, sizeof text, "band %zu", i + 1);
        fm_report_fact(r, text, fm_json_string(fm_json_at(bands, i), ""));
    }
    fm_report_fact(r, "answer", fm_json_string(fm_json_get(kind, "answer"), ""));
    snprintf(text, sizeof text, "%lld, of which %lld only in the test split", ways, held);
    fm_report_fact(r, "phrasings", text);
    fm_buffer_text(&r->out, "\n");
}

static fm_status print_list(const char *json, fm_error *err) {
    fm_json *root;
    fm_report r;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_report_begin(&r);
    const fm_json *tasks = fm_json_get(root, "tasks");
    for (size_t i = 0; i < fm_json_length(tasks); i++) put_kind(&r, fm_json_at(tasks, i));
    fm_json_free(root);
    return fm_report_end(&r, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    char *json;
    fathom_error said;
    FM_TRY(fm_said(fathom_tasks_list(&json, &said), &said, err));
    fm_status status = FM_OK;
    if (a->json) fm_output_text(json);
    else status = print_list(json, err);
    fathom_free(json);
    return status;
}
