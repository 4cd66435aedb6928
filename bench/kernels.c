/* kernels.c: how fast the kernels are: per CPU level, one thread in cache, then matrix products on
 * all threads from memory. Indicative figures; a quiet machine is the reader's business.
 *
 *   build/tests/kernel/bench_kernels [--cpu=LEVEL] [--threads=N] [--rows] [part of a name]
 *
 * --rows: products of floats with weights as their files have them, not in panels.
 * Names are those of kernel_cases.h, "product int8 q4_k", "product int16 q4_k" and "product f32 q4_k", "learning bf16",
 * "pack q4_k". */
#include "../tests/kernel/kernel_cases.h"

#include "base/clock.h"
#include "base/pool.h"

#include <ctype.h>

/* The thread's own processor time: neighbours on a busy machine disturb it less. */
static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best of several runs, each long enough to time: seconds per call. */
static double seconds_per_call(double (*clock)(void), void (*call)(void *), void *context) {
    double best = 1e9;
    int64_t calls = 1;
    for (int run = 0; run < 7; run++) {
        double begin = clock();
        for (int64_t i = 0; i < calls; i++) call(context);
        double seconds = (clock() - begin) / (double)calls;
        if (seconds < best) best = seconds;
        if (seconds * (double)calls < 0.005) calls = (int64_t)(0.01 / (seconds + 1e-9)) + 1;
    }
    return best;
}

typedef struct timed_case {
    const kernel_case *kc;
    const fm_kernels *k;
    case_data c;
} timed_case;

static void call_case(void *context) {
    timed_case *t = context;
    t->kc->call(t->k, &t->c);
}

static void bench_case(const kernel_case *kc, const fm_kernels *k) {
    dice d = {.seed = 2};
    timed_case t = {kc, k, {.rows = kc->rows, .n = kc->n, .d = kc->d}};
    if (kc->make)
        kc->make(&d, &t.c);
    else
        make_weight(&d, &t.c, kc->dtype, kc->call != call_unpack_rows);
    make_codes_of_case(&d, &t.c, kc->call);
    if (t.c.a) /* specials would time the slow paths of the processor */
        roll_floats(&d, t.c.a, kc->make ? t.c.rows * (t.c.lda ? t.c.lda : t.c.n) : t.c.n);
    memcpy(t.c.out, t.c.start, (size_t)t.c.out_floats * sizeof *t.c.out);
    double seconds = seconds_per_call(thread_seconds, call_case, &t);
    printf("  %-18s", kc->name);
    if (kc->macs) printf(" %8.1f GMAC/s", kc->macs(&t.c) / seconds * 1e-9);
    else printf(" %8.2f Gelem/s", (double)t.c.n / seconds * 1e-9);
    if (kc->bytes) printf(" %8.1f GB/s", kc->bytes(&t.c) / seconds * 1e-9);
    printf("\n");
    case_free(&t.c);
}

/* ---- products of matrices on all threads, from memory ------------------------------------------ */

typedef struct product {
    const fm_kernels *k;
    fm_panels w;
    const char *data; /* of w */
    fm_pool *pool;
    float *x, *y, *scratch;
    fm_codes_form form;
    char *codes; /* of x; NULL: the product of floats */
    int64_t rows;
    size_t bytes;
    volatile uint64_t sum;
} product;

static void multiply_range(void *context, int64_t begin, int64_t end, int worker) {
    product *p = context;
    float *scratch = p->scratch + worker * FM_MATMUL_SCRATCH;
    if (p->codes)
        fm_matmul_codes(p->k, p->form, &p->w, begin, end, p->codes, fm_codes_blocks(p->w.n_in), p->rows, p->y,
                        p->w.n_out, scratch);
    else
        fm_matmul(p->k, &p->w, begin, end, p->x, p->w.n_in, p->rows, p->y, p->w.n_out, scratch);
}

static void multiply(void *context) {
    product *p = context;
    fm_pool_for(p->pool, fm_panel_count(&p->w), 16, multiply_range, p);
}

static void read_range(void *context, int64_t begin, int64_t end, int worker) {
    product *p = context;
    (void)worker;
    uint64_t sum[8] = {0};
    const uint64_t *v = (const void *)p->data;
    for (size_t i = (size_t)begin * 512; i < (size_t)end * 512; i += 8)
        for (int j = 0; j < 8; j++) sum[j] ^= v[i + (size_t)j];
    for (int j = 1; j < 8; j++) sum[0] ^= sum[j];
    p->sum ^= sum[0];
}

