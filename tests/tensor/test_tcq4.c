/* TCQ4 is a format of our own: its codes are checked against rings written out by hand, its quantiser
 * against every path there is. */
#include "floats.h"

#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/encode.h"

enum { BYTES = 17 };

static const int even_ring[16] = {0, 8, 16, 24, 2, 10, 18, 26, 4, 12, 20, 28, 6, 14, 22, 30};
static const double rising[32] = {-127, -107, -92, -81, -72, -63, -55, -47, -41, -34, -28,
                                  -23,  -17,  -12, -7,  -3,  3,   7,   12,  17,  23,  28,
                                  34,   41,   47,  55,  63,  72,  81,  92,  107, 127};

static void encode(const float *x, uint8_t *blocks, int64_t n) {
    fm_dtype_get(FM_DTYPE_TCQ4)->encode(x, blocks, n);
}

static void decode(const uint8_t *blocks, float *x, int64_t n) {
    fm_dtype_get(FM_DTYPE_TCQ4)->decode(blocks, x, n);
}

static int code_of(const uint8_t *block, int k) { return block[1 + k % 16] >> (k / 16 * 4) & 15; }

static double scale_of(uint8_t e) {
    return e < 16 ? ldexp(e, -21) : ldexp(1 + (e & 15) / 16.0, (e >> 4) - 18);
}

static void roll_block(uint64_t round, float x[32]) {
    for (int k = 0; k < 32; k++) x[k] = (float)fm_rng_normal(31, round, (uint64_t)k);
}

/* Sum of weight times squared error. */
static double error_of(const float *x, const float *weight, const uint8_t *block) {
    float y[32];
    double sum = 0;
    decode(block, y, 32);
    for (int k = 0; k < 32; k++) {
        double off = (double)x[k] - (double)y[k];
        sum += (weight ? (double)weight[k] : 1) * off * off;
    }
    return sum;
}

static void codes_mean_what_the_drawing_says(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 512; round++) {
        uint8_t block[BYTES] = {(uint8_t)round};
        float y[32];
        for (int i = 1; i < BYTES; i++)
            block[i] = (uint8_t)fm_rng_at(32, round, (uint64_t)i).word[0];
        decode(block, y, 32);
        for (int odd = 0; odd < 2; odd++)
            for (int t = 0; t < 16; t++) {
                int before = code_of(block, even_ring[(t + 15) % 16] + odd);
                int behind = code_of(block, even_ring[(t + 1) % 16] + odd);
                int k = even_ring[t] + odd, code = code_of(block, k);
                int at = code >> 1 << 2 | ((before ^ behind) & 1) << 1 | (code & 1);
                assert_true(y[k] == (float)(scale_of(block[0]) * rising[at]));
            }
    }
}

static void the_example_of_the_drawing_is_what_the_quantiser_gives(void **state) {
    (void)state;
    static const uint8_t expected[BYTES] = {0xb3, 0x81, 0x91, 0x80, 0xa0, 0xa1, 0xb1, 0xb2, 0xc3,
                                            0xd3, 0xc4, 0xd4, 0xd5, 0xe4, 0xe6, 0xf6, 0xe6};
    uint8_t block[BYTES];
    float x[32];
    for (int k = 0; k < 32; k++) x[k] = (float)(k - 16) / 16;
    encode(x, block, 32);
    assert_memory_equal(block, expected, BYTES);
}

/* The least error of a ring over all 2^16 choices of its lowest bits. */
static double least_of_ring(const float *x, int odd, double scale) {
    double cost[16][4], least = INFINITY;
    for (int t = 0; t < 16; t++)
        for (int rest = 0; rest < 4; rest++) {
            cost[t][rest] = INFINITY;
            for (int h = 0; h < 8; h++) {
                double off = (double)x[even_ring[t] + odd] - scale * rising[4 * h + rest];
                cost[t][rest] = fmin(cost[t][rest], off * off);
            }
        }
    for (unsigned bits = 0; bits < 1u << 16; bits++) {
        unsigned twice = bits | bits << 16, switches = (twice >> 15) ^ (twice >> 1);
        double sum = 0;
        for (int t = 0; t < 16; t++) sum += cost[t][(switches >> t & 1) << 1 | (bits >> t & 1)];
        least = fmin(least, sum);
    }
    return least;
}

