/* gguf_write.c: a GGUF file of version 3, little-endian, tensors in the caller's order. */
#include "format/gguf_write.h"

#include "base/bytes.h"
#include "base/unicode.h"
#include "format/gguf.h"
#include "format/item_sink.h"
#include "format/store_build.h"

#include <string.h>

enum { VERSION = 3, ALIGNMENT = 32, GGML_TYPE_I32 = 26, MAX_NAME = 63 /* llama.cpp's limit */ };
enum { TYPE_U32 = 4, TYPE_I32 = 5, TYPE_F32 = 6, TYPE_BOOL = 7, TYPE_STRING = 8, TYPE_ARRAY = 9 };

/* ---- pairs -----------------------------------------------------------------------------------*/

static void put_u32(fm_buffer *b, uint32_t v) { fm_buffer_put(b, &v, sizeof v); }
static void put_u64(fm_buffer *b, uint64_t v) { fm_buffer_put(b, &v, sizeof v); }
static void put_text(fm_buffer *b, const char *text, size_t size) {
    put_u64(b, size);
    fm_buffer_put(b, text, size);
}

static fm_buffer *begin_pair(fm_gguf_head *head, const char *key, uint32_t type) {
    head->n_pairs++;
    put_text(&head->pairs, key, strlen(key));
    put_u32(&head->pairs, type);
    return &head->pairs;
}

void fm_gguf_put_u32(fm_gguf_head *head, const char *key, uint32_t value) {
    put_u32(begin_pair(head, key, TYPE_U32), value);
}

void fm_gguf_put_i32(fm_gguf_head *head, const char *key, int32_t value) {
    fm_buffer_put(begin_pair(head, key, TYPE_I32), &value, sizeof value);
}

void fm_gguf_put_f32(fm_gguf_head *head, const char *key, float value) {
    fm_buffer_put(begin_pair(head, key, TYPE_F32), &value, sizeof value);
}

void fm_gguf_put_bool(fm_gguf_head *head, const char *key, bool value) {
    fm_buffer_put(begin_pair(head, key, TYPE_BOOL), &(uint8_t){value}, 1);
}

void fm_gguf_put_string(fm_gguf_head *head, const char *key, const char *text, size_t size) {
    put_text(begin_pair(head, key, TYPE_STRING), text, size);
}

void fm_gguf_put_strings(fm_gguf_head *head, const char *key, const fm_string *texts, size_t n) {
    fm_buffer *b = begin_pair(head, key, TYPE_ARRAY);
    put_u32(b, TYPE_STRING);
    put_u64(b, n);
    for (size_t i = 0; i < n; i++) put_text(b, texts[i].data, texts[i].size);
}

void fm_gguf_put_i32s(fm_gguf_head *head, const char *key, const int32_t *values, size_t n) {
    fm_buffer *b = begin_pair(head, key, TYPE_ARRAY);
    put_u32(b, TYPE_I32);
    put_u64(b, n);
    fm_buffer_put(b, values, n * sizeof *values);
}

void fm_gguf_head_clear(fm_gguf_head *head) {
    fm_buffer_clear(&head->pairs);
    head->n_pairs = 0;
}

/* ---- pairs of another file -------------------------------------------------------------------*/

/* Passes over one value; the file was read before, so this cannot fail on a file that holds still. */
static void skip_value(fm_reader *r, uint32_t type) {
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    fm_string text;
    if (type == TYPE_STRING) {
        fm_gguf_read_string(r, &text);
    } else if (type == TYPE_ARRAY) {
        uint32_t of = fm_read_u32(r);
        uint64_t n = fm_read_u64(r);
        if (of == TYPE_STRING) {
            for (uint64_t i = 0; i < n && !r->failed; i++) fm_gguf_read_string(r, &text);
        } else if (of < sizeof bytes && bytes[of] && n <= fm_reader_left(r)) {
            fm_read_bytes(r, n * bytes[of]);
        } else {
            r->failed = true;
        }
    } else if (type < sizeof bytes) {
        fm_read_bytes(r, bytes[type]);
    } else {
        r->failed = true;
    }
}

fm_status fm_gguf_put_pairs_of(fm_gguf_head *head, const fm_store *store,
                               bool (*keep)(const char *key), fm_error *err) {
    const fm_map *map = &store->shards[0].map;
    fm_reader r = fm_reader_of(map->data, map->size);
    fm_read_bytes(&r, 16); /* magic, version, tensors */
    uint64_t n = fm_read_u64(&r);
    for (uint64_t i = 0; i < n && !r.failed; i++) {
        size_t begin = r.at;
        fm_string key;
        if (!fm_gguf_read_string(&r, &key)) break;
        skip_value(&r, fm_read_u32(&r));
        char *name = fm_strndup(key.data, key.size);
        if (!name) return fm_fail_memory(err, key.size, "a key");
        bool kept = !r.failed && (!keep || keep(name));
        fm_free(name);
        if (!kept) continue;
        fm_buffer_put(&head->pairs, map->data + begin, r.at - begin);
        head->n_pairs++;
    }
    if (!r.failed) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "%s changed while it was read", fm_store_path(store));
}

