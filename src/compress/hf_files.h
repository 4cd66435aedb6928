/* hf_files.h: the JSON files of a Hugging Face folder, made from what a GGUF file says, or from those of
 * another folder. */
#pragma once

#include "base/json_write.h"
#include "format/store.h"
#include "model/config.h"

/* config.json. `dtype`: of most weights, for torch_dtype. A table of rotary divisors that llama3's
 * formula cannot give is FM_ERR_UNSUPPORTED. */
fm_status fm_hf_put_config(fm_buffer *out, const fm_config *config, const fm_store *store,
                           fm_dtype dtype, fm_error *err);
/* The member quantization_config of weights in FP8 with a scale for 128 x 128, as DeepSeek-V3 has it. */
void fm_hf_put_fp8(fm_json_writer *w);
/* What torch_dtype says of weights of a type; FP8 comes with what BF16 does. */
const char *fm_hf_torch_name(fm_dtype dtype);
/* config.json of the folder `source` as one of weights of `dtype`: F8_E4M3, or a plain type. */
fm_status fm_hf_copy_config(fm_buffer *out, const char *source, fm_dtype dtype, fm_error *err);
/* A file of the folder `source` as it is; *found is false, and nothing is put, where there is none. */
fm_status fm_hf_copy_file(fm_buffer *out, const char *source, const char *name, bool *found, fm_error *err);
/* generation_config.json. */
void fm_hf_put_generation(fm_buffer *out, const fm_config *config);

/* tokenizer.json and tokenizer_config.json from tokenizer.ggml.*; *found is false, and nothing is put,
 * where the file has no tokenizer. */
fm_status fm_hf_put_tokenizer(fm_buffer *json, fm_buffer *config_json, const fm_config *config,
                              const fm_meta *meta, bool *found, fm_error *err);
