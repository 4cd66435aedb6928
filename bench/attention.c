/* attention.c: how fast attention is: multiply-adds per second of a step's rows behind a depth, for the
 * shapes of real models and every type of cache. The cache is warm and what the shapes make it; with
 * --layers=N so many layers take turns, as in a model whose cache lies in memory. With --segments=N, of a
 * step of learning: N segments of so many rows, and all their gradients, with --bf16 by products of BF16.
 *
 *   build/tests/op/bench_attention [--cpu=LEVEL] [--threads=N] [--depth=N] [--rows=N] [--layers=N]
 *                                  [--segments=N] [--bf16] [--cache=TYPE] [part of a name] */
#include "../tests/op/learn_support.h"

#include "base/clock.h"

typedef struct shape {
    const char *name;
    int64_t heads, kv_heads, d; /* kv_heads 0: latent attention, d = r + dr */
    int64_t dr;
} shape;

static const shape shapes[] = {
    {"V2-Lite", 16, 0, 576, 64},
    {"V3", 128, 0, 576, 64},
    {"small MLA", 6, 0, 72, 8},
    {"small dense", 12, 12, 64},
    {"SmolLM2 135M", 9, 3, 64},
    {"Qwen2 1.5B", 12, 2, 128},
    {"Llama 8B", 32, 8, 128},
};

typedef struct setting {
    fm_cpu_level level;
    int threads;
    int64_t depth, rows, layers, segments;
    bool bf16;
} setting;

