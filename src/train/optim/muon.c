/* muon.c: momentum whose matrix is made nearly orthogonal before it is added (Jordan et al. 2024), scaled so
 * that an update has the size that AdamW's have (Liu et al. 2025, "Muon is scalable for LLM training").
 *
 *     m = mu m + g               u = g + mu m                         (Nesterov)
 *     O = NewtonSchulz(u)        w = w (1 - rate decay) - rate rms sqrt(max(rows, columns)) O
 *
 * Newton-Schulz: X = u / |u|, then a few times A = X X^T, X = a X + (b A + c A A) X, with a, b, c of a quintic
 * that takes every singular value to about 1. The wide side of X is its columns; a tall matrix is turned. */
#include "train/optim/optim.h"

#include "kernel/matmul.h"

#include <math.h>
#include <string.h>

/* Hidden matrices: embedding, head and router look up or choose, they do not map. */
static bool takes(const fm_learned *t) {
    return (t->kind == FM_LEARNED_MATRIX || t->kind == FM_LEARNED_EXPERT) && t->rows > 1 && t->columns > 1;
}

static int64_t up(int64_t n) { return (n + FM_PANEL - 1) / FM_PANEL * FM_PANEL; }

typedef struct shape {
    int64_t short_side, long_side;
    size_t x, a, panels; /* floats */
} shape;

static shape shape_of(const fm_learned *t) {
    shape s = {t->rows < t->columns ? t->rows : t->columns, t->rows < t->columns ? t->columns : t->rows};
    s.x = (size_t)(s.short_side * up(s.long_side));
    s.a = (size_t)(s.short_side * up(s.short_side));
    s.panels = (size_t)(up(s.long_side) * up(s.short_side));
    return s;
}

static size_t scratch(const fm_learned *t) {
    shape s = shape_of(t);
    return 2 * s.x + 2 * s.a + s.panels + FM_MATMUL_SCRATCH + 5 * FM_PANEL;
}

/* Panels of w [n, k]: w[row][i] at w[row * by_row + i * by_k]. */
static fm_panels pack(const float *w, int64_t n, int64_t k, int64_t by_row, int64_t by_k, float *out) {
    for (int64_t p = 0; p * FM_PANEL < n; p++)
        for (int64_t i = 0; i < k; i++)
            for (int64_t lane = 0; lane < FM_PANEL; lane++) {
                int64_t row = p * FM_PANEL + lane;
                out[(p * k + i) * FM_PANEL + lane] = row < n ? w[row * by_row + i * by_k] : 0;
            }
    return (fm_panels){.layout = FM_LAYOUT_F32, .n_out = n, .n_in = k, .data = out,
                       .panel_bytes = fm_layout_panel_bytes(FM_LAYOUT_F32, k)};
}

/* y [rows, n_out] = x w^T, with rows of x and y `ldx` and `ldy` apart. */
static void product(const fm_kernels *k, const float *x, int64_t ldx, int64_t rows, const fm_panels *w,
                    float *y, int64_t ldy, float *tiles) {
    fm_matmul(k, w, 0, fm_panel_count(w), x, ldx, rows, y, ldy, tiles);
}

/* Memory for one matrix, carved from a worker's scratch, each 64-byte aligned. */
typedef struct work {
    float *x, *next;   /* [short, up(long)] */
    float *a, *square; /* [short, up(short)] */
    float *panels, *tiles;
} work;

static float *carve(float **at, size_t n) {
    float *p = (float *)(((uintptr_t)*at + 63) & ~(uintptr_t)63);
    *at = p + n;
    return p;
}

static work divide(float *memory, const shape *s) {
    work w;
    w.tiles = carve(&memory, FM_MATMUL_SCRATCH);
    w.x = carve(&memory, s->x);
    w.next = carve(&memory, s->x);
    w.a = carve(&memory, s->a);
    w.square = carve(&memory, s->a);
    w.panels = carve(&memory, s->panels);
    return w;
}

static void newton_schulz(const fm_kernels *k, const shape *s, work *w, int64_t iterations) {
    const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    int64_t n = s->short_side, m = s->long_side, ldx = up(m), lda = up(n);
    for (int64_t step = 0; step < iterations; step++) {
        fm_panels of_x = pack(w->x, n, m, ldx, 1, w->panels);
        product(k, w->x, ldx, n, &of_x, w->a, lda, w->tiles);
        fm_panels of_a = pack(w->a, n, n, lda, 1, w->panels); /* A is its own transpose */
        product(k, w->a, lda, n, &of_a, w->square, lda, w->tiles);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                w->a[i * lda + j] = b * w->a[i * lda + j] + c * w->square[i * lda + j];
        fm_panels turned = pack(w->x, m, n, 1, ldx, w->panels);
        product(k, w->a, lda, n, &turned, w->next, ldx, w->tiles);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < m; j++)
                w->x[i * ldx + j] = a * w->x[i * ldx + j] + w->next[i * ldx + j];
    }
}

/* Advances the momentum and puts the direction into x, turned where it is tall, divided by its norm.
 * False where there is nothing to go by: a zero gradient of an expert that nobody chose. */
static bool direction(const fm_optim_call *c, const shape *s, float *x) {
    const fm_learned *t = c->tensor;
    float mu = (float)c->options->momentum, factor = (float)c->factor;
    bool tall = t->rows > t->columns;
    int64_t ldx = up(s->long_side);
    double sum = 0;
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t q = 0; q < t->columns; q++) {
            float g = t->grad[r * t->columns + q] * factor;
            float *m = &c->moment[0][r * t->columns + q];
            *m = mu * *m + g;
            float u = g + mu * *m;
            sum += (double)u * (double)u;
            x[tall ? q * ldx + r : r * ldx + q] = u;
        }
    if (!(sum > 0)) return false;
    float scale = (float)(1 / sqrt(sum));
    for (int64_t i = 0; i < s->short_side; i++)
        for (int64_t j = 0; j < s->long_side; j++) x[i * ldx + j] *= scale;
    return true;
}

static void update(const fm_optim_call *c) {
    const fm_learned *t = c->tensor;
    shape s = shape_of(t);
    work w = divide(c->scratch, &s);
    bool moves = direction(c, &s, w.x), tall = t->rows > t->columns;
    float keep = (float)(1 - c->rate * c->decay);
    float rate = (float)(c->rate * c->options->rms * sqrt((double)s.long_side));
    int64_t ldx = up(s.long_side);
    if (moves) newton_schulz(c->options->kernels, &s, &w, c->options->iterations);
    else rate = 0;
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t q = 0; q < t->columns; q++) {
            float *at = &t->value[r * t->columns + q];
            *at = keep * *at - (moves ? rate * w.x[tall ? q * ldx + r : r * ldx + q] : 0);
        }
}

const fm_optim_rule fm_optim_muon = {
    .name = "muon",
    .help = "Orthogonalised momentum for hidden matrices, each expert's by itself; AdamW for the others",
    .moments = {"momentum"},
    .whole = true,
    .takes = takes,
    .scratch = scratch,
    .update = update,
};
