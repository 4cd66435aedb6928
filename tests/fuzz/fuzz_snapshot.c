/* A saved sequence as strangers may have left it. The first byte says how to take the rest: bits 0-1
 * the cache type, bit 2 whether checksums and the model's fingerprint are put right first, so that what
 * lies behind them is reached too. What loads must save again as the very same bytes, and go on. */
#include "fuzz.h"
#include "fuzz_file.h"

#include "base/hash.h"
#include "engine/sequence.h"
#include "engine/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_VERSION = 8, AT_FINGERPRINT = 16, AT_HASH = 120, HEADER = 128, TYPES = 3 };

static fm_engine *engines[TYPES];

static void open_engines(void) {
    fm_error err;
    char path[4096];
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    const char *root = getenv("FATHOM_SOURCE");
    snprintf(path, sizeof path, "%s/tests/golden/odd/qwen3-tied", root ? root : ".");
    FUZZ_CHECK(fm_store_open(path, &store, &err) == FM_OK); /* elsewhere, set FATHOM_SOURCE */
    FUZZ_CHECK(fm_pool_new(1, &pool, &err) == FM_OK);
    FUZZ_CHECK(fm_model_bind(store, &(fm_model_options){.pack = true}, &model, &err) == FM_OK);
    FUZZ_CHECK(fm_model_load(model, pool, NULL, NULL, &err) == FM_OK);
    for (int i = 0; i < TYPES; i++) {
        fm_engine_options o = {.rows = 4, .context = 200, .cache = (fm_kv_type)i, .pool = pool,
                               .kernels = fm_kernels_get(FM_CPU_REF)};
        FUZZ_CHECK(fm_engine_new(model, &o, &engines[i], &err) == FM_OK);
        FUZZ_CHECK(fm_engine_start(engines[i], &err) == FM_OK);
    }
}

/* Hashes `n` bytes in pieces and puts the hash behind them; past the end, nothing more is done. */
static uint8_t *section(uint8_t *at, const uint8_t *end, size_t n, size_t piece, uint64_t *hash) {
    if (!at || (size_t)(end - at) < n + 8) return NULL;
    if (n == 0) *hash = fm_hash(at, 0, *hash);
    for (size_t i = 0; i < n; i += piece) *hash = fm_hash(at + i, piece, *hash);
    memcpy(at + n, hash, 8);
    return at + n + 8;
}

static void repair(uint8_t *bytes, size_t n, const fm_engine *e) {
    const fm_kv_shape *kv = &e->kv;
    size_t row = fm_kv_row_used(kv->type, kv->width, kv->block), tokens;
    uint64_t hash, fingerprint = fm_model_fingerprint(e->model);
    uint32_t version;
    if (n < HEADER) return;
    memcpy(bytes + AT_FINGERPRINT, &fingerprint, 8);
    memcpy(&version, bytes + AT_VERSION, 4);
    hash = fm_hash(bytes, AT_HASH, version);
    memcpy(bytes + AT_HASH, &hash, 8);
    memcpy(&tokens, bytes + 72, 8);
    if (tokens > 200) return;
    uint8_t *at = section(bytes + HEADER, bytes + n, tokens * 4, tokens ? tokens * 4 : 1, &hash);
    for (size_t left = tokens; left > 0;) {
        size_t here = left < 64 ? left : 64;
        at = section(at, bytes + n, here * (size_t)kv->n_layers * row, row, &hash);
        left -= here;
    }
    if (!at || bytes + n <= at) return;
    const fm_config *c = &e->model->config;
    size_t logits = (size_t)c->vocab_size * 4, hidden = (size_t)c->hidden_size * 4;
    if ((size_t)(bytes + n - at) < logits + hidden + 8) return;
    hash = fm_hash(at, logits, hash);
    hash = fm_hash(at + logits, hidden, hash);
    memcpy(at + logits + hidden, &hash, 8);
}

static void check_round_trip(fm_sequence *s, const uint8_t *bytes, size_t n) {
    fm_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/fathom-fuzz-snapshot.%d", (int)getpid());
    FUZZ_CHECK(fm_sequence_save(s, path, &err) == FM_OK);
    FILE *f = fopen(path, "rb");
    FUZZ_CHECK(f != NULL);
    for (size_t i = 0; i < n; i++) FUZZ_CHECK(fgetc(f) == bytes[i]);
    FUZZ_CHECK(fgetc(f) == EOF);
    fclose(f);
    remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!engines[0]) open_engines();
    if (size < 1) return 0;
    fm_engine *e = engines[(data[0] & 3) % TYPES];
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + 1);
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, n);
    if (data[0] & 4) repair(bytes, n, e);
    char path[FUZZ_PATH];
    int fd = fuzz_file(bytes, n, path);
    fm_error err = {0};
    fm_sequence *s;
    fm_status status = fm_sequence_load(e, path, &s, &err);
    FUZZ_CHECK((status == FM_OK) == (s != NULL));
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    if (s) {
        check_round_trip(s, bytes, n);
        if (s->n < 200) FUZZ_CHECK(fm_sequence_extend(s, &(int32_t){7}, 1, NULL, NULL, &err) == FM_OK);
    }
    fm_sequence_free(s);
    FUZZ_CHECK(fm_engine_cache_statistics(e).in_use == 0);
    close(fd);
    free(bytes);
    return 0;
}
