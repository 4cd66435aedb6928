#include "train/build_private.h"

#include <math.h>
#include <stdio.h>

static void put_hash(fm_json_writer *w, const char *key, uint64_t hash) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    fm_json_put_text(w, key, text);
}

static void put_role(fm_json_writer *w, const char *key, const fm_tokenizer *t, const char *name) {
    fm_json_put_integer(w, key, fm_tokenizer_find(t, name));
}

static void put_tokenizer(fm_json_writer *w, const fm_tokenizer *t) {
    fm_json_open(w, "tokenizer", '{');
    fm_json_put_integer(w, "size", fm_tokenizer_size(t));
    put_hash(w, "hash", fm_tokenizer_fingerprint(t));
    fm_json_put_integer(w, "bos", fm_tokenizer_bos(t));
    fm_json_put_integer(w, "eos", fm_tokenizer_eos(t));
    put_role(w, "fim_begin", t, "<｜fim▁begin｜>");
    put_role(w, "fim_hole", t, "<｜fim▁hole｜>");
    put_role(w, "fim_end", t, "<｜fim▁end｜>");
    fm_json_close(w, '}');
}

void fm_build_manifest_begin(fm_json_writer *w, const fm_build_options *o) {
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "format", FM_DATASET_FORMAT);
    fm_json_put_integer(w, "version", FM_DATASET_VERSION);
    put_tokenizer(w, o->tokenizer);
    fm_json_open(w, "settings", '{');
    fm_json_put_text(w, "chat", fm_chat_style_name(o->style));
    fm_json_put_real(w, "valid", o->valid);
    fm_json_put_bool(w, "duplicates", o->duplicates);
    fm_json_put_real(w, "near", o->near);
    fm_json_put_integer(w, "shard", o->shard);
    fm_json_close(w, '}');
    fm_json_open(w, "sources", '[');
}

static void put_part(fm_json_writer *w, const fm_build_source *source, const fm_build_counts *c,
                     const fm_build_shards *shards, fm_portion portion) {
    const fm_build_shard *done = (const fm_build_shard *)(const void *)shards->done.data;
    fm_json_open(w, fm_portion_name(portion), '{');
    fm_json_put_integer(w, "documents", c->part[portion].documents);
    fm_json_put_integer(w, "tokens", c->part[portion].tokens);
    fm_json_put_integer(w, "learnt", c->part[portion].learnt);
    fm_json_open(w, "shards", '[');
    for (size_t i = 0; i < shards->done.size / sizeof *done; i++) {
        char name[128];
        if (done[i].portion != portion) continue;
        fm_build_shard_name(source->name, &done[i], name);
        fm_json_open(w, NULL, '{');
        fm_json_put_text(w, "file", name);
        fm_json_put_integer(w, "documents", done[i].documents);
        fm_json_put_integer(w, "tokens", done[i].tokens);
        put_hash(w, "hash", done[i].hash);
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
    fm_json_close(w, '}');
}

void fm_build_manifest_source(fm_json_writer *w, const fm_build_source *source, const fm_build_counts *c,
                              const fm_build_shards *shards) {
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "name", source->name);
    if (!isnan(source->weight)) fm_json_put_real(w, "weight", source->weight);
    fm_json_open(w, "read", '{');
    fm_json_put_integer(w, "bytes", (int64_t)c->bytes);
    fm_json_put_integer(w, "documents", c->documents);
    fm_json_put_integer(w, "empty", c->empty);
    fm_json_put_integer(w, "binary", c->binary);
    fm_json_put_integer(w, "duplicates", c->same);
    fm_json_put_integer(w, "near_duplicates", c->nearly);
    fm_json_close(w, '}');
    for (int p = 0; p < FM_PORTIONS; p++) put_part(w, source, c, shards, (fm_portion)p);
    fm_json_close(w, '}');
}

void fm_build_manifest_end(fm_json_writer *w) {
    fm_json_close(w, ']');
    fm_json_close(w, '}');
    fm_buffer_text(w->out, "\n");
}
