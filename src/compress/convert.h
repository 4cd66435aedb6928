/* convert.h: a model from one kind of file to the other: safetensors in a Hugging Face folder to GGUF,
 * or back, or to a folder of FP8 from either; or to the kind that the target's name says, with an adapter
 * merged into it. Nothing is in memory as a whole, and the result appears
 * complete or not at all. */
#pragma once

#include "base/pool.h"
#include "compress/outline.h"

typedef struct fm_convert_options {
    int dtype;            /* F32, F16 or BF16 for the matrices; -1: what the source has, and BF16 for
                             what has blocks or scales. F8_E4M3: a folder as DeepSeek-V3's */
    fm_outline_options outline;
    bool force;           /* replace what is there */
    uint64_t shard_bytes; /* of a .safetensors file; 0: 5 * 10^9 */
    const char *name;     /* of the model, in GGUF; NULL: the source's last part */
    const char *adapter;  /* a folder of PEFT's kind, merged into the weights; a target that ends in .gguf is
                             then a file, another a folder. NULL: none */
    fm_pool *pool;
    /* Returning false stops with FM_ERR_CANCELLED. */
    bool (*progress)(void *context, double fraction);
    /* A sentence about something that is not as it was: dropped, rounded, missing. */
    void (*say)(void *context, const char *sentence);
    void *context;
} fm_convert_options;

typedef struct fm_convert_result {
    const char *format; /* of the result: "gguf", "safetensors" */
    const char *architecture;
    size_t tensors, files;
    uint64_t source_bytes, bytes; /* of the weights' files */
    fm_dtype dtype;               /* of most weights */
} fm_convert_result;

fm_status fm_convert(const char *source, const char *target, const fm_convert_options *options,
                     fm_convert_result *result, fm_error *err);
