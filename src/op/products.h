/* products.h: the matrix products of learning, shared by every op that has a weight.
 *
 * y = x W^T + b;  dx += dy W;  dW += dy^T x,  db += the sum of dy over its rows.
 *
 * They multiply floats, or, where the plan says so and the weight is of BF16, what x, dy and W are rounded to.
 * All are cut into units of work, blocks of what is written, in a way that depends on shapes alone; a unit
 * sums in one chain, over the rows of W in order for dx, over the rows of the step in order for dW. So bits
 * depend neither on threads nor, for dW, on how rows are cut into steps. Operands are packed into a worker's
 * scratch, a piece at a time (kernel/words.h). */
#pragma once

#include "kernel/words.h"
#include "op/op_private.h"

/* Bytes of scratch that a unit of any product needs. */
size_t fm_products_scratch(void);

/* What products with w multiply in this plan. */
fm_word_form fm_form_of(const fm_plan *plan, const fm_weight *w);

/* What one product makes of x. */
typedef struct fm_result {
    const fm_weight *w, *bias; /* bias: NULL for none */
    bool transposed;           /* y = x W */
    float *y;                  /* [rows, ld] */
    int64_t ld;
} fm_result;

/* Products of BF16 that read one x; others are made of panels as in inference. */
typedef struct fm_to_output {
    int n;
    fm_result results[FM_NODE_OUTPUTS];
    int64_t rows, columns;
    const float *x;
    int64_t ld;
    const int32_t *x_rows;     /* row t is row x_rows[t] of x; NULL: row t */
} fm_to_output;
bool fm_is_product_of_words(const fm_plan *plan, const fm_weight *w, bool transposed);
int64_t fm_to_output_units(const fm_run *run, const fm_to_output *p);
void fm_to_output_unit(const fm_run *run, const fm_to_output *p, int64_t unit, float *scratch);

/* What an x gets from one product that read it. */
typedef struct fm_term {
    const fm_weight *w;
    bool transposed;   /* it was y = x W: dx += dy W^T */
    const float *dy;   /* [rows, ld] */
    int64_t ld;
} fm_term;

/* dx = or += what its terms give, in order. Every kind of weight has it: panels are decoded. */
typedef struct fm_to_input {
    int n;
    fm_term terms[FM_NODE_OUTPUTS];
    int64_t rows, columns;
    float *dx;
    int64_t ld;
    bool sets;         /* otherwise adds */
} fm_to_input;
int64_t fm_to_input_units(const fm_run *run, const fm_to_input *p);
void fm_to_input_unit(const fm_run *run, const fm_to_input *p, int64_t unit, float *scratch);

/* dW [n_out, n_in] += dy^T x over `rows` rows. */
typedef struct fm_to_weight {
    fm_word_form form;
    float *dw, *db;              /* [n_out, n_in], [n_out]; either may be NULL */
    int64_t n_out, n_in, rows;
    const float *dy, *x;
    int64_t ld_dy, ld_x;
    const int32_t *x_rows;       /* row t is row x_rows[t] of x; NULL: row t */
    int64_t beside;              /* other products that threads share out together with this one */
    /* Where x is not kept: writes columns [column, column + columns) of rows [row, row + n) to `out`, whose
     * rows are `columns` apart. NULL: x is there. */
    void (*make_x)(const void *context, int64_t row, int64_t n, int64_t column, int64_t columns, float *out);
    const void *context;
} fm_to_weight;
int64_t fm_to_weight_units(const fm_to_weight *p);
void fm_to_weight_unit(const fm_run *run, const fm_to_weight *p, int64_t unit, float *scratch);
