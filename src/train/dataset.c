#include "train/dataset.h"

#include "base/hash.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_LIMIT = 64 << 20 };

const char *fm_portion_name(fm_portion p) { return p == FM_TRAIN ? "train" : "valid"; }

/* ---- one part ------------------------------------------------------------------------------------*/

/* Sixteen hexadecimal digits: JSON's numbers do not hold 64 bits. */
static bool parse_hash(const fm_json *v, uint64_t *out) {
    const char *text = fm_json_string(v, "");
    char *end;
    *out = strtoull(text, &end, 16);
    return strlen(text) == 16 && *end == 0 && strspn(text, "0123456789abcdef") == 16;
}

/* A manifest names files beside it and nothing else. */
static bool is_plain_name(const char *name) {
    return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 256;
}

static fm_status check_shard(const fm_dataset *d, const fm_shard *s, const fm_json *entry, uint32_t source,
                             fm_error *err) {
    uint64_t contents;
    if (!parse_hash(fm_json_get(entry, "hash"), &contents) || contents != s->contents)
        return fm_fail(err, FM_ERR_FORMAT, "it is not the shard that " FM_DATASET_MANIFEST " describes: its "
                       "hash is another");
    if (s->vocabulary != d->vocabulary || s->vocabulary_hash != d->vocabulary_hash)
        return fm_fail(err, FM_ERR_FORMAT, "it was made with another tokenizer than " FM_DATASET_MANIFEST
                       " says");
    for (int64_t i = 0; i < s->n_documents; i++)
        if (s->index[i].source != source)
            return fm_fail(err, FM_ERR_FORMAT, "document %lld is of source %u, and the shard is one of %u",
                           (long long)i, s->index[i].source, source);
    return FM_OK;
}

static fm_status open_shard(const fm_dataset *d, const fm_json *entry, uint32_t source, fm_shard *out,
                            fm_error *err) {
    const char *name = fm_json_string(fm_json_get(entry, "file"), "");
    if (!is_plain_name(name))
        return fm_fail(err, FM_ERR_FORMAT, "'%.60s' is not the name of a shard beside it", name);
    char *path = fm_path_join(d->folder, name);
    if (!path) return fm_fail_memory(err, strlen(name), "a path");
    fm_status status = fm_shard_open(path, out, err);
    fm_free(path);
    if (status != FM_OK) return status;
    status = check_shard(d, out, entry, source, err);
    if (status == FM_OK) return FM_OK;
    fm_shard_close(out);
    return fm_error_prefix(err, status, "%s", name);
}

static fm_status open_part(const fm_dataset *d, const fm_json *v, uint32_t source, fm_dataset_part *p,
                           fm_error *err) {
    const fm_json *shards = fm_json_get(v, "shards");
    size_t n = fm_json_length(shards);
    p->first = fm_alloc_array(n + 1, sizeof *p->first, FM_MEM_OTHER);
    p->shards = fm_alloc_array(n ? n : 1, sizeof *p->shards, FM_MEM_OTHER);
    if (!p->first || !p->shards) return fm_fail_memory(err, n * sizeof *p->shards, "shards");
    for (; p->n_shards < n; p->n_shards++) {
        fm_shard *s = &p->shards[p->n_shards];
        FM_TRY(open_shard(d, fm_json_at(shards, p->n_shards), source, s, err));
        p->documents += s->n_documents;
        p->tokens += s->n_tokens;
        p->first[p->n_shards + 1] = p->documents;
    }
    return FM_OK;
}

