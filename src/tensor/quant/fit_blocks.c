/* fit_blocks.c: from the best real scales to those that a block can store: halves, and small whole
 * multiples of halves. Every rounding is answered by choosing codes anew, and every choice is judged by
 * the error of what will be decoded. */
#include "tensor/quant/fit.h"

#include "tensor/half.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 3 }; /* of improving scales and codes in turns */

/* The finite half nearest to x. */
static uint16_t to_half(float x) {
    if (!(fabsf(x) <= 65504)) x = x > 0 ? 65504 : x < 0 ? -65504 : 0;
    return fm_half_from_float(x);
}

/* ---- one scale -------------------------------------------------------------------------------*/

/* Tries the half nearest to d and its neighbours; keeps the best of all that were tried. */
static void try_halves(const fm_levels *levels, const float *x, const float *w, int n, float d,
                       uint16_t *best, double *least) {
    uint16_t middle = to_half(d);
    for (int step = -1; step <= 1; step++) {
        uint16_t h = (uint16_t)(middle + step);
        if ((h & 0x7fff) == 0 || (h & 0x7c00) == 0x7c00) continue;
        double error = fm_fit_codes(levels, x, w, n, fm_half_to_float(h), NULL).error;
        if (error < *least) *least = error, *best = h;
    }
}

uint16_t fm_fit_scale_as_half(const fm_levels *levels, const float *x, const float *w, int n,
                              uint8_t *codes) {
    float d = fm_fit_scale(levels, x, w, n, 0.5f);
    uint16_t best = 0;
    double least = INFINITY;
    if (d != 0) try_halves(levels, x, w, n, d, &best, &least);
    if (best) fm_fit_codes(levels, x, w, n, fm_half_to_float(best), codes);
    else memset(codes, levels->zero, (size_t)n);
    return best;
}

static double byte_error(const float *x, const float *w, int n, float d, int8_t *codes) {
    double error = 0;
    float inverse = 1 / d;
    for (int i = 0; i < n; i++) {
        float q = x[i] * inverse;
        int c = q >= 127 ? 127 : q <= -127 ? -127 : q == q ? (int)lrintf(q) : 0;
        double e = (double)x[i] - (double)d * c;
        error += (double)w[i] * e * e;
        if (codes) codes[i] = (int8_t)c;
    }
    return error;
}

uint16_t fm_fit_bytes_as_half(const float *x, const float *w, int n, int8_t *codes) {
    float largest = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > largest) largest = fabsf(x[i]);
    uint16_t middle = to_half(largest / 127), best = 0;
    double least = INFINITY;
    for (int step = -4; step <= 4; step++) { /* clipping the largest by a little may pay */
        int h = middle + step;
        if (h <= 0 || h >= 0x7c00) continue;
        double error = byte_error(x, w, n, fm_half_to_float((uint16_t)h), NULL);
        if (error < least) least = error, best = (uint16_t)h;
    }
    if (best && largest > 0) byte_error(x, w, n, fm_half_to_float(best), codes);
    else memset(codes, 0, (size_t)n);
    return largest > 0 ? best : 0;
}

/* ---- a scale and a minimum -------------------------------------------------------------------*/

void fm_fit_line_as_halves(const float *x, const float *w, int top, uint16_t *d, uint16_t *m,
                           uint8_t *codes) {
    float slope, offset;
    double least = INFINITY;
    fm_fit_line(x, w, 32, top, false, &slope, &offset);
    uint16_t d0 = to_half(slope), m0 = to_half(offset);
    *d = d0, *m = m0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++) {
            int dh = d0 + i;
            uint16_t mh = (uint16_t)(m0 + j);
            if (dh < 0 || dh >= 0x7c00 || (mh & 0x7c00) == 0x7c00) continue;
            double error = fm_fit_line_codes(x, w, 32, top, fm_half_to_float((uint16_t)dh),
                                             fm_half_to_float(mh), NULL);
            if (error < least) least = error, *d = (uint16_t)dh, *m = mh;
        }
    fm_fit_line_codes(x, w, 32, top, fm_half_to_float(*d), fm_half_to_float(*m), codes);
}

/* ---- whole scales times a half ---------------------------------------------------------------*/

typedef struct scales_fit {
    const fm_levels *levels;
    const float *x, *w;
    int groups, size, low, high;
} scales_fit;

static int clamp(float f, int low, int high) {
    return f >= (float)high ? high : f > (float)low ? (int)lrintf(f) : low;
}

/* With the half d: the best whole scale of each group near the wanted one; sums for the next d. */
static double choose_scales(const scales_fit *f, float d, const float *wanted, int *scales,
                            fm_fit_sums *all) {
    *all = (fm_fit_sums){0};
    for (int g = 0; g < f->groups; g++) {
        const float *x = f->x + g * f->size, *w = f->w + g * f->size;
        int middle = clamp(wanted[g] / d, f->low, f->high);
        double zero = 0, least;
        for (int i = 0; i < f->size; i++) zero += (double)w[i] * (double)x[i] * (double)x[i];
        fm_fit_sums best = {0};
        least = zero;
        scales[g] = 0;
        for (int s = middle - 1; s <= middle + 1; s++) {
            if (s < f->low || s > f->high || s == 0) continue;
            fm_fit_sums sums = fm_fit_codes(f->levels, x, w, f->size, d * (float)s, NULL);
            if (sums.error >= least) continue;
            least = sums.error;
            scales[g] = s;
            best = sums;
        }
        all->xq += best.xq * scales[g];
        all->qq += best.qq * scales[g] * scales[g];
        all->error += least;
    }
    return all->error;
}

