#include "engine/grammar/constrain_trie.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* Nobody's vocabulary has longer pieces; one that does could not be generated under a grammar. */
enum { PIECE_MAX = 4096 };

typedef struct piece {
    const unsigned char *bytes;
    uint32_t size;
    fm_token id;
} piece;

static int by_bytes(const void *a, const void *b) {
    const piece *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);
    if (order) return order;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static unsigned common(const piece *a, const piece *b) {
    unsigned n = 0;
    while (n < a->size && n < b->size && a->bytes[n] == b->bytes[n]) n++;
    return n;
}

/* Nodes of the sorted pieces: each adds those past what it shares with the one before. */
static size_t count_nodes(const piece *list, size_t n) {
    size_t nodes = 1;
    for (size_t i = 0; i < n; i++) nodes += list[i].size - (i ? common(&list[i - 1], &list[i]) : 0);
    return nodes;
}

static void close_nodes(fm_token_trie *t, const uint32_t *path, unsigned from, unsigned to) {
    for (unsigned d = to; d > from; d--) t->nodes[path[d]].end = t->n_nodes;
}

static void fill(fm_token_trie *t, const piece *list, size_t n, uint32_t *path) {
    unsigned depth = 0;
    path[0] = 0;
    t->n_nodes = 1;
    for (size_t i = 0; i < n; i++) {
        t->identity = fm_hash(list[i].bytes, list[i].size, t->identity ^ (uint64_t)list[i].id);
        unsigned shared = i ? common(&list[i - 1], &list[i]) : 0;
        close_nodes(t, path, shared, depth);
        for (depth = shared; depth < list[i].size; depth++) {
            path[depth + 1] = t->n_nodes;
            t->nodes[t->n_nodes++] = (fm_trie_node){
                .byte = list[i].bytes[depth], .depth = (uint16_t)(depth + 1), .ids = t->n_ids};
        }
        fm_trie_node *node = &t->nodes[path[depth]];
        if (node->own == UINT16_MAX) continue;
        if (node->own++ == 0) node->ids = t->n_ids;
        t->ids[t->n_ids++] = list[i].id;
        if (depth > t->depth) t->depth = depth;
    }
    close_nodes(t, path, 0, depth);
    t->nodes[0].end = t->n_nodes;
}

static fm_status build(piece *list, size_t n, int64_t size, fm_token_trie **out, fm_error *err) {
    qsort(list, n, sizeof *list, by_bytes);
    size_t nodes = count_nodes(list, n);
    if (nodes > UINT32_MAX / 2)
        return fm_fail(err, FM_ERR_LIMIT, "the vocabulary has too many bytes for a tree of tokens");
    fm_token_trie *t = fm_alloc_zero(sizeof *t, FM_MEM_TOKENIZER);
    uint32_t *path = fm_alloc_array(PIECE_MAX + 1, sizeof *path, FM_MEM_TOKENIZER);
    if (t) t->nodes = fm_alloc_array(nodes, sizeof *t->nodes, FM_MEM_TOKENIZER);
    if (t) t->ids = fm_alloc_array(n + 1, sizeof *t->ids, FM_MEM_TOKENIZER);
    bool ok = t && path && t->nodes && t->ids;
    if (ok) {
        t->size = size;
        t->identity = fm_mix64((uint64_t)size);
        fill(t, list, n, path);
    }
    fm_free(path);
    if (!ok) fm_token_trie_free(t);
    else *out = t;
    return ok ? FM_OK : fm_fail_memory(err, nodes * sizeof *t->nodes, "a tree of tokens");
}

static fm_status keep_ends(fm_token_trie *t, const fm_token *ends, size_t n, fm_error *err) {
    t->ends = fm_alloc_array(n + 1, sizeof *t->ends, FM_MEM_TOKENIZER);
    if (!t->ends) return fm_fail_memory(err, n * sizeof *ends, "a tree of tokens");
    for (size_t i = 0; i < n; i++)
        if (!fm_trie_is_end(t, ends[i])) t->ends[t->n_ends++] = ends[i];
    return FM_OK;
}

static bool among(const fm_token *list, size_t n, fm_token id) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == id) return true;
    return false;
}

fm_status fm_token_trie_from_pieces(const fm_token_text *pieces, size_t n, const fm_token *ends,
                                    size_t n_ends, fm_token_trie **out, fm_error *err) {
    *out = NULL;
    if (n > INT32_MAX) return fm_fail(err, FM_ERR_LIMIT, "the vocabulary has %zu tokens", n);
    for (size_t i = 0; i < n_ends; i++)
        if (ends[i] < 0 || (size_t)ends[i] >= n)
            return fm_fail(err, FM_ERR_ARGUMENT, "token %d ends a turn but is not in the vocabulary",
                           ends[i]);
    piece *list = fm_alloc_array(n + 1, sizeof *list, FM_MEM_TOKENIZER);
    if (!list) return fm_fail_memory(err, n * sizeof *list, "a tree of tokens");
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].size > 0 && pieces[i].size <= PIECE_MAX && !among(ends, n_ends, (fm_token)i))
            list[kept++] = (piece){(const unsigned char *)pieces[i].data, (uint32_t)pieces[i].size,
                                   (fm_token)i};
    fm_status status = build(list, kept, (int64_t)n, out, err);
    if (status == FM_OK) status = keep_ends(*out, ends, n_ends, err);
    if (status != FM_OK) {
        fm_token_trie_free(*out);
        *out = NULL;
    }
    fm_free(list);
    return status;
}

fm_status fm_token_trie_new(const fm_tokenizer *tokenizer, fm_token_trie **out, fm_error *err) {
    *out = NULL;
    size_t n = (size_t)fm_tokenizer_size(tokenizer);
    fm_buffer ends = {0};
    fm_token_text *pieces = fm_alloc_array(n + 1, sizeof *pieces, FM_MEM_TOKENIZER);
    if (!pieces) return fm_fail_memory(err, n * sizeof *pieces, "a tree of tokens");
    for (size_t i = 0; i < n; i++) {
        fm_token id = (fm_token)i;
        if (fm_tokenizer_is_end_of_turn(tokenizer, id))
            fm_buffer_put(&ends, &id, sizeof id);
        else if (!fm_tokenizer_is_added(tokenizer, id) && !fm_tokenizer_is_special(tokenizer, id))
            pieces[i].data = fm_tokenizer_piece(tokenizer, id, &pieces[i].size);
    }
    fm_status status = fm_buffer_status(&ends, err);
    if (status == FM_OK)
        status = fm_token_trie_from_pieces(pieces, n, (const fm_token *)(const void *)ends.data,
                                           ends.size / sizeof(fm_token), out, err);
    fm_buffer_clear(&ends);
    fm_free(pieces);
    return status;
}

void fm_token_trie_free(fm_token_trie *t) {
    if (!t) return;
    fm_free(t->nodes);
    fm_free(t->ids);
    fm_free(t->ends);
    fm_free(t);
}

int64_t fm_token_trie_size(const fm_token_trie *t) { return t->size; }
