#include "rl/task/digits.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static const char *const column_names[] = {"ones", "tens", "hundreds", "thousands"};

/* "ones", "tens", ..., then "column 5". */
static void put_column(int column, fm_buffer *out) {
    if (column < (int)FM_COUNT(column_names)) fm_buffer_text(out, column_names[column]);
    else fm_buffer_format(out, "column %d", column + 1);
}

/* Digits that were written from the right, listed as they were, and the number they make. */
static int64_t put_written(const int *digits, int n, fm_buffer *out) {
    int64_t value = 0;
    fm_buffer_text(out, "Written from the right:");
    for (int i = 0; i < n; i++) fm_buffer_format(out, " %d", digits[i]);
    fm_buffer_text(out, "\n");
    for (int i = n; i-- > 0;) value = value * 10 + digits[i];
    return value;
}

int64_t fm_digits_add(const int64_t *numbers, size_t n, fm_buffer *out) {
    int64_t rest[32];
    int written[FM_DIGITS], columns = 0, carry = 0;
    assert(n <= FM_COUNT(rest));
    memcpy(rest, numbers, n * sizeof *rest);
    for (bool more = true; more || carry; columns++) {
        bool first = true;
        int sum = 0;
        more = false;
        put_column(columns, out);
        fm_buffer_text(out, ": ");
        for (size_t i = 0; i < n; i++) {
            if (rest[i] == 0 && columns > 0) continue;
            int digit = (int)(rest[i] % 10);
            fm_buffer_format(out, first ? "%d" : "+%d", digit);
            first = false;
            sum += digit;
            rest[i] /= 10;
            more |= rest[i] > 0;
        }
        if (carry) fm_buffer_format(out, first ? "carry %d" : "+%d carried", carry);
        sum += carry;
        carry = sum / 10;
        fm_buffer_format(out, " = %d, write %d", sum, sum % 10);
        if (carry) fm_buffer_format(out, ", carry %d", carry);
        fm_buffer_text(out, "\n");
        written[columns] = sum % 10;
    }
    return put_written(written, columns, out);
}

void fm_digits_sorted_key(const int64_t *numbers, size_t n, const char *between, fm_buffer *out) {
    int64_t sorted[32];
    assert(n <= FM_COUNT(sorted));
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && sorted[j - 1] > numbers[i]; j--) sorted[j] = sorted[j - 1];
        sorted[j] = numbers[i];
    }
    for (size_t i = 0; i < n; i++) fm_buffer_format(out, i ? "%s%" PRId64 : "%s%" PRId64, i ? between : "", sorted[i]);
}
