/* dates.h: dates of the Gregorian calendar, and how people write them. */
#pragma once

#include "base/buffer.h"

typedef struct fm_date {
    int64_t year, month, day; /* as one says them: from 1 */
} fm_date;

extern const char *const fm_weekdays[7]; /* Monday first */
extern const char *const fm_months[12];

bool fm_leap(int64_t year);
int64_t fm_days_in(int64_t year, int64_t month);
bool fm_date_exists(fm_date d); /* from 1583 on, the first whole year of this calendar */
/* Days since 1 January of the year 1, counting from 0, which was a Monday. */
int64_t fm_day_number(fm_date d);
void fm_date_put(fm_date d, fm_buffer *out); /* "13 June 2024" */

/* "2024-06-13", "13 June 2024", "June 13, 2024", "13th of June, 2024"; figures alone with strokes mean different
 * things to different people and are not read. Whether there was such a day is not looked at. */
bool fm_date_read(const char *text, size_t size, fm_date *out);
/* Takes a run of letters and finds it among names, whole or by its first three letters, in any case; -1: it is none
 * of them, and nothing is taken. */
int fm_name_take(const char **at, const char *end, const char *const *names, int n);
