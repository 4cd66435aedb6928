/* test_words.c: the products of learning: near to the truth, the same for any split, and exactly what
 * their definition says at the edges. */
#include "kernel_support.h"

#include "kernel/matmul.h"
#include "kernel/words.h"
#include "pack/pack.h"

static const fm_word_form forms[] = {FM_WORDS_F32, FM_WORDS_BF16};

static int64_t panels_of(int64_t rows) { return (rows + FM_PANEL - 1) / FM_PANEL; }

static uint32_t *new_words(int64_t n) {
    uint32_t *words = malloc((size_t)(n + 1) * sizeof *words);
    assert_non_null(words);
    memset(words, 0x55, (size_t)n * sizeof *words);
    return words;
}

static float *random_floats(dice *d, int64_t n) {
    float *x = malloc((size_t)(n + 1) * sizeof *x);
    assert_non_null(x);
    roll_floats(d, x, n);
    return x;
}

/* Both packed forms of a matrix [rows][n], and the panels of its transpose. */
typedef struct packed {
    fm_words rows, panels, turned;
    uint32_t *memory[3];
} packed;

static packed pack(const fm_kernels *k, fm_word_form form, const float *x, int64_t rows, int64_t n) {
    int64_t words = fm_words_count(form, n), turned = fm_words_count(form, rows) * FM_PANEL;
    packed p = {.memory = {new_words(rows * words), new_words(panels_of(rows) * words * FM_PANEL),
                           new_words(panels_of(n) * turned)}};
    for (int64_t m = 0; m < rows; m++) k->words_of_row[form](x + m * n, n, p.memory[0] + m * words);
    for (int64_t m = 0; m < rows; m += FM_PANEL)
        k->words_of_rows[form](x + m * n, n, rows - m < FM_PANEL ? rows - m : FM_PANEL, n,
                               p.memory[1] + m * words);
    k->words_of_columns[form](x, n, NULL, rows, n, p.memory[2], turned);
    p.rows = (fm_words){p.memory[0], words, false};
    p.panels = (fm_words){p.memory[1], words * FM_PANEL, true};
    p.turned = (fm_words){p.memory[2], turned, true};
    return p;
}

static void free_packed(packed *p) {
    for (int i = 0; i < 3; i++) free(p->memory[i]);
}

static float rounded(fm_word_form form, float x) {
    return form == FM_WORDS_BF16 ? fm_bf16_to_float(fm_bf16_from_float(x)) : x;
}

/* y = a b^T of the numbers as they are packed: a [rows][n] or, turned, [n][rows]; so too b. Every sum of n
 * products is within n roundings of half a unit of the sum of their magnitudes. */
static void assert_near(fm_word_form form, const float *y, const float *a, bool a_turned,
                        const float *b, bool b_turned, int64_t rows, int64_t columns, int64_t n) {
    for (int64_t m = 0; m < rows; m++)
        for (int64_t c = 0; c < columns; c++) {
            double sum = 0, size = 0;
            for (int64_t i = 0; i < n; i++) {
                double p = rounded(form, a_turned ? a[i * rows + m] : a[m * n + i]);
                p *= rounded(form, b_turned ? b[i * columns + c] : b[c * n + i]);
                sum += p, size += fabs(p);
            }
            assert_true(fabs((double)y[m * columns + c] - sum) <= size * (double)(n + 2) * 0x1p-24);
        }
}

