/* test_pack.c: weight handles: what packing takes, keeps, derives, and leaves behind on failure. */
#include "kernel_support.h"

#include "base/file.h"
#include "pack/pack.h"

/* Element (row, k) of a packed weight, through the reference's unpack. */
static float element(const fm_panels *w, int64_t row, int64_t k) {
    _Alignas(64) float tile[FM_TILE_K * FM_PANEL];
    int64_t k0 = k / FM_TILE_K * FM_TILE_K, left = w->n_in - k0;
    fm_kernels_get(FM_CPU_REF)
        ->unpack[w->layout](w, row / FM_PANEL, k0, left < FM_TILE_K ? left : FM_TILE_K, tile);
    return tile[(k - k0) * FM_PANEL + row % FM_PANEL];
}

static bool has_layout(int dtype) {
    return fm_layout_for(&(fm_tensor){.dtype = (fm_dtype)dtype}) != FM_LAYOUT_ROWS;
}

/* Bytes that 256 weights of a row take where a panel holds more than the file, which names them by their
 * numbers in a book; 0 for the other types. */
static size_t bytes_of_opened_book(int dtype) {
    switch (dtype) {
    case FM_DTYPE_TQ1_0: return 66;   /* of 54 */
    case FM_DTYPE_IQ1_S: return 70;   /* of 50 */
    case FM_DTYPE_IQ1_M: return 82;   /* of 56 */
    case FM_DTYPE_IQ2_XXS: return 102; /* of 66 */
    case FM_DTYPE_IQ2_XS:             /* of 74 */
    case FM_DTYPE_IQ2_S: return 106;  /* of 82 */
    case FM_DTYPE_IQ3_XXS:            /* of 98 */
    case FM_DTYPE_IQ3_S: return 134;  /* of 110 */
    default: return 0;
    }
}

static void panels_take_no_more_than_the_file_or_its_opened_books(void **state) {
    (void)state;
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!has_layout(dtype)) continue;
        fm_layout layout = fm_layout_for(&(fm_tensor){.dtype = (fm_dtype)dtype});
        for (int64_t n_in = 256; n_in <= 2048; n_in += 256) {
            size_t row;
            assert_true(fm_dtype_bytes((fm_dtype)dtype, n_in, &row));
            size_t extra = dtype == FM_DTYPE_F8_E4M3 ? (size_t)n_in / 128 * 64 + 64 : 0;
            size_t bytes = fm_layout_panel_bytes(layout, n_in), opened = bytes_of_opened_book(dtype);
            if (opened) row = (size_t)n_in / 256 * opened;
            assert_true(bytes % 64 == 0);
            assert_true(bytes <= (16 * row + 63) / 64 * 64 + extra);
        }
    }
}

/* Two threads, memory of any former content: the same bytes, all of them, and none beyond. */
static void packing_defines_every_byte_and_no_other(void **state) {
    (void)state;
    dice d = {.seed = 1};
    fm_error err;
    fm_pool *pool;
    assert_ok(fm_pool_new(3, &pool, &err));
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!has_layout(dtype)) continue;
        int block = fm_dtype_get((fm_dtype)dtype)->block_elements;
        random_tensor r = roll_tensor(&d, (fm_dtype)dtype, 16 * 20 + 5, block == 1 ? 333 : 3 * block,
                                      dtype == FM_DTYPE_F8_E4M3);
        fm_weight w[2];
        uint8_t *memory[2];
        size_t bytes = 0;
        for (int i = 0; i < 2; i++) {
            fm_weight_init(&w[i], "w", &r.t);
            bytes = fm_weight_packed_bytes(&w[i]);
            memory[i] = fm_alloc(bytes + 64, FM_MEM_OTHER);
            assert_non_null(memory[i]);
            memset(memory[i], i ? 0xff : 0, bytes);
            memset(memory[i] + bytes, 0x5a, 64);
            assert_ok(fm_weight_pack(&w[i], memory[i], i ? pool : NULL, &err));
            assert_null(w[i].owned);
            assert_ptr_equal(w[i].panels.data, memory[i]);
            assert_int_equal(w[i].version, 1);
        }
        assert_memory_equal(memory[0], memory[1], bytes + 64);
        for (int i = 0; i < 64; i++) assert_int_equal(memory[0][bytes + (size_t)i], 0x5a);
        for (int i = 0; i < 2; i++) {
            fm_weight_clear(&w[i]);
            fm_free(memory[i]);
        }
        free_tensor(&r);
    }
    fm_pool_free(pool);
}

