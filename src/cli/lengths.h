/* lengths.h: lists of lengths as people write them: "128,512,4096". */
#pragma once

#include "base/status.h"

enum { FM_LENGTHS_MAX = 32 };

typedef struct fm_lengths {
    int64_t values[FM_LENGTHS_MAX];
    size_t n;
} fm_lengths;

/* `option` is named in the sentence when `text` is anything else. */
fm_status fm_lengths_parse(const char *option, const char *text, fm_lengths *out, fm_error *err);
