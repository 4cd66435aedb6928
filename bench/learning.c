/* learning.c: how fast a model learns, and where the time goes: whole optimiser steps over random tokens, that is
 * gradients cleared, forward and backward over the step's micro-batches, clipping, AdamW, the experts' biases, and
 * the copies that products read. The loader alone is not in it.
 *
 *   build/tests/train/bench_learning MODEL [--activations=bf16|f32] [--threads=N] [--tokens=N] [--rows=N]
 *       [--segment=N] [--mtp] [--seconds=S] [--cpu=LEVEL] [--absorbed] [--profile] [--json] [--tokenizer=FOLDER]
 *
 * MODEL is a Hugging Face folder or a config.json, which gets random weights in /tmp. --tokens are those of an
 * optimiser step, --rows those of a micro-batch, --segment those of a sequence. --absorbed: latent attention as
 * it learns from its own replies. FLOPs are counted as in bench/peers/train_pytorch. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights.h"
#include "train/expert_load.h"
#include "train/gradients.h"
#include "train/initial.h"
#include "train/learning.h"
#include "train/optim/optim.h"
#include "train/peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    const char *model, *tokenizer;
    fm_word_form form;
    int threads;
    int64_t tokens, rows, segment;
    double seconds;
    fm_cpu_level level;
    bool mtp, absorbed, profile, json;
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

/* Random tokens for one micro-batch; every one learns. */
static fm_learning_step make_step(const fm_model *m, const setting *s) {
    int n = (int)((s->rows + s->segment - 1) / s->segment);
    int32_t *ids = take((size_t)s->rows * sizeof *ids);
    fm_segment *segments = take((size_t)n * sizeof *segments);
    fm_learning_step step = {.n_rows = s->rows, .ids = ids, .n_segments = n, .segments = segments};
    for (int d = 0; d < (s->mtp ? 2 : 1); d++) {
        int32_t *ahead = take((size_t)s->rows * sizeof *ahead);
        float *weights = take((size_t)s->rows * sizeof *weights);
        for (int64_t t = 0; t < s->rows; t++) {
            ahead[t] = (int32_t)(fm_rng_at(1, (uint64_t)d, (uint64_t)t).word[0] % (uint32_t)m->config.vocab_size);
            weights[t] = (d ? 0.3f : 1.0f) / (float)s->tokens;
        }
        step.lesson.ahead[d] = ahead, step.lesson.weights[d] = weights;
    }
    for (int64_t t = 0; t < s->rows; t++)
        ids[t] = (int32_t)(fm_rng_at(1, 3, (uint64_t)t).word[0] % (uint32_t)m->config.vocab_size);
    for (int i = 0; i < n; i++) {
        int64_t row = i * s->segment, left = s->rows - row;
        segments[i] = (fm_segment){.row = row, .count = left < s->segment ? left : s->segment};
    }
    step.lesson.sequence_balance = 1e-4 * (double)s->segment / (double)s->tokens;
    return step;
}

typedef struct trainer {
    const setting *s;
    fm_pool *pool;
    fm_model *model;
    fm_learning *learning;
    fm_optim *optim;
    fm_stretches cut;
    fm_expert_layer *layers;
    int64_t n_layers;
    double *sums;
    fm_learning_step step;
} trainer;

static void list_layers(trainer *t) {
    const fm_config *c = &t->model->config;
    const fm_learned_list *l = fm_learning_list(t->learning);
    t->layers = take((size_t)(c->num_hidden_layers + 1) * sizeof *t->layers);
    for (int64_t i = 0; i < c->num_hidden_layers + (t->s->mtp ? 1 : 0); i++) {
        if (!fm_config_is_moe_layer(c, i)) continue;
        fm_expert_layer *layer = &t->layers[t->n_layers++];
        *layer = (fm_expert_layer){i, c->n_routed_experts, take((size_t)c->n_routed_experts * sizeof(int64_t)), NULL};
        for (size_t j = 0; j < l->n; j++)
            if (l->at[j].kind == FM_LEARNED_BIAS && !l->at[j].grad && l->at[j].layer == i) layer->bias = l->at[j].value;
    }
}

