/* pretoken.h: cutting text into the pieces within which bytes are merged.
 *
 * A pre-tokenizer is a list of stages. Each is applied separately to every piece that the stage
 * before it made, so that look-ahead sees nothing but the piece; the last stage's pieces are the
 * words. Order and meaning are those of Hugging Face's `pre_tokenizers`. */
#pragma once

#include "token/scan.h"

#include "base/buffer.h"

/* What becomes of the matches of a Split stage. */
typedef enum fm_split {
    FM_SPLIT_ISOLATED,   /* matches and the gaps between them are pieces */
    FM_SPLIT_REMOVED,    /* only the gaps are */
    FM_SPLIT_CONTIGUOUS, /* as isolated, but adjacent matches are one piece */
    FM_SPLIT_MERGED_WITH_PREVIOUS,
    FM_SPLIT_MERGED_WITH_NEXT,
} fm_split;

typedef struct fm_pretoken fm_pretoken;

fm_status fm_pretoken_new(fm_pretoken **out, fm_error *err);
void fm_pretoken_free(fm_pretoken *p);

/* Stages in order. `pattern` is in tokenizer.json's dialect, see pattern.h; `invert` swaps matches
 * and gaps. */
fm_status fm_pretoken_add_pattern(fm_pretoken *p, const char *pattern, size_t size, fm_split split,
                                  bool invert, fm_error *err);
fm_status fm_pretoken_add_literal(fm_pretoken *p, const char *text, size_t size, fm_split split,
                                  bool invert, fm_error *err);
/* A space in front of pieces that do not start with one. */
fm_status fm_pretoken_add_prefix_space(fm_pretoken *p, fm_error *err);

/* Whether the stages are just these patterns, isolated; and a scanner to run in their place, which
 * is borrowed for good. */
bool fm_pretoken_is(const fm_pretoken *p, const char *const *patterns, size_t n);
void fm_pretoken_set_scanner(fm_pretoken *p, const fm_scanner *scanner);
bool fm_pretoken_has_scanner(const fm_pretoken *p);

/* After the last stage: makes the list ready to run. */
fm_status fm_pretoken_finish(fm_pretoken *p, fm_error *err);

/* Calls `word` for every non-empty piece of valid UTF-8, in order; a status other than FM_OK stops
 * and is returned. A word lies in `text`, or for the time of the call elsewhere if a space was put
 * in front of it. */
typedef fm_status (*fm_word_fn)(void *context, const char *word, size_t size, fm_error *err);
fm_status fm_pretoken_run(const fm_pretoken *p, const char *text, size_t size, fm_word_fn word,
                          void *context, fm_error *err);
