#include "tensor/quant/fit.h"

#include <math.h>
#include <stddef.h>

fm_levels fm_levels_even(int low, int high) {
    fm_levels l = {.n = low + high + 1, .zero = low, .even = true};
    for (int i = 0; i < l.n; i++) l.value[i] = (float)(i - low);
    return l;
}

/* The level nearest to y by looking at all. */
static int search_level(const fm_levels *l, float y) {
    int k = 0;
    while (k + 1 < l->n && y > 0.5f * (l->value[k] + l->value[k + 1])) k++;
    return k;
}

fm_levels fm_levels_of(const int8_t *values, int n) {
    fm_levels l = {.n = n};
    for (int i = 0; i < n; i++) {
        l.value[i] = (float)values[i];
        if (fabsf(l.value[i]) < fabsf(l.value[l.zero])) l.zero = i;
    }
    for (int i = 0; i < 256; i++) l.near[i] = (uint8_t)search_level(&l, (float)(i - 128));
    return l;
}

void fm_fit_weights(const float **importance, int n, float *w) {
    for (int i = 0; i < n; i++) w[i] = *importance ? (*importance)[i] : 1;
    if (*importance) *importance += n;
}

/* ---- one scale -------------------------------------------------------------------------------*/

/* The level nearest to y; NaN counts as 0. */
static inline int nearest(const fm_levels *l, float y) {
    float low = l->value[0], high = l->value[l->n - 1];
    y = y > low ? y : y <= low ? low : 0;
    y = y < high ? y : high;
    if (l->even) return l->zero + (int)lrintf(y);
    int cell = (int)(y + 128), k = l->near[cell]; /* uneven levels lie further apart than cells */
    return k + 1 < l->n && y > 0.5f * (l->value[k] + l->value[k + 1]) ? k + 1 : k;
}

/* An x passes from one level to the next, away from zero: when, and what that adds to the sums. */
typedef struct event {
    float at; /* value of 1 / d */
    float xq, qq;
} event;

enum { MOST_EVENTS = FM_FIT_MOST * 32, BUCKETS = 128 };

/* The sums for 1 / d = begin, and all events up to `end`. `sign`: of d. */
static int list_events(const fm_levels *l, const float *x, const float *w, int n, float sign, float begin,
                       float end, double *xq, double *qq, event *events) {
    int count = 0;
    *xq = *qq = 0;
    for (int i = 0; i < n; i++) {
        float y = sign * x[i];
        if (y == 0) continue;
        int k = nearest(l, y * begin), step = y > 0 ? 1 : -1, last = y > 0 ? l->n - 1 : 0;
        float q = l->value[k], inverse = 1 / y;
        *xq += (double)(w[i] * y * q);
        *qq += (double)(w[i] * q * q);
        for (; k != last && count < MOST_EVENTS; k += step) {
            float to = l->value[k + step], at = 0.5f * (to + q) * inverse;
            if (at >= end) break;
            events[count++] = (event){at, w[i] * y * (to - q), w[i] * (to * to - q * q)};
            q = to;
        }
    }
    return count;
}

/* Into order of `at`: first roughly, by buckets, then by insertion. */
static void sort_events(event *events, event *sorted, int n, float begin, float end) {
    int first[BUCKETS + 1] = {0};
    uint8_t bucket[MOST_EVENTS];
    float scale = (BUCKETS - 1) / (end - begin);
    for (int i = 0; i < n; i++) {
        float b = (events[i].at - begin) * scale;
        bucket[i] = (uint8_t)(b > 0 ? b < BUCKETS - 1 ? (int)b : BUCKETS - 1 : 0);
        first[bucket[i] + 1]++;
    }
    for (int b = 0; b < BUCKETS; b++) first[b + 1] += first[b];
    for (int i = 0; i < n; i++) sorted[first[bucket[i]]++] = events[i];
    for (int i = 1; i < n; i++) {
        event e = sorted[i];
        int at = i;
        for (; at > 0 && sorted[at - 1].at > e.at; at--) sorted[at] = sorted[at - 1];
        sorted[at] = e;
    }
}

/* With the best d = xq / qq the error is sum w x x - xq^2 / qq: the more is subtracted the better. */
static void consider(double xq, double qq, float sign, double *best, double *d) {
    if (!(xq > 0 && qq > 0) || xq * xq <= *best * qq) return;
    *best = xq * xq / qq;
    *d = (double)sign * xq / qq;
}

