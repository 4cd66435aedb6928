#include "base/json_write.h"

#include "base/unicode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void fm_json_quote(fm_buffer *out, const char *s, size_t n) {
    fm_buffer_put(out, "\"", 1);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = fm_utf8_decode(s + i, n - i, &c);
        if (length == 0) {
            fm_buffer_text(out, "\xEF\xBF\xBD"); /* JSON is UTF-8, whatever came in */
            i++;
            continue;
        }
        if (c == '"' || c == '\\')
            fm_buffer_format(out, "\\%c", (int)c);
        else if (c == '\n')
            fm_buffer_text(out, "\\n");
        else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) /* what a terminal would act upon */
            fm_buffer_format(out, "\\u%04x", (unsigned)c);
        else
            fm_buffer_put(out, s + i, (size_t)length);
        i += (size_t)length;
    }
    fm_buffer_put(out, "\"", 1);
}

static void begin_item(fm_json_writer *w, const char *key) {
    if (w->comma) fm_buffer_text(w->out, w->flat ? ", " : ",");
    if (w->depth && !w->flat) fm_buffer_format(w->out, "\n%*s", 2 * w->depth, "");
    if (key) {
        fm_json_quote(w->out, key, strlen(key));
        fm_buffer_text(w->out, ": ");
    }
    w->comma = true;
}

void fm_json_open(fm_json_writer *w, const char *key, char bracket) {
    begin_item(w, key);
    fm_buffer_put(w->out, &bracket, 1);
    w->depth++;
    w->comma = false;
}

void fm_json_close(fm_json_writer *w, char bracket) {
    bool empty = !w->comma;
    w->depth--;
    w->comma = true;
    if (!empty && !w->flat) fm_buffer_format(w->out, "\n%*s", 2 * w->depth, "");
    fm_buffer_put(w->out, &bracket, 1);
    if (w->depth == 0) fm_buffer_text(w->out, "\n");
}

void fm_json_put_integer(fm_json_writer *w, const char *key, int64_t value) {
    begin_item(w, key);
    fm_buffer_format(w->out, "%lld", (long long)value);
}

/* printf writes the decimal point of the locale that the program has chosen; JSON has only one. */
static void put_decimal(fm_buffer *out, double value) {
    char text[40];
    int n = snprintf(text, sizeof text, "%.15g", value);
    for (int i = 0; i < n; i++) {
        bool number = (text[i] >= '0' && text[i] <= '9') || strchr("+-e", text[i]);
        bool before = i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9';
        if (number)
            fm_buffer_put(out, &text[i], 1);
        else if (before) /* a point may take several bytes */
            fm_buffer_text(out, ".");
    }
}

void fm_json_put_real(fm_json_writer *w, const char *key, double value) {
    begin_item(w, key);
    if (isfinite(value))
        put_decimal(w->out, value);
    else
        fm_buffer_text(w->out, "null");
}

void fm_json_put_float(fm_json_writer *w, const char *key, double value) {
    fm_json_put_real(w, key, value);
    if (isfinite(value) && value == trunc(value) && fabs(value) < 1e15) fm_buffer_text(w->out, ".0");
}

void fm_json_put_bool(fm_json_writer *w, const char *key, bool value) {
    begin_item(w, key);
    fm_buffer_text(w->out, value ? "true" : "false");
}

void fm_json_put_text(fm_json_writer *w, const char *key, const char *text) {
    begin_item(w, key);
    if (text) fm_json_quote(w->out, text, strlen(text));
    else fm_buffer_text(w->out, "null");
}
