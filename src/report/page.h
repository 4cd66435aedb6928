/* page.h: the report of a run: one HTML page that needs nothing else, made from the run's log alone. */
#pragma once

#include "base/buffer.h"

/* `name`: of the run, for the heading. `log` is the text of its log.jsonl. FM_ERR_FORMAT where that tells of no
 * run. Every number on the page is in a line of the log, or a sum or quotient of such numbers. */
fm_status fm_report_page(const char *name, const char *log, size_t size, fm_buffer *out, fm_error *err);
