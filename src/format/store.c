#include "format/store_build.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/unicode.h"

/* Probed in this order. To add a format: one file, one line here. */
static const fm_store_format *const formats[] = {
    &fm_format_gguf,
    &fm_format_hf_folder,
    &fm_format_safetensors,
};

fm_status fm_store_new(const char *format, const char *path, fm_store **out, fm_error *err) {
    *out = NULL;
    fm_store *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    if (!s) return fm_fail_memory(err, sizeof *s, path);
    s->format = format;
    s->path = fm_arena_strndup(&s->arena, path, strlen(path));
    fm_status status = s->path ? fm_meta_new(&s->meta, err) : fm_fail_memory(err, 1, path);
    if (status != FM_OK) {
        fm_store_close(s);
        return status;
    }
    *out = s;
    return FM_OK;
}

void fm_store_close(fm_store *s) {
    if (!s) return;
    for (int i = 0; i < s->n_shards; i++)
        if (!s->shards[i].borrowed) fm_map_close(&s->shards[i].map);
    fm_free(s->shards);
    fm_free(s->entries);
    fm_name_table_clear(&s->index);
    fm_name_table_clear(&s->skipped);
    fm_meta_free(s->meta);
    fm_arena_clear(&s->arena);
    fm_free(s);
}

static const fm_store_format *recognise(const fm_store_probe *probe) {
    for (size_t i = 0; i < FM_COUNT(formats); i++)
        if (formats[i]->probe(probe)) return formats[i];
    return NULL;
}

/* Which format this is; NULL with FM_OK when it is none of them. */
static fm_status probe_path(const char *path, const fm_store_format **out, fm_error *err) {
    fm_store_probe probe = {.path = path, .directory = fm_is_directory(path)};
    fm_map map = {0};
    if (!probe.directory) {
        FM_TRY(fm_map_open(path, &map, err));
        probe.head = map.data;
        probe.head_size = map.size < 16 ? map.size : 16;
    }
    *out = recognise(&probe);
    fm_map_close(&map);
    return FM_OK;
}

static fm_status no_model(const char *path, fm_error *err) {
    fm_buffer known = {0};
    for (size_t i = 0; i < FM_COUNT(formats); i++) {
        const char *between = i == 0 ? "" : i + 1 < FM_COUNT(formats) ? ", " : " or ";
        fm_buffer_format(&known, "%s%s", between, formats[i]->help);
    }
    fm_status status = fm_fail(err, FM_ERR_FORMAT, "%s is no model: expected %s", path,
                               fm_buffer_string(&known));
    fm_buffer_clear(&known);
    return status;
}

fm_status fm_store_open(const char *path, fm_store **out, fm_error *err) {
    *out = NULL;
    const fm_store_format *format;
    FM_TRY(probe_path(path, &format, err));
    if (!format) return no_model(path, err);
    fm_store *s;
    FM_TRY(fm_store_new(format->name, path, &s, err));
    fm_status status = format->open(s, err);
    if (status != FM_OK) {
        fm_store_close(s);
        return status;
    }
    *out = s;
    return FM_OK;
}

/* ---- filling ---------------------------------------------------------------------------------*/

static fm_status add_shard(fm_store *s, const char *path, fm_store_shard shard, fm_error *err) {
    size_t bytes = ((size_t)s->n_shards + 1) * sizeof *s->shards;
    shard.path = fm_arena_strndup(&s->arena, path, strlen(path));
    fm_store_shard *shards = shard.path ? fm_realloc(s->shards, bytes, FM_MEM_OTHER) : NULL;
    if (!shards) return fm_fail_memory(err, bytes, path);
    s->shards = shards;
    s->shards[s->n_shards++] = shard;
    return FM_OK;
}

fm_status fm_store_add_file(fm_store *s, const char *path, fm_error *err) {
    fm_store_shard shard = {0};
    FM_TRY(fm_map_open(path, &shard.map, err));
    fm_status status = add_shard(s, path, shard, err);
    if (status != FM_OK) fm_map_close(&shard.map);
    return status;
}

fm_status fm_store_add_bytes(fm_store *s, const char *name, const void *data, size_t size,
                             fm_error *err) {
    return add_shard(s, name, (fm_store_shard){.map = {data, size}, .borrowed = true}, err);
}

static fm_status grow_entries(fm_store *s, fm_error *err) {
    size_t capacity = s->capacity ? 2 * s->capacity : 256, bytes;
    fm_store_entry *entries = fm_mul_size(capacity, sizeof *entries, &bytes)
                                  ? fm_realloc(s->entries, bytes, FM_MEM_OTHER)
                                  : NULL;
    if (!entries) return fm_fail_memory(err, capacity, "the list of tensors");
    s->entries = entries;
    s->capacity = capacity;
    return FM_OK;
}

