/* Files of importance matrices: what is read from them, and that damaged ones are refused. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "compress/imatrix.h"
#include "format/gguf_write.h"

#include <math.h>

enum { INPUTS = 40, MATRICES = 3 };

static const char weight[] = "blk.0.ffn_down_exps.weight";

typedef struct importance {
    float sums[MATRICES][INPUTS], counts[MATRICES];
} importance;

/* Expert 1 was never chosen; input 5 of the others counts most. */
static importance some(void) {
    importance m = {.counts = {10, 0, 4}};
    for (int e = 0; e < MATRICES; e += 2)
        for (int i = 0; i < INPUTS; i++) m.sums[e][i] = i == 5 ? 1000 : (float)(i % 3);
    return m;
}

static fm_status importance_data(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    importance *m = context;
    return i == 0 ? fm_item_put(sink, m->sums, sizeof m->sums, err)
                  : fm_item_put(sink, m->counts, sizeof m->counts, err);
}

static const char *write_imatrix(importance *m) {
    static char path[256];
    char names[2][96];
    snprintf(path, sizeof path, "%s", scratch_path("some.imatrix"));
    snprintf(names[0], sizeof names[0], "%s.in_sum2", weight);
    snprintf(names[1], sizeof names[1], "%s.counts", weight);
    fm_safetensors_item items[] = {{.name = names[0], .n_dims = 2, .shape = {MATRICES, INPUTS}},
                                   {.name = names[1], .n_dims = 2, .shape = {MATRICES, 1}}};
    fm_gguf_head head = {0};
    fm_error err;
    fm_gguf_put_string(&head, "general.type", "imatrix", 7);
    assert_ok(fm_gguf_write(path, &head, items, 2, importance_data, m, &err));
    fm_gguf_head_clear(&head);
    return path;
}

static fm_status find(const char *path, int64_t matrices, int64_t n_in, float *copy, fm_error *err) {
    fm_imatrix m;
    const float *values;
    int64_t rows;
    FM_TRY(fm_imatrix_open(path, &m, err));
    fm_status status = fm_imatrix_find(&m, weight, matrices, n_in, &values, &rows, err);
    for (int64_t i = 0; status == FM_OK && values && i < rows * n_in; i++) {
        assert_true(values[i] >= 1e-4f && isfinite(values[i]));
        if (copy) copy[i] = values[i];
    }
    fm_imatrix_close(&m);
    return status;
}

static void rows_have_mean_one_and_those_that_nothing_is_known_of_are_even(void **state) {
    (void)state;
    importance m = some();
    float got[MATRICES][INPUTS];
    fm_error err;
    assert_ok(find(write_imatrix(&m), MATRICES, INPUTS, got[0], &err));
    for (int e = 0; e < MATRICES; e++) {
        double sum = 0, whole = 0;
        for (int i = 0; i < INPUTS; i++) sum += (double)got[e][i], whole += (double)m.sums[e][i];
        assert_true(fabs(sum / INPUTS - 1) < 1e-3);
        for (int i = 0; i < INPUTS; i++) {
            double want = e == 1 ? 1 : fmax(1e-4, (double)m.sums[e][i] * INPUTS / whole);
            assert_true(fabs((double)got[e][i] - want) <= 1e-5 * want);
        }
    }
}

static void another_models_shapes_are_refused(void **state) {
    (void)state;
    importance m = some();
    fm_error err;
    const char *path = write_imatrix(&m);
    assert_int_equal(find(path, MATRICES, INPUTS - 1, NULL, &err), FM_ERR_FORMAT);
    assert_int_equal(find(path, MATRICES + 1, INPUTS, NULL, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "made for another model"));
}

static void what_is_no_sum_of_squares_is_refused(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, -1, 1e38f};
    fm_error err;
    for (size_t i = 0; i < 2 * FM_COUNT(bad); i++) {
        importance m = some();
        if (i % 2) m.counts[2] = bad[i / 2];
        else m.sums[2][9] = bad[i / 2];
        assert_int_equal(find(write_imatrix(&m), MATRICES, INPUTS, NULL, &err), FM_ERR_FORMAT);
        assert_non_null(strstr(err.message, "no sums of squares"));
    }
}

/* Cut short at every length, or any bit turned: refused or taken, nothing else. */
static void damaged_files_are_refused_or_taken(void **state) {
    (void)state;
    importance m = some();
    const char *path = write_imatrix(&m);
    char *bytes;
    size_t n, refused = 0;
    fm_error err;
    assert_ok(fm_file_read(path, 1 << 20, &bytes, &n, &err));
    for (size_t k = 0; k < 3 * n; k++) {
        bool cut = k % 3 == 0;
        size_t at = k / 3, size = cut ? at : n;
        char old = bytes[at];
        if (!cut) bytes[at] = (char)(old ^ (1 << k * 7 % 8));
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, size, f), size);
        fclose(f);
        bytes[at] = old;
        fm_status status = find(path, MATRICES, INPUTS, NULL, &err);
        assert_true(status == FM_OK || status == FM_ERR_FORMAT || status == FM_ERR_UNSUPPORTED);
        if (cut && at + 32 < n) assert_true(status != FM_OK);
        refused += status != FM_OK;
    }
    assert_true(refused > n);
    fm_free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_mean_one_and_those_that_nothing_is_known_of_are_even),
        cmocka_unit_test(another_models_shapes_are_refused),
        cmocka_unit_test(what_is_no_sum_of_squares_is_refused),
        cmocka_unit_test(damaged_files_are_refused_or_taken),
    };
    return cmocka_run_group_tests_name("imatrix", tests, NULL, NULL);
}