const fm_shard *fm_dataset_find(const fm_dataset_part *p, int64_t document, int64_t *local) {
    size_t low = 0, high = p->n_shards; /* first[low] <= document < first[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p->first[middle] <= document)
            low = middle;
        else
            high = middle;
    }
    *local = document - p->first[low];
    return &p->shards[low];
}

/* ---- the manifest --------------------------------------------------------------------------------*/

static fm_status read_tokenizer(fm_dataset *d, const fm_json *v, fm_error *err) {
    const struct {
        const char *key;
        int32_t *id;
    } roles[] = {{"bos", &d->roles.bos}, {"eos", &d->roles.eos}, {"fim_begin", &d->roles.fim_begin},
                 {"fim_hole", &d->roles.fim_hole}, {"fim_end", &d->roles.fim_end}};
    d->vocabulary = fm_json_integer(fm_json_get(v, "size"), 0);
    if (d->vocabulary < 1 || d->vocabulary > INT32_MAX || !parse_hash(fm_json_get(v, "hash"), &d->vocabulary_hash))
        return fm_fail(err, FM_ERR_FORMAT, "its tokenizer has no size and no hash");
    for (size_t i = 0; i < FM_COUNT(roles); i++) {
        int64_t id = fm_json_integer(fm_json_get(v, roles[i].key), -1);
        if (id < -1 || id >= d->vocabulary)
            return fm_fail(err, FM_ERR_FORMAT, "the tokenizer's %s is no id of its vocabulary", roles[i].key);
        *roles[i].id = (int32_t)id;
    }
    return FM_OK;
}

static fm_status read_source(const fm_dataset *d, const fm_json *v, uint32_t number, fm_dataset_source *s,
                             fm_error *err) {
    const char *name = fm_json_string(fm_json_get(v, "name"), NULL);
    if (!name) return fm_fail(err, FM_ERR_FORMAT, "source %u has no name", number);
    if (!(s->name = fm_strdup(name))) return fm_fail_memory(err, strlen(name), "a name");
    s->weight = fm_json_number(fm_json_get(v, "weight"), NAN);
    if (s->weight < 0 || isinf(s->weight))
        return fm_fail(err, FM_ERR_FORMAT, "the weight of the source %s is not a number from 0 on", name);
    for (int p = 0; p < FM_PORTIONS; p++)
        FM_TRY(open_part(d, fm_json_get(v, fm_portion_name((fm_portion)p)), number, &s->part[p], err));
    return FM_OK;
}

static fm_status read_sources(fm_dataset *d, const fm_json *list, fm_error *err) {
    size_t n = fm_json_length(list), weighted = 0;
    if (n < 1 || n > FM_SOURCES_MAX)
        return fm_fail(err, FM_ERR_FORMAT, "it has %zu sources; 1 to %d are possible", n, FM_SOURCES_MAX);
    d->sources = fm_alloc_array(n, sizeof *d->sources, FM_MEM_OTHER);
    if (!d->sources) return fm_fail_memory(err, n * sizeof *d->sources, "sources");
    for (; d->n_sources < n; d->n_sources++) {
        fm_dataset_source *s = &d->sources[d->n_sources];
        fm_status status = read_source(d, fm_json_at(list, d->n_sources), (uint32_t)d->n_sources, s, err);
        weighted += !isnan(s->weight);
        if (status != FM_OK) {
            d->n_sources++; /* it holds something already */
            return status;
        }
    }
    if (weighted != 0 && weighted != n)
        return fm_fail(err, FM_ERR_FORMAT, "%zu of its %zu sources have a weight: give one to all or to none",
                       weighted, n);
    return FM_OK;
}

static uint64_t fingerprint_of(const fm_dataset *d) {
    uint64_t hash = fm_hash(&d->vocabulary_hash, sizeof d->vocabulary_hash, FM_DATASET_VERSION);
    for (size_t i = 0; i < d->n_sources; i++) {
        const fm_dataset_source *s = &d->sources[i];
        double weight = isnan(s->weight) ? -1 : s->weight;
        hash = fm_hash(s->name, strlen(s->name), hash);
        hash = fm_hash(&weight, sizeof weight, hash);
        for (int p = 0; p < FM_PORTIONS; p++)
            for (size_t k = 0; k < s->part[p].n_shards; k++)
                hash = fm_hash(&s->part[p].shards[k].contents, sizeof hash, hash + (unsigned)p);
    }
    return hash;
}

static fm_status read_manifest(fm_dataset *d, const fm_json *root, fm_error *err) {
    const char *format = fm_json_string(fm_json_get(root, "format"), "");
    int64_t version = fm_json_integer(fm_json_get(root, "version"), 0);
    if (strcmp(format, FM_DATASET_FORMAT) != 0)
        return fm_fail(err, FM_ERR_FORMAT, "it does not say that it is of the format " FM_DATASET_FORMAT);
    if (version != FM_DATASET_VERSION)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "it is of version %lld, and this Fathom reads version %d: "
                       "build the data again", (long long)version, FM_DATASET_VERSION);
    FM_TRY(read_tokenizer(d, fm_json_get(root, "tokenizer"), err));
    FM_TRY(read_sources(d, fm_json_get(root, "sources"), err));
    d->fingerprint = fingerprint_of(d);
    return FM_OK;
}

