#include "eval/perplexity.h"

#include "base/hash.h"
#include "eval/stats.h"

#include <math.h>
#include <string.h>
#include <sys/statvfs.h>

bool fm_perplexity_window_at(int64_t n, int64_t context, int64_t stride, int64_t index,
                             fm_perplexity_window *out) {
    if (stride == 0) {
        if (index >= n / context) return false;
        int64_t begin = index * context;
        *out = (fm_perplexity_window){begin, begin + context, begin + context / 2 + 1};
        return out->first < out->end;
    }
    int64_t begin = index * stride, before = index > 0 ? begin - stride + context : 1;
    if (before >= n) return false;
    int64_t end = begin + context < n ? begin + context : n;
    *out = (fm_perplexity_window){begin, end, before};
    return true;
}

int64_t fm_perplexity_outputs(int64_t vocabulary, int64_t rows) {
    int64_t fit = ((int64_t)64 << 20) / (vocabulary * (int64_t)sizeof(float));
    return fit < 1 ? 1 : fit < rows ? fit : rows;
}

/* What is known of one scored token. */
typedef struct score {
    double logprob;                 /* of the token, ours */
    double base_logprob, kl, top;   /* baseline; top: 1 if both have the same */
    bool bad, damaged;              /* logits that are no numbers; a baseline that is none */
} score;

/* Everything under way, so that one place gives it back. */
typedef struct scorer {
    const fm_model *model;
    const fm_perplexity_options *options;
    const int32_t *ids;
    int64_t n, vocabulary, outputs;
    fm_sequence *sequence;
    fm_pool *pool;
    fm_baseline_shape shape;
    fm_baseline_file base;
    fm_writer *writer;
    int32_t *window_ids;  /* [context] */
    score *scores;        /* [outputs] */
    double *probabilities; /* [threads, vocabulary] of the baseline; NULL without */
    char *coded;          /* [outputs] rows of the file; NULL without */
    double *divergences;  /* [all scored]; NULL without a baseline */
    double bytes;
    fm_moments nll, base_nll, kl, top, delta;
    fm_perplexity_result result;
    fm_error *err;
} scorer;

/* ---- one row ------------------------------------------------------------------------------------- */

static void compare(const float *logits, double norm, int64_t n, const double *p, score *s) {
    double kl = 0;
    int64_t ours = 0, theirs = 0;
    for (int64_t i = 0; i < n; i++) {
        if (logits[i] > logits[ours]) ours = i;
        if (p[i] > p[theirs]) theirs = i;
        double probability = exp(p[i]);
        if (probability > 0) kl += probability * (p[i] - ((double)logits[i] - norm));
    }
    s->kl = kl > 0 ? kl : 0; /* rounding may leave -1e-17 */
    s->top = ours == theirs;
}

typedef struct rows_job {
    scorer *s;
    const int32_t *targets;
    uint64_t base_row; /* of the first */
} rows_job;

static void score_rows(void *context, int64_t begin, int64_t end, int worker) {
    const rows_job *j = context;
    scorer *s = j->s;
    int64_t v = s->vocabulary;
    for (int64_t i = begin; i < end; i++) {
        const float *logits = fm_sequence_row_logits(s->sequence, i);
        score *out = &s->scores[i];
        double norm = fm_baseline_norm(logits, v);
        *out = (score){.logprob = (double)logits[j->targets[i]] - norm, .bad = isnan(norm)};
        if (out->bad) continue;
        if (s->coded)
            fm_baseline_encode(logits, v, norm, j->targets[i],
                               s->coded + (size_t)i * fm_baseline_row_bytes(v));
        if (!s->probabilities) continue;
        double *p = s->probabilities + (size_t)worker * (size_t)v;
        fm_baseline_row head;
        out->damaged = !fm_baseline_decode(fm_baseline_at(&s->base, j->base_row + (uint64_t)i), v, &head, p);
        out->damaged |= head.token != j->targets[i];
        if (out->damaged) continue;
        out->base_logprob = (double)head.logprob;
        compare(logits, norm, v, p, out);
    }
}

/* Adds what the rows gave, in their order. */
static fm_status add_scores(scorer *s, const int32_t *targets, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const score *x = &s->scores[i];
        if (x->bad)
            return fm_fail(s->err, FM_ERR_FORMAT, "the model's logits are not numbers at scored token %lld; "
                           "its weights are damaged, or of a kind that overflows", (long long)s->nll.n);
        if (x->damaged)
            return fm_fail(s->err, FM_ERR_FORMAT, "%s: row %lld contradicts itself or the text: the file "
                           "is damaged", s->options->against, (long long)s->nll.n);
        if (s->probabilities) {
            s->divergences[s->nll.n] = x->kl;
            fm_moments_add(&s->base_nll, -x->base_logprob);
            fm_moments_add(&s->kl, x->kl);
            fm_moments_add(&s->top, x->top);
            fm_moments_add(&s->delta, x->logprob - x->base_logprob);
        }
        fm_moments_add(&s->nll, -x->logprob);
        if (s->options->token_bytes) s->bytes += s->options->token_bytes[targets[i]];
    }
    if (!s->coded) return FM_OK;
    return fm_writer_put(s->writer, s->coded, (size_t)n * fm_baseline_row_bytes(s->vocabulary), s->err);
}

