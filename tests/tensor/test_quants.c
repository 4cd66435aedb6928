#include "floats.h"

#include "base/rng.h"
#include "tensor/encode.h"

#include <float.h>
#include <sys/mman.h>
#include <unistd.h>

/* The table in tests/golden/README.md, section 9, and MXFP4. */
static const struct expected {
    const char *name;
    int gguf, elements, bytes;
    bool source; /* golden input and output of the reference quantiser */
} types[] = {
    {"F16", 1, 1, 2, true},          {"BF16", 30, 1, 2, true},
    {"Q4_0", 2, 32, 18, true},       {"Q4_1", 3, 32, 20, true},
    {"Q5_0", 6, 32, 22, true},       {"Q5_1", 7, 32, 24, true},
    {"Q8_0", 8, 32, 34, true},       {"Q2_K", 10, 256, 84, false},
    {"Q3_K", 11, 256, 110, false},   {"Q4_K", 12, 256, 144, false},
    {"Q5_K", 13, 256, 176, false},   {"Q6_K", 14, 256, 210, false},
    {"IQ2_XXS", 16, 256, 66, false}, {"IQ2_XS", 17, 256, 74, false},
    {"IQ2_S", 22, 256, 82, false},   {"IQ3_XXS", 18, 256, 98, false},
    {"IQ3_S", 21, 256, 110, false},  {"IQ1_S", 19, 256, 50, false},
    {"IQ1_M", 29, 256, 56, false},   {"IQ4_NL", 20, 32, 18, false},
    {"IQ4_XS", 23, 256, 136, false}, {"TQ1_0", 34, 256, 54, true},
    {"TQ2_0", 35, 256, 66, true},    {"MXFP4", 39, 32, 17, false},
};

static fm_dtype dtype_of(const struct expected *t) {
    fm_dtype dtype;
    assert_true(fm_dtype_from_gguf(t->gguf, &dtype));
    return dtype;
}

static const fm_dtype_info *info_of(const struct expected *t) { return fm_dtype_get(dtype_of(t)); }

static void the_table_has_every_type_with_its_number_and_size(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(types); i++) {
        const fm_dtype_info *d = info_of(&types[i]);
        assert_string_equal(d->name, types[i].name);
        assert_int_equal(d->gguf_type, types[i].gguf);
        assert_int_equal(d->block_elements, types[i].elements);
        assert_int_equal(d->block_bytes, types[i].bytes);
        assert_non_null(d->decode);
        assert_int_equal(d->encode != NULL, types[i].source || fm_dtype_is_fitted(dtype_of(&types[i])));
    }
    /* And nothing twice. */
    for (int a = 0; a < FM_DTYPE_COUNT; a++)
        for (int b = 0; b < a; b++) {
            const fm_dtype_info *x = fm_dtype_get((fm_dtype)a), *y = fm_dtype_get((fm_dtype)b);
            assert_string_not_equal(x->name, y->name);
            if (x->gguf_type >= 0) assert_int_not_equal(x->gguf_type, y->gguf_type);
        }
}

static void numbers_and_names_that_no_type_has_are_refused(void **state) {
    (void)state;
    fm_dtype dtype;
    static const int64_t numbers[] = {-1, 4, 5, 9, 15, 24, 31, 36, 40, 1000, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < FM_COUNT(numbers); i++)
        assert_false(fm_dtype_from_gguf(numbers[i], &dtype));
    assert_false(fm_dtype_from_safetensors("Q4_0", &dtype));
    assert_false(fm_dtype_from_safetensors("", &dtype));
    assert_false(fm_dtype_from_safetensors("f16", &dtype));
    assert_true(fm_dtype_from_safetensors("F8_E4M3", &dtype));
    assert_int_equal(dtype, FM_DTYPE_F8_E4M3);
    assert_true(fm_dtype_from_safetensors("F8_E8M0", &dtype));
    assert_int_equal(dtype, FM_DTYPE_F8_E8M0);
}