static fm_status load_manifest(fm_dataset *d, const char *path, fm_error *err) {
    char *text;
    size_t size;
    fm_json *root = NULL;
    FM_TRY(fm_file_read(path, MANIFEST_LIMIT, &text, &size, err));
    fm_status status = fm_json_parse(text, size, &root, err);
    if (status == FM_OK) status = read_manifest(d, root, err);
    fm_json_free(root);
    fm_free(text);
    return status == FM_OK ? FM_OK : fm_error_prefix(err, status, "%s", path);
}

fm_status fm_dataset_open(const char *folder, fm_dataset **out, fm_error *err) {
    *out = NULL;
    fm_dataset *d = fm_alloc_zero(sizeof *d, FM_MEM_OTHER);
    if (!d) return fm_fail_memory(err, sizeof *d, "a dataset");
    d->folder = fm_strdup(folder);
    char *path = fm_path_join(folder, FM_DATASET_MANIFEST);
    fm_status status;
    if (!d->folder || !path)
        status = fm_fail_memory(err, strlen(folder), "a path");
    else if (!fm_file_exists(path))
        status = fm_fail(err, FM_ERR_IO, "%s has no " FM_DATASET_MANIFEST ": it is not a folder that "
                         "'fathom data build' made", folder);
    else
        status = load_manifest(d, path, err);
    fm_free(path);
    if (status == FM_OK)
        *out = d;
    else
        fm_dataset_close(d);
    return status;
}

void fm_dataset_close(fm_dataset *d) {
    if (!d) return;
    for (size_t i = 0; i < d->n_sources; i++) {
        fm_dataset_source *s = &d->sources[i];
        for (int p = 0; p < FM_PORTIONS; p++) {
            for (size_t k = 0; k < s->part[p].n_shards; k++) fm_shard_close(&s->part[p].shards[k]);
            fm_free(s->part[p].shards);
            fm_free(s->part[p].first);
        }
        fm_free(s->name);
    }
    fm_free(d->sources);
    fm_free(d->folder);
    fm_free(d);
}

fm_status fm_dataset_verify(const fm_dataset *d, fm_error *err) {
    for (size_t i = 0; i < d->n_sources; i++)
        for (int p = 0; p < FM_PORTIONS; p++)
            for (size_t k = 0; k < d->sources[i].part[p].n_shards; k++) {
                fm_status status = fm_shard_verify(&d->sources[i].part[p].shards[k], err);
                if (status != FM_OK)
                    return fm_error_prefix(err, status, "%s: shard %zu of %s (%s)", d->folder, k,
                                           d->sources[i].name, fm_portion_name((fm_portion)p));
            }
    return FM_OK;
}

fm_status fm_dataset_check_vocabulary(const fm_dataset *d, int64_t vocabulary, uint64_t hash, fm_error *err) {
    if (d->vocabulary == vocabulary && d->vocabulary_hash == hash) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "%s was made with another tokenizer (%lld tokens, %016llx) than the "
                   "model's (%lld tokens, %016llx): build the data with the model's own", d->folder,
                   (long long)d->vocabulary, (unsigned long long)d->vocabulary_hash, (long long)vocabulary,
                   (unsigned long long)hash);
}

void fm_dataset_count(const fm_dataset *d, fm_portion portion, int64_t *documents, int64_t *tokens) {
    *documents = *tokens = 0;
    for (size_t i = 0; i < d->n_sources; i++) {
        *documents += d->sources[i].part[portion].documents;
        *tokens += d->sources[i].part[portion].tokens;
    }
}
