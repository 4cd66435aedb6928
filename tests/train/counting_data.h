/* counting_data.h: a dataset that can be learnt: every document counts upwards, so that a token foretells the next. */
#pragma once

#include "data_support.h"

#include "base/file.h"

static fm_error err;

enum { CLASSES = 64 };

/* Documents that count upwards, so that a bigram foretells all of them. */
static inline void put_portion(fm_json_writer *w, const char *folder, const char *portion, int documents) {
    char file[64], path[4300];
    uint64_t hash;
    fm_shard_writer out = {.vocabulary = VOCABULARY, .vocabulary_hash = VOCABULARY_HASH};
    for (int d = 0; d < documents; d++) {
        int32_t ids[100];
        int n = 1 + (int)(fm_rng_at(3, 1, (uint64_t)d).word[0] % 100);
        for (int i = 0; i < n; i++) ids[i] = FIRST_ID + (d + i) % CLASSES;
        fm_shard_add(&out, 0, ids, NULL, n);
    }
    snprintf(file, sizeof file, "a-%s-00000.tokens", portion);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_ok(fm_shard_finish(&out, path, &hash, &err));
    fm_json_open(w, portion, '{');
    fm_json_open(w, "shards", '[');
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "file", file);
    put_hash(w, "hash", hash);
    fm_json_close(w, '}');
    fm_json_close(w, ']');
    fm_json_close(w, '}');
}

static inline fm_dataset *open_data(void) {
    static bool made;
    const char *folder = made_folder("data");
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_dataset *data;
    char path[4300];
    if (!made) {
        int lengths[] = {5};
        made_source s = {"a", -1, lengths, 1, 1};
        fm_dataset_close(made_dataset(folder, &s, 1)); /* for its manifest's head */
        snprintf(path, sizeof path, "%s/%s", folder, FM_DATASET_MANIFEST);
        char *text;
        size_t n;
        assert_ok(fm_file_read(path, 1 << 20, &text, &n, &err));
        size_t head = (size_t)(strstr(text, "\"sources\"") - text);
        w.depth = 1;
        fm_json_open(&w, "sources", '[');
        fm_json_open(&w, NULL, '{');
        fm_json_put_text(&w, "name", "a");
        put_portion(&w, folder, "train", 200);
        put_portion(&w, folder, "valid", 20);
        fm_json_close(&w, '}');
        fm_json_close(&w, ']');
        FILE *f = fopen(path, "w");
        fwrite(text, 1, head, f);
        fputs(fm_buffer_string(&out), f), fputs("}\n", f), fclose(f);
        fm_free(text);
        fm_buffer_clear(&out);
        made = true;
    }
    assert_ok(fm_dataset_open(folder, &data, &err));
    return data;
}
