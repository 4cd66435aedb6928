/* The stream: every token once per epoch, targets right at every edge, weights kept, resumed to the bit. */
#include "data_support.h"

#include "train/drawn.h"
#include "train/loader_state.h"

#include <math.h>

enum { MOST = 4000 };

static fm_loader *loader_of(const fm_dataset *d, const fm_loader_options *o) {
    fm_error err;
    fm_loader *l;
    assert_ok(fm_loader_new(d, o, &l, &err));
    return l;
}

/* Lengths of every kind: single tokens, exact contexts, longer documents. */
static int random_lengths(int *out, int n, uint64_t seed, unsigned most) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
        uint32_t r = fm_rng_at(seed, 1, (uint64_t)i).word[0];
        out[i] = r % 7 == 0 ? 1 : r % 11 == 0 ? 32 : 1 + (int)(r / 77 % most);
        sum += out[i];
    }
    return sum;
}

/* ---- every token once ----------------------------------------------------------------------------*/

/* Where token (document, place) of a source is, found by its id: ids are unique here. */
typedef struct origin {
    int32_t document, place; /* -1: no such id */
} origin;

typedef struct unique {
    int lengths[40];
    int n, tokens;
    origin of[MOST];
} unique;

/* A dataset of one source in which every token has an id of its own, in two shards. */
static fm_dataset *unique_dataset(unique *u, const char *name) {
    fm_error err;
    fm_dataset *d;
    const char *folder = made_folder(name);
    made_source s = {"a", -1, u->lengths, u->n, 2};
    fm_dataset_close(made_dataset(folder, &s, 1)); /* for its manifest; then the ids proper */
    char *manifest, path[4300];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, FM_DATASET_MANIFEST);
    int32_t next = FIRST_ID;
    u->tokens = 0;
    for (int k = 0; k < 2; k++) {
        fm_shard_writer w = {.vocabulary = VOCABULARY, .vocabulary_hash = VOCABULARY_HASH};
        char shard[4300], hash_text[17];
        uint64_t hash;
        for (int doc = u->n * k / 2; doc < u->n * (k + 1) / 2; doc++) {
            int32_t ids[200];
            for (int i = 0; i < u->lengths[doc]; i++, u->tokens++) {
                ids[i] = next++;
                u->of[ids[i]] = (origin){doc, i};
            }
            fm_shard_add(&w, 0, ids, NULL, u->lengths[doc]);
        }
        snprintf(shard, sizeof shard, "%s/a-train-%05d.tokens", folder, k);
        assert_ok(fm_shard_finish(&w, shard, &hash, &err));
        assert_ok(fm_file_read(path, 1 << 20, &manifest, &size, &err));
        char *at = strstr(manifest, "\"hash\"");
        for (int skip = 0; skip <= k; skip++) at = strstr(at + 1, "\"hash\""); /* the first is the tokenizer's */
        snprintf(hash_text, sizeof hash_text, "%016llx", (unsigned long long)hash);
        memcpy(strchr(at + 6, '"') + 1, hash_text, 16);
        FILE *f = fopen(path, "w");
        fwrite(manifest, 1, size, f);
        fclose(f);
        fm_free(manifest);
    }
    assert_ok(fm_dataset_open(folder, &d, &err));
    return d;
}

/* What is expected of the target `ahead` places on from row i of a batch; -1: nothing. */
static int32_t expected_target(const unique *u, const fm_batch *b, const fm_loader_segment *s, int64_t i,
                               int ahead, bool isolate) {
    origin at = u->of[b->ids[i]];
    int left = u->lengths[at.document] - at.place - 1;
    if (ahead <= left) return b->ids[i] + ahead; /* ids of a document follow each other */
    if (isolate) return -1;
    /* In a row, documents follow each other as far as each begins at its beginning. */
    int64_t row = i + left + 1;
    for (int rest = ahead - left - 1; row < s->row + s->count; row += u->lengths[at.document]) {
        at = u->of[b->ids[row]];
        if (at.place != 0) return -1;
        if (rest < u->lengths[at.document]) return b->ids[row] + rest;
        rest -= u->lengths[at.document];
    }
    return -1;
}

