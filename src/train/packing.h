/* packing.h: pieces of documents into rows of the context's length, few of which stay short. */
#pragma once

#include "base/status.h"

/* Best fit decreasing: the longest piece first, each into the row with the least room that still holds
 * it, else into a new one (Ding et al. 2024, "Fewer Truncations Improve Language Modeling"; at most
 * 11/9 of the fewest rows possible, plus one). Nothing is cut and nothing left out. Equal lengths keep
 * their order, so the result is a function of its arguments.
 *
 * `lengths` has n numbers of 1 to `capacity`; row_of[i] receives the row of piece i, counted from 0 in
 * the order in which rows were begun, *n_rows their number. */
fm_status fm_pack_rows(const int64_t *lengths, int64_t n, int64_t capacity, int64_t *row_of,
                       int64_t *n_rows, fm_error *err);
