/* attention.c: one tile of queries over one block of positions, and the merging of blocks. */
#include "op/attention_tile.h"

#include <string.h>

enum {
    COLUMNS = 64,                    /* of values that are read at a time, FM_TILE_K rows of them */
    TILE = FM_TILE_KEYS * FM_TILE_K, /* floats of keys or values */
    MERGED = 64,                     /* queries that are merged at a time */
    FEW = 12,    /* queries: so few read float32 values where they lie, a copy would not pay */
    PASS = 6,    /* queries that the kernels take at a time */
    STREAM = 64, /* queries: so few wait for memory, which is asked ahead for them */
};
_Static_assert(TILE >= FM_TILE_K * COLUMNS && (int)TILE <= (int)FM_TILE_FLOATS, "both fit in a tile");

int64_t fm_attention_work(int64_t queries, int64_t d_k) {
    int64_t words = fm_words_count(FM_WORDS_BF16, d_k);
    return FM_TILE_FLOATS + queries * (FM_TILE_SCORES + fm_words_row_step(words)) + words * FM_PANEL;
}

int64_t fm_attention_first_row(const fm_attention *a, int64_t block) { return row_seeing(a, block); }

int64_t fm_attention_blocks(const fm_attention *a) {
    return (a->position + a->rows - 1) / FM_ATTENTION_BLOCK + 1;
}

void fm_attention_begin(const fm_attention *a, int64_t row) {
    if (is_of_pairs(a)) fm_attention_pack_queries(a, row);
}

/* ---- scores --------------------------------------------------------------------------------------- */

/* A panel of the keys of n positions from p on, d of their columns. Where a page ends in the midst of a
 * panel, the rows are put together first. */
static void make_panel(const fm_attention *a, int64_t p, int64_t n, int64_t column, int64_t d,
                       float *panel) {
    fm_kept_form form;
    fm_kept_rows rows;
    int64_t run = fm_attention_rows_at(&a->keys, p, column, n, &form, &rows);
    if (run == n) {
        a->k->rows_to_panel[form](&rows, n, d, panel);
        return;
    }
    float together[FM_PANEL * FM_TILE_K];
    for (int64_t at = 0; at < n; at += run) {
        run = fm_attention_rows_at(&a->keys, p + at, column, n - at, &form, &rows);
        a->k->rows_to_floats[form](&rows, run, d, together + at * d, d);
    }
    rows = (fm_kept_rows){.x = together, .stride = (size_t)d * sizeof(float)};
    a->k->rows_to_panel[FM_KEPT_F32](&rows, n, d, panel);
}

/* Asks memory for part `part` of `parts` of n rows from position p on, d columns of them. */
static void fetch(const fm_attention_rows *r, int64_t p, int64_t n, int64_t column, int64_t d,
                  int64_t part, int64_t parts) {
    static const int64_t size[FM_KEPT_FORMS] = {[FM_KEPT_F32] = 4, [FM_KEPT_BF16] = 2, [FM_KEPT_INT8] = 1};
    fm_kept_form form;
    fm_kept_rows rows;
    int64_t end = n * (part + 1) / parts;
    for (int64_t i = n * part / parts, run; i < end; i += run) {
        run = fm_attention_rows_at(r, p + i, column, end - i, &form, &rows);
        const char *x = rows.x;
        for (int64_t k = 0; k < run; k++, x += rows.stride)
            for (int64_t byte = 0; byte < d * size[form]; byte += 64) __builtin_prefetch(x + byte);
    }
}

/* While few queries pass over a tile: the same columns of the next keys, and their own values where
 * these are other numbers of the cache. */
static void fetch_ahead(const fm_attention *a, int64_t p, int64_t n, int64_t column, int64_t d,
                        int64_t part, int64_t parts) {
    if (!a->keys.kv) return;
    int64_t next = p + FM_TILE_KEYS, left = a->position + a->rows - next;
    if (left > 0) fetch(&a->keys, next, smaller(FM_TILE_KEYS, left), column, d, part, parts);
    if (a->values.offset != a->keys.offset && column < a->d_v)
        fetch(&a->values, p, n, column, smaller(d, a->d_v - column), part, parts);
}

/* Scores of n positions from block + at on, for all rows that see the first of them. */
static void score_keys(const fm_attention *a, int64_t block, int64_t at, int64_t n) {
    int64_t row = row_seeing(a, block + at), first = row * a->heads;
    int64_t queries = a->rows * a->heads - first, pass = queries <= STREAM ? PASS : queries;
    int64_t passes = (queries + pass - 1) / pass;
    int panels = (int)((n + FM_PANEL - 1) / FM_PANEL);
    float *scores = scores_of(a, row) + at;
    const float *q = a->queries + first * a->d_k;
    for (int64_t d0 = 0; d0 < a->d_k; d0 += FM_TILE_K) {
        int64_t d = smaller(FM_TILE_K, a->d_k - d0);
        for (int p = 0; p < panels; p++)
            make_panel(a, block + at + p * FM_PANEL, smaller(FM_PANEL, n - p * FM_PANEL), d0, d,
                       a->work + p * FM_TILE_K * FM_PANEL);
        for (int64_t i = 0, part = 0, height; i < queries; i += height, part++) {
            height = (queries - i + passes - part - 1) / (passes - part); /* nearly equal, as kernels do */
            if (queries <= STREAM) fetch_ahead(a, block + at, n, d0, d, part, passes);
            a->k->tile_fma(panels, d, a->work, height, q + i * a->d_k + d0, a->d_k,
                           scores + i * FM_TILE_SCORES, FM_TILE_SCORES);
        }
    }
}