static void check_batch(const unique *u, const fm_batch *b, const fm_loader_options *o, int *seen, int *learnt) {
    int64_t row = 0;
    for (int64_t k = 0; k < b->n_segments; k++) {
        const fm_loader_segment *s = &b->segments[k];
        assert_int_equal(s->row, row);
        assert_in_range(s->count, 1, o->context);
        row += s->count;
        for (int64_t i = s->row; i < row; i++) {
            origin at = u->of[b->ids[i]];
            seen[b->ids[i]]++;
            if (o->isolate && i > s->row) assert_int_equal(b->ids[i], b->ids[i - 1] + 1); /* one document */
            if (i > s->row && b->ids[i] != b->ids[i - 1] + 1) assert_int_equal(at.place % o->context, 0);
            for (int a = 0; a < o->ahead; a++) {
                int32_t expected = expected_target(u, b, s, i, a + 1, o->isolate);
                assert_int_equal(b->targets[a][i], expected);
                assert_int_equal(b->ahead[a][i], expected);
            }
            if (b->targets[0][i] >= 0) learnt[b->targets[0][i]]++;
        }
    }
    assert_int_equal(row, b->n_rows);
}

static void check_epochs(unique *u, fm_loader_options o, const char *name) {
    fm_error err;
    int *seen = calloc(VOCABULARY, sizeof *seen), *learnt = calloc(VOCABULARY, sizeof *learnt);
    fm_dataset *d = unique_dataset(u, name);
    fm_loader *l = loader_of(d, &o);
    fm_loader_step step;
    for (int64_t steps = 0;; steps++) {
        assert_ok(fm_loader_next(l, &step, &err));
        if (step.n_rows == 0) break;
        assert_int_equal(step.step, steps);
        fm_batch b;
        int64_t counted = 0, first = 0;
        for (int64_t n = 1; first < step.n_rows; first += n, n = n % 3 + 1) { /* micro-batches of 1, 2, 3 rows */
            if (n > step.n_rows - first) n = step.n_rows - first;
            fm_loader_view(l, first, n, &b);
            assert_in_range(b.n_rows, 1, n * o.context);
            check_batch(u, &b, &o, seen, learnt);
            for (int64_t i = 0; i < b.n_rows; i++) counted += b.targets[0][i] >= 0;
        }
        assert_int_equal(counted, step.learnt[0]);
    }
    for (int id = FIRST_ID; id < FIRST_ID + u->tokens; id++) {
        bool first = u->of[id].place == 0;
        assert_int_equal(seen[id], o.epochs);
        if (first && o.isolate) assert_int_equal(learnt[id], 0);
        if (first) assert_true(learnt[id] <= o.epochs);
        else assert_int_equal(learnt[id], o.epochs); /* foretold exactly once in an epoch */
    }
    assert_ok(fm_loader_next(l, &step, &err)); /* over stays over */
    assert_int_equal(step.n_rows, 0);
    fm_loader_free(l);
    fm_dataset_close(d);
    free(seen);
    free(learnt);
}

static void every_token_comes_once_an_epoch_with_the_right_targets(void **state) {
    (void)state;
    for (int round = 0; round < 24; round++) {
        unique u = {.n = 40};
        char name[32];
        random_lengths(u.lengths, u.n, (uint64_t)round, 90);
        fm_loader_options o = {.context = round % 5 == 0 ? 7 : 32, .rows = 1 + round % 4, .ahead = 1 + round % 3,
                               .isolate = round & 1, .epochs = 1 + round % 3, .seed = (uint64_t)round,
                               .window = round % 2 ? 0 : 100};
        snprintf(name, sizeof name, "epochs-%d", round);
        check_epochs(&u, o, name);
    }
}

