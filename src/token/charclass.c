#include "token/charclass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t category_ranges[] = {
#include "token/unicode_class.inc"
};

enum { CLASS_MASK = 7, RECENT = 8, FIRST_SHIFT = 4 };

typedef struct range {
    uint32_t first, last;
} range;

static const range spaces[] = {
    {0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
    {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
    {0x205F, 0x205F}, {0x3000, 0x3000},
};

static uint32_t range_end(size_t i) {
    return i + 1 < FM_COUNT(category_ranges) ? category_ranges[i + 1] >> FIRST_SHIFT
                                             : FM_CODE_POINTS;
}

void fm_char_classes(uint8_t *classes) {
    static const uint8_t bits[8] = {0, FM_CHAR_LETTER, FM_CHAR_MARK, FM_CHAR_NUMBER, FM_CHAR_PUNCT,
                                    FM_CHAR_SYMBOL};
    for (size_t i = 0; i < FM_COUNT(category_ranges); i++) {
        uint32_t first = category_ranges[i] >> FIRST_SHIFT;
        memset(classes + first, bits[category_ranges[i] & CLASS_MASK], range_end(i) - first);
    }
    for (size_t i = 0; i < FM_COUNT(spaces); i++)
        for (uint32_t c = spaces[i].first; c <= spaces[i].last; c++) classes[c] |= FM_CHAR_SPACE;
    classes['\r'] |= FM_CHAR_NEWLINE;
    classes['\n'] |= FM_CHAR_NEWLINE;
    for (uint32_t c = 0x4E00; c <= 0x9FA5; c++) classes[c] |= FM_CHAR_CJK;
    for (uint32_t c = 0x3040; c <= 0x30FF; c++) classes[c] |= FM_CHAR_CJK;
}

static uint32_t set_member(const char **at) {
    char *end = NULL;
    uint32_t c = (unsigned char)*(*at)++;
    if (c != '\\') return c;
    char kind = *(*at)++;
    if (kind == 'u') {
        char digits[5] = {(*at)[0], (*at)[1], (*at)[2], (*at)[3]};
        *at += 4;
        return (uint32_t)strtoul(digits, NULL, 16);
    }
    assert(kind == 'x' && **at == '{');
    c = (uint32_t)strtoul(*at + 1, &end, 16);
    assert(*end == '}');
    *at = end + 1;
    return c;
}

void fm_char_define(uint8_t *classes, uint8_t bit, const char *pattern) {
    const char *at = strchr(pattern, '[') + 1;
    for (uint32_t c = 0; c < FM_CODE_POINTS; c++) classes[c] &= (uint8_t)~bit;
    while (*at != ']') {
        uint32_t first = set_member(&at), last = first;
        if (*at == '-') {
            at++;
            last = set_member(&at);
        }
        for (uint32_t c = first; c <= last; c++) classes[c] |= bit;
    }
}

bool fm_char_is_space(uint32_t c) {
    for (size_t i = 0; i < FM_COUNT(spaces); i++)
        if (c >= spaces[i].first && c <= spaces[i].last) return true;
    return false;
}

static void put_range(fm_buffer *out, uint32_t first, uint32_t last) {
    fm_buffer_format(out, "\\x{%x}", (unsigned)first);
    if (last > first) fm_buffer_format(out, "-\\x{%x}", (unsigned)last);
}

void fm_char_space_ranges(fm_buffer *out, bool complement) {
    uint32_t next = 0;
    for (size_t i = 0; i < FM_COUNT(spaces); i++) {
        if (!complement)
            put_range(out, spaces[i].first, spaces[i].last);
        else if (spaces[i].first > next)
            put_range(out, next, spaces[i].first - 1);
        next = spaces[i].last + 1;
    }
    if (complement) put_range(out, next, FM_CODE_POINTS - 1);
}

void fm_char_recent_ranges(fm_buffer *out, char letter) {
    static const char categories[] = "LMNPS";
    const char *found = letter ? strchr(categories, letter) : NULL;
    if (!found) return;
    uint32_t wanted = RECENT | (uint32_t)(found - categories + 1);
    for (size_t i = 0; i < FM_COUNT(category_ranges); i++)
        if ((category_ranges[i] & (RECENT | CLASS_MASK)) == wanted)
            put_range(out, category_ranges[i] >> FIRST_SHIFT, range_end(i) - 1);
}
