/* attention_backward.c: five products of matrices for every tile of queries and block of keys.
 *
 *     S = q k^T   dP = dO v^T   dq += dS k   dk += dS^T q   dv += P^T dO
 *
 * A block of keys and values is packed once for all the queries that see it, and stays in L2 together with
 * a tile's scores. P is left without its divisor: dO is divided by l instead, and D with it, which is
 * d_v divisions for each query and not one for each score.
 *
 * S is the product that it is in the forward pass, whose m and l it must fit: of BF16 (kernel/words.h) where
 * the cache is, of floats elsewhere. The other four may be products of BF16, where the plan says so; the
 * cache should then be BF16 too, so that dP is of the values that made o. Queries and weights that the
 * forward pass rounded to BF16 have the gradients of the numbers that were rounded (straight through).
 *
 * The unit of work is a segment and a group of heads, which makes each score once. Where these units are
 * too few or too unequal for the threads, scores are made twice: stretches of rows sum up their dq, then
 * blocks of keys their dk and dv: 7 products instead of 5, but any number of threads. The bits are the same. */
#include "op/attention_backward.h"

#include "kernel/words.h"

#include <string.h>

enum {
    QUERIES = 96,            /* of a tile, or the heads of a group if these are more */
    ROWS = 32,               /* of a tile at most: on the diagonal half of them is for nothing */
    STRETCH = 4,             /* tiles that are a unit of work when only dq is summed */
    BLOCK_BYTES = 512 << 10, /* what a block's keys and values may take of a core's L2 */
};

typedef struct job {
    const fm_run *run;
    const fm_attention_step *s;
    const fm_attention_gradients *g;
    fm_word_form scores, form; /* of S, and of the other products */
    int64_t block, rows; /* keys of a block, rows of a tile */
    bool queries, keys;  /* whose gradients are being summed */
} job;

/* A unit of work: rows [row, end) of a segment, counted from its first; keys from position [from, to). */
typedef struct unit {
    const fm_segment *segment;
    int64_t group, row, end, from, to;
} unit;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts(int64_t n, int64_t part) { return (n + part - 1) / part; }
static int64_t panels(int64_t n) { return parts(n, FM_PANEL); }

static const uint32_t *words_of(const float *x) { return (const uint32_t *)(const void *)x; }
static uint32_t *as_words(float *x) { return (uint32_t *)(void *)x; }

/* ---- memory --------------------------------------------------------------------------------------- */

static int64_t block_of(const fm_attention_step *s) {
    int64_t one = (3 * s->d_k + 2 * s->d_v) * (int64_t)sizeof(float);
    int64_t fit = BLOCK_BYTES / one / FM_PANEL * FM_PANEL;
    return larger(FM_PANEL, smaller(fit, FM_ATTENTION_BLOCK));
}
static int64_t rows_of(const fm_attention_step *s) {
    return larger(1, smaller(QUERIES / s->heads, ROWS));
}
/* From one query's scores to the next: no power of two. */
static int64_t scores_ld(int64_t block) { return block + FM_PANEL; }

/* From one row of BF16 to the next. */
static int64_t words_ld(int64_t n) { return fm_words_row_step(fm_words_count(FM_WORDS_BF16, n)); }
/* Words from panel to panel, for panels of so many numbers at most. */
static int64_t step_of(int64_t n) { return fm_words_panel_step(n); }

/* A worker's scratch. Panels end in `rows` where their lanes are positions or queries, in `columns` where
 * these are columns of the model. */
typedef struct memory {
    /* a block */
    float *keys, *values, *key_rows, *value_rows, *key_columns;
    /* a tile: scaled queries, dO / l */
    float *q, *q_words, *d_out, *d_out_words, *q_columns, *d_out_columns, *m, *dot;
    /* both: P; dP and then dS; dS in words, both in panels; a block's part of dq */
    float *p, *ds, *ds_words, *turned, *dq;
} memory;

