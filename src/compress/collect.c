#include "compress/collect.h"

#include "compress/job.h"
#include "format/gguf_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One tally and the weights that read the same input. */
typedef struct entry {
    fm_tally tally;
    fm_role role;
    int64_t layer;
} entry;

typedef struct collection {
    const fm_model *model;
    const fm_collect_options *options;
    fm_arena arena; /* entries, sums */
    entry **entries;
    size_t n, capacity;
    bool failed;    /* out of memory while recording */
    fm_kv_shape kv;
    void **pages;
    int64_t n_pages;
    fm_plan *plan;
    fm_error *err;
} collection;

/* ---- tallies ---------------------------------------------------------------------------------*/

static fm_tally *on_tally(void *context, fm_role role, int64_t layer, int64_t parts, int64_t columns) {
    collection *c = context;
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 256;
        void *p = fm_realloc(c->entries, capacity * sizeof *c->entries, FM_MEM_OTHER);
        if (!p) {
            c->failed = true;
            return NULL;
        }
        c->entries = p;
        c->capacity = capacity;
    }
    entry *e = fm_arena_alloc(&c->arena, sizeof *e);
    double *sums = fm_arena_array(&c->arena, (size_t)(parts * columns + parts), sizeof *sums);
    if (!e || !sums) {
        c->failed = true;
        return NULL;
    }
    *e = (entry){.tally = {parts, columns, sums, sums + parts * columns}, .role = role, .layer = layer};
    c->entries[c->n++] = e;
    return &e->tally;
}

/* The weights that read what `role` reads, itself first; ends with FM_ROLES. */
static const fm_role *readers_of(const fm_config *c, fm_role role) {
    static const fm_role q_of_gqa[] = {FM_ROLE_Q, FM_ROLE_K, FM_ROLE_V, FM_ROLES};
    static const fm_role q_of_mla[] = {FM_ROLE_Q, FM_ROLE_KV_A, FM_ROLES};
    static const fm_role q_a[] = {FM_ROLE_Q_A, FM_ROLE_KV_A, FM_ROLES};
    static const fm_role gate[] = {FM_ROLE_GATE, FM_ROLE_UP, FM_ROLES};
    static const fm_role shared[] = {FM_ROLE_SHARED_GATE, FM_ROLE_SHARED_UP, FM_ROLES};
    static const fm_role expert[] = {FM_ROLE_EXPERT_GATE, FM_ROLE_EXPERT_UP, FM_ROLE_EXPERT_GATE_UP,
                                     FM_ROLES};
    static const fm_role embed[] = {FM_ROLE_EMBED, FM_ROLES};
    static const fm_role single[FM_ROLES][2] = {
        [FM_ROLE_O] = {FM_ROLE_O, FM_ROLES},       [FM_ROLE_Q_B] = {FM_ROLE_Q_B, FM_ROLES},
        [FM_ROLE_KV_B] = {FM_ROLE_KV_B, FM_ROLES}, [FM_ROLE_K_B] = {FM_ROLE_K_B, FM_ROLES},
        [FM_ROLE_V_B] = {FM_ROLE_V_B, FM_ROLES},   [FM_ROLE_DOWN] = {FM_ROLE_DOWN, FM_ROLES},
        [FM_ROLE_HEAD] = {FM_ROLE_HEAD, FM_ROLES},
        [FM_ROLE_SHARED_DOWN] = {FM_ROLE_SHARED_DOWN, FM_ROLES},
        [FM_ROLE_EXPERT_DOWN] = {FM_ROLE_EXPERT_DOWN, FM_ROLES}};
    switch (role) {
    case FM_ROLE_Q: return c->mla ? q_of_mla : q_of_gqa;
    case FM_ROLE_Q_A: return q_a;
    case FM_ROLE_GATE: return gate;
    case FM_ROLE_SHARED_GATE: return shared;
    case FM_ROLE_EXPERT_GATE: return expert;
    case FM_ROLE_HEAD: return c->tie_word_embeddings ? embed : single[role];
    default: return single[role];
    }
}

/* ---- running ---------------------------------------------------------------------------------*/

