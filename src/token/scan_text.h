/* scan_text.h: characters of text and their classes. For the scanners alone. */
#pragma once

#include "base/unicode.h"
#include "token/charclass.h"

/* The text left to look at, which is valid UTF-8. */
typedef struct text {
    const uint8_t *classes;
    const unsigned char *s;
    size_t n;
} text;

/* Class of the character at `at` < n, and where the next one starts. */
static inline unsigned class_at(const text *t, size_t at, size_t *next) {
    size_t length;
    uint32_t c = fm_utf8_next((const char *)t->s + at, &length);
    *next = at + length;
    return t->classes[c];
}
