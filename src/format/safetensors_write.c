/* safetensors_write.c: writing one .safetensors file (drawn in safetensors.c).
 *
 * The reference reader wants the data without holes, and everybody likes them aligned: so tensors
 * are written in order of falling element width (in the caller's order within a width), after a
 * header padded to a multiple of 64. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/unicode.h"
#include "format/item_sink.h"
#include "format/name_table.h"

#include <string.h>

typedef struct plan {
    const fm_safetensors_item *items;
    size_t n;
    size_t *order; /* items as they are written */
    size_t *bytes; /* of each item */
} plan;

static const char *type_name(const fm_safetensors_item *item) {
    return item->integers ? "I32" : fm_dtype_get(item->dtype)->safetensors;
}

static int width(const fm_safetensors_item *item) {
    return item->integers ? 4 : fm_dtype_get(item->dtype)->block_bytes;
}

static fm_status check_item(const fm_safetensors_item *item, size_t *bytes, fm_error *err) {
    if (!*item->name || strcmp(item->name, "__metadata__") == 0 ||
        !fm_utf8_valid(item->name, strlen(item->name)))
        return fm_fail(err, FM_ERR_ARGUMENT, "\"%s\" cannot be the name of a tensor", item->name);
    if (!type_name(item))
        return fm_fail(err, FM_ERR_ARGUMENT, "tensor %s: safetensors files cannot hold %s",
                       item->name, fm_dtype_get(item->dtype)->name);
    fm_tensor t;
    fm_status status = fm_tensor_init(&t, item->integers ? FM_DTYPE_F32 : item->dtype, item->n_dims,
                                      item->shape, item->data, bytes, err);
    return status == FM_OK ? FM_OK : fm_error_prefix(err, status, "tensor %s", item->name);
}

static fm_status check_items(const plan *p, fm_error *err) {
    fm_name_table names = {0};
    fm_status status = FM_OK;
    for (size_t i = 0; i < p->n && status == FM_OK; i++) {
        const char *name = p->items[i].name;
        status = check_item(&p->items[i], &p->bytes[i], err);
        if (status != FM_OK) break;
        if (fm_name_table_find(&names, name) != FM_NAME_ABSENT)
            status = fm_fail(err, FM_ERR_ARGUMENT, "two tensors of the name %s", name);
        else if (!fm_name_table_add(&names, name, i))
            status = fm_fail_memory(err, p->n, "a table of names");
    }
    fm_name_table_clear(&names);
    return status;
}

static fm_status check_metadata(const char *const *metadata, size_t n, fm_error *err) {
    for (size_t i = 0; i < 2 * n; i++)
        if (!fm_utf8_valid(metadata[i], strlen(metadata[i])))
            return fm_fail(err, FM_ERR_ARGUMENT, "metadata %zu is no UTF-8 text", i / 2);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(metadata[2 * i], metadata[2 * j]) == 0)
                return fm_fail(err, FM_ERR_ARGUMENT, "two metadata keys %s", metadata[2 * i]);
    return FM_OK;
}

static void put_in_order(plan *p) {
    size_t k = 0;
    for (int w = 8; w >= 1; w--)
        for (size_t i = 0; i < p->n; i++)
            if (width(&p->items[i]) == w) p->order[k++] = i;
}

static void write_metadata(fm_buffer *b, const char *const *metadata, size_t n) {
    fm_buffer_text(b, "\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        if (i) fm_buffer_text(b, ",");
        fm_json_quote(b, metadata[2 * i], strlen(metadata[2 * i]));
        fm_buffer_text(b, ":");
        fm_json_quote(b, metadata[2 * i + 1], strlen(metadata[2 * i + 1]));
    }
    fm_buffer_text(b, "}");
}

static void write_item(fm_buffer *b, const fm_safetensors_item *item, size_t begin, size_t end) {
    fm_json_quote(b, item->name, strlen(item->name));
    fm_buffer_format(b, ":{\"dtype\":\"%s\",\"shape\":[", type_name(item));
    for (int d = 0; d < item->n_dims; d++)
        fm_buffer_format(b, d ? ",%lld" : "%lld", (long long)item->shape[d]);
    fm_buffer_format(b, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

/* The header, its eight bytes of length included, padded with spaces to a multiple of 64. */
static fm_status write_header(fm_buffer *b, const plan *p, const char *const *metadata,
                              size_t n_metadata, fm_error *err) {
    static const char spaces[64] =
        "                                                                ";
    uint64_t size = 0;
    size_t at = 0;
    fm_buffer_put(b, &size, sizeof size);
    fm_buffer_text(b, "{");
    if (n_metadata) write_metadata(b, metadata, n_metadata);
    for (size_t k = 0; k < p->n; k++) {
        size_t i = p->order[k], end;
        if (!fm_add_size(at, p->bytes[i], &end))
            return fm_fail(err, FM_ERR_ARGUMENT, "the tensors are too large together");
        if (k || n_metadata) fm_buffer_text(b, ",");
        write_item(b, &p->items[i], at, end);
        at = end;
    }
    fm_buffer_text(b, "}");
    fm_buffer_put(b, spaces, (64 - b->size % 64) % 64);
    FM_TRY(fm_buffer_status(b, err));
    size = b->size - sizeof size;
    memcpy(b->data, &size, sizeof size);
    return FM_OK;
}

static fm_status write_file(const char *path, const plan *p, const fm_buffer *header, fm_item_fn fn,
                            void *context, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, header->data, header->size, err);
    for (size_t k = 0; k < p->n && status == FM_OK; k++) {
        size_t i = p->order[k];
        status = fm_item_write(w, p->items[i].name, p->bytes[i], fn, context, i, err);
    }
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

fm_status fm_safetensors_write_from(const char *path, const fm_safetensors_item *items, size_t n,
                                    const char *const *metadata, size_t n_metadata, fm_item_fn fn,
                                    void *context, fm_error *err) {
    plan p = {.items = items, .n = n};
    fm_buffer header = {0};
    p.order = fm_alloc_array(n + 1, sizeof *p.order, FM_MEM_OTHER);
    p.bytes = fm_alloc_array(n + 1, sizeof *p.bytes, FM_MEM_OTHER);
    fm_status status = p.order && p.bytes ? FM_OK : fm_fail_memory(err, n, "a list of tensors");
    if (status == FM_OK) status = check_items(&p, err);
    if (status == FM_OK) status = check_metadata(metadata, n_metadata, err);
    if (status == FM_OK) {
        put_in_order(&p);
        status = write_header(&header, &p, metadata, n_metadata, err);
    }
    if (status == FM_OK) status = write_file(path, &p, &header, fn, context, err);
    fm_buffer_clear(&header);
    fm_free(p.order);
    fm_free(p.bytes);
    return status;
}

static fm_status put_data(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    const fm_safetensors_item *item = (const fm_safetensors_item *)context + i;
    return fm_item_put(sink, item->data, sink->left, err);
}

fm_status fm_safetensors_write(const char *path, const fm_safetensors_item *items, size_t n,
                               const char *const *metadata, size_t n_metadata, fm_error *err) {
    return fm_safetensors_write_from(path, items, n, metadata, n_metadata, put_data,
                                     (void *)(uintptr_t)items, err);
}
