#include "model/panels.h"

#include "base/hash.h"
#include "model/lazy.h"
#include "model/pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

char *fm_panels_path(const fm_store *s) {
    static const char ending[] = ".panels";
    if (fm_store_folder(s)) return fm_path_join(fm_store_folder(s), "model.panels");
    const char *file = fm_store_shard_path(s, 0);
    char *path = fm_alloc(strlen(file) + sizeof ending, FM_MEM_OTHER);
    if (path) memcpy(mempcpy(path, file, strlen(file)), ending, sizeof ending);
    return path;
}

/* ---- order and keys ---------------------------------------------------------------------------- */

/* The order in the file. */
static int by_use(const void *a, const void *b) {
    const fm_binding *x = a, *y = b;
    if (!x->moe != !y->moe) return x->moe ? 1 : -1;
    if (!x->moe) return fm_binding_by_place(a, b);
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    if (x->expert != y->expert) return x->expert < y->expert ? -1 : 1;
    return x->matrix - y->matrix;
}

static uint64_t key_of(const fm_binding *b) {
    size_t from = (size_t)((const char *)b->slice.data - (const char *)b->entry->tensor.data);
    return fm_panel_key(b->weight, (int64_t)(from / b->slice.row_bytes));
}

/* ---- making ------------------------------------------------------------------------------------ */

enum { GROUP = 128 << 20 }; /* bytes of panels that are packed together, or a single matrix of more */

typedef struct making {
    fm_model *model;
    fm_pool *pool;
    fm_panel_writer writer;
    const fm_binding **bindings; /* [writer.n]: those that have panels */
    char *group;
    size_t group_bytes;          /* of the largest */
    uint64_t done, total;        /* bytes of panels: for progress */
    uint64_t now;                /* of the group that is being packed */
    bool forget;
    bool (*progress)(void *context, double fraction);
    void *context;
} making;

/* How many matrices from the first on are packed together. */
static size_t group_from(const making *m, size_t first, size_t *bytes) {
    size_t n = 0;
    *bytes = 0;
    while (first + n < m->writer.n && (n == 0 || *bytes + m->writer.entries[first + n].bytes <= GROUP))
        *bytes += (size_t)m->writer.entries[first + n++].bytes;
    return n;
}

static fm_status list(making *m, fm_panel_entry **entries, fm_error *err) {
    const fm_model *model = m->model;
    size_t room = model->n_bindings ? model->n_bindings : 1;
    m->bindings = fm_alloc_array(room, sizeof *m->bindings, FM_MEM_OTHER);
    *entries = fm_alloc_array(room, sizeof **entries, FM_MEM_OTHER);
    if (!m->bindings || !*entries) return fm_fail_memory(err, room * sizeof **entries, "the list of matrices");
    m->writer.entries = *entries;
    for (size_t i = 0; i < model->n_bindings; i++) {
        const fm_binding *b = &model->bindings[i];
        size_t bytes = fm_binding_copy_bytes(model, b);
        if (!bytes) continue;
        m->bindings[m->writer.n] = b;
        (*entries)[m->writer.n++] = (fm_panel_entry){.key = key_of(b), .bytes = bytes};
        m->total += bytes;
    }
    for (size_t i = 0, n, bytes; i < m->writer.n; i += n) {
        n = group_from(m, i, &bytes);
        if (bytes > m->group_bytes) m->group_bytes = bytes;
    }
    m->group = fm_alloc(m->group_bytes, FM_MEM_WEIGHTS);
    return m->group ? FM_OK : fm_fail_memory(err, m->group_bytes, "packing");
}

/* A disk that is too small is told before the work, not after. */
static fm_status check_room(const making *m, const char *path, fm_error *err) {
    struct statvfs disk;
    char *folder = fm_strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (!folder) return fm_fail_memory(err, strlen(path), "a path");
    if (slash) slash[slash == folder] = 0;
    bool known = statvfs(slash ? folder : ".", &disk) == 0;
    fm_free(folder);
    double free_bytes = known ? (double)disk.f_bavail * (double)disk.f_frsize : 0;
    if (!known || free_bytes >= (double)m->total) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "the panels take %.2f GiB and the disk of %s has %.2f GiB free: make room, or name "
                   "a file on another", (double)m->total / (1 << 30), path, free_bytes / (1 << 30));
}

