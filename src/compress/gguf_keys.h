/* gguf_keys.h: a model's configuration and tokenizer as the key-value pairs of a GGUF file, named and
 * typed as llama.cpp's converter writes them. */
#pragma once

#include "format/gguf_write.h"
#include "model/config.h"

typedef struct fm_gguf_key_options {
    const char *name; /* general.name */
    bool fused_kv_b;  /* the form of latent attention, see fm_outline_options */
    bool mtp;
} fm_gguf_key_options;

/* FM_ERR_UNSUPPORTED for what GGUF has no way to say, so that nothing is lost in silence. */
fm_status fm_gguf_put_config(fm_gguf_head *head, const fm_config *config, const fm_meta *meta,
                             const fm_gguf_key_options *options, fm_error *err);

/* The divisors of llama3's scaled frequencies (rope_freqs.weight); `frequencies` is working memory, of
 * head_dim / 2 like `out`. */
void fm_rope_divisors(const fm_config *config, double *frequencies, float *out);

/* tokenizer.ggml.*, from the files of a Hugging Face folder. *found is false, and nothing is put, where
 * there is no tokenizer.json. */
fm_status fm_gguf_put_tokenizer(fm_gguf_head *head, const fm_config *config, const fm_meta *meta,
                                const char *folder, bool *found, fm_error *err);