fm_status fm_store_add(fm_store *s, const char *name, size_t name_size, fm_store_entry entry,
                       fm_error *err) {
    if (name_size == 0) return fm_fail(err, FM_ERR_FORMAT, "a tensor has an empty name");
    if (memchr(name, 0, name_size) || !fm_utf8_valid(name, name_size))
        return fm_fail(err, FM_ERR_FORMAT,
                       "the name of a tensor is not text (UTF-8 without zero bytes)");
    char *copy = fm_arena_strndup(&s->arena, name, name_size);
    if (!copy) return fm_fail_memory(err, name_size, "the name of a tensor");
    size_t other = fm_name_table_find(&s->index, copy);
    if (other != FM_NAME_ABSENT) {
        const char *first = s->shards[s->entries[other].shard].path;
        const char *second = s->shards[entry.shard].path;
        if (strcmp(first, second) == 0)
            return fm_fail(err, FM_ERR_FORMAT, "%s has two tensors of the name %s", first, copy);
        return fm_fail(err, FM_ERR_FORMAT, "tensor %s lies both in %s and in %s", copy, first,
                       second);
    }
    if (s->count == s->capacity) FM_TRY(grow_entries(s, err));
    if (!fm_name_table_add(&s->index, copy, s->count))
        return fm_fail_memory(err, s->count, "the table of tensors");
    entry.name = copy;
    s->entries[s->count++] = entry;
    return FM_OK;
}

fm_status fm_store_pass_over(fm_store *s, const char *name, int shard, fm_error *err) {
    char *copy = fm_arena_strndup(&s->arena, name, strlen(name));
    if (!copy) return fm_fail_memory(err, strlen(name), "the name of a tensor");
    if (fm_name_table_find(&s->skipped, copy) != FM_NAME_ABSENT)
        return fm_fail(err, FM_ERR_FORMAT, "two tensors of the name %s", copy);
    if (!fm_name_table_add(&s->skipped, copy, (size_t)shard))
        return fm_fail_memory(err, s->count, "the table of tensors");
    return FM_OK;
}

int fm_store_passed_over(const fm_store *s, const char *name) {
    size_t shard = fm_name_table_find(&s->skipped, name);
    return shard == FM_NAME_ABSENT ? -1 : (int)shard;
}

/* ---- reading ---------------------------------------------------------------------------------*/

const char *fm_store_path(const fm_store *s) { return s->path; }
const char *fm_store_format_name(const fm_store *s) { return s->format; }
const char *fm_store_folder(const fm_store *s) { return s->folder; }
const fm_meta *fm_store_meta(const fm_store *s) { return s->meta; }
size_t fm_store_count(const fm_store *s) { return s->count; }

const fm_store_entry *fm_store_at(const fm_store *s, size_t i) {
    return i < s->count ? &s->entries[i] : NULL;
}

const fm_store_entry *fm_store_find(const fm_store *s, const char *name) {
    size_t i = fm_name_table_find(&s->index, name);
    return i == FM_NAME_ABSENT ? NULL : &s->entries[i];
}

int fm_store_shards(const fm_store *s) { return s->n_shards; }

const char *fm_store_shard_path(const fm_store *s, int shard) {
    return shard >= 0 && shard < s->n_shards ? s->shards[shard].path : NULL;
}

int fm_store_version(const fm_store *s) { return s->version; }

uint64_t fm_store_bytes(const fm_store *s) {
    uint64_t total = 0;
    for (int i = 0; i < s->n_shards; i++) total += s->shards[i].map.size;
    return total;
}

void fm_store_drop(const fm_store *s, const fm_store_entry *e) {
    if (!s->shards[e->shard].borrowed) fm_map_drop(&s->shards[e->shard].map, e->offset, e->bytes);
}

/* The file that a view lies in; NULL: memory (given by the caller, or scales that the store owns). */
static const fm_store_shard *file_behind(const fm_store *s, const void *view) {
    for (int i = 0; i < s->n_shards; i++) {
        const fm_map *map = &s->shards[i].map;
        if (!s->shards[i].borrowed && (uintptr_t)view - (uintptr_t)map->data < map->size)
            return &s->shards[i];
    }
    return NULL;
}

static size_t place_in(const fm_store_shard *file, const void *view) {
    return (size_t)((const uint8_t *)view - file->map.data);
}

fm_status fm_store_read(const fm_store *s, const void *view, size_t bytes, void *out, fm_error *err) {
    const fm_store_shard *file = bytes ? file_behind(s, view) : NULL;
    if (!file) {
        if (bytes) memcpy(out, view, bytes);
        return FM_OK;
    }
    fm_status status = fm_map_read(&file->map, place_in(file, view), bytes, out, err);
    return status == FM_OK ? status : fm_error_prefix(err, status, "%s", file->path);
}

fm_status fm_store_unchanged(const fm_store *s, const void *view, fm_error *err) {
    const fm_store_shard *file = file_behind(s, view);
    fm_status status = file ? fm_map_unchanged(&file->map, err) : FM_OK;
    return status == FM_OK ? status : fm_error_prefix(err, status, "%s", file->path);
}

uint64_t fm_store_stamp(const fm_store *s) {
    uint64_t stamp = 0;
    for (int i = 0; i < s->n_shards; i++) {
        const uint64_t facts[] = {s->shards[i].map.size, (uint64_t)s->shards[i].map.modified};
        stamp = fm_hash(facts, sizeof facts, stamp);
    }
    return stamp;
}

void fm_store_will_read(const fm_store *s, const void *view, size_t bytes) {
    const fm_store_shard *file = file_behind(s, view);
    if (file) fm_map_prefetch(&file->map, place_in(file, view), bytes);
}

void fm_store_forget(const fm_store *s, const void *view, size_t bytes) {
    const fm_store_shard *file = file_behind(s, view);
    if (file) fm_map_forget(&file->map, place_in(file, view), bytes);
}

void fm_store_prefetch(const fm_store *s, const fm_store_entry *e) {
    if (!s->shards[e->shard].borrowed)
        fm_map_prefetch(&s->shards[e->shard].map, e->offset, e->bytes);
}
