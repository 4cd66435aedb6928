/* unpack_ref.c: from panels to floats, in plain C: what each layout means. */
#include "kernel/ref/ref.h"

#include "kernel/layout.h"
#include "tensor/fp8.h"
#include "tensor/half.h"
#include "tensor/quant/iq_tables.h"
#include "tensor/quant/mxfp4.h"
#include "tensor/quant/tcq4.h"

#include <string.h>

/* ---- the file's own rows ----------------------------------------------------------------------- */

enum { LARGEST_BLOCK = 256 };

/* Decodes columns [k0, k0 + nk) of one row; blocks of the dtype may reach past both ends. */
static const float *decode_columns(const fm_tensor *t, int64_t row, int64_t k0, int64_t nk,
                                   float buffer[2 * LARGEST_BLOCK]) {
    int block = fm_dtype_get(t->dtype)->block_elements;
    int64_t begin = k0 / block * block, end = (k0 + nk + block - 1) / block * block;
    fm_tensor_decode_part(t, row, begin, end - begin, buffer);
    return buffer + (k0 - begin);
}

void fm_unpack_rows_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    float buffer[2 * LARGEST_BLOCK];
    for (int r = 0; r < FM_PANEL; r++) {
        int64_t row = panel * FM_PANEL + r;
        if (row >= w->n_out) {
            for (int64_t k = 0; k < nk; k++) tile[k * FM_PANEL + r] = 0;
            continue;
        }
        const float *x = decode_columns(&w->rows, row, k0, nk, buffer);
        for (int64_t k = 0; k < nk; k++) tile[k * FM_PANEL + r] = x[k];
    }
}

/* ---- floats ------------------------------------------------------------------------------------ */

void fm_unpack_f32_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    memcpy(tile, fm_panel_block(w, panel, k0, 1, 64), (size_t)nk * FM_PANEL * sizeof *tile);
}

void fm_unpack_f16_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const uint16_t *h = fm_panel_block(w, panel, k0, 1, 32);
    for (int64_t i = 0; i < nk * FM_PANEL; i++) tile[i] = fm_half_to_float(h[i]);
}

void fm_unpack_bf16_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_lanes32 *pair = fm_panel_block(w, panel, k0, 2, 64);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++)
            tile[k * FM_PANEL + r] =
                fm_bf16_to_float((uint16_t)(pair[k / 2][r] >> (k % 2 * 16)));
}

void fm_unpack_f8_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const char *first = fm_panel_block(w, panel, k0, 128, sizeof(fm_panel_f8));
    const fm_panel_f8 *b = (const fm_panel_f8 *)(first + sizeof(fm_panel_f8_header));
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++)
            tile[k * FM_PANEL + r] = fm_e4m3_to_float(b->code[k][r]) * b->scale[r];
}

/* ---- blocks of 32 ------------------------------------------------------------------------------ */

/* Code i of a word of eight nibbles. */
static int nibble(uint32_t word, int64_t i) { return (int)(word >> (4 * i) & 15); }

static int code_5(const fm_panel_5_bits *b, int64_t k, int r) {
    uint32_t low[4] = {b->low[0][r], b->low[1][r], b->low[2][r], b->low[3][r]};
    return fm_q5_code(low, b->high[r], (int)k);
}

void fm_unpack_q8_0_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q8_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++)
            tile[k * FM_PANEL + r] =
                fm_half_to_float(b[k / 32].d[r]) * (float)b[k / 32].q[k % 32 / 8][k % 2][r][k % 8 / 2];
}

void fm_unpack_q4_0_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            int code = nibble(b[k / 32].q[k % 32 / 8][r], k % 8) ^ 8;
            tile[k * FM_PANEL + r] = fm_half_to_float(b[k / 32].d[r]) * (float)(code - 8);
        }
}

void fm_unpack_q4_1_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_1 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            int code = nibble(b[k / 32].q[k % 32 / 8][r], k % 8);
            tile[k * FM_PANEL + r] =
                fm_half_to_float(b[k / 32].d[r]) * (float)code + fm_half_to_float(b[k / 32].m[r]);
        }
}