static int64_t map(const fm_attention_step *s, float *base, memory *m) {
    int64_t n = block_of(s), queries = rows_of(s) * s->heads, at = 0;
    float **all[] = {&m->keys, &m->values, &m->key_rows, &m->value_rows, &m->key_columns,
                     &m->q, &m->q_words, &m->d_out, &m->d_out_words, &m->q_columns, &m->d_out_columns,
                     &m->m, &m->dot, &m->p, &m->ds, &m->ds_words, &m->turned, &m->dq};
    int64_t sizes[] = {n * s->d_k, n * s->d_v, panels(n) * step_of(s->d_k), panels(n) * step_of(s->d_v),
                       panels(s->d_k) * step_of(n), queries * s->d_k, queries * words_ld(s->d_k), queries * s->d_v,
                       queries * words_ld(s->d_v), panels(s->d_k) * step_of(queries),
                       panels(s->d_v) * step_of(queries), queries, queries, queries * scores_ld(n),
                       queries * scores_ld(n), queries * words_ld(n), panels(n) * step_of(queries),
                       queries * s->d_k};
    for (size_t i = 0; i < FM_COUNT(sizes); i++) {
        if (base) *all[i] = base + at;
        at += (sizes[i] + 15) / 16 * 16;
    }
    return at;
}

size_t fm_attention_backward_scratch(const fm_attention_step *s) {
    memory m;
    return (size_t)map(s, NULL, &m) * sizeof(float);
}

/* ---- a block of keys and values ---------------------------------------------------------------------- */

/* The block that is packed: positions [at, at + n). */
typedef struct block {
    int64_t at, n;
} block;

/* Values are the first columns of keys: MLA's latents. */
static bool shares(const fm_attention_step *s) {
    return s->value_offset == 0 && s->value_step == s->key_step && s->d_v <= s->d_k;
}

static void read_rows(const job *j, const unit *u, int64_t offset, const block *b, int64_t d, float *out) {
    fm_attention_rows cached = {.kv = j->run->step->kv, .pages = u->segment->pages,
                                .layer = j->s->layer, .offset = offset};
    for (int64_t i = 0, n; i < b->n; i += n) {
        fm_kept_form form;
        fm_kept_rows rows;
        n = fm_attention_rows_at(&cached, b->at + i, 0, b->n - i, &form, &rows);
        j->run->kernels->rows_to_floats[form](&rows, n, d, out + i * d, d);
    }
}

/* Panels of the rows of x [n, d]. */
static void pack_rows(const fm_kernels *k, fm_word_form form, const float *x, int64_t n, int64_t d,
                      float *out) {
    for (int64_t i = 0; i < n; i += FM_PANEL)
        k->words_of_rows[form](x + i * d, d, smaller(FM_PANEL, n - i), d,
                               as_words(out + i / FM_PANEL * step_of(d)));
}

/* Panels of the columns of x [n, d], room being for `most` rows. */
static void pack_columns(const fm_kernels *k, fm_word_form form, const float *x, int64_t ld, int64_t n,
                         int64_t d, int64_t most, float *out) {
    k->words_of_columns[form](x, ld, NULL, n, d, as_words(out), step_of(most));
}

/* Rows of x as words: they themselves, or packed. */
static fm_words pack_words(const fm_kernels *k, fm_word_form form, const float *x, int64_t ld, int64_t rows,
                           int64_t n, int64_t most, float *out) {
    if (form == FM_WORDS_F32) return (fm_words){words_of(x), ld, false};
    for (int64_t i = 0; i < rows; i++) k->words_of_row[form](x + i * ld, n, as_words(out + i * words_ld(most)));
    return (fm_words){words_of(out), words_ld(most), false};
}

/* The values' panels are the first words of the keys'. */
static bool share_panels(const job *j) {
    bool whole = j->form == FM_WORDS_F32 || j->s->d_v % 2 == 0;
    return j->form == j->scores && shares(j->s) && whole;
}

