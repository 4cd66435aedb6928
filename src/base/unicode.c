#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Bytes of the sequence that `lead` opens, and the range its second byte must lie in: this one
 * table excludes overlong forms, surrogates and code points past U+10FFFF (Unicode, table 3-7). */
static int sequence_length(unsigned char lead, unsigned char *low, unsigned char *high) {
    *low = 0x80;
    *high = 0xBF;
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0;
    if (lead < 0xE0) return 2;
    if (lead < 0xF0) {
        if (lead == 0xE0) *low = 0xA0;
        if (lead == 0xED) *high = 0x9F;
        return 3;
    }
    if (lead > 0xF4) return 0;
    if (lead == 0xF0) *low = 0x90;
    if (lead == 0xF4) *high = 0x8F;
    return 4;
}

/* How many of the first `n` bytes at s form the beginning of a character; `*length` is what the
 * whole character would take, 0 if s[0] opens none. */
static int valid_prefix(const unsigned char *s, size_t n, int *length) {
    unsigned char low, high;
    *length = sequence_length(s[0], &low, &high);
    if (*length <= 1) return *length;
    int i = 1;
    for (; i < *length && (size_t)i < n; i++) {
        if (s[i] < low || s[i] > high) break;
        low = 0x80;
        high = 0xBF;
    }
    return i;
}

int fm_utf8_decode(const char *text, size_t n, uint32_t *code_point) {
    const unsigned char *s = (const unsigned char *)text;
    int length;
    *code_point = 0xFFFD;
    if (valid_prefix(s, n, &length) < length || length == 0) return 0;
    uint32_t c = length == 1 ? s[0] : s[0] & (0xFFu >> (length + 1));
    for (int i = 1; i < length; i++) c = c << 6 | (s[i] & 0x3F);
    *code_point = c;
    return length;
}

int fm_utf8_encode(uint32_t c, char out[4]) {
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    int length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00u >> length & 0xFF) | c);
    return length;
}

bool fm_utf8_valid(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = fm_utf8_decode(s + i, n - i, &c);
        if (length == 0) return false;
        i += (size_t)length;
    }
    return true;
}

size_t fm_utf8_complete(const char *s, size_t n) {
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if (c < 0x80) return n;
        if (c < 0xC0) continue;
        int length;
        int have = valid_prefix((const unsigned char *)s + n - back, back, &length);
        return length > 0 && have == (int)back && have < length ? n - back : n;
    }
    return n;
}

void fm_utf8_sanitize(const char *s, size_t n, fm_buffer *out) {
    for (size_t i = 0; i < n;) {
        int length;
        int have = valid_prefix((const unsigned char *)s + i, n - i, &length);
        if (length > 0 && have == length) {
            fm_buffer_put(out, s + i, (size_t)length);
        } else {
            fm_buffer_put(out, "\xEF\xBF\xBD", 3);
            if (have == 0) have = 1;
        }
        i += (size_t)have;
    }
}

fm_status fm_unicode_nfc(const char *s, size_t n, fm_buffer *out, fm_error *err) {
    utf8proc_uint8_t *result = NULL;
    utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &result,
                                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (size == UTF8PROC_ERROR_NOMEM) return fm_fail_memory(err, n, "Unicode normalisation");
    if (size < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "the text is not valid UTF-8: %s",
                       utf8proc_errmsg(size));
    fm_buffer_put(out, result, (size_t)size);
    free(result);
    return fm_buffer_status(out, err);
}

int fm_unicode_width(uint32_t c) { return c < 0x20 ? 0 : utf8proc_charwidth((utf8proc_int32_t)c); }

bool fm_unicode_is_letter(uint32_t c) {
    if (c < 0x80) return (c | 0x20) - 'a' < 26u;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME;
}
