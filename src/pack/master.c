#include "pack/master.h"

#include <assert.h>

enum { ROWS = 128 }; /* of a master at a time */

static fm_panels panels_of(const fm_weight *w, fm_word_form form, int64_t n_out, int64_t n_in) {
    bool halves = form == FM_WORDS_BF16;
    fm_panels p = {.layout = halves ? FM_LAYOUT_BF16 : FM_LAYOUT_F32, .n_out = n_out, .n_in = n_in,
                   .rows = w->source};
    p.rows.dtype = halves ? FM_DTYPE_BF16 : FM_DTYPE_F32;
    p.rows.data = NULL;
    p.panel_bytes = (size_t)fm_words_panel_step(fm_words_count(form, n_in)) * sizeof(uint32_t);
    return p;
}

static size_t bytes_of(const fm_panels *p) {
    size_t bytes;
    return fm_mul_size((size_t)fm_panel_count(p), p->panel_bytes, &bytes) ? bytes : SIZE_MAX;
}

size_t fm_weight_copies_bytes(const fm_weight *w, fm_word_form form) {
    fm_panels panels = panels_of(w, form, w->n_out, w->n_in), turned = panels_of(w, form, w->n_in, w->n_out);
    size_t a = bytes_of(&panels), b = bytes_of(&turned);
    return a < SIZE_MAX - b ? a + b : SIZE_MAX;
}

void fm_weight_use_copies(fm_weight *w, fm_word_form form, void *memory) {
    assert((uintptr_t)memory % 64 == 0);
    fm_panels panels = panels_of(w, form, w->n_out, w->n_in), turned = panels_of(w, form, w->n_in, w->n_out);
    panels.data = memory;
    turned.data = (char *)memory + bytes_of(&panels);
    w->panels = panels;
    w->turned = turned;
}

static int64_t pieces_of(const fm_weight *w) { return (w->n_out + ROWS - 1) / ROWS; }

/* Where word `at` of panel 0 lies in a copy that is ours to write. */
static uint32_t *words_at(const fm_panels *p, int64_t at) {
    return (uint32_t *)(uintptr_t)p->data + at * FM_PANEL;
}

static void refresh_rows(const fm_kernels *k, const fm_weight *w, int64_t row) {
    fm_word_form form = w->panels.layout == FM_LAYOUT_BF16 ? FM_WORDS_BF16 : FM_WORDS_F32;
    const float *rows = w->master + row * w->n_in;
    int64_t n = w->n_out - row < ROWS ? w->n_out - row : ROWS;
    int64_t step = (int64_t)(w->panels.panel_bytes / sizeof(uint32_t));
    for (int64_t r = 0; r < n; r += FM_PANEL)
        k->words_of_rows[form](rows + r * w->n_in, w->n_in, n - r < FM_PANEL ? n - r : FM_PANEL, w->n_in,
                               words_at(&w->panels, 0) + (row + r) / FM_PANEL * step);
    k->words_of_columns[form](rows, w->n_in, NULL, n, w->n_in,
                              words_at(&w->turned, fm_words_count(form, row)),
                              (int64_t)(w->turned.panel_bytes / sizeof(uint32_t)));
}

typedef struct job {
    const fm_kernels *k;
    fm_weight *const *weights;
} job;

static void refresh_pieces(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    fm_weight *const *w = j->weights;
    int64_t first = 0; /* piece of *w */
    for (int64_t i = begin; i < end; i++) {
        while (i - first >= pieces_of(*w)) first += pieces_of(*w++);
        refresh_rows(j->k, *w, (i - first) * ROWS);
    }
}

void fm_weights_refresh(const fm_kernels *k, fm_weight *const *weights, size_t n, fm_pool *pool) {
    int64_t pieces = 0;
    for (size_t i = 0; i < n; i++) {
        assert(weights[i]->master && weights[i]->turned.data);
        pieces += pieces_of(weights[i]);
        weights[i]->version++;
    }
    job j = {k, weights};
    fm_pool_for(pool, pieces, 8, refresh_pieces, &j);
}
