/* mla_naive: multi-head latent attention with keys and values made from the latents.
 *   k_h(j) = (W_UK,h c(j), k_r(j)),  v_h(j) = W_UV,h c(j),
 *   o_h = sum_j softmax_j(scale q_h . k_h(j)) v_h(j),  j <= position        DeepSeek-V2, section 2.1
 * q [T, H*(dn+dr)] with its last dr columns per head rotated, latent [T, r+dr], o [T, H*dv].
 * Cheaper than the absorbed form for long prompts: d_k + d_v products per pair instead of 2r + dr,
 * once a block of keys has been made for all the rows that read it. One unit of work is one head of
 * one segment: it makes a block's keys and values and lets every row of the segment read them.
 * Alone it computes every row. Over the absorbed form's o, whose latents are in the cache already, it
 * computes the rows that a segment has as fast and leaves the others as they are.
 * It has no gradient: what learns takes the absorbed form. */
#include "op/attention.h"
#include "op/op.h"
#include "op/op_private.h"

#include <string.h>

typedef struct params {
    fm_mla_shape shape;
    const fm_weight *uk, *uv;
    bool over; /* the absorbed form's o */
} params;

typedef struct job {
    const fm_run *run;
    const params *p;
    const float *q, *latent;
    float *out;
} job;

/* Rows whose queries are together in a tile. */
enum { ROWS = 96 };

/* Scratch of a worker: a block of latents, keys and values, a product's tile, a tile of queries with a
 * block's sums, and the running softmax of every row of the step (m, l; the sums lie in the output). */
typedef struct scratch_map {
    float *latents, *keys, *values, *tile, *work, *queries, *small, *sums, *state;
} scratch_map;

static int64_t rows_capacity(const fm_plan *plan) { return fm_plan_options_of(plan)->rows; }

static int64_t map_scratch(const fm_plan *plan, const params *p, float *base, scratch_map *m) {
    int64_t r = p->shape.kv_lora_rank, dr = p->shape.rope_dim, block = FM_ATTENTION_BLOCK, at = 0;
    int64_t dq = p->shape.nope_dim + dr, dv = p->shape.v_dim;
    float **parts[] = {&m->tile, &m->latents, &m->keys, &m->values, &m->work, &m->queries, &m->small,
                       &m->sums, &m->state};
    int64_t sizes[] = {FM_MATMUL_SCRATCH, block * (r + dr), block * dq, block * dv,
                       fm_attention_work(ROWS), ROWS * dq, 2 * ROWS, ROWS * dv,
                       rows_capacity(plan) * 2};
    for (size_t i = 0; i < FM_COUNT(sizes); i++) {
        *parts[i] = base ? base + at : NULL;
        at += (sizes[i] + 15) / 16 * 16;
    }
    return at;
}

static void write_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t n = j->p->shape.kv_lora_rank + j->p->shape.rope_dim;
    for (int64_t t = begin; t < end; t++) {
        const fm_segment *s = fm_step_segment(j->run->step, t);
        fm_cache_write(j->run->kernels, j->run->step->kv, s->pages, j->p->shape.layer,
                       s->position + t - s->row, 0, j->latent + t * n, n);
    }
}

/* Keys [count, dn+dr] and values [count, dv] of head h for the block that begins at `block`. */
static void make_block(const job *j, const fm_segment *s, int64_t h, int64_t block, int64_t count,
                       const scratch_map *m) {
    const fm_mla_shape *shape = &j->p->shape;
    const fm_kernels *k = j->run->kernels;
    fm_attention_rows cached = {.kv = j->run->step->kv, .pages = s->pages, .layer = shape->layer};
    int64_t r = shape->kv_lora_rank, dr = shape->rope_dim, dn = shape->nope_dim, d = r + dr;
    for (int64_t at = 0, run; at < count; at += run) {
        fm_kept_form form;
        fm_kept_rows rows;
        run = fm_attention_rows_at(&cached, block + at, 0, count - at, &form, &rows);
        k->rows_to_floats[form](&rows, run, d, m->latents + at * d, d);
    }
    for (int64_t at = 0; at < count; at++)
        memcpy(m->keys + at * (dn + dr) + dn, m->latents + at * d + r, (size_t)dr * sizeof(float));
    const fm_panels *uk = &j->p->uk[h].panels, *uv = &j->p->uv[h].panels;
    if (shape->uk_transposed)
        fm_matmul_transposed(k, uk, 0, fm_column_tiles(uk), m->latents, d, count, m->keys, dn + dr, m->tile);
    else
        fm_matmul(k, uk, 0, fm_panel_count(uk), m->latents, d, count, m->keys, dn + dr, m->tile);
    fm_matmul(k, uv, 0, fm_panel_count(uv), m->latents, d, count, m->values, shape->v_dim, m->tile);
}

