/* calendar.c: weekdays, dates and the days between them, in the Gregorian calendar. */
#include "rl/task/dates.h"
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { WEEKDAY_AFTER, DAYS_BETWEEN, DATE_AFTER, WEEKDAY_OF };

/* Some time after a weekday; from one date to another; some days after a date; the weekday of the second date, when
 * that of the first is told. What a question does not use is 0, a date it does not use 0-0-0. */
typedef struct question {
    int64_t asks, weekday, days; /* 0: Monday */
    int64_t year, month, day, to_year, to_month, to_day;
} question;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(question, asks, WEEKDAY_AFTER, WEEKDAY_OF), FM_FACT_INTEGER_OF(question, weekday, 0, 6),
    FM_FACT_INTEGER_OF(question, days, 0, 9999),                   FM_FACT_INTEGER_OF(question, year, 0, 2199),
    FM_FACT_INTEGER_OF(question, month, 0, 12),                    FM_FACT_INTEGER_OF(question, day, 0, 31),
    FM_FACT_INTEGER_OF(question, to_year, 0, 2199),                FM_FACT_INTEGER_OF(question, to_month, 0, 12),
    FM_FACT_INTEGER_OF(question, to_day, 0, 31)};

static const char *const bands[] = {"the weekday in some days", "days between two dates of a year",
                                    "the date some days later", "the weekday of another date",
                                    "days between dates of different years"};

static const char *const phrasings[] = {
    "{question}", "{order}", "{short}", "A question about the calendar. {question}", "Look at the calendar: {order}",
};

static fm_date first_of(const question *q) { return (fm_date){q->year, q->month, q->day}; }
static fm_date second_of(const question *q) { return (fm_date){q->to_year, q->to_month, q->to_day}; }

static fm_date draw_date(fm_dice *d, int64_t year) {
    int64_t month = fm_dice_between(d, 1, 12);
    return (fm_date){year, month, fm_dice_between(d, 1, fm_days_in(year, month))};
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const int asked[] = {WEEKDAY_AFTER, DAYS_BETWEEN, DATE_AFTER, WEEKDAY_OF, DAYS_BETWEEN};
    question *q = out;
    (void)phrasing;
    q->asks = asked[band];
    if (band == 0) {
        q->weekday = fm_dice_between(d, 0, 6);
        q->days = fm_dice_between(d, 8, 400);
        return true;
    }
    fm_date from = draw_date(d, fm_dice_between(d, 1950, 2049));
    int64_t later = band == 3 ? fm_dice_between(d, 0, 1) : band == 4 ? fm_dice_between(d, 1, 5) : 0;
    fm_date to = draw_date(d, from.year + later);
    q->year = from.year, q->month = from.month, q->day = from.day;
    if (band == 2) {
        q->days = fm_dice_between(d, 10, 200);
        return true;
    }
    q->to_year = to.year, q->to_month = to.month, q->to_day = to.day;
    if (band == 3) q->weekday = fm_day_number(from) % 7;
    return fm_day_number(from) < fm_day_number(to) && !(from.month == 2 && from.day == 29);
}

static fm_status valid_date(fm_date d, const char *name, fm_error *err) {
    if (fm_date_exists(d)) return FM_OK;
    return fm_fail(err, FM_ERR_FORMAT, "\"%s\": there was no %" PRId64 "-%02" PRId64 "-%02" PRId64
                   " in the Gregorian calendar", name, d.year, d.month, d.day);
}

static fm_status valid(const void *p, fm_error *err) {
    const question *q = p;
    if (q->asks == WEEKDAY_AFTER) return FM_OK;
    FM_TRY(valid_date(first_of(q), "year", err));
    if (q->asks == DATE_AFTER) return FM_OK;
    FM_TRY(valid_date(second_of(q), "to_year", err));
    if (fm_day_number(first_of(q)) > fm_day_number(second_of(q)))
        return fm_fail(err, FM_ERR_FORMAT, "the second date lies before the first");
    if (q->asks == WEEKDAY_OF && fm_day_number(first_of(q)) % 7 != q->weekday)
        return fm_fail(err, FM_ERR_FORMAT, "the first date was a %s", fm_weekdays[fm_day_number(first_of(q)) % 7]);
    return FM_OK;
}