static char *read_book(const char *type, const char *suffix, size_t *size) {
    char name[64], *data;
    fm_error err;
    snprintf(name, sizeof name, "quants/books/%s%s", type, suffix);
    assert_ok(fm_file_read(golden_path(name), 1 << 20, &data, size, &err));
    return data;
}

/* tests/golden/quants/books: every entry of each book in order, a block to a row, and what an independent
 * decoder makes of them. */
static void every_entry_of_every_code_book_is_opened_as_published(void **state) {
    (void)state;
    static const fm_dtype dtypes[] = {FM_DTYPE_IQ1_S, FM_DTYPE_IQ2_XXS, FM_DTYPE_IQ2_XS,
                                      FM_DTYPE_IQ2_S, FM_DTYPE_IQ3_XXS, FM_DTYPE_IQ3_S};
    for (size_t i = 0; i < FM_COUNT(dtypes); i++) {
        const fm_dtype_info *info = fm_dtype_get(dtypes[i]);
        size_t size, bytes;
        char *blocks = read_book(info->name, ".bin", &size), *floats = read_book(info->name, ".f32", &bytes);
        const float *expected = (const void *)floats;
        int64_t rows = (int64_t)size / info->block_bytes;
        assert_int_equal(bytes, rows * 256 * 4);
        fm_tensor t;
        fm_weight w;
        fm_error err;
        assert_ok(fm_tensor_init(&t, dtypes[i], 2, (const int64_t[]){rows, 256}, blocks, NULL, &err));
        fm_weight_init(&w, info->name, &t);
        assert_ok(fm_weight_pack(&w, NULL, NULL, &err));
        for (int64_t j = 0; j < rows * 256; j++)
            assert_true(same_float(element(&w.panels, j / 256, j % 256), expected[j]));
        fm_weight_clear(&w);
        fm_free(blocks);
        fm_free(floats);
    }
}

static void other_dtypes_stay_rows(void **state) {
    (void)state;
    dice d = {.seed = 2};
    fm_error err;
    random_tensor r = roll_tensor(&d, FM_DTYPE_F8_E8M0, 20, 256, false);
    fm_weight w;
    fm_weight_init(&w, "w", &r.t);
    assert_int_equal(fm_weight_packed_bytes(&w), 0);
    assert_ok(fm_weight_pack(&w, NULL, NULL, &err));
    assert_int_equal(w.panels.layout, FM_LAYOUT_ROWS);
    assert_ptr_equal(w.panels.rows.data, r.data);
    /* So does FP8 whose scales change within 128 columns. */
    fm_tensor narrow = {.dtype = FM_DTYPE_F8_E4M3, .scales = (const float[]){1}, .scale_block = {64, 64}};
    assert_int_equal(fm_layout_for(&narrow), FM_LAYOUT_ROWS);
    narrow.scale_block[1] = 256;
    assert_int_equal(fm_layout_for(&narrow), FM_LAYOUT_F8);
    fm_weight_clear(&w);
    free_tensor(&r);
}

