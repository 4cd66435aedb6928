/* scan_text.h: characters of text and their classes. For the scanners alone. */
#pragma once

#include "token/charclass.h"

/* The text left to look at, which is valid UTF-8. */
typedef struct text {
    const uint8_t *classes;
    const unsigned char *s;
    size_t n;
} text;

/* Class of the character at `at` < n, and where the next one starts. */
static inline unsigned class_at(const text *t, size_t at, size_t *next) {
    const unsigned char *s = t->s + at;
    unsigned c = s[0];
    if (c < 0x80) {
        *next = at + 1;
    } else if (c < 0xE0) {
        c = (c & 0x1F) << 6 | (s[1] & 0x3Fu);
        *next = at + 2;
    } else if (c < 0xF0) {
        c = (c & 0x0F) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
        *next = at + 3;
    } else {
        c = (c & 0x07) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
        *next = at + 4;
    }
    return t->classes[c];
}