static void put_weekday_after(const question *q, char form, fm_buffer *out) {
    const char *day = fm_weekdays[q->weekday];
    if (form == 'q')
        fm_buffer_format(out, "Today is %s. Which day of the week will it be in %" PRId64 " days?", day, q->days);
    else if (form == 'o')
        fm_buffer_format(out, "Find the day of the week %" PRId64 " days after a %s.", q->days, day);
    else fm_buffer_format(out, "%s + %" PRId64 " days = which weekday?", day, q->days);
}

static void put_date_after(const question *q, char form, fm_buffer *out) {
    if (form == 'q') fm_buffer_format(out, "Which date is %" PRId64 " days after ", q->days);
    else if (form == 'o') fm_buffer_format(out, "Find the date %" PRId64 " days after ", q->days);
    fm_date_put(first_of(q), out);
    if (form == 's') fm_buffer_format(out, " + %" PRId64 " days = which date?", q->days);
    else fm_buffer_text(out, form == 'q' ? "?" : ".");
}

static void put_weekday_of(const question *q, char form, fm_buffer *out) {
    static const char *const is[] = {" is a ", " was a ", ": "};
    static const char *const then[] = {". Which day of the week is ", ". Find the day of the week of ",
                                       ". Weekday of "};
    int way = form == 'q' ? 0 : form == 'o' ? 1 : 2;
    fm_date_put(first_of(q), out);
    fm_buffer_format(out, "%s%s%s", is[way], fm_weekdays[q->weekday], then[way]);
    fm_date_put(second_of(q), out);
    fm_buffer_text(out, way == 1 ? "." : "?");
}

static void put_days_between(const question *q, char form, fm_buffer *out) {
    fm_buffer_text(out, form == 'q'   ? "How many days is it from "
                        : form == 'o' ? "Count the days from "
                                      : "Days from ");
    fm_date_put(first_of(q), out);
    fm_buffer_text(out, " to ");
    fm_date_put(second_of(q), out);
    fm_buffer_text(out, form == 'o' ? "." : "?");
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const question *q = p;
    char form = name[0];
    switch (q->asks) {
    case WEEKDAY_AFTER: put_weekday_after(q, form, out); break;
    case DATE_AFTER: put_date_after(q, form, out); break;
    case WEEKDAY_OF: put_weekday_of(q, form, out); break;
    default: put_days_between(q, form, out);
    }
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const question *q = p;
    switch (q->asks) {
    case WEEKDAY_AFTER: fm_buffer_format(out, "%s+%" PRId64, fm_weekdays[q->weekday], q->days); break;
    case DATE_AFTER: fm_date_put(first_of(q), out), fm_buffer_format(out, "+%" PRId64, q->days); break;
    default:
        fm_buffer_text(out, q->asks == WEEKDAY_OF ? "weekday " : "days ");
        fm_date_put(first_of(q), out);
        fm_buffer_text(out, " - ");
        fm_date_put(second_of(q), out);
    }
}

/* ": 365 + 30 = 395" where days have been counted before, otherwise ": 30"; the sum. */
static int64_t put_sum(int64_t days, int64_t more, fm_buffer *out) {
    fm_buffer_text(out, ": ");
    if (days) fm_put_step(days, '+', more, out);
    else fm_buffer_format(out, "%" PRId64, more);
    fm_buffer_text(out, "\n");
    return days + more;
}

static bool before(fm_date a, fm_date b) {
    return a.year != b.year ? a.year < b.year : a.month != b.month ? a.month < b.month : a.day < b.day;
}

/* Whole years, as long as they do not go beyond `to`; there is not a 29 February in each. */
static int64_t count_years(fm_date *at, fm_date to, fm_buffer *out) {
    int64_t days = 0;
    for (fm_date next = *at; at->month != 2 || at->day != 29; *at = next) {
        next.year++;
        if (before(to, next)) break;
        fm_buffer_text(out, "a year to ");
        fm_date_put(next, out);
        days = put_sum(days, 365 + fm_leap(at->month > 2 ? next.year : at->year), out);
    }
    return days;
}

static void next_month(fm_date *at) {
    at->month = at->month % 12 + 1;
    at->year += at->month == 1;
}

