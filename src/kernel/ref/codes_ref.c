/* codes_ref.c: dots of integers in plain C: the text of codes.h. */
#include "kernel/ref/ref.h"

#include "kernel/layout.h"
#include "tensor/half.h"

#include <math.h>
#include <string.h>

/* ---- activations ------------------------------------------------------------------------------- */

static void sum_codes(const int8_t *code, fm_codes *out) {
    for (int k = 0; k < FM_CODES; k++) {
        out->minus16[k / 16] -= code[k];
        out->minus32[k / 32] -= code[k];
    }
    for (int g = 0; g < FM_CODES / 32; g++) out->sum32[g] = (float)-out->minus32[g];
}

void fm_codes_from_float_ref(const float *x, int64_t n, fm_codes *out) {
    for (; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        float block[FM_CODES] = {0};
        int8_t code[FM_CODES];
        memcpy(block, x, (size_t)(n < FM_CODES ? n : FM_CODES) * sizeof *x);
        memset(out, 0, sizeof *out);
        fm_int8_from_float_ref(block, FM_CODES, FM_CODES, code, &out->scale);
        for (int k = 0; k < FM_CODES; k++) out->code[fm_codes_place(k)] = code[k];
        sum_codes(code, out);
    }
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* A group of one lane: up to 32 signed codes, and what they are multiplied with. */
typedef struct group {
    int code[32];
    float scale, minimum;
} group;

static int group_columns(fm_layout layout) { return layout == FM_LAYOUT_Q6_K ? 16 : 32; }
static bool has_minimum(fm_layout layout) {
    return layout == FM_LAYOUT_Q4_1 || layout == FM_LAYOUT_Q4_K || layout == FM_LAYOUT_Q5_K;
}

/* Code i of words of eight nibbles. */
static int nibble(const fm_lanes32 *words, int i, int lane) {
    return (int)(words[i / 8][lane] >> (i % 8 * 4) & 15);
}

static void k_factors(const fm_panel_q4_k *b, int g, int lane, group *out) {
    uint32_t words[3] = {b->scales[0][lane], b->scales[1][lane], b->scales[2][lane]};
    uint32_t scale = fm_k_scale_word(words, g / 4) >> (g % 4 * 8) & 63;
    uint32_t minimum = fm_k_minimum_word(words, g / 4) >> (g % 4 * 8) & 63;
    out->scale = fm_half_to_float(b->d[lane]) * (float)scale;
    out->minimum = -(fm_half_to_float(b->dmin[lane]) * (float)minimum);
}

/* The group that begins at column k. */
static void read_group(const fm_panels *w, int64_t panel, int64_t k, int lane, group *out) {
    switch (w->layout) {
    case FM_LAYOUT_Q4_0: {
        const fm_panel_q4_0 *b = fm_panel_block(w, panel, k, 32, sizeof *b);
        out->scale = fm_half_to_float(b->d[lane]);
        for (int i = 0; i < 32; i++) out->code[i] = (nibble(b->q, i, lane) ^ 8) - 8;
        break;
    }
    case FM_LAYOUT_Q4_1: {
        const fm_panel_q4_1 *b = fm_panel_block(w, panel, k, 32, sizeof *b);
        out->scale = fm_half_to_float(b->d[lane]);
        out->minimum = fm_half_to_float(b->m[lane]);
        for (int i = 0; i < 32; i++) out->code[i] = nibble(b->q, i, lane);
        break;
    }
    case FM_LAYOUT_Q4_K: {
        const fm_panel_q4_k *b = fm_panel_block(w, panel, k, 256, sizeof *b);
        int g = (int)(k % 256 / 32);
        k_factors(b, g, lane, out);
        for (int i = 0; i < 32; i++) out->code[i] = nibble(b->q[g], i, lane);
        break;
    }
    default: break; /* no other layout has an entry in the table */
    }
}

/* ---- the product ------------------------------------------------------------------------------- */

/* Dot and sum of the group with the codes from column `at` of a block. */
static float add_group(const group *w, int columns, bool minimum, const fm_codes *x, int at,
                       float inner) {
    int dot = 0, sum = 0;
    for (int i = 0; i < columns; i++) {
        int code = x->code[fm_codes_place(at + i)];
        dot += w->code[i] * code;
        sum += code;
    }
    inner = fmaf(w->scale, (float)dot, inner);
    return minimum ? fmaf(w->minimum, (float)sum, inner) : inner;
}

static float product(const fm_panels *w, int64_t panel, int lane, const fm_codes *x) {
    int columns = group_columns(w->layout);
    float y = 0, inner = 0;
    for (int64_t k = 0; k < w->n_in; k += columns) {
        group g = {0};
        read_group(w, panel, k, lane, &g);
        const fm_codes *block = x + k / FM_CODES;
        inner = add_group(&g, columns, has_minimum(w->layout), block, (int)(k % FM_CODES), inner);
        if ((k + columns) % FM_CODES != 0 && k + columns < w->n_in) continue;
        y = fmaf(block->scale, inner, y);
        inner = 0;
    }
    return y;
}

void fm_codes_product_ref(const fm_panels *w, int64_t begin, int64_t end, const fm_codes *x,
                          int64_t ldx, int64_t rows, float *y, int64_t ldy) {
    for (int64_t m = 0; m < rows; m++)
        for (int64_t panel = begin; panel < end; panel++)
            for (int r = 0; r < FM_PANEL; r++)
                y[m * ldy + (panel - begin) * FM_PANEL + r] = product(w, panel, r, x + m * ldx);
}