static void pack_block(const job *j, const unit *u, const block *b, const memory *m) {
    const fm_attention_step *s = j->s;
    const fm_kernels *k = j->run->kernels;
    read_rows(j, u, u->group * s->key_step, b, s->d_k, m->keys);
    pack_rows(k, j->scores, m->keys, b->n, s->d_k, m->key_rows);
    if (j->queries) pack_columns(k, j->form, m->keys, s->d_k, b->n, s->d_k, j->block, m->key_columns);
    if (share_panels(j)) return;
    read_rows(j, u, s->value_offset + u->group * s->value_step, b, s->d_v, m->values);
    pack_rows(k, j->form, m->values, b->n, s->d_v, m->value_rows);
}

/* ---- a tile of queries ------------------------------------------------------------------------------- */

/* Rows [row, row + rows) of a segment; query i is that of head i % heads of row i / heads. */
typedef struct tile {
    int64_t row, rows, queries;
    int64_t position; /* of its first row */
} tile;

/* Rounds x to BF16. D must be of the very dO that dP is of: their difference is what counts. */
static void round_floats(const fm_kernels *k, float *x, int64_t n, float *scratch) {
    uint16_t *halves = (uint16_t *)(void *)scratch;
    fm_kept_rows row = {.x = halves, .stride = (size_t)n * sizeof *halves};
    k->bf16_from_float(x, n, halves);
    k->rows_to_floats[FM_KEPT_BF16](&row, 1, n, x, n);
}

static void gather_query(const job *j, const unit *u, int64_t t, int64_t h, const memory *m, int64_t i) {
    const fm_attention_step *s = j->s;
    const fm_kernels *k = j->run->kernels;
    int64_t head = u->group * s->heads + h, at = t * s->groups * s->heads + head;
    float *q = m->q + i * s->d_k, *d_out = m->d_out + i * s->d_v;
    for (int part = 0; part < 2; q += s->parts[part++].n) {
        const fm_query_part *from = &s->parts[part];
        if (from->n > 0) memcpy(q, from->x + t * from->row + head * from->head, (size_t)from->n * sizeof(float));
    }
    memcpy(d_out, j->g->d_out + at * s->d_v, (size_t)s->d_v * sizeof(float));
    k->scale(1.0f / s->sums[2 * at + 1], s->d_v, d_out);
    m->m[i] = s->sums[2 * at];
}

static void gather(const job *j, const unit *u, const tile *t, const memory *m) {
    const fm_attention_step *s = j->s;
    const fm_kernels *k = j->run->kernels;
    int64_t row = u->segment->row + t->row, heads = s->groups * s->heads;
    for (int64_t i = 0; i < t->queries; i++) gather_query(j, u, row + i / s->heads, i % s->heads, m, i);
    k->scale((float)s->scale, t->queries * s->d_k, m->q);
    if (j->scores == FM_WORDS_BF16) round_floats(k, m->q, t->queries * s->d_k, m->q_words);
    if (j->form == FM_WORDS_BF16) round_floats(k, m->d_out, t->queries * s->d_v, m->d_out_words);
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t at = (row + i / s->heads) * heads + u->group * s->heads + i % s->heads;
        m->dot[i] = k->dot(m->d_out + i * s->d_v, s->out + at * s->d_v, s->d_v);
    }
    if (!j->keys) return;
    int64_t most = j->rows * s->heads;
    pack_columns(k, j->form, m->q, s->d_k, t->queries, s->d_k, most, m->q_columns);
    pack_columns(k, j->form, m->d_out, s->d_v, t->queries, s->d_v, most, m->d_out_columns);
}

/* y [rows, n_out] = x w^T over n numbers. */
static void multiply(const fm_kernels *k, fm_word_form form, fm_words x, int64_t rows, fm_words w, int64_t n,
                     int64_t n_out, float *y, int64_t ldy) {
    fm_words_product p = {form, x, w, fm_words_count(form, n), n_out, y, ldy, false};
    fm_words_multiply(k, &p, 0, rows, 0, panels(n_out));
}