static bool group_progress(void *context, double fraction) {
    making *m = context;
    double done = (double)m->done + fraction * (double)m->now;
    return !m->progress || m->progress(m->context, done / (double)m->total);
}

static fm_status pack_group(making *m, size_t first, size_t n, fm_error *err) {
    fm_pieces p = {0};
    size_t pieces = 0;
    for (size_t i = 0; i < n; i++) pieces += fm_pieces_of(m->bindings[first + i]);
    FM_TRY(fm_pieces_begin(&p, m->model->store, m->pool, pieces, err));
    char *copy = m->group;
    for (size_t i = 0; i < n; copy += m->writer.entries[first + i++].bytes)
        fm_pieces_add(&p, m->bindings[first + i], copy);
    p.forget = m->forget;
    p.keep = m->model->embed.source.data;
    fm_status status = fm_pieces_pack(&p, group_progress, m, err);
    fm_pieces_end(&p);
    return status;
}

static fm_status write_groups(making *m, fm_error *err) {
    for (size_t i = 0, n, bytes; i < m->writer.n; i += n, m->done += bytes) {
        n = group_from(m, i, &bytes);
        m->now = bytes;
        FM_TRY(pack_group(m, i, n, err));
        for (size_t k = i; k < i + n; k++)
            m->writer.entries[k].sample = fm_binding_fingerprint(m->model->store, m->bindings[k]);
        FM_TRY(fm_panel_writer_put(&m->writer, m->group, n, m->pool, err));
    }
    return FM_OK;
}

/* What was read may not be what was there when the files were opened. */
static fm_status check_sources(const fm_model *model, fm_error *err) {
    for (size_t i = 0; i < fm_store_count(model->store); i++)
        FM_TRY(fm_store_unchanged(model->store, fm_store_at(model->store, i)->tensor.data, err));
    return FM_OK;
}

static fm_status make(making *m, const char *path, fm_error *err) {
    fm_panel_entry *entries = NULL;
    fm_status status = list(m, &entries, err);
    uint64_t available = fm_mem_available();
    m->forget = available && available < fm_store_bytes(m->model->store) + m->total;
    if (status == FM_OK) status = check_room(m, path, err);
    if (status == FM_OK)
        status = fm_panel_writer_open(&m->writer, path, fm_store_stamp(m->model->store), entries, m->writer.n, err);
    if (status == FM_OK) {
        status = write_groups(m, err);
        if (status == FM_OK) status = check_sources(m->model, err);
        if (status == FM_OK) status = fm_panel_writer_commit(&m->writer, err);
        else fm_panel_writer_abort(&m->writer);
    }
    fm_free(entries);
    fm_free(m->bindings);
    fm_free(m->group);
    return status;
}

fm_status fm_panels_write(fm_model *model, fm_pool *pool, const char *path,
                          bool (*progress)(void *context, double fraction), void *context, fm_error *err) {
    making m = {.model = model, .pool = pool, .progress = progress, .context = context};
    qsort(model->bindings, model->n_bindings, sizeof *model->bindings, by_use);
    return make(&m, path, err);
}

/* ---- using ------------------------------------------------------------------------------------- */

/* Both lists have one order, and the file may have more. */
static fm_status match(fm_model *m, const fm_panel_file *f, fm_error *err) {
    size_t at = 0;
    for (size_t i = 0; i < m->n_bindings; i++) {
        fm_binding *b = &m->bindings[i];
        size_t bytes = fm_binding_copy_bytes(m, b);
        if (!bytes) continue;
        uint64_t key = key_of(b);
        while (at < f->n && f->entries[at].key != key) at++;
        if (at == f->n || f->entries[at].bytes != bytes)
            return fm_fail(err, FM_ERR_FORMAT, "it has no panels of %s as it is now: make it anew (fathom pack)",
                           b->entry->name);
        b->ready = &f->entries[at++];
    }
    return FM_OK;
}

/* The sample of a matrix against what its source has now. */
static fm_status compare(const fm_model *m, const fm_binding *b, fm_error *err) {
    if (!b->ready || b->ready->sample == fm_binding_fingerprint(m->store, b)) return FM_OK;
    return fm_fail(err, FM_ERR_FORMAT, "its panels of %s are of other weights: make it anew (fathom pack)",
                   b->entry->name);
}

