/* panel.h: the layout in which the kernels read weight matrices.
 *
 * A matrix [n_out, n_in] is cut into panels of 16 output rows; inside a panel, k (the input index)
 * is walked in order and the 16 rows lie side by side, so a vector lane is an output row. A matrix
 * product then needs no shuffle and no horizontal sum, and one input row and many input rows run
 * through the very same chain of fused multiply-adds:
 *
 *     y[m][n] = fma(x[m][K-1], w[n][K-1], ... fma(x[m][1], w[n][1], fma(x[m][0], w[n][0], 0)))
 *
 * in float32, w[n][k] being exactly what the dtype's decode gives. That sentence is the whole
 * definition of a matrix product in Fathom: it does not mention threads, batch or instruction set,
 * and every kernel meets it to the bit.
 *
 * A layout is one way to store a panel; the drawings are in layout.h. Rows past n_out
 * in the last panel are stored as zeros. FM_LAYOUT_ROWS is no copy at all: the tensor as the file
 * has it, decoded row by row; it serves what has no layout of its own, and whoever wants no copy. */
#pragma once

#include "tensor/tensor.h"

enum { FM_PANEL = 16 };

typedef enum fm_layout {
    FM_LAYOUT_ROWS, /* the file's own rows */
    FM_LAYOUT_F32,
    FM_LAYOUT_F16,
    FM_LAYOUT_BF16,
    FM_LAYOUT_Q8_0,
    FM_LAYOUT_Q4_0,
    FM_LAYOUT_Q4_1,
    FM_LAYOUT_Q5_0,
    FM_LAYOUT_Q5_1,
    FM_LAYOUT_Q2_K,
    FM_LAYOUT_Q3_K,
    FM_LAYOUT_Q4_K,
    FM_LAYOUT_Q5_K,
    FM_LAYOUT_Q6_K,
    FM_LAYOUT_IQ4_NL,
    FM_LAYOUT_IQ4_XS,
    FM_LAYOUT_MXFP4,
    FM_LAYOUT_TCQ4,
    FM_LAYOUT_TQ2_0, /* TQ1_0 too */
    FM_LAYOUT_IQ1_S,
    FM_LAYOUT_IQ1_M,
    FM_LAYOUT_IQ2_XXS,
    FM_LAYOUT_IQ2_S, /* IQ2_XS too */
    FM_LAYOUT_IQ3_XXS,
    FM_LAYOUT_IQ3_S,
    FM_LAYOUT_F8, /* E4M3 with block scales */
    FM_LAYOUTS
} fm_layout;

/* A weight matrix as the kernels see it. Borrowed memory; pack/ makes and owns it. */
typedef struct fm_panels {
    fm_layout layout;
    int64_t n_out, n_in;
    const void *data;    /* all panels, 64-byte aligned; NULL for FM_LAYOUT_ROWS */
    size_t panel_bytes;  /* from one panel to the next */
    fm_tensor rows;      /* FM_LAYOUT_ROWS: the source; otherwise only its dtype counts */
} fm_panels;

static inline int64_t fm_panel_count(const fm_panels *w) { return (w->n_out + FM_PANEL - 1) / FM_PANEL; }

/* The layout that holds this dtype and row length without loss; FM_LAYOUT_ROWS if there is none. */
fm_layout fm_layout_for(const fm_tensor *t);
/* Bytes of one panel of n_in columns in this layout (a multiple of 64); 0 for FM_LAYOUT_ROWS. */
size_t fm_layout_panel_bytes(fm_layout layout, int64_t n_in);
const char *fm_layout_name(fm_layout layout);
