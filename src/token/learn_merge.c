/* learn_merge.c: merging the most frequent pair until the vocabulary is full.
 *
 * The distinct words lie one behind the other, a place per byte. A symbol is known at its first place,
 * where its id and length stand, and its length also at its last place, so that both neighbours are found:
 *
 *   place   0 1 2 3 4 5 6        "the" "cat" merged so far as  th e | c at
 *   id      5 . 9 | 7 3 .
 *   length  2 2 1 | 1 2 2
 *
 * The places where a pair occurs are a doubly linked list through the places themselves; so a merge
 * touches its occurrences and their neighbours alone, nothing is ever searched or stale, and all merges
 * together take at most as many steps as there are bytes in distinct words, however repetitive. */
#include "base/hash.h"
#include "token/bpe.h"
#include "token/learn_private.h"
#include "token/tokenizer_write.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = 0 }; /* a link or a pair that is not there; others count from 1 */

typedef struct pair {
    uint64_t key;    /* left << 32 | right */
    int64_t count;   /* of all occurrences, each as often as its word occurs */
    int64_t queued;  /* the count it stands in the heap with; 0: not there */
    uint32_t head;   /* its first place + 1 */
    uint32_t touched; /* the merge that last made it more frequent */
} pair;

typedef struct candidate {
    int64_t count;
    uint64_t key;
    uint32_t pair;
} candidate;

typedef struct merger {
    fm_learn_vocab *vocab;
    bool digit[256 + 64]; /* by id: a byte that is never merged */
    /* By place. */
    fm_token *id;
    uint16_t *length;
    uint32_t *word, *next, *before, *pair_at; /* next, before: place + 1; pair_at: number + 1 */
    /* By word. */
    uint32_t *begin; /* [words + 1] */
    const fm_learn_word *words;
    /* Pairs. */
    fm_buffer pairs;  /* pair */
    uint32_t *slots;  /* open addressing: number + 1 */
    size_t mask;
    fm_buffer heap;   /* candidate */
    fm_buffer grown;  /* uint32_t: pairs that the present merge made more frequent */
    fm_buffer places; /* uint32_t: of a pair of equals */
    fm_learn_counts names; /* tokens by their bytes, in the order of their ids */
    bool failed;
} merger;

static pair *pairs_of(merger *m) { return (pair *)(void *)m->pairs.data; }

/* ---- the heap: most frequent first, then lowest ids ----------------------------------------------*/

static bool comes_first(const candidate *a, const candidate *b) {
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static candidate *heap_of(merger *m) { return (candidate *)(void *)m->heap.data; }
static size_t heap_size(const merger *m) { return m->heap.size / sizeof(candidate); }

static void push(merger *m, uint32_t number) {
    pair *p = &pairs_of(m)[number];
    candidate c = {p->count, p->key, number};
    size_t at = heap_size(m);
    p->queued = p->count;
    fm_buffer_put(&m->heap, &c, sizeof c);
    if (m->heap.failed) return;
    for (candidate *heap = heap_of(m); at > 0 && comes_first(&c, &heap[(at - 1) / 2]); at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = c;
    }
}

static candidate pop(merger *m) {
    candidate *heap = heap_of(m), first = heap[0];
    size_t n = heap_size(m) - 1, at = 0;
    candidate last = heap[n];
    m->heap.size -= sizeof last;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && comes_first(&heap[child + 1], &heap[child])) child++;
        if (!comes_first(&heap[child], &last)) break;
        heap[at] = heap[child];
    }
    if (n > 0) heap[at] = last;
    return first;
}

/* ---- pairs ---------------------------------------------------------------------------------------*/

static bool grow_slots(merger *m) {
    size_t slots = m->slots ? (m->mask + 1) * 2 : 1 << 16, n = m->pairs.size / sizeof(pair);
    uint32_t *bigger = fm_alloc_array(slots, sizeof *bigger, FM_MEM_TOKENIZER);
    if (!bigger) return false;
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)fm_mix64(pairs_of(m)[i].key) & (slots - 1);
        while (bigger[at]) at = (at + 1) & (slots - 1);
        bigger[at] = (uint32_t)i + 1;
    }
    fm_free(m->slots);
    m->slots = bigger;
    m->mask = slots - 1;
    return true;
}

