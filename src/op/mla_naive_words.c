/* mla_naive_words.c: rows of a prompt over keys and values in words of BF16 (mla_unfold.h).
 *
 *     s(j) = chain over the words of (q, k(j)), then over those of (q_r, k_r(j))   q = scale * query, as BF16
 *     m = max s(j),  p(j) = exp(s(j) - m) as BF16,  l = sum of 16 lanes of p(j)    of a block, in float32
 *     a = chain over the words of (p, v), position by position
 *
 * by the words' own chain (kernel/words.h), blocks merged left to right as everywhere (attention.h). A row's
 * last word has a half of zeros for a position that it does not see: not even a NaN comes from there. So a
 * row's bits depend on its query, the latents before it and the weights alone: not on what was kept, on
 * chunks, tiles or threads.
 *
 * First what is to be kept is made, by heads; then rows read, by heads: what has no place is made once
 * more in scratch, for all the rows that a segment has. */
#include "op/mla_naive.h"
#include "op/mla_unfold.h"

#include <string.h>

static const fm_word_form BF16 = FM_WORDS_BF16;

enum {
    ROWS = 96,       /* whose scores are together in L2, beside a head's block */
    TOGETHER = 16,   /* rows of the diagonal that pass over what all of them see */
    MOST_ROWS = 256, /* of a unit: their queries and sums stay in L2 from block to block */
    LEAST_ROWS = 48, /* fewer wait for memory */
    UNITS = 3,       /* for every thread, if there are so many */
    STEP_SCORES = FM_ATTENTION_BLOCK + 16,    /* from row to row: no power of two */
    STEP_WEIGHTS = FM_ATTENTION_BLOCK / 2 + 16,
};

typedef fm_mla_naive_job job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts_of(int64_t n, int64_t part) { return (n + part - 1) / part; }
static int64_t words_of(int64_t n) { return fm_words_count(BF16, n); }

/* ---- memory of a worker --------------------------------------------------------------------------- */

typedef struct memory {
    uint32_t *unfold;   /* scratch of mla_unfold.h */
    uint32_t *block;    /* of one head, for what is not kept */
    uint32_t *queries;  /* of a unit, rows of words */
    float *scores;      /* [ROWS] of a block */
    uint32_t *weights;  /* the same as words */
    float *sums;        /* [ROWS, dv] of a block */
    float *small;       /* m and l of a block, [ROWS] each ... */
    float *state;       /* ... and running, for the rows of a unit */
    uint32_t *edge;     /* one word of every column of the values */
    float *query;       /* one, scaled */
} memory;

static fm_mla_shape one_head(const fm_mla_shape *s) {
    fm_mla_shape one = *s;
    one.n_heads = 1;
    return one;
}

static int64_t query_step(const fm_mla_shape *s) {
    return fm_words_row_step(words_of(s->nope_dim) + words_of(s->rope_dim));
}

/* The next words of four bytes, which floats are too; without memory they are only counted. */
static void *take(uint32_t *base, int64_t *at, int64_t words) {
    void *mine = base ? base + *at : NULL;
    *at += (words + 15) / 16 * 16;
    return mine;
}

static int64_t map_memory(const fm_plan *plan, const fm_mla_shape *s, uint32_t *base, memory *m) {
    const fm_mla_shape one = one_head(s);
    int64_t rows = fm_plan_options_of(plan)->rows, at = 0;
    m->unfold = take(base, &at, fm_unfold_scratch(s));
    m->block = take(base, &at, (int64_t)(fm_unfold_block_bytes(&one) / sizeof(uint32_t)));
    m->queries = take(base, &at, rows * query_step(s));
    m->scores = take(base, &at, ROWS * STEP_SCORES);
    m->weights = take(base, &at, ROWS * STEP_WEIGHTS);
    m->sums = take(base, &at, ROWS * s->v_dim);
    m->small = take(base, &at, 2 * ROWS);
    m->state = take(base, &at, 2 * rows);
    m->edge = take(base, &at, s->v_dim + FM_PANEL);
    m->query = take(base, &at, s->nope_dim + s->rope_dim);
    return at;
}

size_t fm_mla_naive_words_scratch(const fm_plan *plan, const fm_mla_naive_params *p) {
    memory m;
    return (size_t)map_memory(plan, &p->shape, NULL, &m) * sizeof(uint32_t);
}

