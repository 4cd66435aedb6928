/* data_support.h: small datasets made on the spot, whose tokens say where they come from. */
#pragma once

#include "support.h"

#include "base/json_write.h"
#include "base/rng.h"
#include "train/dataset.h"

enum { VOCABULARY = 60000, BOS_ID = 0, EOS_ID = 1, FIM_BEGIN = 2, FIM_HOLE = 3, FIM_END = 4, FIRST_ID = 8 };
#define VOCABULARY_HASH 0x1234567890abcdefu

/* One source: its documents' lengths, in `n_shards` shards (train). */
typedef struct made_source {
    const char *name;
    double weight; /* < 0: none is written */
    const int *lengths;
    int n;
    int n_shards;
    bool masked; /* only every third token is to be learnt */
} made_source;

/* Token `place` of document `document`: different for different ones, mostly. */
static inline int32_t made_id(int source, int document, int place) {
    return FIRST_ID + (int32_t)(fm_rng_at(7, (uint64_t)source << 32 | (uint64_t)document, (uint64_t)place).word[0] %
                                (VOCABULARY - FIRST_ID));
}

static inline bool made_learnt(const made_source *s, int place) { return !s->masked || place % 3 == 0; }

static inline void made_document(fm_shard_writer *w, const made_source *s, int source, int document) {
    int n = s->lengths[document];
    int32_t *ids = calloc((size_t)n, sizeof *ids);
    uint8_t *learn = calloc((size_t)n, 1);
    for (int i = 0; i < n; i++) {
        ids[i] = made_id(source, document, i);
        learn[i] = made_learnt(s, i);
    }
    fm_shard_add(w, (uint32_t)source, ids, s->masked ? learn : NULL, n);
    free(ids);
    free(learn);
}

static inline void put_hash(fm_json_writer *w, const char *key, uint64_t hash) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    fm_json_put_text(w, key, text);
}

static inline void made_part(fm_json_writer *w, const char *folder, const made_source *s, int source,
                             const char *portion, int n_shards) {
    fm_error err;
    fm_json_open(w, portion, '{');
    fm_json_open(w, "shards", '[');
    for (int k = 0; k < n_shards; k++) {
        char file[64], path[4300];
        uint64_t hash;
        fm_shard_writer out = {.vocabulary = VOCABULARY, .vocabulary_hash = VOCABULARY_HASH};
        for (int d = s->n * k / n_shards; d < s->n * (k + 1) / n_shards; d++) made_document(&out, s, source, d);
        snprintf(file, sizeof file, "%s-%s-%05d.tokens", s->name, portion, k);
        snprintf(path, sizeof path, "%s/%s", folder, file);
        assert_ok(fm_shard_finish(&out, path, &hash, &err));
        fm_shard_writer_clear(&out);
        fm_json_open(w, NULL, '{');
        fm_json_put_text(w, "file", file);
        put_hash(w, "hash", hash);
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
    fm_json_close(w, '}');
}

/* Writes a dataset into `folder`, which is made, and opens it. */
static inline fm_dataset *made_dataset(const char *folder, const made_source *sources, int n) {
    fm_error err;
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_dataset *data;
    char path[4200];
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "format", FM_DATASET_FORMAT);
    fm_json_put_integer(&w, "version", FM_DATASET_VERSION);
    fm_json_open(&w, "tokenizer", '{');
    fm_json_put_integer(&w, "size", VOCABULARY);
    put_hash(&w, "hash", VOCABULARY_HASH);
    fm_json_put_integer(&w, "bos", BOS_ID);
    fm_json_put_integer(&w, "eos", EOS_ID);
    fm_json_put_integer(&w, "fim_begin", FIM_BEGIN);
    fm_json_put_integer(&w, "fim_hole", FIM_HOLE);
    fm_json_put_integer(&w, "fim_end", FIM_END);
    fm_json_close(&w, '}');
    fm_json_open(&w, "sources", '[');
    for (int i = 0; i < n; i++) {
        fm_json_open(&w, NULL, '{');
        fm_json_put_text(&w, "name", sources[i].name);
        if (sources[i].weight >= 0) fm_json_put_real(&w, "weight", sources[i].weight);
        made_part(&w, folder, &sources[i], i, "train", sources[i].n_shards);
        fm_json_close(&w, '}');
    }
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    snprintf(path, sizeof path, "%s/%s", folder, FM_DATASET_MANIFEST);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(fm_buffer_string(&out), f);
    fclose(f);
    fm_buffer_clear(&out);
    assert_ok(fm_dataset_open(folder, &data, &err));
    return data;
}

/* A folder of its own below the scratch folder. */
static inline const char *made_folder(const char *name) {
    const char *path = scratch_path(name);
    char command[5000];
    snprintf(command, sizeof command, "mkdir -p '%s'", path);
    assert_int_equal(system(command), 0);
    return path;
}
