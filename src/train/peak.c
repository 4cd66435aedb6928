#include "train/peak.h"

#include "base/clock.h"
#include "base/mem.h"

enum { WORDS = 512, ROWS = 6, PANELS = 4, COLUMNS = PANELS * 16, TIMES = 64, RESULT = 4096 };

typedef struct probe {
    const fm_kernels *kernels;
    fm_word_form form;
    uint32_t *x, *w; /* zeros: no product takes longer for its numbers */
    float *y;        /* RESULT for each worker */
} probe;

static void multiply(void *context, int64_t begin, int64_t end, int worker) {
    const probe *p = context;
    for (int64_t i = begin; i < end; i++) {
        fm_words_block b = {.n = WORDS, .x = p->x, .x_row = WORDS, .x_word = 1, .rows = ROWS, .w = p->w, .w_panel = 0,
                            .n_panels = PANELS, .columns = COLUMNS, .y = p->y + worker * RESULT, .ldy = COLUMNS};
        for (int k = 0; k < TIMES; k++) p->kernels->words_product[p->form](&b);
    }
}

double fm_measure_peak(const fm_kernels *kernels, fm_word_form form, fm_pool *pool) {
    int threads = fm_pool_threads(pool);
    double per_go = 2.0 * ROWS * COLUMNS * WORDS * (form == FM_WORDS_BF16 ? 2 : 1) * TIMES * threads, best = 0;
    probe p = {kernels, form, fm_alloc_array(ROWS * WORDS, sizeof(uint32_t), FM_MEM_OTHER),
               fm_alloc_array(16 * WORDS, sizeof(uint32_t), FM_MEM_OTHER),
               fm_alloc_array((size_t)threads * RESULT, sizeof(float), FM_MEM_OTHER)};
    double began = fm_clock_seconds();
    while (p.x && p.w && p.y && fm_clock_seconds() - began < 0.1) {
        double start = fm_clock_seconds();
        fm_pool_for(pool, threads, 1, multiply, &p);
        double rate = per_go / (fm_clock_seconds() - start);
        if (rate > best) best = rate;
    }
    fm_free(p.x);
    fm_free(p.w);
    fm_free(p.y);
    return best;
}