/* ---- windows ------------------------------------------------------------------------------------- */

typedef struct step_watch {
    const scorer *s;
    int64_t window, before, size; /* tokens of this window done before, and in all */
} step_watch;

static bool on_step(void *context, int64_t done, int64_t total) {
    (void)total;
    const step_watch *w = context;
    const fm_perplexity_options *o = w->s->options;
    double part = (double)(w->before + done) / (double)w->size;
    return !o->on_step || o->on_step(o->callback_context, ((double)w->window + part) /
                                     (double)w->s->result.all_windows);
}

static fm_status score_window(scorer *s, int64_t index, const fm_perplexity_window *w) {
    int64_t size = w->end - w->begin, at = w->first - 1 - w->begin;
    step_watch watch = {.s = s, .window = index, .size = size};
    memcpy(s->window_ids, s->ids + w->begin, (size_t)size * sizeof *s->ids);
    if (s->options->bos >= 0) s->window_ids[0] = s->options->bos;
    fm_sequence_truncate(s->sequence, 0);
    if (at > 0) FM_TRY(fm_sequence_extend(s->sequence, s->window_ids, at, on_step, &watch, s->err));
    while (at + 1 < size) { /* the last token foretells nothing that is known */
        int64_t rows = size - 1 - at < s->outputs ? size - 1 - at : s->outputs;
        watch.before = at;
        FM_TRY(fm_sequence_queue_scored(s->sequence, s->window_ids + at, rows, s->err));
        FM_TRY(fm_sequence_compute(s->sequence, on_step, &watch, s->err));
        rows_job job = {s, s->window_ids + at + 1, (uint64_t)s->nll.n};
        fm_pool_for(s->pool, rows, 1, score_rows, &job);
        FM_TRY(add_scores(s, job.targets, rows));
        at += rows;
    }
    return FM_OK;
}

static void fill_result(scorer *s, bool done) {
    fm_perplexity_result *r = &s->result;
    r->scored = s->nll.n;
    r->nll = s->nll.mean, r->nll_error = fm_moments_error(&s->nll);
    r->bytes = s->bytes;
    if (!s->probabilities) return;
    r->base_nll = s->base_nll.mean;
    r->kl = s->kl.mean, r->kl_error = fm_moments_error(&s->kl);
    r->same_top = s->top.mean, r->same_top_error = fm_moments_error(&s->top);
    r->delta = s->delta.mean, r->delta_error = fm_moments_error(&s->delta);
    if (!done) return;
    size_t n = (size_t)s->nll.n;
    fm_sort_numbers(s->divergences, n);
    r->kl_median = fm_quantile(s->divergences, n, 0.5);
    r->kl_99 = fm_quantile(s->divergences, n, 0.99);
    r->kl_max = fm_quantile(s->divergences, n, 1);
}

static fm_status cancelled(const scorer *s) {
    return fm_fail(s->err, FM_ERR_CANCELLED, "stopped after %lld of %lld windows",
                   (long long)s->result.windows, (long long)s->result.all_windows);
}

static fm_status score_all(scorer *s) {
    const fm_perplexity_options *o = s->options;
    fm_perplexity_window w;
    for (int64_t i = 0; fm_perplexity_window_at(s->n, o->context, o->stride, i, &w) &&
                        i < s->result.all_windows; i++) {
        FM_TRY(score_window(s, i, &w));
        s->result.windows++;
        fill_result(s, i + 1 == s->result.all_windows);
        if (o->on_window && !o->on_window(o->callback_context, &s->result)) return cancelled(s);
    }
    return FM_OK;
}

/* ---- before the first window --------------------------------------------------------------------- */

static fm_status count(scorer *s) {
    const fm_perplexity_options *o = s->options;
    fm_perplexity_window w;
    int64_t windows = 0, used = 0;
    uint64_t scored = 0;
    for (; (o->limit <= 0 || windows < o->limit) &&
           fm_perplexity_window_at(s->n, o->context, o->stride, windows, &w); windows++) {
        scored += (uint64_t)(w.end - w.first);
        used = w.end;
    }
    if (windows == 0)
        return fm_fail(s->err, FM_ERR_ARGUMENT, "the text has %lld tokens, fewer than a window of %lld: "
                       "give a longer text, a smaller context or a stride", (long long)s->n,
                       (long long)o->context);
    s->result.all_windows = windows;
    s->shape = (fm_baseline_shape){.vocabulary = (uint32_t)s->vocabulary, .context = (uint32_t)o->context,
                                   .stride = (uint32_t)o->stride, .bos = o->bos, .rows = scored,
                                   .hash = fm_hash(s->ids, (size_t)used * sizeof *s->ids, 0)};
    return FM_OK;
}