/* The number of a pair, which is made if it is new. */
static uint32_t pair_of(merger *m, uint64_t key) {
    size_t n = m->pairs.size / sizeof(pair);
    if ((!m->slots || n * 2 > m->mask) && !grow_slots(m)) m->failed = true;
    if (m->failed) return 0;
    size_t at = (size_t)fm_mix64(key) & m->mask;
    for (; m->slots[at]; at = (at + 1) & m->mask)
        if (pairs_of(m)[m->slots[at] - 1].key == key) return m->slots[at] - 1;
    pair fresh = {.key = key};
    fm_buffer_put(&m->pairs, &fresh, sizeof fresh);
    if (m->pairs.failed) m->failed = true;
    m->slots[at] = (uint32_t)n + 1;
    return (uint32_t)n;
}

static int64_t weight_at(const merger *m, uint32_t place) { return (int64_t)m->words[m->word[place]].count; }

/* The symbol at `place` and the one behind it are a pair. `merge` numbers the merge that made it. */
static void add_occurrence(merger *m, uint32_t place, uint32_t behind, uint32_t merge) {
    fm_token left = m->id[place], right = m->id[behind];
    m->pair_at[place] = NONE;
    if ((size_t)left < FM_COUNT(m->digit) && m->digit[left]) return;
    if ((size_t)right < FM_COUNT(m->digit) && m->digit[right]) return;
    uint32_t number = pair_of(m, fm_bpe_pair(left, right));
    if (m->failed) return;
    pair *p = &pairs_of(m)[number];
    m->pair_at[place] = number + 1;
    m->next[place] = p->head;
    m->before[place] = NONE;
    if (p->head) m->before[p->head - 1] = place + 1;
    p->head = place + 1;
    p->count += weight_at(m, place);
    if (merge && p->touched != merge) fm_buffer_put(&m->grown, &number, sizeof number);
    p->touched = merge;
}

static void remove_occurrence(merger *m, uint32_t place) {
    if (!m->pair_at[place]) return;
    pair *p = &pairs_of(m)[m->pair_at[place] - 1];
    uint32_t next = m->next[place], before = m->before[place];
    if (next) m->before[next - 1] = before;
    if (before) m->next[before - 1] = next;
    else p->head = next;
    p->count -= weight_at(m, place);
    m->pair_at[place] = NONE;
}

/* ---- merging -------------------------------------------------------------------------------------*/

