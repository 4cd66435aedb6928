/* attention.c: how fast attention is: multiply-adds per second of a step's rows behind a depth, for the
 * shapes of real models and every type of cache. The cache is warm and what the shapes make it.
 *
 *   build/tests/op/bench_attention [--cpu=LEVEL] [--threads=N] [--depth=N] [--rows=N] [part of a name] */
#include "../tests/op/op_support.h"

#include "base/clock.h"

typedef struct shape {
    const char *name;
    int64_t heads, kv_heads, d; /* kv_heads 0: latent attention, d = 512 + 64 */
} shape;

static const shape shapes[] = {
    {"V2-Lite", 16, 0, 576},
    {"V3", 128, 0, 576},
    {"SmolLM2 135M", 9, 3, 64},
    {"Qwen2 1.5B", 12, 2, 128},
    {"Llama 8B", 32, 8, 128},
};

typedef struct setting {
    fm_cpu_level level;
    int threads;
    int64_t depth, rows;
} setting;

/* One thread: its own processor time, which neighbours on a busy machine disturb less. */
static double seconds(const setting *o) {
    struct timespec t;
    if (o->threads != 1) return fm_clock_seconds();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static fm_value record(fm_plan *plan, const shape *s, float *x) {
    if (s->kv_heads) {
        fm_attend_shape a = {0, s->heads, s->kv_heads, s->d, 0.1};
        return fm_attend(plan, input(plan, x, FM_ROWS_TOKENS, s->heads * s->d),
                         input(plan, x, FM_ROWS_TOKENS, s->kv_heads * s->d),
                         input(plan, x, FM_ROWS_TOKENS, s->kv_heads * s->d), &a);
    }
    fm_mla_shape m = {.n_heads = s->heads, .kv_lora_rank = 512, .nope_dim = 128, .rope_dim = 64,
                      .v_dim = 128, .scale = 0.07};
    return fm_mla_absorbed(plan, input(plan, x, FM_ROWS_TOKENS, s->heads * 512),
                           input(plan, x, FM_ROWS_TOKENS, s->heads * 192),
                           input(plan, x, FM_ROWS_TOKENS, 576), &m);
}

static double macs_of(const shape *s, const setting *o) {
    double seen = (double)o->rows * ((double)o->depth + (double)(o->rows + 1) / 2);
    return seen * (double)s->heads * (double)(s->kv_heads ? 2 * s->d : 576 + 512);
}

static void run(const shape *s, fm_kv_type cache, const setting *o) {
    static const char *const types[] = {"f32", "int8", "bf16"};
    fm_error err;
    fm_pool *pool;
    fm_plan *plan;
    size_t bytes;
    dice d = {.seed = 4};
    assert_ok(fm_pool_new(o->threads, &pool, &err));
    fm_plan_options options = {.rows = o->rows, .outputs = 1, .pool = pool,
                               .kernels = fm_kernels_get(o->level)};
    assert_ok(fm_plan_new(&options, &plan, &err));
    float *x = roll_floats(&d, o->rows * s->heads * 576);
    fm_value out = record(plan, s, x);
    fm_plan_keep(plan, out, "out");
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_ok(fm_plan_allocate(plan, &err));
    int64_t width = s->kv_heads ? 2 * s->kv_heads * s->d : 576, pages = (o->depth + o->rows + 63) / 64;
    fm_kv_shape kv = {.type = cache, .block = 64, .page_positions = 64, .n_layers = 1, .width = width,
                      .row_bytes = fm_kv_row_bytes(cache, width, 64)};
    kv.page_bytes = 64 * kv.row_bytes;
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
        if (now - then < best) best = now - then;
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

int main(int argc, char **argv) {
    setting o = {.level = fm_cpu_detect(), .depth = 4096, .rows = 1};
    const char *filter = "";
    fm_error err;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--threads=", 10) == 0) {
            o.threads = atoi(argv[i] + 10);
        } else if (strncmp(argv[i], "--depth=", 8) == 0) {
            o.depth = atoll(argv[i] + 8);
        } else if (strncmp(argv[i], "--rows=", 7) == 0) {
            o.rows = atoll(argv[i] + 7);
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
            if (strstr(shapes[i].name, filter)) run(&shapes[i], (fm_kv_type)cache, &o);
    return 0;
}
