/* int8_ref.c: floats as bytes with a scale per block: what an INT8 cache keeps (graph/step.h). */
#include "kernel/ref/ref.h"

#include <math.h>

/* The largest magnitude; NaN if any element is NaN or too large. */
static float largest(const float *x, int64_t n) {
    float m = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= FM_INT8_MOST)) return NAN;
        if (fabsf(x[i]) > m) m = fabsf(x[i]);
    }
    return m;
}

void fm_int8_from_float_ref(const float *x, int64_t n, int64_t block, int8_t *codes, float *scales) {
    for (int64_t b = 0; b < n / block; b++) {
        const float *in = x + b * block;
        int8_t *out = codes + b * block;
        float m = largest(in, block);
        bool plain = m >= FM_INT8_LEAST;
        scales[b] = plain ? m / 127.0f : isnan(m) ? NAN : 0.0f;
        float inverse = plain ? 127.0f / m : 0.0f;
        for (int64_t i = 0; i < block; i++)
            out[i] = plain ? (int8_t)lrintf(in[i] * inverse) : 0;
    }
}
