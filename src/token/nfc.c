#include "token/nfc.h"

#include "base/unicode.h"

#include <string.h>

#include "token/unicode_nfc.inc"

/* Code points that Unicode 9 did not have and that, in Unicode 18, have a combining class, decompose
 * canonically or are part of a composition. (Ranges also span some that are inert in both.) */
static const struct {
    uint32_t first, last;
} late[] = {
    {0x05C8, 0x05C9}, {0x07FD, 0x07FD}, {0x0897, 0x089F}, {0x08CA, 0x08D3}, {0x09FE, 0x09FE},
    {0x0C3C, 0x0C3C}, {0x0D3B, 0x0D3C}, {0x0EBA, 0x0EBA}, {0x1715, 0x1715}, {0x1ABF, 0x1AF0},
    {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C}, {0x105C9, 0x105E4}, {0x10D24, 0x10D27}, {0x10D69, 0x10D6D},
    {0x10EAB, 0x10EAC}, {0x10ECB, 0x10ECF}, {0x10EF0, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11382, 0x11391},
    {0x113B8, 0x113D0}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11943},
    {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x1611E, 0x1612F},
    {0x16D63, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1D127, 0x1D128}, {0x1D250, 0x1D25F},
    {0x1D280, 0x1D281}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6F5},
};

static bool is_late(uint32_t c) {
    size_t low = 0, high = FM_COUNT(late);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (late[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < FM_COUNT(late) && late[low].first <= c;
}

static inline unsigned class_of(uint32_t c) {
    return c < NFC_END ? nfc_class[nfc_block[c / NFC_BLOCK]][c % NFC_BLOCK] : 0;
}

/* Below U+0300 nothing composes with what is in front of it: the end of the run of such characters, which
 * take one or two bytes, and in `last` where the last one starts. */
static inline size_t skip_low(const char *text, size_t size, size_t at, size_t *last) {
    for (uint64_t word; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    while (at < size && (unsigned char)text[at] < 0xCC) at++;
    *last = at - ((text[at - 1] & 0xC0) == 0x80 ? 2 : 1);
    return at;
}

/* A part of a text that may have to be composed, between two places where the text may be cut. */
typedef struct stretch {
    size_t start, end;
} stretch;

/* The first one at or after `from`, which is such a place too; without any, start = end = size. What has
 * no doubtful character and its marks in order is composed as it stands (UAX 15, section 9). */
static stretch next_stretch(const char *text, size_t size, size_t from) {
    stretch s = {.start = from};
    unsigned before = 0;
    bool found = false;
    for (size_t at = from, length; at < size; at += length) {
        if ((unsigned char)text[at] < 0xCC) {
            if (found) return (stretch){s.start, at};
            at = skip_low(text, size, at, &s.start);
            before = length = 0;
            continue;
        }
        unsigned class = class_of(fm_utf8_next(text + at, &length));
        if (class == 0) {
            if (found) return (stretch){s.start, at};
            s.start = at;
        }
        found |= class == NFC_UNSURE || (class && class < before);
        before = class;
    }
    s.end = size;
    return found ? s : (stretch){size, size};
}

bool fm_nfc_may_change(const char *text, size_t size) {
    return next_stretch(text, size, 0).start < size;
}

/* A late character is a starter that composes with nothing, so the text on both sides of it is
 * composed on its own. */
static fm_status compose(const char *text, size_t size, fm_buffer *out, fm_error *err) {
    size_t start = 0;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        int n = fm_utf8_decode(text + i, size - i, &c);
        if (n == 0 || !is_late(c)) {
            i += n ? (size_t)n : 1;
            continue;
        }
        if (i > start) FM_TRY(fm_unicode_nfc(text + start, i - start, out, err));
        fm_buffer_put(out, text + i, (size_t)n);
        start = i += (size_t)n;
    }
    if (start < size) FM_TRY(fm_unicode_nfc(text + start, size - start, out, err));
    return FM_OK;
}

fm_status fm_nfc(const char *text, size_t size, fm_buffer *out, fm_error *err) {
    for (size_t at = 0; at < size;) {
        stretch s = next_stretch(text, size, at);
        fm_buffer_put(out, text + at, s.start - at);
        FM_TRY(compose(text + s.start, s.end - s.start, out, err));
        at = s.end;
    }
    return fm_buffer_status(out, err);
}
