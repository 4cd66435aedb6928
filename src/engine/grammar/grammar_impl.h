/* grammar_impl.h: what is behind the opaque fm_grammar. Private to engine/grammar/grammar.c, constrain*.c. */
#pragma once

#include "engine/grammar/constrain_states.h"

#include <pthread.h>
#include <stdatomic.h>

struct fm_grammar {
    _Atomic uint64_t owners;
    fm_program program;  /* never changes */
    pthread_mutex_t lock; /* guards `states`; nothing else is locked while it is held */
    fm_states states;
};