/* The three products of y = x w^T at one level: x [t, in], w [out, in]. */
static void check_layer(const fm_kernels *k, fm_word_form form, dice *d, int64_t t, int64_t out,
                        int64_t in) {
    float *x = random_floats(d, t * in), *w = random_floats(d, out * in), *y = random_floats(d, t * out);
    float *dy = random_floats(d, t * out), *dx = random_floats(d, t * in), *dw = random_floats(d, out * in);
    packed px = pack(k, form, x, t, in), pw = pack(k, form, w, out, in), pdy = pack(k, form, dy, t, out);
    int64_t words_in = fm_words_count(form, in), words_out = fm_words_count(form, out);
    fm_words_product forward = {form, px.rows, pw.panels, words_in, out, y, out, false};
    fm_words_product to_x = {form, pdy.rows, pw.turned, words_out, in, dx, in, false};
    fm_words_product to_w = {form, pdy.turned, px.turned, fm_words_count(form, t), in, dw, in, false};
    fm_words_multiply(k, &forward, 0, t, 0, panels_of(out));
    fm_words_multiply(k, &to_x, 0, t, 0, panels_of(in));
    fm_words_multiply(k, &to_w, 0, out, 0, panels_of(in));
    assert_near(form, y, x, false, w, false, t, out, in);
    assert_near(form, dx, dy, false, w, true, t, in, out);
    assert_near(form, dw, dy, true, x, true, out, in, t);
    free_packed(&px), free_packed(&pw), free_packed(&pdy);
    free(x), free(w), free(y), free(dy), free(dx), free(dw);
}

static void the_three_products_of_a_layer_are_near_the_truth(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1},    {2, 3, 5},    {7, 16, 32},  {19, 17, 33},
                                       {64, 96, 31}, {33, 40, 300}, {301, 48, 65}, {16, 130, 6}};
    dice d = {.seed = 31};
    for (int level = 0; level < levels_here(); level++)
        for (size_t f = 0; f < FM_COUNT(forms); f++)
            for (size_t i = 0; i < FM_COUNT(sizes); i++)
                check_layer(fm_kernels_get((fm_cpu_level)level), forms[f], &d, sizes[i][0], sizes[i][1],
                            sizes[i][2]);
}

/* One product at a time of all rows and words, then the same in pieces of every kind. */
static void a_product_is_the_same_in_any_pieces(void **state) {
    (void)state;
    enum { ROWS = 61, OUT = 101, IN = 700, LDY = OUT + 3 };
    dice d = {.seed = 32};
    float *x = random_floats(&d, ROWS * IN), *w = random_floats(&d, OUT * IN);
    float *start = random_floats(&d, ROWS * LDY), *whole = random_floats(&d, ROWS * LDY);
    float *y = random_floats(&d, ROWS * LDY);
    for (int level = 1; level < levels_here(); level++)
        for (size_t f = 0; f < FM_COUNT(forms); f++) {
            const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
            packed px = pack(k, forms[f], x, ROWS, IN), pw = pack(k, forms[f], w, OUT, IN);
            int64_t words = fm_words_count(forms[f], IN);
            fm_words_product p = {forms[f], px.rows, pw.panels, words, OUT, whole, LDY, true};
            memcpy(whole, start, ROWS * LDY * sizeof *y);
            fm_words_multiply(k, &p, 0, ROWS, 0, panels_of(OUT));
            p.y = y;
            for (int round = 0; round < 12; round++) {
                memcpy(y, start, ROWS * LDY * sizeof *y);
                p.x = round % 2 ? px.panels : px.rows;
                int64_t rows = 1 + roll_below(&d, ROWS), panels = 1 + roll_below(&d, panels_of(OUT));
                int64_t cut = roll_below(&d, words + 1); /* words of the first half */
                for (int half = 0; half < 2; half++) {
                    fm_words_product part = p;
                    int64_t first = half ? cut : 0;
                    part.x.data += first * (p.x.in_panels ? FM_PANEL : 1);
                    part.w.data += first * FM_PANEL;
                    part.n_words = half ? words - cut : cut;
                    for (int64_t m = 0; m < ROWS; m += rows)
                        for (int64_t c = 0; c < panels_of(OUT); c += panels)
                            fm_words_multiply(k, &part, m, m + rows < ROWS ? m + rows : ROWS, c,
                                              c + panels < panels_of(OUT) ? c + panels : panels_of(OUT));
                }
                assert_memory_equal(y, whole, ROWS * LDY * sizeof *y);
            }
            free_packed(&px), free_packed(&pw);
        }
    free(x), free(w), free(start), free(whole), free(y);
}