/* What the scale has to reach: the largest |x|, or less where such values count for little. */
static float reach_of(const float *x, const float *w, int n, float largest) {
    double xx = 0, ww = 0;
    bool alike = true;
    for (int i = 0; i < n; i++) {
        xx += (double)w[i] * (double)x[i] * (double)x[i];
        ww += (double)w[i];
        alike = alike && w[i] == w[0];
    }
    float typical = ww > 0 ? (alike ? 2.0f : 1.3f) * (float)sqrt(xx / ww) : largest;
    return typical > 0 && typical < largest ? typical : largest;
}

float fm_fit_scale(const fm_levels *levels, const float *x, const float *w, int n, float reach) {
    event events[MOST_EVENTS], sorted[MOST_EVENTS];
    float largest = 0, top = levels->value[levels->n - 1];
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > largest) largest = fabsf(x[i]);
    if (!(largest > 1e-30f && largest < 1e30f)) return 0;
    if (-levels->value[0] > top) top = -levels->value[0];
    float begin = top / largest * (1 - reach), end = top / reach_of(x, w, n, largest) * (1 + reach);
    double best = 0, d = 0, xq, qq;
    for (float sign = 1; sign >= -1; sign -= 2) {
        int count = list_events(levels, x, w, n, sign, begin, end, &xq, &qq, events);
        sort_events(events, sorted, count, begin, end);
        consider(xq, qq, sign, &best, &d);
        for (int i = 0; i < count; i++) {
            xq += (double)sorted[i].xq;
            qq += (double)sorted[i].qq;
            consider(xq, qq, sign, &best, &d);
        }
    }
    return (float)d;
}

fm_fit_sums fm_fit_codes(const fm_levels *levels, const float *x, const float *w, int n, float d,
                         uint8_t *codes) {
    fm_fit_sums s = {0};
    float inverse = 1 / d;
    for (int i = 0; i < n; i++) {
        int k = nearest(levels, x[i] * inverse);
        float q = levels->value[k], wq = w[i] * q, e = x[i] - d * q;
        s.xq += (double)(wq * x[i]);
        s.qq += (double)(wq * q);
        s.error += (double)(w[i] * e * e);
        if (codes) codes[i] = (uint8_t)k;
    }
    return s;
}

/* ---- a scale and a minimum -------------------------------------------------------------------*/

/* To the nearest whole number from 0 to top, as a float; the additions round. NaN gives 0. */
static inline float round_code(float y, float top) {
    const float magic = 12582912; /* 1.5 * 2^23 */
    y = y > 0 ? y : 0;
    y = y < top ? y : top;
    return (y + magic) - magic;
}

/* Sums over a block in eight lanes, so that compilers may take several elements at a time. */
typedef struct line_sums {
    float w[8], x[8], q[8], xq[8], qq[8];
} line_sums;

static double total(const float lanes[8]) {
    double sum = 0;
    for (int l = 0; l < 8; l++) sum += (double)lanes[l];
    return sum;
}

static void sum_line(const float *x, const float *w, int n, float top, float d, float m, line_sums *s) {
    float inverse = 1 / d;
    *s = (line_sums){0};
    for (int i = 0; i < n; i += 8)
        for (int l = 0; l < 8; l++) {
            float q = round_code((x[i + l] - m) * inverse, top), wq = w[i + l] * q;
            s->w[l] += w[i + l];
            s->x[l] += w[i + l] * x[i + l];
            s->q[l] += wq;
            s->xq[l] += wq * x[i + l];
            s->qq[l] += wq * q;
        }
}

/* Least squares of x on (q, 1); false where all codes are the same. */
static bool solve_line(const line_sums *s, bool negative, float *d, float *m) {
    double w = total(s->w), x = total(s->x), q = total(s->q), xq = total(s->xq), qq = total(s->qq);
    double det = w * qq - q * q;
    if (!(det > 1e-9 * w * qq)) return false;
    double slope = (w * xq - x * q) / det, offset = (x * qq - q * xq) / det;
    if (negative && offset > 0) slope = xq / qq, offset = 0;
    if (!(slope > 0)) return false;
    *d = (float)slope;
    *m = (float)offset;
    return true;
}

