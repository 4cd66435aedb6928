/* attention_pairs.c: one tile of queries over one block of positions whose keys and values are BF16.
 *
 * Weights are put where their scores were. Rows of a tile see different numbers of positions: the weights
 * of what a row does not see are zeros, and products with these change nothing, as long as the values are
 * finite. Where they are not, each row is computed by itself. */
#include "op/attention_tile.h"

#include <string.h>

enum {
    COLUMNS = FM_TILE_PANELS * FM_PANEL,            /* of values that are turned at a time */
    WORDS = FM_ATTENTION_BLOCK / 2,                 /* of a query's weights */
    STEP = FM_PANEL * (WORDS + 1),                  /* from panel to panel of values; the last word is zero */
    AHEAD = 3 * FM_PANEL,                           /* keys between those that are read and asked for */
    FEW_ROWS = 2 * FM_PANEL,                        /* of values that few queries read at a time */
    LANES = FM_PANEL,                               /* queries that may be the lanes of one panel */
};
_Static_assert(FM_TILE_PANELS * STEP <= FM_TILE_FLOATS, "values and their zeros fit");

static uint32_t *as_words(float *x) { return (uint32_t *)(void *)x; }
static int64_t words_of(int64_t n) { return fm_words_count(FM_WORDS_BF16, n); }

/* ---- queries -------------------------------------------------------------------------------------- */

static uint32_t *query_words(const fm_attention *a) { return as_words(scores_of(a, a->rows)); }
static uint32_t *query_panel(const fm_attention *a) {
    return query_words(a) + a->rows * a->heads * fm_words_row_step(words_of(a->d_k));
}

/* Whether queries are lanes, and rows of the cache are read as they lie: bits are the same. More queries pay
 * for turning the keys, fewer would leave most lanes idle. */
static bool queries_are_lanes(const fm_attention *a) {
    int64_t n = a->rows * a->heads;
    return a->k->pair_scores && n <= LANES && n > LANES / 2 && a->d_k % 2 == 0;
}

/* So few queries that keys and values are turned and paired in registers. Two rows of values fit in a tile. */
static bool are_few(const fm_attention *a) {
    return a->k->few_scores && a->rows * a->heads <= FM_FEW_QUERIES && a->d_k % 16 == 0 && a->d_v % 64 == 0 &&
           a->d_v <= FM_TILE_FLOATS;
}

void fm_attention_pack_queries(const fm_attention *a, int64_t row) {
    int64_t step = fm_words_row_step(words_of(a->d_k));
    for (int64_t i = row * a->heads; i < a->rows * a->heads; i++)
        a->k->words_of_row[FM_WORDS_BF16](a->queries + i * a->d_k, a->d_k, query_words(a) + i * step);
    if (queries_are_lanes(a))
        a->k->words_of_rows[FM_WORDS_BF16](a->queries, a->d_k, a->rows * a->heads, a->d_k, query_panel(a));
}

/* ---- scores --------------------------------------------------------------------------------------- */

/* Rows of the block that comes next, `n` of them from its row `at` on in one piece; NULL where there are none. */
static const void *of_next_block(const fm_attention *a, const fm_attention_rows *rows, int64_t offset, int64_t at,
                                 int64_t column, int64_t n) {
    fm_attention_rows r = *rows;
    fm_kept_form form;
    fm_kept_rows next;
    int64_t position = a->next.block + at;
    if (a->next.block == 0 || position + n > a->position + a->rows) return NULL;
    r.offset = offset;
    return fm_attention_rows_at(&r, position, column, n, &form, &next) == n ? next.x : NULL;
}

/* What is read some time after panel p of the block's keys: keys AHEAD rows on, here or in the next block. */
static const void *after_panel(const fm_attention *a, int64_t block, int64_t count, int64_t p, int64_t column) {
    int64_t at = p + AHEAD;
    fm_kept_form form;
    fm_kept_rows rows;
    if (!a->keys.kv) return NULL;
    if (at >= count) {
        at -= (count + FM_PANEL - 1) / FM_PANEL * FM_PANEL;
        return at < 0 ? NULL : of_next_block(a, &a->keys, a->next.key_offset, at, column, FM_PANEL);
    }
    if (at + FM_PANEL > count) return NULL;
    return fm_attention_rows_at(&a->keys, block + at, column, FM_PANEL, &form, &rows) == FM_PANEL ? rows.x : NULL;
}

/* A panel of the keys of n positions from p on, d of their columns. Where a page ends in the midst of a
 * panel, the rows are put together first. */
static void make_panel(const fm_attention *a, int64_t p, int64_t n, int64_t column, int64_t d,
                       uint32_t *panel, const void *next) {
    uint16_t together[FM_PANEL * 2 * FM_TILE_K];
    fm_kept_form form;
    fm_kept_rows rows;
    int64_t run = fm_attention_rows_at(&a->keys, p, column, n, &form, &rows);
    if (run < n) {
        for (int64_t i = 0; i < n; i++) {
            fm_attention_rows_at(&a->keys, p + i, column, 1, &form, &rows);
            memcpy(together + i * d, rows.x, (size_t)d * sizeof *together);
        }
        rows = (fm_kept_rows){.x = together, .stride = (size_t)d * sizeof *together};
    }
    a->k->pairs_of_rows(&rows, n, d, panel, next);
}

