/* eval_report.h: what came of an evaluation, as a table and as JSON. */
#pragma once

#include "base/status.h"
#include "fathom/fathom_measure.h"

typedef struct fm_eval_about {
    const char *model, *questions;
    const char *out, *train_data; /* NULL: none */
} fm_eval_about;

fm_status fm_eval_print_table(const fm_eval_about *about, const fathom_eval_result *result, fm_error *err);
fm_status fm_eval_print_json(const fm_eval_about *about, const fathom_eval_result *result, fm_error *err);
