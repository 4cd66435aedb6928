/* turned_panel_avx2.c: a panel of Q4_K the other way round without a tile of floats in between: its words are
 * turned before they are opened, an eighth of the shuffles. */
#include "kernel/x86/decode_avx2.h"

#include "kernel/x86/unpack_avx2.h"

enum { GROUPS = 2 }; /* at a time: the sums of their 64 k take half of the registers */

/* 64 k of a panel by rows: 16 bytes of nibbles for every group, and its scale and minimum. */
typedef struct turned_rows {
    _Alignas(32) uint32_t words[GROUPS][FM_PANEL / 4][FM_PANEL]; /* rows i, i + 4, i + 8, i + 12 in a line */
    float scale[GROUPS][FM_PANEL], minimum[GROUPS][FM_PANEL];
} turned_rows;

/* Four words of a lane side by side. `next`: bytes to what is read here next. */
static FM_INLINE void turn_words(const fm_lanes32 q[4], size_t next, uint32_t out[FM_PANEL / 4][FM_PANEL]) {
    for (int j = 0; j < 4; j++) FETCH(q[j]);
    for (int half = 0; half < 2; half++) {
        __m256i a = words8(q[0], half), b = words8(q[1], half), c = words8(q[2], half), d = words8(q[3], half);
        __m256i e = _mm256_unpacklo_epi32(a, b), f = _mm256_unpackhi_epi32(a, b);
        __m256i g = _mm256_unpacklo_epi32(c, d), h = _mm256_unpackhi_epi32(c, d);
        _mm256_store_si256((__m256i *)out[0] + half, _mm256_unpacklo_epi64(e, g));
        _mm256_store_si256((__m256i *)out[1] + half, _mm256_unpackhi_epi64(e, g));
        _mm256_store_si256((__m256i *)out[2] + half, _mm256_unpacklo_epi64(f, h));
        _mm256_store_si256((__m256i *)out[3] + half, _mm256_unpackhi_epi64(f, h));
    }
}

/* 16 k in two vectors: lane l of the first is k 8 (l % 2) + l / 2, as two words spread over the lanes in turns
 * give them, and of the second four more. */
typedef struct sums {
    __m256 first, second;
} sums;

/* From the order of k, and back to it. */
static FM_INLINE sums get_sums(const float *y) {
    __m256 low = _mm256_loadu_ps(y), high = _mm256_loadu_ps(y + 8);
    __m256 even = _mm256_unpacklo_ps(low, high), odd = _mm256_unpackhi_ps(low, high); /* k 0 1 4 5, 2 3 6 7 */
    return (sums){_mm256_permute2f128_ps(even, odd, 0x20), _mm256_permute2f128_ps(even, odd, 0x31)};
}
static FM_INLINE void put_sums(sums s, float *y) {
    __m256 even = _mm256_permute2f128_ps(s.first, s.second, 0x20);
    __m256 odd = _mm256_permute2f128_ps(s.first, s.second, 0x31);
    __m256 low = _mm256_shuffle_ps(even, odd, 0x88), high = _mm256_shuffle_ps(even, odd, 0xdd);
    _mm256_storeu_ps(y, low);
    _mm256_storeu_ps(y + 8, high);
}

static FM_INLINE __m256 add_eight(__m256i words, __m256i shifts, __m256 scale, __m256 minimum, __m256 x, __m256 sum) {
    __m256i code = _mm256_and_si256(_mm256_srlv_epi32(words, shifts), _mm256_set1_epi32(15));
    return _mm256_fmadd_ps(x, _mm256_fmsub_ps(scale, _mm256_cvtepi32_ps(code), minimum), sum);
}

/* s += x times 16 weights: the nibbles of two words. */
static FM_INLINE sums add_weights(const uint32_t *words, __m256 scale, __m256 minimum, __m256 x, sums s) {
    const __m256i shifts = _mm256_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12);
    const __m256i more = _mm256_setr_epi32(16, 16, 20, 20, 24, 24, 28, 28);
    int64_t pair;
    __builtin_memcpy(&pair, words, sizeof pair);
    __m256i both = _mm256_set1_epi64x(pair);
    return (sums){add_eight(both, shifts, scale, minimum, x, s.first),
                  add_eight(both, more, scale, minimum, x, s.second)};
}

static FM_INLINE void add_groups(const turned_rows *t, int64_t n, const float *x, float *y) {
    sums a = get_sums(y), b = get_sums(y + 16), c = get_sums(y + 32), d = get_sums(y + 48);
    for (int64_t i = 0; i < n; i++) {
        const uint32_t *first = t->words[0][i % 4] + i / 4 * 4, *second = t->words[1][i % 4] + i / 4 * 4;
        __m256 factor = _mm256_broadcast_ss(x + i);
        __m256 scale = _mm256_broadcast_ss(&t->scale[0][i]), minimum = _mm256_broadcast_ss(&t->minimum[0][i]);
        a = add_weights(first, scale, minimum, factor, a);
        b = add_weights(first + 2, scale, minimum, factor, b);
        scale = _mm256_broadcast_ss(&t->scale[1][i]), minimum = _mm256_broadcast_ss(&t->minimum[1][i]);
        c = add_weights(second, scale, minimum, factor, c);
        d = add_weights(second + 2, scale, minimum, factor, d);
    }
    put_sums(a, y), put_sums(b, y + 16), put_sums(c, y + 32), put_sums(d, y + 48);
}

void fm_turned_q4_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t n, const float *x, float *y) {
    const fm_panel_q4_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int64_t k = 0; k < FM_TILE_K; k += 32 * GROUPS, first += GROUPS) {
        turned_rows t;
        for (int g = 0; g < GROUPS; g++) {
            turn_words(b->q[first + g], next, t.words[g]);
            for (int half = 0; half < 2; half++) {
                _mm256_storeu_ps(t.scale[g] + 8 * half, k_scale(b, first + g, half));
                _mm256_storeu_ps(t.minimum[g] + 8 * half, k_minimum(b, first + g, half));
            }
        }
        add_groups(&t, n, x, y + k);
    }
}