void fm_unpack_q5_0_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            int code = code_5(&b[k / 32].codes, k % 32, r);
            tile[k * FM_PANEL + r] = fm_half_to_float(b[k / 32].d[r]) * (float)(code - 16);
        }
}

void fm_unpack_q5_1_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_1 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            int code = code_5(&b[k / 32].codes, k % 32, r);
            tile[k * FM_PANEL + r] =
                fm_half_to_float(b[k / 32].d[r]) * (float)code + fm_half_to_float(b[k / 32].m[r]);
        }
}

void fm_unpack_iq4_nl_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq4_nl *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            int value = fm_iq4_values[nibble(b[k / 32].q[k % 32 / 8][r], k % 8)];
            tile[k * FM_PANEL + r] = fm_half_to_float(b[k / 32].d[r]) * (float)value;
        }
}

void fm_unpack_mxfp4_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_mxfp4 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            int value = fm_mxfp4_doubled[nibble(b[k / 32].q[k % 32 / 8][r], k % 8)];
            tile[k * FM_PANEL + r] = fm_mxfp4_half_scale(b[k / 32].e[r]) * (float)value;
        }
}

void fm_unpack_tcq4_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_tcq4 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    for (int64_t k = 0; k < nk; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_lanes32 *q = b[k / 32].q;
            uint32_t words[4] = {q[0][r], q[1][r], q[2][r], q[3][r]};
            int j = (int)(k % 32 / 8);
            int row = nibble(fm_tcq4_switches(words, j), k % 8) & 1;
            int value = fm_tcq4_values[row][nibble(words[j], k % 8)];
            tile[k * FM_PANEL + r] = fm_tcq4_scale(b[k / 32].e[r]) * (float)value;
        }
}

/* ---- blocks of 256 ----------------------------------------------------------------------------- */

void fm_unpack_q2_k_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q2_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i), byte = b->group[k / 16].scale[r];
            float scale = fm_half_to_float(b->d[r]) * (float)(byte & 15);
            float minimum = fm_half_to_float(b->dmin[r]) * (float)(byte >> 4);
            uint32_t code = b->group[k / 16].q[r] >> fm_q2_shift(k % 16) & 3;
            tile[i * FM_PANEL + r] = scale * (float)code - minimum;
        }
}

void fm_unpack_q3_k_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q3_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            const fm_panel_3_bits *group = &b->group[k / 32];
            uint32_t words[3] = {b->scales[0][r], b->scales[1][r], b->scales[2][r]};
            uint32_t low[2] = {group->low[0][r], group->low[1][r]};
            float scale = fm_half_to_float(b->d[r]) * (float)fm_q3_scale(words, k / 16);
            tile[i * FM_PANEL + r] =
                scale * (float)(fm_q3_code(low, group->high[r], k % 32) - 4);
        }
}

/* Scale and minimum of group g (of 32) and lane r. */
typedef struct affine {
    float scale, minimum;
} affine;

static affine k_affine(const fm_lanes16 d, const fm_lanes16 dmin, const fm_lanes32 *scales, int g,
                       int r) {
    uint32_t word[3] = {scales[0][r], scales[1][r], scales[2][r]};
    uint32_t scale = fm_k_scale_word(word, g / 4) >> (g % 4 * 8) & 63;
    uint32_t minimum = fm_k_minimum_word(word, g / 4) >> (g % 4 * 8) & 63;
    return (affine){fm_half_to_float(d[r]) * (float)scale,
                    fm_half_to_float(dmin[r]) * (float)minimum};
}

void fm_unpack_q4_k_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            affine a = k_affine(b->d, b->dmin, b->scales, k / 32, r);
            int code = nibble(b->q[k / 32][k % 32 / 8][r], k % 8);
            tile[i * FM_PANEL + r] = a.scale * (float)code - a.minimum;
        }
}

void fm_unpack_q5_k_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            affine a = k_affine(b->d, b->dmin, b->scales, k / 32, r);
            int code = code_5(&b->group[k / 32], k % 32, r);
            tile[i * FM_PANEL + r] = a.scale * (float)code - a.minimum;
        }
}

