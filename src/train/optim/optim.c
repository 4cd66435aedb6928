#include "train/optim/optim.h"

#include <assert.h>
#include <string.h>

static const fm_optim_rule *const rules[] = {
#define OPTIM(name, help) &fm_optim_##name,
#include "train/optim/optims.def"
#undef OPTIM
};

const fm_optim_rule *fm_optim_rule_at(size_t i) { return i < FM_COUNT(rules) ? rules[i] : NULL; }

const fm_optim_rule *fm_optim_rule_find(const char *name) {
    for (size_t i = 0; i < FM_COUNT(rules); i++)
        if (strcmp(rules[i]->name, name) == 0) return rules[i];
    return NULL;
}

fm_optim_options fm_optim_defaults(void) {
    return (fm_optim_options){.rule = &fm_optim_adamw, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8,
                              .weight_decay = 0.1, .momentum = 0.95, .iterations = 5, .rms = 0.2};
}

typedef struct state {
    const fm_optim_rule *rule;
    float *moment[FM_OPTIM_MOMENTS];
} state;

typedef struct job {
    size_t tensor;
    int64_t begin, n;
} job;

struct fm_optim {
    fm_optim_options options;
    const fm_learned_list *learned;
    fm_pool *pool;
    int64_t steps;
    state *states; /* of each tensor */
    job *jobs;
    int64_t n_jobs;
    float *scratch;
    size_t scratch_floats; /* of a worker */
    double rate, factor;   /* of the step that is being taken */
};

/* NULL: a frozen tensor has none. */
static const fm_optim_rule *rule_for(const fm_optim_options *o, const fm_learned *t) {
    if (!t->grad) return NULL;
    return o->rule->takes(t) ? o->rule : &fm_optim_adamw;
}

static int moments_of(const fm_optim_rule *rule) {
    int n = 0;
    while (rule && n < FM_OPTIM_MOMENTS && rule->moments[n]) n++;
    return n;
}

uint64_t fm_optim_bytes(const fm_optim_options *options, const fm_learned_list *learned) {
    uint64_t sum = 0;
    for (size_t i = 0; i < learned->n; i++)
        sum += (uint64_t)fm_learned_elements(&learned->at[i]) * sizeof(float) *
               (uint64_t)moments_of(rule_for(options, &learned->at[i]));
    return sum;
}

static bool decays(const fm_optim_options *o, fm_learned_kind kind) {
    if (kind == FM_LEARNED_NORM || kind == FM_LEARNED_BIAS) return o->decay_norms;
    if (kind == FM_LEARNED_EMBEDDING || kind == FM_LEARNED_HEAD) return o->decay_embeddings;
    return true;
}

static fm_status add_state(fm_optim *p, size_t i, fm_error *err) {
    const fm_learned *t = &p->learned->at[i];
    state *s = &p->states[i];
    size_t bytes = (size_t)fm_learned_elements(t) * sizeof(float);
    s->rule = rule_for(&p->options, t);
    for (int m = 0; m < moments_of(s->rule); m++) {
        s->moment[m] = fm_alloc_zero(bytes, FM_MEM_WEIGHTS);
        if (!s->moment[m]) return fm_fail_memory(err, bytes, "the moments of a weight");
    }
    if (s->rule && s->rule->scratch) {
        size_t floats = (s->rule->scratch(t) + 15) & ~(size_t)15;
        if (floats > p->scratch_floats) p->scratch_floats = floats;
    }
    return FM_OK;
}

/* Whole tensors first: they take longest, and a thread that is done early finds stretches left. */
static fm_status make_jobs(fm_optim *p, fm_error *err) {
    fm_stretches cut;
    FM_TRY(fm_stretches_cut(p->learned, &cut, err));
    p->jobs = fm_alloc_array((size_t)cut.n + 1, sizeof *p->jobs, FM_MEM_OTHER);
    if (!p->jobs) {
        fm_stretches_clear(&cut);
        return fm_fail_memory(err, (size_t)cut.n * sizeof *p->jobs, "a list of updates");
    }
    for (size_t i = 0; i < p->learned->n; i++)
        if (p->states[i].rule && p->states[i].rule->whole)
            p->jobs[p->n_jobs++] = (job){i, 0, fm_learned_elements(&p->learned->at[i])};
    for (int64_t i = 0; i < cut.n; i++)
        if (!p->states[cut.at[i].tensor].rule->whole)
            p->jobs[p->n_jobs++] = (job){cut.at[i].tensor, cut.at[i].begin, cut.at[i].n};
    fm_stretches_clear(&cut);
    return FM_OK;
}

