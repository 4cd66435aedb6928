/* ids.h: token ids as people write them: "1,2,3" or one per line. */
#pragma once

#include "base/buffer.h"
#include "cli/args.h"

#include <stddef.h>

enum { FM_TEXT_LIMIT = 1 << 30 };

/* Rows of an option table, for commands that compute over exactly these ids and write safetensors; `type` has
 * the texts ids, ids_file and out. */
#define FM_IDS_OPTIONS(type)                                                                       \
    {FM_OPTION_TEXT, "ids", 0, "LIST", "token ids, as in 1,2,3", offsetof(type, ids), 0, 0, NULL,  \
     NULL},                                                                                        \
    {FM_OPTION_TEXT, "ids-file", 0, "FILE", "read the ids from a file; - is standard input",       \
     offsetof(type, ids_file), 0, 0, NULL, NULL},                                                  \
    {FM_OPTION_TEXT, "out", 'o', "FILE", "where to write, as safetensors", offsetof(type, out), 0, \
     0, NULL, NULL}

/* Appends int32_t values to `out`; commas, spaces and newlines separate. */
fm_status fm_ids_parse(const char *text, size_t size, fm_buffer *out, fm_error *err);
/* From --ids or --ids-file (- is standard input), exactly one of them; at least one id. */
fm_status fm_ids_given(const char *ids, const char *file, fm_buffer *out, fm_error *err);
/* Before minutes of work: could a result be written there? */
fm_status fm_check_writable(const char *path, fm_error *err);
