/* In the order of bytes of the machine that wrote it, nothing padded but where it says so:
 *
 *   header     64 bytes, drawn below; the last 8 are the hash of those before
 *   zeros      up to byte 4096
 *   panels     of n matrices, each a multiple of 64 bytes
 *   directory  n entries of 40 bytes (panel_file.h), then their hash
 *
 * The size of the file follows from the header and is checked before anything else is believed. The
 * directory comes last because it has the hashes of what is before it. */
#include "pack/panel_file.h"

#include "base/hash.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#define MAGIC "fathompn"

enum { BEGIN = 4096, ORDER = 0x01020304 };

typedef struct header {
    char magic[8];
    uint32_t version, order; /* FM_PANEL_VERSION; ORDER as this machine writes it */
    uint64_t source;
    uint64_t entries;
    uint64_t panels;         /* bytes of them */
    uint64_t reserved[2];
    uint64_t hash;
} header;
_Static_assert(sizeof(header) == 64, "the header is written as it lies in memory");
_Static_assert(sizeof(fm_panel_entry) == 40, "so are the entries");

static uint64_t header_hash(const header *h) { return fm_hash(h, offsetof(header, hash), h->version); }

uint64_t fm_panel_key(const fm_weight *w, int64_t first_row) {
    const int64_t parts[] = {first_row, w->n_out, w->n_in, w->source.dtype, fm_layout_for(&w->source),
                             w->source.scales ? w->source.scale_block[1] : 0};
    return fm_hash(parts, sizeof parts, fm_hash(w->name, strlen(w->name), 0));
}

/* ---- opening ----------------------------------------------------------------------------------- */

static fm_status check_header(const header *h, size_t size, fm_error *err) {
    size_t directory, bytes;
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
        return fm_fail(err, FM_ERR_FORMAT, "it is no file of panels");
    if (h->order != ORDER || h->version != FM_PANEL_VERSION)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "its panels are of version %u and this program's of version %d",
                       (unsigned)h->version, FM_PANEL_VERSION);
    if (h->hash != header_hash(h)) return fm_fail(err, FM_ERR_FORMAT, "its header is damaged");
    bool fits = fm_mul_size(h->entries, sizeof(fm_panel_entry), &directory) &&
                fm_add_size(directory, sizeof h->hash, &directory) &&
                fm_add_size(directory, BEGIN, &bytes) && fm_add_size(bytes, h->panels, &bytes);
    if (!fits || bytes != size || h->panels % 64 != 0)
        return fm_fail(err, FM_ERR_FORMAT, "it has %zu bytes, not what its header says: it was cut short", size);
    return FM_OK;
}

static fm_status check_directory(const fm_panel_file *f, uint64_t hash, fm_error *err) {
    uint64_t at = f->begin;
    if (hash != fm_hash(f->entries, f->n * sizeof *f->entries, f->source))
        return fm_fail(err, FM_ERR_FORMAT, "its directory is damaged");
    for (size_t i = 0; i < f->n; at += f->entries[i++].bytes) {
        const fm_panel_entry *e = &f->entries[i];
        if (e->offset != at || e->bytes % 64 != 0 || e->bytes > f->end - at)
            return fm_fail(err, FM_ERR_FORMAT, "matrix %zu of its directory does not lie where it should", i);
    }
    if (at != f->end) return fm_fail(err, FM_ERR_FORMAT, "its directory does not cover its panels");
    return FM_OK;
}

/* Header and directory are read, not looked at: a disk that fails is an error then. */
static fm_status read_parts(fm_panel_file *f, fm_error *err) {
    header h;
    uint64_t hash;
    if (f->map.size < sizeof h) return fm_fail(err, FM_ERR_FORMAT, "it is no file of panels");
    FM_TRY(fm_map_read(&f->map, 0, sizeof h, &h, err));
    FM_TRY(check_header(&h, f->map.size, err));
    f->source = h.source;
    f->n = (size_t)h.entries;
    f->begin = BEGIN;
    f->end = BEGIN + (size_t)h.panels;
    size_t bytes = f->n * sizeof *f->entries;
    f->entries = fm_alloc(bytes, FM_MEM_OTHER);
    if (!f->entries) return fm_fail_memory(err, bytes, "the directory of panels");
    FM_TRY(fm_map_read(&f->map, f->end, bytes, f->entries, err));
    FM_TRY(fm_map_read(&f->map, f->end + bytes, sizeof hash, &hash, err));
    return check_directory(f, hash, err);
}

bool fm_panel_file_recognise(const char *path) {
    char magic[sizeof(MAGIC) - 1];
    fm_map map; /* which waits for no pipe */
    if (fm_map_open(path, &map, NULL) != FM_OK) return false;
    bool is = map.size >= sizeof magic && fm_map_read(&map, 0, sizeof magic, magic, NULL) == FM_OK &&
              memcmp(magic, MAGIC, sizeof magic) == 0;
    fm_map_close(&map);
    return is;
}

fm_status fm_panel_file_open(const char *path, fm_panel_file *out, fm_error *err) {
    *out = (fm_panel_file){0};
    FM_TRY(fm_map_open(path, &out->map, err));
    fm_status status = read_parts(out, err);
    if (status == FM_OK) return FM_OK;
    fm_panel_file_close(out);
    return fm_error_prefix(err, status, "%s", path);
}