static fm_status make_room(scorer *s) {
    size_t threads = (size_t)fm_pool_threads(s->pool), v = (size_t)s->vocabulary;
    size_t outputs = (size_t)s->outputs, rows = (size_t)s->shape.rows;
    bool coded = s->options->save, compared = s->options->against;
    s->window_ids = fm_alloc_array((size_t)s->options->context, sizeof *s->window_ids, FM_MEM_OTHER);
    s->scores = fm_alloc_array(outputs, sizeof *s->scores, FM_MEM_OTHER);
    if (coded) s->coded = fm_alloc_array(outputs, fm_baseline_row_bytes(s->vocabulary), FM_MEM_OTHER);
    if (compared) s->probabilities = fm_alloc_array(threads * v, sizeof(double), FM_MEM_OTHER);
    if (compared) s->divergences = fm_alloc_array(rows, sizeof(double), FM_MEM_OTHER);
    bool there = s->window_ids && s->scores && (!coded || s->coded) &&
                 (!compared || (s->probabilities && s->divergences));
    return there ? FM_OK : fm_fail_memory(s->err, outputs * v * sizeof(float), "the scores");
}

/* A disk that will not hold it is found out before the work. */
static fm_status check_disk(const scorer *s, uint64_t bytes) {
    const char *path = s->options->save, *slash = strrchr(path, '/');
    char *folder = slash ? fm_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : fm_strdup(".");
    struct statvfs disk;
    bool known = folder && statvfs(folder, &disk) == 0;
    fm_free(folder);
    if (!known) return FM_OK; /* opening it will say why */
    double left = (double)disk.f_bavail * (double)disk.f_frsize;
    if (left >= (double)bytes || disk.f_blocks == 0) return FM_OK;
    return fm_fail(s->err, FM_ERR_IO, "%s would have %.1f MB and its disk has %.1f MB left: free some, or "
                   "score fewer windows", path, (double)bytes / 1e6, left / 1e6);
}

static fm_status open_files(scorer *s) {
    const fm_perplexity_options *o = s->options;
    uint64_t bytes = 0;
    if (o->against) {
        FM_TRY(fm_baseline_open(o->against, &s->base, s->err));
        FM_TRY(fm_baseline_match(&s->base, o->against, &s->shape, s->err));
    }
    if (o->save && !fm_baseline_file_bytes(&s->shape, &bytes))
        return fm_fail(s->err, FM_ERR_LIMIT, "so many log-probabilities fit in no file");
    if (o->save) {
        FM_TRY(check_disk(s, bytes));
        FM_TRY(fm_writer_open(o->save, &s->writer, s->err));
    }
    if (o->on_plan && !o->on_plan(o->callback_context, s->result.all_windows, (int64_t)s->shape.rows, bytes))
        return cancelled(s);
    if (!o->save) return FM_OK;
    char header[FM_BASELINE_HEADER];
    fm_baseline_header(&s->shape, header);
    return fm_writer_put(s->writer, header, sizeof header, s->err);
}

static fm_status run(scorer *s, fm_engine *engine) {
    FM_TRY(count(s));
    FM_TRY(make_room(s));
    FM_TRY(open_files(s));
    FM_TRY(fm_sequence_new(engine, &s->sequence, s->err));
    return score_all(s);
}

fm_status fm_perplexity_run(const fm_model *model, fm_engine *engine, const int32_t *ids, int64_t n,
                            const fm_perplexity_options *options, fm_perplexity_result *result,
                            fm_error *err) {
    const fm_engine_options *e = fm_engine_options_of(engine);
    scorer s = {.model = model, .options = options, .ids = ids, .n = n, .pool = e->pool,
                .outputs = fm_perplexity_outputs(model->config.vocab_size, e->outputs),
                .vocabulary = model->config.vocab_size, .err = err};
    fm_status status = run(&s, engine);
    fm_writer *writer = s.writer;
    if (writer && status == FM_OK) status = fm_writer_commit(writer, err);
    else if (writer) fm_writer_abort(writer);
    fm_sequence_free(s.sequence);
    fm_baseline_close(&s.base);
    fm_free(s.window_ids);
    fm_free(s.scores);
    fm_free(s.coded);
    fm_free(s.probabilities);
    fm_free(s.divergences);
    *result = s.result;
    return status;
}