static void read_all(void *context) {
    product *p = context;
    fm_pool_for(p->pool, (int64_t)(p->bytes / 4096), 64, read_range, p);
}

static double (*clock_of(const fm_pool *pool))(void) {
    return fm_pool_threads(pool) == 1 ? thread_seconds : fm_clock_seconds;
}

enum { N_IN = 2048, MEMORY = 256 << 20, MOST_ROWS = 512 };

typedef enum product_kind { FLOATS, ONE_BYTE, TWO_BYTES, KINDS } product_kind;
static const char *const kind_names[] = {"f32", "int8", "int16"};

/* One row over all the memory, then more rows over a matrix of a usual size. */
static void time_product(product *p, const char *name, product_kind kind) {
    static const int64_t row_counts[] = {1, 2, 4, 8, 12, 16, 48, 128, 512};
    int64_t n_out = p->w.n_out;
    if (kind != FLOATS) {
        p->form = kind == ONE_BYTE ? FM_CODES_8 : FM_CODES_16;
        size_t row = (size_t)fm_codes_blocks(N_IN) * fm_codes_block_bytes(p->form);
        p->codes = fm_alloc(MOST_ROWS * row, FM_MEM_OTHER);
        assert_non_null(p->codes);
        for (int64_t m = 0; m < MOST_ROWS; m++)
            p->k->codes_from_float[p->form](p->x + m * N_IN, N_IN, p->codes + (size_t)m * row);
    }
    double probe = (double)p->bytes / seconds_per_call(clock_of(p->pool), read_all, p) * 1e-9;
    printf("  %-7s %-5s read %5.1f GB/s;", name, kind_names[kind], probe);
    for (size_t i = 0; i < FM_COUNT(row_counts); i++) {
        p->rows = row_counts[i];
        if (p->rows > 1) p->w.n_out = 4096; /* a real matrix, from L3 or memory */
        double seconds = seconds_per_call(clock_of(p->pool), multiply, p);
        double macs = (double)p->rows * (double)p->w.n_out * N_IN;
        if (p->rows == 1) printf(" row %5.1f GB/s;", (double)p->bytes / seconds * 1e-9);
        else printf(" %lld: %.0f", (long long)p->rows, macs / seconds * 1e-9);
    }
    printf(" GMAC/s\n");
    p->w.n_out = n_out;
    fm_free(p->codes);
    p->codes = NULL;
}

static bool is_wanted(const char *what, fm_dtype dtype, const char *filter) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", what, fm_dtype_get(dtype)->name);
    for (char *c = name; *c; c++) *c = (char)tolower((unsigned char)*c);
    return strstr(name, filter) != NULL;
}

static void bench_product(fm_dtype dtype, const fm_kernels *k, fm_pool *pool, bool rows,
                          const char *filter) {
    bool wanted[KINDS], some = false;
    for (int kind = 0; kind < KINDS; kind++) {
        char what[32];
        snprintf(what, sizeof what, "product %s", kind_names[kind]);
        wanted[kind] = is_wanted(what, dtype, filter) &&
                       (kind == FLOATS || k->codes_product[0][fm_layout_for(&(fm_tensor){.dtype = dtype})]);
        some |= wanted[kind];
    }
    if (!some) return;
    fm_error err;
    dice d = {.seed = 3};
    random_tensor t = roll_tensor(&d, dtype, 64, N_IN, dtype == FM_DTYPE_F8_E4M3);
    fm_weight w;
    fm_weight_init(&w, "bench", &t.t);
    if (!rows) assert_ok(fm_weight_pack(&w, NULL, NULL, &err));
    product p = {.k = k, .w = w.panels, .pool = pool};
    size_t unit = rows ? fm_tensor_bytes(&t.t) : 4 * w.panels.panel_bytes;
    int64_t copies = (int64_t)(MEMORY / unit);
    p.bytes = (size_t)copies * unit;
    char *memory = fm_alloc(p.bytes, FM_MEM_WEIGHTS);
    p.w.n_out = 64 * copies;
    p.x = fm_alloc((size_t)MOST_ROWS * N_IN * sizeof(float), FM_MEM_OTHER);
    p.y = fm_alloc((size_t)MOST_ROWS * (size_t)p.w.n_out * sizeof(float), FM_MEM_OTHER);
    p.scratch = fm_alloc((size_t)fm_pool_threads(pool) * FM_MATMUL_SCRATCH * sizeof(float),
                         FM_MEM_OTHER);
    assert_true(memory && p.x && p.y && p.scratch);
    for (int64_t i = 0; i < copies; i++) memcpy(memory + (size_t)i * unit, rows ? t.t.data : w.panels.data, unit);
    p.data = memory;
    if (rows) {
        p.w.rows.data = memory;
        p.w.rows.shape[0] = p.w.n_out;
    } else {
        p.w.data = memory;
    }
    roll_floats(&d, p.x, (int64_t)MOST_ROWS * N_IN);
    for (int kind = 0; kind < KINDS; kind++)
        if (wanted[kind] && (kind == FLOATS || !rows)) time_product(&p, fm_dtype_get(dtype)->name, (product_kind)kind);
    fm_free(memory);
    fm_free(p.x);
    fm_free(p.y);
    fm_free(p.scratch);
    fm_weight_clear(&w);
    free_tensor(&t);
}

