#include "eval/grader.h"

#include "eval/choice.h"
#include "eval/final_answer.h"

/* Bytes: whatever is longer is a text that ends in no answer, and comparing takes time. */
enum { LONGEST = 64 << 10 };

static fm_status refuse(const fm_eval_item *item, fm_error *err) {
    return fm_fail(err, FM_ERR_UNSUPPORTED, "line %lld asks for a program or a problem's own check, which "
                   "this grader does not have", (long long)item->line);
}

static fm_status grade(void *context, const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    (void)context;
    bool failed = false, right = false;
    if (item->kind != FM_ITEM_ANSWER && item->kind != FM_ITEM_CHOICE) return refuse(item, err);
    fm_span expected = fm_answer_expected(item->answer, item->answer_size);
    bool choice = item->kind == FM_ITEM_CHOICE;
    *out = (fm_grade){.verdict = FM_WRONG};
    out->answer = fm_answer_extract(text.s, text.n, !choice && fm_answer_is_number(expected), &out->formed);
    if (out->answer.n > LONGEST) out->answer.n = 0;
    if (choice) {
        int64_t at = fm_choice_of(item, out->answer, &failed);
        if (at < 0) out->answer.n = 0;
        right = at >= 0 && at == item->answer[0] - 'A';
    } else if (out->answer.n > 0) {
        right = fm_answer_equal(out->answer, expected, &failed);
    }
    out->formed = out->formed && out->answer.n > 0;
    if (right) out->verdict = FM_RIGHT;
    return failed ? fm_fail_memory(err, text.n, "an answer") : FM_OK;
}

static fm_status same(void *context, const fm_eval_item *item, fm_span a, fm_span b, bool *out, fm_error *err) {
    (void)context;
    bool failed = false;
    if (item->kind == FM_ITEM_CHOICE)
        *out = fm_choice_of(item, a, &failed) == fm_choice_of(item, b, &failed);
    else
        *out = fm_answer_equal(a, b, &failed);
    return failed ? fm_fail_memory(err, a.n + b.n, "comparing answers") : FM_OK;
}

fm_grader fm_grader_of_answers(void) { return (fm_grader){.name = "answers", .grade = grade, .same = same}; }