static void one_document_and_documents_of_one_token_will_do(void **state) {
    (void)state;
    unique one = {.n = 1, .lengths = {150}}, tiny = {.n = 30}, single = {.n = 1, .lengths = {1}};
    for (int i = 0; i < 30; i++) tiny.lengths[i] = 1;
    for (int isolate = 0; isolate < 2; isolate++) {
        fm_loader_options o = {.context = 16, .rows = 3, .ahead = 3, .isolate = isolate, .epochs = 2};
        check_epochs(&one, o, isolate ? "one-i" : "one");
        check_epochs(&tiny, o, isolate ? "tiny-i" : "tiny");
        check_epochs(&single, o, isolate ? "single-i" : "single");
    }
}

static void rows_are_nearly_full(void **state) {
    (void)state;
    fm_error err;
    int lengths[3000];
    random_lengths(lengths, 3000, 5, 300);
    made_source s = {"a", -1, lengths, 3000, 1};
    fm_dataset *d = made_dataset(made_folder("full"), &s, 1);
    fm_loader *l = loader_of(d, &(fm_loader_options){.context = 256, .rows = 64, .ahead = 1});
    fm_loader_step step;
    int64_t tokens = 0;
    for (int i = 0; i < 20; i++) {
        assert_ok(fm_loader_next(l, &step, &err));
        tokens += step.tokens;
    }
    assert_true((double)tokens > 0.98 * 20 * 64 * 256);
    fm_loader_free(l);
    fm_dataset_close(d);
}

/* ---- weights, masks, the middle ------------------------------------------------------------------*/

static void weights_hold_to_within_a_document_of_each_source(void **state) {
    (void)state;
    fm_error err;
    int lengths[400];
    random_lengths(lengths, 400, 9, 90);
    const double weights[] = {0.5, 0.3, 0, 0.2};
    made_source s[] = {{"a", 0.5, lengths, 400, 2}, {"b", 0.3, lengths + 100, 50, 1}, {"never", 0, lengths, 9, 1},
                       {"c", 0.2, lengths + 200, 7, 1}};
    fm_dataset *d = made_dataset(made_folder("weights"), s, 4);
    fm_loader *l = loader_of(d, &(fm_loader_options){.context = 32, .rows = 16, .ahead = 1, .window = 500});
    fm_loader_step step;
    for (int i = 0; i < 400; i++) assert_ok(fm_loader_next(l, &step, &err));
    fm_loader_state at;
    fm_loader_get_state(l, &at);
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += (double)at.sources[i].tokens;
    assert_true(sum > 100000);
    for (int i = 0; i < 4; i++)
        assert_true(fabs((double)at.sources[i].tokens - weights[i] * sum) <= 90 * 3);
    fm_loader_free(l);
    fm_dataset_close(d);
}

static void without_weights_a_source_comes_as_often_as_it_is_large(void **state) {
    (void)state;
    fm_error err;
    int lengths[200];
    random_lengths(lengths, 200, 11, 60);
    made_source s[] = {{"a", -1, lengths, 150, 1}, {"none", -1, lengths, 0, 1}, {"b", -1, lengths + 150, 50, 1}};
    fm_dataset *d = made_dataset(made_folder("natural"), s, 3);
    fm_loader *l = loader_of(d, &(fm_loader_options){.context = 32, .rows = 8, .ahead = 1, .epochs = 3});
    fm_loader_step step;
    do assert_ok(fm_loader_next(l, &step, &err));
    while (step.n_rows);
    fm_loader_state at;
    fm_loader_get_state(l, &at);
    fm_loader_free(l);
    l = loader_of(d, &(fm_loader_options){.context = 32, .rows = 8, .ahead = 1, .window = 50});
    int64_t steps = 0, tokens = 0;
    for (; steps < 100; steps++) {
        assert_ok(fm_loader_next(l, &step, &err));
        tokens += step.tokens;
    }
    fm_loader_get_state(l, &at);
    double a = (double)at.sources[0].tokens / (double)d->sources[0].part[0].tokens;
    double b = (double)at.sources[2].tokens / (double)d->sources[2].part[0].tokens;
    assert_true(fabs(a - b) < 60.0 / (double)d->sources[2].part[0].tokens + 1e-9);
    fm_loader_free(l);
    fm_dataset_close(d);
}

