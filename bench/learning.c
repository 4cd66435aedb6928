/* learning.c: how fast a model learns: forward and backward over a step's rows, and where the time goes. Optimiser
 * and loader are not in it.
 *
 *   build/tests/train/bench_learning FOLDER [--activations=bf16|f32] [--threads=N] [--rows=N] [--segment=N]
 *       [--steps=N] [--cpu=LEVEL] [--profile]
 *
 * FOLDER is a Hugging Face folder, or the name of a preset (nano) with random weights and 2048 tokens. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernel/kernel.h"
#include "kernel/words.h"
#include "model/weights.h"
#include "op/op.h"
#include "train/initial.h"
#include "train/trainee.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    const char *model;
    fm_activations activations;
    int threads;
    int64_t rows, segment, steps;
    fm_cpu_level level;
    bool profile;
} setting;

static fm_error err;
static void check(fm_status status) {
    if (status == FM_OK) return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}
static void *take(size_t bytes) {
    void *memory = fm_alloc(bytes, FM_MEM_OTHER);
    if (!memory) check(fm_fail_memory(&err, bytes, "bench"));
    memset(memory, 0, bytes);
    return memory;
}

/* ---- a step ------------------------------------------------------------------------------------- */

typedef struct lesson {
    fm_step step;
    fm_lesson lesson;
    fm_kv_shape kv;
} lesson;

static lesson make_lesson(const fm_model *m, const setting *s) {
    lesson l = {0};
    int n = (int)((s->rows + s->segment - 1) / s->segment);
    int32_t *ids = take((size_t)s->rows * sizeof *ids), *ahead = take((size_t)s->rows * sizeof *ahead);
    float *weights = take((size_t)s->rows * sizeof *weights);
    fm_segment *segments = take((size_t)n * sizeof *segments);
    check(fm_model_kv_shape(m, FM_KV_F32, &l.kv, &err));
    int64_t pages = (s->segment + l.kv.page_positions) / l.kv.page_positions;
    void **page = take((size_t)(n * pages) * sizeof *page);
    for (int64_t t = 0; t < s->rows; t++) {
        ids[t] = (int32_t)(fm_rng_at(1, 2, (uint64_t)t).word[0] % (uint32_t)m->config.vocab_size);
        ahead[t] = (int32_t)(fm_rng_at(1, 3, (uint64_t)t).word[0] % (uint32_t)m->config.vocab_size);
        weights[t] = 1.0f / (float)s->rows;
    }
    for (int i = 0; i < n; i++) {
        int64_t row = i * s->segment, left = s->rows - row;
        for (int64_t p = 0; p < pages; p++) page[i * pages + p] = take(l.kv.page_bytes);
        segments[i] = (fm_segment){.row = row, .count = left < s->segment ? left : s->segment,
                                   .pages = page + i * pages};
    }
    l.lesson = (fm_lesson){.ahead = {ahead}, .weights = {weights}};
    l.step = (fm_step){.n_rows = s->rows, .ids = ids, .n_segments = n, .segments = segments};
    return l;
}

/* ---- what it costs ------------------------------------------------------------------------------ */

static fm_status add_weight(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert) {
    (void)layer;
    double *macs = context, all = (double)w->n_out * (double)w->n_in;
    if (role != FM_ROLE_EMBED && w->n_out > 1) macs[expert >= 0] += all;
    return FM_OK;
}

/* Multiply-adds of a token by the weights it meets. */
static double macs_of(fm_model *m) {
    double macs[2] = {0};
    const fm_config *c = &m->config;
    check(fm_model_each_weight(m, add_weight, macs));
    return macs[0] + (c->n_routed_experts ? macs[1] * (double)c->num_experts_per_tok / (double)c->n_routed_experts : 0);
}

static void run_peak(void *context, int64_t begin, int64_t end, int worker) {
    (void)begin, (void)end, (void)worker;
    const fm_kernels *k = context;
    static _Alignas(64) uint32_t words[512 * FM_PANEL];
    float y[6 * 64];
    fm_words_block b = {.n = 512, .x = words, .x_row = 512, .x_word = 1, .rows = 6, .w = words, .n_panels = 4,
                        .columns = 64, .y = y, .ldy = 64};
    for (int i = 0; i < 2048; i++) k->words_product[FM_WORDS_BF16](&b);
}

/* Products of BF16 that never leave L1, on all threads. */
static double peak_of(const fm_kernels *k, fm_pool *pool) {
    double best = 0, macs = 6.0 * 64 * 1024 * 2048 * fm_pool_threads(pool);
    for (int i = 0; i < 8; i++) {
        double begin = fm_clock_seconds();
        fm_pool_for(pool, fm_pool_threads(pool), 1, run_peak, (void *)(uintptr_t)k);
        double rate = 2 * macs / (fm_clock_seconds() - begin);
        if (rate > best) best = rate;
    }
    return best;
}

