/* mla_keys: y[t, h] = (k[t, h], k_r[t])                                   DeepSeek-V2, section 2.1, (12)
 * k [T, H*dn], k_r [T, dr] the last columns of latent [T, r+dr], rotated; y [T, H*(dn+dr)].
 * backward_input: dk[t, h] += the first dn columns of dy[t, h]; dk_r[t] += the last dr, head by head. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

typedef fm_mla_shape params;

typedef struct job {
    const fm_kernels *kernels;
    const params *p;
    const float *k, *latent;
    float *y;
    const float *dy;
    float *dk, *d_latent;
} job;

static void join(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t heads = j->p->n_heads, dn = j->p->nope_dim, dr = j->p->rope_dim, r = j->p->kv_lora_rank;
    for (int64_t t = begin; t < end; t++)
        for (int64_t h = 0; h < heads; h++) {
            float *y = j->y + (t * heads + h) * (dn + dr);
            memcpy(y, j->k + (t * heads + h) * dn, (size_t)dn * sizeof(float));
            memcpy(y + dn, j->latent + t * (r + dr) + r, (size_t)dr * sizeof(float));
        }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    job j = {.p = fm_params(node), .k = fm_input(run, node, 0), .latent = fm_input(run, node, 1),
             .y = fm_output(run, node, 0)};
    fm_pool_for(run->pool, run->step->n_rows, 16, join, &j);
    return FM_OK;
}

static void part(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t heads = j->p->n_heads, dn = j->p->nope_dim, dr = j->p->rope_dim, r = j->p->kv_lora_rank;
    for (int64_t t = begin; t < end; t++)
        for (int64_t h = 0; h < heads; h++) {
            const float *dy = j->dy + (t * heads + h) * (dn + dr);
            if (j->dk) j->kernels->add(dy, dn, j->dk + (t * heads + h) * dn);
            if (j->d_latent) j->kernels->add(dy + dn, dr, j->d_latent + t * (r + dr) + r);
        }
}

static fm_status backward_input(const fm_run *run, const fm_node *node) {
    job j = {.kernels = run->kernels, .p = fm_params(node), .dy = fm_output_grad(run, node, 0),
             .dk = fm_input_grad(run, node, 0), .d_latent = fm_input_grad(run, node, 1)};
    fm_pool_for(run->pool, run->step->n_rows, 16, part, &j);
    return FM_OK;
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 0) return -1;
    fm_mla_shape shape = {0, 3, 7, 5, 4, 6, 0.3, false};
    return fm_mla_keys(p, s->input(s->context, p, 3 * 5), s->input(s->context, p, 7 + 4), &shape);
}

const fm_op fm_op_mla_keys = {
    .name = "mla_keys", .forward = forward, .backward_input = backward_input, .sample = sample};

fm_value fm_mla_keys(fm_plan *p, fm_value k, fm_value latent, const fm_mla_shape *shape) {
    size_t n = (size_t)(shape->n_heads * (shape->nope_dim + shape->rope_dim));
    fm_value y = fm_plan_value(p, FM_ROWS_TOKENS, n * sizeof(float), 0);
    fm_plan_node(p, &fm_op_mla_keys, FM_VALUES(k, latent), FM_VALUES(y), shape, sizeof *shape);
    return y;
}
