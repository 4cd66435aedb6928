#include "rl/task/numbers.h"

#include <inttypes.h>

int64_t fm_put_step(int64_t a, char sign, int64_t b, fm_buffer *out) {
    int64_t result = sign == '+' ? a + b : sign == '-' ? a - b : a * b;
    fm_buffer_format(out, b < 0 ? "%" PRId64 " %c (%" PRId64 ")" : "%" PRId64 " %c %" PRId64, a, sign, b);
    fm_buffer_format(out, " = %" PRId64, result);
    return result;
}

int64_t fm_put_division(int64_t a, int64_t b, fm_buffer *out) {
    fm_buffer_format(out, "%" PRId64 " = %" PRId64 "*%" PRId64 " + %" PRId64, a, a / b, b, a % b);
    return a % b;
}

int64_t fm_euclid(int64_t a, int64_t b, fm_buffer *out) {
    while (b) {
        int64_t rest = fm_put_division(a, b, out);
        fm_buffer_text(out, "\n");
        a = b;
        b = rest;
    }
    return a;
}

fm_fraction fm_fraction_of(int64_t top, int64_t bottom) {
    int64_t common = fm_gcd(top, bottom);
    if (bottom < 0) common = -common;
    return (fm_fraction){top / common, bottom / common};
}

void fm_fraction_put(fm_fraction f, fm_buffer *out) {
    fm_buffer_format(out, "%" PRId64, f.top);
    if (f.bottom != 1) fm_buffer_format(out, "/%" PRId64, f.bottom);
}

fm_fraction fm_fraction_reduce(int64_t top, int64_t bottom, fm_buffer *out) {
    if (top == 0) return (fm_fraction){0, 1};
    int64_t size = top < 0 ? -top : top;
    int64_t common = size > bottom ? fm_euclid(size, bottom, out) : fm_euclid(bottom, size, out);
    if (common > 1)
        fm_buffer_format(out, "divide both by %" PRId64 ": %" PRId64 "/%" PRId64 "\n", common, top / common,
                         bottom / common);
    return (fm_fraction){top / common, bottom / common};
}
