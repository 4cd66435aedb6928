/* unpack_avx2.c: from panels to tiles of floats. See decode_avx2.h for the formats. */
#include "kernel/x86/decode_avx2.h"

#include "kernel/ref/ref.h"
#include "kernel/x86/rows_books_avx2.h"
#include "kernel/x86/unpack_avx2.h"

/* Both halves of row k of the tile, from an expression in `half`. */
#define PUT(k, value)                                                                              \
    do {                                                                                           \
        {                                                                                          \
            enum { half = 0 };                                                                     \
            _mm256_store_ps(tile + FM_PANEL * (k), value);                                         \
        }                                                                                          \
        {                                                                                          \
            enum { half = 1 };                                                                     \
            _mm256_store_ps(tile + FM_PANEL * (k) + 8, value);                                     \
        }                                                                                          \
    } while (0)

void fm_unpack_f32_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const float *x = fm_panel_block(w, panel, k0, 1, 64);
    size_t next = fm_next_tile(w, k0, 64 * FM_TILE_K);
    for (int64_t k = 0; k < nk; k++) {
        FETCH(x + FM_PANEL * k);
        PUT(k, _mm256_loadu_ps(x + FM_PANEL * k + 8 * half));
    }
}

void fm_unpack_f16_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const uint16_t *h = fm_panel_block(w, panel, k0, 1, 32);
    size_t next = fm_next_tile(w, k0, 32 * FM_TILE_K);
    int64_t k = 0;
    for (; k + 2 <= nk; k += 2) { /* a line */
        FETCH(h + FM_PANEL * k);
        PUT(k, halves8(h + FM_PANEL * k, half));
        PUT(k + 1, halves8(h + FM_PANEL * (k + 1), half));
    }
    if (k < nk) PUT(k, halves8(h + FM_PANEL * k, half));
}

void fm_unpack_bf16_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_lanes32 *line = fm_panel_block(w, panel, k0, 2, 64);
    size_t next = fm_next_tile(w, k0, 32 * FM_TILE_K);
    int64_t k = 0;
    for (; k + 2 <= nk; k += 2, line++) {
        FETCH(line);
        PUT(k, bf16_low(words8(*line, half)));
        PUT(k + 1, bf16_high(words8(*line, half)));
    }
    if (k < nk) PUT(k, bf16_low(words8(*line, half)));
}

void fm_unpack_f8_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const char *first = fm_panel_block(w, panel, k0, 128, sizeof(fm_panel_f8));
    size_t next = fm_next_tile(w, k0, sizeof(fm_panel_f8));
    const fm_panel_f8 *b = (const fm_panel_f8 *)(first + sizeof(fm_panel_f8_header));
    __m256 scale[2] = {_mm256_loadu_ps(b->scale), _mm256_loadu_ps(b->scale + 8)};
    int64_t k = 0;
    for (; k + 4 <= nk; k += 4) { /* a line */
        FETCH(b->code[k]);
#pragma GCC unroll 4
        for (int64_t i = k; i < k + 4; i++)
            PUT(i, _mm256_mul_ps(e4m3(b->code[i], half), scale[half]));
    }
    for (; k < nk; k++) PUT(k, _mm256_mul_ps(e4m3(b->code[k], half), scale[half]));
}

void fm_unpack_q8_0_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q8_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++) {
        __m256 d[2] = {scale_8(b->d, 0), scale_8(b->d, 1)};
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            FETCH(b->q[j][0]);
            FETCH(b->q[j][1]);
#define STEP(i) PUT(i, _mm256_mul_ps(d[half], signed_byte(words8(b->q[j][i % 2], half), i / 2)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

/* The formats of nibbles go half by half: eight k of eight rows from one register. */
#define EIGHT_K(words_at, value)                                                                   \
    do {                                                                                           \
        __m256i words = words8(words_at, half);                                                    \
        EIGHT(value)                                                                               \
    } while (0)

static FM_INLINE void unpack_q4_0_half(const fm_panel_q4_0 *b, int half, float *out) {
    __m256 d = halves8(b->d, half);
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
#define STEP(i) STORE_K(i, _mm256_mul_ps(d, signed_nibble(words, i)))
        EIGHT_K(b->q[j], STEP);
#undef STEP
    }
}

void fm_unpack_q4_0_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[j]);
        unpack_q4_0_half(b, 0, tile);
        unpack_q4_0_half(b, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q4_1_half(const fm_panel_q4_1 *b, int half, float *out) {
    __m256 d = halves8(b->d, half), m = halves8(b->m, half);
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
#define STEP(i) STORE_K(i, _mm256_fmadd_ps(d, nibble(words, i), m))
        EIGHT_K(b->q[j], STEP);
#undef STEP
    }
}