/* One thread: its own processor time, which neighbours on a busy machine disturb less. */
static double seconds(const setting *o) {
    struct timespec t;
    if (o->threads != 1) return fm_clock_seconds();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* dn = 2 dr, dv = dn */
static fm_value record(fm_plan *plan, const shape *s, const fm_value *in, int64_t layer) {
    if (s->kv_heads) {
        fm_attend_shape a = {layer, s->heads, s->kv_heads, s->d, s->d, 0.1};
        return fm_attend(plan, in[0], in[1], in[2], &a);
    }
    fm_mla_shape m = {.layer = layer, .n_heads = s->heads, .kv_lora_rank = s->d - s->dr,
                      .nope_dim = 2 * s->dr, .rope_dim = s->dr, .v_dim = 2 * s->dr, .scale = 0.07};
    return fm_mla_absorbed(plan, in[0], in[1], in[2], &m);
}

/* Columns of the inputs. */
static void columns_of(const shape *s, int64_t columns[3]) {
    columns[0] = s->heads * (s->kv_heads ? s->d : s->d - s->dr);
    columns[1] = s->kv_heads ? s->kv_heads * s->d : s->heads * 3 * s->dr;
    columns[2] = s->kv_heads ? s->kv_heads * s->d : s->d;
}

static double macs_of(const shape *s, const setting *o) {
    double seen = (double)o->rows * ((double)o->depth + (double)(o->rows + 1) / 2);
    return seen * (double)s->heads * (double)(2 * s->d - s->dr);
}

static const char *const types[] = {[FM_KV_F32] = "f32", [FM_KV_INT8] = "int8", [FM_KV_BF16] = "bf16"};

static void run(const shape *s, fm_kv_type cache, const setting *o) {
    fm_error err;
    fm_pool *pool;
    fm_plan *plan;
    size_t bytes;
    dice d = {.seed = 4};
    assert_ok(fm_pool_new(o->threads, &pool, &err));
    fm_plan_options options = {.rows = o->rows, .outputs = 1, .pool = pool,
                               .kernels = fm_kernels_get(o->level)};
    assert_ok(fm_plan_new(&options, &plan, &err));
    float *x = roll_floats(&d, o->rows * s->heads * s->d);
    int64_t columns[3];
    fm_value in[3];
    columns_of(s, columns);
    for (int i = 0; i < 3; i++) in[i] = input(plan, x, FM_ROWS_TOKENS, columns[i]);
    for (int64_t l = 0; l < o->layers; l++) fm_plan_keep(plan, record(plan, s, in, l), "out");
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_ok(fm_plan_allocate(plan, &err));
    int64_t width = s->kv_heads ? 2 * s->kv_heads * s->d : s->d, pages = (o->depth + o->rows + 63) / 64;
    fm_kv_shape kv = {.type = cache, .block = 64, .page_positions = 64, .n_layers = o->layers, .width = width,
                      .row_bytes = fm_kv_row_bytes(cache, width, 64)};
    kv.page_bytes = 64 * (size_t)o->layers * kv.row_bytes;
    void **table = calloc((size_t)pages, sizeof *table);
    for (int64_t i = 0; i < pages; i++) {
        table[i] = fm_alloc(kv.page_bytes, FM_MEM_CACHE);
        memset(table[i], 0x3c, kv.page_bytes); /* small numbers in every type */
    }
    fm_segment segment = {0, o->rows, o->depth, table, 0, 0};
    fm_step step = {.n_rows = o->rows, .n_segments = 1, .segments = &segment, .kv = &kv};
    double best = 1e9;
    for (double begin = seconds(o), now = begin; now - begin < 0.3 || best == 1e9;) {
        assert_ok(fm_plan_run(plan, &step, &err));
        double then = now;
        now = seconds(o);
        if (now - then < best * (double)o->layers) best = (now - then) / (double)o->layers;
    }
    printf("  %-14s %-5s %4lld rows behind %6lld: %8.3f ms %7.1f GMAC/s %6.1f GB/s of the cache\n", s->name,
           types[cache], (long long)o->rows, (long long)o->depth, best * 1e3,
           macs_of(s, o) / best * 1e-9,
           (double)(o->depth + o->rows) * (double)kv.row_bytes / best * 1e-9);
    for (int64_t i = 0; i < pages; i++) fm_free(table[i]);
    free(table);
    free(x);
    fm_plan_free(plan);
    fm_pool_free(pool);
}

/* ---- learning --------------------------------------------------------------------------------------- */

/* Seconds of attention alone in the best of some steps: forwards, then backwards. */
static void best_of(fm_plan *plan, const fm_step *step, const char *op, double best[2]) {
    fm_error err;
    best[0] = best[1] = 1e9;
    assert_ok(fm_plan_learn(plan, step, &err));
    for (double begin = fm_clock_seconds(); fm_clock_seconds() - begin < 0.5 || best[0] == 1e9;) {
        fm_profile_line lines[16];
        assert_ok(fm_plan_profile(plan, &err));
        assert_ok(fm_plan_learn(plan, step, &err));
        size_t n = fm_plan_profile_lines(plan, lines, FM_COUNT(lines));
        for (size_t i = 0; i < n; i++)
            if (strcmp(lines[i].op, op) == 0 && lines[i].seconds < best[lines[i].backward])
                best[lines[i].backward] = lines[i].seconds;
    }
}

/* Every number of the cache's type that a learning plan may have; gradients of all inputs. */
static void learn(const shape *s, fm_kv_type cache, const setting *o) {
    fm_error err;
    fm_pool *pool;
    fm_plan *plan;
    size_t bytes;
    dice d = {.seed = 4};
    int64_t rows = o->rows * o->segments, pages = (o->rows + 63) / 64, columns[3];
    assert_ok(fm_pool_new(o->threads, &pool, &err));
    fm_plan_options options = {.rows = rows, .outputs = 1, .learns = true, .pool = pool,
                               .activations = o->bf16 ? FM_ACTIVATIONS_BF16 : FM_ACTIVATIONS_F32,
                               .kernels = fm_kernels_get(o->level)};
    assert_ok(fm_plan_new(&options, &plan, &err));
    float *x = roll_floats(&d, rows * s->heads * s->d), *gradients = calloc((size_t)(rows * s->heads * s->d), 4);
    fm_value in[3];
    columns_of(s, columns);
    for (int i = 0; i < 3; i++) in[i] = source(plan, x, gradients, columns[i]);
    loss(plan, record(plan, s, in, 0), x);
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_ok(fm_plan_allocate(plan, &err));
    int64_t width = s->kv_heads ? 2 * s->kv_heads * s->d : s->d;
    fm_kv_shape kv = {.type = cache, .block = 8, .page_positions = 64, .n_layers = 1, .width = width,
                      .row_bytes = fm_kv_row_bytes(cache, width, 8)};
    kv.page_bytes = 64 * kv.row_bytes;
    char *memory = fm_alloc((size_t)(pages * o->segments) * kv.page_bytes, FM_MEM_CACHE);
    void **table = calloc((size_t)(pages * o->segments), sizeof *table);
    fm_segment *segments = calloc((size_t)o->segments, sizeof *segments);
    for (int64_t i = 0; i < pages * o->segments; i++) table[i] = memory + (size_t)i * kv.page_bytes;
    for (int64_t i = 0; i < o->segments; i++)
        segments[i] = (fm_segment){.row = i * o->rows, .count = o->rows, .pages = table + i * pages};
    fm_lesson lesson = {0};
    fm_step step = {.n_rows = rows, .n_segments = (int)o->segments, .segments = segments, .kv = &kv,
                    .lesson = &lesson};
    double best[2];
    best_of(plan, &step, s->kv_heads ? "attend" : "mla_absorbed", best);
    double scores = (double)o->segments * (double)s->heads * (double)o->rows * (double)(o->rows + 1) / 2;
    double d_k = (double)s->d, d_v = (double)(s->d - s->dr), flops = 2e-9 * scores * (d_k + d_v);
    double back = 2e-9 * scores * (3 * d_k + 2 * d_v);
    printf("  %-14s %-5s %lld segments of %lld: forward %7.2f ms %6.1f GF/s, backward %7.2f ms %6.1f GF/s, "
           "both %6.1f GF/s\n",
           s->name, types[cache], (long long)o->segments, (long long)o->rows, best[0] * 1e3, flops / best[0],
           best[1] * 1e3, back / best[1], (flops + back) / (best[0] + best[1]));
    fm_free(memory);
    free(table), free(segments), free(x), free(gradients);
    fm_plan_free(plan);
    fm_pool_free(pool);
}

int main(int argc, char **argv) {
    setting o = {.level = fm_cpu_detect(), .depth = 4096, .rows = 1, .layers = 1};
    const char *filter = "", *only = "";
    fm_error err;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--threads=", 10) == 0) {
            o.threads = atoi(argv[i] + 10);
        } else if (strncmp(argv[i], "--depth=", 8) == 0) {
            o.depth = atoll(argv[i] + 8);
        } else if (strncmp(argv[i], "--rows=", 7) == 0) {
            o.rows = atoll(argv[i] + 7);
        } else if (strncmp(argv[i], "--layers=", 9) == 0) {
            o.layers = atoll(argv[i] + 9);
        } else if (strncmp(argv[i], "--cache=", 8) == 0) {
            only = argv[i] + 8;
        } else if (strcmp(argv[i], "--bf16") == 0) {
            o.bf16 = true;
        } else if (strncmp(argv[i], "--segments=", 11) == 0) {
            o.segments = atoll(argv[i] + 11);
        } else if (strncmp(argv[i], "--cpu=", 6) == 0) {
            if (fm_cpu_level_parse(argv[i] + 6, &o.level, &err) != FM_OK) {
                fprintf(stderr, "%s\n", err.message);
                return 2;
            }
        } else {
            filter = argv[i];
        }
    printf("%s\n", fm_cpu_level_name(o.level));
    for (size_t i = 0; i < FM_COUNT(shapes); i++)
        for (int cache = FM_KV_F32; cache <= FM_KV_BF16; cache++)
            if (strstr(shapes[i].name, filter) && strstr(types[cache], only) && !(o.segments && cache == FM_KV_INT8))
                (o.segments ? learn : run)(&shapes[i], (fm_kv_type)cache, &o);
    return 0;
}