/* Scores of n positions from block + at on, for the rows from `row` on. */
static void score_panels(const fm_attention *a, int64_t row, int64_t block, int64_t at, int64_t n,
                         int64_t count) {
    int64_t words = words_of(a->d_k), step = fm_words_row_step(words);
    fm_words_block b = {.x_row = step, .x_word = 1, .rows = (a->rows - row) * a->heads,
                        .w = as_words(a->work), .n_panels = (int)((n + FM_PANEL - 1) / FM_PANEL),
                        .y = scores_of(a, row) + at, .ldy = FM_TILE_SCORES};
    b.columns = b.n_panels * FM_PANEL;
    for (int64_t k = 0; k < words; k += b.n) {
        b.n = smaller(FM_TILE_K, words - k);
        b.w_panel = fm_words_panel_step(b.n);
        b.x = query_words(a) + row * a->heads * step + k;
        b.adds = k > 0;
        for (int p = 0; p < b.n_panels; p++)
            make_panel(a, block + at + p * FM_PANEL, smaller(FM_PANEL, n - p * FM_PANEL), 2 * k,
                       smaller(2 * b.n, a->d_k - 2 * k), as_words(a->work) + p * b.w_panel,
                       after_panel(a, block, count, at + p * FM_PANEL, 2 * k));
        a->k->words_product[FM_WORDS_BF16](&b);
    }
}

/* The same of 16 positions from block + at on as they lie in the cache; false where they do not lie together. */
static bool score_rows(const fm_attention *a, int64_t block, int64_t count, int64_t at, bool few) {
    fm_kept_form form;
    fm_kept_rows rows, next;
    if (fm_attention_rows_at(&a->keys, block + at, 0, FM_PANEL, &form, &rows) < FM_PANEL) return false;
    if (few) {
        int64_t words = words_of(a->d_k), step = fm_words_row_step(words);
        a->k->few_scores(&rows, words, query_words(a), step, a->rows * a->heads, scores_of(a, 0) + at, FM_TILE_SCORES,
                         after_panel(a, block, count, at, 0));
        return true;
    }
    int64_t p = block + at + FM_PANEL;
    bool more = p + FM_PANEL <= a->position + a->rows &&
                fm_attention_rows_at(&a->keys, p, 0, FM_PANEL, &form, &next) == FM_PANEL;
    a->k->pair_scores(&rows, words_of(a->d_k), query_panel(a), a->rows * a->heads, scores_of(a, 0) + at,
                      FM_TILE_SCORES, more ? next.x : NULL);
    return true;
}

static void make_scores(const fm_attention *a, int64_t block, int64_t count) {
    bool few = are_few(a);
    if (!few && !queries_are_lanes(a)) {
        for (int64_t at = 0; at < count; at += FM_TILE_KEYS)
            score_panels(a, row_seeing(a, block + at), block, at, smaller(FM_TILE_KEYS, count - at), count);
        return;
    }
    for (int64_t at = 0; at < count; at += FM_PANEL)
        if (count - at < FM_PANEL || !score_rows(a, block, count, at, few))
            score_panels(a, 0, block, at, smaller(FM_PANEL, count - at), count);
}

/* ---- weights -------------------------------------------------------------------------------------- */

/* Of every query of rows from `row` on, with zeros up to the end of what the last row sees. */
static void make_weights(const fm_attention *a, int64_t row, int64_t block, int64_t count,
                         const fm_attention_sums *out) {
    for (int64_t i = row * a->heads; i < a->rows * a->heads; i++) {
        float *s = a->work + FM_TILE_FLOATS + i * FM_TILE_SCORES;
        int64_t n = count_of(a, block, i / a->heads);
        out->m[i] = a->k->max(s, n);
        out->l[i] = a->k->exp_pairs(s, n, out->m[i], as_words(s));
        memset(s + words_of(n), 0, (size_t)(words_of(count) + 1 - words_of(n)) * sizeof *s);
    }
}

/* ---- values --------------------------------------------------------------------------------------- */

/* What is read after `run` rows of the values that end at row `at` of the block: the next ones, those of the next
 * block, or, where keys are values and lie in a near cache by now, the first ones' next columns. */
static const void *after_values(const fm_attention *a, int64_t block, int64_t count, int64_t at, int64_t run,
                                int64_t column) {
    fm_kept_form form;
    fm_kept_rows rows;
    if (!a->values.kv) return NULL;
    if (at + run > count && a->values.offset != a->keys.offset)
        return of_next_block(a, &a->values, a->next.value_offset, 0, column, run);
    if (at + run > count) at = 0, column += COLUMNS;
    if (column >= a->d_v || run > count) return NULL;
    return fm_attention_rows_at(&a->values, block + at, column, run, &form, &rows) == run ? rows.x : NULL;
}

