#include "train/build_private.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

/* Documents that are worked on together: enough to keep threads busy, few enough to be forgotten again. */
enum { BATCH_BYTES = 16 << 20, BATCH_DOCUMENTS = 4096, TOKENIZER_LIMIT = 256 << 20 };

typedef struct item {
    size_t text, size, turns, n_turns, path; /* places in the batch's buffers */
    int64_t line;
    fm_print print;
    fm_seen seen;
    bool is_text;
    fm_status status; /* of printing or encoding */
    fm_examples examples;
} item;

typedef struct builder {
    const fm_build_options *o;
    fm_build_shards shards;
    fm_build_counts counts; /* of the present source */
    fm_prints prints;
    uint64_t bytes, total; /* of all files */
    /* The batch. */
    fm_buffer text, turns, paths, items;
    fm_buffer *scratch; /* one per thread */
    int n_threads;
} builder;

static item *items_of(builder *b) { return (item *)(void *)b->items.data; }
static int64_t n_items(const builder *b) { return (int64_t)(b->items.size / sizeof(item)); }

static fm_document document_of(builder *b, const item *i) {
    return (fm_document){.text = b->text.data + i->text, .size = i->size, .n_turns = i->n_turns, .line = i->line,
                         .turns = (const fm_turn *)(const void *)b->turns.data + i->turns,
                         .path = b->paths.data + i->path};
}

/* ---- a batch -------------------------------------------------------------------------------------*/

static void print_items(void *context, int64_t begin, int64_t end, int worker) {
    builder *b = context;
    for (int64_t k = begin; k < end; k++) {
        item *i = &items_of(b)[k];
        fm_document d = document_of(b, i);
        i->is_text = i->size > 0 && fm_document_is_text(&d);
        if (!i->is_text) continue;
        if (!fm_print_of(d.text, d.size, b->o->near > 0, &b->scratch[worker], &i->print)) i->status = FM_ERR_MEMORY;
    }
}

static bool is_kept(const item *i) { return i->is_text && i->seen == FM_SEEN_NEW; }

static void encode_items(void *context, int64_t begin, int64_t end, int worker) {
    builder *b = context;
    (void)worker;
    for (int64_t k = begin; k < end; k++) {
        item *i = &items_of(b)[k];
        fm_document d = document_of(b, i);
        if (is_kept(i)) i->status = fm_examples_add(b->o->tokenizer, b->o->style, &d, &i->examples, NULL);
    }
}

static fm_status where(const fm_document *d, fm_status status, fm_error *err) {
    if (d->line) return fm_error_prefix(err, status, "%s, line %lld", d->path, (long long)d->line);
    return fm_error_prefix(err, status, "%s", d->path);
}

/* Threads say that something failed; here it is done once more to say what. */
static fm_status check_items(builder *b, fm_error *err) {
    for (int64_t k = 0; k < n_items(b); k++) {
        item *i = &items_of(b)[k];
        if (i->status == FM_OK) continue;
        fm_document d = document_of(b, i);
        fm_examples again = {0};
        fm_status status = is_kept(i) ? fm_examples_add(b->o->tokenizer, b->o->style, &d, &again, err) : FM_OK;
        fm_examples_clear(&again);
        if (status == FM_OK || status == FM_ERR_MEMORY) return fm_fail_memory(err, i->size, "encoding a document");
        return where(&d, status, err);
    }
    return FM_OK;
}

static fm_status tell_apart(builder *b, fm_error *err) {
    for (int64_t k = 0; k < n_items(b); k++) {
        item *i = &items_of(b)[k];
        b->counts.documents++;
        if (!i->is_text) {
            b->counts.empty += i->size == 0;
            b->counts.binary += i->size > 0;
            continue;
        }
        if (b->o->duplicates && b->o->near <= 0) continue; /* new, whatever was before */
        FM_TRY(fm_prints_add(&b->prints, &i->print, &i->seen, err));
        if (b->o->duplicates && i->seen == FM_SEEN_SAME) i->seen = FM_SEEN_NEW;
        b->counts.same += i->seen == FM_SEEN_SAME;
        b->counts.nearly += i->seen == FM_SEEN_NEARLY;
    }
    return FM_OK;
}

/* By its text alone: the same whatever else is in the data. */
static fm_portion portion_of(const builder *b, const item *i) {
    return (double)(i->print.hash[0] >> 11) * 0x1p-53 < b->o->valid ? FM_VALID : FM_TRAIN;
}

