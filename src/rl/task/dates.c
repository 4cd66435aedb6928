#include "rl/task/dates.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

const char *const fm_weekdays[7] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
const char *const fm_months[12] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};

bool fm_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int64_t fm_days_in(int64_t year, int64_t month) {
    return month == 2 ? 28 + fm_leap(year) : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int64_t fm_day_number(fm_date d) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = d.year - 1, leaps = past / 4 - past / 100 + past / 400;
    return past * 365 + leaps + before[d.month - 1] + (d.month > 2 && fm_leap(d.year)) + d.day - 1;
}

bool fm_date_exists(fm_date d) {
    return d.year >= 1583 && d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= fm_days_in(d.year, d.month);
}

void fm_date_put(fm_date d, fm_buffer *out) {
    fm_buffer_format(out, "%" PRId64 " %s %" PRId64, d.day, fm_months[d.month - 1], d.year);
}

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int fm_name_take(const char **at, const char *end, const char *const *names, int n) {
    const char *s = *at;
    while (s < end && letter(*s)) s++;
    size_t size = (size_t)(s - *at);
    for (int i = 0; i < n; i++)
        if ((size == 3 || size == strlen(names[i])) && !strncasecmp(*at, names[i], size)) {
            *at = s;
            return i;
        }
    return -1;
}

static int64_t take_number(const char **at, const char *end) {
    int64_t value = 0;
    const char *begin = *at;
    for (; *at < end && **at >= '0' && **at <= '9' && *at - begin < 5; (*at)++) value = value * 10 + (**at - '0');
    return *at > begin ? value : -1;
}

static void skip_between(const char **at, const char *end) {
    while (*at < end && (**at == ' ' || **at == ',' || **at == '.')) (*at)++;
    if (end - *at > 3 && !strncasecmp(*at, "of ", 3)) *at += 3;
}

static void skip_ordinal(const char **at, const char *end) {
    static const char *const ends[] = {"st", "nd", "rd", "th"};
    for (size_t i = 0; i < FM_COUNT(ends); i++)
        if (end - *at >= 2 && !strncasecmp(*at, ends[i], 2)) {
            *at += 2;
            return;
        }
}

bool fm_date_read(const char *at, size_t size, fm_date *out) {
    const char *end = at + size;
    int month = fm_name_take(&at, end, fm_months, 12);
    int64_t first = 0;
    if (month < 0) {
        first = take_number(&at, end);
        if (first > 31 && end - at == 6 && at[0] == '-' && at[3] == '-') {
            const char *m = at + 1, *d = at + 4;
            *out = (fm_date){first, take_number(&m, at + 3), take_number(&d, end)};
            return m == at + 3 && d == end;
        }
        skip_ordinal(&at, end);
        skip_between(&at, end);
        month = fm_name_take(&at, end, fm_months, 12);
    } else {
        skip_between(&at, end);
        first = take_number(&at, end);
        skip_ordinal(&at, end);
    }
    skip_between(&at, end);
    *out = (fm_date){take_number(&at, end), month + 1, first};
    return month >= 0 && at == end;
}
