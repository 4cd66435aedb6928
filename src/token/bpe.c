#include "token/bpe.h"

#include <stdatomic.h>
#include <string.h>

/* ---- the table of merges -------------------------------------------------------------------*/

enum { BYTE_PAIRS = 1 << 16, CHARS = 1 << 16 };

fm_status fm_bpe_init(fm_bpe *out, const fm_vocab *vocab, size_t n_merges, bool ignore_merges,
                      fm_error *err) {
    *out = (fm_bpe){.vocab = vocab, .ignore_merges = ignore_merges};
    if (n_merges > FM_VOCAB_MAX)
        return fm_fail(err, FM_ERR_LIMIT, "%zu merges are more than the limit of %d", n_merges,
                       FM_VOCAB_MAX);
    size_t slots = 16;
    while (slots < n_merges * 2) slots *= 2;
    out->mask = slots - 1;
    out->pairs = fm_alloc_array(slots, sizeof *out->pairs, FM_MEM_TOKENIZER);
    out->merges = fm_alloc_array(slots, sizeof *out->merges, FM_MEM_TOKENIZER);
    out->bytes = fm_alloc_array(BYTE_PAIRS, sizeof *out->bytes, FM_MEM_TOKENIZER);
    out->seams = fm_alloc_array(BYTE_PAIRS, sizeof *out->seams, FM_MEM_TOKENIZER);
    out->chars = fm_alloc_array(CHARS, sizeof *out->chars, FM_MEM_TOKENIZER);
    out->whole = fm_alloc_array(vocab->size, sizeof *out->whole, FM_MEM_TOKENIZER);
    if (!out->pairs || !out->merges || !out->bytes || !out->seams || !out->chars || !out->whole)
        return fm_fail_memory(err, slots * (sizeof *out->pairs + sizeof *out->merges),
                              "the table of merges");
    memset(out->pairs, 0xFF, slots * sizeof *out->pairs);
    memset(out->bytes, 0xFF, BYTE_PAIRS * sizeof *out->bytes);
    memset(out->chars, 0xFF, CHARS * sizeof *out->chars);
    memset(out->seams, FM_NO_LEVEL, BYTE_PAIRS * sizeof *out->seams);
    return FM_OK;
}

void fm_bpe_clear(fm_bpe *bpe) {
    fm_free(bpe->pairs);
    fm_free(bpe->merges);
    fm_free(bpe->bytes);
    fm_free(bpe->seams);
    fm_free(bpe->chars);
    fm_free((void *)bpe->whole);
    *bpe = (fm_bpe){0};
}

static fm_status bad_merge(uint32_t rank, const char *left, size_t left_size, const char *right,
                           size_t right_size, const char *what, fm_error *err) {
    return fm_fail(err, FM_ERR_FORMAT, "merge %u ('%.*s' '%.*s'): %s is not in the vocabulary", rank,
                   (int)(left_size > 60 ? 60 : left_size), left,
                   (int)(right_size > 60 ? 60 : right_size), right, what);
}

/* Where the merge of two bytes, whose pieces are a and b, lies in bpe->bytes. */
static int byte_pair(const fm_bpe *bpe, const char *bytes, fm_token a, fm_token b) {
    unsigned left = (unsigned char)bytes[0], right = (unsigned char)bytes[1];
    bool letters = a >= 0 && a == bpe->vocab->byte[left] && b >= 0 && b == bpe->vocab->byte[right];
    return letters ? (int)(left << 8 | right) : -1;
}