/* `rows` rows of head h from row t of the step on read one block. (m, l) travel in `state` from block to
 * block. */
static void attend_block(const job *j, const fm_segment *s, int64_t h, int64_t t, int64_t rows,
                         int64_t block, const scratch_map *m) {
    const fm_mla_shape *shape = &j->p->shape;
    const fm_kernels *k = j->run->kernels;
    int64_t dq = shape->nope_dim + shape->rope_dim, dv = shape->v_dim, ld = shape->n_heads * dv;
    fm_attention a = {.k = k, .rows = rows, .heads = 1, .d_k = dq, .d_v = dv,
                      .position = s->position + t - s->row, .queries = m->queries, .work = m->work,
                      .keys = {.x = m->keys, .ld = dq, .first = block},
                      .values = {.x = m->values, .ld = dv, .first = block}};
    int64_t first = fm_attention_first_row(&a, block);
    if (first == rows) return;
    for (int64_t i = first; i < rows; i++)
        memcpy(m->queries + i * dq, j->q + ((t + i) * shape->n_heads + h) * dq, (size_t)dq * sizeof(float));
    k->scale((float)shape->scale, (rows - first) * dq, m->queries + first * dq);
    fm_attention_sums all = {m->small, m->small + ROWS, m->sums, dv};
    fm_attention_block(&a, block, &all);
    float *running = m->state + t, *out = j->out + (t * shape->n_heads + h) * dv;
    fm_attention_sums from = {all.m + first, all.l + first, all.a + first * dv, dv};
    fm_attention_sums into = {running + first, running + rows_capacity(j->run->plan) + first,
                              out + first * ld, ld};
    fm_attention_merge(k, rows - first, dv, block == 0, &from, &into);
    /* Rows whose last position lies in this block are done. */
    for (int64_t i = first; i < rows && a.position + i < block + FM_ATTENTION_BLOCK; i++) {
        fm_attention_sums one = {NULL, running + rows_capacity(j->run->plan) + i, out + i * ld, ld};
        fm_attention_finish(k, 1, dv, &one);
    }
}

static void heads(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    scratch_map m;
    map_scratch(j->run->plan, j->p, fm_plan_scratch(j->run->plan, worker), &m);
    for (int64_t i = begin; i < end; i++) {
        const fm_segment *s = &j->run->step->segments[i / j->p->shape.n_heads];
        int64_t h = i % j->p->shape.n_heads, from = s->position, last = s->position + s->count;
        if (j->p->over) {
            if (from < s->fast_from) from = s->fast_from;
            if (last > s->fast_to) last = s->fast_to;
            if (from >= last) continue;
        }
        for (int64_t block = 0; block < last; block += FM_ATTENTION_BLOCK) {
            int64_t count = last - block < FM_ATTENTION_BLOCK ? last - block : FM_ATTENTION_BLOCK;
            make_block(j, s, h, block, count, &m);
            for (int64_t p = from; p < last; p += ROWS)
                attend_block(j, s, h, s->row + p - s->position, last - p < ROWS ? last - p : ROWS, block,
                             &m);
        }
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run, p, fm_input(run, node, 0), fm_input(run, node, 1), fm_output(run, node, 0)};
    if (!p->over) fm_pool_for(run->pool, run->step->n_rows, 16, write_rows, &j);
    fm_pool_for(run->pool, run->step->n_segments * p->shape.n_heads, 1, heads, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    scratch_map m;
    return (size_t)map_scratch(plan, fm_params(node), NULL, &m) * sizeof(float);
}

const fm_op fm_op_mla_naive = {.name = "mla_naive", .forward = forward, .scratch = scratch};

fm_value fm_mla_naive(fm_plan *p, fm_value q, fm_value latent, const fm_weight *uk,
                      const fm_weight *uv, const fm_mla_shape *shape) {
    fm_value y = fm_plan_value(
        p, FM_ROWS_TOKENS, (size_t)(shape->n_heads * shape->v_dim) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_mla_naive, FM_VALUES(q, latent), FM_VALUES(y),
                 &(params){*shape, uk, uv, false}, sizeof(params));
    return y;
}

fm_value fm_mla_naive_over(fm_plan *p, fm_value o, fm_value q, fm_value latent, const fm_weight *uk,
                           const fm_weight *uv, const fm_mla_shape *shape) {
    fm_value y = fm_plan_alias(p, o);
    fm_plan_node(p, &fm_op_mla_naive, FM_VALUES(q, latent, o), FM_VALUES(y),
                 &(params){*shape, uk, uv, true}, sizeof(params));
    return y;
}
