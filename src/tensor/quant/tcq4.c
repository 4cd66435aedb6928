/* tcq4.c: 32 elements of 4 bits on a trellis of 32 values, with one 8-bit scale. A format of our own.
 *
 *   0   1                        17
 *   | e | q[0] ... q[15]          |     e: E4M4; q[j]: low nibble element j, high nibble j + 16
 *
 *   e:     eeee mmmm                    2^(eeee - 18) (1 + mmmm / 16); with eeee 0, 2^-21 mmmm
 *   code:  hhh b                        with the switch s = b of the element before in its ring,
 *                                       exclusive or b of the element behind
 *   x = scale(e) * value[hhh s b]       one of 32 values from -127 to 127, closer around zero
 *
 *   rings:  0  8 16 24  2 10 18 26  4 12 20 28  6 14 22 30, and on with 0; odd elements alike
 *
 * Four bits would choose among 16 values. Here they choose among 32, of which the neighbours in the
 * ring allow 16: those of the two even or of the two odd rests hhh s b mod 4, by b, and of these the
 * half that s names. That is trellis-coded quantisation (Marcellin and Fischer 1990) with Ungerboeck's
 * code of four states, its register without feedback, so that a code means something without the codes
 * before it being decoded: the switches of a whole vector are one exclusive or. Rings end in themselves
 * (tail-biting), so that a block stands alone; they run through the words of a panel (kernel/layout.h)
 * in such a way that the neighbour of a code is at its place in the word before or behind.
 *
 * Against 16 values chosen freely, the mean square error is a sixth smaller; see docs/formats.md.
 *
 * The quantiser tries scales around the one that takes the largest element to the largest value, and
 * for each finds the codes of least error (Viterbi 1967) from each of the four states a ring may begin
 * in. What is larger than 127 * 31/128 = 30.76 is cut off there.
 *
 * An example: the 32 elements x[k] = (k - 16) / 16 become these 17 bytes, with the scale 19/16 2^-7:
 *
 *   b3 81 91 80 a0 a1 b1 b2 c3 d3 c4 d4 d5 e4 e6 f6 e6 */
#include "tensor/quant/tcq4.h"
#include "tensor/quant/quant_block.h"

typedef struct FM_PACKED block {
    uint8_t e;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, TCQ4);

/* By the index hhh s b they rise; here by s and hhh b. */
const int8_t fm_tcq4_values[2][16] = {
    {-127, -107, -72, -63, -41, -34, -17, -12, 3, 7, 23, 28, 47, 55, 81, 92},
    {-92, -81, -55, -47, -28, -23, -7, -3, 12, 17, 34, 41, 63, 72, 107, 127},
};

static int code_of(const block *b, int k) { return k < 16 ? b->q[k] & 15 : b->q[k - 16] >> 4; }

void fm_decode_tcq4(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_tcq4_scale(b->e);
        for (int k = 0; k < 32; k++) {
            int before = code_of(b, fm_tcq4_previous(k)), behind = code_of(b, fm_tcq4_next(k));
            dst[k] = d * (float)fm_tcq4_values[(before ^ behind) & 1][code_of(b, k)];
        }
    }
}

/* ---- the quantiser ----------------------------------------------------------------------------- */

enum { RING = 16, STATES = 4, LOWER = 2, HIGHER = 5 };

/* A block to be rounded: element t of ring r is x[r][t]. */
typedef struct problem {
    float x[2][RING], weight[2][RING];
} problem;

static int element(int ring, int t) { return 8 * (t % 4) + 2 * (t / 4) + ring; }

static void read_block(const float *src, const float *importance, problem *p) {
    for (int ring = 0; ring < 2; ring++)
        for (int t = 0; t < RING; t++) {
            int k = element(ring, t);
            p->x[ring][t] = src[k] == src[k] ? src[k] : 0; /* NaN becomes 0 */
            p->weight[ring][t] = importance ? importance[k] : 1;
        }
}

/* Four floats side by side: element t of a ring in lane t % 4, or paths from four states. */
typedef float floats4 __attribute__((vector_size(16)));
typedef int32_t bits4 __attribute__((vector_size(16)));

static inline floats4 less_of(floats4 a, floats4 b) {
    bits4 less = a < b;
    return (floats4)((less & (bits4)a) | (~less & (bits4)b));
}

/* The least error of every element of the ring among the values that s and b leave: [s][b][t]. */
typedef float costs[2][2][RING];

