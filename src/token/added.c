#include "token/added.h"

#include "base/unicode.h"
#include "token/charclass.h"

#include <stdlib.h>
#include <string.h>

static int compare_bytes(const char *a, size_t na, const char *b, size_t nb) {
    int order = memcmp(a, b, na < nb ? na : nb);
    return order ? order : na < nb ? -1 : na > nb;
}

static int compare_ids(const void *a, const void *b, void *context) {
    const fm_vocab *v = context;
    size_t na, nb;
    const char *pa = fm_vocab_piece(v, *(const fm_token *)a, &na);
    const char *pb = fm_vocab_piece(v, *(const fm_token *)b, &nb);
    return compare_bytes(pa, na, pb, nb);
}

static bool belongs(const fm_vocab *v, size_t id, bool normalized) {
    size_t n;
    fm_vocab_piece(v, (fm_token)id, &n);
    return n > 0 && (v->flags[id] & FM_PIECE_ADDED) &&
           normalized == !!(v->flags[id] & FM_PIECE_NORMALIZED);
}

fm_status fm_added_build(const fm_vocab *vocab, bool normalized, fm_added *out, fm_error *err) {
    *out = (fm_added){.vocab = vocab, .opener = -1};
    size_t count = 0;
    for (size_t id = 0; id < vocab->size; id++) count += belongs(vocab, id, normalized);
    out->ids = fm_alloc_array(count + 1, sizeof *out->ids, FM_MEM_TOKENIZER);
    if (!out->ids) return fm_fail_memory(err, count * sizeof *out->ids, "the added tokens");
    for (size_t id = 0; id < vocab->size; id++) {
        if (!belongs(vocab, id, normalized)) continue;
        out->ids[out->n++] = (fm_token)id;
        out->opens[(unsigned char)vocab->bytes[vocab->start[id]]] = true;
    }
    int openers = 0;
    for (int byte = 0; byte < 256; byte++)
        if (out->opens[byte]) out->opener = openers++ ? -1 : byte;
    qsort_r(out->ids, out->n, sizeof *out->ids, compare_ids, (void *)(uintptr_t)vocab);
    for (size_t i = 1; i < out->n; i++)
        if (compare_ids(&out->ids[i - 1], &out->ids[i], (void *)(uintptr_t)vocab) == 0)
            return fm_fail(err, FM_ERR_FORMAT, "the added tokens %d and %d have the same text",
                           out->ids[i - 1], out->ids[i]);
    return FM_OK;
}

void fm_added_clear(fm_added *set) {
    fm_free(set->ids);
    *set = (fm_added){0};
}

/* The byte at `depth` of the token at place i, or -1 past its end: shorter texts sort first. */
static int byte_at(const fm_added *set, size_t i, size_t depth) {
    size_t n;
    const char *piece = fm_vocab_piece(set->vocab, set->ids[i], &n);
    return depth < n ? (unsigned char)piece[depth] : -1;
}

/* First place in [low, high) whose byte at `depth` is at least `byte`. */
static size_t lower_bound(const fm_added *set, size_t low, size_t high, size_t depth, int byte) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (byte_at(set, middle, depth) < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that text starts with: the sorted texts are narrowed byte by byte. */
static fm_token longest(const fm_added *set, const char *text, size_t size, size_t *length) {
    fm_token best = -1;
    size_t low = 0, high = set->n;
    for (size_t depth = 0; low < high; depth++) {
        if (byte_at(set, low, depth) < 0) {
            best = set->ids[low];
            *length = depth;
        }
        if (depth == size) break;
        int byte = (unsigned char)text[depth];
        low = lower_bound(set, low, high, depth, byte);
        high = lower_bound(set, low, high, depth, byte + 1);
    }
    return best;
}

fm_token fm_added_exact(const fm_added *set, const char *text, size_t size) {
    size_t length;
    fm_token id = longest(set, text, size, &length);
    return id >= 0 && length == size ? id : -1;
}

static size_t spaces_before(const char *text, size_t low, size_t at) {
    while (at > low) {
        size_t back = 1;
        while (back < at - low && ((unsigned char)text[at - back] & 0xC0) == 0x80) back++;
        uint32_t c;
        if (fm_utf8_decode(text + at - back, back, &c) != (int)back || !fm_char_is_space(c)) break;
        at -= back;
    }
    return at;
}

static size_t spaces_after(const char *text, size_t size, size_t at) {
    while (at < size) {
        uint32_t c;
        int n = fm_utf8_decode(text + at, size - at, &c);
        if (n == 0 || !fm_char_is_space(c)) break;
        at += (size_t)n;
    }
    return at;
}

/* The first place from `at` where a token may begin; `size` if there is none. */
static size_t next_opener(const fm_added *set, const char *text, size_t size, size_t at) {
    if (set->opener >= 0) {
        const char *found = at < size ? memchr(text + at, set->opener, size - at) : NULL;
        return found ? (size_t)(found - text) : size;
    }
    while (at < size && !set->opens[(unsigned char)text[at]]) at++;
    return at;
}

bool fm_added_find(const fm_added *set, const char *text, size_t size, size_t from,
                   fm_added_match *match) {
    if (set->n == 0) return false;
    for (size_t i = from; (i = next_opener(set, text, size, i)) < size; i++) {
        size_t length;
        fm_token id = longest(set, text + i, size - i, &length);
        if (id < 0) continue;
        unsigned flags = fm_vocab_flags(set->vocab, id);
        *match = (fm_added_match){.start = i, .end = i + length, .id = id};
        if (flags & FM_PIECE_LSTRIP) match->start = spaces_before(text, from, i);
        if (flags & FM_PIECE_RSTRIP) match->end = spaces_after(text, size, match->end);
        return true;
    }
    return false;
}
