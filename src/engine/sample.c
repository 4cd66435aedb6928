/* sample.c: a sampler's life, a draw, and the race that ends it. */
#include "engine/sample_step.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/sample_log.h"

#include <assert.h>
#include <string.h>

struct fm_sampler {
    fm_sampling how;
    const fm_kernels *kernels;
    int64_t n;
    float *work;      /* [n] */
    int32_t *ids;     /* [n] */
    uint32_t *seen;   /* [n], or NULL while no penalty was on */
    int64_t count;    /* candidates that the last draw has left in ids and work */
};

static fm_status check(const fm_sampling *how, int64_t n_ids, fm_error *err) {
    const struct {
        const char *name;
        float value;
    } penalties[] = {{"repetition_penalty", how->repetition_penalty},
                     {"presence_penalty", how->presence_penalty},
                     {"frequency_penalty", how->frequency_penalty}};
    for (size_t i = 0; i < FM_COUNT(penalties); i++)
        if (!isfinite(penalties[i].value))
            return fm_fail(err, FM_ERR_ARGUMENT, "%s is not a finite number", penalties[i].name);
    if (how->repetition_penalty < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "repetition_penalty is %g: give a number above 0; 1 is off",
                       (double)how->repetition_penalty);
    for (size_t i = 0; i < how->n_bias; i++) {
        if (how->bias[i].id < 0 || how->bias[i].id >= n_ids)
            return fm_fail(err, FM_ERR_ARGUMENT,
                           "logit_bias: there is no token %d to bias; ids go from 0 to %lld",
                           how->bias[i].id, (long long)(n_ids - 1));
        if (isnan(how->bias[i].bias))
            return fm_fail(err, FM_ERR_ARGUMENT, "logit_bias: the bias of token %d is not a number",
                           how->bias[i].id);
    }
    return FM_OK;
}

static bool counts(const fm_sampling *how) {
    return (how->repetition_penalty != 1 && how->repetition_penalty != 0) ||
           how->presence_penalty != 0 || how->frequency_penalty != 0;
}

fm_status fm_sampler_configure(fm_sampler *s, const fm_sampling *how, fm_error *err) {
    FM_TRY(check(how, s->n, err));
    if (!s->seen && counts(how)) {
        s->seen = fm_alloc_array((size_t)s->n, sizeof *s->seen, FM_MEM_OTHER);
        if (!s->seen) return fm_fail_memory(err, (size_t)s->n * sizeof *s->seen, "a sampler's counts");
    }
    s->how = *how;
    return FM_OK;
}

fm_status fm_sampler_new(const fm_sampling *how, int64_t n_ids, const fm_kernels *kernels,
                         fm_sampler **out, fm_error *err) {
    *out = NULL;
    assert(n_ids > 0 && n_ids <= INT32_MAX);
    fm_sampler *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    if (!s) return fm_fail_memory(err, sizeof *s, "a sampler");
    s->kernels = kernels;
    s->n = n_ids;
    s->work = fm_alloc_array((size_t)n_ids, sizeof *s->work, FM_MEM_OTHER);
    s->ids = fm_alloc_array((size_t)n_ids, sizeof *s->ids, FM_MEM_OTHER);
    fm_status status = s->work && s->ids
                           ? fm_sampler_configure(s, how, err)
                           : fm_fail_memory(err, (size_t)n_ids * 8, "a sampler's work");
    if (status == FM_OK)
        *out = s;
    else
        fm_sampler_free(s);
    return status;
}

void fm_sampler_free(fm_sampler *s) {
    if (!s) return;
    fm_free(s->work);
    fm_free(s->ids);
    fm_free(s->seen);
    fm_free(s);
}

void fm_sampler_see(fm_sampler *s, const int32_t *ids, int64_t n) {
    for (int64_t i = 0; s->seen && i < n; i++)
        if (ids[i] >= 0 && ids[i] < s->n) s->seen[ids[i]] |= FM_SEEN_PROMPT;
}

void fm_sampler_accept(fm_sampler *s, int32_t id) {
    if (s->seen && id >= 0 && id < s->n) s->seen[id]++;
}

void fm_sampler_retract(fm_sampler *s, int32_t id) {
    if (s->seen && id >= 0 && id < s->n && s->seen[id] & FM_SEEN_ANSWER) s->seen[id]--;
}

/* ---- the race ------------------------------------------------------------------------------------*/

/* Random bits for the tokens of one draw: a block of the generator serves four ids with their first 32
 * bits, and another with the rest, which few ever need. Ids below 2^31 leave bit 31 of id / 4 free. */
typedef struct bits {
    uint64_t seed, sequence, position;
    int32_t four; /* ids / 4 that `block` is for; -1: none yet */
    fm_rng_block block;
} bits;

static inline uint32_t first_bits(bits *b, int32_t id) {
    if (b->four != id >> 2) {
        b->four = id >> 2;
        b->block = fm_rng_at(b->seed, b->sequence, b->position << 32 | (uint32_t)b->four);
    }
    return b->block.word[id & 3];
}

