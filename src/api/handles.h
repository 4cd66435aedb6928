/* handles.h: an open model and its sessions, for the files of this room alone. */
#pragma once

#include "api/objects.h"
#include "engine/grammar/constrain.h"
#include "engine/engine.h"
#include "engine/sample.h"
#include "model/adapters.h"

#include <pthread.h>

struct fathom_model {
    char *path, *name;
    fathom_model_options options; /* as resolved: no zeros that mean "choose" */
    fm_store *store;
    fm_pool *pool;
    fm_model *inner;
    fm_adapters *adapters; /* NULL: none */
    fm_engine *engine;
    fathom_tokenizer *tokenizer; /* NULL: the files carry none */
    uint64_t weight_bytes;
    char *panels, *panels_ignored; /* the file of panels in use; why one is not; NULL */
    pthread_mutex_t lock; /* guards what follows */
    fm_token_trie *trie;  /* made when the first grammar is used */
};

struct fathom_grammar {
    fm_grammar *inner;
};

struct fathom_session {
    fathom_model *model;
    fm_sequence *sequence;
    fm_sampler *sampler;
    bool engaged; /* listed in the call for many sessions that is under way */
};

/* Options as the caller gave them, with NULL and zeros replaced; also the CPU level. */
fm_status fm_api_resolve(const fathom_model_options *options, fathom_model_options *out,
                         fm_cpu_level *level, fm_error *err);
/* Rows of a step: those asked for, or what suits the model. */
int64_t fm_api_rows(const fm_model *model, const fathom_model_options *options);
/* What a model and its engine are made with: one place, so that what is promised is what is taken. */
fm_model_options fm_api_model_options(const fathom_model_options *options);
fm_engine_options fm_api_engine_options(const fathom_model_options *options, fm_cpu_level level,
                                        fm_pool *pool);
/* Bytes of cache for `options->sessions` sessions as long as the context, and a page or two each for what
 * they do not share while they part. */
uint64_t fm_api_cache_bytes(const fm_engine *engine, const fathom_model_options *options, int64_t context);
/* Most that an engine may keep of what fast arithmetic makes of a prompt, beside what is `taken`. */
uint64_t fm_api_prompt_bytes(const fm_engine *engine, const fathom_model_options *options, uint64_t taken,
                             int64_t context);
/* Tokens guessed ahead unless the caller says otherwise. */
enum { FM_API_GUESSES = 8 };
/* Bytes that `options->sessions` replies at once take beside the cache: the logits and states of tokens that
 * are checked together, and what drawing takes. */
uint64_t fm_api_reply_bytes(const fm_model *model, const fathom_model_options *options);
/* The context that was asked for, or the model's own (at most 32768), halved while it does not fit
 * beside weights and plan, down to 2048. */
fm_status fm_api_settle_context(const fm_model *model, const fm_engine *engine,
                                const fathom_model_options *options, uint64_t weight_bytes,
                                int64_t *context, fm_error *err);
/* Has a bound model use its file of panels, if there is one that fits: *path is its name, or NULL, and *ignored a
 * sentence why the one that is there was not used, or NULL; both for fm_free. One that was asked for and cannot be
 * used is an error. */
fm_status fm_api_use_panels(fm_model *model, const fathom_model_options *options, char **path, char **ignored,
                            fm_error *err);
fm_kv_type fm_api_kv_type(fathom_cache_type type);
fm_activations fm_api_activations(fathom_activations activations);
const char *fm_api_activations_name(fathom_activations activations); /* "f32", "int8", "int16" */
/* Ids that may be drawn: those that both the tokenizer and the model know. */
int64_t fm_api_drawable(const fathom_model *model);
/* Queues what makes the timeline ids[0..n). *reused: tokens that need not be computed. */
fm_status fm_api_queue(fathom_session *s, const int32_t *ids, size_t n, size_t *reused, fm_error *err);
/* Makes the timeline ids[0..n), as fathom_session_sync says, with progress. */
fm_status fm_api_sync(fathom_session *s, const int32_t *ids, size_t n, size_t *reused,
                      fm_extend_progress progress, void *context, fm_error *err);

/* The caller's sampling options; biases go on being the caller's. */
fm_sampling fm_api_sampling(const fathom_sampling *sampling);