fm_status fm_bpe_add_merge(fm_bpe *bpe, uint32_t rank, const char *left, size_t left_size,
                           const char *right, size_t right_size, fm_error *err) {
    fm_buffer bytes = {0};
    bool spelled = fm_alphabet_decode(left, left_size, &bytes);
    size_t middle = bytes.size;
    spelled = spelled && fm_alphabet_decode(right, right_size, &bytes);
    fm_token a = -1, b = -1, ab = -1;
    int bytes_of_pair = -1;
    if (spelled && !bytes.failed) {
        a = fm_vocab_find(bpe->vocab, bytes.data, middle);
        b = fm_vocab_find(bpe->vocab, bytes.data + middle, bytes.size - middle);
        ab = fm_vocab_find(bpe->vocab, bytes.data, bytes.size);
        fm_bpe_note_seam(bpe, rank, bytes.data, middle, bytes.data + middle, bytes.size - middle);
        if (middle == 1 && bytes.size == 2) bytes_of_pair = byte_pair(bpe, bytes.data, a, b);
    }
    fm_status status = fm_buffer_status(&bytes, err);
    fm_buffer_clear(&bytes);
    FM_TRY(status);
    if (a < 0) return bad_merge(rank, left, left_size, right, right_size, "the left side", err);
    if (b < 0) return bad_merge(rank, left, left_size, right, right_size, "the right side", err);
    if (ab < 0 && bpe->skip_unmade) return FM_OK;
    if (ab < 0) return bad_merge(rank, left, left_size, right, right_size, "the result", err);
    /* An added token comes out of text only where the caller allows it, never by merging. */
    if (fm_vocab_flags(bpe->vocab, ab) & FM_PIECE_ADDED) return FM_OK;
    uint64_t pair = fm_bpe_pair(a, b);
    size_t slot = fm_bpe_slot(bpe, pair), steps = 0;
    for (; bpe->pairs[slot] != pair && bpe->pairs[slot] != UINT64_MAX; steps++)
        slot = (slot + 1) & bpe->mask;
    if (steps > FM_PROBES_MAX)
        return fm_fail(err, FM_ERR_FORMAT,
                       "the merges were made to slow their readers down: more than %d of those up "
                       "to %u collide", FM_PROBES_MAX, rank);
    bpe->pairs[slot] = pair;
    bpe->merges[slot] = (fm_merge){rank, ab};
    if (bytes_of_pair >= 0) bpe->bytes[bytes_of_pair] = (fm_merge){rank, ab};
    return FM_OK;
}

/* ---- merging a short piece: scan for the best pair -----------------------------------------*/

/* A key is rank << PLACE_BITS | place, so that the least of all is the lowest rank, leftmost. */
enum { PLACE_BITS = 7, SHORT_PIECE = 1 << PLACE_BITS, KEYS = 8 };
#define NO_KEY INT32_MAX
_Static_assert((int64_t)FM_VOCAB_MAX << PLACE_BITS < NO_KEY, "a rank and a place fit a key");

/* The symbols of a piece, as a list: the first stays the first, whatever is merged. */
typedef struct symbols {
    _Alignas(16) int32_t key[SHORT_PIECE]; /* of the pair with the next; NO_KEY: none */
    fm_token id[SHORT_PIECE], result[SHORT_PIECE];
    uint8_t next[SHORT_PIECE], previous[SHORT_PIECE + 1]; /* next SHORT_PIECE: none */
} symbols;

static fm_token symbol(const fm_bpe *bpe, char byte, fm_token unknown) {
    fm_token id = bpe->vocab->byte[(unsigned char)byte];
    return id >= 0 ? id : unknown;
}

static inline void set_pair(symbols *s, size_t at, fm_merge m) {
    s->key[at] = m.rank == FM_NO_RANK ? NO_KEY : (int32_t)(m.rank << PLACE_BITS | at);
    s->result[at] = m.result;
}

/* Of n keys, a multiple of KEYS; vectors of four, since every processor has those. */
static inline int32_t least_key(const int32_t *key, size_t n) {
    typedef int32_t vector __attribute__((vector_size(16), may_alias));
    vector a = *(const vector *)key, b = *(const vector *)(key + 4);
    for (size_t i = KEYS; i < n; i += KEYS) {
        vector c = *(const vector *)(key + i), d = *(const vector *)(key + i + 4);
        a = (a & (a < c)) | (c & ~(a < c));
        b = (b & (b < d)) | (d & ~(b < d));
    }
    a = (a & (a < b)) | (b & ~(a < b));
    int32_t low = a[0] < a[1] ? a[0] : a[1], high = a[2] < a[3] ? a[2] : a[3];
    return low < high ? low : high;
}

