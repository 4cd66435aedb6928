/* added.h: finding added tokens in text: leftmost first, and of those the longest. */
#pragma once

#include "token/vocab.h"

/* Which of a vocabulary's added tokens a set holds: Hugging Face seeks those that are not
 * "normalized" in the raw text, and the others after normalisation. */
typedef struct fm_added {
    const fm_vocab *vocab;
    fm_token *ids; /* sorted by their text */
    size_t n;
    bool opens[256]; /* first bytes */
    int opener;      /* the only one of those (nearly always `<`); -1: there are several */
} fm_added;

fm_status fm_added_build(const fm_vocab *vocab, bool normalized, fm_added *out, fm_error *err);
void fm_added_clear(fm_added *set);

/* The first match in text[from..size). White space that the token strips is part of the match, but
 * none before `from`. */
typedef struct fm_added_match {
    size_t start, end;
    fm_token id;
} fm_added_match;
bool fm_added_find(const fm_added *set, const char *text, size_t size, size_t from,
                   fm_added_match *match);

/* The added token whose text this is; -1: none. */
fm_token fm_added_exact(const fm_added *set, const char *text, size_t size);
