/* window.h: the documents that are drawn and packed together; private to the loader. */
#pragma once

#include "train/drawn.h"
#include "train/loader.h"

/* A stretch of a drawn document that lies in one row. */
typedef struct fm_piece {
    int64_t drawn; /* its number in the window */
    int64_t from, count;
} fm_piece;

/* A zeroed window is empty and ready. */
typedef struct fm_window {
    fm_buffer drawn;  /* fm_drawn, in the order of drawing */
    fm_buffer pieces; /* fm_piece, by row and then by drawing */
    fm_buffer rows;   /* int64_t [n_rows + 1]: the first piece of each row; then scratch */
    int64_t n_rows;
} fm_window;

/* Draws from where `state` stands, which moves on, until there are enough tokens or no source has any
 * left; then cuts and packs. `weights` has one per source, 0: never drawn. n_rows is 0 when nothing was
 * left. */
fm_status fm_window_fill(fm_window *w, const fm_dataset *data, const fm_loader_options *o,
                         const double *weights, fm_loader_state *state, fm_error *err);
void fm_window_clear(fm_window *w);

static inline const fm_drawn *fm_window_drawn(const fm_window *w, int64_t i) {
    return (const fm_drawn *)(const void *)w->drawn.data + i;
}
/* Pieces of the row that comes at place `place`, once the rows are shuffled. */
const fm_piece *fm_window_row(const fm_window *w, int64_t place, uint64_t key, int64_t *n);
