/* fathom_compress.h: model files made from others: converted between Hugging Face's kind and GGUF.
 * Conventions are those of fathom.h. No model is held in memory as a whole, and a result appears under its
 * name complete or not at all. */
#pragma once

#include "fathom/fathom.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fathom_convert_options {
    const char *dtype;    /* of the matrices: "f32", "f16", "bf16"; NULL: what they have, and bf16 for
                             those in blocks or with scales */
    bool mtp;             /* keep the module that guesses tokens in a GGUF file, which llama.cpp then refuses */
    bool fused_kv_b;      /* latent attention in GGUF as files had it before April 2025 */
    bool force;           /* replace what is there */
    uint64_t shard_bytes; /* of a .safetensors file; 0: 5,000,000,000 */
    const char *name;     /* of the model, in GGUF; NULL: the last part of the source's path */
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
 * have them. What the other kind of file cannot say is FATHOM_ERR_UNSUPPORTED. *json (may be NULL) receives
 * a document about the result (docs/convert.md); fathom_free. */
FATHOM_API fathom_status fathom_convert(const char *source, const char *target,
                                        const fathom_convert_options *options, char **json,
                                        fathom_error *err);

#ifdef __cplusplus
}
#endif