static memory memory_of(const job *j, int worker) {
    memory m;
    map_memory(j->run->plan, &j->p->shape, fm_plan_scratch(j->run->plan, worker), &m);
    return m;
}

/* ---- a tile of rows and a block ------------------------------------------------------------------- */

/* Rows of one head that lie one behind the other, and a block that some of them see. */
typedef struct tile {
    const job *j;
    const memory *m;
    const uint32_t *queries;
    int64_t position, rows, block;
    int64_t first; /* the first row that sees any of it */
    fm_unfolded_head head;
} tile;

/* Positions of the block that row i sees. */
static int64_t seen_by(const tile *t, int64_t i) {
    return smaller(FM_ATTENTION_BLOCK, t->position + i + 1 - t->block);
}

static void score(const tile *t) {
    const fm_mla_shape *s = &t->j->p->shape;
    int64_t count = seen_by(t, t->rows - 1), step = query_step(s), panels = parts_of(count, FM_PANEL);
    fm_words_product p = {.form = BF16, .x = {t->queries, step, false},
                          .w = {t->head.keys, fm_unfold_key_step(s->nope_dim), true},
                          .n_words = words_of(s->nope_dim), .n_out = count,
                          .y = t->m->scores, .ldy = STEP_SCORES};
    fm_words_multiply(t->j->run->kernels, &p, t->first, t->rows, 0, panels);
    p.x.data += p.n_words;
    p.w = (fm_words){t->head.rotated, fm_unfold_key_step(s->rope_dim), true};
    p.n_words = words_of(s->rope_dim);
    p.adds = true;
    fm_words_multiply(t->j->run->kernels, &p, t->first, t->rows, 0, panels);
}

static void weigh(const tile *t) {
    const fm_kernels *k = t->j->run->kernels;
    for (int64_t i = t->first; i < t->rows; i++) {
        int64_t n = seen_by(t, i);
        float *s = t->m->scores + i * STEP_SCORES, *ml = t->m->small + i;
        ml[0] = k->max(s, n);
        ml[ROWS] = k->exp_pairs(s, n, ml[0], t->m->weights + i * STEP_WEIGHTS);
    }
}

/* Words [from, to) of rows [row, row + n). */
static void add_words(const tile *t, int64_t row, int64_t n, int64_t from, int64_t to, bool adds) {
    int64_t dv = t->j->p->shape.v_dim;
    fm_words_product p = {.form = BF16, .x = {t->m->weights + from, STEP_WEIGHTS, false},
                          .w = {t->head.values + from * FM_PANEL, FM_UNFOLD_VALUE_STEP, true},
                          .n_words = to - from, .n_out = dv, .y = t->m->sums, .ldy = dv, .adds = adds};
    fm_words_multiply(t->j->run->kernels, &p, row, row + n, 0, parts_of(dv, FM_PANEL));
}

/* The first half of a word, of which the row does not see the second. */
static void add_half(const tile *t, int64_t row, int64_t word) {
    int64_t dv = t->j->p->shape.v_dim, panels = parts_of(dv, FM_PANEL);
    for (int64_t p = 0; p < panels; p++)
        for (int64_t c = 0; c < FM_PANEL; c++)
            t->m->edge[p * FM_PANEL + c] =
                t->head.values[p * FM_UNFOLD_VALUE_STEP + word * FM_PANEL + c] & 0xffff;
    fm_words_product p = {.form = BF16, .x = {t->m->weights + word, STEP_WEIGHTS, false},
                          .w = {t->m->edge, FM_PANEL, true}, .n_words = 1, .n_out = dv,
                          .y = t->m->sums, .ldy = dv, .adds = true};
    fm_words_multiply(t->j->run->kernels, &p, row, row + 1, 0, panels);
}

/* Rows that see all of the block go together. On the diagonal, where each sees one position more than the
 * last, a few pass over what the first of them sees, and then over the rest one by one. */
