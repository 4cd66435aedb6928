/* constrain_mask.h: which tokens a state allows. Private to engine/constrain*.c. */
#pragma once

#include "engine/grammar/constrain_states.h"
#include "engine/grammar/constrain_trie.h"

/* Fills all words of `bits`. `state` is closed. */
fm_status fm_state_mask_into(fm_states *s, const fm_token_trie *trie, uint32_t state, uint64_t *bits,
                             fm_error *err);
