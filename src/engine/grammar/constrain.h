/* constrain.h: holding an answer to a grammar, token by token.
 *
 *     fm_constraint c;
 *     fm_constraint_init(&c, grammar);
 *     for (;;) {
 *         fm_constraint_mask(&c, trie, bits, &allowed, err);   which tokens may come next
 *         id = fm_sampler_draw(sampler, logits, position, bits, n);
 *         fm_constraint_accept_token(&c, tokenizer, id, &ok, err);
 *         if (fm_tokenizer_is_end_of_turn(tokenizer, id)) break;
 *     }
 *     fm_constraint_clear(&c);
 *
 * A constraint is two words: a grammar and the number of a state there. Copying it costs a counter, so
 * whoever may have to go back (drafts that are not accepted, beams, forks) keeps a copy per place.
 *
 * What a grammar is about is the answer: a model that thinks first does so without it. The caller
 * attaches the constraint once `</think>` has been produced (or the template has closed it).
 *
 * A state is a set of stacks: all readings of the text so far, each the rules it is inside of. Equal
 * sets are one state with one number, made when first met, so a state's transitions and masks are
 * found once for all sequences of a grammar (constrain_states.h). Nothing depends on the length of
 * the text: inside a string it is one state that comes again and again, and its mask with it.
 *
 * Threads: a constraint belongs to one thread at a time; different constraints of one grammar may be
 * used by different threads at once (they take turns behind the grammar's lock). A trie never changes. */
#pragma once

#include "engine/grammar/grammar.h"
#include "token/tokenizer.h"

#include <math.h>

/* ---- the vocabulary as a tree of bytes ----------------------------------------------------------*/

/* All tokens that stand for text, sharing their beginnings. Added tokens are left out (no grammar
 * allows them) but for those that end a turn. One per tokenizer, which need not outlive it. */
typedef struct fm_token_trie fm_token_trie;

fm_status fm_token_trie_new(const fm_tokenizer *tokenizer, fm_token_trie **out, fm_error *err);
/* From n pieces, id by id; pieces of no bytes are never allowed. `ends` (n_ends ids) end a turn. */
fm_status fm_token_trie_from_pieces(const fm_token_text *pieces, size_t n, const fm_token *ends,
                                    size_t n_ends, fm_token_trie **out, fm_error *err);
void fm_token_trie_free(fm_token_trie *trie);

int64_t fm_token_trie_size(const fm_token_trie *trie); /* bits of a mask: highest id + 1 */

/* uint64_t words of a mask for ids [0, n). */
static inline size_t fm_token_mask_words(int64_t n) { return ((size_t)n + 63) / 64; }
static inline bool fm_token_mask_has(const uint64_t *bits, fm_token id) {
    return bits[(size_t)id / 64] >> ((size_t)id % 64) & 1;
}
/* logits[i] = -infinity where bit i is not set. Models may have more logits than the tokenizer has
 * ids: those past `n_bits` are not allowed either. */
static inline void fm_token_mask_apply(const uint64_t *bits, int64_t n_bits, float *logits, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (i >= n_bits || !fm_token_mask_has(bits, (fm_token)i)) logits[i] = -INFINITY;
}

/* ---- the state of one answer --------------------------------------------------------------------*/

typedef struct fm_constraint {
    fm_grammar *grammar; /* owned: held */
    uint32_t state;
} fm_constraint;

/* At the beginning of an answer; the constraint holds the grammar. */
void fm_constraint_init(fm_constraint *c, fm_grammar *grammar);
/* `to` is uninitialised or cleared; both are cleared in the end. */
void fm_constraint_copy(fm_constraint *to, const fm_constraint *from);
/* Lets go of the state; a zeroed constraint is fine. */
void fm_constraint_clear(fm_constraint *c);

/* The answer goes on with these bytes. *allowed is false, and the state is what it was, where the
 * grammar does not let it. Bytes may end inside a character. Fails, with the state as it was, only when
 * memory runs out or the grammar has more readings of this text than are followed (FM_ERR_LIMIT). */
fm_status fm_constraint_accept(fm_constraint *c, const char *bytes, size_t n, bool *allowed,
                               fm_error *err);
/* The same for a token: those that end a turn are allowed where the answer may end, and nothing is
 * allowed after them; other added tokens never are. */
fm_status fm_constraint_accept_token(fm_constraint *c, const fm_tokenizer *tokenizer, fm_token id,
                                     bool *allowed, fm_error *err);

/* Is the answer, as it is, complete? */
bool fm_constraint_can_end(const fm_constraint *c);
/* Was the token that ends the turn accepted? */
bool fm_constraint_ended(const fm_constraint *c);

/* Sets bit i of `bits` (fm_token_mask_words(fm_token_trie_size(trie)) words) exactly if
 * fm_constraint_accept_token would allow token i, and clears it otherwise; *count (may be NULL) gets
 * the number of bits set. It is 0 after the end, and where the vocabulary has no token that goes on or
 * the answer nests FM_GRAMMAR_DEPTH_MAX deep: the caller then stops.
 * Costs a walk over the trie when a state is new (a millisecond or two where most tokens are allowed,
 * as inside a string; microseconds where few are), a copy when it is known. */
fm_status fm_constraint_mask(const fm_constraint *c, const fm_token_trie *trie, uint64_t *bits,
                             int64_t *count, fm_error *err);

/* Appends to `out` the bytes that must come next, whatever the model wants: `": ` after a key's last
 * letter, say. They stop where there is a choice, where the answer may end, and at `max` bytes. A
 * draft that speculation need not guess. */
fm_status fm_constraint_forced(const fm_constraint *c, size_t max, fm_buffer *out, fm_error *err);