/* ---- values --------------------------------------------------------------------------------------- */

/* n values [n, columns] of positions from block + at on. */
typedef struct values {
    const float *v;
    int64_t ld, at, n, columns;
} values;

/* Rows [row, row + n): as far as all see them, the first values together, then the rest row by row. */
static void add_rows(const fm_attention *a, int64_t row, int64_t n, int64_t common, int64_t most,
                     const values *v, float *acc, int64_t ld) {
    const float *p = scores_of(a, row) + v->at;
    a->k->weighted_rows(p, n * a->heads, FM_TILE_SCORES, v->v, common, v->ld, v->columns,
                        acc + row * a->heads * ld, ld);
    for (int64_t t = 1; t < n && common < most; t++)
        a->k->weighted_rows(p + t * a->heads * FM_TILE_SCORES + common, a->heads, FM_TILE_SCORES,
                            v->v + common * v->ld, smaller(common + t, most) - common, v->ld, v->columns,
                            acc + (row + t) * a->heads * ld, ld);
}

/* Adds weights times these values to the sums of every row that sees some of them. On the diagonal each
 * row sees one more than the last: there a few rows go together. */
static void add_values(const fm_attention *a, int64_t block, const values *v, float *acc, int64_t ld) {
    int64_t together = a->heads < 24 ? 24 / a->heads : 1;
    int64_t row = row_seeing(a, block + v->at), whole = row_seeing(a, block + v->at + v->n - 1);
    for (int64_t n; row < whole; row += n) {
        n = smaller(together, whole - row);
        add_rows(a, row, n, count_of(a, block, row) - v->at, v->n, v, acc, ld);
    }
    if (row < a->rows) add_rows(a, row, a->rows - row, v->n, v->n, v, acc, ld);
}

/* Values of up to n positions from block + at on, from `column` on: as floats, `columns` of them. */
static values read_values(const fm_attention *a, int64_t block, int64_t at, int64_t n, int64_t column,
                          int64_t columns) {
    values v = {a->work, columns, at, n, columns};
    fm_kept_form form;
    fm_kept_rows rows;
    for (int64_t i = 0, run; i < n; i += run) {
        run = fm_attention_rows_at(&a->values, block + at + i, column, n - i, &form, &rows);
        if (form == FM_KEPT_F32 && a->rows * a->heads <= FEW)
            return (values){rows.x, (int64_t)(rows.stride / sizeof(float)), at, run, columns};
        a->k->rows_to_floats[form](&rows, run, columns, a->work + i * columns, columns);
    }
    return v;
}

void fm_attention_block(const fm_attention *a, int64_t block, const fm_attention_sums *out) {
    if (is_of_pairs(a)) {
        fm_attention_block_of_pairs(a, block, out);
        return;
    }
    int64_t row = fm_attention_first_row(a, block), count = count_of(a, block, a->rows - 1);
    int64_t first = row * a->heads, queries = a->rows * a->heads - first;
    memset(scores_of(a, row), 0, (size_t)(queries * FM_TILE_SCORES) * sizeof(float));
    memset(out->a + first * a->d_v, 0, (size_t)(queries * a->d_v) * sizeof(float));
    for (int64_t at = 0; at < count; at += FM_TILE_KEYS)
        score_keys(a, block, at, smaller(FM_TILE_KEYS, count - at));
    for (int64_t i = first; i < first + queries; i++) {
        float *s = a->work + FM_TILE_FLOATS + i * FM_TILE_SCORES;
        int64_t n = count_of(a, block, i / a->heads);
        out->m[i] = a->k->max(s, n);
        out->l[i] = a->k->exp_sum(s, n, out->m[i]);
    }
    for (int64_t c = 0; c < a->d_v; c += COLUMNS)
        for (int64_t at = 0; at < count;) {
            values v = read_values(a, block, at, smaller(FM_TILE_K, count - at), c,
                                   smaller(COLUMNS, a->d_v - c));
            add_values(a, block, &v, out->a + c, a->d_v);
            at += v.n;
        }
}

/* ---- merging -------------------------------------------------------------------------------------- */

void fm_attention_merge(const fm_kernels *k, int64_t n, int64_t d_v, bool first,
                        const fm_attention_sums *block, const fm_attention_sums *into) {
    float keep[MERGED], take[MERGED];
    for (int64_t at = 0, part; at < n; at += part) {
        part = smaller(MERGED, n - at);
        for (int64_t i = 0; i < part && !first; i++) {
            float old = into->m[at + i], new = block->m[at + i], m = old >= new ? old : new;
            keep[i] = old - m;
            take[i] = new - m;
            into->m[at + i] = m;
        }
        if (!first) k->exp_sum(keep, part, 0), k->exp_sum(take, part, 0);
        for (int64_t i = 0; i < part; i++) {
            const float *from = block->a + (at + i) * block->ld;
            float *to = into->a + (at + i) * into->ld;
            if (first) {
                into->m[at + i] = block->m[at + i];
                into->l[at + i] = block->l[at + i];
                memcpy(to, from, (size_t)d_v * sizeof(float));
                continue;
            }
            if (keep[i] != 1) k->scale(keep[i], d_v, to);
            k->axpy(take[i], from, d_v, to);
            into->l[at + i] = into->l[at + i] * keep[i] + block->l[at + i] * take[i];
        }
    }
}

void fm_attention_finish(const fm_kernels *k, int64_t n, int64_t d_v, const fm_attention_sums *s) {
    for (int64_t i = 0; i < n; i++) k->scale(1.0f / s->l[i], d_v, s->a + i * s->ld);
}
