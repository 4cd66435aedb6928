/* codes_ref.c: dots of integers in plain C: the text of codes.h. */
#include "kernel/ref/ref.h"

#include "kernel/codes_layout.h"
#include "tensor/half.h"
#include "tensor/quant/iq_tables.h"
#include "tensor/quant/mxfp4.h"
#include "tensor/quant/tcq4.h"

#include <math.h>
#include <string.h>

/* ---- activations ------------------------------------------------------------------------------- */

/* Code k of 32 as it lies there. */
static int code_at(const fm_codes *x, fm_codes_form form, int k) {
    int place = fm_codes_place(k);
    if (form == FM_CODES_8) return x->code[place];
    return 256 * x->code[place] + ((const fm_codes16 *)(const void *)x)->second[place];
}

/* From the codes and their scale. */
static void sum_codes(fm_codes_form form, fm_codes *out) {
    int sum[2] = {0};
    for (int k = 0; k < FM_CODES; k++) sum[k / 16] += code_at(out, form, k);
    for (int i = 0; i < 2; i++) {
        out->sum16[i] = out->scale * (float)sum[i];
        out->undo32[i] = -32 * sum[i];
    }
    out->sum = out->scale * (float)(sum[0] + sum[1]);
    out->undo8 = -8 * (sum[0] + sum[1]);
    out->undo128 = -128 * (sum[0] + sum[1]);
}

/* The next block of a row that goes on for n: its first bytes and their scale. */
static void round_block(const float *x, int64_t n, float block[FM_CODES], fm_codes *out) {
    int8_t code[FM_CODES];
    memset(block, 0, FM_CODES * sizeof *block);
    memcpy(block, x, (size_t)(n < FM_CODES ? n : FM_CODES) * sizeof *x);
    fm_int8_from_float_ref(block, FM_CODES, FM_CODES, code, &out->scale);
    for (int k = 0; k < FM_CODES; k++) out->code[fm_codes_place(k)] = code[k];
}

void fm_codes_from_float_ref(const float *x, int64_t n, void *blocks) {
    float block[FM_CODES];
    for (fm_codes *out = blocks; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        round_block(x, n, block, out);
        sum_codes(FM_CODES_8, out);
    }
}

static int8_t second_byte(float x, int first, float scale) {
    if (!(scale > 0)) return 0;
    float rest = nearbyintf(fmaf(-scale, (float)first, x) * (256 / scale));
    return (int8_t)(rest > 127 ? 127 : rest < -127 ? -127 : rest);
}

