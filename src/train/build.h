/* build.h: text to a dataset: read, tell apart, split, encode, write.
 *
 * Documents keep their order: sources as given, files by name. What happens to one depends on its text and
 * on those before it, never on threads. A shard is begun anew when it has options.shard tokens; a document
 * is never divided, so one that is longer than that has a longer shard of its own. */
#pragma once

#include "base/json_write.h"
#include "base/pool.h"
#include "token/chat.h"
#include "train/dataset.h"

typedef struct fm_build_source {
    const char *name;         /* letters, digits, - and _ */
    double weight;            /* NAN: by its size; then of all sources */
    const char *const *paths; /* files and folders, train/corpus.h */
    size_t n_paths;
} fm_build_source;

typedef struct fm_build_options {
    const fm_build_source *sources;
    size_t n_sources;
    const fm_tokenizer *tokenizer;
    const char *tokenizer_folder; /* whose tokenizer.json and tokenizer_config.json are copied; NULL: none */
    fm_chat_style style;          /* of conversations */
    double valid;    /* share of documents for validation, chosen by the hash of their text */
    bool duplicates; /* exact copies may stay */
    double near;     /* similarity from which on a document is a near copy and left out; 0: none is */
    int64_t shard;   /* tokens */
    fm_pool *pool;   /* may be NULL */
    /* How far it is; returning false stops with FM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, double fraction);
    void *context;
} fm_build_options;

/* Makes the folder `path`, which must not be there (or be empty), complete or not at all. The manifest is
 * appended to `manifest` too. An error names the file, and the line of a .jsonl. */
fm_status fm_build(const char *path, const fm_build_options *options, fm_buffer *manifest, fm_error *err);