/* P without its divisor and dS of a tile's queries, for the first n keys of the block. */
static void make_scores(const job *j, const tile *t, const block *b, int64_t n, const memory *m) {
    const fm_attention_step *s = j->s;
    const fm_kernels *k = j->run->kernels;
    int64_t ld = scores_ld(j->block);
    fm_words q = pack_words(k, j->scores, m->q, s->d_k, t->queries, s->d_k, s->d_k, m->q_words);
    fm_words keys = {words_of(m->key_rows), step_of(s->d_k), true};
    fm_words values = share_panels(j) ? keys : (fm_words){words_of(m->value_rows), step_of(s->d_v), true};
    fm_words d_out = pack_words(k, j->form, m->d_out, s->d_v, t->queries, s->d_v, s->d_v, m->d_out_words);
    multiply(k, j->scores, q, t->queries, keys, s->d_k, n, m->p, ld);
    multiply(k, j->form, d_out, t->queries, values, s->d_v, n, m->ds, ld);
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t sees = larger(0, smaller(n, t->position + i / s->heads + 1 - b->at));
        float *p = m->p + i * ld, *ds = m->ds + i * ld;
        k->exp_sum(p, sees, m->m[i]);
        k->softmax_backward(p, m->dot[i], sees, ds);
        memset(p + sees, 0, (size_t)(n - sees) * sizeof(float));
        memset(ds + sees, 0, (size_t)(n - sees) * sizeof(float));
    }
}

/* Adds scale dS k to the queries' gradients. */
static void add_queries(const job *j, const unit *u, const tile *t, int64_t n, const memory *m) {
    const fm_attention_step *s = j->s;
    const fm_kernels *k = j->run->kernels;
    int64_t ld = scores_ld(j->block);
    fm_words ds = pack_words(k, j->form, m->ds, ld, t->queries, n, j->block, m->ds_words);
    fm_words keys = {words_of(m->key_columns), step_of(j->block), true};
    multiply(k, j->form, ds, t->queries, keys, n, s->d_k, m->dq, s->d_k);
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t row = u->segment->row + t->row + i / s->heads, head = u->group * s->heads + i % s->heads;
        const float *dq = m->dq + i * s->d_k;
        for (int part = 0; part < 2; dq += s->parts[part++].n) {
            const fm_query_part *to = &s->parts[part];
            if (to->n > 0 && j->g->d_parts[part])
                k->axpy((float)s->scale, dq, to->n, j->g->d_parts[part] + row * to->row + head * to->head);
        }
    }
}

/* Adds the weights' sums of the tile's numbers to the gradients of the block's rows: weights [queries, n],
 * numbers [queries, d] as columns. Keys that are not the step's own have no gradient. */
static void add_rows(const job *j, const unit *u, const tile *t, const block *b, int64_t n,
                     const float *weights, float *turned, const float *columns, int64_t d, float *gradient,
                     int64_t ld) {
    const fm_kernels *k = j->run->kernels;
    int64_t most = j->rows * j->s->heads, own = larger(0, u->segment->position - b->at);
    if (own >= n) return;
    pack_columns(k, j->form, weights, scores_ld(j->block), t->queries, n, most, turned);
    fm_words x = {words_of(turned), step_of(most), true}, w = {words_of(columns), step_of(most), true};
    fm_words_product p = {j->form, x, w, fm_words_count(j->form, t->queries), d, NULL, ld, true};
    p.y = gradient + (u->segment->row + b->at - u->segment->position) * ld;
    fm_words_multiply(k, &p, own, n, 0, panels(d));
}

static void add_keys(const job *j, const unit *u, const tile *t, const block *b, int64_t n, const memory *m) {
    const fm_attention_step *s = j->s;
    const fm_attention_gradients *g = j->g;
    if (g->d_values)
        add_rows(j, u, t, b, n, m->p, m->turned, m->d_out_columns, s->d_v,
                 g->d_values + u->group * s->value_step, g->ld_values);
    if (g->d_keys)
        add_rows(j, u, t, b, n, m->ds, m->turned, m->q_columns, s->d_k, g->d_keys + u->group * s->key_step,
                 g->ld_keys);
}

/* ---- units of work ----------------------------------------------------------------------------------- */

