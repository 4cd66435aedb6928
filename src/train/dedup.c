#include "train/dedup.h"

#include "base/hash.h"
#include "base/unicode.h"

#include <string.h>

/* ---- normalised text -----------------------------------------------------------------------------*/

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool normalise(const char *text, size_t size, fm_buffer *out) {
    out->size = 0;
    char *to = fm_buffer_room(out, size);
    size_t n = 0;
    for (size_t i = 0; to && i < size; i++) {
        if (!is_space(text[i])) to[n++] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
        else if (n > 0 && to[n - 1] != ' ') to[n++] = ' ';
    }
    if (n > 0 && to[n - 1] == ' ') n--;
    out->size = n;
    return to != NULL;
}

/* ---- shingles ------------------------------------------------------------------------------------*/

/* Characters that are words by themselves. */
static bool is_cjk(uint32_t c) {
    return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x3FFFF);
}

/* The word at text[0]: up to a space or a CJK character. */
static size_t word_length(const char *text, size_t size) {
    size_t n = 0;
    while (n < size && text[n] != ' ') {
        uint32_t c = (unsigned char)text[n];
        int length = c < 0x80 ? 1 : fm_utf8_decode(text + n, size - n, &c);
        if (length < 1) length = 1;
        if (is_cjk(c)) return n ? n : (size_t)length;
        n += (size_t)length;
    }
    return n;
}

/* A shingle's hash says by its high bits which minimum it competes for, and with what by the others. */
static void take_shingle(const uint64_t words[FM_NEAR_SHINGLE], size_t last, uint64_t minima[FM_NEAR_MINIMA]) {
    uint64_t h = 0;
    for (size_t i = 1; i <= FM_NEAR_SHINGLE; i++) h = fm_mix64(h ^ words[(last + i) % FM_NEAR_SHINGLE]) + i;
    size_t place = (size_t)(h >> 57);
    if ((h & (UINT64_MAX >> 7)) < minima[place]) minima[place] = h & (UINT64_MAX >> 7);
}

/* Empty places get the value of the first full one along a path of their own. */
static void fill_empty(const uint64_t minima[FM_NEAR_MINIMA], uint16_t out[FM_NEAR_MINIMA]) {
    for (size_t i = 0; i < FM_NEAR_MINIMA; i++) {
        size_t from = i;
        for (uint64_t step = 1; minima[from] == UINT64_MAX; step++)
            from = (size_t)(fm_mix64((uint64_t)i << 32 | step) % FM_NEAR_MINIMA);
        out[i] = (uint16_t)fm_mix64(minima[from] + (from == i ? 0 : i));
    }
}

static bool sign(const char *text, size_t size, uint16_t out[FM_NEAR_MINIMA]) {
    uint64_t minima[FM_NEAR_MINIMA], words[FM_NEAR_SHINGLE] = {0};
    size_t n = 0;
    memset(minima, 0xFF, sizeof minima);
    for (size_t at = 0; at < size;) {
        size_t length = word_length(text + at, size - at);
        if (length > 0) {
            words[n % FM_NEAR_SHINGLE] = fm_hash(text + at, length, 1);
            if (n + 1 >= FM_NEAR_SHINGLE) take_shingle(words, n % FM_NEAR_SHINGLE, minima);
            n++;
        }
        at += length;
        if (at < size && text[at] == ' ') at++;
    }
    if (n < FM_NEAR_LEAST_WORDS) return false;
    fill_empty(minima, out);
    return true;
}

bool fm_print_of(const char *text, size_t size, bool near, fm_buffer *scratch, fm_print *out) {
    *out = (fm_print){.near = false};
    if (!normalise(text, size, scratch)) return false;
    out->hash[0] = fm_hash(scratch->data, scratch->size, 0x646f63);
    out->hash[1] = fm_hash(scratch->data, scratch->size, 0x756d656e74);
    if (near) out->near = sign(scratch->data, scratch->size, out->minima);
    return true;
}

double fm_print_similarity(const fm_print *a, const fm_print *b) {
    int same = 0;
    for (int i = 0; i < FM_NEAR_MINIMA; i++) same += a->minima[i] == b->minima[i];
    return (double)same / FM_NEAR_MINIMA;
}

/* ---- tables --------------------------------------------------------------------------------------*/

typedef struct slot {
    uint64_t a, b; /* hashes: the two halves; bands: key and document + 1. b is 0 where the slot is free */
} slot;

