/* tasks check: answers to problems, checked. */
#include "base/json_write.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/report.h"
#include "fathom/fathom_tasks.h"

#include <stddef.h>

typedef struct arguments {
    const char *file;
    bool json, quiet;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_FLAG, "json", .help = "print a JSON object for each line of the file",
     .offset = offsetof(arguments, json)},
    {FM_OPTION_FLAG, "quiet", 'q', .help = "print the counts alone", .offset = offsetof(arguments, quiet)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_tasks_check = {
    .name = "tasks check",
    .about = "Checks answers: each line of a file is a problem, as fathom tasks sample --json prints it or of your "
             "own, and the answer that was \"given\" to it. The problem itself is verified, so any right answer is "
             "right. Exits with 0 when all are right, with 1 when some are not, with 2 when something failed.",
    .operands = {{"FILE", "JSON objects, one a line: \"prompt\", \"answer\", \"checker\", \"given\" (docs/tasks.md); "
                          "- is standard input", offsetof(arguments, file), true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom tasks check answers.jsonl\n"
                "fathom tasks check - --json < answers.jsonl\n",
};

/* What is not right is shown; for machines, everything. */
static bool print_verdict(void *context, const fathom_tasks_verdict *v) {
    const arguments *a = context;
    fm_buffer out = {0};
    bool right = strcmp(v->verdict, "right") == 0;
    if (a->json) {
        fm_json_writer w = {.out = &out, .flat = true};
        fm_json_open(&w, NULL, '{');
        fm_json_put_integer(&w, "line", v->line);
        fm_json_put_text(&w, "verdict", v->verdict);
        fm_json_put_text(&w, "checker", v->checker);
        if (v->band > 0) fm_json_put_integer(&w, "band", v->band);
        fm_json_put_text(&w, "key", v->key);
        fm_json_put_text(&w, "answer", v->answer);
        if (v->reason) fm_json_put_text(&w, "reason", v->reason);
        fm_json_close(&w, '}');
    } else if (!right && !a->quiet) {
        fm_buffer_format(&out, "line %lld, %s: ", (long long)v->line, v->verdict);
        fm_json_quote(&out, v->answer, strlen(v->answer) < 200 ? strlen(v->answer) : 200);
        if (v->reason) fm_buffer_format(&out, " (%s)", v->reason);
        fm_buffer_text(&out, " to ");
        fm_json_quote(&out, v->key, strlen(v->key) < 200 ? strlen(v->key) : 200);
        fm_buffer_text(&out, "\n");
    }
    bool good = fm_output_text(fm_buffer_string(&out));
    fm_buffer_clear(&out);
    return good;
}

static fm_status print_counts(const fathom_tasks_result *r, fm_error *err) {
    fm_buffer out = {0};
    fm_buffer_format(&out, "%lld of %lld right, %lld wrong", (long long)r->right, (long long)r->lines,
                     (long long)r->wrong);
    if (r->unanswered) fm_buffer_format(&out, " (%lld without an answer)", (long long)r->unanswered);
    fm_buffer_format(&out, ", %lld undecided\n", (long long)r->undecided);
    return fm_output_buffer(&out, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_error said;
    fathom_tasks_result r;
    fathom_status status = fathom_tasks_check(a->file, print_verdict, (void *)(uintptr_t)a, &r, &said);
    if (status == FATHOM_ERR_CANCELLED) return fm_output_status(err);
    FM_TRY(fm_said(status, &said, err));
    if (r.right < r.lines) fm_exit_with(1);
    return a->json ? FM_OK : print_counts(&r, err);
}