/* Merges n symbols whose pairs are rated. */
static void merge_short(const fm_bpe *bpe, symbols *s, size_t n) {
    size_t keys = (n + KEYS - 1) / KEYS * KEYS;
    for (size_t i = n - 1; i < keys; i++) s->key[i] = NO_KEY;
    for (int32_t best; (best = least_key(s->key, keys)) != NO_KEY;) {
        size_t at = (size_t)best % SHORT_PIECE, right = s->next[at], after = s->next[right];
        s->id[at] = s->result[at];
        s->key[right] = NO_KEY;
        s->next[at] = (uint8_t)after;
        s->previous[after] = (uint8_t)at;
        if (after < SHORT_PIECE)
            set_pair(s, at, fm_bpe_find(bpe, s->id[at], s->id[after]));
        else
            s->key[at] = NO_KEY;
        size_t left = s->previous[at];
        if (at > 0) set_pair(s, left, fm_bpe_find(bpe, s->id[left], s->id[at]));
    }
}

/* ---- merging a long piece: a heap of pairs over a linked list -------------------------------*/

/* n log n: a megabyte of one letter is an ordinary piece here. A heap entry is rank << 32 | place,
 * so that the smallest is the lowest rank, leftmost. It is stale if the pair there has changed. */
typedef struct chain {
    fm_token *id;      /* -1 once merged into its left neighbour */
    uint32_t *rank;    /* of the pair with the next */
    fm_token *result;
    int32_t *next, *previous; /* -1: none */
    uint64_t *heap;
    size_t n_heap;
} chain;

static void heap_push(chain *c, uint64_t key) {
    size_t i = c->n_heap++;
    for (; i > 0 && c->heap[(i - 1) / 2] > key; i = (i - 1) / 2) c->heap[i] = c->heap[(i - 1) / 2];
    c->heap[i] = key;
}

static void heap_sift(chain *c, size_t i) {
    uint64_t key = c->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= c->n_heap) break;
        if (child + 1 < c->n_heap && c->heap[child + 1] < c->heap[child]) child++;
        if (c->heap[child] >= key) break;
        c->heap[i] = c->heap[child];
        i = child;
    }
    c->heap[i] = key;
}

static uint64_t heap_pop(chain *c) {
    uint64_t top = c->heap[0];
    c->heap[0] = c->heap[--c->n_heap];
    if (c->n_heap) heap_sift(c, 0);
    return top;
}

static void chain_rate(const fm_bpe *bpe, chain *c, int32_t at) {
    fm_merge m = {FM_NO_RANK, -1};
    if (c->next[at] >= 0) m = fm_bpe_find(bpe, c->id[at], c->id[c->next[at]]);
    c->rank[at] = m.rank;
    c->result[at] = m.result;
}

static uint64_t key_of(const chain *c, int32_t at) {
    return (uint64_t)c->rank[at] << 32 | (uint32_t)at;
}

/* Room for n symbols: five arrays of n, and a heap. It starts with at most n - 1 pairs, and each of
 * at most n - 1 merges takes one out and puts two in. */
static fm_status chain_room(fm_bpe_scratch *scratch, size_t n, chain *c, fm_error *err) {
    size_t bytes = n * (5 * sizeof(int32_t) + 2 * sizeof(uint64_t));
    if (scratch->capacity < bytes) {
        fm_free(scratch->symbols);
        scratch->capacity = 0;
        scratch->symbols = fm_alloc(bytes, FM_MEM_TOKENIZER);
        if (!scratch->symbols) return fm_fail_memory(err, bytes, "merging a long piece of text");
        scratch->capacity = bytes;
    }
    c->heap = scratch->symbols;
    c->id = (fm_token *)(c->heap + 2 * n);
    c->rank = (uint32_t *)(c->id + n);
    c->result = (fm_token *)(c->rank + n);
    c->next = c->result + n;
    c->previous = c->next + n;
    return FM_OK;
}

