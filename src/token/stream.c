#include "token/tokenizer_private.h"

#include "base/unicode.h"

#include <string.h>

void fm_tokenizer_decode(const fm_tokenizer *t, const fm_token *ids, size_t n, bool skip_special,
                         fm_buffer *out) {
    enum { ALL = 32 }; /* tokens whose bytes are put at once */
    for (size_t begin = 0; begin < n; begin += ALL) {
        struct {
            const char *bytes;
            size_t size;
        } pieces[ALL];
        size_t count = 0, total = 0;
        for (size_t i = begin; i < n && i < begin + ALL; i++) {
            if (skip_special && fm_tokenizer_is_special(t, ids[i])) continue;
            pieces[count].bytes = fm_vocab_piece(&t->vocab, ids[i], &pieces[count].size);
            total += pieces[count++].size;
        }
        char *to = fm_buffer_room(out, total);
        for (size_t i = 0; i < count && to; to += pieces[i++].size) memcpy(to, pieces[i].bytes, pieces[i].size);
    }
}

/* What is held is always the beginning of a valid character, so at most three bytes. */
static void push_byte(fm_stream *s, char byte, fm_buffer *out) {
    s->tail[s->held++] = byte;
    size_t complete = fm_utf8_complete(s->tail, (size_t)s->held);
    fm_utf8_sanitize(s->tail, complete, out);
    s->held -= (int)complete;
    memmove(s->tail, s->tail + complete, (size_t)s->held);
}

void fm_stream_push(fm_stream *s, const fm_tokenizer *t, fm_token id, fm_buffer *out) {
    size_t size, i = 0;
    const char *piece = fm_tokenizer_piece(t, id, &size);
    while (i < size && s->held) push_byte(s, piece[i++], out);
    size_t complete = fm_utf8_complete(piece + i, size - i);
    fm_utf8_sanitize(piece + i, complete, out);
    for (i += complete; i < size; i++) push_byte(s, piece[i], out);
}

void fm_stream_finish(fm_stream *s, fm_buffer *out) {
    fm_utf8_sanitize(s->tail, (size_t)s->held, out);
    s->held = 0;
}