/* Seconds of one optimiser step; *optimiser: what was not forward and backward. */
static double train(trainer *t, double *optimiser) {
    const fm_learned_list *l = fm_learning_list(t->learning);
    fm_learning_loss loss;
    double began = fm_clock_seconds();
    fm_gradients_clear(l, &t->cut, t->pool);
    for (int64_t i = 0; i < t->n_layers; i++)
        memset(t->layers[i].load, 0, (size_t)t->layers[i].experts * sizeof *t->layers[i].load);
    double at = fm_clock_seconds();
    *optimiser = at - began;
    for (int64_t done = 0; done < t->s->tokens; done += t->s->rows) {
        check(fm_learning_run(t->learning, &t->step, true, &loss, &err));
        for (int64_t i = 0; i < t->n_layers; i++)
            fm_learning_add_load(t->learning, t->layers[i].layer, t->layers[i].load);
    }
    at = fm_clock_seconds();
    double norm = fm_gradient_norm(l, &t->cut, t->sums, t->pool);
    fm_optim_step(t->optim, 1e-3, fm_clip_factor(norm, 1));
    for (int64_t i = 0; i < t->n_layers; i++) fm_expert_bias_move(&t->layers[i], 0.001);
    fm_learning_publish(t->learning);
    double end = fm_clock_seconds();
    *optimiser += end - at;
    return end - began;
}

/* ---- what it costs ------------------------------------------------------------------------------ */

static fm_status add_weight(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert) {
    (void)layer;
    double *macs = context, all = (double)w->n_out * (double)w->n_in;
    if (role != FM_ROLE_EMBED && role != FM_ROLE_MTP_EMBED && w->n_out > 1) macs[expert >= 0] += all;
    return FM_OK;
}

/* FLOPs of a trained token: 6 for each weight it meets in a product, and attention's products, keys and values
 * made, over the positions it may see. */
static double flops_of(fm_model *m, const setting *s) {
    double macs[2] = {0};
    const fm_config *c = &m->config;
    check(fm_model_each_weight(m, add_weight, macs));
    if (c->n_routed_experts) macs[1] *= (double)c->num_experts_per_tok / (double)c->n_routed_experts;
    double heads = (double)c->num_attention_heads, layers = (double)(c->num_hidden_layers + (s->mtp ? 1 : 0));
    double head = (double)(c->mla ? c->qk_nope_head_dim + c->qk_rope_head_dim + c->v_head_dim : 2 * c->head_dim);
    return 6 * (macs[0] + macs[1]) + 3 * layers * heads * head * (double)(s->segment + 1);
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
    static char path[] = "/tmp/bench_learning.model";
    size_t n = strlen(s->model);
    if (n < 5 || strcmp(s->model + n - 5, ".json") != 0) return s->model;
    fm_initial_options o = {.shape = s->model, .tokenizer = s->tokenizer, .std = 0.02, .seed = 1};
    check(fm_initial_write("/tmp", path + strlen("/tmp/"), &o, &err));
    return path;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const trainer *t, double *seconds, int n, double optimiser) {
    const setting *s = t->s;
    double peak = fm_measure_peak(fm_kernels_get(s->level), s->form, t->pool), flops = flops_of(t->model, s);
    double tokens = (double)s->tokens, median;
    qsort(seconds, (size_t)n, sizeof *seconds, by_size);
    median = seconds[n / 2];
    if (s->json) {
        printf("{\"precision\": \"%s\", \"threads\": %d, \"tokens\": %lld, \"rows\": %lld, \"segment\": %lld, "
               "\"mtp\": %s, \"steps\": %d, \"tokens_per_second\": %.1f, \"low\": %.1f, \"high\": %.1f, "
               "\"flops_per_token\": %.0f, \"peak\": %.4g, \"optimiser\": %.4f, \"bytes\": %llu}\n",
               s->form == FM_WORDS_BF16 ? "bf16" : "f32", fm_pool_threads(t->pool), (long long)s->tokens,
               (long long)s->rows, (long long)s->segment, s->mtp ? "true" : "false", n, tokens / median,
               tokens / seconds[n - 1], tokens / seconds[0], flops, peak, optimiser / median,
               (unsigned long long)fm_learning_bytes(t->learning));
        return;
    }
    printf("%s%s, %s, %d threads, steps of %lld in micro-batches of %lld, sequences of %lld: %.0f tokens/s (%.0f-%.0f, "
           "%d steps), optimiser %.1f %%, %.2f MFLOP a token, %.0f GF/s, %.1f %% of %.0f; %.0f MB\n",
           s->model, s->mtp ? " with MTP" : "", s->form == FM_WORDS_BF16 ? "bf16" : "f32", fm_pool_threads(t->pool),
           (long long)s->tokens, (long long)s->rows, (long long)s->segment, tokens / median, tokens / seconds[n - 1],
           tokens / seconds[0], n, 100 * optimiser / median, flops * 1e-6, flops * tokens / median * 1e-9,
           100 * flops * tokens / median / peak, peak * 1e-9, (double)fm_learning_bytes(t->learning) * 1e-6);
}

