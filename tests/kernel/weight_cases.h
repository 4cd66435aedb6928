/* weight_cases.h: cases of products with weights in panels, of floats and of integers. */
#pragma once

#include "kernel_case.h"

/* ---- products: rows of x, d panels, n = k ------------------------------------------------------ */

static inline void make_tile_fma(dice *d, case_data *c) {
    c->d = 1 + c->d % FM_TILE_PANELS;
    c->n = c->n % (FM_TILE_K + 1);
    c->lda = c->n + roll_below(d, 9);
    c->ldo = c->d * FM_PANEL + roll_below(d, 9);
    c->a = case_floats(d, c->rows * c->lda);
    c->scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof(float), FM_MEM_OTHER);
    assert_non_null(c->scratch);
    roll_floats(d, c->scratch, FM_MATMUL_SCRATCH);
    case_output(d, c, c->rows * c->ldo);
}
static inline void call_tile_fma(const fm_kernels *k, case_data *c) {
    k->tile_fma((int)c->d, c->n, c->scratch, c->rows, c->a, c->lda, case_out(c), c->ldo);
}

static inline void make_turned_fma(dice *d, case_data *c) {
    c->d = 1 + c->d % FM_PANEL;
    c->n = c->n % (FM_TILE_K + 1);
    c->rows = 1;
    c->a = case_floats(d, c->d);
    c->scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof(float), FM_MEM_OTHER);
    assert_non_null(c->scratch);
    if (roll(d) % 3)
        roll_floats(d, c->scratch, FM_TILE_K * FM_PANEL);
    else
        roll_specials(d, c->scratch, FM_TILE_K * FM_PANEL);
    case_output(d, c, c->n);
}
static inline void call_turned_fma(const fm_kernels *k, case_data *c) {
    k->turned_fma(c->d, c->n, c->scratch, c->a, case_out(c));
}

/* n_out = d, n_in = n rounded up to whole blocks; `layout` holds the dtype on entry. */
static inline void make_weight(dice *d, case_data *c, fm_dtype dtype, bool pack) {
    int block = fm_dtype_get(dtype)->block_elements;
    fm_error err;
    c->n = (c->n / block + 1) * block;
    c->d = c->d ? c->d : 1;
    c->tensor = roll_tensor(d, dtype, c->d, c->n, dtype == FM_DTYPE_F8_E4M3 && roll(d) % 4);
    fm_weight_init(&c->weight, "case", &c->tensor.t);
    if (pack) assert_ok(fm_weight_pack(&c->weight, NULL, NULL, &err));
    c->layout = c->weight.panels.layout;
    c->scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof(float), FM_MEM_OTHER);
    c->a = case_floats(d, c->n);
    assert_non_null(c->scratch);
    c->k0 = roll_below(d, (c->n + FM_TILE_K - 1) / FM_TILE_K) * FM_TILE_K;
    c->ldo = (c->d + FM_PANEL - 1) / FM_PANEL * FM_PANEL;
    case_output(d, c, c->ldo > FM_TILE_K * FM_PANEL ? c->ldo : FM_TILE_K * FM_PANEL);
}

/* Of the tile at k0. */
static inline int64_t tile_columns(const case_data *c) {
    return c->n - c->k0 < FM_TILE_K ? c->n - c->k0 : FM_TILE_K;
}

/* Unpacks every panel's tile at k0 (all must fit the output, so the last one stays), in aligned
 * memory as the contract wants. */
static inline void call_unpack(const fm_kernels *k, case_data *c) {
    int64_t nk = tile_columns(c);
    for (int64_t panel = 0; panel < fm_panel_count(&c->weight.panels); panel++)
        k->unpack[c->layout](&c->weight.panels, panel, c->k0, nk, c->scratch);
    memcpy(case_out(c), c->scratch, (size_t)(nk * FM_PANEL) * sizeof(float));
}

static inline void call_unpack_rows(const fm_kernels *k, case_data *c) { call_unpack(k, c); }

