/* eval_result.h: what came of an evaluation, as callers get it. */
#pragma once

#include "eval/exam.h"
#include "eval/overlap.h"
#include "fathom/fathom_measure.h"

/* Counts so far; everything else of *out is zeroed. */
void fm_eval_publish(const fm_exam_result *from, double seconds, fathom_eval_result *out);
/* The figures, copied. */
fm_status fm_eval_publish_rows(const fm_summary *from, fathom_eval_result *out, fm_error *err);
