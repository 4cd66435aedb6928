#include "api/eval_source.h"

#include "api/eval_program.h"
#include "eval/final_answer.h"
#include "rl/maths/equivalence.h"
#include "rl/task/task_line.h"

#include <stdio.h>
#include <string.h>

/* ---- graders of a file --------------------------------------------------------------------------- */

static fm_verdict equivalent(fm_span gold, fm_span given, bool any_form) {
    fm_maths_options options = {.any_form = any_form};
    return fm_maths_equivalent(gold.s, gold.n, given.s, given.n, &options, NULL);
}

/* What cannot even be compared with 0 is a text: it is compared as one, or no answer to it were ever wrong. */
static bool is_mathematics(fm_span gold) { return equivalent(gold, (fm_span){"0", 1}, true) != FM_UNDECIDED; }

/* The answer is found by final_answer.h, which forgives: a model that was not told how to mark its answer has one
 * too. What it is worth is mathematics. */
static fm_status grade_answer(const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    fm_grader texts = fm_grader_of_answers();
    fm_span gold = fm_answer_expected(item->answer, item->answer_size);
    FM_TRY(texts.grade(texts.context, item, text, out, err));
    if (out->answer.n == 0) return FM_OK;
    fm_verdict verdict = equivalent(gold, out->answer, false);
    if (verdict != FM_UNDECIDED || is_mathematics(gold)) out->verdict = verdict;
    return FM_OK;
}

static fm_status grade_line(const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    fm_span gold = {item->answer, item->answer_size};
    fm_task_line *line;
    FM_TRY(fm_task_line_parse(item->source, item->source_size, &line, err));
    *out = (fm_grade){.verdict = FM_WRONG};
    out->answer = fm_answer_extract(text.s, text.n, gold.s && fm_answer_is_number(gold), &out->formed);
    out->formed = out->formed && out->answer.n > 0;
    if (out->answer.n > 0) out->verdict = fm_task_line_check(line, out->answer.s, out->answer.n);
    fm_task_line_free(line);
    return FM_OK;
}

static fm_status grade(void *context, const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    (void)context;
    fm_grader texts = fm_grader_of_answers();
    switch (item->kind) {
    case FM_ITEM_PROGRAM: return fm_program_grade(item, text, out, err);
    case FM_ITEM_ANSWER: return grade_answer(item, text, out, err);
    case FM_ITEM_PROBLEM: return grade_line(item, text, out, err);
    default: return texts.grade(texts.context, item, text, out, err);
    }
}

static fm_status same(void *context, const fm_eval_item *item, fm_span a, fm_span b, bool *out, fm_error *err) {
    (void)context;
    fm_grader texts = fm_grader_of_answers();
    *out = a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
    if (*out || item->kind == FM_ITEM_PROGRAM) return FM_OK; /* who could tell that two programs do the same */
    fm_verdict verdict = item->kind == FM_ITEM_ANSWER ? equivalent(a, b, true) : FM_UNDECIDED;
    if (verdict == FM_UNDECIDED) return texts.same(texts.context, item, a, b, out, err);
    *out = verdict == FM_RIGHT;
    return FM_OK;
}

/* What could not be graded is refused before anything is asked. */
static fm_status check_kinds(const char *path, const fm_eval_items *items, fm_error *err) {
    bool programs = false;
    for (size_t i = 0; i < items->n; i++) {
        const fm_eval_item *item = &items->items[i];
        fm_status status = FM_OK;
        fm_task_line *line;
        if (item->kind == FM_ITEM_PROBLEM) {
            status = fm_task_line_parse(item->source, item->source_size, &line, err);
            if (status == FM_OK) fm_task_line_free(line);
            else return fm_error_prefix(err, status, "%s, line %lld", path, (long long)item->line);
        } else if (item->kind == FM_ITEM_PROGRAM && !programs) {
            status = fm_program_available(err);
            programs = true;
        }
        if (status != FM_OK)
            return fm_error_prefix(err, status, "%s, line %lld asks for a program, which must be run in the jail to "
                                   "be graded", path, (long long)item->line);
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
    *out = (fm_eval_source){.grader = {.name = "maths", .grade = grade, .same = same}};
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