void fm_codes16_from_float_ref(const float *x, int64_t n, void *blocks) {
    float block[FM_CODES];
    for (fm_codes16 *out = blocks; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        round_block(x, n, block, &out->first);
        for (int k = 0; k < FM_CODES; k++) {
            int place = fm_codes_place(k);
            out->second[place] = second_byte(block[k], out->first.code[place], out->first.scale);
        }
        out->first.scale /= 256;
        sum_codes(FM_CODES_16, &out->first);
    }
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* A group of one lane: up to 32 signed codes, and what they are multiplied with. */
typedef struct group {
    int code[32];
    float scale, minimum;
} group;

/* Code i of words of eight nibbles. */
static int nibble(const fm_lanes32 *words, int i, int lane) {
    return (int)(words[i / 8][lane] >> (i % 8 * 4) & 15);
}

static void read_nibbles(const fm_lanes32 *words, int lane, group *out) {
    for (int i = 0; i < 32; i++) out->code[i] = nibble(words, i, lane);
}

static void read_values(const int8_t *values, const fm_lanes32 *words, int lane, group *out) {
    for (int i = 0; i < 32; i++) out->code[i] = values[nibble(words, i, lane)];
}

static void read_5_bits(const fm_panel_5_bits *codes, int offset, int lane, group *out) {
    uint32_t low[4];
    for (int j = 0; j < 4; j++) low[j] = codes->low[j][lane];
    for (int i = 0; i < 32; i++) out->code[i] = fm_q5_code(low, codes->high[lane], i) - offset;
}

/* Groups of 32 in blocks of 32. `block` begins with d, and with m where there are minima. */
static void read_small(fm_layout layout, const void *block, int lane, group *out) {
    const fm_lanes16 *halves = block;
    out->scale = fm_half_to_float(halves[0][lane]);
    if (has_minimum((int)layout)) out->minimum = fm_half_to_float(halves[1][lane]);
    switch (layout) {
    case FM_LAYOUT_Q8_0:
        for (int i = 0; i < 32; i++)
            out->code[i] = ((const fm_panel_q8_0 *)block)->q[i / 8][i % 2][lane][i % 8 / 2];
        break;
    case FM_LAYOUT_Q4_0:
        for (int i = 0; i < 32; i++)
            out->code[i] = (nibble(((const fm_panel_q4_0 *)block)->q, i, lane) ^ 8) - 8;
        break;
    case FM_LAYOUT_Q4_1: read_nibbles(((const fm_panel_q4_1 *)block)->q, lane, out); break;
    case FM_LAYOUT_Q5_0: read_5_bits(&((const fm_panel_q5_0 *)block)->codes, 16, lane, out); break;
    case FM_LAYOUT_Q5_1: read_5_bits(&((const fm_panel_q5_1 *)block)->codes, 0, lane, out); break;
    default: read_values(fm_iq4_values, ((const fm_panel_iq4_nl *)block)->q, lane, out); break;
    }
}

static void read_tcq4(const fm_panel_tcq4 *b, int lane, group *out) {
    uint32_t words[4] = {b->q[0][lane], b->q[1][lane], b->q[2][lane], b->q[3][lane]};
    out->scale = fm_tcq4_scale(b->e[lane]);
    for (int i = 0; i < 32; i++) {
        uint32_t row = fm_tcq4_switches(words, i / 8) >> (i % 8 * 4) & 1;
        out->code[i] = fm_tcq4_values[row][nibble(b->q, i, lane)];
    }
}

/* Q4_K, and Q5_K, which begins alike. */
static void read_k(fm_layout layout, const fm_panel_q4_k *b, int g, int lane, group *out) {
    uint32_t words[3] = {b->scales[0][lane], b->scales[1][lane], b->scales[2][lane]};
    uint32_t scale = fm_k_scale_word(words, g / 4) >> (g % 4 * 8) & 63;
    uint32_t minimum = fm_k_minimum_word(words, g / 4) >> (g % 4 * 8) & 63;
    out->scale = fm_half_to_float(b->d[lane]) * (float)scale;
    out->minimum = -(fm_half_to_float(b->dmin[lane]) * (float)minimum);
    if (layout == FM_LAYOUT_Q4_K)
        read_nibbles(b->q[g], lane, out);
    else
        read_5_bits(&((const fm_panel_q5_k *)(const void *)b)->group[g], 0, lane, out);
}

static void read_q2_k(const fm_panel_q2_k *b, int g, int lane, group *out) {
    int byte = b->group[g].scale[lane];
    out->scale = fm_half_to_float(b->d[lane]) * (float)(byte & 15);
    out->minimum = -(fm_half_to_float(b->dmin[lane]) * (float)(byte >> 4));
    for (int i = 0; i < 16; i++) out->code[i] = (int)(b->group[g].q[lane] >> fm_q2_shift(i) & 3);
}

static void read_q3_k(const fm_panel_q3_k *b, int g, int lane, group *out) {
    uint32_t words[3] = {b->scales[0][lane], b->scales[1][lane], b->scales[2][lane]};
    const fm_panel_3_bits *in = &b->group[g / 2];
    uint32_t low[2] = {in->low[0][lane], in->low[1][lane]};
    out->scale = fm_half_to_float(b->d[lane]) * (float)fm_q3_scale(words, g);
    for (int i = 0; i < 16; i++) out->code[i] = fm_q3_code(low, in->high[lane], g % 2 * 16 + i) - 4;
}

static void read_q6_k(const fm_panel_q6_k *b, int g, int lane, group *out) {
    const fm_panel_q6_group *in = &b->group[g];
    uint32_t low[2] = {in->low[0][lane], in->low[1][lane]};
    out->scale = fm_half_to_float(b->d[lane]) * (float)in->scale[lane];
    for (int i = 0; i < 16; i++) out->code[i] = fm_q6_code(low, in->high[lane], i) - 32;
}

static void read_iq4_xs(const fm_panel_iq4_xs *b, int g, int lane, group *out) {
    int scale = fm_iq4_xs_scale(b->high[lane], b->low[lane], g);
    out->scale = fm_half_to_float(b->d[lane]) * (float)scale;
    read_values(fm_iq4_values, b->q[g], lane, out);
}

static void read_twos(const fm_lanes32 *words, int columns, int lane, group *out) {
    for (int i = 0; i < columns; i++) {
        int code = (int)(words[i / 16][lane] >> fm_q2_shift(i % 16) & 3);
        out->code[i] = code - 1;
    }
}

static void read_tq2_0(const fm_panel_tq2_0 *b, int g, int lane, group *out) {
    out->scale = fm_half_to_float(b->d[lane]);
    read_twos(&b->q[2 * g], 32, lane, out);
}

static void read_iq1_s(const fm_panel_iq1_s *b, int g, int lane, group *out) {
    uint32_t nibble = b->scales[lane] >> 4 * g & 15;
    out->scale = fm_half_to_float(b->d[lane]) * (float)(2 * (nibble & 7) + 1);
    out->minimum = out->scale * (nibble & 8 ? -0.125f : 0.125f);
    read_twos(&b->q[2 * g], 32, lane, out);
}

static void read_iq1_m(const fm_panel_iq1_m *b, int g, int lane, group *out) {
    int byte = b->group[g].scale[lane];
    out->scale = fm_half_to_float(b->d[lane]) * (float)(2 * (byte & 7) + 1) * 0.125f;
    for (int i = 0; i < 16; i++) {
        int two = (int)(b->group[g].q[lane] >> fm_q2_shift(i) & 3), shift = byte >> (4 + i / 8) & 1;
        out->code[i] = fm_iq1_values[two | shift << 2];
    }
}

/* IQ2 and IQ3: the scale of group g in its word. */
static float book_scale(fm_layout layout, uint16_t d, uint32_t word, int g) {
    float scale = (float)(2 * (word >> 4 * (g % 8) & 15) + 1);
    return fm_half_to_float(d) * scale * fm_books_unit((int)layout);
}

/* `columns` values from column `first` of 32. */
static void read_threes(const fm_lanes32 q[3], int first, int columns, int lane, group *out) {
    uint32_t words[3] = {q[0][lane], q[1][lane], q[2][lane]};
    for (int i = 0; i < columns; i++) out->code[i] = fm_iq2_values[fm_iq2_code(words, first + i)];
}

static void read_iq2_xxs(const fm_panel_iq2_xxs *b, int g, int lane, group *out) {
    out->scale = book_scale(FM_LAYOUT_IQ2_XXS, b->d[lane], b->scales[lane], g);
    read_threes(b->q[g], 0, 32, lane, out);
}

static void read_iq2_s(const fm_panel_iq2_s *b, int g, int lane, group *out) {
    out->scale = book_scale(FM_LAYOUT_IQ2_S, b->d[lane], b->scales[g / 8][lane], g);
    read_threes(b->q[g / 2], g % 2 * 16, 16, lane, out);
}

static void read_iq3(fm_layout layout, const fm_panel_iq3 *b, int g, int lane, group *out) {
    out->scale = book_scale(layout, b->d[lane], b->scales[lane], g);
    read_values(layout == FM_LAYOUT_IQ3_S ? fm_iq3_s_values : fm_iq3_xxs_values, b->q[g], lane, out);
}

static void read_mxfp4(const fm_panel_mxfp4 *b, int lane, group *out) {
    out->scale = fm_mxfp4_half_scale(b->e[lane]);
    read_values(fm_mxfp4_doubled, b->q, lane, out);
}

/* The group that begins at column k. */
static void read_group(const fm_panels *w, int64_t panel, int64_t k, int lane, group *out) {
    int layout = (int)w->layout, columns = is_super(layout) ? 256 : 32;
    const void *block = fm_panel_block(w, panel, k, columns, codes_block_bytes(layout));
    int g = (int)(k % 256 / group_columns(layout));
    switch (w->layout) {
    case FM_LAYOUT_Q2_K: read_q2_k(block, g, lane, out); break;
    case FM_LAYOUT_Q3_K: read_q3_k(block, g, lane, out); break;
    case FM_LAYOUT_Q4_K:
    case FM_LAYOUT_Q5_K: read_k(w->layout, block, g, lane, out); break;
    case FM_LAYOUT_Q6_K: read_q6_k(block, g, lane, out); break;
    case FM_LAYOUT_IQ4_XS: read_iq4_xs(block, g, lane, out); break;
    case FM_LAYOUT_TCQ4: read_tcq4(block, lane, out); break;
    case FM_LAYOUT_MXFP4: read_mxfp4(block, lane, out); break;
    case FM_LAYOUT_TQ2_0: read_tq2_0(block, g, lane, out); break;
    case FM_LAYOUT_IQ1_S: read_iq1_s(block, g, lane, out); break;
    case FM_LAYOUT_IQ1_M: read_iq1_m(block, g, lane, out); break;
    case FM_LAYOUT_IQ2_XXS: read_iq2_xxs(block, g, lane, out); break;
    case FM_LAYOUT_IQ2_S: read_iq2_s(block, g, lane, out); break;
    case FM_LAYOUT_IQ3_XXS:
    case FM_LAYOUT_IQ3_S: read_iq3(w->layout, block, g, lane, out); break;
    default: read_small(w->layout, block, lane, out); break;
    }
}

/* ---- the product ------------------------------------------------------------------------------- */

/* One step of the chain: the group with the codes from column `at` of a block. */
static float add_group(const group *w, int layout, fm_codes_form form, const fm_codes *x, int at, float y) {
    int dot = 0;
    for (int i = 0; i < group_columns(layout); i++) dot += w->code[i] * code_at(x, form, at + i);
    y = fmaf(x->scale * w->scale, (float)dot, y);
    float sum = group_columns(layout) == FM_CODES ? x->sum : x->sum16[at / 16];
    return has_minimum(layout) ? fmaf(w->minimum, sum, y) : y;
}

enum { ROWS = 16 }; /* that a group read once is multiplied with */

/* Rows of x. */
typedef struct codes_rows {
    fm_codes_form form;
    const char *x;
    size_t step, block; /* bytes to the next row, to the next block of a row */
} codes_rows;

/* y[m] of up to ROWS rows for one row of the weight. */
static void multiply_lane(const fm_panels *w, int64_t panel, int lane, const codes_rows *x, int64_t rows,
                          float y[ROWS]) {
    int layout = (int)w->layout, columns = group_columns(layout);
    for (int64_t m = 0; m < rows; m++) y[m] = 0;
    for (int64_t k = 0; k < w->n_in; k += columns) {
        group g = {0};
        read_group(w, panel, k, lane, &g);
        for (int64_t m = 0; m < rows; m++) {
            const void *block = x->x + (size_t)m * x->step + (size_t)(k / FM_CODES) * x->block;
            y[m] = add_group(&g, layout, x->form, block, (int)(k % FM_CODES), y[m]);
        }
    }
}

static void multiply(fm_codes_form form, const fm_panels *w, int64_t begin, int64_t end, const void *x,
                     int64_t ldx, int64_t rows, float *y, int64_t ldy) {
    size_t block = fm_codes_block_bytes(form), step = (size_t)ldx * block;
    for (int64_t m = 0; m < rows; m += ROWS)
        for (int64_t panel = begin; panel < end; panel++)
            for (int lane = 0; lane < FM_PANEL; lane++) {
                float column[ROWS];
                int64_t n = rows - m < ROWS ? rows - m : ROWS;
                codes_rows from = {form, (const char *)x + (size_t)m * step, step, block};
                multiply_lane(w, panel, lane, &from, n, column);
                for (int64_t i = 0; i < n; i++)
                    y[(m + i) * ldy + (panel - begin) * FM_PANEL + lane] = column[i];
            }
}

void fm_codes_product_ref(const fm_panels *w, int64_t begin, int64_t end, const void *x, int64_t ldx,
                          int64_t rows, float *y, int64_t ldy) {
    multiply(FM_CODES_8, w, begin, end, x, ldx, rows, y, ldy);
}

void fm_codes16_product_ref(const fm_panels *w, int64_t begin, int64_t end, const void *x, int64_t ldx,
                            int64_t rows, float *y, int64_t ldy) {
    multiply(FM_CODES_16, w, begin, end, x, ldx, rows, y, ldy);
}