static void bench(const setting *s) {
    enum { MOST = 1000 };
    double seconds[MOST], optimiser, spent = 0;
    fm_store *store;
    trainer t = {.s = s};
    check(fm_pool_new(s->threads, &t.pool, &err));
    check(fm_store_open(folder_of(s), &store, &err));
    check(fm_model_bind(store, &(fm_model_options){.mtp = s->mtp, .expand_latents = !s->absorbed}, &t.model, &err));
    const fm_learning_options o = {
        .trainee = {.kernels = fm_kernels_get(s->level), .pool = t.pool, .form = s->form},
        .rows = s->rows, .segments = s->rows / s->segment + 1, .mtp = s->mtp,
        .cache = s->form == FM_WORDS_BF16 ? FM_KV_BF16 : FM_KV_F32};
    check(fm_learning_new(t.model, &o, &t.learning, &err));
    fm_optim_options optim = fm_optim_defaults();
    optim.kernels = o.trainee.kernels;
    check(fm_optim_new(&optim, fm_learning_list(t.learning), t.pool, &t.optim, &err));
    check(fm_stretches_cut(fm_learning_list(t.learning), &t.cut, &err));
    t.sums = take((size_t)t.cut.n * sizeof *t.sums);
    t.step = make_step(t.model, s);
    list_layers(&t);
    train(&t, &optimiser); /* warm */
    if (s->profile) check(fm_plan_profile(fm_learning_plan(t.learning), &err));
    int n = 0;
    for (; n < MOST && (n < 3 || spent < s->seconds); spent += seconds[n++]) seconds[n] = train(&t, &optimiser);
    report(&t, seconds, n, optimiser);
    if (s->profile) print_profile(fm_learning_plan(t.learning));
}

int main(int argc, char **argv) {
    setting s = {.form = FM_WORDS_BF16, .rows = 2048, .segment = 256, .seconds = 3, .level = fm_cpu_detect(),
                 .tokenizer = "tests/golden/tiny-v3"};
    bool unknown = false;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = strchr(a, '=') ? strchr(a, '=') + 1 : "";
        if (strncmp(a, "--activations=", 14) == 0) s.form = strcmp(value, "f32") ? FM_WORDS_BF16 : FM_WORDS_F32;
        else if (strncmp(a, "--threads=", 10) == 0) s.threads = atoi(value);
        else if (strncmp(a, "--tokens=", 9) == 0) s.tokens = atol(value);
        else if (strncmp(a, "--rows=", 7) == 0) s.rows = atol(value);
        else if (strncmp(a, "--segment=", 10) == 0) s.segment = atol(value);
        else if (strncmp(a, "--seconds=", 10) == 0) s.seconds = atof(value);
        else if (strncmp(a, "--tokenizer=", 12) == 0) s.tokenizer = value;
        else if (strncmp(a, "--cpu=", 6) == 0) check(fm_cpu_level_parse(value, &s.level, &err));
        else if (strcmp(a, "--mtp") == 0) s.mtp = true;
        else if (strcmp(a, "--absorbed") == 0) s.absorbed = true;
        else if (strcmp(a, "--profile") == 0) s.profile = true;
        else if (strcmp(a, "--json") == 0) s.json = true;
        else if (a[0] != '-' && !s.model) s.model = a;
        else unknown = true;
    }
    if (!s.tokens) s.tokens = s.rows;
    if (unknown || !s.model || s.rows < 1 || s.segment < 1 || s.tokens % s.rows) {
        fprintf(stderr, "usage: bench_learning FOLDER|CONFIG.json [--tokens=N] [--rows=N] ...; --tokens is a multiple "
                        "of --rows; see the head of bench/learning.c\n");
        return 2;
    }
    bench(&s);
    return 0;
}
