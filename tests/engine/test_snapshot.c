/* Sequences saved and loaded: the bits that come back, whom they are shared with, a full cache, memory
 * that runs out at any allocation. */
#include "snapshot_support.h"

static void assert_same_logits(const fm_sequence *a, const fm_sequence *b) {
    const fm_config *c = &a->engine->model->config;
    const float *x = fm_sequence_logits(a), *y = fm_sequence_logits(b);
    assert_true((x != NULL) == (y != NULL));
    if (!x) return;
    assert_memory_equal(x, y, (size_t)c->vocab_size * sizeof *x);
    assert_memory_equal(fm_sequence_hidden(a), fm_sequence_hidden(b), (size_t)c->hidden_size * sizeof *x);
}

/* Tokens, keys and values, logits. */
static void assert_same(const fm_sequence *a, const fm_sequence *b) {
    const fm_kv_shape *kv = &a->engine->kv;
    int64_t n, m;
    const int32_t *x = fm_sequence_tokens(a, &n), *y = fm_sequence_tokens(b, &m);
    assert_int_equal(n, m);
    if (n) assert_memory_equal(x, y, (size_t)n * sizeof *x);
    for (int64_t layer = 0; layer < kv->n_layers; layer++) /* the MTP module begins in slot 1 */
        for (int64_t i = a->state && layer == kv->n_layers - 1; i < n; i++)
            assert_memory_equal(fm_kv_row(kv, a->pages.table, layer, i),
                                fm_kv_row(kv, b->pages.table, layer, i),
                                fm_kv_row_used(kv->type, kv->width, kv->block));
    size_t state = (size_t)a->engine->model->config.hidden_size * sizeof(float);
    for (int64_t page = 0; a->state && page < n / kv->page_positions; page++)
        assert_memory_equal(fm_kv_tail(kv, a->pages.table[page]), fm_kv_tail(kv, b->pages.table[page]), state);
    assert_int_equal(a->redo, b->redo);
    if (a->state && n > 0 && !a->redo) assert_memory_equal(a->state, b->state, state);
    assert_same_logits(a, b);
}

typedef struct guesses {
    float logits[3][512];
} guesses;

