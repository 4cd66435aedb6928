/* int8_avx512.c: floats as bytes with a scale per block. Blocks are whole vectors but for those of
 * 8, which are left to AVX2. */
#include "kernel/x86/avx512.h"
#include "kernel/x86/codes_finish_avx2.h"

#include <math.h>

/* As in int8_avx2.c: compared as integers, infinities and NaN are the largest. */
static FM_INLINE float largest(const float *x, int64_t block) {
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i m = _mm512_setzero_si512();
    for (int64_t i = 0; i < block; i += 16) {
        __m512i bits = _mm512_castps_si512(_mm512_loadu_ps(x + i));
        m = _mm512_max_epi32(m, _mm512_and_si512(bits, magnitude));
    }
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(m))));
}

void fm_int8_from_float_avx512(const float *x, int64_t n, int64_t block, int8_t *codes,
                               float *scales) {
    if (block < 16) {
        fm_int8_from_float_avx2(x, n, block, codes, scales);
        return;
    }
    for (int64_t at = 0; at < n; at += block) {
        float m = largest(x + at, block);
        if (!(m >= FM_INT8_LEAST && m <= FM_INT8_MOST)) {
            scales[at / block] = m < FM_INT8_LEAST ? 0.0f : NAN;
            for (int64_t i = at; i < at + block; i += 16)
                _mm_storeu_si128((__m128i *)(codes + i), _mm_setzero_si128());
            continue;
        }
        scales[at / block] = m / 127.0f;
        __m512 inverse = _mm512_set1_ps(127.0f / m);
        for (int64_t i = at; i < at + block; i += 16) {
            __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
            _mm_storeu_si128((__m128i *)(codes + i), _mm512_cvtsepi32_epi8(q));
        }
    }
}

void fm_codes_from_float_avx512(const float *x, int64_t n, void *blocks) {
    float last[FM_CODES];
    for (fm_codes *out = blocks; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        const float *block = n < FM_CODES ? fm_codes_pad(x, n, last) : x;
        fm_int8_from_float_avx512(block, FM_CODES, FM_CODES, out->code, &out->scale);
        fm_codes_finish(out);
    }
}

/* What the first bytes, in their own order, left of a block. */
static FM_INLINE void round_rest(const float *x, fm_codes16 *out) {
    __m512 scale = _mm512_set1_ps(out->first.scale), inverse = _mm512_set1_ps(256 / out->first.scale);
    for (int i = 0; i < FM_CODES; i += 16) {
        __m128i first = _mm_loadu_si128((const __m128i *)(out->first.code + i));
        __m512 rest = _mm512_fnmadd_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(first)),
                                       _mm512_loadu_ps(x + i));
        __m128i q = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(rest, inverse)));
        _mm_storeu_si128((__m128i *)(out->second + i), _mm_max_epi8(q, _mm_set1_epi8(-127)));
    }
}

void fm_codes16_from_float_avx512(const float *x, int64_t n, void *blocks) {
    float last[FM_CODES];
    for (fm_codes16 *out = blocks; n > 0; n -= FM_CODES, x += FM_CODES, out++) {
        const float *block = n < FM_CODES ? fm_codes_pad(x, n, last) : x;
        fm_int8_from_float_avx512(block, FM_CODES, FM_CODES, out->first.code, &out->first.scale);
        if (out->first.scale > 0)
            round_rest(block, out);
        else
            memset(out->second, 0, sizeof out->second);
        fm_codes16_finish(out);
    }
}
