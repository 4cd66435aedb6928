/* dtype.h: what an element type is: its blocks, its names in files, and how a row of it becomes
 * floats. The list is dtypes.def; the formats themselves are in tensor/quant/. */
#pragma once

#include "base/status.h"

typedef enum fm_dtype {
#define FM_DTYPE(id, name, gguf, safetensors, elements, bytes, decode, encode, help) FM_DTYPE_##id,
#include "tensor/dtypes.def"
#undef FM_DTYPE
    FM_DTYPE_COUNT
} fm_dtype;

/* n elements, a multiple of the block size; src has no alignment; dst is the caller's.
 * decode is exact: the float32 value that the format defines, bit for bit. */
typedef void (*fm_decode_fn)(const void *src, float *dst, int64_t n);
/* Rounds n floats into blocks, as the format's reference quantiser does. */
typedef void (*fm_encode_fn)(const float *src, void *dst, int64_t n);

typedef struct fm_dtype_info {
    const char *name;
    int gguf_type;           /* ggml_type number, -1 if GGUF has none */
    const char *safetensors; /* name in safetensors headers, NULL if it has none */
    int block_elements;
    int block_bytes;
    fm_decode_fn decode;
    fm_encode_fn encode; /* NULL: Fathom does not write this format */
    const char *help;
} fm_dtype_info;

const fm_dtype_info *fm_dtype_get(fm_dtype dtype); /* never NULL for a valid dtype */
/* A format of Fathom's own, whose number no other program knows: they begin at FM_GGUF_OWN, "FM". */
enum { FM_GGUF_OWN = 0x464d };
static inline bool fm_dtype_is_own(fm_dtype dtype) { return fm_dtype_get(dtype)->gguf_type >= FM_GGUF_OWN; }
/* false when no dtype has that number or name. */
bool fm_dtype_from_gguf(int64_t gguf_type, fm_dtype *out);
bool fm_dtype_from_safetensors(const char *name, fm_dtype *out);

/* Bytes of n contiguous elements; false when n is not a multiple of the block or overflows. */
bool fm_dtype_bytes(fm_dtype dtype, int64_t n, size_t *out);

#define FM_DTYPE(id, name, gguf, safetensors, elements, bytes, decode, encode, help)               \
    void decode(const void *src, float *dst, int64_t n);
#include "tensor/dtypes.def"
#undef FM_DTYPE