/* Straight from floats, of chosen rows, in pieces: as packed first. */
static void products_of_floats_are_those_of_their_words(void **state) {
    (void)state;
    enum { ROWS = 1200, T = 1100, OUT = 130, IN = 270 };
    dice d = {.seed = 38};
    float *x = random_floats(&d, ROWS * IN), *dy = random_floats(&d, ROWS * OUT), *w = random_floats(&d, OUT * IN);
    float *together = random_floats(&d, T * IN);
    float *y = random_floats(&d, T * OUT), *expected = random_floats(&d, T * OUT);
    int32_t index[T];
    for (int t = 0; t < T; t++) {
        index[t] = (int32_t)roll_below(&d, ROWS);
        memcpy(together + t * IN, x + index[t] * IN, IN * sizeof *x);
    }
    for (int level = 1; level < levels_here(); level++)
        for (size_t f = 0; f < FM_COUNT(forms); f++) {
            const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
            int64_t size = fm_words_rows_scratch(forms[f], IN);
            if (size < FM_OUTER_SCRATCH) size = FM_OUTER_SCRATCH;
            uint32_t *scratch = fm_alloc((size_t)size * sizeof *scratch, FM_MEM_OTHER);
            assert_non_null(scratch);
            packed px = pack(k, forms[f], together, T, IN), pw = pack(k, forms[f], w, OUT, IN);
            packed pdy = pack(k, forms[f], dy, T, OUT);
            fm_words_product p = {forms[f], px.rows, pw.panels, fm_words_count(forms[f], IN), OUT, expected,
                                  OUT, false};
            fm_words_multiply(k, &p, 0, T, 0, panels_of(OUT));
            p.y = y;
            fm_words_multiply_rows(k, &p, &(fm_float_rows){x, IN, index}, IN, 0, 500, 0, panels_of(OUT), scratch);
            fm_words_multiply_rows(k, &p, &(fm_float_rows){x, IN, index}, IN, 500, T, 0, 3, scratch);
            fm_words_multiply_rows(k, &p, &(fm_float_rows){x, IN, index}, IN, 500, T, 3, panels_of(OUT), scratch);
            assert_memory_equal(y, expected, T * OUT * sizeof *y);

            p = (fm_words_product){forms[f], pdy.turned, px.turned, fm_words_count(forms[f], T), IN, expected,
                                   IN, true};
            memset(expected, 0, OUT * IN * sizeof *y), memset(y, 0, OUT * IN * sizeof *y);
            fm_words_multiply(k, &p, 0, OUT, 0, panels_of(IN));
            fm_words_outer o = {forms[f], {dy, OUT, NULL}, {x, IN, index}, T, y, IN};
            for (int64_t a = 0; a < OUT; a += FM_OUTER_A)
                for (int64_t b = 0; b < IN; b += FM_OUTER_B)
                    fm_words_multiply_columns(k, &o, a, a + FM_OUTER_A < OUT ? a + FM_OUTER_A : OUT, b,
                                              b + FM_OUTER_B < IN ? b + FM_OUTER_B : IN, scratch);
            assert_memory_equal(y, expected, OUT * IN * sizeof *y);
            free_packed(&px), free_packed(&pw), free_packed(&pdy);
            fm_free(scratch);
        }
    free(x), free(dy), free(w), free(together), free(y), free(expected);
}

/* What inference computes with panels of a weight's floats. */
static void a_product_of_floats_is_that_of_panels(void **state) {
    (void)state;
    enum { ROWS = 21, OUT = 67, IN = 300 };
    dice d = {.seed = 33};
    fm_error err;
    float *x = random_floats(&d, ROWS * IN), *w = random_floats(&d, OUT * IN), *scratch;
    float y[ROWS * OUT], expected[ROWS * OUT];
    fm_weight weight;
    assert_ok(fm_weight_from_floats(&weight, "w", w, OUT, IN, FM_LAYOUT_F32, &err));
    scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof(float), FM_MEM_OTHER);
    assert_non_null(scratch);
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        fm_matmul(k, &weight.panels, 0, panels_of(OUT), x, IN, ROWS, expected, OUT, scratch);
        fm_words rows = {(const uint32_t *)(const void *)x, IN, false};
        fm_words_product p = {FM_WORDS_F32, rows, fm_words_of_panels(&weight.panels), IN, OUT, y, OUT, false};
        fm_words_multiply(k, &p, 0, ROWS, 0, panels_of(OUT));
        assert_memory_equal(y, expected, sizeof y);
    }
    fm_free(scratch);
    fm_weight_clear(&weight);
    free(x), free(w);
}