static slot *slots_of(fm_buffer *b) { return (slot *)(void *)b->data; }
static size_t slots(const fm_buffer *b) { return b->size / sizeof(slot); }

static void put_slot(fm_buffer *table, slot s) {
    size_t mask = slots(table) - 1, at = (size_t)fm_mix64(s.a) & mask;
    while (slots_of(table)[at].b) at = (at + 1) & mask;
    slots_of(table)[at] = s;
}

/* Room for `more` beside the `n` that are there. */
static bool make_room(fm_buffer *table, size_t n, size_t more) {
    size_t size = slots(table) ? slots(table) : 1 << 10;
    if (slots(table) && (n + more) * 2 <= size) return true;
    while ((n + more) * 2 > size) size *= 2;
    fm_buffer bigger = {0};
    slot *room = fm_buffer_room(&bigger, size * sizeof *room);
    if (!room) return false;
    memset(room, 0, size * sizeof *room);
    for (size_t i = 0; i < slots(table); i++)
        if (slots_of(table)[i].b) put_slot(&bigger, slots_of(table)[i]);
    fm_buffer_clear(table);
    *table = bigger;
    return true;
}

static bool has_hash(fm_prints *p, const fm_print *print) {
    size_t n = slots(&p->hashes), at = n ? (size_t)fm_mix64(print->hash[0]) & (n - 1) : 0;
    for (; n && slots_of(&p->hashes)[at].b; at = (at + 1) & (n - 1)) {
        const slot *s = &slots_of(&p->hashes)[at];
        if (s->a == print->hash[0] && s->b == (print->hash[1] | 1)) return true;
    }
    return false;
}

static uint64_t band_key(const fm_print *print, int band) {
    enum { WIDTH = FM_NEAR_MINIMA / FM_NEAR_BANDS };
    return fm_hash(print->minima + band * WIDTH, WIDTH * sizeof *print->minima, (uint64_t)band);
}

/* Boilerplate fills bands with documents that are not alike otherwise: only so many are compared. */
enum { MOST_COMPARED = 64 };

static bool is_near(fm_prints *p, const fm_print *print, uint64_t key) {
    size_t n = slots(&p->bands), at = n ? (size_t)fm_mix64(key) & (n - 1) : 0;
    for (int compared = 0; n && slots_of(&p->bands)[at].b && compared < MOST_COMPARED; at = (at + 1) & (n - 1)) {
        const slot *s = &slots_of(&p->bands)[at];
        fm_print other;
        if (s->a != key) continue;
        memcpy(other.minima, p->minima.data + (s->b - 1) * sizeof other.minima, sizeof other.minima);
        if (fm_print_similarity(print, &other) >= p->threshold) return true;
        compared++;
    }
    return false;
}

static bool remember_near(fm_prints *p, const fm_print *print) {
    uint64_t number = p->minima.size / sizeof print->minima + 1;
    if (!make_room(&p->bands, p->n_bands, FM_NEAR_BANDS)) return false;
    fm_buffer_put(&p->minima, print->minima, sizeof print->minima);
    for (int i = 0; i < FM_NEAR_BANDS && !p->minima.failed; i++)
        put_slot(&p->bands, (slot){band_key(print, i), number});
    p->n_bands += FM_NEAR_BANDS;
    return !p->minima.failed;
}

fm_status fm_prints_add(fm_prints *p, const fm_print *print, fm_seen *out, fm_error *err) {
    bool near = p->threshold > 0 && print->near;
    *out = FM_SEEN_SAME;
    if (has_hash(p, print)) return FM_OK;
    *out = FM_SEEN_NEARLY;
    for (int i = 0; near && i < FM_NEAR_BANDS; i++)
        if (is_near(p, print, band_key(print, i))) return FM_OK;
    *out = FM_SEEN_NEW;
    if (!make_room(&p->hashes, p->n_hashes, 1) || (near && !remember_near(p, print)))
        return fm_fail_memory(err, p->bands.size + p->minima.size + p->hashes.size, "telling documents apart");
    put_slot(&p->hashes, (slot){print->hash[0], print->hash[1] | 1});
    p->n_hashes++;
    return FM_OK;
}

void fm_prints_clear(fm_prints *p) {
    fm_buffer_clear(&p->hashes);
    fm_buffer_clear(&p->minima);
    fm_buffer_clear(&p->bands);
    p->n_hashes = p->n_bands = 0;
}