static fm_status build(fm_optim *p, fm_error *err) {
    p->states = fm_alloc_array(p->learned->n + 1, sizeof *p->states, FM_MEM_OTHER);
    if (!p->states) return fm_fail_memory(err, p->learned->n * sizeof *p->states, "an optimiser");
    for (size_t i = 0; i < p->learned->n; i++) FM_TRY(add_state(p, i, err));
    FM_TRY(make_jobs(p, err));
    size_t floats = p->scratch_floats * (size_t)fm_pool_threads(p->pool);
    if (floats) p->scratch = fm_alloc(floats * sizeof(float), FM_MEM_OTHER);
    if (floats && !p->scratch) return fm_fail_memory(err, floats * sizeof(float), "an optimiser");
    return FM_OK;
}

fm_status fm_optim_new(const fm_optim_options *options, const fm_learned_list *learned, fm_pool *pool,
                       fm_optim **out, fm_error *err) {
    assert(options->rule && options->kernels);
    *out = NULL;
    fm_optim *p = fm_alloc_zero(sizeof *p, FM_MEM_OTHER);
    if (!p) return fm_fail_memory(err, sizeof *p, "an optimiser");
    p->options = *options;
    p->learned = learned;
    p->pool = pool;
    fm_status status = build(p, err);
    if (status == FM_OK) *out = p;
    else fm_optim_free(p);
    return status;
}

void fm_optim_free(fm_optim *p) {
    if (!p) return;
    for (size_t i = 0; p->states && i < p->learned->n; i++)
        for (int m = 0; m < FM_OPTIM_MOMENTS; m++) fm_free(p->states[i].moment[m]);
    fm_free(p->states);
    fm_free(p->jobs);
    fm_free(p->scratch);
    fm_free(p);
}

static void work(void *context, int64_t begin, int64_t end, int worker) {
    const fm_optim *p = context;
    for (int64_t i = begin; i < end; i++) {
        const job *j = &p->jobs[i];
        const fm_learned *t = &p->learned->at[j->tensor];
        const state *s = &p->states[j->tensor];
        float *scratch = p->scratch ? p->scratch + (size_t)worker * p->scratch_floats : NULL;
        fm_optim_call call = {.options = &p->options, .tensor = t, .begin = j->begin, .n = j->n,
                              .moment = {s->moment[0], s->moment[1]}, .step = p->steps, .rate = p->rate,
                              .decay = decays(&p->options, t->kind) ? p->options.weight_decay : 0,
                              .factor = p->factor, .scratch = scratch};
        s->rule->update(&call);
    }
}

void fm_optim_step(fm_optim *p, double rate, double factor) {
    p->steps++;
    p->rate = rate;
    p->factor = factor;
    fm_pool_for(p->pool, p->n_jobs, 1, work, p);
}

int64_t fm_optim_steps(const fm_optim *p) { return p->steps; }
void fm_optim_set_steps(fm_optim *p, int64_t steps) { p->steps = steps; }

size_t fm_optim_moments(const fm_optim *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->learned->n; i++) n += (size_t)moments_of(p->states[i].rule);
    return n;
}

fm_optim_moment fm_optim_moment_at(const fm_optim *p, size_t i) {
    size_t at = 0;
    while (i >= (size_t)moments_of(p->states[at].rule)) i -= (size_t)moments_of(p->states[at++].rule);
    return (fm_optim_moment){&p->learned->at[at], p->states[at].rule->moments[i], p->states[at].moment[i]};
}