static void a_mask_takes_targets_and_nothing_else(void **state) {
    (void)state;
    fm_error err;
    int lengths[] = {20, 31, 1, 90};
    made_source s = {"a", -1, lengths, 4, 1, true};
    fm_dataset *d = made_dataset(made_folder("masked"), &s, 1);
    fm_loader *l = loader_of(d, &(fm_loader_options){.context = 32, .rows = 9, .ahead = 2, .isolate = true,
                                                     .epochs = 1, .fim_rate = 1});
    fm_loader_step step;
    fm_batch b;
    assert_ok(fm_loader_next(l, &step, &err));
    fm_loader_view(l, 0, step.n_rows, &b);
    assert_int_equal(b.n_rows, 142); /* no fill-in-the-middle where there is a mask */
    for (int64_t k = 0; k < b.n_segments; k++) {
        const fm_loader_segment *g = &b.segments[k];
        int document = -1, from = -1;
        for (int doc = 0; doc < 4; doc++)
            for (int place = 0; place < lengths[doc]; place += 32)
                if (b.ids[g->row] == made_id(0, doc, place)) document = doc, from = place;
        assert_true(document >= 0);
        for (int i = 0; i < g->count; i++)
            for (int a = 0; a < 2; a++) {
                int place = from + i + a + 1;
                int32_t id = place < lengths[document] ? made_id(0, document, place) : -1;
                assert_int_equal(b.ahead[a][g->row + i], id);
                assert_int_equal(b.targets[a][g->row + i], place % 3 == 0 ? id : -1);
            }
    }
    fm_loader_free(l);
    fm_dataset_close(d);
}

static void fill_in_the_middle_moves_the_middle_behind_the_suffix(void **state) {
    (void)state;
    fm_error err;
    enum { N = 600 };
    static fm_shard_writer w = {.vocabulary = VOCABULARY, .vocabulary_hash = VOCABULARY_HASH};
    fm_shard shard;
    fm_roles roles = {BOS_ID, EOS_ID, FIM_BEGIN, FIM_HOLE, FIM_END};
    int32_t ids[20] = {BOS_ID, 10, 11, 12, 13, 14, 15, 16, 17, EOS_ID};
    fm_shard_add(&w, 0, ids, NULL, 10);
    assert_ok(fm_shard_finish(&w, scratch_path("fim"), NULL, &err));
    assert_ok(fm_shard_open(scratch_path("fim"), &shard, &err));
    int turned = 0, cuts[9] = {0};
    for (uint64_t i = 0; i < N; i++) {
        fm_drawn d;
        uint8_t learn[20];
        int32_t out[20], back[20];
        assert_ok(fm_drawn_init(&shard, 0, &roles, 0.25, fm_rng_at(1, 2, i).word, &d, &err));
        assert_ok(fm_drawn_copy(&d, &roles, 0, d.length, out, learn, &err));
        if (!d.fim) {
            assert_int_equal(d.length, 10);
            assert_memory_equal(out, ids, 40);
            continue;
        }
        turned++;
        assert_int_equal(d.length, 13);
        int hole = 0, end = 0, n = 0;
        while (out[hole] != FIM_HOLE) hole++;
        while (out[end] != FIM_END) end++;
        assert_true(out[0] == BOS_ID && out[1] == FIM_BEGIN && out[12] == EOS_ID);
        for (int k = 2; k < hole; k++) back[n++] = out[k];
        for (int k = end + 1; k < 12; k++) back[n++] = out[k];
        for (int k = hole + 1; k < end; k++) back[n++] = out[k];
        assert_memory_equal(back, ids + 1, 8 * 4);
        cuts[hole - 2]++;
        for (int64_t from = 0; from < 13; from++) /* any stretch alone is the same */
            for (int64_t count = 0; count <= 13 - from; count++) {
                int32_t some[20];
                assert_ok(fm_drawn_copy(&d, &roles, from, count, some, learn, &err));
                assert_memory_equal(some, out + from, (size_t)count * 4);
            }
    }
    /* 600 draws at 0.25: five standard errors are 53. */
    assert_in_range(turned, 150 - 53, 150 + 53);
    for (int i = 0; i < 8; i++) assert_true(cuts[i] > 0);
    fm_shard_close(&shard);
}