static void merge_chain(const fm_bpe *bpe, chain *c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        c->next[i] = i + 1 < n ? (int32_t)i + 1 : -1;
        c->previous[i] = (int32_t)i - 1;
    }
    for (size_t i = 0; i < n; i++) {
        chain_rate(bpe, c, (int32_t)i);
        if (c->rank[i] != FM_NO_RANK) c->heap[c->n_heap++] = key_of(c, (int32_t)i);
    }
    for (size_t i = c->n_heap / 2; i-- > 0;) heap_sift(c, i);
    while (c->n_heap) {
        uint64_t key = heap_pop(c);
        int32_t at = (int32_t)(uint32_t)key;
        if (c->id[at] < 0 || c->rank[at] != key >> 32) continue;
        int32_t right = c->next[at], left = c->previous[at];
        c->id[at] = c->result[at];
        c->next[at] = c->next[right];
        if (c->next[right] >= 0) c->previous[c->next[right]] = at;
        c->id[right] = -1;
        chain_rate(bpe, c, at);
        if (c->rank[at] != FM_NO_RANK) heap_push(c, key_of(c, at));
        if (left < 0) continue;
        chain_rate(bpe, c, left);
        if (c->rank[left] != FM_NO_RANK) heap_push(c, key_of(c, left));
    }
}

static fm_status encode_long(const fm_bpe *bpe, const char *piece, size_t size,
                             fm_bpe_scratch *scratch, fm_buffer *out, fm_error *err) {
    chain c = {0};
    if (size > INT32_MAX) /* text that grew: a space put in front, or its NFC form */
        return fm_fail(err, FM_ERR_LIMIT, "a word of %zu bytes is longer than 2 GiB", size);
    size_t n = 0;
    FM_TRY(chain_room(scratch, size, &c, err));
    for (size_t i = 0; i < size; i++) {
        fm_token id = symbol(bpe, piece[i], scratch->unknown);
        if (id >= 0) c.id[n++] = id;
    }
    merge_chain(bpe, &c, n);
    for (size_t i = 0; i < n; i++)
        if (c.id[i] >= 0) fm_buffer_put(out, &c.id[i], sizeof(fm_token));
    return FM_OK;
}

/* ---- remembering ---------------------------------------------------------------------------*/

enum { MEMO_ENTRIES = 4096, MEMO_BYTES = 30, MEMO_IDS = 8 };

typedef struct memo_entry {
    uint8_t size, n; /* size 0: empty */
    char bytes[MEMO_BYTES];
    fm_token ids[MEMO_IDS];
} memo_entry;

typedef struct fm_bpe_memo {
    memo_entry entries[MEMO_ENTRIES];
} fm_bpe_memo;

void fm_bpe_scratch_remember(fm_bpe_scratch *scratch) {
    if (!scratch->memo) scratch->memo = fm_alloc_zero(sizeof(fm_bpe_memo), FM_MEM_TOKENIZER);
}

void fm_bpe_scratch_clear(fm_bpe_scratch *scratch) {
    fm_free(scratch->memo);
    fm_free(scratch->symbols);
    *scratch = (fm_bpe_scratch){.unknown = -1};
}

/* ---- one piece -----------------------------------------------------------------------------*/

/* The symbols that a piece of 1 to SHORT_PIECE bytes begins with, and their pairs. */
static size_t open_piece(const fm_bpe *bpe, const unsigned char *bytes, size_t size,
                         fm_token unknown, symbols *s) {
    size_t n = 0;
    int last = -1; /* the byte that the last symbol is, if it is one */
    for (size_t i = 0; i < size; n++) {
        size_t length;
        fm_token id = fm_bpe_char(bpe, i ? bytes[i - 1] : -1, bytes + i, size - i, &length);
        int byte = -1;
        if (id < 0) {
            id = bpe->vocab->byte[byte = bytes[i]];
            length = 1;
        }
        if (id < 0) {
            id = unknown;
            byte = -1;
        }
        i += length;
        if (id < 0) { /* dropped */
            n--;
            continue;
        }
        s->id[n] = id;
        s->next[n] = (uint8_t)(n + 1);
        s->previous[n + 1] = (uint8_t)n;
        if (n > 0)
            set_pair(s, n - 1, last >= 0 && byte >= 0 ? bpe->bytes[last << 8 | byte]
                                                      : fm_bpe_find(bpe, s->id[n - 1], id));
        last = byte;
    }
    if (n) s->next[n - 1] = SHORT_PIECE;
    return n;
}

