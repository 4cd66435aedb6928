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

static void sum_codes(const int8_t *code, fm_codes *out) {
    int sum[2] = {0};
    for (int k = 0; k < FM_CODES; k++) sum[k / 16] += code[k];
    for (int i = 0; i < 2; i++) {
        out->sum16[i] = out->scale * (float)sum[i];
        out->undo32[i] = -32 * sum[i];
    }
    out->sum = out->scale * (float)(sum[0] + sum[1]);
    out->undo8 = -8 * (sum[0] + sum[1]);
    out->undo128 = -128 * (sum[0] + sum[1]);
}

void fm_codes_from_float_ref(const float *x, int64_t n, fm_codes *out) {
    for (; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        float block[FM_CODES] = {0};
        int8_t code[FM_CODES];
        memcpy(block, x, (size_t)(n < FM_CODES ? n : FM_CODES) * sizeof *x);
        fm_int8_from_float_ref(block, FM_CODES, FM_CODES, code, &out->scale);
        for (int k = 0; k < FM_CODES; k++) out->code[fm_codes_place(k)] = code[k];
        sum_codes(code, out);
    }
}

void fm_codes_rest_ref(const float *x, int64_t n, const fm_codes *codes, float *rest) {
    for (int64_t i = 0; i < n; i++) {
        const fm_codes *b = &codes[i / FM_CODES];
        rest[i] = fmaf(-b->scale, (float)b->code[fm_codes_place((int)(i % FM_CODES))], x[i]);
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
    default: read_small(w->layout, block, lane, out); break;
    }
}

/* ---- the product ------------------------------------------------------------------------------- */

/* One step of the chain: the group with the codes from column `at` of a block. */
static float add_group(const group *w, int layout, const fm_codes *x, int at, float y) {
    int dot = 0;
    for (int i = 0; i < group_columns(layout); i++)
        dot += w->code[i] * x->code[fm_codes_place(at + i)];
    y = fmaf(x->scale * w->scale, (float)dot, y);
    float sum = group_columns(layout) == FM_CODES ? x->sum : x->sum16[at / 16];
    return has_minimum(layout) ? fmaf(w->minimum, sum, y) : y;
}

enum { ROWS = 16 }; /* that a group read once is multiplied with */

/* y[m] of up to ROWS rows for one row of the weight. */
static void multiply_lane(const fm_panels *w, int64_t panel, int lane, const fm_codes *x,
                          int64_t ldx, int64_t rows, float y[ROWS]) {
    int layout = (int)w->layout, columns = group_columns(layout);
    for (int64_t m = 0; m < rows; m++) y[m] = 0;
    for (int64_t k = 0; k < w->n_in; k += columns) {
        group g = {0};
        read_group(w, panel, k, lane, &g);
        for (int64_t m = 0; m < rows; m++)
            y[m] = add_group(&g, layout, x + m * ldx + k / FM_CODES, (int)(k % FM_CODES), y[m]);
    }
}

void fm_codes_product_ref(const fm_panels *w, int64_t begin, int64_t end, const fm_codes *x,
                          int64_t ldx, int64_t rows, float *y, int64_t ldy) {
    for (int64_t m = 0; m < rows; m += ROWS)
        for (int64_t panel = begin; panel < end; panel++)
            for (int lane = 0; lane < FM_PANEL; lane++) {
                float column[ROWS];
                int64_t n = rows - m < ROWS ? rows - m : ROWS;
                multiply_lane(w, panel, lane, x + m * ldx, ldx, n, column);
                for (int64_t i = 0; i < n; i++)
                    y[(m + i) * ldy + (panel - begin) * FM_PANEL + lane] = column[i];
            }
}