/* ---- products of learning on all threads, packing included -------------------------------------- */

/* The three products of a layer y = x w^T, x [rows, n_in]. */
typedef struct layer {
    const fm_kernels *k;
    fm_word_form form;
    fm_pool *pool;
    int64_t rows, n_out, n_in;
    float *x, *y, *dx, *dw;    /* y is dy too */
    uint32_t *w, *turned;      /* panels of w and of its transpose */
    uint32_t *scratch;
    int64_t scratch_words;     /* per worker */
    int64_t wide;              /* columns of dw at a time */
    int what;                  /* 0: y, 1: dx, 2: dw */
} layer;

static void multiply_piece(void *context, int64_t begin, int64_t end, int worker) {
    layer *l = context;
    int64_t n = l->what ? l->n_out : l->n_in, columns = l->what ? l->n_in : l->n_out;
    int64_t words = fm_words_count(l->form, n);
    fm_words_product p = {.form = l->form,
                          .w = {l->what ? l->turned : l->w, words * FM_PANEL, true},
                          .n_words = words,
                          .n_out = columns,
                          .y = l->what ? l->dx : l->y,
                          .ldy = columns,
                          .adds = l->what};
    fm_float_rows x = {l->what ? l->y : l->x, n, NULL};
    fm_words_multiply_rows(l->k, &p, &x, n, begin, end, 0, (columns + FM_PANEL - 1) / FM_PANEL,
                           l->scratch + worker * l->scratch_words);
}

enum { TALL = 96 }; /* rows of dw at a time */
static int64_t cuts(int64_t n, int64_t most) { return (n + most - 1) / most; }

static void multiply_columns(void *context, int64_t begin, int64_t end, int worker) {
    layer *l = context;
    fm_words_outer p = {l->form, {l->y, l->n_out, NULL}, {l->x, l->n_in, NULL}, l->rows, l->dw, l->n_in};
    for (int64_t i = begin; i < end; i++) {
        int64_t a = i / cuts(l->n_in, l->wide) * TALL, b = i % cuts(l->n_in, l->wide) * l->wide;
        fm_words_multiply_columns(l->k, &p, a, a + TALL < l->n_out ? a + TALL : l->n_out, b,
                                  b + l->wide < l->n_in ? b + l->wide : l->n_in,
                                  l->scratch + worker * l->scratch_words);
    }
}

static void run_layer(void *context) {
    layer *l = context;
    if (l->what < 2)
        fm_pool_for(l->pool, l->rows, 96, multiply_piece, l);
    else
        fm_pool_for(l->pool, cuts(l->n_out, TALL) * cuts(l->n_in, l->wide), 1, multiply_columns, l);
}

/* Every thread multiplies the same few words all the time: what the processor can do. */
static void run_peak(void *context, int64_t begin, int64_t end, int worker) {
    (void)begin, (void)end;
    layer *l = context;
    fm_words_block b = {.n = 512, .x = l->w, .x_row = 512, .x_word = 1, .rows = 6, .w = l->turned,
                        .w_panel = 0, .n_panels = 4, .columns = 64,
                        .y = l->y + worker * 4096, .ldy = 64};
    for (int i = 0; i < 256; i++) l->k->words_product[l->form](&b);
}
static void run_peaks(void *context) {
    layer *l = context;
    fm_pool_for(l->pool, fm_pool_threads(l->pool), 1, run_peak, l);
}

