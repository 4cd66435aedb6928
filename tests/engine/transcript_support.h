/* transcript_support.h: replies that are read token by token, and random texts cut into tokens. */
#pragma once

#include "token/token_support.h"

#include "base/unicode.h"
#include "engine/transcript.h"

static fm_tokenizer *tokenizer;
static fm_token think, end_think, bytes[256]; /* bytes[b]: the token of that byte alone */

static inline int load(void **state) {
    (void)state;
    tokenizer = load_tiny("deepseek-v3");
    think = fm_tokenizer_find(tokenizer, "<think>");
    end_think = fm_tokenizer_find(tokenizer, "</think>");
    for (int b = 0; b < 256; b++) bytes[b] = -1;
    for (fm_token id = 0; id < fm_tokenizer_size(tokenizer); id++) {
        size_t size;
        const char *piece = fm_tokenizer_piece(tokenizer, id, &size);
        if (size == 1 && bytes[(uint8_t)piece[0]] < 0) bytes[(uint8_t)piece[0]] = id;
    }
    return 0;
}

static inline int unload(void **state) {
    (void)state;
    fm_tokenizer_free(tokenizer);
    return 0;
}

/* ---- a reply that is read to its end ------------------------------------------------------------ */

typedef struct reading {
    fm_transcript *t;
    fm_buffer reasoning, answer; /* what came out */
} reading;

static inline fm_transcript *transcript_of(const fm_transcript_options *options) {
    fm_transcript *t;
    fm_error err;
    assert_ok(fm_transcript_new(tokenizer, options, &t, &err));
    return t;
}

static inline void take(reading *r, fm_transcript_piece piece) {
    assert_non_null(piece.text);
    assert_true(fm_utf8_valid(piece.text, piece.size));
    fm_buffer_put(piece.thinking ? &r->reasoning : &r->answer, piece.text, piece.size);
}

static inline void push(reading *r, fm_token id) {
    fm_transcript_piece piece;
    fm_error err;
    assert_ok(fm_transcript_push(r->t, id, &piece, &err));
    take(r, piece);
}

static inline void finish(reading *r) {
    fm_transcript_piece piece;
    fm_error err;
    assert_ok(fm_transcript_finish(r->t, &piece, &err));
    take(r, piece);
    for (int i = 0; i < 3; i++) { /* nothing comes after the end */
        assert_ok(fm_transcript_push(r->t, bytes['x'], &piece, &err));
        assert_int_equal(piece.size, 0);
        assert_ok(fm_transcript_finish(r->t, &piece, &err));
        assert_int_equal(piece.size, 0);
    }
    assert_true(fm_transcript_finished(r->t));
}

static inline void clear(reading *r) {
    fm_transcript_free(r->t);
    fm_buffer_clear(&r->reasoning);
    fm_buffer_clear(&r->answer);
    *r = (reading){0};
}

static inline void push_text(reading *r, const char *text) {
    fm_buffer ids = {0};
    encode(tokenizer, text, strlen(text), FM_ENCODE_SPECIAL, &ids);
    for (size_t i = 0; i < n_ids(&ids) && !fm_transcript_finished(r->t); i++) push(r, ids_of(&ids)[i]);
    fm_buffer_clear(&ids);
}

static inline void expect_text(fm_buffer *b, const char *text) {
    if (strcmp(fm_buffer_string(b), text) != 0) fail_msg("'%s', not '%s'", fm_buffer_string(b), text);
}

static inline fm_token_text text_of(const char *s) { return (fm_token_text){s, strlen(s)}; }

/* ---- random texts ------------------------------------------------------------------------------ */

enum { TEXT_MOST = 400, STOPS_MOST = 3 };

/* Random texts from few letters, so that stops and their beginnings are everywhere. */
static inline size_t roll_text(draws *d, char *out, size_t characters) {
    static const char *const letters[] = {"a", "b", "a", "b", "\n", "你", "ä", " ", "\xf0\x9f\x98\x80"};
    size_t n = 0;
    for (size_t i = 0; i < characters; i++) {
        const char *c = letters[draw(d, FM_COUNT(letters))];
        memcpy(out + n, c, strlen(c));
        n += strlen(c);
    }
    return n;
}

/* The text as tokens, cut anywhere: byte by byte, or encoded in runs of characters; now and then a tag
 * or a broken byte. */
static inline void roll_tokens(draws *d, const char *text, size_t n, bool clean, fm_buffer *ids) {
    fm_buffer run = {0};
    for (size_t i = 0; i < n;) {
        fm_token extra = draw(d, 2) ? think : draw(d, 3) ? end_think : bytes[0xe4];
        if (!clean && draw(d, 25) == 0) fm_buffer_put(ids, &extra, sizeof extra);
        size_t size = 1 + draw(d, 12);
        if (size > n - i) size = n - i;
        size_t whole = fm_utf8_complete(text + i, size);
        if (draw(d, 2) && whole > 0 && fm_utf8_valid(text + i, whole)) {
            encode(tokenizer, text + i, whole, FM_ENCODE_PLAIN, &run);
            fm_buffer_put(ids, run.data, run.size);
            i += whole;
        } else {
            fm_buffer_put(ids, &bytes[(uint8_t)text[i]], sizeof(fm_token));
            i++;
        }
    }
    fm_buffer_clear(&run);
}