static fm_status write_item(builder *b, const item *i, fm_error *err) {
    const size_t *ends = (const size_t *)(const void *)i->examples.ends.data;
    const int32_t *ids = (const int32_t *)(const void *)i->examples.ids.data;
    const uint8_t *learn = (const uint8_t *)i->examples.learn.data;
    fm_portion portion = portion_of(b, i);
    size_t begin = 0;
    for (size_t k = 0; k < i->examples.ends.size / sizeof *ends; begin = ends[k++]) {
        int64_t n = (int64_t)(ends[k] - begin);
        if (n == 0) continue;
        FM_TRY(fm_build_shards_add(&b->shards, portion, ids + begin, learn + begin, n, err));
        b->counts.part[portion].documents++;
        b->counts.part[portion].tokens += n;
        for (int64_t at = 0; at < n; at++) b->counts.part[portion].learnt += learn[begin + (size_t)at];
    }
    return FM_OK;
}

static void forget_batch(builder *b) {
    for (int64_t k = 0; k < n_items(b); k++) fm_examples_clear(&items_of(b)[k].examples);
    b->text.size = b->turns.size = b->paths.size = b->items.size = 0;
}

static fm_status work(builder *b, fm_error *err) {
    FM_TRY(fm_buffer_status(&b->text, err));
    FM_TRY(fm_buffer_status(&b->turns, err));
    FM_TRY(fm_buffer_status(&b->paths, err));
    FM_TRY(fm_buffer_status(&b->items, err));
    fm_pool_for(b->o->pool, n_items(b), 1, print_items, b);
    FM_TRY(check_items(b, err));
    FM_TRY(tell_apart(b, err));
    fm_pool_for(b->o->pool, n_items(b), 1, encode_items, b);
    FM_TRY(check_items(b, err));
    for (int64_t k = 0; k < n_items(b); k++)
        if (is_kept(&items_of(b)[k])) FM_TRY(write_item(b, &items_of(b)[k], err));
    forget_batch(b);
    double done = b->total ? (double)b->bytes / (double)b->total : 1;
    if (!b->o->progress || b->o->progress(b->o->context, done < 1 ? done : 1)) return FM_OK;
    return fm_fail(err, FM_ERR_CANCELLED, "stopped before all files were read");
}

/* ---- sources -------------------------------------------------------------------------------------*/

static fm_status take(void *context, const fm_document *d, fm_error *err) {
    builder *b = context;
    item i = {.text = b->text.size, .size = d->size, .turns = b->turns.size / sizeof *d->turns,
              .n_turns = d->n_turns, .path = b->paths.size, .line = d->line};
    fm_buffer_put(&b->text, d->text, d->size);
    fm_buffer_put(&b->turns, d->turns, d->n_turns * sizeof *d->turns);
    fm_buffer_put(&b->paths, d->path, strlen(d->path) + 1);
    fm_buffer_put(&b->items, &i, sizeof i);
    b->counts.bytes += d->size;
    return b->text.size < BATCH_BYTES && n_items(b) < BATCH_DOCUMENTS ? FM_OK : work(b, err);
}

static fm_status read_source(builder *b, const fm_build_source *s, fm_error *err) {
    for (size_t i = 0; i < s->n_paths; i++) FM_TRY(fm_corpus_walk(s->paths[i], take, b, &b->bytes, err));
    FM_TRY(work(b, err));
    return fm_build_shards_end(&b->shards, err);
}

static fm_status build_source(builder *b, const fm_build_folder *folder, uint32_t number, fm_json_writer *w,
                              fm_error *err) {
    const fm_build_source *s = &b->o->sources[number];
    b->counts = (fm_build_counts){0};
    fm_build_shards_begin(&b->shards, folder, b->o, number);
    fm_status status = read_source(b, s, err);
    if (status == FM_OK) fm_build_manifest_source(w, s, &b->counts, &b->shards);
    fm_build_shards_clear(&b->shards);
    forget_batch(b);
    return status;
}

/* ---- the whole -----------------------------------------------------------------------------------*/

static fm_status check_source(const fm_build_options *o, size_t i, fm_error *err) {
    const fm_build_source *s = &o->sources[i];
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t n = strlen(s->name);
    if (n == 0 || n > 64 || strspn(s->name, allowed) != n)
        return fm_fail(err, FM_ERR_ARGUMENT, "'%.80s' is no name for a source: letters, digits, - and _, 64 at most",
                       s->name);
    for (size_t k = 0; k < i; k++)
        if (strcmp(o->sources[k].name, s->name) == 0)
            return fm_fail(err, FM_ERR_ARGUMENT, "there are two sources called %s", s->name);
    if (!isnan(s->weight) != !isnan(o->sources[0].weight))
        return fm_fail(err, FM_ERR_ARGUMENT, "the source %s has %s weight, others have %s: give one to all or to none",
                       s->name, isnan(s->weight) ? "no" : "a", isnan(s->weight) ? "one" : "none");
    if (s->weight < 0 || isinf(s->weight))
        return fm_fail(err, FM_ERR_ARGUMENT, "the weight of %s must be a number from 0 on", s->name);
    return FM_OK;
}