static void add_values(const tile *t) {
    for (int64_t row = t->first, n; row < t->rows; row += n) {
        int64_t sees = seen_by(t, row), common = sees / 2;
        n = sees == FM_ATTENTION_BLOCK ? t->rows - row : smaller(TOGETHER, t->rows - row);
        add_words(t, row, n, 0, common, false);
        for (int64_t i = row; i < row + n && sees < FM_ATTENTION_BLOCK; i++) {
            int64_t own = seen_by(t, i);
            if (own / 2 > common) add_words(t, i, 1, common, own / 2, true);
            if (own % 2) add_half(t, i, own / 2);
        }
    }
}

/* ---- units ---------------------------------------------------------------------------------------- */

/* Positions [begin, end) of a segment, for one head. */
typedef struct unit {
    const fm_segment *segment;
    int64_t head, begin, end;
} unit;

/* What a loop is over: `span` says which positions of a segment, and how many of them are a unit. */
typedef struct loop {
    job j;
    void (*span)(const struct loop *l, const fm_segment *s, unit *all, int64_t *part);
    int64_t part;
} loop;

static int64_t units_of(const loop *l, const fm_segment *s, unit *all, int64_t *part) {
    l->span(l, s, all, part);
    all->segment = s;
    return all->begin < all->end ? l->j.p->shape.n_heads * parts_of(all->end - all->begin, *part) : 0;
}

static int64_t count_units(const loop *l) {
    int64_t n = 0, part;
    unit all;
    for (int i = 0; i < l->j.run->step->n_segments; i++)
        n += units_of(l, &l->j.run->step->segments[i], &all, &part);
    return n;
}

static unit unit_at(const loop *l, int64_t i) {
    unit u;
    int64_t part, n;
    for (const fm_segment *s = l->j.run->step->segments; i >= (n = units_of(l, s, &u, &part)); s++) i -= n;
    int64_t parts = parts_of(u.end - u.begin, part);
    u.head = i / parts;
    u.begin += i % parts * part;
    u.end = smaller(u.begin + part, u.end);
    return u;
}

/* Halves `part`, down to `least`, until there are enough units. */
static void run_loop(loop *l, int64_t part, int64_t least, fm_range_fn fn) {
    int64_t enough = UNITS * (int64_t)fm_pool_threads(l->j.run->pool);
    for (l->part = part; l->part / 2 >= least && count_units(l) < enough;) l->part /= 2;
    fm_pool_for(l->j.run->pool, count_units(l), 1, fn, l);
}

/* Where a head's part of a kept block is. */
static fm_unfolded_head kept_head(const job *j, const fm_segment *s, int64_t position, int64_t head) {
    const fm_mla_shape *shape = &j->p->shape;
    char *block = s->unfolded.blocks[position / FM_ATTENTION_BLOCK];
    return fm_unfolded_head_at(shape, block + (size_t)shape->layer * s->unfolded.layer_bytes, head);
}

static fm_unfold begin_head(const job *j, int64_t head, const memory *m) {
    return fm_unfold_begin(j->run->kernels, &j->p->shape, &j->p->uk[head], &j->p->uv[head], m->unfold);
}

/* ---- making what is kept --------------------------------------------------------------------------- */

static int64_t kept_positions(const fm_segment *s) { return s->unfolded.count * FM_ATTENTION_BLOCK; }

/* From the panel on that was not full. */
static void span_to_make(const loop *l, const fm_segment *s, unit *all, int64_t *part) {
    int64_t from, to;
    fm_mla_naive_rows(&l->j, s, &from, &to);
    all->end = from < to ? smaller(to, kept_positions(s)) : 0;
    all->begin = s->unfolded.done < all->end ? s->unfolded.done / FM_PANEL * FM_PANEL : all->end;
    *part = l->part;
}

