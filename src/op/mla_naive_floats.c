/* mla_naive_floats.c: keys and values made of the latents in float32. One unit of work is one head of one
 * segment: it makes a block's keys and values and lets every row of the segment read them. */
#include "op/mla_naive.h"

#include <string.h>

typedef fm_mla_naive_params params;
typedef fm_mla_naive_job job;

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
                       fm_attention_work(ROWS, dq), ROWS * dq, 2 * ROWS, ROWS * dv,
                       rows_capacity(plan) * 2};
    for (size_t i = 0; i < FM_COUNT(sizes); i++) {
        *parts[i] = base ? base + at : NULL;
        at += (sizes[i] + 15) / 16 * 16;
    }
    return at;
}

/* Keys [count, dn+dr] and values [count, dv] of head h for the block that begins at `block`. */
static void make_block(const job *j, const fm_segment *s, int64_t h, int64_t block, int64_t count,
                       const scratch_map *m) {
    const fm_mla_shape *shape = &j->p->shape;
    const fm_kernels *k = j->run->kernels;
    fm_attention_rows cached = fm_mla_naive_latents(j, s);
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
    fm_attention_begin(&a, first);
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
        int64_t h = i % j->p->shape.n_heads, from, last;
        fm_mla_naive_rows(j, s, &from, &last);
        if (from >= last) continue;
        for (int64_t block = 0; block < last; block += FM_ATTENTION_BLOCK) {
            int64_t count = last - block < FM_ATTENTION_BLOCK ? last - block : FM_ATTENTION_BLOCK;
            make_block(j, s, h, block, count, &m);
            for (int64_t p = from; p < last; p += ROWS)
                attend_block(j, s, h, s->row + p - s->position, last - p < ROWS ? last - p : ROWS, block,
                             &m);
        }
    }
}

void fm_mla_naive_floats(const fm_mla_naive_job *j) {
    fm_pool_for(j->run->pool, j->run->step->n_segments * j->p->shape.n_heads, 1, heads, (void *)(uintptr_t)j);
}

size_t fm_mla_naive_floats_scratch(const fm_plan *plan, const fm_mla_naive_params *p) {
    scratch_map m;
    return (size_t)map_scratch(plan, p, NULL, &m) * sizeof(float);
}