uint16_t fm_fit_scales(const fm_levels *levels, const float *x, const float *w, int groups, int size,
                       float reach, int low, int high, int *scales, uint8_t *codes) {
    scales_fit f = {levels, x, w, groups, size, low, high};
    float wanted[16], largest = 0;
    int tried[16];
    uint16_t best = 0;
    double least = INFINITY;
    for (int g = 0; g < groups; g++) {
        wanted[g] = fm_fit_scale(levels, x + g * size, w + g * size, size, reach);
        if (fabsf(wanted[g]) > fabsf(largest)) largest = wanted[g];
    }
    memset(scales, 0, (size_t)groups * sizeof *scales);
    /* the largest gets the end of the range that reaches further, with the sign that this takes */
    float d = largest / (float)(-low > high ? low : high);
    for (int round = 0; round < ROUNDS && d != 0; round++) {
        uint16_t h = to_half(d);
        fm_fit_sums all;
        if ((h & 0x7fff) == 0) break;
        if (choose_scales(&f, fm_half_to_float(h), wanted, tried, &all) < least) {
            least = all.error;
            best = h;
            memcpy(scales, tried, (size_t)groups * sizeof *scales);
        }
        if (!(all.qq > 0)) break;
        d = (float)(all.xq / all.qq);
    }
    for (int g = 0; g < groups; g++) {
        float s = fm_half_to_float(best) * (float)scales[g];
        if (s != 0) fm_fit_codes(levels, x + g * size, w + g * size, size, s, codes + g * size);
        else memset(codes + g * size, levels->zero, (size_t)size);
    }
    return best;
}

/* ---- whole scales and minima -----------------------------------------------------------------*/

typedef struct lines_fit {
    const float *x, *w;
    int top;
    float slope[8], offset[8]; /* wanted: x = slope * code - offset */
} lines_fit;

/* What (d, dmin) and the whole numbers make of group g. */
static double group_error(const lines_fit *f, int g, float d, float dmin, int scale, int minimum,
                          uint8_t *codes) {
    return fm_fit_line_codes(f->x + 32 * g, f->w + 32 * g, 32, f->top, d * (float)scale,
                             -(dmin * (float)minimum), codes);
}

/* The best whole scale and minimum of every group near the wanted ones. */
static double choose_lines(const lines_fit *f, float d, float dmin, uint8_t *scales, uint8_t *minima) {
    double all = 0;
    for (int g = 0; g < 8; g++) {
        int s0 = d > 0 ? clamp(f->slope[g] / d, 0, 63) : 0;
        int m0 = dmin > 0 ? clamp(f->offset[g] / dmin, 0, 63) : 0;
        double least = INFINITY;
        for (int s = s0 - 1; s <= s0 + 1; s++)
            for (int m = m0 - 1; m <= m0 + 1; m++) {
                if (s < 0 || s > 63 || m < 0 || m > 63) continue;
                double error = group_error(f, g, d, dmin, s, m, NULL);
                if (error < least) least = error, scales[g] = (uint8_t)s, minima[g] = (uint8_t)m;
            }
        all += least;
    }
    return all;
}

/* Least squares of x on (scale * code, minimum), codes as they are now. */
static bool solve_lines(const lines_fit *f, float d, float dmin, const uint8_t *scales,
                        const uint8_t *minima, float *new_d, float *new_dmin) {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int g = 0; g < 8; g++) {
        uint8_t codes[32];
        group_error(f, g, d, dmin, scales[g], minima[g], codes);
        for (int i = 0; i < 32; i++) {
            double a = (double)scales[g] * codes[i], b = -(double)minima[g];
            double w = (double)f->w[32 * g + i], x = (double)f->x[32 * g + i];
            aa += w * a * a, ab += w * a * b, bb += w * b * b, ax += w * a * x, bx += w * b * x;
        }
    }
    double det = aa * bb - ab * ab;
    if (det > 1e-9 * aa * bb) {
        *new_d = (float)((ax * bb - bx * ab) / det);
        *new_dmin = (float)((bx * aa - ax * ab) / det);
    } else {
        *new_d = aa > 0 ? (float)(ax / aa) : 0;
        *new_dmin = dmin;
    }
    return *new_d > 0 && *new_dmin >= 0;
}

void fm_fit_lines(const float *x, const float *w, int top, uint16_t *d, uint16_t *dmin, uint8_t *scales,
                  uint8_t *minima, uint8_t *codes) {
    lines_fit f = {.x = x, .w = w, .top = top};
    float most_slope = 0, most_offset = 0;
    double least = INFINITY;
    for (int g = 0; g < 8; g++) {
        fm_fit_line(x + 32 * g, w + 32 * g, 32, top, true, &f.slope[g], &f.offset[g]);
        f.offset[g] = 0 - f.offset[g];
        most_slope = f.slope[g] > most_slope ? f.slope[g] : most_slope;
        most_offset = f.offset[g] > most_offset ? f.offset[g] : most_offset;
    }
    *d = *dmin = 0;
    memset(scales, 0, 8);
    memset(minima, 0, 8);
    float try_d = most_slope / 63, try_dmin = most_offset / 63;
    for (int round = 0; round < ROUNDS; round++) {
        uint16_t hd = to_half(try_d), hm = to_half(try_dmin);
        uint8_t s[8], m[8];
        float fd = fm_half_to_float(hd), fdm = fm_half_to_float(hm);
        double error = choose_lines(&f, fd, fdm, s, m);
        if (!(error < least)) break;
        least = error;
        *d = hd, *dmin = hm;
        memcpy(scales, s, 8);
        memcpy(minima, m, 8);
        if (!solve_lines(&f, fd, fdm, s, m, &try_d, &try_dmin)) break;
    }
    for (int g = 0; g < 8; g++)
        group_error(&f, g, fm_half_to_float(*d), fm_half_to_float(*dmin), scales[g], minima[g],
                    codes + 32 * g);
}
