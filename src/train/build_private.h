/* build_private.h: what the files build*.c share. */
#pragma once

#include "train/build.h"
#include "train/corpus.h"
#include "train/dedup.h"
#include "train/example.h"

/* What became of a source's documents. */
typedef struct fm_build_counts {
    uint64_t bytes;
    int64_t documents, empty, binary, same, nearly; /* read; of those: left out */
    struct {
        int64_t documents, tokens, learnt;
    } part[FM_PORTIONS];
} fm_build_counts;

/* ---- a folder in the making (build_folder.c) -----------------------------------------------------*/

typedef struct fm_build_folder {
    char *path, *temporary;
} fm_build_folder;

fm_status fm_build_folder_begin(const char *path, fm_build_folder *out, fm_error *err);
/* Writes a file into it. */
fm_status fm_build_folder_put(const fm_build_folder *f, const char *name, const void *bytes, size_t size,
                              fm_error *err);
/* "temporary/name", for fm_free; NULL without memory. */
char *fm_build_folder_path(const fm_build_folder *f, const char *name);
/* Both end it; abort leaves nothing. */
fm_status fm_build_folder_commit(fm_build_folder *f, fm_error *err);
void fm_build_folder_abort(fm_build_folder *f);

/* ---- the shards of one source (build_shards.c) ---------------------------------------------------*/

typedef struct fm_build_shard {
    fm_portion portion;
    int number;
    int64_t documents, tokens;
    uint64_t hash;
} fm_build_shard;

typedef struct fm_build_shards {
    const fm_build_folder *folder;
    const char *source;
    uint32_t number; /* of the source */
    int64_t limit;
    fm_shard_writer writer[FM_PORTIONS];
    int n[FM_PORTIONS];
    fm_buffer done; /* fm_build_shard */
} fm_build_shards;

void fm_build_shards_begin(fm_build_shards *s, const fm_build_folder *folder, const fm_build_options *o,
                           uint32_t source);
fm_status fm_build_shards_add(fm_build_shards *s, fm_portion portion, const int32_t *ids, const uint8_t *learn,
                              int64_t n, fm_error *err);
fm_status fm_build_shards_end(fm_build_shards *s, fm_error *err); /* writes what is left */
void fm_build_shards_clear(fm_build_shards *s);
void fm_build_shard_name(const char *source, const fm_build_shard *s, char name[128]);

/* ---- the manifest (build_manifest.c) -------------------------------------------------------------*/

void fm_build_manifest_begin(fm_json_writer *w, const fm_build_options *o);
void fm_build_manifest_source(fm_json_writer *w, const fm_build_source *source, const fm_build_counts *counts,
                              const fm_build_shards *shards);
void fm_build_manifest_end(fm_json_writer *w);
