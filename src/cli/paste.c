#include "cli/paste.h"

#include <stdio.h>
#include <string.h>

void fm_paste_clean(fm_buffer *text) {
    size_t kept = 0;
    for (size_t i = 0; i < text->size; i++) {
        uint8_t c = (uint8_t)text->data[i];
        if (c == '\r') c = '\n';
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) continue;
        text->data[kept++] = (char)c;
    }
    while (kept > 0 && text->data[kept - 1] == '\n') kept--;
    text->size = kept;
}

static size_t count_lines(const char *s) {
    size_t n = 1;
    while ((s = strchr(s, '\n')) != NULL) n++, s++;
    return n;
}

static void put_mark(fm_buffer *out, size_t number, const char *text) {
    size_t lines = count_lines(text);
    fm_buffer_format(out, "[paste %zu: %zu %s]", number, lines > 1 ? lines : strlen(text),
                     lines > 1 ? "lines" : "bytes");
}

void fm_pastes_keep(fm_pastes *p, fm_buffer *text, fm_buffer *mark) {
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 8;
        char **more = fm_realloc(p->texts, capacity * sizeof *more, FM_MEM_OTHER);
        if (!more) return;
        p->texts = more;
        p->capacity = capacity;
    }
    char *copy = fm_buffer_take(text);
    if (!copy) return;
    p->texts[p->n++] = copy;
    put_mark(mark, p->n, copy);
}

size_t fm_pastes_expand(const fm_pastes *p, const char *line, fm_buffer *out) {
    size_t found = 0;
    for (const char *open; (open = strchr(line, '[')) != NULL;) {
        size_t number = 0;
        fm_buffer mark = {0};
        fm_buffer_put(out, line, (size_t)(open - line));
        if (sscanf(open, "[paste %zu:", &number) == 1 && number >= 1 && number <= p->n)
            put_mark(&mark, number, p->texts[number - 1]);
        bool is = mark.size > 0 && !mark.failed && strncmp(open, mark.data, mark.size) == 0;
        fm_buffer_text(out, is ? p->texts[number - 1] : "[");
        line = open + (is ? mark.size : 1);
        found += is;
        fm_buffer_clear(&mark);
    }
    fm_buffer_text(out, line);
    return found;
}

void fm_pastes_clear(fm_pastes *p) {
    while (p->n > 0) fm_free(p->texts[--p->n]);
    fm_free(p->texts);
    *p = (fm_pastes){0};
}
