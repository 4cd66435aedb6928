#include "api/eval_source.h"

#include "api/eval_program.h"

#include <stdio.h>
#include <string.h>

/* ---- graders of a file --------------------------------------------------------------------------- */

static fm_status grade(void *context, const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    (void)context;
    fm_grader answers = fm_grader_of_answers();
    if (item->kind == FM_ITEM_PROGRAM) return fm_program_grade(item, text, out, err);
    return answers.grade(answers.context, item, text, out, err);
}

static fm_status same(void *context, const fm_eval_item *item, fm_span a, fm_span b, bool *out, fm_error *err) {
    (void)context;
    fm_grader answers = fm_grader_of_answers();
    if (item->kind != FM_ITEM_PROGRAM) return answers.same(answers.context, item, a, b, out, err);
    *out = a.n == b.n && memcmp(a.s, b.s, a.n) == 0; /* who could tell two programs' sameness */
    return FM_OK;
}

static fm_status check_kinds(const char *path, const fm_eval_items *items, fm_error *err) {
    for (size_t i = 0; i < items->n; i++) {
        if (items->items[i].kind != FM_ITEM_PROGRAM) continue;
        fm_status status = fm_program_available(err);
        if (status == FM_OK) return FM_OK;
        return fm_error_prefix(err, status, "%s, line %lld asks for a program, which must be run in the jail to be "
                               "graded", path, (long long)items->items[i].line);
    }
    return FM_OK;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static fm_status open_task(const fathom_eval_task *task, fm_eval_source *out, fm_error *err) {
    snprintf(out->name, sizeof out->name, "%s", task->kind);
    fm_status status = fm_task_items_make(task, &out->items, &out->problems, err);
    out->grader = fm_task_items_grader(&out->problems);
    if (status != FM_OK) fm_eval_source_close(out);
    return status;
}

fm_status fm_eval_source_open(const char *path, const fathom_eval_options *options, fm_eval_source *out,
                              fm_error *err) {
    *out = (fm_eval_source){.grader = {.name = "answers", .grade = grade, .same = same}};
    if (options->task) return open_task(options->task, out, err);
    if (!path) return fm_fail(err, FM_ERR_ARGUMENT, "there are no questions: name a file or a task");
    snprintf(out->name, sizeof out->name, "%s", path);
    FM_TRY(fm_eval_items_read(path, options->limit, &out->items, err));
    fm_status status = check_kinds(path, &out->items, err);
    if (status != FM_OK) fm_eval_source_close(out);
    return status;
}

void fm_eval_source_close(fm_eval_source *s) {
    fm_eval_items_clear(&s->items);
    fm_task_items_clear(&s->problems);
    *s = (fm_eval_source){0};
}