static fm_status check_options(const fm_build_options *o, fm_error *err) {
    if (o->n_sources < 1 || o->n_sources > FM_SOURCES_MAX)
        return fm_fail(err, FM_ERR_ARGUMENT, "data have 1 to %d sources, not %zu", FM_SOURCES_MAX, o->n_sources);
    for (size_t i = 0; i < o->n_sources; i++) FM_TRY(check_source(o, i, err));
    if (!(o->valid >= 0 && o->valid < 1))
        return fm_fail(err, FM_ERR_ARGUMENT, "the share for validation is a number from 0 to less than 1, not %g",
                       o->valid);
    if (!(o->near >= 0 && o->near <= 1))
        return fm_fail(err, FM_ERR_ARGUMENT, "a similarity is a number from 0 to 1, not %g", o->near);
    if (o->shard < 1) return fm_fail(err, FM_ERR_ARGUMENT, "a shard has at least one token");
    return FM_OK;
}

/* Data and the tokenizer that their ids mean something to stay together. */
static fm_status copy_tokenizer(const fm_build_options *o, const fm_build_folder *folder, fm_error *err) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; o->tokenizer_folder && i < FM_COUNT(names); i++) {
        char *text, *path = fm_path_join(o->tokenizer_folder, names[i]);
        size_t size;
        if (!path) return fm_fail_memory(err, strlen(names[i]), "a path");
        bool exists = fm_file_exists(path);
        fm_status status = exists ? fm_file_read(path, TOKENIZER_LIMIT, &text, &size, err) : FM_OK;
        fm_free(path);
        if (status != FM_OK) return status;
        if (!exists) continue;
        status = fm_build_folder_put(folder, names[i], text, size, err);
        fm_free(text);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static fm_status build(builder *b, const fm_build_folder *folder, fm_buffer *manifest, fm_error *err) {
    fm_json_writer w = {.out = manifest};
    int64_t kept = 0;
    size_t before = manifest->size;
    for (size_t i = 0; i < b->o->n_sources; i++)
        for (size_t k = 0; k < b->o->sources[i].n_paths; k++) b->total += fm_corpus_bytes(b->o->sources[i].paths[k]);
    fm_build_manifest_begin(&w, b->o);
    for (size_t i = 0; i < b->o->n_sources; i++) {
        FM_TRY(build_source(b, folder, (uint32_t)i, &w, err));
        for (int p = 0; p < FM_PORTIONS; p++) kept += b->counts.part[p].documents;
    }
    fm_build_manifest_end(&w);
    if (kept == 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no text in these files: all documents are empty or not text");
    FM_TRY(fm_buffer_status(manifest, err));
    FM_TRY(copy_tokenizer(b->o, folder, err));
    return fm_build_folder_put(folder, FM_DATASET_MANIFEST, manifest->data + before, manifest->size - before, err);
}

static void builder_clear(builder *b) {
    forget_batch(b);
    fm_prints_clear(&b->prints);
    fm_buffer_clear(&b->text);
    fm_buffer_clear(&b->turns);
    fm_buffer_clear(&b->paths);
    fm_buffer_clear(&b->items);
    for (int i = 0; b->scratch && i < b->n_threads; i++) fm_buffer_clear(&b->scratch[i]);
    fm_free(b->scratch);
}

fm_status fm_build(const char *path, const fm_build_options *o, fm_buffer *manifest, fm_error *err) {
    builder b = {.o = o, .prints.threshold = o->near, .n_threads = fm_pool_threads(o->pool)};
    fm_build_folder folder;
    FM_TRY(check_options(o, err));
    FM_TRY(fm_build_folder_begin(path, &folder, err));
    b.scratch = fm_alloc_array((size_t)b.n_threads, sizeof *b.scratch, FM_MEM_OTHER);
    fm_status status = b.scratch ? build(&b, &folder, manifest, err)
                                 : fm_fail_memory(err, sizeof *b.scratch, "building data");
    builder_clear(&b);
    if (status == FM_OK) return fm_build_folder_commit(&folder, err);
    fm_build_folder_abort(&folder);
    return status;
}