/* Panels of BF16 as pack/ makes them are panels of words. */
static void panels_of_bf16_are_words(void **state) {
    (void)state;
    enum { OUT = 37 };
    dice d = {.seed = 34};
    for (int64_t n = 1; n < 100; n += 7) {
        fm_error err;
        float *w = random_floats(&d, OUT * n);
        fm_weight weight;
        assert_ok(fm_weight_from_floats(&weight, "w", w, OUT, n, FM_LAYOUT_BF16, &err));
        fm_words panels = fm_words_of_panels(&weight.panels);
        for (int level = 0; level < levels_here(); level++) {
            packed p = pack(fm_kernels_get((fm_cpu_level)level), FM_WORDS_BF16, w, OUT, n);
            for (int64_t i = 0; i < panels_of(OUT); i++)
                assert_memory_equal(p.panels.data + i * p.panels.step, panels.data + i * panels.step,
                                    (size_t)(n + 1) / 2 * FM_PANEL * sizeof(uint32_t));
            free_packed(&p);
        }
        fm_weight_clear(&weight);
        free(w);
    }
}

/* Halves to the bit, NaN included, which floats compared as floats would not show. */
static void every_level_packs_the_words_of_the_reference(void **state) {
    (void)state;
    dice d = {.seed = 35};
    const fm_kernels *ref = fm_kernels_get(FM_CPU_REF);
    for (int round = 0; round < 300; round++) {
        int64_t rows = 1 + roll_below(&d, 40), n = 1 + roll_below(&d, 150);
        float *x = random_floats(&d, rows * n);
        roll_specials(&d, x, rows * n);
        for (size_t f = 0; f < FM_COUNT(forms); f++) {
            int64_t words = fm_words_count(forms[f], n), turned = fm_words_count(forms[f], rows);
            size_t bytes[] = {(size_t)(rows * words), (size_t)(panels_of(rows) * words * FM_PANEL),
                              (size_t)(panels_of(n) * turned * FM_PANEL)};
            packed expected = pack(ref, forms[f], x, rows, n);
            for (int level = 1; level < levels_here(); level++) {
                packed p = pack(fm_kernels_get((fm_cpu_level)level), forms[f], x, rows, n);
                for (int i = 0; i < 3; i++)
                    assert_memory_equal(p.memory[i], expected.memory[i], bytes[i] * sizeof(uint32_t));
                free_packed(&p);
            }
            free_packed(&expected);
        }
        free(x);
    }
}

static void columns_of_chosen_rows_are_those_of_the_rows_put_together(void **state) {
    (void)state;
    enum { ROWS = 23, CHOSEN = 31, N = 45, MOST = 3 * CHOSEN * FM_PANEL };
    dice d = {.seed = 36};
    float *x = random_floats(&d, ROWS * N), together[CHOSEN * N];
    uint32_t expected[MOST], words[MOST];
    for (int level = 0; level < levels_here(); level++)
        for (size_t f = 0; f < FM_COUNT(forms); f++)
            for (int n = 0; n <= CHOSEN; n++) {
                const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
                int32_t index[CHOSEN];
                for (int i = 0; i < n; i++) {
                    index[i] = (int32_t)roll_below(&d, ROWS);
                    memcpy(together + i * N, x + index[i] * N, N * sizeof *x);
                }
                int64_t step = fm_words_count(forms[f], n) * FM_PANEL;
                memset(expected, 0x55, sizeof expected);
                memset(words, 0x55, sizeof words);
                k->words_of_columns[forms[f]](together, N, NULL, n, N, expected, step);
                int even = n / 2 / 2 * 2; /* in two pieces */
                int64_t at = fm_words_count(forms[f], even) * FM_PANEL;
                k->words_of_columns[forms[f]](x, N, index, even, N, words, step);
                k->words_of_columns[forms[f]](x, N, index + even, n - even, N, words + at, step);
                assert_memory_equal(words, expected, sizeof words);
            }
    free(x);
}