/* The ids of 1 to SHORT_PIECE bytes; returns how many. */
static size_t merge_piece(const fm_bpe *bpe, const char *piece, size_t size, fm_token unknown,
                          fm_token *ids) {
    symbols s;
    size_t n = open_piece(bpe, (const unsigned char *)piece, size, unknown, &s), count = 0;
    if (n == 0) return 0;
    merge_short(bpe, &s, n);
    for (size_t i = 0; i < SHORT_PIECE; i = s.next[i]) ids[count++] = s.id[i];
    return count;
}

/* Whether this piece of the vocabulary is what merging its own bytes gives. Nearly all are, and
 * then no text that is just this piece needs merging. */
static bool is_whole(const fm_bpe *bpe, fm_token id, const char *piece, size_t size) {
    enum { UNKNOWN, WHOLE, SPLIT };
    uint8_t known = atomic_load_explicit(&bpe->whole[id], memory_order_relaxed);
    if (known == UNKNOWN) {
        fm_token ids[SHORT_PIECE];
        known = merge_piece(bpe, piece, size, -1, ids) == 1 && ids[0] == id ? WHOLE : SPLIT;
        atomic_store_explicit(&bpe->whole[id], known, memory_order_relaxed);
    }
    return known == WHOLE;
}

static bool is_one_token(const fm_bpe *bpe, fm_token id, const char *piece, size_t size) {
    if (id < 0 || (fm_vocab_flags(bpe->vocab, id) & FM_PIECE_ADDED)) return false;
    return bpe->ignore_merges || (size <= SHORT_PIECE && is_whole(bpe, id, piece, size));
}

/* The ids of a short piece, at most SHORT_PIECE of them; returns how many. */
static size_t encode_short(const fm_bpe *bpe, const char *piece, size_t size, uint64_t hash,
                           fm_token unknown, fm_token *ids) {
    ids[0] = fm_vocab_find_hashed(bpe->vocab, piece, size, hash);
    if (is_one_token(bpe, ids[0], piece, size)) return 1;
    return merge_piece(bpe, piece, size, unknown, ids);
}

static void remember(memo_entry *memo, const char *piece, size_t size, const fm_token *ids,
                     size_t n) {
    if (n > MEMO_IDS) return;
    memo->size = (uint8_t)size;
    memo->n = (uint8_t)n;
    memcpy(memo->bytes, piece, size);
    memcpy(memo->ids, ids, n * sizeof *ids);
}

/* `ids` has room for MEMO_IDS to read, whatever n is. */
static inline void put_few(fm_buffer *out, const fm_token *ids, size_t n) {
    if (out->capacity - out->size > MEMO_IDS * sizeof *ids && n <= MEMO_IDS && !out->failed) {
        memcpy(out->data + out->size, ids, MEMO_IDS * sizeof *ids);
        out->size += n * sizeof *ids;
    } else {
        fm_buffer_put(out, ids, n * sizeof *ids);
    }
}

fm_status fm_bpe_encode(const fm_bpe *bpe, const char *piece, size_t size, fm_bpe_scratch *scratch,
                        fm_buffer *out, fm_error *err) {
    fm_token ids[SHORT_PIECE];
    uint64_t hash = fm_piece_hash(piece, size);
    memo_entry *memo = NULL;
    if (size > SHORT_PIECE) {
        ids[0] = fm_vocab_find_hashed(bpe->vocab, piece, size, hash);
        if (!is_one_token(bpe, ids[0], piece, size))
            return encode_long(bpe, piece, size, scratch, out, err);
        fm_buffer_put(out, ids, sizeof *ids);
        return FM_OK;
    }
    if (scratch->memo && size <= MEMO_BYTES) {
        memo = &scratch->memo->entries[(hash >> 16) % MEMO_ENTRIES];
        if (memo->size == size && memcmp(memo->bytes, piece, size) == 0) {
            put_few(out, memo->ids, memo->n);
            return FM_OK;
        }
    }
    size_t n = encode_short(bpe, piece, size, hash, scratch->unknown, ids);
    put_few(out, ids, n);
    if (memo) remember(memo, piece, size, ids, n);
    return FM_OK;
}
