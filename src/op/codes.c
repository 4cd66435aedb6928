/* codes: rows of x rounded to codes of one byte or two, as products of integers read them (kernel/codes.h)
 * x [T, n] -> blocks of codes, scale and sums [T, fm_codes_blocks(n)]. Recorded once for all products that
 * read the same x. Rounding has no gradient: a plan that learns multiplies floats. */
#include "op/op.h"
#include "op/op_private.h"

enum { PIECE = 64 }; /* blocks that are one unit of work */

typedef struct job {
    const fm_kernels *kernels;
    fm_codes_form form;
    const float *x;
    char *codes;
    int64_t columns, pieces;
} job;

static void round_pieces(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    size_t row = fm_codes_row_bytes(j->form, j->columns), piece = PIECE * fm_codes_block_bytes(j->form);
    for (int64_t i = begin; i < end; i++) {
        int64_t t = i / j->pieces, at = i % j->pieces * PIECE * FM_CODES, n = j->columns - at;
        if (n > PIECE * FM_CODES) n = PIECE * FM_CODES;
        j->kernels->codes_from_float[j->form](j->x + t * j->columns + at, n,
                                              j->codes + (size_t)t * row + (size_t)(i % j->pieces) * piece);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    int64_t columns = fm_columns(run, node->inputs[0]), blocks = fm_codes_blocks(columns);
    job j = {run->kernels, fm_plan_codes_form(run->plan), fm_input(run, node, 0),
             fm_plan_data(run->plan, node->outputs[0]), columns, (blocks + PIECE - 1) / PIECE};
    fm_pool_for(run->pool, fm_rows(run, node->inputs[0]) * j.pieces, 4, round_pieces, &j);
    return FM_OK;
}

const fm_op fm_op_codes = {.name = "codes", .forward = forward, .is_constant = true};

bool fm_plan_has_codes(const fm_plan *p) {
    const fm_plan_options *o = fm_plan_options_of(p);
    return !o->learns && (o->activations == FM_ACTIVATIONS_INT8 || o->activations == FM_ACTIVATIONS_INT16);
}

fm_codes_form fm_plan_codes_form(const fm_plan *p) {
    return fm_plan_options_of(p)->activations == FM_ACTIVATIONS_INT16 ? FM_CODES_16 : FM_CODES_8;
}

bool fm_reads_codes(const fm_plan *p, const fm_weight *w) {
    return fm_plan_has_codes(p) &&
           fm_plan_options_of(p)->kernels->codes_product[FM_CODES_8][fm_layout_for(&w->source)];
}

fm_value fm_codes_value(fm_plan *p, fm_value x) {
    fm_value made = fm_plan_made_from(p, &fm_op_codes, x);
    if (made >= 0) return made;
    size_t bytes = fm_codes_row_bytes(fm_plan_codes_form(p), fm_plan_columns(p, x));
    made = fm_plan_value(p, fm_plan_space(p, x), bytes, 0);
    fm_plan_node(p, &fm_op_codes, FM_VALUES(x), FM_VALUES(made), NULL, 0);
    return made;
}
