/* ids.h: token ids as people write them: "1,2,3" or one per line. */
#pragma once

#include "base/buffer.h"

enum { FM_TEXT_LIMIT = 1 << 30 };

/* Appends int32_t values to `out`; commas, spaces and newlines separate. */
fm_status fm_ids_parse(const char *text, size_t size, fm_buffer *out, fm_error *err);
/* From --ids or --ids-file (- is standard input), exactly one of them; at least one id. */
fm_status fm_ids_given(const char *ids, const char *file, fm_buffer *out, fm_error *err);
/* Before minutes of work: could a result be written there? */
fm_status fm_check_writable(const char *path, fm_error *err);
