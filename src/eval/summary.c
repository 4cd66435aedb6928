#include "eval/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NORMAL_95 = 1.959963984540054;

typedef struct maker {
    const fm_scored **of; /* [n] sorted by domain and band, otherwise in their order */
    size_t n;
    uint64_t seed;
    double *values;  /* [n][2 + n_ks]: share, consensus, pass@k */
    double *lengths; /* of right or wrong samples of a row */
    fm_summary *out;
} maker;

/* ---- groups -------------------------------------------------------------------------------------- */

static int by_text(const char *a, const char *b) {
    if (!a || !b) return (a != NULL) - (b != NULL);
    size_t n = strlen(a), m = strlen(b);
    bool numbers = strspn(a, "0123456789") == n && strspn(b, "0123456789") == m;
    return numbers && n != m ? (n > m) - (n < m) : strcmp(a, b); /* 9 before 10 */
}

static int by_group(const void *a, const void *b) {
    const fm_scored *x = *(const fm_scored *const *)a, *y = *(const fm_scored *const *)b;
    int order = by_text(x->domain, y->domain);
    if (order == 0) order = by_text(x->band, y->band);
    return order ? order : (x > y) - (x < y);
}

/* ---- one row ------------------------------------------------------------------------------------- */

static fm_figure figure(const double *values, size_t n, size_t m, size_t column, double low, double high) {
    fm_figure f = {.value = NAN, .low = NAN, .high = NAN};
    double sum = 0, least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double v = values[i * m + column];
        if (isnan(v)) continue;
        f.items++;
        sum += v;
        if (v < least) least = v;
        if (v > most) most = v;
    }
    if (f.items == 0) return f;
    f.value = sum / (double)f.items;
    f.low = low;
    f.high = high;
    if (least == most) fm_wilson(sum, (double)f.items, NORMAL_95, &f.low, &f.high);
    return f;
}

static fm_reply_lengths lengths_of(maker *k, size_t begin, size_t n, fm_verdict verdict) {
    fm_reply_lengths l = {.mean = NAN, .median = NAN};
    double sum = 0;
    for (size_t i = begin; i < begin + n; i++)
        for (int64_t s = 0; s < k->of[i]->score.samples; s++) {
            const fm_length *one = &k->of[i]->lengths[s];
            if (one->verdict != verdict || one->tokens < 0) continue;
            k->lengths[l.n++] = (double)one->tokens;
            sum += (double)one->tokens;
        }
    if (l.n == 0) return l;
    fm_sort_numbers(k->lengths, (size_t)l.n);
    l.mean = sum / (double)l.n;
    l.median = fm_quantile(k->lengths, (size_t)l.n, 0.5);
    return l;
}

static void count(maker *k, size_t begin, size_t n, fm_summary_row *row) {
    for (size_t i = begin; i < begin + n; i++) {
        const fm_score *s = &k->of[i]->score;
        row->items++;
        row->samples += s->samples;
        row->right += s->right;
        row->undecided += s->samples - s->decided;
        row->unanswered += s->unanswered;
        row->formed += s->formed;
        row->cut += s->cut;
    }
    row->right_tokens = lengths_of(k, begin, n, FM_RIGHT);
    row->wrong_tokens = lengths_of(k, begin, n, FM_WRONG);
}

static fm_status add_row(maker *k, const char *domain, const char *band, size_t begin, size_t n,
                         fm_error *err) {
    fm_summary *out = k->out;
    size_t m = 2 + out->n_ks;
    double low[2 + FM_SUMMARY_KS], high[2 + FM_SUMMARY_KS];
    fm_summary_row *row = &out->rows[out->n];
    *row = (fm_summary_row){.domain = domain, .band = band};
    for (size_t i = 0; i < n; i++) {
        const fm_score *s = &k->of[begin + i]->score;
        k->values[i * m] = s->share;
        k->values[i * m + 1] = s->consensus;
        for (size_t j = 0; j < out->n_ks; j++)
            k->values[i * m + 2 + j] = fm_pass_at(s->decided, s->right, out->ks[j]);
    }
    FM_TRY(fm_bootstrap_means(k->values, n, m, FM_SUMMARY_ROUNDS, k->seed, low, high, err));
    row->share = figure(k->values, n, m, 0, low[0], high[0]);
    row->consensus = figure(k->values, n, m, 1, low[1], high[1]);
    for (size_t j = 0; j < out->n_ks; j++)
        row->pass[j] = figure(k->values, n, m, 2 + j, low[2 + j], high[2 + j]);
    count(k, begin, n, row);
    out->n++;
    return FM_OK;
}

/* ---- all ----------------------------------------------------------------------------------------- */

static size_t same_run(const maker *k, size_t begin, size_t end, bool band) {
    size_t i = begin + 1;
    while (i < end && by_text(k->of[i]->domain, k->of[begin]->domain) == 0 &&
           (!band || by_text(k->of[i]->band, k->of[begin]->band) == 0))
        i++;
    return i - begin;
}

/* A domain that holds all, and a band that holds its whole domain, would say the same twice. */
static fm_status add_groups(maker *k, fm_error *err) {
    qsort(k->of, k->n, sizeof *k->of, by_group);
    for (size_t at = 0, n; at < k->n; at += n) {
        n = same_run(k, at, k->n, false);
        const char *domain = k->of[at]->domain;
        if (domain && n < k->n) FM_TRY(add_row(k, domain, NULL, at, n, err));
        for (size_t b = at, m; b < at + n; b += m) {
            m = same_run(k, b, at + n, true);
            if (k->of[b]->band && m < n) FM_TRY(add_row(k, domain, k->of[b]->band, b, m, err));
        }
    }
    return FM_OK;
}

static fm_status make(maker *k, const fm_scored *scored, size_t samples, fm_error *err) {
    fm_summary *out = k->out;
    size_t n = k->n ? k->n : 1, m = 2 + out->n_ks;
    /* every question is in one row of a domain and one of a band at most */
    out->rows = fm_arena_array(&out->arena, 2 * n + 1, sizeof *out->rows);
    k->of = fm_alloc_array(n, sizeof *k->of, FM_MEM_OTHER);
    k->values = fm_alloc_array(n, m * sizeof *k->values, FM_MEM_OTHER);
    k->lengths = fm_alloc_array(samples ? samples : 1, sizeof *k->lengths, FM_MEM_OTHER);
    if (!out->rows || !k->of || !k->values || !k->lengths)
        return fm_fail_memory(err, n * sizeof *out->rows, "a summary");
    for (size_t i = 0; i < k->n; i++) k->of[i] = &scored[i];
    FM_TRY(add_row(k, NULL, NULL, 0, k->n, err));
    return add_groups(k, err);
}

fm_status fm_summary_make(const fm_scored *scored, size_t n, const int64_t *ks, size_t n_ks, uint64_t seed,
                          fm_summary *out, fm_error *err) {
    *out = (fm_summary){.n_ks = n_ks};
    memcpy(out->ks, ks, n_ks * sizeof *ks);
    maker k = {.n = n, .seed = seed, .out = out};
    size_t samples = 0;
    for (size_t i = 0; i < n; i++) samples += (size_t)scored[i].score.samples;
    fm_status status = make(&k, scored, samples, err);
    fm_free(k.of);
    fm_free(k.values);
    fm_free(k.lengths);
    if (status != FM_OK) fm_summary_clear(out);
    return status;
}

void fm_summary_clear(fm_summary *s) {
    fm_arena_clear(&s->arena);
    *s = (fm_summary){0};
}