static void print_profile(const fm_plan *plan) {
    enum { MOST = 200 };
    fm_profile_line lines[MOST];
    size_t n = fm_plan_profile_lines(plan, lines, MOST);
    double all = 0;
    for (size_t i = 0; i < n && i < MOST; i++) all += lines[i].seconds;
    for (size_t i = 0; i < n && i < 40; i++)
        printf("  %5.1f %%  %-14s %s %5lld -> %5lld  %6lld calls\n", 100 * lines[i].seconds / all, lines[i].op,
               lines[i].backward ? "back" : "    ", (long long)lines[i].columns_in,
               (long long)lines[i].columns_out, (long long)lines[i].calls);
}

static const char *folder_of(const setting *s) {
    static char path[256];
    if (strchr(s->model, '/') || strcmp(s->model, ".") == 0) return s->model;
    snprintf(path, sizeof path, "/tmp/bench_learning.%s", s->model);
    fm_initial_options o = {.shape = s->model, .tokenizer = getenv("TOKENIZER"), .std = 0.02, .seed = 1};
    if (!o.tokenizer) check(fm_fail(&err, FM_ERR_ARGUMENT, "TOKENIZER must name a folder with tokenizer.json"));
    check(fm_initial_write("/tmp", path + strlen("/tmp/"), &o, &err));
    return path;
}

static void bench(const setting *s) {
    fm_pool *pool;
    fm_store *store;
    fm_model *model;
    fm_trainee *trainee;
    fm_plan *plan;
    size_t bytes;
    const fm_kernels *k = fm_kernels_get(s->level);
    check(fm_pool_new(s->threads, &pool, &err));
    check(fm_store_open(folder_of(s), &store, &err));
    check(fm_model_bind(store, &(fm_model_options){.arith = FM_EXACT, .pack = true}, &model, &err));
    fm_trainee_options o = {.kernels = k, .pool = pool,
                            .form = s->activations == FM_ACTIVATIONS_BF16 ? FM_WORDS_BF16 : FM_WORDS_F32};
    check(fm_trainee_new(model, &o, &trainee, &err));
    check(fm_plan_new(&(fm_plan_options){.rows = s->rows, .outputs = 1, .learns = true,
                                         .routed = model->config.num_experts_per_tok,
                                         .activations = s->activations, .kernels = k, .pool = pool},
                      &plan, &err));
    check(fm_model_record(model, &(fm_record_options){.states = true}, plan, &err));
    fm_xent(plan, fm_plan_find(plan, "states"), &model->head, 0);
    check(fm_plan_place(plan, &bytes, &err));
    check(fm_plan_allocate(plan, &err));
    lesson l = make_lesson(model, s);
    l.step.kv = &l.kv, l.step.lesson = &l.lesson;
    check(fm_plan_learn(plan, &l.step, &err)); /* warm */
    if (s->profile) check(fm_plan_profile(plan, &err));
    double peak = peak_of(k, pool), best = 1e9, macs = macs_of(model);
    for (int64_t i = 0; i < s->steps; i++) {
        double begin = fm_clock_seconds();
        check(fm_plan_learn(plan, &l.step, &err));
        double seconds = fm_clock_seconds() - begin;
        if (seconds < best) best = seconds;
    }
    double rate = 6 * macs * (double)s->rows / best;
    printf("%s, %s, %d threads, %lld rows in segments of %lld: %.0f tokens/s, %.1f ms, %.2f MMAC a token, "
           "%.0f GF/s without attention, %.1f %% of %.0f; arena %.0f MB\n",
           s->model, fm_activations_name(s->activations), fm_pool_threads(pool), (long long)s->rows,
           (long long)s->segment, (double)s->rows / best, best * 1e3, macs * 1e-6, rate * 1e-9, 100 * rate / peak,
           peak * 1e-9, (double)bytes * 1e-6);
    if (s->profile) print_profile(plan);
}

int main(int argc, char **argv) {
    setting s = {.model = NULL, .activations = FM_ACTIVATIONS_BF16, .rows = 2048, .segment = 256, .steps = 5,
                 .level = fm_cpu_detect()};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = strchr(a, '=') ? strchr(a, '=') + 1 : "";
        if (strncmp(a, "--activations=", 14) == 0)
            s.activations = strcmp(value, "f32") ? FM_ACTIVATIONS_BF16 : FM_ACTIVATIONS_F32;
        else if (strncmp(a, "--threads=", 10) == 0) s.threads = atoi(value);
        else if (strncmp(a, "--rows=", 7) == 0) s.rows = atol(value);
        else if (strncmp(a, "--segment=", 10) == 0) s.segment = atol(value);
        else if (strncmp(a, "--steps=", 8) == 0) s.steps = atol(value);
        else if (strncmp(a, "--cpu=", 6) == 0) check(fm_cpu_level_parse(value, &s.level, &err));
        else if (strcmp(a, "--profile") == 0) s.profile = true;
        else s.model = a;
    }
    if (!s.model || s.rows < 1 || s.segment < 1) {
        fprintf(stderr, "usage: bench_learning FOLDER|nano [--rows=N] ...; see the head of bench/learning.c\n");
        return 2;
    }
    bench(&s);
    return 0;
}
