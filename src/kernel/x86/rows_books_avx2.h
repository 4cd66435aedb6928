/* rows_books_avx2.h: rows of the formats with code books (IQ1 to IQ3), which name eight or four elements by a
 * number, and of the ternary ones, as the file has them. For the unpack of AVX2 and AVX-512.
 *
 * Packing opens the books (kernel/layout.h). This is for whoever keeps the file's rows, which are smaller
 * (--map-only): half a block (a tile) at a time, a book being looked up by row, where its eight elements lie
 * side by side. All products of scales and values are exact in float32, and so they are decode's to the bit.
 * The drawings are in tensor/quant/. */
#pragma once

#include "kernel/x86/avx2.h"
#include "tensor/dtype.h"
#include "tensor/half.h"
#include "tensor/quant/book_blocks.h"
#include "tensor/quant/iq_tables.h"

#include <string.h>

/* Eight elements, from a word with `bits` bits for each, looked up in a table of eight. */
static FM_INLINE __m256 eight_of(uint32_t word, int bits, __m256 table) {
    __m256i shifts = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                        _mm256_set1_epi32(bits));
    return _mm256_permutevar8x32_ps(table, _mm256_srlv_epi32(_mm256_set1_epi32((int)word), shifts));
}

/* The look-up takes three bits: of elements of two, the third is their neighbour's. */
static FM_INLINE __m256 eight_twos(uint32_t word, __m256 table) {
    __m256i code = _mm256_srlv_epi32(_mm256_set1_epi32((int)word),
                                     _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
    return _mm256_permutevar8x32_ps(table, _mm256_and_si256(code, _mm256_set1_epi32(3)));
}

/* Bit k of `signs` turns element k over. */
static FM_INLINE __m256 turned(__m256 x, unsigned signs) {
    __m256i bits = _mm256_sllv_epi32(_mm256_set1_epi32((int)signs),
                                     _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24));
    return _mm256_xor_ps(x, _mm256_and_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(-0.0f)));
}

static FM_INLINE void put_iq2(unsigned entry, unsigned signs, float scale, float *out) {
    const __m256 table = _mm256_setr_ps(8, 25, 43, 43, 8, 25, 43, 43);
    __m256 x = _mm256_mul_ps(_mm256_set1_ps(scale), eight_twos(entry, table));
    _mm256_storeu_ps(out, turned(x, signs));
}

static FM_INLINE __m256 ternary(void) { return _mm256_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2); }

static FM_INLINE void put_iq1(unsigned entry, float shift, float scale, float *out) {
    __m256 value = _mm256_add_ps(eight_twos(entry, ternary()), _mm256_set1_ps(shift));
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_set1_ps(scale), value));
}

/* Two quartets. */
static FM_INLINE void put_iq3(uint32_t entries, unsigned signs, float scale, __m256 table,
                              float *out) {
    __m256 x = _mm256_mul_ps(_mm256_set1_ps(scale), eight_of(entries, 4, table));
    _mm256_storeu_ps(out, turned(x, signs));
}

/* ---- each format: the 128 elements of half a block ---------------------------------------------- */

static void half_iq1_s(const void *block, int half, float *out) {
    const fm_file_iq1_s *b = block;
    float d = fm_half_to_float(b->d);
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        unsigned high = b->high[g];
        float scale = d * (float)(2 * (high >> 12 & 7) + 1), shift = high & 0x8000 ? -0.125f : 0.125f;
        for (int i = 0; i < 4; i++, out += 8)
            put_iq1(fm_iq1_grid[b->low[4 * g + i] | (high >> 3 * i & 7) << 8], shift, scale, out);
    }
}

static void half_iq1_m(const void *block, int half, float *out) {
    const fm_file_iq1_m *b = block;
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) bits |= (unsigned)(b->scales[i] >> 12) << 4 * i;
    float d = fm_half_to_float((uint16_t)bits);
    for (int s = 8 * half; s < 8 * half + 8; s++) {
        float scale = d * (float)(2 * (b->scales[s / 4] >> s % 4 * 3 & 7) + 1);
        for (int i = 0; i < 2; i++, out += 8) {
            unsigned nibble = b->high[s] >> 4 * i & 15;
            put_iq1(fm_iq1_grid[b->low[2 * s + i] | (nibble & 7) << 8],
                    nibble & 8 ? -0.125f : 0.125f, scale, out);
        }
    }
}

static void half_iq2_xxs(const void *block, int half, float *out) {
    const fm_file_iq2_xxs *b = block;
    float d = fm_half_to_float(b->d);
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        uint32_t signs = b->group[g].signs;
        float scale = d * (0.5f + (float)(signs >> 28)) * 0.25f;
        for (int i = 0; i < 4; i++, out += 8)
            put_iq2(fm_iq2_xxs_grid[b->group[g].entry[i]], fm_iq_signs(signs >> 7 * i & 127), scale,
                    out);
    }
}

static void half_iq2_xs(const void *block, int half, float *out) {
    const fm_file_iq2_xs *b = block;
    float d = fm_half_to_float(b->d);
    for (int s = 8 * half; s < 8 * half + 8; s++) {
        float scale = d * (0.5f + (float)(b->scales[s / 2] >> s % 2 * 4 & 15)) * 0.25f;
        for (int o = 2 * s; o < 2 * s + 2; o++, out += 8) {
            unsigned octet = b->octet[o];
            put_iq2(fm_iq2_xs_grid[octet & 511], fm_iq_signs(octet >> 9), scale, out);
        }
    }
}

