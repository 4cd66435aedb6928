#include "train/build_private.h"

#include <stdio.h>
#include <string.h>

void fm_build_shards_begin(fm_build_shards *s, const fm_build_folder *folder, const fm_build_options *o,
                           uint32_t source) {
    *s = (fm_build_shards){.folder = folder, .source = o->sources[source].name, .number = source, .limit = o->shard};
    for (int p = 0; p < FM_PORTIONS; p++)
        s->writer[p] = (fm_shard_writer){.vocabulary = fm_tokenizer_size(o->tokenizer),
                                         .vocabulary_hash = fm_tokenizer_fingerprint(o->tokenizer)};
}

void fm_build_shard_name(const char *source, const fm_build_shard *s, char name[128]) {
    snprintf(name, 128, "%.64s-%s-%05d.tokens", source, fm_portion_name(s->portion), s->number);
}

static fm_status finish(fm_build_shards *s, fm_portion portion, fm_error *err) {
    fm_shard_writer *w = &s->writer[portion];
    fm_build_shard done = {portion, s->n[portion]++, w->n_documents, w->n_tokens, 0};
    char name[128];
    fm_build_shard_name(s->source, &done, name);
    char *path = fm_build_folder_path(s->folder, name);
    if (!path) return fm_fail_memory(err, strlen(name), "a path");
    fm_status status = fm_shard_finish(w, path, &done.hash, err);
    fm_free(path);
    fm_buffer_put(&s->done, &done, sizeof done);
    return status == FM_OK ? fm_buffer_status(&s->done, err) : status;
}

fm_status fm_build_shards_add(fm_build_shards *s, fm_portion portion, const int32_t *ids, const uint8_t *learn,
                              int64_t n, fm_error *err) {
    fm_shard_writer *w = &s->writer[portion];
    if (w->n_tokens > 0 && w->n_tokens + n > s->limit) FM_TRY(finish(s, portion, err));
    fm_shard_add(w, s->number, ids, learn, n);
    return w->tokens.failed ? fm_buffer_status(&w->tokens, err) : FM_OK;
}

fm_status fm_build_shards_end(fm_build_shards *s, fm_error *err) {
    for (int p = 0; p < FM_PORTIONS; p++)
        if (s->writer[p].n_documents > 0) FM_TRY(finish(s, (fm_portion)p, err));
    return FM_OK;
}

void fm_build_shards_clear(fm_build_shards *s) {
    for (int p = 0; p < FM_PORTIONS; p++) fm_shard_writer_clear(&s->writer[p]);
    fm_buffer_clear(&s->done);
}
