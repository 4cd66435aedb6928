/* unicode.h: UTF-8 and normalisation; the tables are utf8proc's. */
#pragma once

#include "base/buffer.h"

/* Decodes the character at s (n > 0 bytes are left). Returns its length 1..4 and the code point;
 * for bytes that are not UTF-8 returns 0 and the code point U+FFFD. Surrogates and overlong forms
 * are not UTF-8. */
int fm_utf8_decode(const char *s, size_t n, uint32_t *code_point);
/* The character at the start of valid UTF-8, and its length, without a look at what is not needed to tell. */
static inline uint32_t fm_utf8_next(const char *text, size_t *length) {
    const unsigned char *s = (const unsigned char *)text;
    uint32_t c = s[0];
    *length = 1;
    if (c < 0x80) return c;
    *length = 2;
    if (c < 0xE0) return (c & 0x1F) << 6 | (s[1] & 0x3Fu);
    *length = 3;
    if (c < 0xF0) return (c & 0x0F) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    *length = 4;
    return (c & 0x07) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
}
/* Writes 1..4 bytes; code points outside Unicode become U+FFFD. */
int fm_utf8_encode(uint32_t code_point, char out[4]);
bool fm_utf8_valid(const char *s, size_t n);
/* Length of the longest prefix of s[0..n) that does not end inside a character. */
size_t fm_utf8_complete(const char *s, size_t n);
/* Appends s with every invalid sequence replaced by U+FFFD, one per maximal subpart (Unicode 3.9,
 * as Python and Rust do). */
void fm_utf8_sanitize(const char *s, size_t n, fm_buffer *out);

/* Appends the NFC form of valid UTF-8; anything else is FM_ERR_ARGUMENT. */
fm_status fm_unicode_nfc(const char *s, size_t n, fm_buffer *out, fm_error *err);

/* Letters of any script, and the marks that belong to them (general categories L and M). */
bool fm_unicode_is_letter(uint32_t code_point);

/* Terminal cells of a code point: 0, 1 or 2. */
int fm_unicode_width(uint32_t code_point);
