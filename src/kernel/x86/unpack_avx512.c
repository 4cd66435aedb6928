/* unpack_avx512.c: from panels to tiles of floats. See decode_avx512.h for the formats. */
#include "kernel/x86/decode_avx512.h"

#include "kernel/ref/ref.h"
#include "kernel/x86/rows_books_avx2.h"
#include "kernel/x86/unpack_avx512.h"

void fm_unpack_f32_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const float *x = fm_panel_block(w, panel, k0, 1, 64);
    size_t next = fm_next_tile(w, k0, 64 * FM_TILE_K);
    for (int64_t k = 0; k < nk; k++) {
        FETCH(x + FM_PANEL * k);
        PUT(k, _mm512_loadu_ps(x + FM_PANEL * k));
    }
}

void fm_unpack_f16_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const uint16_t *h = fm_panel_block(w, panel, k0, 1, 32);
    size_t next = fm_next_tile(w, k0, 32 * FM_TILE_K);
    int64_t k = 0;
    for (; k + 2 <= nk; k += 2) { /* a line */
        FETCH(h + FM_PANEL * k);
        PUT(k, halves16(h + FM_PANEL * k));
        PUT(k + 1, halves16(h + FM_PANEL * (k + 1)));
    }
    if (k < nk) PUT(k, halves16(h + FM_PANEL * k));
}

void fm_unpack_bf16_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_lanes32 *line = fm_panel_block(w, panel, k0, 2, 64);
    size_t next = fm_next_tile(w, k0, 32 * FM_TILE_K);
    int64_t k = 0;
    for (; k + 2 <= nk; k += 2, line++) {
        __m512i pair = words16(*line);
        FETCH(line);
        PUT(k, bf16_low(pair));
        PUT(k + 1, bf16_high(pair));
    }
    if (k < nk) PUT(k, bf16_low(words16(*line)));
}

void fm_unpack_f8_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const char *first = fm_panel_block(w, panel, k0, 128, sizeof(fm_panel_f8));
    size_t next = fm_next_tile(w, k0, sizeof(fm_panel_f8));
    const fm_panel_f8 *b = (const fm_panel_f8 *)(first + sizeof(fm_panel_f8_header));
    __m512 scale = _mm512_loadu_ps(b->scale);
    int64_t k = 0;
    for (; k + 4 <= nk; k += 4) { /* a line */
        FETCH(b->code[k]);
#pragma GCC unroll 4
        for (int64_t i = k; i < k + 4; i++) PUT(i, _mm512_mul_ps(e4m3(b->code[i]), scale));
    }
    for (; k < nk; k++) PUT(k, _mm512_mul_ps(e4m3(b->code[k]), scale));
}

void fm_unpack_q8_0_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q8_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        __m512 d = scale_8(b->d);
        for (int j = 0; j < 4; j++) {
            __m512i even = _mm512_loadu_si512(b->q[j][0]), odd = _mm512_loadu_si512(b->q[j][1]);
            FETCH(b->q[j][0]);
            FETCH(b->q[j][1]);
#define STEP(i) PUT(8 * j + i, _mm512_mul_ps(d, signed_byte(i % 2 ? odd : even, i / 2)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_q4_0_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    const __m512 table = signed_nibbles();
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = halves16(b->d);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[j]);
            FETCH(b->q[j]);
#define STEP(i) PUT(i, _mm512_mul_ps(d, look_up(words, 4 * i, table)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_q4_1_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_1 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    const __m512 table = plain_nibbles();
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = halves16(b->d), m = halves16(b->m);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[j]);
            FETCH(b->q[j]);
#define STEP(i) PUT(i, _mm512_fmadd_ps(d, look_up(words, 4 * i, table), m));
            EIGHT(STEP)
#undef STEP
        }
    }
}

/* 32 codes of five bits: STEP(i) for every k of eight, with CODE_5(i, first). */
#define UNPACK_5(codes_of)                                                                         \
    const fm_panel_5_bits *codes = codes_of;                                                       \
    __m512i high = words16(codes->high);                                                           \
    FETCH(codes->high);                                                                            \
    for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL, high = _mm512_srli_epi32(high, 2)) {         \
        __m512i words = words16(codes->low[j]);                                                    \
        __m512i even = even_5(words, high), odd = odd_5(words, high);                              \
        FETCH(codes->low[j]);                                                                      \
        EIGHT(STEP)                                                                                \
    }
#define CODE_5(i, first) look_up_5(i % 2 ? odd : even, i / 2 * 8, first)

void fm_unpack_q5_0_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = halves16(b->d);
#define STEP(i) PUT(i, _mm512_mul_ps(d, CODE_5(i, -16)));
        UNPACK_5(&b->codes)
#undef STEP
    }
}

void fm_unpack_q5_1_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_1 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = halves16(b->d), m = halves16(b->m);
#define STEP(i) PUT(i, _mm512_fmadd_ps(d, CODE_5(i, 0), m));
        UNPACK_5(&b->codes)
#undef STEP
    }
}

void fm_unpack_iq4_nl_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk,
                             float *tile) {
    const fm_panel_iq4_nl *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    const __m512 table = iq4_values();
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = halves16(b->d);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[j]);
            FETCH(b->q[j]);
#define STEP(i) PUT(i, _mm512_mul_ps(d, look_up(words, 4 * i, table)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_mxfp4_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_mxfp4 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    const __m512 table = mxfp4_values();
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = mxfp4_scale(b->e);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[j]);
            FETCH(b->q[j]);
#define STEP(i) PUT(i, _mm512_mul_ps(d, look_up(words, 4 * i, table)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_tcq4_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_tcq4 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++) {
        __m512 d = tcq4_scale(b->e);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[j]), switches = tcq4_switches(b->q, j);
            __m512i even = even_5(words, switches), odd = odd_tcq4(words, switches);
            FETCH(b->q[j]);