/* Where a level has no row product of its own, through tiles. */
static inline void call_row_product(const fm_kernels *k, case_data *c) {
    int64_t panels = fm_panel_count(&c->weight.panels);
    if (k->row_product[c->layout])
        k->row_product[c->layout](&c->weight.panels, 0, panels, c->a, case_out(c));
    else
        fm_matmul(k, &(fm_panels){.layout = c->layout, .n_out = panels * FM_PANEL, .n_in = c->n,
                                  .data = c->weight.panels.data,
                                  .panel_bytes = c->weight.panels.panel_bytes,
                                  .rows = c->weight.panels.rows},
                  0, panels, c->a, c->n, 1, case_out(c), panels * FM_PANEL, c->scratch);
}

/* ---- products of integers: rows of x, by all panels ---------------------------------------------- */

/* What must agree of blocks of codes, as floats. */
static inline void call_codes_from_float(const fm_kernels *k, case_data *c, fm_codes_form form) {
    fm_codes16 codes[128];
    int64_t n = c->n < 128 * FM_CODES ? c->n : 128 * FM_CODES;
    memset(codes, 0x55, sizeof codes);
    k->codes_from_float[form](c->a, n, codes);
    for (int64_t i = 0; i < fm_codes_blocks(n); i++) {
        const fm_codes16 *two = &codes[i];
        const fm_codes *b = form == FM_CODES_16 ? &two->first : (const fm_codes *)(const void *)codes + i;
        for (int j = 0; j < FM_CODES; j++) {
            c->value += (float)(b->code[j] * (j % 7 + 1));
            if (form == FM_CODES_16) c->value += (float)(two->second[j] * (j % 7 + 3));
        }
        const int32_t undo[] = {b->undo8, b->undo128, b->undo32[0], b->undo32[1]};
        const float floats[] = {b->scale, b->sum, b->sum16[0], b->sum16[1]};
        for (int j = 0; j < 4; j++) {
            c->value += (float)(undo[j] * (j + 1));
            if (4 * i + j < c->n) case_out(c)[4 * i + j] = floats[j];
        }
    }
}
static inline void call_codes8_from_float(const fm_kernels *k, case_data *c) {
    call_codes_from_float(k, c, FM_CODES_8);
}
static inline void call_codes16_from_float(const fm_kernels *k, case_data *c) {
    call_codes_from_float(k, c, FM_CODES_16);
}

/* The codes of x lie in `c`, `lda` blocks to a row. */
static inline void make_codes(dice *d, case_data *c, fm_codes_form form) {
    c->lda = fm_codes_blocks(c->n) + roll_below(d, 3);
    size_t row = (size_t)c->lda * fm_codes_block_bytes(form);
    c->c = malloc((size_t)c->rows * row + 1);
    float *x = case_floats(d, c->n);
    assert_non_null(c->c);
    memset(c->c, 0x55, (size_t)c->rows * row);
    for (int64_t m = 0; m < c->rows; m++) {
        roll_floats(d, x, c->n);
        if (roll(d) % 8 == 0) roll_specials(d, x, c->n);
        fm_kernels_get(FM_CPU_REF)->codes_from_float[form](x, c->n, (char *)c->c + (size_t)m * row);
    }
    free(x);
    c->ldo += roll_below(d, 9);
    free(c->start);
    free(c->out);
    case_output(d, c, c->rows * c->ldo);
}
static inline void call_codes_product(const fm_kernels *k, case_data *c, fm_codes_form form) {
    k->codes_product[form][c->layout](&c->weight.panels, 0, fm_panel_count(&c->weight.panels), c->c, c->lda,
                                      c->rows, case_out(c), c->ldo);
}
static inline void call_codes8_product(const fm_kernels *k, case_data *c) {
    call_codes_product(k, c, FM_CODES_8);
}
static inline void call_codes16_product(const fm_kernels *k, case_data *c) {
    call_codes_product(k, c, FM_CODES_16);
}
/* What a case with weights still needs, once it has some. */
static inline void make_codes_of_case(dice *d, case_data *c, void (*call)(const fm_kernels *, case_data *)) {
    if (call == call_codes8_product) make_codes(d, c, FM_CODES_8);
    if (call == call_codes16_product) make_codes(d, c, FM_CODES_16);
}
