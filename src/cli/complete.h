/* complete.h: what a word might become when Tab is pressed. */
#pragma once

#include "base/buffer.h"

typedef enum fm_complete_kind {
    FM_COMPLETE_NOTHING,
    FM_COMPLETE_WORDS, /* one of `words` */
    FM_COMPLETE_FILES, /* a path; a blank in it is escaped by a backslash */
} fm_complete_kind;

/* What stands at the cursor, as whoever knows the commands says. */
typedef struct fm_complete_place {
    fm_complete_kind kind;
    size_t start;             /* of the word in the line */
    const char *const *words; /* in any order */
    size_t n_words;
} fm_complete_place;

typedef struct fm_completion {
    size_t n;         /* candidates */
    fm_buffer insert; /* what all of them have in common beyond the word; with one candidate all of it,
                         and a space or a slash behind */
    fm_buffer list;   /* the candidates, each ended by a newline, in alphabetical order */
} fm_completion;

/* `word` is what stands between place->start and the cursor. */
void fm_complete(const fm_complete_place *place, const char *word, size_t size, fm_completion *out);
void fm_completion_clear(fm_completion *c);
/* Without the backslashes and quotes of a path as people type it or drop it on a terminal; what follows
 * the path and its blank begins at *rest. To be freed with fm_free; NULL without memory. */
char *fm_complete_unquote(const char *text, const char **rest);