/* All 53 of them, as a number in [0, 1). */
static double uniform(const bits *b, uint32_t first, int32_t id) {
    fm_rng_block rest = fm_rng_at(b->seed, b->sequence, b->position << 32 | 1u << 31 | (uint32_t)id >> 2);
    return (double)(((uint64_t)first << 32 | rest.word[id & 3]) >> 11) * 0x1p-53;
}

/* Who arrives first: the smallest E / p, E = -log(1 - u). E >= u, and u is at least what its first bits
 * say, so nearly all are seen to be late without the rest of u and without a logarithm. */
static int32_t first_to_arrive(const fm_sampler *s, uint64_t position, const fm_draw *d) {
    bits b = {.seed = s->how.seed, .sequence = s->how.sequence, .position = position, .four = -1};
    double first = INFINITY;
    int32_t winner = d->ids[0];
    for (int64_t i = 0; i < d->count; i++) {
        uint32_t high = first_bits(&b, d->ids[i]);
        double p = (double)d->p[i];
        if ((double)high * 0x1p-32 >= first * p) continue;
        double time = -fm_log(1 - uniform(&b, high, d->ids[i])) / p;
        if (time < first) {
            first = time;
            winner = d->ids[i];
        }
    }
    return winner;
}

int32_t fm_sampler_draw(fm_sampler *s, const float *logits, uint64_t position,
                        const uint64_t *allowed, int64_t n_bits) {
    fm_draw d = {.how = &s->how, .kernels = s->kernels, .seen = s->seen, .allowed = allowed, .n = s->n,
                 .n_bits = n_bits, .logits = s->work, .ids = s->ids};
    memcpy(s->work, logits, (size_t)s->n * sizeof *logits);
#define FM_SAMPLER(name, help) fm_sample_##name(&d);
#include "engine/samplers.def"
#undef FM_SAMPLER
    s->count = d.count;
    return d.count == 0 ? -1 : d.count == 1 ? d.ids[0] : first_to_arrive(s, position, &d);
}

/* ---- log-probabilities ---------------------------------------------------------------------------*/

/* log sum exp(x - max), in blocks so that the logits need no copy of their size. */
static double log_sum(const fm_sampler *s, const float *logits, float max) {
    float block[512];
    double sum = 0;
    for (int64_t i = 0; i < s->n; i += (int64_t)FM_COUNT(block)) {
        int64_t n = s->n - i < (int64_t)FM_COUNT(block) ? s->n - i : (int64_t)FM_COUNT(block);
        for (int64_t j = 0; j < n; j++) block[j] = isnan(logits[i + j]) ? -INFINITY : logits[i + j];
        s->kernels->exp_sum(block, n, max);
        for (int64_t j = 0; j < n; j++) sum += (double)block[j];
    }
    return fm_log(sum);
}

static int find_top(const float *logits, int64_t n, int n_top, fm_logprob *top) {
    int have = 0;
    for (int64_t i = 0; i < n; i++) {
        float x = logits[i];
        if (!(x > -INFINITY) || (have == n_top && !(x > top[have - 1].logprob))) continue;
        int at = have < n_top ? have++ : have - 1;
        for (; at > 0 && top[at - 1].logprob < x; at--) top[at] = top[at - 1];
        top[at] = (fm_logprob){(int32_t)i, x};
    }
    return have;
}

static float drawn_logprob(const fm_sampler *s, int32_t id) {
    double sum = 0, p = 0;
    for (int64_t i = 0; i < s->count; i++) {
        sum += (double)s->work[i];
        if (s->ids[i] == id) p = (double)s->work[i];
    }
    return p > 0 ? (float)(fm_log(p) - fm_log(sum)) : -INFINITY;
}

void fm_sampler_logprobs(const fm_sampler *s, const float *logits, int32_t id, int n_top,
                         fm_logprobs *out) {
    *out = (fm_logprobs){.raw = -INFINITY, .drawn = drawn_logprob(s, id)};
    fm_logprob best;
    if (find_top(logits, s->n, 1, &best) == 0) return; /* nothing has a probability */
    bool certain = best.logprob == INFINITY;
    double log_of_sum = certain ? 0 : log_sum(s, logits, best.logprob);
    n_top = certain && n_top > 1 ? 1 : n_top < FM_LOGPROBS_TOP ? n_top : FM_LOGPROBS_TOP;
    if (n_top > 0) out->n_top = find_top(logits, s->n, n_top, out->top);
    for (int i = 0; i < out->n_top; i++)
        out->top[i].logprob = certain ? 0
                                      : (float)((double)out->top[i].logprob - (double)best.logprob -
                                                log_of_sum);
    if (id < 0 || id >= s->n || isnan(logits[id])) return;
    out->raw = certain ? (id == best.id ? 0 : -INFINITY)
                       : (float)((double)logits[id] - (double)best.logprob - log_of_sum);
}

const fm_sampler_step *fm_sampler_steps(size_t index) {
    static const fm_sampler_step steps[] = {
#define FM_SAMPLER(name, help) {#name, help},
#include "engine/samplers.def"
#undef FM_SAMPLER
    };
    return index < FM_COUNT(steps) ? &steps[index] : NULL;
}
