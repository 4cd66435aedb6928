/* Saved sequences that must not be loaded: of another model, damaged at any byte, forged; and disks
 * that are full. */
#include "snapshot_support.h"

#include "base/hash.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- what is refused ------------------------------------------------------------------------------ */

static void assert_refused(const rig *r, const char *path, fm_status code, const char *word) {
    fm_error err = {0};
    fm_sequence *s = (fm_sequence *)(uintptr_t)1;
    int64_t used = fm_engine_cache_statistics(r->engine).in_use;
    size_t memory = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
    fm_status status = fm_sequence_load(r->engine, path, &s, &err);
    if (status != code || !strstr(err.message, word))
        fail_msg("status %s, '%s'; wanted %s with '%s'", fm_status_name(status), err.message,
                 fm_status_name(code), word);
    assert_null(s);
    assert_int_equal(err.code, code);
    assert_int_equal(fm_engine_cache_statistics(r->engine).in_use, used);
    assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], memory);
}

static void what_belongs_elsewhere_is_refused_with_a_reason(void **state) {
    (void)state;
    fm_error err;
    const char *path = scratch_path("sequence");
    fm_model_options exact = {.pack = true}, fast = {.pack = true, .arith = FM_FAST},
                     mtp = {.pack = true, .mtp = true};
    fm_engine_options f32 = {.cache = FM_KV_F32}, bf16 = {.cache = FM_KV_BF16},
                      brief = {.cache = FM_KV_F32, .context = 89};
    rig r = rig_of("tiny-v3", exact, f32);
    fm_sequence *s = computed(&r, 90, 1);
    assert_ok(fm_sequence_save(s, path, &err));
    fm_sequence_free(s);
    rig_close(&r);
    const struct {
        const char *model;
        fm_model_options bind;
        fm_engine_options options;
        fm_status code;
        const char *word;
    } cases[] = {
        {"tiny-v3-bf16", exact, f32, FM_ERR_UNSUPPORTED, "another model"},
        {"tiny-v2-lite", exact, f32, FM_ERR_UNSUPPORTED, "another model"},
        {"gguf/tiny-v3.f32.gguf", exact, f32, FM_ERR_UNSUPPORTED, "another model"}, /* by its names */
        {"tiny-v3", fast, f32, FM_ERR_UNSUPPORTED, "exact arithmetic"},
        {"tiny-v3", mtp, f32, FM_ERR_UNSUPPORTED, "without multi-token prediction"},
        {"tiny-v3", exact, bf16, FM_ERR_UNSUPPORTED, "in f32 and this engine keeps them in bf16"},
        {"tiny-v3", exact, brief, FM_ERR_LIMIT, "90 tokens and the context is 89"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        r = rig_of(cases[i].model, cases[i].bind, cases[i].options);
        assert_refused(&r, path, cases[i].code, cases[i].word);
        rig_close(&r);
    }
}

static void write_file(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void what_is_no_saved_sequence_is_refused(void **state) {
    (void)state;
    rig r = small(FM_KV_F32, true);
    const char *path = scratch_path("other");
    assert_refused(&r, scratch_path("missing"), FM_ERR_IO, "cannot open");
    assert_refused(&r, scratch_path(""), FM_ERR_IO, "regular file");
    assert_int_equal(mkfifo(scratch_path("pipe"), 0600), 0);
    assert_refused(&r, scratch_path("pipe"), FM_ERR_IO, "regular file");
    write_file(path, "", 0);
    assert_refused(&r, path, FM_ERR_FORMAT, "only 0 bytes");
    char zeros[200] = "";
    write_file(path, zeros, sizeof zeros);
    assert_refused(&r, path, FM_ERR_FORMAT, "no saved sequence");
    assert_refused(&r, golden_path("tiny-llama/model.safetensors"), FM_ERR_FORMAT, "no saved sequence");
    rig_close(&r);
}

/* A saved sequence of 66 tokens, its file in memory. */
typedef struct saved {
    rig r;
    char *bytes;
    size_t n;
    const char *path;
} saved;

static saved save_of(rig r, const char *name) {
    fm_error err;
    saved v = {.r = r, .path = scratch_path(name)};
    fm_sequence *s = computed(&v.r, 66, 1);
    assert_ok(fm_sequence_save(s, v.path, &err));
    fm_sequence_free(s);
    assert_int_equal(file_bytes(v.path, &v.bytes, &v.n), FM_OK);
    return v;
}

static saved save_small(fm_kv_type cache, const char *name) { return save_of(small(cache, false), name); }

static void saved_free(saved *v) {
    fm_free(v->bytes);
    rig_close(&v->r);
}

static void every_truncation_is_found(void **state) {
    (void)state;
    saved v = save_small(FM_KV_INT8, "sequence");
    for (size_t n = v.n; n-- > 0;) {
        assert_int_equal(truncate(v.path, (off_t)n), 0);
        fm_error err = {0};
        fm_sequence *s;
        assert_int_equal(fm_sequence_load(v.r.engine, v.path, &s, &err), FM_ERR_FORMAT);
        assert_true(!s && err.message[0]);
    }
    assert_int_equal(fm_engine_cache_statistics(v.r.engine).in_use, 0);
    v.bytes[v.n] = 7; /* and a byte too many: fm_file_read left room for one */
    write_file(v.path, v.bytes, v.n + 1);
    assert_refused(&v.r, v.path, FM_ERR_FORMAT, "cut short, or added to");
    saved_free(&v);
}

/* One bit of every byte, another bit for another cache type; in a soak, all of them. */
static void every_flipped_bit_is_found(void **state) {
    (void)state;
    for (size_t c = 0; c < FM_COUNT(caches); c++) {
        saved v = save_small(caches[c], "sequence");
        int fd = open(v.path, O_WRONLY);
        assert_true(fd >= 0);
        for (size_t i = 0; i < v.n; i += sanitized() ? 7 : 1)
            for (int bit = 0; bit < 8; bit++) {
                if (!soaking() && bit != (int)((i * 5 + c) % 8)) continue;
                char flipped = (char)(v.bytes[i] ^ 1 << bit);
                fm_error err = {0};
                fm_sequence *s;
                assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
                fm_status status = fm_sequence_load(v.r.engine, v.path, &s, &err);
                if (status == FM_OK || s || !err.message[0])
                    fail_msg("bit %d of byte %zu of %zu was not missed", bit, i, v.n);
                assert_int_equal(pwrite(fd, &v.bytes[i], 1, (off_t)i), 1);
            }
        close(fd);
        fm_sequence_free(loaded(&v.r, v.path)); /* all is as it was */
        saved_free(&v);
    }
}

/* The places of the header's fields, a second time. */
enum { AT_VERSION = 8, AT_TYPE = 28, AT_TOKENS = 72, AT_FLAGS = 80, AT_HASH = 120, HEADER = 128 };

/* Puts `value` at `at`, makes the header's hash and the tokens' right again, and loads. */
static void assert_forged(saved *v, size_t at, uint32_t value, fm_status code, const char *word) {
    char *bytes = malloc(v->n);
    memcpy(bytes, v->bytes, v->n);
    memcpy(bytes + at, &value, sizeof value);
    uint32_t version;
    memcpy(&version, bytes + AT_VERSION, 4);
    uint64_t hash = fm_hash(bytes, AT_HASH, version);
    memcpy(bytes + AT_HASH, &hash, 8);
    hash = fm_hash(bytes + HEADER, 66 * 4, hash);
    memcpy(bytes + HEADER + 66 * 4, &hash, 8);
    write_file(v->path, bytes, v->n);
    assert_refused(&v->r, v->path, code, word);
    free(bytes);
}

static void hostile_fields_are_refused_before_they_are_believed(void **state) {
    (void)state;
    saved v = save_small(FM_KV_F32, "sequence");
    assert_forged(&v, AT_VERSION, 2, FM_ERR_UNSUPPORTED, "version 2");
    assert_forged(&v, AT_TYPE, 77, FM_ERR_UNSUPPORTED, "an unknown type");
    assert_forged(&v, AT_FLAGS, 0x80, FM_ERR_FORMAT, "header is damaged");
    assert_forged(&v, AT_FLAGS, 5, FM_ERR_FORMAT, "header is damaged"); /* again, without a module */
    assert_forged(&v, AT_FLAGS, 2, FM_ERR_UNSUPPORTED, "with multi-token prediction");
    assert_forged(&v, AT_FLAGS, 0, FM_ERR_FORMAT, "cut short, or added to");
    assert_forged(&v, AT_FLAGS + 8, 1, FM_ERR_FORMAT, "header is damaged");
    assert_forged(&v, AT_TOKENS, 67, FM_ERR_FORMAT, "cut short, or added to");
    assert_forged(&v, AT_TOKENS, 0, FM_ERR_FORMAT, "header is damaged"); /* logits after nothing */
    assert_forged(&v, AT_TOKENS, 0xffffffff, FM_ERR_LIMIT, "context");
    assert_forged(&v, AT_TOKENS + 4, 0xffffffff, FM_ERR_LIMIT, "context");
    assert_forged(&v, HEADER + 4 * 5, 71, FM_ERR_FORMAT, "token 5 is id 71");
    assert_forged(&v, HEADER + 4 * 65, (uint32_t)-1, FM_ERR_FORMAT, "token 65 is id -1");
    assert_forged(&v, HEADER + 4 * 5, 3, FM_ERR_FORMAT, "keys and values are damaged"); /* another's */
    fm_engine_set_context(v.r.engine, INT64_MAX); /* sizes that no memory counts */
    assert_forged(&v, AT_TOKENS + 4, 0x7fffffff, FM_ERR_FORMAT, "cut short, or added to");
    assert_forged(&v, AT_TOKENS + 4, 0xffffffff, FM_ERR_LIMIT, "context");
    saved_free(&v);

    v = save_of(rig_of("tiny-v3", (fm_model_options){.pack = true, .mtp = true}, (fm_engine_options){0}),
                "sequence");
    assert_forged(&v, AT_FLAGS, 0, FM_ERR_UNSUPPORTED, "without multi-token prediction");
    assert_forged(&v, AT_FLAGS, 7, FM_ERR_FORMAT, "header is damaged"); /* again, and its logits */
    assert_forged(&v, AT_FLAGS, 6, FM_ERR_FORMAT, "cut short, or added to");
    assert_forged(&v, AT_FLAGS, 2, FM_ERR_FORMAT, "cut short, or added to");
    saved_free(&v);
}

/* Weights that the sample of the fingerprint does not see: the pages of the tree give it away. */
static void other_keys_for_the_same_tokens_are_noticed(void **state) {
    (void)state;
    fm_error err;
    rig r = small(FM_KV_F32, true);
    const char *path = scratch_path("sequence");
    fm_sequence *s = computed(&r, 130, 1);
    char *row = fm_kv_row(&r.engine->kv, s->pages.table, 1, 20);
    row[3] ^= 1;
    assert_ok(fm_sequence_save(s, path, &err));
    row[3] ^= 1;
    assert_refused(&r, path, FM_ERR_UNSUPPORTED, "the weights are not the same");
    fm_sequence_free(s);
    rig_close(&r);
}

/* ---- the disk ------------------------------------------------------------------------------------ */

static void a_disk_that_is_full_leaves_nothing_behind(void **state) {
    (void)state;
    fm_error err;
    rig r = small(FM_KV_F32, false);
    const char *path = scratch_path("full");
    fm_sequence *s = computed(&r, 290, 1);
    struct rlimit old, limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (int before = 0; before < 2; before++) { /* no file of that name, and one that is to stay */
        if (before) write_file(path, "old", 3);
        limit = (struct rlimit){.rlim_cur = before ? 70000 : 100, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fm_status status = fm_sequence_save(s, path, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, FM_ERR_IO);
        assert_non_null(strstr(err.message, "cannot write"));
        assert_int_equal(fm_file_exists(path), before);
    }
    char *bytes;
    size_t n;
    assert_int_equal(file_bytes(path, &bytes, &n), FM_OK);
    assert_int_equal(n, 3);
    fm_free(bytes);
    assert_int_equal(fm_sequence_save(s, "/dev/full", &err), FM_ERR_IO);
    assert_int_equal(fm_sequence_save(s, scratch_path("no/such/folder"), &err), FM_ERR_IO);
    assert_int_equal(fm_sequence_save(s, scratch_path(""), &err), FM_ERR_IO);
    fm_sequence_free(s);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_belongs_elsewhere_is_refused_with_a_reason),
        cmocka_unit_test(what_is_no_saved_sequence_is_refused),
        cmocka_unit_test(every_truncation_is_found),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(hostile_fields_are_refused_before_they_are_believed),
        cmocka_unit_test(other_keys_for_the_same_tokens_are_noticed),
        cmocka_unit_test(a_disk_that_is_full_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("snapshot damage", tests, NULL, NULL);
}