static void make(void *context, int64_t begin, int64_t end, int worker) {
    const loop *l = context;
    memory m = memory_of(&l->j, worker);
    for (int64_t i = begin; i < end; i++) {
        unit u = unit_at(l, i);
        fm_attention_rows latents = fm_mla_naive_latents(&l->j, u.segment);
        fm_unfold head = begin_head(&l->j, u.head, &m);
        for (int64_t at = u.begin, n; at < u.end; at += n) {
            n = smaller(FM_ATTENTION_BLOCK - at % FM_ATTENTION_BLOCK, u.end - at);
            fm_unfolded_head to = kept_head(&l->j, u.segment, at, u.head);
            fm_unfold_positions(&head, &latents, at, n, u.head == 0, &to);
        }
    }
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* Where blocks have to be made in scratch, all rows of a segment are to read them. */
static void span_to_read(const loop *l, const fm_segment *s, unit *all, int64_t *part) {
    fm_mla_naive_rows(&l->j, s, &all->begin, &all->end);
    *part = all->end <= kept_positions(s) ? l->part : larger(1, all->end - all->begin);
}

static int64_t row_of(const unit *u, int64_t position) {
    return u->segment->row + position - u->segment->position;
}

/* Scaled and rounded; the rotated part begins with a word. */
static void pack_queries(const job *j, const unit *u, const memory *m) {
    const fm_mla_shape *s = &j->p->shape;
    const fm_kernels *k = j->run->kernels;
    int64_t dn = s->nope_dim, dq = dn + s->rope_dim;
    for (int64_t i = 0; i < u->end - u->begin; i++) {
        const float *q = j->q + ((row_of(u, u->begin) + i) * s->n_heads + u->head) * dq;
        uint32_t *to = m->queries + i * query_step(s);
        memcpy(m->query, q, (size_t)dq * sizeof(float));
        k->scale((float)s->scale, dq, m->query);
        k->words_of_row[BF16](m->query, dn, to);
        k->words_of_row[BF16](m->query + dn, s->rope_dim, to + words_of(dn));
    }
}

/* Rows [at, at + rows) of a unit read a block; its m and l wait in `state` until the next. */
static void read_block(const job *j, const unit *u, const memory *m, int64_t at, int64_t rows,
                       int64_t block, const fm_unfolded_head *head) {
    const fm_mla_shape *s = &j->p->shape;
    const fm_kernels *k = j->run->kernels;
    int64_t dv = s->v_dim, ld = s->n_heads * dv, all = u->end - u->begin;
    tile t = {j, m, m->queries + at * query_step(s), u->begin + at, rows, block, 0, *head};
    t.first = smaller(larger(0, block - t.position), rows);
    if (t.first == rows) return;
    score(&t);
    weigh(&t);
    add_values(&t);
    float *out = j->out + (row_of(u, t.position) * s->n_heads + u->head) * dv, *state = m->state + at;
    fm_attention_sums from = {m->small + t.first, m->small + ROWS + t.first, m->sums + t.first * dv, dv};
    fm_attention_sums into = {state + t.first, state + all + t.first, out + t.first * ld, ld};
    fm_attention_merge(k, rows - t.first, dv, block == 0, &from, &into);
    /* Rows whose last position lies in this block are done. */
    int64_t done = smaller(rows, block + FM_ATTENTION_BLOCK - t.position);
    fm_attention_finish(k, larger(0, done - t.first), dv, &into);
}

static void read_unit(const job *j, const unit *u, const memory *m) {
    fm_mla_shape one = one_head(&j->p->shape);
    fm_attention_rows latents = fm_mla_naive_latents(j, u->segment);
    int64_t rows = u->end - u->begin;
    fm_unfold making = {0};
    pack_queries(j, u, m);
    for (int64_t block = 0; block < u->end; block += FM_ATTENTION_BLOCK) {
        fm_unfolded_head head;
        if (block < kept_positions(u->segment)) {
            head = kept_head(j, u->segment, block, u->head);
        } else {
            if (!making.k) making = begin_head(j, u->head, m);
            head = fm_unfolded_head_at(&one, m->block, 0);
            fm_unfold_positions(&making, &latents, block, smaller(FM_ATTENTION_BLOCK, u->end - block), true,
                                &head);
        }
        for (int64_t at = 0; at < rows; at += ROWS)
            read_block(j, u, m, at, smaller(ROWS, rows - at), block, &head);
    }
}

static void read_units(void *context, int64_t begin, int64_t end, int worker) {
    const loop *l = context;
    memory m = memory_of(&l->j, worker);
    for (int64_t i = begin; i < end; i++) {
        unit u = unit_at(l, i);
        read_unit(&l->j, &u, &m);
    }
}

void fm_mla_naive_words(const fm_mla_naive_job *j) {
    loop l = {*j, span_to_make, 0};
    run_loop(&l, (int64_t)1 << 40, FM_ATTENTION_BLOCK, make);
    l.span = span_to_read;
    run_loop(&l, MOST_ROWS, LEAST_ROWS, read_units);
}
