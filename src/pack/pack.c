/* pack.c: weight handles: describing, packing, deriving. */
#include "pack/pack.h"

#include <assert.h>
#include <string.h>

static fm_tensor as_matrix(const fm_tensor *t) {
    fm_tensor m = *t;
    m.n_dims = 2;
    m.shape[0] = fm_tensor_rows(t);
    m.shape[1] = fm_tensor_columns(t);
    m.shape[2] = m.shape[3] = 1;
    return m;
}

void fm_weight_init(fm_weight *w, const char *name, const fm_tensor *source) {
    *w = (fm_weight){.name = name, .source = as_matrix(source)};
    w->n_out = w->source.shape[0];
    w->n_in = w->source.shape[1];
    w->panels = (fm_panels){
        .layout = FM_LAYOUT_ROWS, .n_out = w->n_out, .n_in = w->n_in, .rows = w->source};
}

void fm_weight_clear(fm_weight *w) {
    fm_free(w->owned);
    *w = (fm_weight){0};
}

/* ---- packing ----------------------------------------------------------------------------------- */

static fm_panels panels_of(const fm_tensor *t, fm_layout layout) {
    return (fm_panels){.layout = layout,
                       .n_out = t->shape[0],
                       .n_in = t->shape[1],
                       .panel_bytes = fm_layout_panel_bytes(layout, t->shape[1]),
                       .rows = *t};
}

/* SIZE_MAX, which no allocator gives, where the product overflows. */
static size_t bytes_of(const fm_panels *p) {
    size_t bytes;
    return fm_mul_size((size_t)fm_panel_count(p), p->panel_bytes, &bytes) ? bytes : SIZE_MAX;
}

size_t fm_weight_packed_bytes(const fm_weight *w) {
    fm_panels p = panels_of(&w->source, fm_layout_for(&w->source));
    return bytes_of(&p);
}

typedef struct pack_job {
    const fm_tensor *source;
    const fm_panels *panels;
    char *memory;
} pack_job;

static void pack_range(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pack_job *job = context;
    fm_pack_panels(job->panels->layout, job->source, begin, end,
                   job->memory + (size_t)begin * job->panels->panel_bytes);
}

/* Panels per chunk: some 256 KiB, enough to forget the price of handing out a chunk. */
static int64_t grain_of(const fm_panels *p) {
    size_t grain = ((size_t)256 << 10) / p->panel_bytes;
    return grain ? (int64_t)grain : 1;
}

void fm_weight_pack_piece(const fm_weight *w, const fm_tensor *rows, int64_t begin, int64_t end,
                          void *memory) {
    fm_panels panels = panels_of(&w->source, fm_layout_for(&w->source));
    fm_pack_panels(panels.layout, rows, 0, end - begin,
                   (char *)memory + (size_t)begin * panels.panel_bytes);
}

void fm_weight_use_packed(fm_weight *w, const void *memory) {
    w->panels = panels_of(&w->source, fm_layout_for(&w->source));
    w->panels.data = memory;
    w->version++;
}

fm_status fm_weight_pack(fm_weight *w, void *memory, fm_pool *pool, fm_error *err) {
    fm_panels panels = panels_of(&w->source, fm_layout_for(&w->source));
    if (panels.layout == FM_LAYOUT_ROWS) return FM_OK;
    assert(!w->owned && (uintptr_t)memory % 64 == 0);
    size_t bytes = bytes_of(&panels);
    if (!memory) {
        memory = w->owned = fm_alloc(bytes, FM_MEM_WEIGHTS);
        if (!memory) return fm_fail_memory(err, bytes, w->name);
    }
    pack_job job = {&w->source, &panels, memory};
    fm_pool_for(pool, fm_panel_count(&panels), grain_of(&panels), pack_range, &job);
    fm_weight_use_packed(w, memory);
    return FM_OK;
}

/* ---- derived weights --------------------------------------------------------------------------- */

/* An empty weight [n_out, n_in], to be filled panel by panel; in memory of its own if there is none. */
static fm_status begin_weight(fm_weight *w, const char *name, fm_layout layout, int64_t n_out,
                              int64_t n_in, void *memory, fm_error *err) {
    assert(layout == FM_LAYOUT_F32 || layout == FM_LAYOUT_BF16);
    fm_dtype dtype = layout == FM_LAYOUT_BF16 ? FM_DTYPE_BF16 : FM_DTYPE_F32;
    fm_tensor t;
    *w = (fm_weight){.name = name};
    FM_TRY(fm_tensor_init(&t, dtype, 2, (const int64_t[]){n_out, n_in}, NULL, NULL, err));
    fm_weight_init(w, name, &t);
    w->panels = panels_of(&t, layout);
    size_t bytes = bytes_of(&w->panels);
    if (!memory) memory = w->owned = fm_alloc(bytes, FM_MEM_WEIGHTS);
    w->panels.data = memory;
    if (memory) return FM_OK;
    fm_weight_clear(w);
    return fm_fail_memory(err, bytes, name);
}

/* Rows [first, first + count) from floats; `first` begins a panel, and `count` ends one unless it
 * ends the matrix. `narrow` holds count * n_in halves where the layout is BF16. */
static void put_rows(fm_weight *w, int64_t first, int64_t count, const float *values,
                     uint16_t *narrow) {
    fm_tensor t = w->source;
    t.shape[0] = count;
    t.data = values;
    if (t.dtype == FM_DTYPE_BF16) {
        fm_dtype_get(FM_DTYPE_BF16)->encode(values, narrow, count * w->n_in);
        t.data = narrow;
    }
    fm_pack_panels(w->panels.layout, &t, 0, (count + FM_PANEL - 1) / FM_PANEL,
                   (char *)(uintptr_t)w->panels.data +
                       (size_t)(first / FM_PANEL) * w->panels.panel_bytes);
}

fm_status fm_weight_from_floats(fm_weight *w, const char *name, const float *values, int64_t n_out,
                                int64_t n_in, fm_layout layout, fm_error *err) {
    FM_TRY(begin_weight(w, name, layout, n_out, n_in, NULL, err));
    uint16_t *narrow = NULL;
    if (layout == FM_LAYOUT_BF16) {
        size_t bytes = (size_t)n_in * FM_PANEL * sizeof *narrow;
        narrow = fm_alloc(bytes, FM_MEM_OTHER);
        if (!narrow) {
            fm_weight_clear(w);
            return fm_fail_memory(err, bytes, name);
        }
    }
    for (int64_t row = 0; row < n_out; row += FM_PANEL)
        put_rows(w, row, n_out - row < FM_PANEL ? n_out - row : FM_PANEL, values + row * n_in,
                 narrow);
    fm_free(narrow);
    w->version = 1;
    return FM_OK;
}