#define STEP(i) PUT(i, _mm512_mul_ps(d, look_up_tcq4(i % 2 ? odd : even, i / 2 * 8)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

/* A tile is half a block of 256: groups `first` to first + 7 of 16. */
void fm_unpack_q2_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q2_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = repeated_twos();
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        __m512 scale = scale_2(b, g), minimum = minimum_2(b, g);
        __m512i words = words16(b->group[g].q);
        FETCH(b->group[g].q);
#define STEP(i) PUT(i, _mm512_fmsub_ps(scale, look_up(words, fm_q2_shift(i), table), minimum));
        SIXTEEN(STEP)
#undef STEP
    }
}

void fm_unpack_q3_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q3_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = repeated_threes();
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++) {
        __m512i high = words16(b->group[g].high);
        FETCH(b->group[g].high);
        for (int j = 0; j < 2; j++) {
            __m512 scale = scale_3(b, 2 * g + j);
            __m512i words = words16(b->group[g].low[j]);
            FETCH(b->group[g].low[j]);
            for (int eight = 0; eight < 2; eight++, tile += 8 * FM_PANEL) {
                __m512i even = even_3(words, high), odd = odd_3(words, high);
#define STEP(i) PUT(i, _mm512_mul_ps(scale, look_up(i % 2 ? odd : even, i / 2 * 8, table)));
                EIGHT(STEP)
#undef STEP
                words = _mm512_srli_epi32(words, 4);
                high = _mm512_srli_epi32(high, 2);
            }
        }
    }
}

/* Groups `first` to first + 3, of 32. */
void fm_unpack_q4_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = plain_nibbles();
    k_scales s = open_k_scales(b->d, b->dmin, b->scales);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++) {
        __m512 scale = k_scale(&s, g), minimum = k_minimum(&s, g);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[g][j]);
            FETCH(b->q[g][j]);
#define STEP(i) PUT(i, _mm512_fmsub_ps(scale, look_up(words, 4 * i, table), minimum));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_q5_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    k_scales s = open_k_scales(b->d, b->dmin, b->scales);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++) {
        __m512 scale = k_scale(&s, g), minimum = k_minimum(&s, g);
#define STEP(i) PUT(i, _mm512_fmsub_ps(scale, CODE_5(i, 0), minimum));
        UNPACK_5(&b->group[g])
#undef STEP
    }
}

void fm_unpack_q6_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q6_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++) {
        __m512 scale = scale_6(b, g);
        __m512i high = words16(b->group[g].high);
        FETCH(b->group[g].high);
        for (int j = 0; j < 2; j++, tile += 8 * FM_PANEL, high = _mm512_srli_epi32(high, 4)) {
            __m512i words = words16(b->group[g].low[j]);
            __m512i even = even_6(words, high), odd = odd_6(words, high);
            FETCH(b->group[g].low[j]);
#define STEP(i) PUT(i, _mm512_mul_ps(scale, signed_byte(i % 2 ? odd : even, i / 2)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_iq4_xs_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk,
                             float *tile) {
    const fm_panel_iq4_xs *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = iq4_values();
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++) {
        __m512 scale = iq4_xs_scale(b, g);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[g][j]);
            FETCH(b->q[g][j]);
#define STEP(i) PUT(i, _mm512_mul_ps(scale, look_up(words, 4 * i, table)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

/* ---- the file's own rows ----------------------------------------------------------------------- */

/* 16 rows of 16 floats, `ld` apart, into 16 columns. */
static FM_INLINE void transpose_16x16(const float *rows, int64_t ld, float *tile) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(rows + i * ld);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    /* Now pairs of rows; next quarters of rows: columns 4 q + c of rows 4 i to 4 i + 3. */
    for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        __m512 low0 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
        __m512 high0 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
        __m512 low1 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        __m512 high1 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
        PUT(c, _mm512_shuffle_f32x4(low0, low1, 0x88));
        PUT(c + 4, _mm512_shuffle_f32x4(high0, high1, 0x88));
        PUT(c + 8, _mm512_shuffle_f32x4(low0, low1, 0xdd));
        PUT(c + 12, _mm512_shuffle_f32x4(high0, high1, 0xdd));
    }
}

enum { LARGEST_BLOCK = 256 };

/* Whole tiles of whole panels; the edges are the reference's. Rows lie 16 floats further apart than
 * a block is long, or all 16 would fall into one set of the cache. */
void fm_unpack_rows_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    _Alignas(64) float rows[FM_PANEL][LARGEST_BLOCK + 16];
    const fm_dtype_info *info = fm_dtype_get(w->rows.dtype);
    int64_t begin = k0 / info->block_elements * info->block_elements;
    int64_t count = info->block_elements == LARGEST_BLOCK ? LARGEST_BLOCK : FM_TILE_K;
    if (nk < FM_TILE_K || (panel + 1) * FM_PANEL > w->n_out) {
        fm_unpack_rows_ref(w, panel, k0, nk, tile);
        return;
    }
    half_decoder decode = half_decoder_of(w->rows.dtype);
    for (int r = 0; r < FM_PANEL; r++) {
        if (decode)
            decode_half(decode, &w->rows, panel * FM_PANEL + r, k0, rows[r] + (k0 - begin));
        else
            fm_tensor_decode_part(&w->rows, panel * FM_PANEL + r, begin, count, rows[r]);
    }
    for (int64_t k = 0; k < FM_TILE_K; k += 16)
        transpose_16x16(&rows[0][k0 - begin + k], LARGEST_BLOCK + 16, tile + k * FM_PANEL);
}
