#include "api/eval_source.h"

#include <stdio.h>

static fm_status check_kinds(const char *path, const fm_eval_items *items, fm_error *err) {
    for (size_t i = 0; i < items->n; i++)
        if (items->items[i].kind == FM_ITEM_PROGRAM)
            return fm_fail(err, FM_ERR_UNSUPPORTED, "%s, line %lld asks for a program, which would have to be run to "
                           "be graded: this build has no jail for it", path, (long long)items->items[i].line);
    return FM_OK;
}

static fm_status open_task(const fathom_eval_task *task, fm_eval_source *out, fm_error *err) {
    snprintf(out->name, sizeof out->name, "%s", task->kind);
    fm_status status = fm_task_items_make(task, &out->items, &out->problems, err);
    out->grader = fm_task_items_grader(&out->problems);
    if (status != FM_OK) fm_eval_source_close(out);
    return status;
}

fm_status fm_eval_source_open(const char *path, const fathom_eval_options *options, fm_eval_source *out,
                              fm_error *err) {
    *out = (fm_eval_source){.grader = fm_grader_of_answers()};
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