/* Decodes folder/TYPE.bin and compares with folder/TYPE.f32. Returns the number of elements. */
static int64_t check_decode(const char *folder, const struct expected *t) {
    size_t size, expected_size, bytes = 0;
    void *blocks = load_golden(folder, t->name, ".bin", &size);
    float *expected = load_golden(folder, t->name, ".f32", &expected_size);
    int64_t n = (int64_t)(expected_size / 4);
    assert_true(n > 0 && fm_dtype_bytes(dtype_of(t), n, &bytes));
    assert_int_equal(size, bytes);
    float *got = fm_alloc((size_t)n * 4, FM_MEM_OTHER);
    assert_non_null(got);
    info_of(t)->decode(blocks, got, n);
    assert_same_floats(t->name, got, expected, n);
    fm_free(got);
    fm_free(expected);
    fm_free(blocks);
    return n;
}

static void decoding_equals_the_reference_to_the_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(types); i++)
        if (strcmp(types[i].name, "MXFP4") != 0)
            assert_int_equal(check_decode("quants", &types[i]), 2048);
}

static void decoding_random_bytes_equals_an_independent_decoder(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(types); i++)
        assert_true(check_decode("quants/random", &types[i]) >= 1024);
}

static void every_entry_of_every_code_book_is_as_published(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t elements;
    } books[] = {{"IQ1_S", 2048 * 8},  {"IQ2_XXS", 256 * 8}, {"IQ2_XS", 512 * 8},
                 {"IQ2_S", 1024 * 8}, {"IQ3_XXS", 256 * 4}, {"IQ3_S", 512 * 4}};
    size_t seen = 0;
    for (size_t b = 0; b < FM_COUNT(books); b++)
        for (size_t i = 0; i < FM_COUNT(types); i++) {
            if (strcmp(types[i].name, books[b].name) != 0) continue;
            assert_int_equal(check_decode("quants/books", &types[i]), books[b].elements);
            seen++;
        }
    assert_int_equal(seen, FM_COUNT(books));
}

static void encoding_gives_exactly_the_blocks_of_the_reference_quantiser(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(types); i++) {
        if (!types[i].source) continue;
        size_t size, source_size;
        uint8_t *expected = load_golden("quants", types[i].name, ".bin", &size);
        float *source = load_golden("quants", types[i].name, ".src.f32", &source_size);
        assert_int_equal(source_size, 2048 * 4);
        uint8_t *got = fm_alloc(size, FM_MEM_OTHER);
        assert_non_null(got);
        memset(got, 0xa5, size);
        info_of(&types[i])->encode(source, got, 2048);
        for (size_t k = 0; k < size; k++)
            if (got[k] != expected[k])
                fail_msg("%s: byte %zu is %02x, expected %02x", types[i].name, k, got[k],
                         expected[k]);
        fm_free(got);
        fm_free(source);
        fm_free(expected);
    }
}

/* Memory that ends, or begins, at a page that may not be touched. */
typedef struct fenced {
    uint8_t *pages;
    size_t page, usable;
} fenced;

static fenced fence_new(size_t bytes) {
    fenced f = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    f.usable = (bytes + f.page - 1) / f.page * f.page;
    f.pages = mmap(NULL, f.usable + 2 * f.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f.pages != MAP_FAILED);
    assert_int_equal(mprotect(f.pages + f.page, f.usable, PROT_READ | PROT_WRITE), 0);
    return f;
}

static void *at_start(const fenced *f) { return f->pages + f->page; }
static void *at_end(const fenced *f, size_t bytes) {
    return f->pages + f->page + f->usable - bytes;
}
static void fence_free(fenced *f) { munmap(f->pages, f->usable + 2 * f->page); }

static void fill_random(uint8_t *bytes, size_t n, uint64_t stream) {
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)fm_rng_at(20, stream, i).word[0];
}

/* Every element of `out` was written: none still holds the signalling NaN put there before. */
enum { POISON = 0x7fa5a5a5 };
static void poison(float *out, int n) {
    for (int i = 0; i < n; i++) {
        uint32_t bits = POISON;
        memcpy(out + i, &bits, 4);
    }
}

static void assert_written(const fm_dtype_info *d, const float *out, int n) {
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, out + i, 4);
        if (bits == POISON) fail_msg("%s: element %d was not written", d->name, i);
    }
}