/* A stretch of up to `most` values from row `at` of the block on, whole pairs unless they are the last, `columns`
 * of them. Where a page ends in the midst of a pair, its rows are put together in `pair`. */
static int64_t value_rows(const fm_attention *a, int64_t block, int64_t count, int64_t at, int64_t most,
                          int64_t column, int64_t columns, uint16_t *pair, fm_kept_rows *rows) {
    fm_kept_form form;
    fm_kept_rows second;
    int64_t run = fm_attention_rows_at(&a->values, block + at, column, smaller(most, count - at), &form, rows);
    if (at + run == count) return run;
    if (run > 1) return run / 2 * 2;
    fm_attention_rows_at(&a->values, block + at + 1, column, 1, &form, &second);
    memcpy(pair, rows->x, (size_t)columns * sizeof *pair);
    memcpy(pair + columns, second.x, (size_t)columns * sizeof *pair);
    *rows = (fm_kept_rows){.x = pair, .stride = (size_t)columns * sizeof *pair};
    return 2;
}

/* Panels of columns [column, column + n) of the values of `count` positions; a word of zeros ends them. */
static void turn_values(const fm_attention *a, int64_t block, int64_t count, int64_t column, int64_t n) {
    uint32_t *panels = as_words(a->work);
    for (int64_t at = 0, run; at < count; at += run) {
        uint16_t pair[2 * COLUMNS];
        fm_kept_rows rows;
        run = value_rows(a, block, count, at, count, column, n, pair, &rows);
        a->k->pairs_of_columns(&rows, run, n, panels + at / 2 * FM_PANEL, STEP,
                               after_values(a, block, count, at + run, run, column));
    }
    for (int64_t c = 0; c < n; c += FM_PANEL)
        memset(panels + c / FM_PANEL * STEP + words_of(count) * FM_PANEL, 0, FM_PANEL * sizeof *panels);
}

/* The weighted sums of `count` positions for the few queries of rows [row, end). */
static void add_few(const fm_attention *a, int64_t row, int64_t end, int64_t block, int64_t count,
                    const fm_attention_sums *out) {
    const uint32_t *weights = as_words(scores_of(a, row));
    uint16_t *pair = (uint16_t *)(void *)a->work;
    for (int64_t at = 0, run; at < count; at += run) {
        fm_kept_rows rows;
        run = value_rows(a, block, count, at, FEW_ROWS, 0, a->d_v, pair, &rows);
        a->k->few_sums(&rows, run, a->d_v, weights + at / 2, FM_TILE_SCORES, (end - row) * a->heads,
                       out->a + row * a->heads * a->d_v, a->d_v, at > 0, at + run == count,
                       after_values(a, block, count, at + run, run, 0));
    }
}

/* The weighted sums of `count` positions for rows [row, end). */
static void add_values(const fm_attention *a, int64_t row, int64_t end, int64_t block, int64_t count,
                       const fm_attention_sums *out) {
    if (are_few(a)) {
        add_few(a, row, end, block, count, out);
        return;
    }
    fm_words_block b = {.n = words_of(count) + 1, .x = as_words(scores_of(a, row)), .x_row = FM_TILE_SCORES,
                        .x_word = 1, .rows = (end - row) * a->heads, .w = as_words(a->work), .w_panel = STEP,
                        .ldy = a->d_v};
    for (int64_t c = 0; c < a->d_v; c += COLUMNS) {
        b.columns = smaller(COLUMNS, a->d_v - c);
        b.n_panels = (int)((b.columns + FM_PANEL - 1) / FM_PANEL);
        b.y = out->a + row * a->heads * a->d_v + c;
        turn_values(a, block, count, c, b.columns);
        a->k->words_product[FM_WORDS_BF16](&b);
    }
}

static bool are_finite(const uint16_t *x, int64_t n) {
    int infinite = 0;
    for (int64_t i = 0; i < n; i++) infinite |= (x[i] & 0x7f80) == 0x7f80;
    return !infinite;
}

/* Whether products with zeros are zeros: of values that only some of the rows see. */
static bool zeros_are_harmless(const fm_attention *a, int64_t block, int64_t from, int64_t count) {
    for (int64_t at = from; at < count; at++) {
        fm_kept_form form;
        fm_kept_rows rows;
        fm_attention_rows_at(&a->values, block + at, 0, 1, &form, &rows);
        if (!are_finite(rows.x, a->d_v)) return false;
    }
    return true;
}

void fm_attention_block_of_pairs(const fm_attention *a, int64_t block, const fm_attention_sums *out) {
    int64_t row = row_seeing(a, block), count = count_of(a, block, a->rows - 1);
    make_scores(a, block, count);
    make_weights(a, row, block, count, out);
    if (zeros_are_harmless(a, block, count_of(a, block, row), count)) {
        add_values(a, row, a->rows, block, count, out);
        return;
    }
    for (; row < a->rows; row++) add_values(a, row, row + 1, block, count_of(a, block, row), out);
}