/* Queries for lanes and keys for lanes are the same product. */
static void scores_of_rows_are_products_of_words(void **state) {
    (void)state;
    enum { STEP = 83, LDY = 19 };
    const fm_kernels *k = fm_kernels_get(fm_cpu_detect()), *ref = fm_kernels_get(FM_CPU_REF);
    if (!k->pair_scores) return; /* this level has none */
    dice d = {.seed = 39};
    for (int64_t n = 1; n <= STEP - 3; n += 1 + n / 7) {
        float *x = random_floats(&d, 16 * 2 * n), *q = random_floats(&d, 16 * 2 * n);
        roll_specials(&d, x, 5);
        uint32_t rows[16 * STEP], panel[16 * STEP], keys[16 * STEP], queries[16 * STEP];
        float y[16 * LDY], expected[16 * LDY];
        for (int i = 0; i < 16; i++) {
            ref->words_of_row[FM_WORDS_BF16](x + i * 2 * n, 2 * n, rows + i * STEP);
            ref->words_of_row[FM_WORDS_BF16](q + i * 2 * n, 2 * n, queries + i * STEP);
        }
        ref->words_of_rows[FM_WORDS_BF16](q, 2 * n, 16, 2 * n, panel);
        fm_kept_rows kept = {.x = rows, .stride = STEP * sizeof *rows};
        ref->pairs_of_rows(&kept, 16, 2 * n, keys, NULL);
        for (int64_t lanes = 1; lanes <= 16; lanes += 3) {
            memset(y, 0x55, sizeof y), memset(expected, 0x55, sizeof y);
            fm_words_block b = {.n = n, .x = queries, .x_row = STEP, .x_word = 1, .rows = lanes, .w = keys,
                                .n_panels = 1, .columns = 16, .y = expected, .ldy = LDY};
            ref->words_product[FM_WORDS_BF16](&b);
            k->pair_scores(&kept, n, panel, lanes, y, LDY, lanes % 2 ? rows : NULL);
            assert_true(first_difference(y, expected, 16 * LDY) < 0);
        }
        free(x), free(q);
    }
}