static fm_status record(collection *c) {
    const fm_collect_options *o = c->options;
    fm_plan_options options = {.rows = o->context, .outputs = 1, .kernels = o->kernels, .pool = o->pool,
                               .routed = c->model->gate.per_token};
    fm_watcher watcher = {on_tally, c};
    fm_record_options what = {.watcher = &watcher};
    size_t bytes;
    FM_TRY(fm_plan_new(&options, &c->plan, c->err));
    FM_TRY(fm_model_record(c->model, &what, c->plan, c->err));
    if (c->failed) return fm_fail_memory(c->err, 0, "sums of activations");
    FM_TRY(fm_plan_place(c->plan, &bytes, c->err));
    FM_TRY(fm_model_kv_shape(c->model, FM_KV_F32, &c->kv, c->err));
    c->n_pages = (o->context + c->kv.page_positions - 1) / c->kv.page_positions;
    uint64_t need = bytes + (uint64_t)c->n_pages * c->kv.page_bytes, available = fm_mem_available();
    if (available && need > available)
        return fm_fail(c->err, FM_ERR_MEMORY,
                       "windows of %lld tokens need %llu MiB and %llu MiB are available: give shorter ones",
                       (long long)o->context, (unsigned long long)(need >> 20),
                       (unsigned long long)(available >> 20));
    c->pages = fm_alloc_array((size_t)c->n_pages, sizeof *c->pages, FM_MEM_CACHE);
    if (!c->pages) return fm_fail_memory(c->err, (size_t)c->n_pages * sizeof *c->pages, "a list of pages");
    for (int64_t i = 0; i < c->n_pages; i++)
        if (!(c->pages[i] = fm_alloc(c->kv.page_bytes, FM_MEM_CACHE)))
            return fm_fail_memory(c->err, c->kv.page_bytes, "keys and values");
    return fm_plan_allocate(c->plan, c->err);
}

static fm_status run_windows(collection *c, const int32_t *ids, int64_t windows) {
    const fm_collect_options *o = c->options;
    int32_t *window = fm_alloc_array((size_t)o->context, sizeof *window, FM_MEM_OTHER);
    fm_status status = window ? FM_OK : fm_fail_memory(c->err, (size_t)o->context * 4, "a window");
    int32_t last = (int32_t)(o->context - 1);
    fm_segment segment = {.count = o->context, .pages = c->pages};
    fm_step step = {.n_rows = o->context, .ids = window, .n_segments = 1, .segments = &segment,
                    .n_outputs = 1, .output_rows = &last, .kv = &c->kv};
    for (int64_t w = 0; w < windows && status == FM_OK; w++) {
        memcpy(window, ids + w * o->context, (size_t)o->context * sizeof *window);
        if (o->bos >= 0) window[0] = o->bos;
        status = fm_plan_run(c->plan, &step, c->err);
        double fraction = (double)(w + 1) / (double)windows;
        if (status == FM_OK && o->progress && !o->progress(o->progress_context, fraction))
            status = fm_fail(c->err, FM_ERR_CANCELLED, "stopped");
    }
    fm_free(window);
    return status;
}

/* ---- the file --------------------------------------------------------------------------------*/

typedef struct output {
    fm_safetensors_item *items;
    const double **values; /* of each item */
    size_t n;
    fm_collected *result;
} output;

static fm_status add_item(collection *c, output *out, const char *name, const char *ending, int64_t rows,
                          int64_t columns, const double *values) {
    char *full = fm_arena_format(&c->arena, "%s.%s", name, ending);
    if (!full) return fm_fail_memory(c->err, 64, "a name");
    out->items[out->n] = (fm_safetensors_item){.name = full, .n_dims = 2, .shape = {rows, columns, 1, 1}};
    out->values[out->n++] = values;
    return FM_OK;
}