/* ---- resuming ------------------------------------------------------------------------------------*/

static uint64_t hash_of_step(fm_loader *l, const fm_loader_step *step, int ahead) {
    fm_batch b;
    uint64_t hash = (uint64_t)step->step;
    fm_loader_view(l, 0, step->n_rows, &b);
    for (int64_t i = 0; i < b.n_rows; i++) {
        hash = hash * 31 + (uint64_t)b.ids[i];
        for (int a = 0; a < ahead; a++) hash = hash * 31 + (uint64_t)b.targets[a][i] * 3 + (uint64_t)b.ahead[a][i];
    }
    for (int64_t i = 0; i < b.n_segments; i++) hash = hash * 31 + (uint64_t)b.segments[i].count;
    return hash;
}

static void resumed_at_any_step_the_stream_is_the_same(void **state) {
    (void)state;
    fm_error err;
    enum { STEPS = 60 };
    int lengths[120];
    random_lengths(lengths, 120, 3, 90);
    made_source s[] = {{"a", 0.7, lengths, 80, 3}, {"b", 0.3, lengths + 80, 40, 1}};
    fm_dataset *d = made_dataset(made_folder("resume"), s, 2);
    fm_loader_options o = {.context = 32, .rows = 5, .ahead = 2, .fim_rate = 0.2, .seed = 77, .window = 400};
    fm_loader *l = loader_of(d, &o);
    fm_loader_step step;
    fm_loader_state states[STEPS + 1];
    uint64_t hashes[STEPS];
    for (int i = 0; i < STEPS; i++) {
        fm_loader_get_state(l, &states[i]);
        assert_ok(fm_loader_next(l, &step, &err));
        hashes[i] = hash_of_step(l, &step, o.ahead);
    }
    fm_loader_free(l);
    for (int from = 0; from < STEPS; from++) {
        fm_loader_state read; /* by way of JSON, into a loader that stood elsewhere */
        fm_buffer text = {0};
        fm_json_writer w = {.out = &text};
        fm_json *root;
        fm_loader_state_put(&states[from], &w, NULL);
        assert_ok(fm_json_parse(text.data, text.size, &root, &err));
        assert_ok(fm_loader_state_read(root, &read, &err));
        fm_json_free(root);
        fm_buffer_clear(&text);
        l = loader_of(d, &o);
        for (int i = 0; i < from % 7; i++) assert_ok(fm_loader_next(l, &step, &err));
        assert_ok(fm_loader_set_state(l, &read, &err));
        for (int i = from; i < STEPS && i < from + 12; i++) {
            fm_loader_state now;
            fm_loader_get_state(l, &now);
            assert_memory_equal(&now, &states[i], sizeof now);
            assert_ok(fm_loader_next(l, &step, &err));
            assert_true(hash_of_step(l, &step, o.ahead) == hashes[i]);
        }
        fm_loader_free(l);
    }
    fm_dataset_close(d);
}

