/* Sets of characters: settled into sorted ranges, then told apart by how JSON spells them: most as
 * themselves, " and \ and control characters behind a backslash. */
#include "engine/grammar/json_schema_class.h"

#include "engine/grammar/json_schema.h"

#include <stdlib.h>
#include <string.h>

static const fm_code_range digits[] = {{'0', '9'}};
static const fm_code_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const fm_code_range white[] = {{9, 13}, {' ', ' '}, {0xA0, 0xA0}, {0x1680, 0x1680},
                                      {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                      {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
static const fm_code_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

bool fm_class_add(fm_class *c, uint32_t first, uint32_t last) {
    if (c->n == FM_CLASS_RANGES_MAX) return false;
    c->list[c->n++] = (fm_code_range){first, last};
    return true;
}

/* The ranges, or what lies between them. */
static bool add_all(fm_class *c, const fm_code_range *list, size_t n, bool outside) {
    uint32_t gap = 0;
    bool room = true;
    for (size_t i = 0; i < n; i++) {
        if (!outside) room &= fm_class_add(c, list[i].first, list[i].last);
        else if (list[i].first > gap) room &= fm_class_add(c, gap, list[i].first - 1);
        gap = list[i].last + 1;
    }
    return outside ? fm_class_add(c, gap, 0x10FFFF) && room : room;
}

bool fm_class_add_named(fm_class *c, char name, bool *found) {
    *found = true;
    switch (name) {
    case 'd': case 'D': return add_all(c, digits, FM_COUNT(digits), name == 'D');
    case 'w': case 'W': return add_all(c, word, FM_COUNT(word), name == 'W');
    case 's': case 'S': return add_all(c, white, FM_COUNT(white), name == 'S');
    case '.': return add_all(c, line_ends, FM_COUNT(line_ends), true);
    default: *found = false; return true;
    }
}

/* ---- as sorted ranges ------------------------------------------------------------------------*/

static int by_first(const void *a, const void *b) {
    uint32_t x = ((const fm_code_range *)a)->first, y = ((const fm_code_range *)b)->first;
    return x < y ? -1 : x > y;
}

/* Sorted, apart, negation carried out. Negated, each range leaves at most one gap before it and the last
 * one behind it, so one more fits. */
typedef struct settled {
    fm_code_range list[FM_CLASS_RANGES_MAX + 1];
    size_t n;
} settled;

static void settle(const fm_class *c, settled *out) {
    fm_code_range sorted[FM_CLASS_RANGES_MAX];
    uint32_t next = 0; /* first character that is not decided */
    memcpy(sorted, c->list, c->n * sizeof *sorted);
    qsort(sorted, c->n, sizeof *sorted, by_first);
    out->n = 0;
    for (size_t i = 0; i < c->n; i++) {
        fm_code_range r = sorted[i];
        if (c->negated && r.first > next) out->list[out->n++] = (fm_code_range){next, r.first - 1};
        if (r.first < next) r.first = next;
        if (r.last < r.first) continue;
        if (!c->negated) out->list[out->n++] = r;
        next = r.last + 1;
    }
    if (c->negated && next <= 0x10FFFF) out->list[out->n++] = (fm_code_range){next, 0x10FFFF};
}

static bool has(const settled *s, uint32_t c) {
    for (size_t i = 0; i < s->n; i++)
        if (c >= s->list[i].first && c <= s->list[i].last) return true;
    return false;
}

/* ---- as JSON -----------------------------------------------------------------------------------*/

/* The ranges of characters that stand for themselves: no control characters, no " and \ and none of the
 * surrogates, which are no characters. */
static const fm_code_range plain[] = {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0xD7FF}, {0xE000, 0x10FFFF}};

static bool put_plain(const settled *s, fm_buffer *out) {
    bool any = false;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < FM_COUNT(plain); k++) {
            uint32_t first = s->list[i].first > plain[k].first ? s->list[i].first : plain[k].first;
            uint32_t last = s->list[i].last < plain[k].last ? s->list[i].last : plain[k].last;
            if (first > last) continue;
            fm_buffer_text(out, any ? "" : "[");
            fm_schema_put_class_character(out, first);
            if (last > first) fm_buffer_text(out, "-");
            if (last > first) fm_schema_put_class_character(out, last);
            any = true;
        }
    fm_buffer_text(out, any ? "]" : "");
    return any;
}

static const char special[] = "\"\\\b\f\n\r\t"; /* have an escape of two characters */

/* \u0000 to \u001f but for these. */
static bool put_numbered(const settled *s, bool any, fm_buffer *out) {
    for (uint32_t high = 0; high < 2; high++) {
        char low[17] = "";
        for (uint32_t c = 16 * high; c < 16 * high + 16; c++)
            if (has(s, c) && !(c && strchr(special, (int)c))) low[strlen(low)] = "0123456789abcdef"[c & 15];
        if (!low[0]) continue;
        fm_buffer_format(out, "%s\"\\\\u00%u\" [%s]", any ? " | " : "", high, low);
        any = true;
    }
    return any;
}

bool fm_class_put(const fm_class *c, fm_buffer *out) {
    settled s;
    settle(c, &s);
    fm_buffer_text(out, "(");
    bool any = put_plain(&s, out);
    for (const char *e = special; *e; e++) {
        if (!has(&s, (unsigned char)*e)) continue;
        fm_buffer_text(out, any ? " | " : "");
        fm_schema_put_character(out, (unsigned char)*e);
        any = true;
    }
    any = put_numbered(&s, any, out);
    fm_buffer_text(out, ")");
    return any;
}