/* The pair at `place` becomes the symbol `id`. */
static void merge_at(merger *m, uint32_t place, fm_token id, uint32_t merge) {
    uint32_t right = place + m->length[place], end = right + m->length[right];
    uint32_t word_begin = m->begin[m->word[place]], word_end = m->begin[m->word[place] + 1];
    bool has_left = place > word_begin, has_right = end < word_end;
    uint32_t left = has_left ? place - m->length[place - 1] : 0;
    remove_occurrence(m, place);
    remove_occurrence(m, right);
    if (has_left) remove_occurrence(m, left);
    m->id[place] = id;
    m->length[place] = m->length[end - 1] = (uint16_t)(end - place);
    if (has_left) add_occurrence(m, left, place, merge);
    if (has_right) add_occurrence(m, place, end, merge);
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* "aaa" is aa a, not a aa: of two equals the places go from left to right, and those that a merge before
 * them took are passed over. */
static void merge_equals(merger *m, uint32_t number, fm_token id, uint32_t merge) {
    m->places.size = 0;
    for (uint32_t at = pairs_of(m)[number].head; at; at = m->next[at - 1]) {
        uint32_t place = at - 1;
        fm_buffer_put(&m->places, &place, sizeof place);
    }
    if (m->places.failed) m->failed = true;
    if (m->failed) return;
    uint32_t *places = (uint32_t *)(void *)m->places.data;
    size_t n = m->places.size / sizeof *places;
    if (n > 1) qsort(places, n, sizeof *places, by_value);
    for (size_t i = 0; i < n && !m->failed; i++)
        if (m->pair_at[places[i]] == number + 1) merge_at(m, places[i], id, merge);
}

static void merge_pair(merger *m, uint32_t number, fm_token id, uint32_t merge) {
    uint64_t key = pairs_of(m)[number].key;
    m->grown.size = 0;
    if (key >> 32 == (key & UINT32_MAX))
        merge_equals(m, number, id, merge);
    else
        while (pairs_of(m)[number].head && !m->failed) merge_at(m, pairs_of(m)[number].head - 1, id, merge);
    const uint32_t *grown = (const uint32_t *)(const void *)m->grown.data;
    for (size_t i = 0; i < m->grown.size / sizeof *grown && !m->failed; i++) {
        pair *p = &pairs_of(m)[grown[i]];
        if (p->count > p->queued) push(m, grown[i]);
    }
    m->failed |= m->grown.failed || m->heap.failed;
}

/* ---- tokens --------------------------------------------------------------------------------------*/

static void add_token(fm_learn_vocab *v, const char *bytes, size_t size) {
    fm_learn_token t = {v->pieces.size, (uint32_t)size};
    fm_buffer_put(&v->pieces, bytes, size);
    fm_buffer_put(&v->tokens, &t, sizeof t);
}

int64_t fm_learn_least(void) {
    int64_t n = 0;
    while (fm_learn_special_at(n).text) n++;
    return n + 256;
}

fm_status fm_learn_vocab_begin(fm_learn_vocab *v, fm_error *err) {
    for (fm_learn_special s; (s = fm_learn_special_at(v->n_special)).text; v->n_special++)
        add_token(v, s.text, strlen(s.text));
    int64_t id = v->n_special;
    for (uint32_t c = 0; c < 0x200; c++) /* the alphabet's characters in their order */
        for (int byte = 0; byte < 256; byte++)
            if (fm_alphabet_char((unsigned char)byte) == c) {
                v->of_byte[byte] = (fm_token)id++;
                add_token(v, &(char){(char)byte}, 1);
            }
    FM_TRY(fm_buffer_status(&v->pieces, err));
    return fm_buffer_status(&v->tokens, err);
}

void fm_learn_vocab_clear(fm_learn_vocab *v) {
    fm_buffer_clear(&v->pieces);
    fm_buffer_clear(&v->tokens);
    fm_buffer_clear(&v->merges);
}

/* The id of two pieces in one, which is a new token unless other merges have made the same before; -1: no
 * memory. */
static fm_token join(merger *m, fm_token left, fm_token right) {
    char text[FM_LEARN_PIECE_MAX];
    const fm_learn_token *a = &fm_learn_tokens(m->vocab)[left], *b = &fm_learn_tokens(m->vocab)[right];
    size_t size = a->size + b->size;
    memcpy(text, m->vocab->pieces.data + a->at, a->size);
    memcpy(text + a->size, m->vocab->pieces.data + b->at, b->size);
    int64_t id = fm_learn_count(&m->names, text, size, 1);
    if (id == fm_learn_n_tokens(m->vocab)) add_token(m->vocab, text, size);
    return (fm_token)id;
}

/* The next pair in order, brought up to date; false when none is frequent enough. */
static bool next_pair(merger *m, int64_t least, uint32_t *number) {
    while (heap_size(m) > 0 && !m->failed) {
        candidate c = pop(m);
        pair *p = &pairs_of(m)[c.pair];
        if (c.count != p->queued) continue; /* it has been queued again since, as more frequent */
        p->queued = 0;
        if (p->count < least) continue;
        *number = c.pair;
        if (p->count == c.count) return true;
        push(m, c.pair);
    }
    return false;
}

static void merge_until(merger *m, const fm_learn_options *o, bool *cancelled) {
    uint32_t number, merge = 1;
    int64_t first = fm_learn_n_tokens(m->vocab), wanted = o->vocabulary - first;
    for (; fm_learn_n_tokens(m->vocab) < o->vocabulary && next_pair(m, o->least_count, &number); merge++) {
        uint64_t key = pairs_of(m)[number].key;
        fm_learn_merge made = {(fm_token)(key >> 32), (fm_token)(key & UINT32_MAX)};
        fm_token id = join(m, made.left, made.right);
        m->failed |= id < 0 || m->vocab->pieces.failed || m->vocab->tokens.failed;
        if (m->failed || id < m->vocab->n_special) continue; /* text that spells a special token stays text */
        fm_buffer_put(&m->vocab->merges, &made, sizeof made);
        merge_pair(m, number, id, merge);
        double done = (double)(fm_learn_n_tokens(m->vocab) - first) / (double)wanted;
        *cancelled = merge % 64 == 0 && o->progress && !o->progress(o->context, done);
        if (*cancelled) return;
    }
}

/* ---- beginning -----------------------------------------------------------------------------------*/

static bool allocate(merger *m, size_t places, size_t words) {
    m->id = fm_alloc_array(places + 1, sizeof *m->id, FM_MEM_TOKENIZER);
    m->length = fm_alloc_array(places + 1, sizeof *m->length, FM_MEM_TOKENIZER);
    m->word = fm_alloc_array(places + 1, sizeof *m->word, FM_MEM_TOKENIZER);
    m->next = fm_alloc_array(places + 1, sizeof *m->next, FM_MEM_TOKENIZER);
    m->before = fm_alloc_array(places + 1, sizeof *m->before, FM_MEM_TOKENIZER);
    m->pair_at = fm_alloc_array(places + 1, sizeof *m->pair_at, FM_MEM_TOKENIZER);
    m->begin = fm_alloc_array(words + 1, sizeof *m->begin, FM_MEM_TOKENIZER);
    return m->id && m->length && m->word && m->next && m->before && m->pair_at && m->begin;
}

/* From the last word to the first, so that lists begin at low places and go up: walking them is walking
 * memory in order. */
static void lay_words(merger *m, const fm_learn_counts *counts, size_t words) {
    const char *bytes = counts->bytes.data;
    uint32_t place = (uint32_t)counts->bytes.size;
    m->begin[words] = place;
    for (size_t w = words; w-- > 0 && !m->failed;) {
        m->begin[w] = place -= m->words[w].size;
        for (uint32_t i = m->words[w].size; i-- > 0;) {
            m->id[place + i] = m->vocab->of_byte[(unsigned char)bytes[m->words[w].at + i]];
            m->length[place + i] = 1;
            m->word[place + i] = (uint32_t)w;
            if (i + 1 < m->words[w].size) add_occurrence(m, place + i, place + i + 1, 0);
        }
    }
}

static fm_status begin(merger *m, const fm_learn_options *o, const fm_learn_counts *counts, fm_error *err) {
    size_t words = fm_learn_n_words(counts), bytes = counts->bytes.size;
    if (bytes >= UINT32_MAX - 2)
        return fm_fail(err, FM_ERR_LIMIT, "the text has %zu bytes of different pieces, and 4 GB can be learnt "
                       "from: take a sample of it", bytes);
    for (int byte = '0'; byte <= '9' && !o->merge_digits; byte++) m->digit[m->vocab->of_byte[byte]] = true;
    for (int64_t id = 0; id < fm_learn_n_tokens(m->vocab) && !m->failed; id++) {
        const fm_learn_token *t = &fm_learn_tokens(m->vocab)[id];
        if (fm_learn_count(&m->names, m->vocab->pieces.data + t->at, t->size, 1) != id) m->failed = true;
    }
    m->words = fm_learn_words(counts);
    if (m->failed || !allocate(m, bytes, words)) return fm_fail_memory(err, bytes * 22, "merging pieces of text");
    lay_words(m, counts, words);
    size_t pairs = m->pairs.size / sizeof(pair);
    for (uint32_t i = 0; i < pairs && !m->failed; i++)
        if (pairs_of(m)[i].count >= o->least_count) push(m, i);
    if (m->failed || m->heap.failed) return fm_fail_memory(err, pairs * sizeof(pair), "merging pieces of text");
    return FM_OK;
}

static void clear(merger *m) {
    fm_free(m->id);
    fm_free(m->length);
    fm_free(m->word);
    fm_free(m->next);
    fm_free(m->before);
    fm_free(m->pair_at);
    fm_free(m->begin);
    fm_free(m->slots);
    fm_buffer_clear(&m->pairs);
    fm_buffer_clear(&m->heap);
    fm_buffer_clear(&m->grown);
    fm_buffer_clear(&m->places);
    fm_learn_counts_clear(&m->names);
}

fm_status fm_learn_merge_all(const fm_learn_options *o, const fm_learn_counts *counts, fm_learn_vocab *v,
                             fm_error *err) {
    merger m = {.vocab = v};
    bool cancelled = false;
    fm_status status = begin(&m, o, counts, err);
    if (status == FM_OK) merge_until(&m, o, &cancelled);
    if (status == FM_OK && cancelled) status = fm_fail(err, FM_ERR_CANCELLED, "stopped before the vocabulary was done");
    if (status == FM_OK && m.failed)
        status = fm_fail_memory(err, m.pairs.size, "merging pieces of text");
    clear(&m);
    if (status == FM_OK) status = fm_buffer_status(&v->pieces, err);
    if (status == FM_OK) status = fm_buffer_status(&v->tokens, err);
    return status == FM_OK ? fm_buffer_status(&v->merges, err) : status;
}
