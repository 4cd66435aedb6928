/* page.h: the report of a run: one HTML page that needs nothing else, made from the run's log alone. */
#pragma once

#include "base/buffer.h"

typedef struct fm_report_options {
    const char *name;     /* of the run, for the heading */
    double price, watts;  /* an hour's price and the machine's power, where the recipe's are not to count; 0 */
    const char *currency; /* NULL: the recipe's */
} fm_report_options;

/* `log` is the text of the run's log.jsonl. FM_ERR_FORMAT where that tells of no run. Every number on the page is
 * in a line of the log, or a sum or quotient of such numbers. */
fm_status fm_report_page(const fm_report_options *options, const char *log, size_t size, fm_buffer *out,
                         fm_error *err);
