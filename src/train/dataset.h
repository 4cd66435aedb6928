/* dataset.h: a folder of shards and the manifest that says what they are (`fathom data build` makes it).
 *
 *   data.json      format, tokenizer, settings, sources with their weights, shards with their hashes
 *   NAME-train-00000.tokens ...      shards, train/shard.h
 *   NAME-valid-00000.tokens ...
 *
 * A dataset is immutable while it is open, and may be read by several threads. */
#pragma once

#include "train/shard.h"

#define FM_DATASET_MANIFEST "data.json"
#define FM_DATASET_FORMAT "fathom-data"

enum { FM_DATASET_VERSION = 1, FM_SOURCES_MAX = 64 };

typedef enum fm_portion { FM_TRAIN, FM_VALID, FM_PORTIONS } fm_portion;
const char *fm_portion_name(fm_portion portion); /* "train", "valid" */

/* One portion of one source. */
typedef struct fm_dataset_part {
    fm_shard *shards;
    int64_t *first; /* [n_shards + 1]: documents in the shards before */
    size_t n_shards;
    int64_t documents, tokens;
} fm_dataset_part;

typedef struct fm_dataset_source {
    char *name;
    double weight; /* its share of the tokens, to scale; NAN: what it has (then of all sources) */
    fm_dataset_part part[FM_PORTIONS];
} fm_dataset_source;

/* Ids by their role; -1: the vocabulary has none. */
typedef struct fm_roles {
    int32_t bos, eos, fim_begin, fim_hole, fim_end;
} fm_roles;

typedef struct fm_dataset {
    char *folder;
    fm_dataset_source *sources;
    size_t n_sources;
    int64_t vocabulary;
    uint64_t vocabulary_hash;
    fm_roles roles;
    uint64_t fingerprint; /* of all names, weights and contents */
} fm_dataset;

/* Opens and checks manifest and shards. An error names the file at fault. */
fm_status fm_dataset_open(const char *folder, fm_dataset **out, fm_error *err);
void fm_dataset_close(fm_dataset *dataset); /* NULL is fine */

/* Reads every shard and compares checksums. */
fm_status fm_dataset_verify(const fm_dataset *dataset, fm_error *err);

/* FM_ERR_ARGUMENT, with both fingerprints, where the shards were made with other ids than these. */
fm_status fm_dataset_check_vocabulary(const fm_dataset *dataset, int64_t vocabulary, uint64_t hash,
                                      fm_error *err);

/* The shard that holds document `document` of the part, and its number there. */
const fm_shard *fm_dataset_find(const fm_dataset_part *part, int64_t document, int64_t *local);

/* Documents and tokens of a portion, all sources together. */
void fm_dataset_count(const fm_dataset *dataset, fm_portion portion, int64_t *documents,
                      int64_t *tokens);