/* Few queries: rows turned in registers, and rows paired in registers, in pieces. */
static void products_of_few_queries_are_products_of_words(void **state) {
    (void)state;
    enum { STEP = 83, LDY = 19, ROWS = 37, D = 128, PAIRS = 24, LDA = D + 3 };
    const fm_kernels *k = fm_kernels_get(fm_cpu_detect()), *ref = fm_kernels_get(FM_CPU_REF);
    if (!k->few_scores) skip();
    dice d = {.seed = 40};
    float *x = random_floats(&d, ROWS * D), *q = random_floats(&d, FM_FEW_QUERIES * 2 * STEP);
    roll_specials(&d, x, 5);
    uint32_t rows[ROWS * STEP], queries[FM_FEW_QUERIES * STEP], panel[STEP * FM_PANEL];
    uint32_t columns[D / FM_PANEL * (PAIRS * FM_PANEL)];
    for (int i = 0; i < ROWS; i++) ref->words_of_row[FM_WORDS_BF16](x + i * D, D, rows + i * STEP);
    for (int i = 0; i < FM_FEW_QUERIES; i++)
        ref->words_of_row[FM_WORDS_BF16](q + i * 2 * STEP, 2 * (STEP - 3), queries + i * STEP);
    fm_kept_rows kept = {.x = rows, .stride = STEP * sizeof *rows};
    for (int64_t n = 1; n <= FM_FEW_QUERIES; n++) {
        for (int64_t words = 8; words <= D / 2; words += 8) {
            float y[16 * LDY], expected[16 * LDY];
            memset(y, 0x55, sizeof y), memset(expected, 0x55, sizeof y);
            ref->pairs_of_rows(&kept, 16, 2 * words, panel, NULL);
            fm_words_block b = {.n = words, .x = queries, .x_row = STEP, .x_word = 1, .rows = n, .w = panel,
                                .n_panels = 1, .columns = 16, .y = expected, .ldy = LDY};
            ref->words_product[FM_WORDS_BF16](&b);
            k->few_scores(&kept, words, queries, STEP, n, y, LDY, n % 2 ? rows : NULL);
            assert_true(first_difference(y, expected, 16 * LDY) < 0);
        }
        for (int64_t count = 1; count <= ROWS; count++) {
            float y[FM_FEW_QUERIES * LDA], expected[FM_FEW_QUERIES * LDA];
            memset(y, 0x55, sizeof y), memset(expected, 0x55, sizeof y);
            memset(columns, 0, sizeof columns); /* the pair of zeros that ends it */
            ref->pairs_of_columns(&kept, count, D, columns, PAIRS * FM_PANEL, NULL);
            uint32_t weights[FM_FEW_QUERIES * STEP];
            memcpy(weights, queries, sizeof weights);
            for (int i = 0; i < FM_FEW_QUERIES; i++) weights[i * STEP + (count + 1) / 2] = 0;
            for (int64_t c = 0; c < D; c += 4 * FM_PANEL) {
                fm_words_block b = {.n = (count + 1) / 2 + 1, .x = weights, .x_row = STEP, .x_word = 1, .rows = n,
                                    .w = columns + c * PAIRS, .n_panels = 4, .w_panel = PAIRS * FM_PANEL,
                                    .columns = 4 * FM_PANEL, .y = expected + c, .ldy = LDA};
                ref->words_product[FM_WORDS_BF16](&b);
            }
            int64_t part = count / 2 / 2 * 2;
            fm_kept_rows rest = {.x = rows + part * STEP, .stride = kept.stride};
            if (part > 0) k->few_sums(&kept, part, D, queries, STEP, n, y, LDA, false, false, rows);
            k->few_sums(&rest, count - part, D, queries + part / 2, STEP, n, y, LDA, part > 0, true, NULL);
            assert_true(first_difference(y, expected, FM_FEW_QUERIES * LDA) < 0);
        }
    }
    free(x), free(q);
}

static float one_word(const fm_kernels *k, float x_even, float x_odd, float w_even, float w_odd, float y) {
    float x[] = {x_even, x_odd}, w[] = {w_even, w_odd};
    uint32_t words[1], panel[FM_PANEL];
    memcpy(words, (uint16_t[]){(uint16_t)(fm_float_bits(x[0]) >> 16), (uint16_t)(fm_float_bits(x[1]) >> 16)}, 4);
    for (int r = 0; r < FM_PANEL; r++) panel[r] = fm_float_bits(w[0]) >> 16 | (fm_float_bits(w[1]) & 0xffff0000);
    fm_words_block b = {.n = 1, .x = words, .x_row = 1, .x_word = 1, .rows = 1, .w = panel, .n_panels = 1,
                        .columns = 1, .y = &y, .ldy = 1, .adds = true};
    k->words_product[FM_WORDS_BF16](&b);
    return y;
}