static void *bench_floats(dice *d, int64_t n) {
    float *x = fm_alloc((size_t)n * sizeof *x, FM_MEM_OTHER);
    assert_non_null(x);
    roll_floats(d, x, n < 100000 ? n : 100000);
    for (int64_t i = 100000; i < n; i++) x[i] = x[i - 100000];
    return x;
}

static void bench_layer(const fm_kernels *k, fm_word_form form, fm_pool *pool, double peak, const int64_t s[3]) {
    dice d = {.seed = 4};
    layer l = {.k = k, .form = form, .pool = pool, .rows = s[0], .n_out = s[1], .n_in = s[2]};
    l.x = bench_floats(&d, s[0] * s[2]);
    l.dx = bench_floats(&d, s[0] * s[2]);
    l.y = bench_floats(&d, s[0] * s[1]);
    l.dw = bench_floats(&d, s[1] * s[2]);
    float *w = bench_floats(&d, s[1] * s[2]);
    l.w = bench_floats(&d, s[1] * s[2]);
    l.turned = bench_floats(&d, s[1] * s[2]);
    int64_t widest = s[1] > s[2] ? s[1] : s[2];
    l.scratch_words = fm_words_rows_scratch(form, widest);
    if (l.scratch_words < FM_OUTER_SCRATCH) l.scratch_words = FM_OUTER_SCRATCH;
    l.scratch = bench_floats(&d, fm_pool_threads(pool) * l.scratch_words);
    l.wide = s[2] > FM_OUTER_B / 2 && s[2] <= FM_OUTER_B ? FM_OUTER_B / 2 : FM_OUTER_B;
    int64_t words = fm_words_count(form, s[2]);
    for (int64_t n = 0; n < s[1]; n += FM_PANEL)
        k->words_of_rows[form](w + n * s[2], s[2], FM_PANEL, s[2], l.w + n * words);
    k->words_of_columns[form](w, s[2], NULL, s[1], s[2], l.turned, fm_words_count(form, s[1]) * FM_PANEL);
    printf("  %5lld x %4lld x %4lld ", (long long)s[0], (long long)s[1], (long long)s[2]);
    for (l.what = 0; l.what < 3; l.what++) {
        double flops = 2.0 * (double)s[0] * (double)s[1] * (double)s[2];
        double rate = flops / seconds_per_call(clock_of(pool), run_layer, &l) * 1e-9;
        printf("   %s %4.0f GF/s %3.0f %%", l.what == 0 ? "y" : l.what == 1 ? "dx" : "dw", rate,
               100 * rate / peak);
    }
    printf("\n");
    fm_free(l.x), fm_free(l.dx), fm_free(l.y), fm_free(l.dw), fm_free(w), fm_free(l.w), fm_free(l.turned);
    fm_free(l.scratch);
}

static void bench_learning(const fm_kernels *k, fm_pool *pool, fm_word_form form) {
    static const int64_t shapes[][3] = {{4096, 192, 192}, {4096, 576, 192}, {4096, 192, 384},
                                        {4096, 2048, 192}, {512, 96, 192}, {512, 192, 96},
                                        {96, 192, 96}, {4096, 768, 768}, {2048, 2048, 768},
                                        {2048, 768, 2048}};
    dice d = {.seed = 5};
    layer l = {.k = k, .form = form, .pool = pool};
    l.w = bench_floats(&d, 6 * 512);
    l.turned = bench_floats(&d, 512 * 16);
    l.y = bench_floats(&d, 4096 * fm_pool_threads(pool));
    double per_word = form == FM_WORDS_BF16 ? 4 : 2, calls = 256.0 * fm_pool_threads(pool);
    double peak = 6 * 64 * 512 * per_word * calls / seconds_per_call(clock_of(pool), run_peaks, &l) * 1e-9;
    fm_free(l.w), fm_free(l.turned), fm_free(l.y);
    printf("%s, learning in %s, %d threads, peak %.0f GF/s; rows x n_out x n_in, packing included\n", k->name,
           form == FM_WORDS_BF16 ? "bf16" : "f32", fm_pool_threads(pool), peak);
    for (size_t i = 0; i < FM_COUNT(shapes); i++) bench_layer(k, form, pool, peak, shapes[i]);
}

/* ---- packing ------------------------------------------------------------------------------------ */

typedef struct packing {
    fm_tensor t;
    void *out;
} packing;

