/* turned_panel_avx512.c: a panel of Q4_K the other way round without a tile of floats in between: its words
 * are turned before they are opened, an eighth of the shuffles. */
#include "kernel/x86/decode_avx512.h"

#include "kernel/x86/unpack_avx512.h"

enum { GROUPS = FM_TILE_K / 32 };
_Static_assert(FM_PANEL == 16 && GROUPS == 4, "four groups of 16 rows");

/* 128 k of a panel by rows: 16 bytes of nibbles for every group, and its scale and minimum. */
typedef struct turned_rows {
    _Alignas(64) uint32_t words[GROUPS][FM_PANEL / 4][FM_PANEL]; /* rows i, i + 4, i + 8, i + 12 in a line */
    float scale[GROUPS][FM_PANEL], minimum[GROUPS][FM_PANEL];
} turned_rows;

/* Four words of a lane side by side. `next`: bytes to what is read here next. */
static FM_INLINE void turn_words(const fm_lanes32 q[4], size_t next, uint32_t out[FM_PANEL / 4][FM_PANEL]) {
    __m512i a = words16(q[0]), b = words16(q[1]), c = words16(q[2]), d = words16(q[3]);
    for (int j = 0; j < 4; j++) FETCH(q[j]);
    __m512i e = _mm512_unpacklo_epi32(a, b), f = _mm512_unpackhi_epi32(a, b);
    __m512i g = _mm512_unpacklo_epi32(c, d), h = _mm512_unpackhi_epi32(c, d);
    _mm512_store_si512(out[0], _mm512_unpacklo_epi64(e, g));
    _mm512_store_si512(out[1], _mm512_unpackhi_epi64(e, g));
    _mm512_store_si512(out[2], _mm512_unpacklo_epi64(f, h));
    _mm512_store_si512(out[3], _mm512_unpackhi_epi64(f, h));
}

/* Two words spread over the lanes in turns: lane l is k 8 (l % 2) + l / 2 of 16. These are the lanes of sums. */
static FM_INLINE __m512 get_sums(const float *y) {
    const __m512i lanes = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    return _mm512_permutexvar_ps(lanes, _mm512_loadu_ps(y));
}
static FM_INLINE void put_sums(__m512 sum, float *y) {
    const __m512i columns = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    _mm512_storeu_ps(y, _mm512_permutexvar_ps(columns, sum));
}

/* sum += x times 16 weights: the nibbles of two words. */
static FM_INLINE __m512 add_weights(const uint32_t *words, __m512 scale, __m512 minimum, __m512 x, __m512 sum) {
    const __m512i shifts = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    int64_t pair;
    __builtin_memcpy(&pair, words, sizeof pair);
    __m512i nibbles = _mm512_srlv_epi32(_mm512_set1_epi64(pair), shifts);
    __m512 code = _mm512_permutexvar_ps(nibbles, plain_nibbles());
    return _mm512_fmadd_ps(x, _mm512_fmsub_ps(scale, code, minimum), sum);
}

#define EACH_GROUP(M) M(0) M(1) M(2) M(3)

void fm_turned_q4_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t n, const float *x, float *y) {
    const fm_panel_q4_k *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const int first = (int)(k0 % 256 / 32);
    k_scales s = open_k_scales(b->d, b->dmin, b->scales);
    turned_rows t;
    for (int g = 0; g < GROUPS; g++) {
        turn_words(b->q[first + g], next, t.words[g]);
        _mm512_storeu_ps(t.scale[g], k_scale(&s, first + g));
        _mm512_storeu_ps(t.minimum[g], k_minimum(&s, first + g));
    }
#define GET(g) __m512 low##g = get_sums(y + 32 * g), high##g = get_sums(y + 32 * g + 16);
    EACH_GROUP(GET)
    for (int64_t i = 0; i < n; i++) {
        const __m512 factor = _mm512_set1_ps(x[i]);
#define ADD(g)                                                                                     \
    {                                                                                              \
        const uint32_t *words = t.words[g][i % 4] + i / 4 * 4;                                     \
        __m512 scale = _mm512_set1_ps(t.scale[g][i]), minimum = _mm512_set1_ps(t.minimum[g][i]);   \
        low##g = add_weights(words, scale, minimum, factor, low##g);                               \
        high##g = add_weights(words + 2, scale, minimum, factor, high##g);                         \
    }
        EACH_GROUP(ADD)
    }
#define PUT_GROUP(g) put_sums(low##g, y + 32 * g), put_sums(high##g, y + 32 * g + 16);
    EACH_GROUP(PUT_GROUP)
}
