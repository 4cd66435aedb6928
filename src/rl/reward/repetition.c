/* How much of a reply only repeats itself. */
#include "base/hash.h"
#include "rl/reward/rules.h"

#include <string.h>

enum {
    WORD_BYTES = 16,       /* a longer run without a blank is cut, so that "aaaa..." has words too */
    MOST_WORDS = 1 << 20,  /* looked at */
};

#define ROLL 0x9E3779B97F4A7C15u /* odd: multiplying by it loses nothing */

typedef struct words {
    uint64_t *hashes;
    size_t n, capacity;
} words;

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The end of the word at `at`: up to a blank, or one character of a script that writes without blanks (from U+2E80
 * on: three bytes that begin with E2 BA or more). */
static size_t word_end(const char *text, size_t size, size_t at) {
    size_t end = at;
    while (end < size && end - at < WORD_BYTES && !is_blank(text[end])) {
        unsigned char c = (unsigned char)text[end];
        bool alone = c >= 0xE3 || (c == 0xE2 && end + 1 < size && (unsigned char)text[end + 1] >= 0xBA);
        if (alone && end > at) break;
        if (alone) {
            end += c >= 0xF0 ? 4 : 3;
            break;
        }
        end++;
    }
    return end < size ? end : size;
}

static bool cut_words(const char *text, size_t size, words *w) {
    for (size_t at = 0; at < size && w->n < MOST_WORDS;) {
        if (is_blank(text[at])) {
            at++;
            continue;
        }
        size_t end = word_end(text, size, at);
        if (w->n == w->capacity) {
            size_t more = w->capacity ? 2 * w->capacity : 256;
            uint64_t *hashes = fm_realloc(w->hashes, more * sizeof *hashes, FM_MEM_OTHER);
            if (!hashes) return false;
            w->hashes = hashes;
            w->capacity = more;
        }
        w->hashes[w->n++] = fm_hash(text + at, end - at, 0);
        at = end;
    }
    return true;
}

/* Adds a hash to a set of at most half its size; false: it was there. 0 marks a free place. */
static bool add(uint64_t *set, size_t mask, uint64_t hash) {
    hash |= hash == 0;
    for (size_t i = (size_t)fm_mix64(hash) & mask;; i = (i + 1) & mask) {
        if (set[i] == hash) return false;
        if (set[i] == 0) {
            set[i] = hash;
            return true;
        }
    }
}

/* The share of runs of `length` words that stood there before: hashes roll, so each run costs the same. */
static fm_status repeated(const words *w, size_t length, double *share, fm_error *err) {
    *share = 0;
    if (w->n < length + 1) return FM_OK;
    size_t runs = w->n - length + 1, size = 16;
    while (size < 2 * runs) size *= 2;
    uint64_t *set = fm_alloc_array(size, sizeof *set, FM_MEM_OTHER);
    if (!set) return fm_fail_memory(err, size * sizeof *set, "the repeats in a reply");
    uint64_t hash = 0, first = 1;
    for (size_t i = 1; i < length; i++) first *= ROLL;
    size_t again = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (i >= length) hash -= first * w->hashes[i - length];
        hash = hash * ROLL + w->hashes[i];
        if (i + 1 >= length) again += !add(set, size - 1, hash);
    }
    fm_free(set);
    *share = (double)again / (double)runs;
    return FM_OK;
}

fm_status fm_reward_repetition(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                               fm_error *err) {
    if (rules->repetition_words < 1 || rules->repetition_words > 1000)
        return fm_fail(err, FM_ERR_ARGUMENT, "the reward 'repetition' needs a run of 1 to 1000 words, not %lld",
                       (long long)rules->repetition_words);
    for (size_t i = 0; i < g->n; i++) {
        words w = {0};
        double share = 0;
        fm_status status = cut_words(g->replies[i].text, g->replies[i].size, &w)
                               ? repeated(&w, (size_t)rules->repetition_words, &share, err)
                               : fm_fail_memory(err, g->replies[i].size, "the words of a reply");
        fm_free(w.hashes);
        FM_TRY(status);
        values[i].value = -share;
    }
    return FM_OK;
}
