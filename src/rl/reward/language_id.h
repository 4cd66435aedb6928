/* language_id.h: in which language is a text, and how much of it?
 *
 * Words are counted; in scripts that write without blanks, letters. The script decides where it can; among
 * languages in Latin letters, a stretch of words is in the language whose small words (and, is, not ...) are the
 * most in it, and in the language asked where none are or it has as many as any. Single letters and LaTeX's
 * commands are mathematics and no words. One pass; no memory. */
#pragma once

#include "base/status.h"

/* A language known here, by its code of ISO 639-1 ("en", "zh"); negative: not known. */
int fm_language_find(const char *code);
const char *fm_language_code(int language); /* NULL past the end */

typedef struct fm_language_share {
    double share; /* of the words that are in the language; 1 where there are none */
    size_t words;
} fm_language_share;

fm_language_share fm_language_share_of(const char *text, size_t size, int language);

/* The language that most of the text is in; negative when it has no word. */
int fm_language_of(const char *text, size_t size);