static void of_all_codes_the_quantiser_finds_those_of_least_error(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 8; round++) {
        float x[32];
        uint8_t block[BYTES];
        roll_block(round, x);
        encode(x, block, 32);
        double scale = scale_of(block[0]);
        double least = least_of_ring(x, 0, scale) + least_of_ring(x, 1, scale);
        assert_true(fabs(error_of(x, NULL, block) - least) <= 1e-5 * least);
    }
}

static void numbers_of_the_format_stay_what_they_are(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 500; round++) {
        uint8_t block[BYTES] = {(uint8_t)(16 + round % 240)}, again[BYTES];
        float x[32], y[32];
        for (int i = 1; i < BYTES; i++)
            block[i] = (uint8_t)fm_rng_at(33, round, (uint64_t)i).word[0];
        block[1] |= 15; /* element 0 is 127: of its neighbours, 8 is even and 30 odd */
        block[1 + 8] &= 0xfe;
        block[1 + 14] |= 0x10;
        decode(block, x, 32);
        assert_true(x[0] == (float)(127 * scale_of(block[0])));
        encode(x, again, 32);
        decode(again, y, 32);
        assert_memory_equal(x, y, sizeof x);
    }
}

static void error_of_normal_numbers_is_as_small_as_documented(void **state) {
    (void)state;
    double error = 0, power = 0;
    for (uint64_t round = 0; round < 1000; round++) {
        float x[32];
        uint8_t block[BYTES];
        roll_block(round, x);
        encode(x, block, 32);
        error += error_of(x, NULL, block);
        for (int k = 0; k < 32; k++) power += (double)x[k] * (double)x[k];
    }
    assert_true(sqrt(error / power) < 0.0680); /* 16 values, searched alike: 0.0740 at best */
}

static void what_counts_more_is_rounded_better(void **state) {
    (void)state;
    double with = 0, without = 0;
    for (uint64_t round = 0; round < 200; round++) {
        float x[32], weight[32];
        uint8_t even[BYTES], weighted[BYTES];
        roll_block(round, x);
        for (int k = 0; k < 32; k++) weight[k] = (float)exp(2 * fm_rng_normal(34, round, (uint64_t)k));
        encode(x, even, 32);
        fm_fit_tcq4(x, weight, weighted, 32);
        with += error_of(x, weight, weighted);
        without += error_of(x, weight, even);
        assert_true(error_of(x, weight, weighted) <= error_of(x, weight, even) * 1.0001 ||
                    weighted[0] != even[0]);
    }
    assert_true(with < 0.8 * without);
}

static void large_numbers_are_cut_off_and_tiny_ones_are_zero(void **state) {
    (void)state;
    float x[32] = {1000, -1000, 1}, y[32];
    uint8_t block[BYTES];
    encode(x, block, 32);
    assert_int_equal(block[0], 255);
    decode(block, y, 32);
    assert_true(fabsf(y[0] - 30.765625f) <= 5 && fabsf(y[1] + 30.765625f) <= 5);
    for (int k = 0; k < 32; k++) x[k] = 1e-6f;
    encode(x, block, 32);
    decode(block, y, 32);
    for (int k = 0; k < 32; k++) assert_true(fabsf(y[k]) <= 2e-6f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_mean_what_the_drawing_says),
        cmocka_unit_test(the_example_of_the_drawing_is_what_the_quantiser_gives),
        cmocka_unit_test(of_all_codes_the_quantiser_finds_those_of_least_error),
        cmocka_unit_test(numbers_of_the_format_stay_what_they_are),
        cmocka_unit_test(error_of_normal_numbers_is_as_small_as_documented),
        cmocka_unit_test(what_counts_more_is_rounded_better),
        cmocka_unit_test(large_numbers_are_cut_off_and_tiny_ones_are_zero),
    };
    return cmocka_run_group_tests_name("tcq4", tests, NULL, NULL);
}
