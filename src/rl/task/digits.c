#include "rl/task/digits.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { NUMBERS_MAX = 32, COLUMNS = 20 };

/* "ones", "tens", ..., then "column 5". */
static void put_column(int column, fm_buffer *out) {
    static const char *const names[] = {"ones", "tens", "hundreds", "thousands"};
    if (column < (int)FM_COUNT(names)) fm_buffer_format(out, "%s: ", names[column]);
    else fm_buffer_format(out, "column %d: ", column + 1);
}

static int64_t number_of(const int *digits, int n) {
    int64_t value = 0;
    for (int i = n; i-- > 0;) value = value * 10 + digits[i];
    return value;
}

/* Digits that were written from the right, listed as they were, and the number they make. */
static int64_t put_written(const int *digits, int n, fm_buffer *out) {
    fm_buffer_text(out, "Written from the right:");
    for (int i = 0; i < n; i++) fm_buffer_format(out, " %d", digits[i]);
    fm_buffer_text(out, "\n");
    return number_of(digits, n);
}

/* The last digits of the numbers that have any left, added; the numbers lose them. */
static int put_column_sum(int64_t *rest, size_t n, bool ones, int carry, fm_buffer *out) {
    bool first = true;
    int sum = carry;
    for (size_t i = 0; i < n; i++) {
        if (rest[i] == 0 && !ones) continue;
        fm_buffer_format(out, first ? "%d" : "+%d", (int)(rest[i] % 10));
        sum += (int)(rest[i] % 10);
        rest[i] /= 10;
        first = false;
    }
    if (carry) fm_buffer_format(out, first ? "carried %d" : "+%d carried", carry);
    fm_buffer_format(out, " = %d, write %d", sum, sum % 10);
    if (sum >= 10) fm_buffer_format(out, ", carry %d", sum / 10);
    fm_buffer_text(out, "\n");
    return sum;
}

static bool any(const int64_t *rest, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (rest[i]) return true;
    return false;
}

int64_t fm_digits_add(const int64_t *numbers, size_t n, fm_buffer *out) {
    int64_t rest[NUMBERS_MAX];
    int written[COLUMNS], columns = 0, carry = 0;
    assert(n <= NUMBERS_MAX);
    memcpy(rest, numbers, n * sizeof *rest);
    do {
        put_column(columns, out);
        int sum = put_column_sum(rest, n, columns == 0, carry, out);
        written[columns++] = sum % 10;
        carry = sum / 10;
    } while (any(rest, n) || carry);
    return put_written(written, columns, out);
}

int64_t fm_digits_subtract(int64_t a, int64_t b, fm_buffer *out) {
    int written[COLUMNS], columns = 0, borrowed = 0;
    assert(a >= b && b >= 0);
    do {
        int top = (int)(a % 10), bottom = (int)(b % 10);
        bool more = b > 0;
        put_column(columns, out);
        if (borrowed) {
            fm_buffer_format(out, "%d-1 borrowed = %d", top, top - 1);
            top--;
        } else if (!more) {
            fm_buffer_format(out, "%d", top);
        }
        if (more) {
            if (borrowed) fm_buffer_text(out, ", ");
            if (top < bottom) fm_buffer_format(out, "%d-%d, borrow: ", top, bottom);
        } else if (top < 0) {
            fm_buffer_text(out, ", borrow:");
        }
        borrowed = top < bottom;
        int difference = top + 10 * borrowed - bottom;
        if (more) fm_buffer_format(out, "%d-%d = %d", top + 10 * borrowed, bottom, difference);
        else if (borrowed) fm_buffer_format(out, " %d", difference);
        fm_buffer_format(out, ", write %d\n", difference);
        written[columns++] = difference;
        a /= 10, b /= 10;
    } while (a || b || borrowed);
    return put_written(written, columns, out);
}

/* "5*7 = 35, 4*7+3 = 31, 3*7+3 = 24" and the number that the last digits of these make. */
static int64_t put_multiple(int64_t a, int digit, fm_buffer *out) {
    int written[COLUMNS], columns = 0, carry = 0;
    do {
        int product = (int)(a % 10) * digit + carry;
        fm_buffer_format(out, columns ? ", %d*%d" : "%d*%d", (int)(a % 10), digit);
        if (carry) fm_buffer_format(out, "+%d", carry);
        fm_buffer_format(out, " = %d", product);
        written[columns++] = product % 10;
        carry = product / 10;
        a /= 10;
    } while (a);
    if (carry) written[columns++] = carry;
    return number_of(written, columns);
}

/* "5+0 = 5, 1+5 = 6, ..." on one line. */
static int64_t put_sum_line(int64_t a, int64_t b, fm_buffer *out) {
    int written[COLUMNS], columns = 0, carry = 0;
    fm_buffer_format(out, "%" PRId64 " + %" PRId64 ": ", a, b);
    while (a || b || carry || !columns) {
        int sum = (int)(a % 10) + (int)(b % 10) + carry;
        fm_buffer_format(out, columns ? ", %d+%d" : "%d+%d", (int)(a % 10), (int)(b % 10));
        if (carry) fm_buffer_format(out, "+%d", carry);
        fm_buffer_format(out, " = %d", sum);
        written[columns++] = sum % 10;
        carry = sum / 10;
        a /= 10, b /= 10;
    }
    int64_t total = number_of(written, columns);
    fm_buffer_format(out, ", so %" PRId64 "\n", total);
    return total;
}

int64_t fm_digits_multiply(int64_t a, int64_t b, fm_buffer *out) {
    int64_t total = 0;
    int zeros = 0;
    for (; b; b /= 10, zeros++) {
        int digit = (int)(b % 10);
        if (!digit) continue;
        fm_buffer_format(out, "%" PRId64 " * %d: ", a, digit);
        int64_t multiple = put_multiple(a, digit, out);
        fm_buffer_format(out, ", so %" PRId64, multiple);
        for (int i = 0; i < zeros; i++) multiple *= 10;
        if (zeros) fm_buffer_format(out, ", moved %d to the left: %" PRId64, zeros, multiple);
        fm_buffer_text(out, "\n");
        total = total ? put_sum_line(total, multiple, out) : multiple;
    }
    return total;
}

int64_t fm_digits_divide(int64_t a, int64_t b, int64_t *remainder, fm_buffer *out) {
    int64_t power = 1, quotient = 0, rest = 0;
    while (a / power >= 10) power *= 10;
    for (; power; power /= 10) {
        int64_t down = rest * 10 + a / power % 10;
        int times = 0;
        while ((times + 1) * b <= down) times++;
        fm_buffer_format(out, "bring down %d: %" PRId64 ", ", (int)(a / power % 10), down);
        if (times) fm_buffer_format(out, "%d*%" PRId64 " = %" PRId64 ", ", times, b, times * b);
        rest = down - times * b;
        fm_buffer_format(out, "write %d, left %" PRId64 "\n", times, rest);
        quotient = quotient * 10 + times;
    }
    *remainder = rest;
    return quotient;
}

void fm_digits_sorted_key(const int64_t *numbers, size_t n, const char *between, fm_buffer *out) {
    int64_t sorted[NUMBERS_MAX];
    assert(n <= NUMBERS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && sorted[j - 1] > numbers[i]; j--) sorted[j] = sorted[j - 1];
        sorted[j] = numbers[i];
    }
    for (size_t i = 0; i < n; i++) fm_buffer_format(out, "%s%" PRId64, i ? between : "", sorted[i]);
}
