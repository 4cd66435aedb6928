/* adapters.h: the low-rank adapters of a model: made anew to be trained, or read from a folder as PEFT
 * writes it, and put on the weights that they are for.
 *
 * They go on before a plan is recorded; plans recorded afterwards have them, and the model's fingerprint is
 * another with them. The file's names and order of
 * rows are Hugging Face's, whatever file the model came from: for Llama models out of GGUF, whose queries
 * and keys lie in another order, rows are put into that order. Routed experts and the up-projections of
 * latent attention take none. */
#pragma once

#include "model/model.h"
#include "pack/adapter.h"

typedef struct fm_adapters fm_adapters;

typedef struct fm_adapter_options {
    int64_t rank;
    double alpha;         /* scale = alpha / rank */
    const char *targets;  /* module names with commas, "q_proj,v_proj", or "all" */
    uint64_t seed;        /* of A; B begins as zeros, so nothing changes at first */
} fm_adapter_options;

/* A target that this model has nowhere is FM_ERR_ARGUMENT, which lists those it has. */
fm_status fm_adapters_new(fm_model *model, const fm_adapter_options *options, fm_adapters **out,
                          fm_error *err);
/* `folder`: adapter_config.json and adapter_model.safetensors. What is not plain LoRA (DoRA, trained biases,
 * other modules) and tensors without a place are refused by name. */
fm_status fm_adapters_open(fm_model *model, const char *folder, fm_adapters **out, fm_error *err);
/* Reads the numbers of these very adapters from a folder that fm_adapters_write has filled. What products read is
 * not made anew (pack/master.h). */
fm_status fm_adapters_reload(fm_adapters *adapters, const char *folder, fm_error *err);
/* Takes them off the model, whose plans must be gone. */
void fm_adapters_free(fm_adapters *adapters);

/* Bytes that they take: masters and what products read. */
uint64_t fm_adapters_bytes(const fm_adapters *adapters);
size_t fm_adapters_count(const fm_adapters *adapters);
/* `model` and its plans read it; whoever trains changes the masters of its a and b. */
fm_adapter *fm_adapters_at(fm_adapters *adapters, size_t i);
/* What it sits on. */
const fm_weight *fm_adapters_base(const fm_adapters *adapters, size_t i);

/* Writes both files into the folder, which exists. `base`: what the configuration says they are for. */
fm_status fm_adapters_write(const fm_adapters *adapters, const char *folder, const char *base, fm_error *err);
