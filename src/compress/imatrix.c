#include "compress/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

fm_status fm_imatrix_open(const char *path, fm_imatrix *out, fm_error *err) {
    const char *type = "";
    *out = (fm_imatrix){0};
    FM_TRY(fm_store_open(path, &out->store, err));
    fm_status status = fm_meta_get_string(fm_store_meta(out->store), "general.type", &type, err);
    if (status == FM_OK && strcmp(type, "imatrix") != 0)
        status = fm_fail(err, FM_ERR_FORMAT, "%s is no importance matrix: general.type is not 'imatrix'",
                         path);
    if (status != FM_OK) fm_imatrix_close(out);
    return status;
}

void fm_imatrix_close(fm_imatrix *m) {
    fm_store_close(m->store);
    fm_arena_clear(&m->arena);
    *m = (fm_imatrix){0};
}

static const fm_tensor *find(const fm_imatrix *m, const char *name, const char *ending) {
    char full[256];
    snprintf(full, sizeof full, "%s.%s", name, ending);
    const fm_store_entry *e = fm_store_find(m->store, full);
    return e && !e->is_integer32 ? &e->tensor : NULL;
}

/* Mean squares of one matrix's inputs. *known: false where there were none. Returns whether all are numbers
 * that sums of squares can be. */
static bool fill_row(const fm_tensor *sums, const fm_tensor *counts, int64_t row, int64_t n, float *out,
                     bool *known) {
    float count;
    double total = 0;
    fm_tensor_decode_row(counts, row, &count);
    fm_tensor_decode_row(sums, row, out);
    if (!(count >= 0 && count <= 1e30f)) return false;
    for (int64_t i = 0; i < n; i++) {
        if (!(out[i] >= 0 && out[i] <= 1e30f)) return false;
        total += (double)out[i];
    }
    *known = count > 0 && total > 0;
    return true;
}

/* Errors are compared within a row of a weight only, so a factor is free: mean 1. A floor keeps inputs
 * that hardly occurred from counting as nothing. */
static void settle_row(float *row, int64_t n, bool known) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += known ? (double)row[i] : 1;
    for (int64_t i = 0; i < n; i++) {
        double v = known ? (double)row[i] * (double)n / total : 1;
        row[i] = (float)(v > 1e-4 ? v : 1e-4);
    }
}

fm_status fm_imatrix_find(fm_imatrix *m, const char *name, int64_t matrices, int64_t n_in,
                          const float **values, int64_t *rows, fm_error *err) {
    const fm_tensor *sums = find(m, name, "in_sum2"), *counts = find(m, name, "counts");
    *values = NULL;
    *rows = 1;
    if (!sums || !counts) return FM_OK;
    int64_t have = fm_tensor_rows(sums);
    fm_arena_clear(&m->arena);
    if (fm_tensor_columns(sums) != n_in || (have != 1 && have != matrices) ||
        fm_tensor_rows(counts) * fm_tensor_columns(counts) != have || fm_tensor_columns(counts) != 1)
        return fm_fail(err, FM_ERR_FORMAT,
                       "%s: %s has %lld x %lld inputs where the model's weight has %lld x %lld: it was made "
                       "for another model", fm_store_path(m->store), name, (long long)have,
                       (long long)fm_tensor_columns(sums), (long long)matrices, (long long)n_in);
    float *out = fm_arena_array(&m->arena, (size_t)(have * n_in), sizeof *out);
    if (!out) return fm_fail_memory(err, (size_t)(have * n_in) * sizeof *out, "an importance matrix");
    for (int64_t r = 0; r < have; r++) {
        bool known = false;
        if (!fill_row(sums, counts, r, n_in, out + r * n_in, &known))
            return fm_fail(err, FM_ERR_FORMAT, "%s: %s holds values that are no sums of squares: the file is "
                           "damaged", fm_store_path(m->store), name);
        settle_row(out + r * n_in, n_in, known);
    }
    *values = out;
    *rows = have;
    return FM_OK;
}