static void pack_all(void *context) {
    packing *p = context;
    fm_pack_panels(fm_layout_for(&p->t), &p->t, 0, p->t.shape[0] / FM_PANEL, p->out);
}

static void bench_packing(fm_dtype dtype) {
    enum { OUT = 2048 };
    const fm_dtype_info *info = fm_dtype_get(dtype);
    fm_error err;
    packing p;
    size_t bytes;
    assert_ok(fm_tensor_init(&p.t, dtype, 2, (const int64_t[]){OUT, N_IN}, NULL, &bytes, &err));
    uint8_t *source = malloc(bytes);
    p.out = fm_alloc(OUT / FM_PANEL * fm_layout_panel_bytes(fm_layout_for(&p.t), N_IN),
                     FM_MEM_OTHER);
    assert_true(source && p.out);
    for (size_t i = 0; i < bytes; i++) source[i] = (uint8_t)(i * 7 + i / 977);
    p.t.data = source;
    printf("  pack %-7s %5.1f GB/s\n", info->name,
           (double)bytes / seconds_per_call(thread_seconds, pack_all, &p) * 1e-9);
    free(source);
    fm_free(p.out);
}

int main(int argc, char **argv) {
    const char *filter = "";
    fm_error err;
    fm_cpu_level first = FM_CPU_REF, last = fm_cpu_detect();
    int threads = 0;
    bool rows = false;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--threads=", 10) == 0) {
            threads = atoi(argv[i] + 10);
        } else if (strcmp(argv[i], "--rows") == 0) {
            rows = true;
        } else if (strncmp(argv[i], "--cpu=", 6) == 0) {
            if (fm_cpu_level_parse(argv[i] + 6, &last, &err) != FM_OK) {
                fprintf(stderr, "%s\n", err.message);
                return 2;
            }
            first = last;
        } else {
            filter = argv[i];
        }
    static const fm_dtype dtypes[] = {FM_DTYPE_F32,  FM_DTYPE_F16,  FM_DTYPE_BF16, FM_DTYPE_Q8_0,
                                      FM_DTYPE_Q4_0, FM_DTYPE_Q4_1, FM_DTYPE_Q5_0, FM_DTYPE_Q5_1,
                                      FM_DTYPE_Q2_K, FM_DTYPE_Q3_K, FM_DTYPE_Q4_K, FM_DTYPE_Q5_K,
                                      FM_DTYPE_Q6_K, FM_DTYPE_IQ4_NL, FM_DTYPE_IQ4_XS, FM_DTYPE_MXFP4,
                                      FM_DTYPE_TCQ4, FM_DTYPE_F8_E4M3,
                                      FM_DTYPE_TQ1_0, FM_DTYPE_TQ2_0, FM_DTYPE_IQ1_S, FM_DTYPE_IQ1_M,
                                      FM_DTYPE_IQ2_XXS, FM_DTYPE_IQ2_XS, FM_DTYPE_IQ2_S,
                                      FM_DTYPE_IQ3_XXS, FM_DTYPE_IQ3_S};
    fm_pool *pool;
    if (fm_pool_new(threads, &pool, &err) != FM_OK) return 1;
    printf("%s, %d threads for products\n", fm_cpu_brand(), fm_pool_threads(pool));
    for (int level = (int)first; level <= (int)last; level++) {
        if (!fm_cpu_has((fm_cpu_level)level)) continue; /* AVX-VNNI, which not all have that have AVX-512 */
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        printf("%s, one thread, in cache\n", k->name);
        for (size_t i = 0; i < FM_COUNT(kernel_cases); i++)
            if (strstr(kernel_cases[i].name, filter)) bench_case(&kernel_cases[i], k);
        if (level == FM_CPU_REF) continue;
        printf("%s, products [n, %d], all threads, from memory\n", k->name, N_IN);
        for (size_t i = 0; i < FM_COUNT(dtypes); i++) bench_product(dtypes[i], k, pool, rows, filter);
        if (strstr("learning bf16", filter)) bench_learning(k, pool, FM_WORDS_BF16);
        if (strstr("learning f32", filter)) bench_learning(k, pool, FM_WORDS_F32);
    }
    for (size_t i = 0; i < FM_COUNT(dtypes); i++)
        if (is_wanted("pack", dtypes[i], filter)) bench_packing(dtypes[i]);
    fm_pool_free(pool);
    return 0;
}
