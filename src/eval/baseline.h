/* baseline.h: a distribution over the vocabulary in two bytes a token, and files of them, so that
 * another run of the same text can be compared with this one.
 *
 * A row is coded from its largest log-probability `top` downwards: token i lies
 * range * (code[i] / 65535)^2 below it. The square puts the codes where the probability is: near the
 * top they are 1e-5 apart, thirty nats down 1e-3. What lies more than 80 nats below the top counts as
 * 80. A file (little-endian, no padding but what is shown):
 *
 *   | "FATHOMLP" | u32 version 1 | u32 V | u64 rows | u32 context | u32 stride | i32 bos | u32 0 |
 *   | u64 hash of the text's token ids |                                          48 bytes so far
 *   rows times: | i32 token | f32 its log-probability | f32 top | f32 range | u16 code[V] | u16 0 if V odd |
 */
#pragma once

#include "base/file.h"

enum { FM_BASELINE_HEADER = 48, FM_BASELINE_ROW = 16 };

/* What a text was cut into; two runs can be compared where all of it is equal. */
typedef struct fm_baseline_shape {
    uint32_t vocabulary, context, stride;
    int32_t bos;  /* -1: none */
    uint64_t rows, hash;
} fm_baseline_shape;

/* The part of a row in front of its codes. */
typedef struct fm_baseline_row {
    int32_t token;    /* that came next */
    float logprob;    /* of it, not coded */
    float top, range;
} fm_baseline_row;

size_t fm_baseline_row_bytes(int64_t vocabulary);
/* Bytes of a file of this shape; false when they do not fit in uint64. */
bool fm_baseline_file_bytes(const fm_baseline_shape *shape, uint64_t *bytes);

/* log sum exp of logits[0, n) in double precision; NaN if one of them is NaN or none is finite. */
double fm_baseline_norm(const float *logits, int64_t n);

/* Codes softmax(logits) into `out` (fm_baseline_row_bytes). `norm` is fm_baseline_norm of them. */
void fm_baseline_encode(const float *logits, int64_t n, double norm, int32_t token, void *out);
/* Reads a row back: log-probabilities, normalised anew, into p[n]. False where bytes contradict each
 * other (a token outside the vocabulary, a number that is none). */
bool fm_baseline_decode(const void *row, int64_t n, fm_baseline_row *head, double *p);

void fm_baseline_header(const fm_baseline_shape *shape, void *out); /* FM_BASELINE_HEADER bytes */

typedef struct fm_baseline_file {
    fm_map map;
    fm_baseline_shape shape;
} fm_baseline_file;

/* FM_ERR_FORMAT where the file is of another kind, or cut. */
fm_status fm_baseline_open(const char *path, fm_baseline_file *out, fm_error *err);
void fm_baseline_close(fm_baseline_file *file);
/* Refuses a file that was made of another text or with other windows, and says what differs. */
fm_status fm_baseline_match(const fm_baseline_file *file, const char *path,
                            const fm_baseline_shape *shape, fm_error *err);
const void *fm_baseline_at(const fm_baseline_file *file, uint64_t row);
