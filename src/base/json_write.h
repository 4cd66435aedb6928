/* json_write.h: JSON text made piece by piece, indented for people; commas take care of themselves.
 *
 *     fm_json_writer w = {.out = &buffer};
 *     fm_json_open(&w, NULL, '{');
 *     fm_json_put_integer(&w, "layers", 61);
 *     fm_json_close(&w, '}');
 *
 * `key` is NULL inside arrays and for the root. Running out of memory shows in the buffer. */
#pragma once

#include "base/buffer.h"

typedef struct fm_json_writer {
    fm_buffer *out;
    int depth;
    bool comma; /* something stands before on this level */
    bool flat;  /* set by the caller: items follow each other on one line */
} fm_json_writer;

/* Appends `s` as a JSON string with quotes. Bytes that are not UTF-8 become U+FFFD; control
 * characters are escaped. */
void fm_json_quote(fm_buffer *out, const char *s, size_t n);

void fm_json_open(fm_json_writer *w, const char *key, char bracket); /* '{' or '[' */
void fm_json_close(fm_json_writer *w, char bracket);                 /* '}' or ']' */
void fm_json_put_integer(fm_json_writer *w, const char *key, int64_t value);
/* 15 digits; infinities and NaN, which JSON cannot say, become null. */
void fm_json_put_real(fm_json_writer *w, const char *key, double value);
/* The same, but 1 is written as 1.0: some readers of configurations refuse an integer where they want a float. */
void fm_json_put_float(fm_json_writer *w, const char *key, double value);
void fm_json_put_bool(fm_json_writer *w, const char *key, bool value);
void fm_json_put_text(fm_json_writer *w, const char *key, const char *text); /* NULL: null */