static int32_t take_best(void *context, const float *logits, int64_t ahead) {
    guesses *g = context;
    memcpy(g->logits[ahead - 1], logits, sizeof g->logits[0]);
    int32_t best = 0;
    for (int32_t i = 1; i < 512; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* What the MTP module thinks comes next. */
static void assert_same_drafts(fm_sequence *a, fm_sequence *b) {
    fm_error err;
    static guesses g[2];
    fm_draft d[2] = {{.sequence = a, .want = 3, .ids = {5}, .draw = take_best, .context = &g[0]},
                     {.sequence = b, .want = 3, .ids = {5}, .draw = take_best, .context = &g[1]}};
    for (int i = 0; i < 2; i++) assert_ok(fm_engine_draft(d[i].sequence->engine, &d[i], 1, &err));
    assert_int_equal(d[0].want, d[1].want);
    assert_memory_equal(d[0].ids, d[1].ids, sizeof d[0].ids);
    assert_memory_equal(&g[0], &g[1], sizeof g[0]);
}

static void assert_go_on_alike(fm_sequence *a, fm_sequence *b, int64_t count) {
    fm_error err;
    for (int64_t i = 0; i < count; i++) {
        int32_t id = (int32_t)((i * 7 + 3) % 37);
        assert_ok(fm_sequence_extend(a, &id, 1, NULL, NULL, &err));
        assert_ok(fm_sequence_extend(b, &id, 1, NULL, NULL, &err));
        assert_same_logits(a, b);
        if (a->state) assert_same_drafts(a, b);
    }
}

/* ---- what comes back ---------------------------------------------------------------------------- */

static const struct {
    const char *path;
    bool mtp;
} models[] = {{"tiny-v3", false}, {"tiny-v2-lite", false}, {"tiny-v2", false}, {"tiny-v3-fp8", false},
              {"tiny-llama", false}, {"tiny-qwen2", false}, {"tiny-v3", true},
              {"gguf/tiny-v3.f16-mla.gguf", false}, {SMALL, false}};

/* Into the engine that it came from, where all its pages lie in the tree; and into another one, packed
 * the other way, with the reference kernels, without a tree. */
static void check_bits(size_t model, fm_kv_type cache, fm_arith arith) {
    fm_error err;
    fm_model_options bind = {.arith = arith, .pack = true, .mtp = models[model].mtp};
    rig r = rig_of(models[model].path, bind, (fm_engine_options){.cache = cache, .share_prefixes = true});
    bind.pack = false;
    rig other = rig_of(models[model].path, bind,
                       (fm_engine_options){.cache = cache, .kernels = fm_kernels_get(FM_CPU_REF)});
    static const int64_t lengths[] = {1, 63, 64, 65, 130, 256, 261};
    for (size_t i = 0; i < FM_COUNT(lengths); i++) {
        if (sanitized() && i % 3 != 0) continue;
        const char *path = scratch_path("sequence");
        fm_sequence *s = computed(&r, lengths[i], (int)i);
        assert_ok(fm_sequence_save(s, path, &err));
        fm_sequence *here = loaded(&r, path), *there = loaded(&other, path);
        assert_same(s, here);
        assert_same(s, there);
        assert_int_equal(fm_sequence_shared(here), lengths[i]);
        assert_go_on_alike(s, here, 5);
        fm_sequence_free(here);
        assert_go_on_alike(there, here = loaded(&r, path), 5);
        fm_sequence_free(s);
        fm_sequence_free(here);
        fm_sequence_free(there);
    }
    rig_close(&r);
    rig_close(&other);
}

static void a_loaded_sequence_has_the_very_bits_and_goes_on_with_them(void **state) {
    (void)state;
    for (size_t m = 0; m < FM_COUNT(models); m++)
        for (size_t c = 0; c < FM_COUNT(caches); c++) {
            check_bits(m, caches[c], FM_EXACT);
            if (m == 0 || m == 1) check_bits(m, caches[c], FM_FAST);
        }
}

static void without_fresh_logits_there_are_none_afterwards(void **state) {
    (void)state;
    fm_error err;
    rig r = small(FM_KV_BF16, true);
    const char *path = scratch_path("sequence");
    fm_sequence *s = computed(&r, 100, 1);
    fm_sequence_truncate(s, 70);
    assert_ok(fm_sequence_save(s, path, &err));
    fm_sequence *l = loaded(&r, path);
    assert_null(fm_sequence_logits(l));
    assert_same(s, l);
    assert_go_on_alike(s, l, 3);
    fm_sequence_free(l);

    int32_t ids[5] = {1, 2, 3, 4, 5}; /* what waits stays behind */
    assert_ok(fm_sequence_queue(s, ids, 5, &err));
    assert_ok(fm_sequence_save(s, path, &err));
    l = loaded(&r, path);
    assert_int_equal(fm_sequence_waiting(l), 0);
    int64_t n;
    fm_sequence_tokens(l, &n);
    assert_int_equal(n, 73);
    fm_sequence_free(l);
    fm_sequence_free(s);
    rig_close(&r);
}

/* An MTP module needs the last token once more after going back to inside a page. */
static void a_sequence_that_went_back_comes_back_as_it_is(void **state) {
    (void)state;
    fm_error err;
    const char *path = scratch_path("sequence");
    static const int64_t back[] = {127, 128, 129, 130, 64, 65, 66, 1, 2, 0};
    for (size_t c = 0; c < FM_COUNT(caches); c++) {
        rig r = rig_of("tiny-v3", (fm_model_options){.pack = true, .mtp = true},
                       (fm_engine_options){.cache = caches[c], .share_prefixes = true});
        rig other = rig_of("tiny-v3", (fm_model_options){.pack = true, .mtp = true},
                           (fm_engine_options){.cache = caches[c]});
        for (size_t i = 0; i < FM_COUNT(back); i++) {
            fm_sequence *s = computed(&r, 140, (int)i);
            fm_sequence_truncate(s, back[i]);
            assert_ok(fm_sequence_save(s, path, &err));
            fm_sequence *l = loaded(i % 2 ? &r : &other, path);
            assert_same(s, l);
            assert_int_equal(fm_sequence_waiting(l), s->redo);
            fm_sequence_cancel(s); /* a token that waits at a page's end stays behind, as in a fork */
            assert_go_on_alike(s, l, 4);
            fm_sequence_free(l);
            fm_sequence_free(s);
        }
        rig_close(&r);
        rig_close(&other);
    }
}

static void an_empty_sequence_comes_back_empty(void **state) {
    (void)state;
    fm_error err;
    rig r = small(FM_KV_INT8, true);
    const char *path = scratch_path("sequence");
    fm_sequence *s = computed(&r, 0, 1);
    assert_ok(fm_sequence_save(s, path, &err));
    fm_sequence *l = loaded(&r, path);
    assert_same(s, l);
    assert_go_on_alike(s, l, 2);
    fm_sequence_free(l);
    fm_sequence_free(s);
    rig_close(&r);
}

/* Also of a fork and of a sequence that was itself loaded. */
static void the_same_sequence_is_the_same_file(void **state) {
    (void)state;
    fm_error err;
    rig r = small(FM_KV_INT8, true);
    fm_sequence *s = computed(&r, 90, 1), *forms[4] = {s, s};
    assert_ok(fm_sequence_save(s, scratch_path("first"), &err));
    assert_ok(fm_sequence_fork(s, &forms[2], &err));
    forms[3] = loaded(&r, scratch_path("first"));
    char *want, *got;
    size_t n, m;
    assert_int_equal(file_bytes(scratch_path("first"), &want, &n), FM_OK);
    for (int i = 0; i < 4; i++) {
        assert_ok(fm_sequence_save(forms[i], scratch_path("next"), &err));
        assert_int_equal(file_bytes(scratch_path("next"), &got, &m), FM_OK);
        assert_int_equal(m, n);
        assert_memory_equal(got, want, n);
        fm_free(got);
    }
    fm_free(want);
    for (int i = 1; i < 4; i++) fm_sequence_free(forms[i]);
    rig_close(&r);
}

/* ---- sharing and memory --------------------------------------------------------------------------- */

static void loaded_pages_are_shared_with_those_who_begin_alike(void **state) {
    (void)state;
    fm_error err;
    const char *path = scratch_path("sequence");
    rig r = small(FM_KV_F32, true);
    fm_sequence *s = computed(&r, 150, 1);
    assert_ok(fm_sequence_save(s, path, &err));
    fm_sequence_free(s);
    rig_close(&r);

    r = small(FM_KV_F32, true); /* after a restart */
    fm_sequence *first = loaded(&r, path);
    assert_int_equal(fm_engine_cache_statistics(r.engine).in_use, 3);
    fm_sequence *second = loaded(&r, path); /* two full pages are there: one of its own */
    assert_int_equal(fm_engine_cache_statistics(r.engine).in_use, 4);
    for (int page = 0; page < 2; page++)
        assert_ptr_equal(first->pages.table[page], second->pages.table[page]);
    fm_sequence *third = computed(&r, 140, 1);
    assert_int_equal(fm_sequence_shared(third), 128);
    assert_int_equal(fm_engine_cache_statistics(r.engine).in_use, 5);
    assert_go_on_alike(first, second, 70); /* nobody writes into what is shared */
    fm_sequence_truncate(first, 140);
    fm_sequence_truncate(first, 139);
    int32_t ids[140];
    prompt(ids, 140, 1);
    assert_ok(fm_sequence_extend(first, ids + 139, 1, NULL, NULL, &err));
    assert_same_logits(first, third);
    fm_sequence_free(first);
    fm_sequence_free(second);
    fm_sequence_free(third);
    rig_close(&r);
}

static void a_full_cache_gives_up_prefixes_for_a_load_and_then_says_so(void **state) {
    (void)state;
    fm_error err;
    const char *path = scratch_path("sequence");
    rig r = small(FM_KV_F32, true);
    size_t page = r.engine->kv.page_bytes + 64;
    fm_sequence *s = computed(&r, 150, 9), *l;
    assert_ok(fm_sequence_save(s, path, &err));
    fm_sequence_free(s);
    rig_close(&r);

    r = rig_of(SMALL, (fm_model_options){.pack = true},
               (fm_engine_options){.cache = FM_KV_F32, .share_prefixes = true, .cache_limit = 5 * page});
    for (int i = 0; i < 2; i++) fm_sequence_free(computed(&r, 130, i)); /* four pages in the tree */
    s = loaded(&r, path);
    assert_int_equal(fm_engine_cache_statistics(r.engine).bytes, 5 * page);
    fm_sequence *held = computed(&r, 65, 3); /* the other two */
    int64_t used = fm_engine_cache_statistics(r.engine).in_use;
    assert_int_equal(used, 5);
    fm_sequence_free(s);
    s = computed(&r, 129, 4);
    assert_int_equal(fm_sequence_load(r.engine, path, &l, &err), FM_ERR_MEMORY);
    assert_null(l);
    assert_non_null(strstr(err.message, "cache"));
    assert_int_equal(fm_engine_cache_statistics(r.engine).in_use, 5);
    fm_sequence_free(held);
    l = computed(&r, 5, 5); /* life goes on */
    fm_sequence_free(l);
    fm_sequence_free(s);
    l = loaded(&r, path);
    fm_sequence_free(l);
    rig_close(&r);
}

/* All allocations succeed, or the k-th and all after it fail: then nothing is held and nothing lies
 * under the name. */
static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    fm_error err;
    rig r = small(FM_KV_INT8, false);
    fm_sequence *s = computed(&r, 150, 1), *l = NULL;
    const char *path = scratch_path("memory"), *good = scratch_path("good");
    assert_ok(fm_sequence_save(s, good, &err));
    fm_cache_stats before = fm_engine_cache_statistics(r.engine);
    fm_status status = FM_ERR_MEMORY;
    int64_t k;
    for (k = 0; status != FM_OK && k < 50; k++) {
        fm_mem_fail_from(k);
        status = fm_sequence_save(s, path, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || (status == FM_ERR_MEMORY && !fm_file_exists(path)));
    }
    assert_true(status == FM_OK && k > 1);
    status = FM_ERR_MEMORY;
    for (k = 0; status != FM_OK && k < 50; k++) {
        rig fresh = small(FM_KV_INT8, k % 2);
        fm_mem_fail_from(k);
        status = fm_sequence_load(fresh.engine, good, &l, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || (status == FM_ERR_MEMORY && !l && err.message[0]));
        if (l) assert_same(s, l);
        else assert_int_equal(fm_engine_cache_statistics(fresh.engine).in_use, 0);
        fm_sequence_free(l);
        rig_close(&fresh);
    }
    assert_true(status == FM_OK && k > 6);
    assert_int_equal(fm_engine_cache_statistics(r.engine).in_use, before.in_use);
    fm_sequence_free(s);
    rig_close(&r);
}

/* What saving and loading take beside the cache does not grow with the sequence. */
static void no_second_copy_of_the_cache_is_made(void **state) {
    (void)state;
    fm_error err;
    uint64_t allocations[2][2];
    for (int i = 0; i < 2; i++) {
        rig r = small(FM_KV_F32, true);
        fm_sequence *s = computed(&r, i ? 60 : 290, 1);
        uint64_t start = fm_mem_statistics().allocations;
        assert_ok(fm_sequence_save(s, scratch_path("sequence"), &err));
        allocations[0][i] = fm_mem_statistics().allocations - start;
        start = fm_mem_statistics().allocations;
        fm_sequence *l = loaded(&r, scratch_path("sequence")); /* finds its pages in the tree */
        allocations[1][i] = fm_mem_statistics().allocations - start;
        fm_sequence_free(l);
        fm_sequence_free(s);
        rig_close(&r);
    }
    assert_int_equal(allocations[0][0], allocations[0][1]);
    assert_in_range(allocations[1][0], 0, allocations[1][1] + 1); /* a page table */
}

/* ---- threads --------------------------------------------------------------------------------------- */

typedef struct visitor {
    const rig *r;
    char path[256];
} visitor;

/* Saves and loads a conversation that begins like the neighbour's, again and again. */
static void *come_and_go(void *context) {
    const rig *r = ((visitor *)context)->r;
    const char *path = ((visitor *)context)->path;
    fm_error err;
    fm_sequence *s = computed(r, 130, 1), *l;
    for (int i = 0; i < (sanitized() ? 10 : 60); i++) {
        int32_t id = i % 37;
        assert_ok(fm_sequence_extend(s, &id, 1, NULL, NULL, &err));
        assert_ok(fm_sequence_save(s, path, &err));
        assert_ok(fm_sequence_load(r->engine, path, &l, &err));
        assert_same(s, l);
        fm_sequence_free(s);
        s = l;
    }
    fm_sequence_free(s);
    return NULL;
}

static void threads_may_save_and_load_while_others_compute(void **state) {
    (void)state;
    pthread_t threads[3];
    visitor visitors[3];
    rig r = small(FM_KV_INT8, true);
    for (int i = 0; i < 3; i++) {
        visitors[i].r = &r;
        snprintf(visitors[i].path, sizeof visitors[i].path, "%s.%d", scratch_path("sequence"), i);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &visitors[i]), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_sequence_has_the_very_bits_and_goes_on_with_them),
        cmocka_unit_test(without_fresh_logits_there_are_none_afterwards),
        cmocka_unit_test(a_sequence_that_went_back_comes_back_as_it_is),
        cmocka_unit_test(an_empty_sequence_comes_back_empty),
        cmocka_unit_test(the_same_sequence_is_the_same_file),
        cmocka_unit_test(loaded_pages_are_shared_with_those_who_begin_alike),
        cmocka_unit_test(a_full_cache_gives_up_prefixes_for_a_load_and_then_says_so),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(no_second_copy_of_the_cache_is_made),
        cmocka_unit_test(threads_may_save_and_load_while_others_compute),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
