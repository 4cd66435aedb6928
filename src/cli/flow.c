#include "cli/flow.h"

#include "base/unicode.h"
#include "cli/screen.h"

static void new_line(fm_flow *f) {
    fm_output_text("\n");
    f->column = 0;
    f->rows++;
}

void fm_flow_flush(fm_flow *f) {
    if (f->word.size == 0) return;
    bool fits = f->column + f->word_width <= f->width;
    if (f->width && !fits && f->column > 0 && f->word_width <= f->width) new_line(f);
    fm_output(f->word.data, f->word.size);
    f->column += f->word_width;
    for (; f->width && f->column > f->width; f->column -= f->width) { /* the terminal breaks it */
        f->rows++;
        f->unsure |= f->word.size != (size_t)f->word_width;
    }
    f->word.size = 0;
    f->word_width = 0;
}

/* A space behind the last column is the break itself. */
static void put_space(fm_flow *f) {
    fm_flow_flush(f);
    if (f->width && f->column + 1 > f->width) return;
    fm_output_text(" ");
    f->column++;
}

static void put_tab(fm_flow *f) {
    do put_space(f);
    while (f->column % 4 && (!f->width || f->column < f->width));
}

static void put_character(fm_flow *f, const char *s, size_t n, uint32_t c) {
    char picture[4];
    int width = fm_unicode_width(c);
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
        n = (size_t)fm_utf8_encode(c < 0x20 ? 0x2400 + c : 0xfffd, picture);
        s = picture;
        width = 1;
    }
    if (width == 2 && f->word_width) fm_flow_flush(f);
    fm_buffer_put(&f->word, s, n);
    f->word_width += width;
    if (width == 2) fm_flow_flush(f);
}

void fm_flow_put(fm_flow *f, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = fm_utf8_decode(s + i, n - i, &c);
        if (length == 0) {
            put_character(f, "\xef\xbf\xbd", 3, c);
            length = 1;
        } else if (c == '\n') {
            fm_flow_flush(f);
            new_line(f);
        } else if (c == ' ') {
            put_space(f);
        } else if (c == '\t') {
            put_tab(f);
        } else {
            put_character(f, s + i, (size_t)length, c);
        }
        i += (size_t)length;
    }
}

void fm_flow_end(fm_flow *f) {
    fm_flow_flush(f);
    fm_buffer_clear(&f->word);
    f->column = f->rows = 0;
    f->unsure = false;
}

void fm_flow_resize(fm_flow *f, int width) {
    f->width = width;
    while (width && f->column > width) f->column -= width;
    f->unsure = true;
}
