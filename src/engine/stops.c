#include "engine/stops.h"

#include "base/unicode.h"

#include <string.h>

typedef struct stop {
    const char *text;
    size_t size, matched;
    size_t *shorter; /* [i]: of text[0..i], the longest end that is also a beginning, but not all of it */
} stop;

struct fm_stops {
    size_t n;
    stop *list;
    char *texts;
    size_t *tables;
};

static size_t extend(const stop *s, size_t matched, char byte) {
    while (matched > 0 && s->text[matched] != byte) matched = s->shorter[matched - 1];
    return s->text[matched] == byte ? matched + 1 : 0;
}

static void prepare(stop *s) {
    s->shorter[0] = 0;
    for (size_t i = 1; i < s->size; i++) s->shorter[i] = extend(s, s->shorter[i - 1], s->text[i]);
}

static fm_status check(const fm_token_text *strings, size_t n, size_t *total, fm_error *err) {
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        if (strings[i].size == 0)
            return fm_fail(err, FM_ERR_ARGUMENT, "stop string %zu is empty: leave it out", i + 1);
        if (!fm_utf8_valid(strings[i].data, strings[i].size))
            return fm_fail(err, FM_ERR_ARGUMENT, "stop string %zu is not valid UTF-8", i + 1);
        if (!fm_add_size(*total, strings[i].size, total))
            return fm_fail(err, FM_ERR_LIMIT, "the stop strings are too long together");
    }
    return FM_OK;
}

fm_status fm_stops_new(const fm_token_text *strings, size_t n, fm_stops **out, fm_error *err) {
    size_t total;
    *out = NULL;
    FM_TRY(check(strings, n, &total, err));
    fm_stops *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    if (!s) return fm_fail_memory(err, sizeof *s, "stop strings");
    s->n = n;
    s->list = fm_alloc_array(n ? n : 1, sizeof *s->list, FM_MEM_OTHER);
    s->texts = fm_alloc_array(total + 1, 1, FM_MEM_OTHER);
    s->tables = fm_alloc_array(total + 1, sizeof *s->tables, FM_MEM_OTHER);
    if (!s->list || !s->texts || !s->tables) {
        fm_stops_free(s);
        return fm_fail_memory(err, total, "stop strings");
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(s->texts + at, strings[i].data, strings[i].size);
        s->list[i] = (stop){.text = s->texts + at, .size = strings[i].size, .shorter = s->tables + at};
        prepare(&s->list[i]);
        at += strings[i].size;
    }
    *out = s;
    return FM_OK;
}

void fm_stops_free(fm_stops *s) {
    if (!s) return;
    fm_free(s->list);
    fm_free(s->texts);
    fm_free(s->tables);
    fm_free(s);
}

void fm_stops_reset(fm_stops *s) {
    for (size_t i = 0; i < s->n; i++) s->list[i].matched = 0;
}

size_t fm_stops_read(fm_stops *s, char byte, int *which) {
    size_t hold = 0, found = 0;
    *which = -1;
    for (size_t i = 0; i < s->n; i++) {
        stop *t = &s->list[i];
        t->matched = extend(t, t->matched, byte);
        if (t->matched == t->size) {
            if (t->size > found) {
                found = t->size;
                *which = (int)i;
            }
            t->matched = t->shorter[t->size - 1]; /* ready to go on, should anybody want to */
        }
        if (t->matched > hold) hold = t->matched;
    }
    return *which >= 0 ? found : hold;
}
