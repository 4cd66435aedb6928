/* flint.h: the adapter to FLINT (rationals) and Arb (balls), which are two libraries in Debian 12
 * and one since FLINT 3. Only rl/maths includes it.
 *
 * FLINT ends the process when it gets no memory and where a result cannot be represented. The latter
 * a stranger's answer cannot bring about: what is computed exactly stays below FM_MATHS_BITS bits,
 * judged before each operation, exponents of balls are integers of any size, and the balls of a
 * comparison have FM_MATHS_PRECISION bits at most; that is well below 10 MB at any moment. The former
 * flint_memory.c prevents, between fm_flint_begin and fm_flint_end. FLINT's caches belong to a thread
 * and are freed at the end of each comparison, so threads may come and go. */
#pragma once

#include <stdbool.h>

#include <flint/flint.h>
#include <flint/fmpq.h>
#include <flint/ulong_extras.h>
#if __has_include(<flint/acb.h>)
#include <flint/acb.h>
#else
#include <acb.h>
#endif

/* gcc 12 takes a pointer to the first member, which FLINT's inline functions made, for one to it
 * alone. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif

/* Around every comparison; FLINT is used in between alone. False: there is no memory to begin with. */
bool fm_flint_begin(void);
/* Memory was refused since the beginning: what is computed is right, but it is time to stop. */
bool fm_flint_short(void);
/* What it was at last. */
bool fm_flint_end(void);
