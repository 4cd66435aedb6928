/* constrain_trie.h: the vocabulary as a tree of bytes, laid out in depth-first order. Private to
 * engine/constrain*.c.
 *
 *     tokens a, ab, b:   node  byte depth end  ids        a subtree is the run [node, end), and so
 *                        0     -    0     4    [0,0)      are the tokens in it
 *                        1     a    1     3    [0,1)
 *                        2     b    2     3    [1,2)
 *                        3     b    1     4    [2,3)
 *
 * A walk that may not go below a node jumps to its end. */
#pragma once

#include "engine/grammar/constrain.h"

typedef struct fm_trie_node {
    uint32_t end;   /* one past the subtree */
    uint32_t ids;   /* where this node's own tokens begin in `ids` ... */
    uint16_t own;   /* ... and how many they are: usually 1 or 0 */
    uint16_t depth; /* bytes from the root */
    uint8_t byte;
} fm_trie_node;

struct fm_token_trie {
    uint64_t identity; /* hash of all pieces and ids: masks are found again by it */
    int64_t size;    /* highest id + 1 */
    uint32_t n_nodes, n_ids, n_ends;
    unsigned depth;  /* of the deepest node */
    fm_trie_node *nodes;
    fm_token *ids;   /* in the order of their bytes */
    fm_token *ends;  /* ids that end a turn */
};

static inline bool fm_trie_is_end(const fm_token_trie *t, fm_token id) {
    for (uint32_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id) return true;
    return false;
}
