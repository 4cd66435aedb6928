/* span.h: a piece of somebody else's text. */
#pragma once

#include <stddef.h>

typedef struct fm_span {
    const char *s;
    size_t n;
} fm_span;