/* ---- the file --------------------------------------------------------------------------------*/

typedef struct placed {
    size_t bytes, padding; /* of a tensor; zeros behind it */
} placed;

static fm_status check_item(const fm_safetensors_item *item, size_t *bytes, fm_error *err) {
    size_t length = strlen(item->name);
    if (length == 0 || length > MAX_NAME || !fm_utf8_valid(item->name, length))
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "\"%s\" cannot be the name of a tensor in GGUF, which allows 1 to %d bytes",
                       item->name, MAX_NAME);
    if (!item->integers && fm_dtype_get(item->dtype)->gguf_type < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "tensor %s: GGUF files cannot hold %s", item->name,
                       fm_dtype_get(item->dtype)->name);
    fm_tensor t;
    fm_status status = fm_tensor_init(&t, item->integers ? FM_DTYPE_F32 : item->dtype, item->n_dims,
                                      item->shape, NULL, bytes, err);
    return status == FM_OK ? FM_OK : fm_error_prefix(err, status, "tensor %s", item->name);
}

static void write_item(fm_buffer *b, const fm_safetensors_item *item, uint64_t offset) {
    put_text(b, item->name, strlen(item->name));
    put_u32(b, (uint32_t)item->n_dims);
    for (int d = item->n_dims; d-- > 0;) put_u64(b, (uint64_t)item->shape[d]);
    put_u32(b, item->integers ? GGML_TYPE_I32 : (uint32_t)fm_dtype_get(item->dtype)->gguf_type);
    put_u64(b, offset);
}

static size_t padding_of(size_t n) { return (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT; }

/* Everything in front of the tensors' data. */
static fm_status write_header(fm_buffer *b, const fm_gguf_head *head,
                              const fm_safetensors_item *items, size_t n, placed *places,
                              fm_error *err) {
    fm_name_table names = {0};
    fm_status status = fm_buffer_status(&head->pairs, err);
    size_t at = 0;
    fm_buffer_put(b, "GGUF", 4);
    put_u32(b, VERSION);
    put_u64(b, n);
    put_u64(b, head->n_pairs);
    fm_buffer_put(b, head->pairs.data, head->pairs.size);
    for (size_t i = 0; i < n && status == FM_OK; i++) {
        status = check_item(&items[i], &places[i].bytes, err);
        if (status != FM_OK) break;
        places[i].padding = padding_of(places[i].bytes);
        write_item(b, &items[i], at);
        if (fm_name_table_find(&names, items[i].name) != FM_NAME_ABSENT)
            status = fm_fail(err, FM_ERR_ARGUMENT, "two tensors of the name %s", items[i].name);
        else if (!fm_name_table_add(&names, items[i].name, i))
            status = fm_fail_memory(err, n, "a table of names");
        else if (!fm_add_size(at, places[i].bytes + places[i].padding, &at))
            status = fm_fail(err, FM_ERR_ARGUMENT, "the tensors are too large together");
    }
    fm_name_table_clear(&names);
    FM_TRY(status);
    static const char zeros[ALIGNMENT];
    fm_buffer_put(b, zeros, padding_of(b->size));
    return fm_buffer_status(b, err);
}

static fm_status write_file(const char *path, const fm_buffer *header,
                            const fm_safetensors_item *items, size_t n, const placed *places,
                            fm_item_fn fn, void *context, fm_error *err) {
    static const char zeros[ALIGNMENT];
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, header->data, header->size, err);
    for (size_t i = 0; i < n && status == FM_OK; i++) {
        status = fm_item_write(w, items[i].name, places[i].bytes, fn, context, i, err);
        if (status == FM_OK) status = fm_writer_put(w, zeros, places[i].padding, err);
    }
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

fm_status fm_gguf_write(const char *path, const fm_gguf_head *head,
                        const fm_safetensors_item *items, size_t n, fm_item_fn fn, void *context,
                        fm_error *err) {
    fm_buffer header = {0};
    placed *places = fm_alloc_array(n + 1, sizeof *places, FM_MEM_OTHER);
    fm_status status = places ? write_header(&header, head, items, n, places, err)
                              : fm_fail_memory(err, n * sizeof *places, "a list of tensors");
    if (status == FM_OK)
        status = write_file(path, &header, items, n, places, fn, context, err);
    fm_buffer_clear(&header);
    fm_free(places);
    return status;
}