static void decoding_stays_inside_its_block_whatever_the_bytes(void **state) {
    (void)state;
    int rounds = sanitized() ? 50 : 400;
    for (int type = 0; type < FM_DTYPE_COUNT; type++) {
        const fm_dtype_info *d = fm_dtype_get((fm_dtype)type);
        size_t bytes = (size_t)d->block_bytes, floats = (size_t)d->block_elements * 4;
        fenced in = fence_new(bytes), out = fence_new(floats);
        for (int round = 0; round < rounds; round++) {
            uint8_t *block = round % 2 ? at_end(&in, bytes) : at_start(&in);
            float *dst = round % 2 ? at_end(&out, floats) : at_start(&out);
            if (round < 2)
                memset(block, 0, bytes);
            else if (round < 4)
                memset(block, 0xff, bytes);
            else
                fill_random(block, bytes, (uint64_t)(type * 1000 + round));
            poison(dst, d->block_elements);
            d->decode(block, dst, d->block_elements);
            if (type != FM_DTYPE_F32) assert_written(d, dst, d->block_elements);
        }
        fence_free(&in);
        fence_free(&out);
    }
}

static void encoding_takes_any_floats_and_stays_inside_its_block(void **state) {
    (void)state;
    static const float hostile[] = {NAN,      INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 0,
                                    1e-45f,   -1e-45f,  FLT_MIN,   -0.0f,   1,        65504,
                                    -65536.0f, 3e-41f};
    for (int type = 0; type < FM_DTYPE_COUNT; type++) {
        const fm_dtype_info *d = fm_dtype_get((fm_dtype)type);
        if (!d->encode) continue;
        int n = d->block_elements;
        fenced in = fence_new((size_t)n * 4), out = fence_new((size_t)d->block_bytes);
        float *src = at_end(&in, (size_t)n * 4);
        uint8_t *dst = at_end(&out, (size_t)d->block_bytes);
        for (uint64_t round = 0; round < 300; round++) {
            for (int i = 0; i < n; i++) {
                uint32_t draw = fm_rng_at(21, round, (uint64_t)i).word[0];
                /* One hostile value alone, several, or any bits at all. */
                src[i] = round < FM_COUNT(hostile) ? hostile[round]
                         : round < 150             ? hostile[draw % FM_COUNT(hostile)]
                                                   : fm_float_from_bits(draw);
            }
            d->encode(src, dst, n);
        }
        fence_free(&in);
        fence_free(&out);
    }
}

static void blocks_may_lie_at_any_address(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(types); i++) {
        const fm_dtype_info *d = info_of(&types[i]);
        size_t size, expected_size;
        uint8_t *blocks = load_golden("quants/random", d->name, ".bin", &size);
        float *expected = load_golden("quants/random", d->name, ".f32", &expected_size);
        uint8_t *odd = fm_alloc(size + 8, FM_MEM_OTHER);
        float *got = fm_alloc(expected_size, FM_MEM_OTHER);
        assert_true(odd && got);
        for (size_t shift = 1; shift < 8; shift++) {
            memcpy(odd + shift, blocks, size);
            d->decode(odd + shift, got, (int64_t)(expected_size / 4));
            assert_same_floats(d->name, got, expected, (int64_t)(expected_size / 4));
        }
        fm_free(got);
        fm_free(odd);
        fm_free(expected);
        fm_free(blocks);
    }
}

/* Rounding to the nearest code errs by half a step at most, plus what the half-precision scale and
 * minimum lose; Q4_0 and Q5_0 clip one end by up to a step. */