static void states_of_other_streams_and_damaged_ones_are_refused(void **state) {
    (void)state;
    fm_error err;
    int lengths[30];
    random_lengths(lengths, 30, 3, 90);
    made_source s = {"a", -1, lengths, 30, 1};
    fm_dataset *d = made_dataset(made_folder("refuse"), &s, 1);
    fm_loader_options o = {.context = 32, .rows = 5, .ahead = 2, .seed = 77};
    fm_loader *l = loader_of(d, &o), *other;
    fm_loader_state good, at;
    fm_loader_step step;
    assert_ok(fm_loader_next(l, &step, &err));
    fm_loader_get_state(l, &good);
    fm_loader_options others[] = {o, o, o, o, o};
    others[0].seed = 78;
    others[1].context = 33;
    others[2].isolate = true;
    others[3].fim_rate = 0.1;
    others[4].window = 100;
    for (size_t i = 0; i < FM_COUNT(others); i++) {
        other = loader_of(d, &others[i]);
        assert_int_equal(fm_loader_set_state(other, &good, &err), FM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "another stream"));
        fm_loader_free(other);
    }
    at = good, at.taken = 1000000;
    assert_int_equal(fm_loader_set_state(l, &at, &err), FM_ERR_ARGUMENT);
    at = good, at.taken = -1;
    assert_int_equal(fm_loader_set_state(l, &at, &err), FM_ERR_ARGUMENT);
    assert_ok(fm_loader_next(l, &step, &err)); /* and it goes on as it was */
    o.rows = 9; /* the length of a step is no part of the stream */
    other = loader_of(d, &o);
    assert_ok(fm_loader_set_state(other, &good, &err));
    fm_loader_free(other);
    fm_loader_free(l);
    fm_dataset_close(d);
}

static void options_that_make_no_sense_are_refused(void **state) {
    (void)state;
    fm_error err;
    int lengths[] = {5};
    made_source s = {"a", -1, lengths, 1, 1}, none = {"a", -1, lengths, 0, 1};
    fm_dataset *d = made_dataset(made_folder("options"), &s, 1), *empty = made_dataset(made_folder("empty"), &none, 1);
    fm_loader_options good = {.context = 8, .rows = 1, .ahead = 1}, bad[] = {good, good, good, good, good};
    fm_loader *l;
    bad[0].context = 1;
    bad[1].rows = 0;
    bad[2].ahead = 9;
    bad[3].fim_rate = NAN;
    bad[4].portion = FM_VALID; /* there is none */
    for (size_t i = 0; i < FM_COUNT(bad); i++) {
        assert_int_equal(fm_loader_new(d, &bad[i], &l, &err), FM_ERR_ARGUMENT);
        assert_null(l);
    }
    assert_int_equal(fm_loader_new(empty, &good, &l, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "no document"));
    fm_dataset_close(d);
    fm_dataset_close(empty);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fm_error err;
    int lengths[30];
    random_lengths(lengths, 30, 3, 90);
    made_source s = {"a", -1, lengths, 30, 1};
    fm_dataset *d = made_dataset(made_folder("memory"), &s, 1);
    fm_loader_options o = {.context = 32, .rows = 5, .ahead = 2, .window = 300};
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK && k < 1000; k++) {
        fm_loader *l;
        fm_loader_step step;
        fm_mem_fail_from(k);
        status = fm_loader_new(d, &o, &l, &err);
        for (int i = 0; i < 3 && status == FM_OK; i++) status = fm_loader_next(l, &step, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_loader_free(l);
    }
    assert_int_equal(status, FM_OK);
    fm_dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_comes_once_an_epoch_with_the_right_targets),
        cmocka_unit_test(one_document_and_documents_of_one_token_will_do),
        cmocka_unit_test(rows_are_nearly_full),
        cmocka_unit_test(weights_hold_to_within_a_document_of_each_source),
        cmocka_unit_test(without_weights_a_source_comes_as_often_as_it_is_large),
        cmocka_unit_test(a_mask_takes_targets_and_nothing_else),
        cmocka_unit_test(fill_in_the_middle_moves_the_middle_behind_the_suffix),
        cmocka_unit_test(resumed_at_any_step_the_stream_is_the_same),
        cmocka_unit_test(states_of_other_streams_and_damaged_ones_are_refused),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