void fm_unpack_q6_k_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q6_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i), g = k / 16;
            float scale = fm_half_to_float(b->d[r]) * (float)b->group[g].scale[r];
            uint32_t low[2] = {b->group[g].low[0][r], b->group[g].low[1][r]};
            tile[i * FM_PANEL + r] =
                scale * (float)(fm_q6_code(low, b->group[g].high[r], k % 16) - 32);
        }
}

void fm_unpack_iq4_xs_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq4_xs *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i), g = k / 32;
            int scale = fm_iq4_xs_scale(b->high[r], b->low[r], g);
            int value = fm_iq4_values[nibble(b->q[g][k % 32 / 8][r], k % 8)];
            tile[i * FM_PANEL + r] = fm_half_to_float(b->d[r]) * (float)scale * (float)value;
        }
}

/* ---- books, opened ------------------------------------------------------------------------------ */

/* 16 codes of two bits. */
static int two_at(const fm_lanes32 word, int k, int r) { return (int)(word[r] >> fm_q2_shift(k) & 3); }

/* d * (2 scale + 1), the scale being the lowest `bits` of a nibble or byte. */
static float book_scale(uint16_t d, uint32_t nibble, int bits) {
    return fm_half_to_float(d) * (float)(2 * (nibble & ((1u << bits) - 1)) + 1);
}

void fm_unpack_tq2_0_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_tq2_0 *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            tile[i * FM_PANEL + r] =
                fm_half_to_float(b->d[r]) * (float)(two_at(b->q[k / 16], k % 16, r) - 1);
        }
}

void fm_unpack_iq1_s_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq1_s *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            uint32_t nibble = b->scales[r] >> 4 * (k / 32);
            float shift = nibble & 8 ? -0.125f : 0.125f;
            tile[i * FM_PANEL + r] = book_scale(b->d[r], nibble, 3) *
                                     ((float)(two_at(b->q[k / 16], k % 16, r) - 1) + shift);
        }
}

void fm_unpack_iq1_m_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq1_m *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            const fm_panel_iq1_group *group = &b->group[k / 16];
            float shift = group->scale[r] >> (4 + k % 16 / 8) & 1 ? -0.125f : 0.125f;
            tile[i * FM_PANEL + r] = book_scale(b->d[r], group->scale[r], 3) *
                                     ((float)(two_at(group->q, k % 16, r) - 1) + shift);
        }
}

static int three_at(const fm_lanes32 q[3], int k, int r) {
    uint32_t words[3] = {q[0][r], q[1][r], q[2][r]};
    return fm_iq2_code(words, k);
}

void fm_unpack_iq2_xxs_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq2_xxs *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            float scale = book_scale(b->d[r], b->scales[r] >> 4 * (k / 32), 4) * 0.125f;
            tile[i * FM_PANEL + r] = scale * (float)fm_iq2_values[three_at(b->q[k / 32], k % 32, r)];
        }
}

void fm_unpack_iq2_s_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq2_s *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            float scale = book_scale(b->d[r], b->scales[k / 128][r] >> 4 * (k / 16 % 8), 4) * 0.125f;
            tile[i * FM_PANEL + r] = scale * (float)fm_iq2_values[three_at(b->q[k / 32], k % 32, r)];
        }
}

static void unpack_iq3(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, const int8_t *values,
                       float *tile) {
    const fm_panel_iq3 *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    float unit = fm_books_unit((int)w->layout);
    for (int64_t i = 0; i < nk; i++)
        for (int r = 0; r < FM_PANEL; r++) {
            int k = (int)(k0 % 256 + i);
            float scale = book_scale(b->d[r], b->scales[r] >> 4 * (k / 32), 4) * unit;
            tile[i * FM_PANEL + r] =
                scale * (float)values[nibble(b->q[k / 32][k % 32 / 8][r], k % 8)];
        }
}

void fm_unpack_iq3_xxs_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    unpack_iq3(w, panel, k0, nk, fm_iq3_xxs_values, tile);
}

void fm_unpack_iq3_s_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    unpack_iq3(w, panel, k0, nk, fm_iq3_s_values, tile);
}
