/* charclass.h: what kind of character a code point is, as the pre-tokenizers ask.
 *
 * The tables are Unicode 16's and travel with Fathom: a text has the same ids on every machine,
 * whatever Unicode version its libraries were built with. */
#pragma once

#include "base/buffer.h"

enum {
    FM_CHAR_LETTER = 1,   /* \p{L} */
    FM_CHAR_MARK = 2,     /* \p{M} */
    FM_CHAR_NUMBER = 4,   /* \p{N} */
    FM_CHAR_PUNCT = 8,    /* \p{P} */
    FM_CHAR_SYMBOL = 16,  /* \p{S} */
    FM_CHAR_SPACE = 32,   /* White_Space, which is \s */
    FM_CHAR_NEWLINE = 64, /* CR and LF, which are spaces too */
    FM_CHAR_CJK = 128,    /* U+4E00-9FA5 and U+3040-30FF: the second stage of DeepSeek-V3 */
};

enum { FM_CODE_POINTS = 0x110000 };

/* Fills classes[FM_CODE_POINTS] with the bits above. */
void fm_char_classes(uint8_t *classes);

/* Gives `bit` another meaning: the set between the first [ and ] of a pattern, which holds only
 * characters, \\uXXXX, \\x{...} and ranges of these. */
void fm_char_define(uint8_t *classes, uint8_t bit, const char *pattern);

/* Unicode White_Space: U+0085 is in it, U+180E and U+200B are not. */
bool fm_char_is_space(uint32_t code_point);

/* Appends the White_Space set, or what is outside it, as ranges of a PCRE2 class. */
void fm_char_space_ranges(fm_buffer *out, bool complement);

/* Appends, as ranges of a PCRE2 class, the characters of general category `letter` (L, M, N, P, S)
 * that Unicode 14 did not have and the library may therefore not know. */
void fm_char_recent_ranges(fm_buffer *out, char letter);