double fm_fit_line_codes(const float *x, const float *w, int n, int top, float d, float m,
                         uint8_t *codes) {
    float error[8] = {0}, inverse = d > 0 ? 1 / d : 0;
    for (int i = 0; i < n; i += 8)
        for (int l = 0; l < 8; l++) {
            float q = round_code((x[i + l] - m) * inverse, (float)top), e = x[i + l] - (d * q + m);
            error[l] += w[i + l] * e * e;
            if (codes) codes[i + l] = (uint8_t)q;
        }
    return total(error);
}

/* A pair (d, m) on its way. */
typedef struct line {
    float d, m;
    double error;
} line;

/* Rounding, then least squares; false where that has come to an end. */
static bool improve_line(const float *x, const float *w, int n, int top, bool negative, line *l) {
    line next = *l;
    line_sums s;
    sum_line(x, w, n, (float)top, l->d, l->m, &s);
    if (!solve_line(&s, negative, &next.d, &next.m)) return false;
    next.error = fm_fit_line_codes(x, w, n, top, next.d, next.m, NULL);
    if (!(next.error < 0.9999 * l->error)) return false;
    *l = next;
    return true;
}

enum { KEPT = 4, TURNS = 6 };

/* Judges the line through (low, 0) and (high, codes), after one turn, and keeps the best few. */
static void try_line(const float *x, const float *w, int n, int top, bool negative, float low, float high,
                     float codes, line kept[KEPT]) {
    line l = {.d = (high - low) / codes, .m = negative && low > 0 ? 0 : low};
    if (!(l.d > 0)) return;
    l.error = fm_fit_line_codes(x, w, n, top, l.d, l.m, NULL);
    improve_line(x, w, n, top, negative, &l);
    int at = KEPT;
    while (at > 0 && l.error < kept[at - 1].error) at--;
    if (at == KEPT) return;
    for (int i = KEPT - 1; i > at; i--) kept[i] = kept[i - 1];
    kept[at] = l;
}

/* Where codes could begin and end: at the least and the largest value, or inside, where the values that
 * count lie. */
static void line_ends(const float *x, const float *w, int n, float *low, float *high, float *middle,
                      float *width) {
    double ww = 0, wx = 0, wxx = 0;
    *low = *high = x[0];
    for (int i = 0; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
        ww += (double)w[i];
        wx += (double)w[i] * (double)x[i];
        wxx += (double)w[i] * (double)x[i] * (double)x[i];
    }
    double mean = ww > 0 ? wx / ww : 0, square = ww > 0 ? wxx / ww - mean * mean : 0;
    *middle = (float)mean;
    *width = square > 0 ? (float)sqrt(square) : 0;
}

void fm_fit_line(const float *x, const float *w, int n, int top, bool negative, float *d, float *m) {
    static const float inside[] = {1.4f, 1.8f, 2.3f};
    line kept[KEPT];
    float low, high, middle, width;
    for (int i = 0; i < KEPT; i++) kept[i] = (line){.error = INFINITY};
    line_ends(x, w, n, &low, &high, &middle, &width);
    if (negative && low > 0) low = 0;
    *d = 0;
    *m = low;
    if (!(high - low > 1e-30f && high - low < 1e30f)) return;
    for (float unused = 1; unused > -0.2f * (float)top; unused -= 0.055f * (float)top) {
        float codes = (float)top - unused, clipped = unused < 0 ? -unused * (high - low) / codes : 0;
        try_line(x, w, n, top, negative, low, high, codes, kept);
        if (unused >= 0) continue;
        try_line(x, w, n, top, negative, low + 0.5f * clipped, high + 0.5f * clipped, codes, kept);
        try_line(x, w, n, top, negative, low + clipped, high + clipped, codes, kept);
    }
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        float from = middle - inside[i] * width, to = middle + inside[i] * width;
        if (from > low || to < high)
            try_line(x, w, n, top, negative, from > low ? from : low, to < high ? to : high, (float)top, kept);
    }
    double best = INFINITY;
    for (int i = 0; i < KEPT && kept[i].error < INFINITY; i++) {
        for (int turn = 0; turn < TURNS && improve_line(x, w, n, top, negative, &kept[i]);) turn++;
        if (kept[i].error < best) best = kept[i].error, *d = kept[i].d, *m = kept[i].m;
    }
}