/* Activations that are no numbers would make a file that says nothing. */
static fm_status check_entry(collection *c, const entry *e, output *out) {
    const fm_tally *t = &e->tally;
    double sum = 0;
    for (int64_t i = 0; i < t->parts * t->columns; i++) sum += t->squares[i];
    for (int64_t p = 0; p < t->parts && e->role == FM_ROLE_EXPERT_GATE; p++)
        out->result->unseen += t->rows[p] == 0;
    if (isfinite(sum)) return FM_OK;
    return fm_fail(c->err, FM_ERR_FORMAT, "layer %lld: the model's activations are no numbers",
                   (long long)e->layer);
}

static fm_status list_items(collection *c, output *out) {
    for (size_t i = 0; i < c->n; i++) {
        const entry *e = c->entries[i];
        const fm_tally *t = &e->tally;
        FM_TRY(check_entry(c, e, out));
        for (const fm_role *role = readers_of(&c->model->config, e->role); *role != FM_ROLES; role++) {
            char name[FM_NAME_MAX];
            fm_tensor_file_name(*role, true, e->layer, 0, name);
            FM_TRY(add_item(c, out, name, "in_sum2", t->parts, t->columns, t->squares));
            FM_TRY(add_item(c, out, name, "counts", t->parts, 1, t->rows));
            out->result->weights++;
        }
    }
    return FM_OK;
}

static fm_status put_item(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    const output *out = context;
    int64_t n = out->items[i].shape[0] * out->items[i].shape[1];
    for (int64_t k = 0; k < n; k++) {
        float value = (float)out->values[i][k];
        FM_TRY(fm_item_put(sink, &value, sizeof value, err));
    }
    return FM_OK;
}

static fm_status write_file(collection *c, const char *path, fm_collected *result) {
    enum { MOST_READERS = 3 };
    const fm_collect_options *o = c->options;
    fm_gguf_head head = {0};
    output out = {.result = result};
    size_t most = 2 * MOST_READERS * c->n + 1;
    out.items = fm_alloc_array(most, sizeof *out.items, FM_MEM_OTHER);
    out.values = fm_alloc_array(most, sizeof *out.values, FM_MEM_OTHER);
    fm_status status = out.items && out.values ? list_items(c, &out) : fm_fail_memory(c->err, most, "a list");
    fm_gguf_put_string(&head, "general.type", "imatrix", 7);
    fm_gguf_put_strings(&head, "imatrix.datasets", &(fm_string){o->label, strlen(o->label)}, 1);
    fm_gguf_put_u32(&head, "imatrix.chunk_count", (uint32_t)result->windows);
    fm_gguf_put_u32(&head, "imatrix.chunk_size", (uint32_t)o->context);
    if (status == FM_OK) status = fm_gguf_write(path, &head, out.items, out.n, put_item, &out, c->err);
    fm_gguf_head_clear(&head);
    fm_free(out.items);
    fm_free(out.values);
    return status;
}

/* ---- the whole -------------------------------------------------------------------------------*/

static fm_status collect(collection *c, const int32_t *ids, int64_t n, const char *path, fm_collected *result) {
    const fm_collect_options *o = c->options;
    result->windows = n / o->context;
    if (o->limit && result->windows > o->limit) result->windows = o->limit;
    result->tokens = result->windows * o->context;
    if (result->windows == 0)
        return fm_fail(c->err, FM_ERR_ARGUMENT, "the text has %lld tokens, which do not fill one window of %lld: "
                       "give a longer text or a shorter window", (long long)n, (long long)o->context);
    FM_TRY(fm_job_check_file(path, o->force, c->err));
    FM_TRY(record(c));
    FM_TRY(run_windows(c, ids, result->windows));
    return write_file(c, path, result);
}

fm_status fm_collect(const fm_model *model, const int32_t *ids, int64_t n, const char *path,
                     const fm_collect_options *options, fm_collected *result, fm_error *err) {
    collection c = {.model = model, .options = options, .err = err};
    *result = (fm_collected){0};
    fm_status status = collect(&c, ids, n, path, result);
    fm_plan_free(c.plan);
    for (int64_t i = 0; c.pages && i < c.n_pages; i++) fm_free(c.pages[i]);
    fm_free(c.pages);
    fm_free(c.entries);
    fm_arena_clear(&c.arena);
    return status;
}
