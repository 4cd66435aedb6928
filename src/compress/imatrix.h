/* imatrix.h: how much each input of each weight matters: the mean square of what goes into it, measured
 * over a text. A GGUF file as llama.cpp's imatrix writes it:
 *
 *   general.type "imatrix", imatrix.datasets (strings), imatrix.chunk_count, imatrix.chunk_size (u32)
 *   NAME.in_sum2  F32 [matrices, n_in]   sums of squares, of each expert or head apart
 *   NAME.counts   F32 [matrices, 1]      rows that were summed
 *
 * NAME is the weight's in GGUF files, whichever kind of file the model came from. */
#pragma once

#include "base/arena.h"
#include "format/store.h"

typedef struct fm_imatrix {
    fm_store *store;
    fm_arena arena; /* what was found last */
} fm_imatrix;

/* FM_ERR_FORMAT where the file is a GGUF file of another kind. */
fm_status fm_imatrix_open(const char *path, fm_imatrix *out, fm_error *err);
void fm_imatrix_close(fm_imatrix *imatrix);

/* The importance of each of n_in inputs, [*rows][n_in], of the weight `name`, which holds that many
 * `matrices`: *rows is 1 or `matrices`; the mean of a row is 1. NULL with FM_OK where the file has none; lives
 * until the next call. FM_ERR_FORMAT where shapes are not the weight's, or values no sums of squares. Inputs
 * that never occurred (an expert that nobody chose) count as the others do on average. */
fm_status fm_imatrix_find(fm_imatrix *imatrix, const char *name, int64_t matrices, int64_t n_in,
                          const float **values, int64_t *rows, fm_error *err);
