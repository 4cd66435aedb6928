/* codes: rows of x rounded to bytes, once or twice, as products of integers read them (kernel/codes.h)
 * x [T, n] -> blocks of codes, scale and sums [T, times, fm_codes_blocks(n)]. Recorded once for all products
 * that read the same x. Rounding has no gradient: a plan that learns multiplies floats. */
#include "op/op.h"
#include "op/op_private.h"

enum { PIECE = 64 }; /* blocks that are one unit of work */

typedef struct job {
    const fm_kernels *kernels;
    const float *x;
    fm_codes *codes;
    int64_t columns, blocks, pieces;
    int times;
} job;

static void round_pieces(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t t = i / j->pieces, first = i % j->pieces * PIECE, at = first * FM_CODES;
        int64_t n = j->columns - at;
        if (n > PIECE * FM_CODES) n = PIECE * FM_CODES;
        fm_codes_write(j->kernels, j->times, j->x + t * j->columns + at, n,
                       j->codes + t * j->times * j->blocks + first, j->blocks);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    int64_t columns = fm_columns(run, node->inputs[0]), blocks = fm_codes_blocks(columns);
    job j = {run->kernels, fm_input(run, node, 0), fm_plan_data(run->plan, node->outputs[0]), columns,
             blocks, (blocks + PIECE - 1) / PIECE, fm_codes_times(run->plan)};
    fm_pool_for(run->pool, fm_rows(run, node->inputs[0]) * j.pieces, 4, round_pieces, &j);
    return FM_OK;
}

const fm_op fm_op_codes = {.name = "codes", .forward = forward, .is_constant = true};

int fm_codes_times(const fm_plan *p) {
    static const int times[] = {
        [FM_ACTIVATIONS_F32] = 0, [FM_ACTIVATIONS_INT8] = 1, [FM_ACTIVATIONS_INT16] = 2,
        [FM_ACTIVATIONS_BF16] = 0};
    const fm_plan_options *o = fm_plan_options_of(p);
    return o->learns ? 0 : times[o->activations];
}

void fm_codes_write(const fm_kernels *k, int times, const float *x, int64_t n, fm_codes *out, int64_t ld) {
    if (times > 1)
        fm_codes_twice_from_float(k, x, n, out, out + ld);
    else
        k->codes_from_float(x, n, out);
}

bool fm_reads_codes(const fm_plan *p, const fm_weight *w) {
    return fm_codes_times(p) > 0 &&
           fm_plan_options_of(p)->kernels->codes_product[fm_layout_for(&w->source)];
}

fm_value fm_codes_value(fm_plan *p, fm_value x) {
    fm_value made = fm_plan_made_from(p, &fm_op_codes, x);
    if (made >= 0) return made;
    size_t blocks = (size_t)(fm_codes_times(p) * fm_codes_blocks(fm_plan_columns(p, x)));
    made = fm_plan_value(p, fm_plan_space(p, x), blocks * sizeof(fm_codes), 0);
    fm_plan_node(p, &fm_op_codes, FM_VALUES(x), FM_VALUES(made), NULL, 0);
    return made;
}