void fm_unpack_q4_1_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_1 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[j]);
        unpack_q4_1_half(b, 0, tile);
        unpack_q4_1_half(b, 1, tile + 8);
    }
}

/* 32 codes of five bits: STEP(i) for every k of eight. */
#define UNPACK_5(codes)                                                                            \
    do {                                                                                           \
        __m256i high = words8((codes)->high, half);                                                \
        for (int j = 0; j < 4; j++, out += 8 * FM_PANEL, high = _mm256_srli_epi32(high, 2)) {      \
            __m256i words = words8((codes)->low[j], half);                                         \
            __m256i even = even_5(words, high), odd = odd_5(words, high);                          \
            EIGHT(STEP)                                                                            \
        }                                                                                          \
    } while (0)

static FM_INLINE void unpack_q5_0_half(const fm_panel_q5_0 *b, int half, float *out) {
    __m256 d = scale_8(b->d, half);
#define STEP(i) STORE_K(i, _mm256_mul_ps(d, signed_byte(signed_5(FOUR_OF(i)), i / 2)))
    UNPACK_5(&b->codes);
#undef STEP
}

void fm_unpack_q5_0_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_0 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->codes.low[j]);
        FETCH(b->codes.high);
        unpack_q5_0_half(b, 0, tile);
        unpack_q5_0_half(b, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q5_1_half(const fm_panel_q5_1 *b, int half, float *out) {
    __m256 d = halves8(b->d, half), m = halves8(b->m, half);
#define STEP(i) STORE_K(i, _mm256_fmadd_ps(d, unsigned_byte(FOUR_OF(i), i / 2), m))
    UNPACK_5(&b->codes);
#undef STEP
}

void fm_unpack_q5_1_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_1 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->codes.low[j]);
        FETCH(b->codes.high);
        unpack_q5_1_half(b, 0, tile);
        unpack_q5_1_half(b, 1, tile + 8);
    }
}

/* 32 values of IQ4. */
static FM_INLINE void unpack_iq4(__m256 scale, const fm_lanes32 *q, int half, float *out) {
    const __m256i table = iq4_values();
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
        __m256i words = words8(q[j], half);
        __m256i even = even_values(words, table), odd = odd_values(words, table);
#define STEP(i) STORE_K(i, _mm256_mul_ps(scale, signed_byte(FOUR_OF(i), i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

void fm_unpack_iq4_nl_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq4_nl *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[j]);
        unpack_iq4(scale_8(b->d, 0), b->q, 0, tile);
        unpack_iq4(scale_8(b->d, 1), b->q, 1, tile + 8);
    }
}

void fm_unpack_iq4_xs_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq4_xs *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[g][j]);
        unpack_iq4(iq4_xs_scale(b, g, 0), b->q[g], 0, tile);
        unpack_iq4(iq4_xs_scale(b, g, 1), b->q[g], 1, tile + 8);
    }
}

static FM_INLINE void unpack_mxfp4_half(const fm_panel_mxfp4 *b, int half, float *out) {
    const __m256i table = mxfp4_values();
    __m256 d = mxfp4_scale(b->e, half);
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
        __m256i words = words8(b->q[j], half);
        __m256i even = even_values(words, table), odd = odd_values(words, table);
#define STEP(i) STORE_K(i, _mm256_mul_ps(d, signed_byte_itself(FOUR_OF(i), i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

void fm_unpack_mxfp4_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_mxfp4 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[j]);
        unpack_mxfp4_half(b, 0, tile);
        unpack_mxfp4_half(b, 1, tile + 8);
    }
}