static void run_unit(const job *j, const unit *u, const memory *m) {
    for (block b = {.at = u->from}; b.at < u->to; b.at += j->block) {
        b.n = smaller(j->block, u->to - b.at);
        pack_block(j, u, &b, m);
        for (tile t = {.row = u->row}; t.row < u->end; t.row += j->rows) {
            t.rows = smaller(j->rows, u->end - t.row);
            t.queries = t.rows * j->s->heads;
            t.position = u->segment->position + t.row;
            int64_t n = smaller(b.n, t.position + t.rows - b.at);
            if (n <= 0) continue;
            gather(j, u, &t, m);
            make_scores(j, &t, &b, n, m);
            if (j->queries) add_queries(j, u, &t, n, m);
            if (j->keys) add_keys(j, u, &t, &b, n, m);
        }
    }
}

static unit whole(const job *j, int64_t segment, int64_t group) {
    const fm_segment *s = &j->run->step->segments[segment];
    return (unit){s, group, 0, s->count, 0, s->position + s->count};
}

/* What a segment is cut into: stretches of rows, blocks of keys, or nothing. */
static int64_t pieces_of(const job *j, const fm_segment *s) {
    if (j->queries && j->keys) return 1;
    return j->queries ? parts(s->count, STRETCH * j->rows) : parts(s->position + s->count, j->block);
}

static unit unit_at(const job *j, int64_t i) {
    int64_t segment = 0, group = i % j->s->groups, piece = i / j->s->groups;
    for (int64_t n; piece >= (n = pieces_of(j, &j->run->step->segments[segment])); segment++) piece -= n;
    unit u = whole(j, segment, group);
    if (j->queries && j->keys) return u;
    if (j->queries) {
        u.row = piece * STRETCH * j->rows;
        u.end = smaller(u.end, u.row + STRETCH * j->rows);
        u.to = u.segment->position + u.end;
    } else {
        u.from = piece * j->block;
        u.to = smaller(u.to, u.from + j->block);
    }
    return u;
}

static void run_units(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    memory m;
    map(j->s, fm_plan_scratch(j->run->plan, worker), &m);
    for (int64_t i = begin; i < end; i++) {
        unit u = unit_at(j, i);
        run_unit(j, &u, &m);
    }
}

static void run_all(job *j, bool queries, bool keys) {
    j->queries = queries;
    j->keys = keys;
    int64_t n = 0;
    for (int i = 0; i < j->run->step->n_segments; i++) n += pieces_of(j, &j->run->step->segments[i]);
    fm_pool_for(j->run->pool, n * j->s->groups, 1, run_units, j);
}

/* Whether whole segments keep all threads busy: none is more than a thread's share of all scores. */
static bool enough_segments(const job *j) {
    const fm_step *step = j->run->step;
    double most = 0, all = 0;
    for (int i = 0; i < step->n_segments; i++) {
        const fm_segment *s = &step->segments[i];
        double scores = (double)s->count * ((double)s->position + (double)(s->count + 1) / 2);
        all += scores * (double)j->s->groups;
        if (scores > most) most = scores;
    }
    return most * fm_pool_threads(j->run->pool) <= all;
}

void fm_attention_run_backward(const fm_run *run, const fm_attention_step *s,
                               const fm_attention_gradients *g) {
    bool bf16 = fm_plan_options_of(run->plan)->activations == FM_ACTIVATIONS_BF16;
    bool pairs = run->step->kv->type == FM_KV_BF16;
    job j = {.run = run, .s = s, .g = g, .scores = pairs ? FM_WORDS_BF16 : FM_WORDS_F32,
             .form = bf16 ? FM_WORDS_BF16 : FM_WORDS_F32, .block = block_of(s), .rows = rows_of(s)};
    bool queries = g->d_parts[0] || g->d_parts[1], keys = g->d_keys || g->d_values;
    if (queries && keys && enough_segments(&j)) {
        run_all(&j, true, true);
        return;
    }
    if (queries) run_all(&j, true, false);
    if (keys) run_all(&j, false, true);
}
