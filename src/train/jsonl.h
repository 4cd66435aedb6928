/* jsonl.h: one line of a .jsonl file as a document. */
#pragma once

#include "train/corpus.h"

/* With `path` set, a zeroed one is ready. */
typedef struct fm_jsonl {
    const char *path;
    int64_t line; /* read so far */
    fm_buffer text, turns;
} fm_jsonl;

/* The next line, without its line feed. *any is false for an empty one. The document lives until the next
 * call. Anything but the forms that corpus.h names is FM_ERR_FORMAT with file and line. */
fm_status fm_jsonl_line(fm_jsonl *j, const char *line, size_t size, fm_document *out, bool *any, fm_error *err);
void fm_jsonl_clear(fm_jsonl *j);