static void half_iq2_s(const void *block, int half, float *out) {
    const fm_file_iq2_s *b = block;
    float d = fm_half_to_float(b->d);
    for (int s = 8 * half; s < 8 * half + 8; s++) {
        float scale = d * (0.5f + (float)(b->scales[s / 2] >> s % 2 * 4 & 15)) * 0.25f;
        for (int o = 2 * s; o < 2 * s + 2; o++, out += 8) {
            unsigned entry = b->low[o] | (b->high[o / 4] >> o % 4 * 2 & 3u) << 8;
            put_iq2(fm_iq2_s_grid[entry], b->signs[o], scale, out);
        }
    }
}

static void half_iq3_xxs(const void *block, int half, float *out) {
    const __m256 table = _mm256_setr_ps(4, 12, 20, 28, 36, 44, 52, 62);
    const fm_file_iq3_xxs *b = block;
    float d = fm_half_to_float(b->d);
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        uint32_t word = b->signs[g];
        float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
        for (int i = 0; i < 4; i++, out += 8) {
            const uint8_t *entry = b->entry + 8 * g + 2 * i;
            uint32_t entries = fm_iq3_xxs_grid[entry[0]] | (uint32_t)fm_iq3_xxs_grid[entry[1]] << 16;
            put_iq3(entries, fm_iq_signs(word >> 7 * i & 127), scale, table, out);
        }
    }
}

static void half_iq3_s(const void *block, int half, float *out) {
    const __m256 table = _mm256_setr_ps(1, 3, 5, 7, 9, 11, 13, 15);
    const fm_file_iq3_s *b = block;
    float d = fm_half_to_float(b->d);
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        float scale = d * (float)(2 * (b->scales[g / 2] >> g % 2 * 4 & 15) + 1);
        for (int i = 0; i < 4; i++, out += 8) {
            unsigned high = b->high[g] >> 2 * i;
            const uint8_t *low = b->low + 8 * g + 2 * i;
            uint32_t entries = fm_iq3_s_grid[low[0] | (high & 1) << 8] |
                               (uint32_t)fm_iq3_s_grid[low[1] | (high & 2) << 7] << 16;
            put_iq3(entries, b->signs[4 * g + i], scale, table, out);
        }
    }
}

static FM_INLINE __m256i eight_bytes(const uint8_t *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

static void half_tq2_0(const void *block, int half, float *out) {
    const fm_file_tq2_0 *b = block;
    const __m256 d = _mm256_set1_ps(fm_half_to_float(b->d));
    for (int j = 0; j < 32; j += 8) {
        __m256i bytes = eight_bytes(b->q + 32 * half + j);
        for (int k = 0; k < 4; k++) {
            __m256i code = _mm256_and_si256(_mm256_srli_epi32(bytes, 2 * k), _mm256_set1_epi32(3));
            _mm256_storeu_ps(out + 32 * k + j,
                             _mm256_mul_ps(d, _mm256_permutevar8x32_ps(ternary(), code)));
        }
    }
}

/* The digits that come out at the top of the bytes when they are multiplied by `powers` of three. */
static FM_INLINE void put_tq1(__m256i bytes, __m256i powers, float d, float *out) {
    __m256i rest = _mm256_and_si256(_mm256_mullo_epi32(bytes, powers), _mm256_set1_epi32(255));
    __m256i digit = _mm256_srli_epi32(_mm256_mullo_epi32(rest, _mm256_set1_epi32(3)), 8);
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_set1_ps(d),
                                        _mm256_permutevar8x32_ps(ternary(), digit)));
}

static void half_tq1_0(const void *block, int half, float *out) {
    static const int power[5] = {1, 3, 9, 27, 81};
    const fm_file_tq1_0 *b = block;
    float d = fm_half_to_float(b->d);
    int digits = half ? 1 : 4; /* of the first 32 bytes: elements 0 to 127, and 128 to 159 */
    for (int k = 0; k < digits; k++)
        for (int j = 0; j < 32; j += 8, out += 8)
            put_tq1(eight_bytes(b->q + j), _mm256_set1_epi32(power[half ? 4 : k]), d, out);
    if (!half) return;
    for (int k = 0; k < 5; k++)
        for (int j = 32; j < 48; j += 8, out += 8)
            put_tq1(eight_bytes(b->q + j), _mm256_set1_epi32(power[k]), d, out);
    uint8_t twice[8];
    memcpy(twice, b->q + 48, 4);
    memcpy(twice + 4, b->q + 48, 4);
    put_tq1(eight_bytes(twice), _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3), d, out);
    put_tq1(eight_bytes(twice), _mm256_setr_epi32(9, 9, 9, 9, 27, 27, 27, 27), d, out + 8);
}

/* NULL: the format's own decode serves. */
typedef void (*half_decoder)(const void *block, int half, float *out);
static inline half_decoder half_decoder_of(fm_dtype dtype) {
    switch (dtype) {
    case FM_DTYPE_IQ1_S: return half_iq1_s;
    case FM_DTYPE_IQ1_M: return half_iq1_m;
    case FM_DTYPE_IQ2_XXS: return half_iq2_xxs;
    case FM_DTYPE_IQ2_XS: return half_iq2_xs;
    case FM_DTYPE_IQ2_S: return half_iq2_s;
    case FM_DTYPE_IQ3_XXS: return half_iq3_xxs;
    case FM_DTYPE_IQ3_S: return half_iq3_s;
    case FM_DTYPE_TQ1_0: return half_tq1_0;
    case FM_DTYPE_TQ2_0: return half_tq2_0;
    default: return NULL;
    }
}

/* Columns [k0, k0 + 128) of a whole row. */
static inline void decode_half(half_decoder decode, const fm_tensor *t, int64_t row, int64_t k0,
                               float *out) {
    const char *data = (const char *)t->data + (size_t)row * t->row_bytes +
                       (size_t)(k0 / 256) * (size_t)fm_dtype_get(t->dtype)->block_bytes;
    decode(data, (int)(k0 % 256 / 128), out);
}
