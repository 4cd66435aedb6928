/* hf_files.h: the JSON files of a Hugging Face folder, made from what a GGUF file says. */
#pragma once

#include "base/buffer.h"
#include "format/store.h"
#include "model/config.h"

/* config.json. `dtype`: of most weights, for torch_dtype. A table of rotary divisors that llama3's
 * formula cannot give is FM_ERR_UNSUPPORTED. */
fm_status fm_hf_put_config(fm_buffer *out, const fm_config *config, const fm_store *store,
                           fm_dtype dtype, fm_error *err);
/* generation_config.json. */
void fm_hf_put_generation(fm_buffer *out, const fm_config *config);

/* tokenizer.json and tokenizer_config.json from tokenizer.ggml.*; *found is false, and nothing is put,
 * where the file has no tokenizer. */
fm_status fm_hf_put_tokenizer(fm_buffer *json, fm_buffer *config_json, const fm_config *config,
                              const fm_meta *meta, bool *found, fm_error *err);