static FM_INLINE void unpack_tcq4_half(const fm_panel_tcq4 *b, int half, float *out) {
    __m256 d = tcq4_scale(b->e, half);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
        __m256i words = words8(b->q[j], half), switches = tcq4_switches(b->q, j, half);
        __m256i even = even_tcq4(words, switches, 0), odd = odd_tcq4(words, switches, 0);
#define STEP(i) STORE_K(i, _mm256_mul_ps(d, signed_byte(FOUR_OF(i), i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

void fm_unpack_tcq4_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_tcq4 *b = fm_panel_block(w, panel, k0, 32, sizeof *b);
    size_t next = fm_next_tile(w, k0, 4 * sizeof *b);
    for (; nk > 0; nk -= 32, b++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[j]);
        unpack_tcq4_half(b, 0, tile);
        unpack_tcq4_half(b, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q2_k_half(const fm_panel_q2_k *b, int g, int half, float *out) {
    __m256 scale = scale_2(b, g, half), minimum = minimum_2(b, g, half);
    __m256i words = words8(b->group[g].q, half);
#define STEP(i) STORE_K(i, _mm256_fmsub_ps(scale, code_2(words, i), minimum))
    SIXTEEN(STEP)
#undef STEP
}

/* A tile is half a block of 256: eight groups of 16, or four of 32. */
void fm_unpack_q2_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q2_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        FETCH(b->group[g].q);
        unpack_q2_k_half(b, g, 0, tile);
        unpack_q2_k_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q3_k_half(const fm_panel_q3_k *b, int g, int half, float *out) {
    __m256i high = words8(b->group[g].high, half);
    for (int j = 0; j < 2; j++) {
        __m256 scale = scale_3(b, 2 * g + j, half);
        __m256i words = words8(b->group[g].low[j], half);
        for (int eight = 0; eight < 2; eight++, out += 8 * FM_PANEL) {
            __m256i even = even_3(words, high), odd = odd_3(words, high);
#define STEP(i) STORE_K(i, _mm256_mul_ps(scale, signed_byte(FOUR_OF(i), i / 2)))
            EIGHT(STEP)
#undef STEP
            words = _mm256_srli_epi32(words, 4);
            high = _mm256_srli_epi32(high, 2);
        }
    }
}

void fm_unpack_q3_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q3_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 2; j++) FETCH(b->group[g].low[j]);
        FETCH(b->group[g].high);
        unpack_q3_k_half(b, g, 0, tile);
        unpack_q3_k_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q4_k_half(const fm_panel_q4_k *b, int g, int half, float *out) {
    __m256 scale = k_scale(b, g, half), minimum = k_minimum(b, g, half);
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
#define STEP(i) STORE_K(i, _mm256_fmsub_ps(scale, nibble(words, i), minimum))
        EIGHT_K(b->q[g][j], STEP);
#undef STEP
    }
}

void fm_unpack_q4_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q4_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[g][j]);
        unpack_q4_k_half(b, g, 0, tile);
        unpack_q4_k_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q5_k_half(const fm_panel_q5_k *b, int g, int half, float *out) {
    __m256 scale = k_scale(b, g, half), minimum = k_minimum(b, g, half);
#define STEP(i) STORE_K(i, _mm256_fmsub_ps(scale, unsigned_byte(FOUR_OF(i), i / 2), minimum))
    UNPACK_5(&b->group[g]);
#undef STEP
}

void fm_unpack_q5_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q5_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->group[g].low[j]);
        FETCH(b->group[g].high);
        unpack_q5_k_half(b, g, 0, tile);
        unpack_q5_k_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_q6_k_half(const fm_panel_q6_k *b, int g, int half, float *out) {
    __m256 scale = scale_6(b, g, half);
    __m256i high = signed_high_6(words8(b->group[g].high, half));
    for (int j = 0; j < 2; j++, out += 8 * FM_PANEL, high = _mm256_srli_epi32(high, 4)) {
        __m256i words = words8(b->group[g].low[j], half);
        __m256i even = even_6(words, high), odd = odd_6(words, high);
#define STEP(i) STORE_K(i, _mm256_mul_ps(scale, signed_byte(i % 2 ? odd : even, i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

void fm_unpack_q6_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_q6_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        for (int j = 0; j < 2; j++) FETCH(b->group[g].low[j]);
        FETCH(b->group[g].high);
        unpack_q6_k_half(b, g, 0, tile);
        unpack_q6_k_half(b, g, 1, tile + 8);
    }
}

/* ---- the file's own rows ----------------------------------------------------------------------- */

/* 8 rows of 8 floats, `ld` apart, into half of 8 columns. */
static FM_INLINE void transpose_8x8(const float *rows, int64_t ld, float *out) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(rows + i * ld);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        STORE_K(c, _mm256_permute2f128_ps(a[c], a[4 + c], 0x20))
        STORE_K(c + 4, _mm256_permute2f128_ps(a[c], a[4 + c], 0x31))
    }
}

enum { LARGEST_BLOCK = 256 };

/* As fm_unpack_rows_avx512. */
void fm_unpack_rows_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
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
    for (int64_t k = 0; k < FM_TILE_K; k += 8) {
        transpose_8x8(&rows[0][k0 - begin + k], LARGEST_BLOCK + 16, tile + k * FM_PANEL);
        transpose_8x8(&rows[8][k0 - begin + k], LARGEST_BLOCK + 16, tile + k * FM_PANEL + 8);
    }
}
