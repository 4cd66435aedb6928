/* snapshot_support.h: an engine with a small model, and sequences of it that are saved and loaded. */
#pragma once

#include "support.h"

#include "base/file.h"
#include "engine/sequence.h"
#include "engine/snapshot.h"

static const fm_kv_type caches[] = {FM_KV_F32, FM_KV_BF16, FM_KV_INT8};

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} rig;

static inline void rig_close(rig *r) {
    fm_engine_free(r->engine);
    fm_model_free(r->model);
    fm_pool_free(r->pool);
    if (r->store) fm_store_close(r->store);
}

static inline rig rig_of(const char *path, fm_model_options bind, fm_engine_options o) {
    fm_error err;
    rig r = {0};
    assert_ok(fm_store_open(golden_path(path), &r.store, &err));
    assert_ok(fm_pool_new(2, &r.pool, &err));
    assert_ok(fm_model_bind(r.store, &bind, &r.model, &err));
    assert_ok(fm_model_load(r.model, r.pool, NULL, NULL, &err));
    o.pool = r.pool;
    if (!o.rows) o.rows = 32;
    if (!o.context) o.context = 300;
    if (!o.kernels) o.kernels = fm_kernels_get(fm_cpu_detect());
    assert_ok(fm_engine_new(r.model, &o, &r.engine, &err));
    assert_ok(fm_engine_start(r.engine, &err));
    return r;
}

/* The smallest model that every cache type can hold. */
#define SMALL "odd/qwen3-tied"

static inline rig small(fm_kv_type cache, bool share) {
    return rig_of(SMALL, (fm_model_options){.pack = true},
                  (fm_engine_options){.cache = cache, .share_prefixes = share});
}

static inline void prompt(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)((i * 31 + seed * 17 + i * i) % 37);
}

static inline fm_sequence *computed(const rig *r, int64_t n, int seed) {
    fm_error err;
    int32_t ids[512];
    fm_sequence *s;
    prompt(ids, n, seed);
    assert_ok(fm_sequence_new(r->engine, &s, &err));
    if (n > 0) assert_ok(fm_sequence_extend(s, ids, n, NULL, NULL, &err));
    return s;
}

static inline fm_sequence *loaded(const rig *r, const char *path) {
    fm_error err;
    fm_sequence *s;
    assert_ok(fm_sequence_load(r->engine, path, &s, &err));
    return s;
}

static inline int file_bytes(const char *path, char **bytes, size_t *n) {
    fm_error err;
    return (int)fm_file_read(path, (size_t)1 << 30, bytes, n, &err);
}