void fm_panel_file_close(fm_panel_file *f) {
    fm_free(f->entries);
    fm_map_close(&f->map);
    *f = (fm_panel_file){0};
}

/* ---- hashes ------------------------------------------------------------------------------------ */

static uint64_t hash_of(const fm_panel_entry *e, const void *panels) {
    return fm_hash(panels, (size_t)e->bytes, e->key);
}

typedef struct checking {
    const fm_panel_file *file;
    size_t first;        /* of the matrices that are being read */
    _Atomic size_t wrong; /* the first that is another; file->n: none */
    _Atomic bool failed;
    fm_error error;      /* of the first that could not be read */
} checking;

static void lower(_Atomic size_t *least, size_t value) {
    size_t now = atomic_load(least);
    while (value < now && !atomic_compare_exchange_weak(least, &now, value)) {}
}

static void check_range(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    checking *c = context;
    for (int64_t i = begin; i < end && !atomic_load(&c->failed); i++) {
        size_t at = c->first + (size_t)i;
        const fm_panel_entry *e = &c->file->entries[at];
        fm_error err;
        if (fm_map_populate(&c->file->map, e->offset, e->bytes, &err) != FM_OK) {
            if (!atomic_exchange(&c->failed, true)) c->error = err;
        } else if (hash_of(e, fm_panel_file_at(c->file, e)) != e->hash) {
            lower(&c->wrong, at);
        }
    }
}

fm_status fm_panel_file_check(const fm_panel_file *f, fm_pool *pool,
                              bool (*progress)(void *context, double fraction), void *context, fm_error *err) {
    enum { TOGETHER = 64 };
    checking c = {.file = f, .wrong = f->n};
    for (; c.first < f->n; c.first += TOGETHER) {
        size_t n = f->n - c.first < TOGETHER ? f->n - c.first : TOGETHER;
        fm_pool_for(pool, (int64_t)n, 1, check_range, &c);
        if (atomic_load(&c.failed)) {
            if (err) *err = c.error;
            return c.error.code;
        }
        if (c.wrong < f->n)
            return fm_fail(err, FM_ERR_FORMAT, "the panels of matrix %zu of %zu are damaged", (size_t)c.wrong, f->n);
        if (progress && !progress(context, (double)(c.first + n) / (double)f->n))
            return fm_fail(err, FM_ERR_CANCELLED, "checking was cancelled");
    }
    return FM_OK;
}

/* ---- writing ----------------------------------------------------------------------------------- */

fm_status fm_panel_writer_open(fm_panel_writer *w, const char *path, uint64_t source, fm_panel_entry *entries,
                               size_t n, fm_error *err) {
    static const char zeros[BEGIN];
    header h = {.version = FM_PANEL_VERSION, .order = ORDER, .source = source, .entries = n};
    *w = (fm_panel_writer){.entries = entries, .n = n, .source = source};
    for (size_t i = 0; i < n; i++) {
        assert(entries[i].bytes % 64 == 0);
        entries[i].offset = BEGIN + h.panels;
        h.panels += entries[i].bytes;
    }
    memcpy(h.magic, MAGIC, sizeof h.magic);
    h.hash = header_hash(&h);
    FM_TRY(fm_writer_open(path, &w->file, err));
    fm_status status = fm_writer_put(w->file, &h, sizeof h, err);
    if (status == FM_OK) status = fm_writer_put(w->file, zeros, sizeof zeros - sizeof h, err);
    if (status != FM_OK) fm_panel_writer_abort(w);
    return status;
}

typedef struct hashing {
    fm_panel_entry *entries;
    const char *panels; /* of the first */
} hashing;

static void hash_range(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    hashing *h = context;
    for (int64_t i = begin; i < end; i++)
        h->entries[i].hash = hash_of(&h->entries[i], h->panels + (h->entries[i].offset - h->entries[0].offset));
}

fm_status fm_panel_writer_put(fm_panel_writer *w, const void *panels, size_t matrices, fm_pool *pool,
                              fm_error *err) {
    if (matrices == 0) return FM_OK;
    assert(matrices <= w->n - w->written);
    hashing h = {&w->entries[w->written], panels};
    const fm_panel_entry *last = &h.entries[matrices - 1];
    fm_pool_for(pool, (int64_t)matrices, 1, hash_range, &h);
    w->written += matrices;
    return fm_writer_put(w->file, panels, (size_t)(last->offset + last->bytes - h.entries[0].offset), err);
}

fm_status fm_panel_writer_commit(fm_panel_writer *w, fm_error *err) {
    assert(w->written == w->n);
    size_t bytes = w->n * sizeof *w->entries;
    uint64_t hash = fm_hash(w->entries, bytes, w->source);
    fm_status status = fm_writer_put(w->file, w->entries, bytes, err);
    if (status == FM_OK) status = fm_writer_put(w->file, &hash, sizeof hash, err);
    if (status == FM_OK)
        status = fm_writer_commit(w->file, err);
    else
        fm_writer_abort(w->file);
    w->file = NULL;
    return status;
}

void fm_panel_writer_abort(fm_panel_writer *w) {
    fm_writer_abort(w->file);
    w->file = NULL;
}