/* A few matrices' samples: files may be replaced by others of the same size and time. */
static fm_status touch(const fm_model *m, fm_error *err) {
    enum { TOUCHED = 8 };
    for (size_t i = 0; i < TOUCHED && m->n_bindings; i++)
        FM_TRY(compare(m, &m->bindings[i * (m->n_bindings - 1) / (TOUCHED - 1)], err));
    return FM_OK;
}

static fm_status fit(fm_model *m, const fm_panel_file *f, fm_error *err) {
    if (f->source != fm_store_stamp(m->store))
        return fm_fail(err, FM_ERR_FORMAT, "it was made of other files than %s, or these have changed since: make it "
                       "anew (fathom pack)", fm_store_path(m->store));
    qsort(m->bindings, m->n_bindings, sizeof *m->bindings, by_use);
    FM_TRY(match(m, f, err));
    return touch(m, err);
}

fm_status fm_model_use_panels(fm_model *m, const char *path, fm_error *err) {
    fm_panel_file *f = fm_alloc_zero(sizeof *f, FM_MEM_OTHER);
    if (!f) return fm_fail_memory(err, sizeof *f, path);
    fm_status status = fm_panel_file_open(path, f, err);
    if (status == FM_OK && (status = fit(m, f, err)) != FM_OK) {
        fm_error_prefix(err, status, "%s", path);
        for (size_t i = 0; i < m->n_bindings; i++) m->bindings[i].ready = NULL;
    }
    if (status == FM_OK) {
        m->panels = f;
        for (size_t i = 0; i < m->n_bindings; i++)
            if (m->bindings[i].ready) m->mapped_bytes += m->bindings[i].ready->bytes;
        return FM_OK;
    }
    fm_panel_file_close(f);
    fm_free(f);
    return status;
}

fm_status fm_panels_check(const fm_model *m, fm_pool *pool,
                          bool (*progress)(void *context, double fraction), void *context, fm_error *err) {
    FM_TRY(fm_panel_file_check(m->panels, pool, progress, context, err));
    for (size_t i = 0; i < m->n_bindings; i++) FM_TRY(compare(m, &m->bindings[i], err));
    return FM_OK;
}

/* ---- into memory ------------------------------------------------------------------------------- */

typedef struct populating {
    const fm_panel_file *file;
    size_t first, end; /* bytes of the file that are being read */
    _Atomic bool failed;
    fm_error error;
} populating;

enum { STRETCH = 2 << 20, TOGETHER = 128 };

static void populate_range(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    populating *p = context;
    for (int64_t i = begin; i < end && !atomic_load(&p->failed); i++) {
        size_t at = p->first + (size_t)i * STRETCH, left = p->end - at;
        fm_error err;
        if (fm_map_populate(&p->file->map, at, left < STRETCH ? left : STRETCH, &err) == FM_OK) continue;
        if (!atomic_exchange(&p->failed, true)) p->error = err;
    }
}

/* Where what is needed ends: experts come last. */
static size_t end_of_needed(const fm_model *m) {
    size_t end = m->panels->begin;
    for (size_t i = 0; i < m->n_bindings; i++) {
        const fm_panel_entry *e = fm_packed_later(m, &m->bindings[i]) ? NULL : m->bindings[i].ready;
        if (e && e->offset + e->bytes > end) end = (size_t)(e->offset + e->bytes);
    }
    return end;
}

fm_status fm_panels_populate(const fm_model *m, fm_pool *pool,
                             bool (*progress)(void *context, double fraction), void *context, fm_error *err) {
    const fm_panel_file *f = m->panels;
    uint64_t available = fm_mem_available();
    populating p = {.file = f, .first = f->begin};
    size_t end = end_of_needed(m), all = end - p.first;
    if (available && all > available) end = p.first + (size_t)available; /* the rest comes as it is read */
    fm_map_huge(&f->map);
    for (; p.first < end; p.first = p.end) {
        p.end = end - p.first < (size_t)STRETCH * TOGETHER ? end : p.first + (size_t)STRETCH * TOGETHER;
        fm_pool_for(pool, (int64_t)((p.end - p.first + STRETCH - 1) / STRETCH), 1, populate_range, &p);
        if (atomic_load(&p.failed)) {
            if (err) *err = p.error;
            return fm_error_prefix(err, p.error.code, "the file of panels");
        }
        if (progress && !progress(context, (double)(p.end - f->begin) / (double)all))
            return fm_fail(err, FM_ERR_CANCELLED, "loading was cancelled");
    }
    return FM_OK;
}