static void find_costs(const problem *p, int ring, float d, costs out) {
    for (int t = 0; t < RING; t += 4) {
        floats4 v, weight;
        for (int i = 0; i < 4; i++) {
            float x = p->x[ring][t + i] / d;
            v[i] = x > 1e6f ? 1e6f : x < -1e6f ? -1e6f : x;
        }
        memcpy(&weight, &p->weight[ring][t], sizeof weight);
        for (int s = 0; s < 2; s++)
            for (int b = 0; b < 2; b++) {
                floats4 first = v - (float)fm_tcq4_values[s][b], best = first * first;
                for (int code = b + 2; code < 16; code += 2) {
                    floats4 off = v - (float)fm_tcq4_values[s][code];
                    best = less_of(off * off, best);
                }
                best *= weight;
                memcpy(&out[s][b][t], &best, sizeof best);
            }
    }
}

/* Paths through a ring. A state is (b of the element before, b of this one), numbered before + 2 b;
 * sums[to][from] is the least error so far of a path to a state from the state the ring began in. */
typedef floats4 sums[STATES];

/* From element t to the next, whose b is `next`. */
static inline void step_paths(const sums in, costs cost, int t, sums out) {
    for (int b = 0; b < 2; b++)
        for (int next = 0; next < 2; next++) {
            floats4 sum0 = in[2 * b] + cost[next][b][t], sum1 = in[2 * b + 1] + cost[!next][b][t];
            out[b + 2 * next] = less_of(sum1, sum0);
        }
}

/* sum[t] before element t; sum[RING] at the end. Returns the state that the best path begins and ends
 * in: a ring is closed. */
static int find_paths(costs cost, sums sum[RING + 1]) {
    for (int to = 0; to < STATES; to++)
        for (int from = 0; from < STATES; from++) sum[0][to][from] = to == from ? 0 : INFINITY;
    for (int t = 0; t < RING; t++) step_paths(sum[t], cost, t, sum[t + 1]);
    int best = 0;
    for (int state = 1; state < STATES; state++)
        if (sum[RING][state][state] < sum[RING][best][best]) best = state;
    return best;
}

static int nearest(float v, int s, int b) {
    int best = b;
    for (int code = b + 2; code < 16; code += 2)
        if (fabsf(v - (float)fm_tcq4_values[s][code]) < fabsf(v - (float)fm_tcq4_values[s][best]))
            best = code;
    return best;
}

static void put_code(block *b, int k, int code) { b->q[k % 16] |= (uint8_t)(code << (k / 16 * 4)); }

/* Follows the best path back from its end and writes the codes. */
static void write_ring(const problem *p, int ring, float d, block *out) {
    costs cost;
    sums sum[RING + 1];
    find_costs(p, ring, d, cost);
    int end = find_paths(cost, sum), state = end;
    for (int t = RING - 1; t >= 0; t--) {
        int b = state & 1, next = state >> 1;
        float sum0 = sum[t][2 * b][end] + cost[next][b][t];
        float sum1 = sum[t][2 * b + 1][end] + cost[!next][b][t];
        int before = sum1 < sum0;
        put_code(out, element(ring, t), nearest(p->x[ring][t] / d, before ^ next, b));
        state = before + 2 * b;
    }
}

/* The least error of the block with scale d. */
static float error_with(const problem *p, float d) {
    float error = 0;
    for (int ring = 0; ring < 2; ring++) {
        costs cost;
        sums sum[RING + 1];
        find_costs(p, ring, d, cost);
        int end = find_paths(cost, sum);
        error += sum[RING][end][end];
    }
    return error * d * d;
}

/* The scale nearest to d. */
static int scale_code(float d) {
    int code = (fm_half_from_float(d * 8) + 32) >> 6;
    return code < 255 ? code : 255;
}

static void search_block(const float *src, const float *importance, block *out) {
    problem p;
    *out = (block){0};
    float largest = fm_largest_magnitude(src, 32), least = INFINITY;
    if (largest == 0) return;
    read_block(src, importance, &p);
    int middle = scale_code(largest / 127);
    int first = middle > LOWER ? middle - LOWER : 1;
    for (int e = first; e <= middle + HIGHER && e <= 255; e++) {
        float error = error_with(&p, fm_tcq4_scale((uint8_t)e));
        if (!(error < least)) continue;
        least = error;
        out->e = (uint8_t)e;
    }
    if (!out->e) return; /* errors beyond all floats, or too small for any scale */
    for (int ring = 0; ring < 2; ring++) write_ring(&p, ring, fm_tcq4_scale(out->e), out);
}

void fm_fit_tcq4(const float *src, const float *importance, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        search_block(src, importance, b);
        if (importance) importance += 32;
    }
}

void fm_encode_tcq4(const float *src, void *dst, int64_t n) { fm_fit_tcq4(src, NULL, dst, n); }
