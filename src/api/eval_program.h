/* eval_program.h: functions that a model wrote (HumanEval), graded by running their tests in the jail. */
#pragma once

#include "eval/grader.h"

/* FM_ERR_UNSUPPORTED says what this machine lacks: nothing is run with fewer walls. */
fm_status fm_program_available(fm_error *err);

/* Grades an item that is FM_ITEM_PROGRAM. The code is that of the reply's last fenced block, which is also its
 * form, else all of it; the test's check() must come to its end within the jail's limits, and say so. */
fm_status fm_program_grade(const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err);