static void any_number_of_dimensions_is_a_matrix(void **state) {
    (void)state;
    float values[24];
    for (int i = 0; i < 24; i++) values[i] = (float)i;
    fm_error err;
    fm_tensor t;
    fm_weight w;
    assert_ok(fm_tensor_init(&t, FM_DTYPE_F32, 1, (const int64_t[]){24}, values, NULL, &err));
    fm_weight_init(&w, "vector", &t);
    assert_true(w.n_out == 1 && w.n_in == 24);
    assert_ok(fm_tensor_init(&t, FM_DTYPE_F32, 3, (const int64_t[]){2, 3, 4}, values, NULL, &err));
    fm_weight_init(&w, "experts", &t);
    assert_true(w.n_out == 6 && w.n_in == 4);
    assert_ok(fm_weight_pack(&w, NULL, NULL, &err));
    for (int row = 0; row < 6; row++)
        for (int k = 0; k < 4; k++)
            assert_true(element(&w.panels, row, k) == values[row * 4 + k]);
    fm_weight_clear(&w);
}

static void floats_become_a_weight(void **state) {
    (void)state;
    dice d = {.seed = 3};
    fm_error err;
    static const int64_t outs[] = {1, 16, 21}, ins[] = {1, 7, 150};
    for (int i = 0; i < 9; i++) {
        int64_t n_out = outs[i / 3], n_in = ins[i % 3];
        float *values = malloc((size_t)(n_out * n_in) * sizeof *values);
        assert_non_null(values);
        roll_floats(&d, values, n_out * n_in);
        for (int narrow = 0; narrow < 2; narrow++) {
            fm_weight w;
            fm_layout layout = narrow ? FM_LAYOUT_BF16 : FM_LAYOUT_F32;
            assert_ok(fm_weight_from_floats(&w, "w", values, n_out, n_in, layout, &err));
            assert_true(w.panels.layout == layout && w.n_out == n_out && w.n_in == n_in);
            for (int64_t j = 0; j < n_out * n_in; j++) {
                float v = values[j];
                if (narrow) v = fm_bf16_to_float(fm_bf16_from_float(v));
                assert_true(element(&w.panels, j / n_in, j % n_in) == v);
            }
            fm_weight_clear(&w);
        }
        free(values);
    }
}

/* Fails allocation after allocation until none is left to fail. */
static void expect_clean_failures(fm_status (*make)(fm_weight *, const fm_tensor *, fm_error *),
                                  const fm_tensor *t) {
    for (int64_t k = 0;; k++) {
        fm_mem_stats before = fm_mem_statistics();
        fm_weight w;
        fm_error err = {0};
        fm_mem_fail_from(k);
        fm_status status = make(&w, t, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) {
            assert_true(k > 0);
            fm_weight_clear(&w);
            return;
        }
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_non_null(strstr(err.message, "blk.0"));
        assert_null(w.owned);
        for (int i = 0; i < FM_MEM_PURPOSES; i++)
            assert_int_equal(fm_mem_statistics().live_bytes[i], before.live_bytes[i]);
    }
}

static fm_status make_packed(fm_weight *w, const fm_tensor *t, fm_error *err) {
    fm_weight_init(w, "blk.0", t);
    return fm_weight_pack(w, NULL, NULL, err);
}

static fm_status make_from_floats(fm_weight *w, const fm_tensor *t, fm_error *err) {
    float values[64 * 3];
    (void)t;
    memset(values, 0, sizeof values);
    return fm_weight_from_floats(w, "blk.0", values, 3, 64, FM_LAYOUT_BF16, err);
}

static void failed_allocations_leave_nothing_behind(void **state) {
    (void)state;
    dice d = {.seed = 5};
    random_tensor r = roll_tensor(&d, FM_DTYPE_BF16, 20, 300, false);
    expect_clean_failures(make_packed, &r.t);
    expect_clean_failures(make_from_floats, &r.t);
    free_tensor(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_take_no_more_than_the_file_or_its_opened_books),
        cmocka_unit_test(packing_defines_every_byte_and_no_other),
        cmocka_unit_test(every_entry_of_every_code_book_is_opened_as_published),
        cmocka_unit_test(other_dtypes_stay_rows),
        cmocka_unit_test(any_number_of_dimensions_is_a_matrix),
        cmocka_unit_test(floats_become_a_weight),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