/* What the definition of pairs says, in numbers. */
static void pairs_are_added_odd_before_even_and_subnormals_are_zero(void **state) {
    (void)state;
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        /* 2^24 + 1 - 2^24: only the order tells. */
        assert_true(one_word(k, 1, 0x1p12f, 1, 0x1p12f, -0x1p24f) == 1);
        assert_true(one_word(k, 0x1p12f, 1, 0x1p12f, 1, -0x1p24f) == 1);
        assert_true(one_word(k, -0x1p12f, 1, 0x1p12f, 1, 0x1p24f) == 0);
        assert_true(one_word(k, 1, -0x1p12f, 1, 0x1p12f, 0x1p24f) == 1);
        /* A fused step: 1 + 2^-24 + 2^-30 is above the middle. */
        assert_true(one_word(k, 0x1p-15f, 0, 0x1.04p-9f, 0, 1) == 1 + 0x1p-23f);
        /* In y, in x and in what comes out. */
        assert_int_equal(fm_float_bits(one_word(k, 0, 0, 0, 0, 0x1p-127f)), 0);
        assert_int_equal(fm_float_bits(one_word(k, -0.0f, -1, 0, 0, -0x1p-149f)), fm_float_bits(-0.0f));
        assert_true(one_word(k, 0x1p-127f, 0, 0x1p100f, 0, 1) == 1);
        assert_int_equal(fm_float_bits(one_word(k, -0x1p-64f, 0, 0x1p-63f, 0, -0.0f)), fm_float_bits(-0.0f));
        assert_true(one_word(k, 0x1p-64f, 0x1p-64f, 0x1p-63f, 0x1p-63f, 0) == 0);
        /* Rounded to 24 bits just below the least normal number, though a subnormal grid has no such. */
        assert_true(one_word(k, -0x1p-75f, 0, 0x1p-76f, 0, 0x1p-126f) == 0x1p-126f);
        assert_true(one_word(k, -0x1.8p-75f, 0, 0x1p-76f, 0, 0x1p-126f) == 0);
        assert_true(isnan(one_word(k, INFINITY, 0, 0, 0, 1)));
        assert_true(isinf(one_word(k, 0x1p100f, 0, 0x1p100f, 0, 1)));
    }
}

/* Slopes by differences of the forward kernels in double: what a gradient is. */
static double silu(double g) { return g / (1 + exp(-g)); }

static void gradients_of_vectors_are_the_slopes(void **state) {
    (void)state;
    enum { N = 37 };
    const double h = 1e-5;
    dice d = {.seed = 37};
    float a[N], b[N], dy[N], da[N], db[N];
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        roll_floats(&d, a, N), roll_floats(&d, b, N), roll_floats(&d, dy, N);
        for (int i = 0; i < N; i++) a[i] *= 6, da[i] = 1, db[i] = -1;
        k->swiglu_backward(a, b, dy, N, da, db);
        for (int i = 0; i < N; i++) {
            double slope = (silu(a[i] + h) - silu(a[i] - h)) / (2 * h);
            assert_true(fabs((double)da[i] - 1 - slope * b[i] * dy[i]) < 1e-5);
            assert_true(fabs((double)db[i] + 1 - silu(a[i]) * dy[i]) < 2e-6);
        }
        for (int i = 0; i < N; i++) da[i] = db[i] = 0;
        float r = 1 / sqrtf(k->dot(a, a, N) / N + 1e-5f), y[N];
        assert_true(k->rmsnorm(a, b, 1e-5f, N, y) == r);
        k->rmsnorm_backward(a, b, r, dy, N, da, db);
        for (int i = 0; i < N; i++) {
            double loss[2] = {0, 0};
            for (int side = 0; side < 2; side++) {
                double squares = 0;
                for (int j = 0; j < N; j++) {
                    double x = a[j] + (j == i ? side ? h : -h : 0);
                    squares += x * x, loss[side] += x * b[j] * dy[j];
                }
                loss[side] /= sqrt(squares / N + 1e-5);
            }
            assert_true(fabs((double)da[i] - (loss[1] - loss[0]) / (2 * h)) < 1e-5);
            assert_true(fabs((double)db[i] - (double)a[i] * r * dy[i]) < 1e-6);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_products_of_a_layer_are_near_the_truth),
        cmocka_unit_test(a_product_is_the_same_in_any_pieces),
        cmocka_unit_test(products_of_floats_are_those_of_their_words),
        cmocka_unit_test(a_product_of_floats_is_that_of_panels),
        cmocka_unit_test(panels_of_bf16_are_words),
        cmocka_unit_test(every_level_packs_the_words_of_the_reference),
        cmocka_unit_test(scores_of_rows_are_products_of_words),
        cmocka_unit_test(products_of_few_queries_are_products_of_words),
        cmocka_unit_test(columns_of_chosen_rows_are_those_of_the_rows_put_together),
        cmocka_unit_test(pairs_are_added_odd_before_even_and_subnormals_are_zero),
        cmocka_unit_test(gradients_of_vectors_are_the_slopes),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