static void encoded_values_are_within_a_step_of_their_source(void **state) {
    (void)state;
    static const struct {
        fm_dtype dtype;
        double steps_per_range; /* of the largest magnitude, or of max - min */
        bool minimum;
        double allowed; /* in steps */
    } cases[] = {{FM_DTYPE_Q4_0, 8, false, 1.01},  {FM_DTYPE_Q5_0, 16, false, 1.02},
                 {FM_DTYPE_Q4_1, 15, true, 0.53},  {FM_DTYPE_Q5_1, 31, true, 0.56},
                 {FM_DTYPE_Q8_0, 127, false, 0.57}};
    for (size_t c = 0; c < FM_COUNT(cases); c++) {
        const fm_dtype_info *d = fm_dtype_get(cases[c].dtype);
        for (uint64_t round = 0; round < 500; round++) {
            float x[32], y[32], least = INFINITY, most = -INFINITY;
            uint8_t block[64];
            for (int i = 0; i < 32; i++) {
                x[i] = (float)fm_rng_normal(22, round, (uint64_t)i);
                least = fminf(least, x[i]);
                most = fmaxf(most, x[i]);
            }
            d->encode(x, block, 32);
            d->decode(block, y, 32);
            double range = cases[c].minimum ? (double)most - (double)least
                                            : fmax(fabs((double)least), fabs((double)most));
            double bound = range / cases[c].steps_per_range * cases[c].allowed;
            for (int i = 0; i < 32; i++) assert_true(fabs((double)x[i] - (double)y[i]) <= bound);
        }
    }
}

/* All 243 values of a TQ1_0 byte, at each of its places. */
static void ternary_blocks_hold_every_combination_of_digits(void **state) {
    (void)state;
    static const fm_dtype ternary[] = {FM_DTYPE_TQ1_0, FM_DTYPE_TQ2_0};
    static const int power[5] = {81, 27, 9, 3, 1};
    for (size_t t = 0; t < FM_COUNT(ternary); t++)
        for (int v = 0; v < 243; v++) {
            const fm_dtype_info *d = fm_dtype_get(ternary[t]);
            float x[256], y[256];
            uint8_t block[66];
            for (int i = 0; i < 256; i++) {
                int k = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
                x[i] = 0.5f * (float)(v / power[k] % 3 - 1);
            }
            d->encode(x, block, 256);
            d->decode(block, y, 256);
            for (int i = 0; i < 256; i++) assert_true(x[i] == y[i]);
        }
}

static void a_block_of_zeros_stays_one(void **state) {
    (void)state;
    static const float zeros[256];
    for (int type = 0; type < FM_DTYPE_COUNT; type++) {
        const fm_dtype_info *d = fm_dtype_get((fm_dtype)type);
        if (!d->encode) continue;
        uint8_t block[1024];
        float out[256];
        d->encode(zeros, block, d->block_elements);
        d->decode(block, out, d->block_elements);
        for (int i = 0; i < d->block_elements; i++) assert_true(out[i] == 0);
    }
}

static void bytes_of_elements_are_whole_blocks_or_refused(void **state) {
    (void)state;
    size_t bytes;
    assert_true(fm_dtype_bytes(FM_DTYPE_Q4_K, 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_true(fm_dtype_bytes(FM_DTYPE_Q4_K, 0, &bytes));
    assert_int_equal(bytes, 0);
    assert_false(fm_dtype_bytes(FM_DTYPE_Q4_K, 255, &bytes));
    assert_false(fm_dtype_bytes(FM_DTYPE_Q8_0, -32, &bytes));
    assert_false(fm_dtype_bytes(FM_DTYPE_F32, INT64_MAX, &bytes));
    assert_false(fm_dtype_bytes(FM_DTYPE_F32, -1, &bytes));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_every_type_with_its_number_and_size),
        cmocka_unit_test(numbers_and_names_that_no_type_has_are_refused),
        cmocka_unit_test(decoding_equals_the_reference_to_the_bit),
        cmocka_unit_test(decoding_random_bytes_equals_an_independent_decoder),
        cmocka_unit_test(every_entry_of_every_code_book_is_as_published),
        cmocka_unit_test(encoding_gives_exactly_the_blocks_of_the_reference_quantiser),
        cmocka_unit_test(decoding_stays_inside_its_block_whatever_the_bytes),
        cmocka_unit_test(encoding_takes_any_floats_and_stays_inside_its_block),
        cmocka_unit_test(blocks_may_lie_at_any_address),
        cmocka_unit_test(encoded_values_are_within_a_step_of_their_source),
        cmocka_unit_test(ternary_blocks_hold_every_combination_of_digits),
        cmocka_unit_test(a_block_of_zeros_stays_one),
        cmocka_unit_test(bytes_of_elements_are_whole_blocks_or_refused),
    };
    return cmocka_run_group_tests_name("quants", tests, NULL, NULL);
}
