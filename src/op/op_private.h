/* op_private.h: what the op files share: their symbols and a few one-line helpers. */
#pragma once

#include "base/clock.h"
#include "graph/plan.h"
#include "kernel/matmul.h"
#include "op/experts.h"
#include "pack/pack.h"

#define FM_OP(symbol, help) extern const fm_op symbol;
#include "op/ops.def"
#undef FM_OP

/* Lists of values end with -1. */
#define FM_VALUES(...) ((const fm_value[]){__VA_ARGS__, -1, -1, -1, -1, -1})

static inline const void *fm_params(const fm_node *node) { return node->params; }
static inline float *fm_input(const fm_run *run, const fm_node *node, int i) {
    return fm_plan_floats(run->plan, node->inputs[i]);
}
static inline float *fm_output(const fm_run *run, const fm_node *node, int i) {
    return fm_plan_floats(run->plan, node->outputs[i]);
}
/* Gradients: NULL where nothing flows. */
static inline float *fm_input_grad(const fm_run *run, const fm_node *node, int i) {
    return i < node->n_inputs ? fm_plan_grad(run->plan, node->inputs[i]) : NULL;
}
static inline float *fm_output_grad(const fm_run *run, const fm_node *node, int i) {
    return i < node->n_outputs ? fm_plan_grad(run->plan, node->outputs[i]) : NULL;
}
static inline int64_t fm_columns(const fm_run *run, fm_value v) {
    return fm_plan_columns(run->plan, v);
}
static inline int64_t fm_rows(const fm_run *run, fm_value v) {
    return fm_plan_rows(run->plan, run->step, v);
}

/* Brings experts before a step gets them. What that takes is no part of what the step costs. */
static inline fm_status fm_want_experts(const fm_run *run, const fm_expert_provider *provider,
                                        const int32_t *ids, int64_t n, bool *passing) {
    *passing = false;
    if (!provider->want) return FM_OK;
    double begin = fm_clock_seconds();
    fm_status status = provider->want(provider->context, ids, n, run->pool, passing, run->err);
    fm_plan_wait(run->plan, fm_clock_seconds() - begin);
    return status;
}

/* The next rows of the step from *row on that are not fast, as many as lie together: their number, 0 at
 * the end, and in *row the first. */
static inline int64_t fm_step_slow_rows(const fm_step *step, int64_t *row) {
    int64_t n = 0;
    for (int i = 0; i < step->n_segments; i++) {
        const fm_segment *s = &step->segments[i];
        int64_t end = s->row + s->count, fast = s->fast_from - s->position + s->row;
        int64_t behind = s->fast_to - s->position + s->row;
        int64_t at = *row + n > s->row ? *row + n : s->row;
        if (at >= end) continue;
        if (at >= fast && at < behind) {
            if (n > 0) return n;
            at = behind < end ? behind : end;
        }
        if (n == 0) *row = at;
        if (at == end) continue;
        int64_t stop = fast > at && fast < end && behind > fast ? fast : end;
        n += stop - at;
        if (stop < end) return n;
    }
    return n;
}

/* Asks memory for a row, or its beginning, that will soon be read where no processor expects it. */
static inline void fm_prefetch_row(const float *x, int64_t n) {
    enum { MOST = 512, LINE = 16 };
    for (int64_t c = 0; c < n && c < MOST; c += LINE) __builtin_prefetch(x + c);
}
enum { FM_TOKENS_AHEAD = 2 }; /* whose rows are asked for */

/* Panels that one call of a product takes: one tile. Fixed, like every grain. */
enum { FM_PANEL_GRAIN = FM_TILE_PANELS };
static inline int64_t fm_panel_groups(const fm_panels *w) {
    return (fm_panel_count(w) + FM_PANEL_GRAIN - 1) / FM_PANEL_GRAIN;
}
/* Group `g` of the product y = x w^T for `rows` rows. */
static inline void fm_matmul_group(const fm_kernels *k, const fm_panels *w, int64_t g,
                                   const float *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                                   float *scratch) {
    int64_t begin = g * FM_PANEL_GRAIN, end = begin + FM_PANEL_GRAIN;
    if (end > fm_panel_count(w)) end = fm_panel_count(w);
    fm_matmul(k, w, begin, end, x, ldx, rows, y, ldy, scratch);
}
/* Rows of x as a product may read them. */
typedef struct fm_product_rows {
    const float *x;
    const void *codes;     /* the same rounded, NULL: not asked for */
    int64_t columns, n;
    fm_codes_form form;
} fm_product_rows;
/* Of the codes of n columns. */
static inline size_t fm_codes_row_bytes(fm_codes_form form, int64_t n) {
    return (size_t)fm_codes_blocks(n) * fm_codes_block_bytes(form);
}
static inline fm_product_rows fm_rows_from(const fm_product_rows *r, int64_t first, int64_t n) {
    size_t at = (size_t)first * fm_codes_row_bytes(r->form, r->columns);
    return (fm_product_rows){r->x + first * r->columns, r->codes ? (const char *)r->codes + at : NULL,
                             r->columns, n, r->form};
}
/* Whether a product with this weight reads the codes: it does where there are any. */
static inline bool fm_product_reads_codes(const fm_kernels *k, const fm_panels *w) {
    return k->codes_product[FM_CODES_8][w->layout] != NULL;
}
/* Group `g` of y = x w^T, of integers if they are there and the weight has its codes. */
static inline void fm_product_group(const fm_kernels *k, const fm_panels *w, int64_t g,
                                    const fm_product_rows *r, float *y, int64_t ldy,
                                    float *scratch) {
    int64_t begin = g * FM_PANEL_GRAIN, end = begin + FM_PANEL_GRAIN;
    if (end > fm_panel_count(w)) end = fm_panel_count(w);
    if (r->codes && fm_product_reads_codes(k, w))
        fm_matmul_codes(k, r->form, w, begin, end, r->codes, fm_codes_blocks(r->columns), r->n, y, ldy,
                        scratch);
    else
        fm_matmul(k, w, begin, end, r->x, r->columns, r->n, y, ldy, scratch);
}
/* Where group `g` lies; NULL where there is no copy in panels. */
static inline const void *fm_panel_group_at(const fm_panels *w, int64_t g) {
    return w->data ? (const char *)w->data + (size_t)(g * FM_PANEL_GRAIN) * w->panel_bytes : NULL;
}
/* Bytes of a weight as a product reads it. */
static inline double fm_product_bytes(const fm_panels *w) {
    return w->data ? (double)w->panel_bytes * (double)fm_panel_count(w)
                   : (double)fm_tensor_bytes(&w->rows);
}
/* What a product with `w` adds to a plan: whether the plan asks for codes and the weight will have
 * some once it is packed; and the codes of x, recorded once. */
bool fm_reads_codes(const fm_plan *p, const fm_weight *w);
fm_value fm_codes_value(fm_plan *p, fm_value x);
/* Whether products read codes at all where they can, and which. */
bool fm_plan_has_codes(const fm_plan *p);
fm_codes_form fm_plan_codes_form(const fm_plan *p);

static inline size_t fm_matmul_scratch_bytes(void) { return FM_MATMUL_SCRATCH * sizeof(float); }
