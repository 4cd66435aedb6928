/* int8_avx2.c: floats as bytes with a scale per block. Blocks are whole vectors: no tails. */
#include "kernel/x86/avx2.h"
#include "kernel/x86/codes_finish_avx2.h"

#include <math.h>

/* Magnitudes are compared as integers: that order puts infinities and NaN last, which is where the
 * contract wants them found. */
static FM_INLINE uint32_t largest_bits(const float *x, int64_t block) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i m = _mm256_setzero_si256();
    for (int64_t i = 0; i < block; i += 8) {
        __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
        m = _mm256_max_epi32(m, _mm256_and_si256(bits, magnitude));
    }
    __m128i h = _mm_max_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(h);
}

void fm_int8_from_float_avx2(const float *x, int64_t n, int64_t block, int8_t *codes,
                             float *scales) {
    for (int64_t at = 0; at < n; at += block) {
        float m = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128((int)largest_bits(x + at, block))));
        if (!(m >= FM_INT8_LEAST && m <= FM_INT8_MOST)) {
            scales[at / block] = m < FM_INT8_LEAST ? 0.0f : NAN;
            for (int64_t i = at; i < at + block; i += 8)
                _mm_storel_epi64((__m128i *)(codes + i), _mm_setzero_si128());
            continue;
        }
        scales[at / block] = m / 127.0f;
        __m256 inverse = _mm256_set1_ps(127.0f / m);
        for (int64_t i = at; i < at + block; i += 8) {
            __m256i q = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
            __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q),
                                            _mm256_extracti128_si256(q, 1));
            _mm_storel_epi64((__m128i *)(codes + i), _mm_packs_epi16(words, words));
        }
    }
}

void fm_codes_from_float_avx2(const float *x, int64_t n, void *blocks) {
    float last[FM_CODES];
    for (fm_codes *out = blocks; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        const float *block = n < FM_CODES ? fm_codes_pad(x, n, last) : x;
        fm_int8_from_float_avx2(block, FM_CODES, FM_CODES, out->code, &out->scale);
        fm_codes_finish(out);
    }
}

/* What the first bytes, in their own order, left of a block. */
static FM_INLINE void round_rest(const float *x, fm_codes16 *out) {
    __m256 scale = _mm256_set1_ps(out->first.scale), inverse = _mm256_set1_ps(256 / out->first.scale);
    for (int i = 0; i < FM_CODES; i += 8) {
        __m128i first = _mm_loadl_epi64((const __m128i *)(out->first.code + i));
        __m256 rest = _mm256_fnmadd_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(first)),
                                       _mm256_loadu_ps(x + i));
        __m256i q = _mm256_cvtps_epi32(_mm256_mul_ps(rest, inverse));
        __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        __m128i bytes = _mm_max_epi8(_mm_packs_epi16(words, words), _mm_set1_epi8(-127));
        _mm_storel_epi64((__m128i *)(out->second + i), bytes);
    }
}

void fm_codes16_from_float_avx2(const float *x, int64_t n, void *blocks) {
    float last[FM_CODES];
    for (fm_codes16 *out = blocks; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        const float *block = n < FM_CODES ? fm_codes_pad(x, n, last) : x;
        fm_int8_from_float_avx2(block, FM_CODES, FM_CODES, out->first.code, &out->first.scale);
        if (out->first.scale > 0)
            round_rest(block, out);
        else
            memset(out->second, 0, sizeof out->second);
        fm_codes16_finish(out);
    }
}
