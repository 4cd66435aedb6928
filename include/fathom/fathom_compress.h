/* fathom_compress.h: model files made from others: converted between Hugging Face's kind and GGUF, and
 * quantised.
 * Conventions are those of fathom.h. No model is held in memory as a whole, and a result appears under its
 * name complete or not at all. */
#pragma once

#include "fathom/fathom.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fathom_convert_options {
    const char *dtype;    /* of the matrices: "f32", "f16", "bf16"; NULL: what they have, and bf16 for
                             those in blocks or with scales; "fp8": a folder as DeepSeek-V3 has it */
    bool mtp;             /* keep the module that guesses tokens in a GGUF file, which llama.cpp then refuses */
    bool fused_kv_b;      /* latent attention in GGUF as files had it before April 2025 */
    bool force;           /* replace what is there */
    uint64_t shard_bytes; /* of a .safetensors file; 0: 5,000,000,000 */
    const char *name;     /* of the model, in GGUF; NULL: the last part of the source's path */
    const char *adapter;  /* a folder as PEFT writes it, merged into the weights: a target whose name ends in .gguf
                             is then a file and any other a folder, whatever the source is. NULL: none */
    int threads;          /* 0: one per processor */
    /* How far it is; returning false stops with FATHOM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, double fraction);
    /* A sentence about something that is not as it was: left out, rounded, missing. May be NULL. */
    void (*note)(void *context, const char *sentence);
    void *callback_context;
} fathom_convert_options;

FATHOM_API fathom_convert_options fathom_convert_defaults(void);

/* Converts a Hugging Face folder (or a .safetensors file beside its config.json) to a GGUF file, or a GGUF
 * file to a folder: weights, configuration and tokenizer, named and arranged as llama.cpp and Transformers
 * have them. To "fp8" both become a folder, since GGUF has no place for its scales. What the other kind of
 * file cannot say is FATHOM_ERR_UNSUPPORTED. *json (may be NULL) receives a document about the result
 * (docs/convert.md); fathom_free. */
FATHOM_API fathom_status fathom_convert(const char *source, const char *target,
                                        const fathom_convert_options *options, char **json,
                                        fathom_error *err);

typedef struct fathom_quantize_options {
    const char *type;    /* a recipe: "q4_k_m" (NULL), "q8_0", ...; fathom_recipe_at lists them */
    const char *tensors; /* "PATTERN=TYPE,...": types by tensor name, over the recipe's; NULL: none */
    const char *imatrix; /* a file of fathom_collect or llama.cpp that says what matters; NULL: none */
    bool mtp, fused_kv_b, force; /* as in fathom_convert_options */
    const char *name;
    int threads;
    bool (*progress)(void *context, double fraction);
    void (*note)(void *context, const char *sentence);
    void *callback_context;
} fathom_quantize_options;

FATHOM_API fathom_quantize_options fathom_quantize_defaults(void);

typedef struct fathom_recipe {
    const char *name, *help;
} fathom_recipe;
FATHOM_API bool fathom_recipe_at(size_t i, fathom_recipe *out); /* false past the end */

/* Makes a GGUF file of smaller types from a model of any kind of file. Scales are searched for so that the
 * squared error is small, weighted by `imatrix`. *json (may be NULL) receives a document about the result
 * with each tensor's type, bytes and error (docs/quantize.md); fathom_free. */
FATHOM_API fathom_status fathom_quantize(const char *source, const char *target,
                                         const fathom_quantize_options *options, char **json,
                                         fathom_error *err);

typedef struct fathom_pack_options {
    const char *output; /* the file; NULL: MODEL.gguf.panels beside a file, model.panels in a folder, where opening
                           the model finds it */
    bool check;         /* make nothing: read the file that is there, and compare all of it with its checksums and
                           samples of the model's weights */
    int threads;        /* 0: one per processor */
    /* How far it is; returning false stops with FATHOM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, double fraction);
    void *callback_context;
} fathom_pack_options;

FATHOM_API fathom_pack_options fathom_pack_defaults(void);

/* Writes a model's weights, packed as the kernels read them, to a file that is mapped from then on when the model is
 * opened (docs/loading.md). It takes about as much of the disk as the model, fits these very files of the model and
 * this version of the layouts, and replaces a file of its own kind alone. *json (may be NULL) receives a document
 * about it: path, model, architecture, checked, version, matrices, source_bytes, bytes; fathom_free. */
FATHOM_API fathom_status fathom_pack(const char *model, const fathom_pack_options *options, char **json,
                                     fathom_error *err);

typedef struct fathom_collect_options {
    int64_t context;   /* tokens of a window; 0: 512 */
    int64_t limit;     /* most windows; 0: all */
    const char *label; /* what the text is called in the file; NULL: "text" */
    bool force;
    bool (*progress)(void *context, double fraction);
    void *callback_context;
} fathom_collect_options;

FATHOM_API fathom_collect_options fathom_collect_defaults(void);

typedef struct fathom_collected {
    int64_t windows, tokens;
    size_t weights; /* with an entry in the file */
    size_t unseen;  /* experts of all layers that no token was sent to */
} fathom_collected;

/* Makes an importance matrix for fathom_quantize: runs an open model over a UTF-8 text, in windows side by
 * side, and adds up the squares of what goes into each weight. The file is as llama.cpp's imatrix writes it
 * and fits the model in any kind of file. Sessions of the model must rest meanwhile. `result` may be NULL. */
FATHOM_API fathom_status fathom_collect(fathom_model *model, const char *text, size_t size,
                                        const char *target, const fathom_collect_options *options,
                                        fathom_collected *result, fathom_error *err);

#ifdef __cplusplus
}
#endif
