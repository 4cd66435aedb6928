/* fathom_train.h: training: a vocabulary, data, runs and their reports.
 * Conventions are those of fathom.h. Results appear under their names complete or not at all. */
#pragma once

#include "fathom/fathom.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fathom_tokenizer_train_options {
    int64_t vocabulary;  /* tokens in all; 0: 32,768 */
    const char *pre;     /* how text is cut, by the name that GGUF files use; NULL: "deepseek-v3" */
    bool merge_digits;   /* numbers may have tokens of their own; else each digit is one */
    int64_t least_count; /* pairs that occur less often are not merged; 0: 2 */
    const char *chat;    /* template: "deepseek-v3" (NULL), "deepseek-r1", "none" */
    int threads;         /* 0: one per processor */
    /* How far it is; returning false stops with FATHOM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, double fraction);
    /* A sentence about something worth knowing: files that were passed over. May be NULL. */
    void (*note)(void *context, const char *sentence);
    void *callback_context;
} fathom_tokenizer_train_options;

FATHOM_API fathom_tokenizer_train_options fathom_tokenizer_train_defaults(void);

/* Learns a byte-level BPE vocabulary from files and folders (docs/data.md) and writes tokenizer.json and
 * tokenizer_config.json, which Fathom and Hugging Face's tokenizers read alike, into the folder `target`;
 * it is made if it is not there. The result depends on the texts alone, not on threads. *json (may be NULL)
 * receives a document about it; fathom_free. */
FATHOM_API fathom_status fathom_tokenizer_train(const char *const *paths, size_t n_paths, const char *target,
                                                const fathom_tokenizer_train_options *options, char **json,
                                                fathom_error *err);

typedef struct fathom_data_source {
    const char *name;         /* letters, digits, - and _ */
    double weight;            /* share of the tokens, to scale; negative: by size, then for all sources */
    const char *const *paths; /* files and folders */
    size_t n_paths;
} fathom_data_source;

typedef struct fathom_data_options {
    const char *chat;    /* style of conversations, such as "v3" or "r1"; NULL: the tokenizer's own */
    double valid;        /* share of documents for validation */
    bool keep_duplicates; /* exact copies stay */
    double near;         /* similarity (0 to 1) from which on near copies are left out; 0: they stay */
    int64_t shard;       /* tokens of a file */
    int threads;         /* 0: one per processor */
    bool (*progress)(void *context, double fraction);
    void *callback_context;
} fathom_data_options;

/* 0.01 for validation, no exact copies, near copies from 0.8 on left out, shards of 33,554,432 tokens. */
FATHOM_API fathom_data_options fathom_data_defaults(void);

/* Makes the folder `target`, which must not be there yet, out of text: documents are told apart, split,
 * encoded with the tokenizer at `tokenizer` (a folder, a tokenizer.json, a model) and written as shards that
 * the trainer maps (docs/data.md). *json (may be NULL) receives the folder's manifest; fathom_free. */
FATHOM_API fathom_status fathom_data_build(const char *tokenizer, const fathom_data_source *sources,
                                           size_t n_sources, const char *target,
                                           const fathom_data_options *options, char **json, fathom_error *err);

/* ---- gradients ----------------------------------------------------------------------------------*/

typedef struct fathom_grad_options {
    const char *cpu; /* as in fathom_model_options */
    int threads;
    bool mtp;        /* with the multi-token-prediction module: the loss is the model's + mtp_weight * the module's */
    double mtp_weight;
    bool bf16;       /* products of BF16 with float32 sums, as training has them; else float32 throughout */
} fathom_grad_options;

/* mtp_weight 0.3, float32. */
FATHOM_API fathom_grad_options fathom_grad_defaults(void);

/* Loss and gradients of the mean next-token cross entropy of exactly these ids, written to `out_path`
 * (safetensors, F32): loss [1] and, with mtp, mtp_loss [1] (the mean over its own targets); and under its own name
 * the gradient of every parameter of the Hugging Face folder `path`. Routing and routers' correction biases are
 * constants; embedding and head, which the module shares, hold both parts. GGUF is FATHOM_ERR_UNSUPPORTED. */
FATHOM_API fathom_status fathom_grad(const char *path, const int32_t *ids, size_t n,
                                     const fathom_grad_options *options, const char *out_path,
                                     fathom_error *err);

/* ---- runs ---------------------------------------------------------------------------------------*/

typedef struct fathom_run_progress {
    int64_t step, steps;
    double loss, rate, norm; /* loss: cross entropy, in nats */
    double divergence;    /* from the teacher's predictions, in nats; NAN: there is no teacher */
    double tokens_per_second;
    double share_of_peak; /* of what the processor's products reach; NAN: not known */
    double seconds_left;
} fathom_run_progress;

typedef struct fathom_run_options {
    const char *recipe;          /* a recipe file; NULL: the run's own where it has begun, else the defaults */
    const char *const *settings; /* "SECTION.KEY=VALUE", over the recipe */
    size_t n_settings;
    /* After every step; returning false ends the run with a checkpoint. May be NULL. */
    bool (*progress)(void *context, const fathom_run_progress *progress);
    /* A sentence about something worth knowing. May be NULL. */
    void (*note)(void *context, const char *sentence);
    void *callback_context;
} fathom_run_options;

FATHOM_API fathom_run_options fathom_run_defaults(void);

/* Trains a model as a recipe says (docs/training.md), in the folder `run`, which is made; where it is already
 * there, the run goes on from its newest checkpoint, with the very bits that it would have had. Every checkpoint
 * is a model's folder. *json (may be NULL) receives a document about the run; fathom_free. */
FATHOM_API fathom_status fathom_pretrain(const char *run, const fathom_run_options *options, char **json,
                                         fathom_error *err);

/* The same for supervised fine-tuning of the model that model.start names: data with masks (docs/data.md), every
 * document by itself, a cosine from a smaller learning rate. With lora.rank a low-rank adapter learns and the model,
 * of any kind that opens, stays as it is; checkpoints are then folders as PEFT writes them, for
 * fathom_model_options.adapter. */
FATHOM_API fathom_status fathom_sft(const char *run, const fathom_run_options *options, char **json,
                                    fathom_error *err);

/* The same for learning from another model: from its text, which is data like other; or, with teacher.model, from
 * its predictions too: the divergence of the student's from them (teacher.top, temperature, weight). The teacher is
 * any model that opens, with the same tokenizer. */
FATHOM_API fathom_status fathom_distill(const char *run, const fathom_run_options *options, char **json,
                                        fathom_error *err);

/* All keys of a recipe with default and help, for people; as Markdown if `markdown`. fathom_free. */
FATHOM_API fathom_status fathom_recipe_help(bool markdown, char **text, fathom_error *err);

typedef struct fathom_report_options {
    double price;         /* of an hour of the machine; 0: what the recipe says */
    const char *currency; /* of that price; NULL: what the recipe says */
    double watts;         /* of the machine, where its power could not be read; 0: what the recipe says */
} fathom_report_options;

FATHOM_API fathom_report_options fathom_report_defaults(void);

/* Writes the report of a run, one HTML page that needs nothing else, from the run's log. `run` is its folder or a
 * log.jsonl; `target` NULL: report.html beside the log. */
FATHOM_API fathom_status fathom_report(const char *run, const char *target, const fathom_report_options *options,
                                       fathom_error *err);

#ifdef __cplusplus
}
#endif