/* Year by year, then to the end of the month, month by month, and the days of the last one. */
static int64_t count_days(fm_date at, fm_date to, fm_buffer *out) {
    int64_t days = count_years(&at, to, out);
    if (at.month == to.month && at.year == to.year) {
        fm_buffer_format(out, "%s, %" PRId64 " - %" PRId64, fm_months[at.month - 1], to.day, at.day);
        return put_sum(days, to.day - at.day, out);
    }
    int64_t length = fm_days_in(at.year, at.month);
    fm_buffer_format(out, "rest of %s, %" PRId64 " - %" PRId64, fm_months[at.month - 1], length, at.day);
    days = put_sum(days, length - at.day, out);
    for (next_month(&at); at.month != to.month || at.year != to.year; next_month(&at)) {
        fm_buffer_text(out, fm_months[at.month - 1]);
        days = put_sum(days, fm_days_in(at.year, at.month), out);
    }
    fm_buffer_text(out, fm_months[to.month - 1]);
    return put_sum(days, to.day, out);
}

static fm_date count_on(fm_date at, int64_t days, fm_buffer *out) {
    at.day = fm_put_step(at.day, '+', days, out);
    fm_buffer_text(out, "\n");
    for (int64_t length; at.day > (length = fm_days_in(at.year, at.month)); next_month(&at)) {
        fm_buffer_format(out, "%s: ", fm_months[at.month - 1]);
        at.day = fm_put_step(at.day, '-', length, out);
        fm_buffer_text(out, "\n");
    }
    return at;
}

static int64_t weekday_on_paper(int64_t weekday, int64_t days, fm_buffer *out) {
    fm_put_division(days, 7, out);
    fm_buffer_format(out, "\n%s", fm_weekdays[weekday]);
    for (int64_t i = 1; i <= days % 7; i++)
        fm_buffer_format(out, ", %" PRId64 " %s", i, fm_weekdays[(weekday + i) % 7]);
    fm_buffer_text(out, "\n");
    return (weekday + days % 7) % 7;
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const question *q = p;
    fm_buffer said = {0};
    if (q->asks == DAYS_BETWEEN) {
        fm_buffer_format(&said, "%" PRId64, count_days(first_of(q), second_of(q), working));
    } else if (q->asks == DATE_AFTER) {
        fm_date_put(count_on(first_of(q), q->days, working), &said);
    } else {
        int64_t days = q->asks == WEEKDAY_OF ? count_days(first_of(q), second_of(q), working) : q->days;
        fm_buffer_text(&said, fm_weekdays[weekday_on_paper(q->weekday, days, working)]);
    }
    fm_buffer_format(working, "So it is %s\n", fm_buffer_string(&said));
    fm_buffer_put(answer, said.data, said.size);
    answer->failed |= said.failed;
    fm_buffer_clear(&said);
}

static fm_verdict check_weekday(int64_t weekday, const char *answer, size_t size) {
    const char *at = answer, *end = answer + size;
    if (end[-1] == '.') end--;
    return fm_name_take(&at, end, fm_weekdays, 7) == weekday && at == end ? FM_RIGHT : FM_WRONG;
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const question *q = p;
    fm_date said;
    switch (q->asks) {
    case WEEKDAY_AFTER: return check_weekday((q->weekday + q->days) % 7, answer, size);
    case WEEKDAY_OF: return check_weekday(fm_day_number(second_of(q)) % 7, answer, size);
    case DATE_AFTER:
        if (!fm_date_read(answer, size, &said) || !fm_date_exists(said)) return FM_WRONG;
        return fm_day_number(said) - fm_day_number(first_of(q)) == q->days ? FM_RIGHT : FM_WRONG;
    default:
        if (size > 5 && !strncasecmp(answer + size - 5, " days", 5)) size -= 5;
        else if (size > 4 && !strncasecmp(answer + size - 4, " day", 4)) size -= 4;
        return fm_literal_check(answer, size, 0, fm_day_number(second_of(q)) - fm_day_number(first_of(q)), 1);
    }
}

const fm_task_kind fm_task_calendar = {
    .name = "calendar",
    .answer = "a weekday (Tuesday, tue), a number of days (68, 68 days) or a date (2024-06-13, 13 June 2024, "
              "June 13, 2024)",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(question), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};
