#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 720, HEIGHT = 260, LEFT = 64, RIGHT = 22, TOP = 12, BOTTOM = 34, COLOURS = 8, MOST_POINTS = 600 };

void fm_html_text(fm_buffer *out, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '&') fm_buffer_text(out, "&amp;");
        else if (c == '<') fm_buffer_text(out, "&lt;");
        else if (c == '>') fm_buffer_text(out, "&gt;");
        else if (c == '"') fm_buffer_text(out, "&quot;");
        else if ((c < 32 && c != '\n') || c == 127) fm_buffer_text(out, " ");
        else fm_buffer_put(out, text + i, 1);
    }
}

static void text_of(fm_buffer *out, const char *text) { fm_html_text(out, text, strlen(text)); }

void fm_html_number(fm_buffer *out, double v) {
    static const struct {
        double from, by;
        const char *unit;
    } scales[] = {{1e18, 1e18, "E"}, {1e15, 1e15, "P"}, {1e12, 1e12, "T"}, {1e9, 1e9, "G"}, {1e6, 1e6, "M"},
                  {1e5, 1e3, "k"}};
    double a = fabs(v);
    for (size_t i = 0; i < FM_COUNT(scales); i++)
        if (a >= scales[i].from) {
            fm_buffer_format(out, "%.4g%s", v / scales[i].by, scales[i].unit);
            return;
        }
    fm_buffer_format(out, a >= 1e4 ? "%.0f" : a < 1e-4 ? "%.3g" : "%.4g", v);
}

/* ---- the frame ---------------------------------------------------------------------------------*/

typedef struct frame {
    double x0, x1, y0, y1; /* what the axes span */
    double tick_x, tick_y;
} frame;

/* 1, 2 or 5 times a power of ten, so that about `count` of them fit. */
static double tick(double span, int count) {
    double raw = span / count, power = pow(10, floor(log10(raw)));
    double part = raw / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static bool measure(const fm_chart *c, frame *f) {
    bool any = false;
    for (size_t s = 0; s < c->n; s++)
        for (size_t i = 0; i < c->series[s].n; i++) {
            double x = c->series[s].x[i], y = c->series[s].y[i];
            if (!isfinite(x) || !isfinite(y)) continue;
            if (!any) *f = (frame){x, x, y, y, 0, 0};
            f->x0 = fmin(f->x0, x), f->x1 = fmax(f->x1, x);
            f->y0 = fmin(f->y0, y), f->y1 = fmax(f->y1, y);
            any = true;
        }
    if (!any) return false;
    if (c->from_zero && f->y0 > 0) f->y0 = 0;
    if (f->x1 <= f->x0) f->x1 = f->x0 + 1;
    if (f->y1 <= f->y0) f->y1 = f->y0 + (fabs(f->y0) > 0 ? fabs(f->y0) * 0.1 : 1);
    f->tick_x = tick(f->x1 - f->x0, 7);
    f->tick_y = tick(f->y1 - f->y0, 5);
    f->y0 = floor(f->y0 / f->tick_y) * f->tick_y;
    f->y1 = ceil(f->y1 / f->tick_y) * f->tick_y;
    return true;
}

static double at_x(const frame *f, double x) {
    return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}
static double at_y(const frame *f, double y) {
    return TOP + (f->y1 - y) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static void put_axes(fm_buffer *out, const frame *f) {
    for (double y = f->y0; y <= f->y1 + 0.01 * f->tick_y; y += f->tick_y) {
        double tidy = fabs(y) < 1e-9 * f->tick_y ? 0 : y;
        fm_buffer_format(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"y\" x=\"%d\" y=\"%.1f\">", LEFT,
                         at_y(f, y), WIDTH - RIGHT, LEFT - 6, at_y(f, y) + 4);
        fm_html_number(out, tidy);
        fm_buffer_text(out, "</text>");
    }
    for (double x = ceil(f->x0 / f->tick_x) * f->tick_x; x <= f->x1 + 1e-9; x += f->tick_x) {
        fm_buffer_format(out, "<text class=\"x\" x=\"%.1f\" y=\"%d\">", at_x(f, x), HEIGHT - BOTTOM + 16);
        fm_html_number(out, x);
        fm_buffer_text(out, "</text>");
    }
    fm_buffer_format(out, "<text class=\"x\" x=\"%d\" y=\"%d\">step</text>", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4);
}

/* ---- lines -------------------------------------------------------------------------------------*/

static void put_dots(fm_buffer *out, const frame *f, const fm_chart_series *s, size_t colour) {
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        fm_buffer_format(out, "<circle class=\"c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>", colour % COLOURS,
                         at_x(f, s->x[i]), at_y(f, s->y[i]));
        text_of(out, s->name);
        fm_buffer_format(out, " at step %.0f: %.5g</title></circle>", s->x[i], s->y[i]);
    }
}

/* Of many points every n-th stretch shows its least and its most, in their order, so that no spike is lost. */
static void put_line(fm_buffer *out, const frame *f, const fm_chart_series *s, size_t colour) {
    size_t by = s->n / (MOST_POINTS / 2) + 1;
    bool drawing = false;
    fm_buffer_format(out, "<path class=\"line%s s%zu\" d=\"", s->faint ? " faint" : "", colour % COLOURS);
    for (size_t i = 0; i < s->n; i += by) {
        size_t end = i + by < s->n ? i + by : s->n, low = end, high = end;
        for (size_t j = i; j < end; j++) {
            if (!isfinite(s->y[j])) continue;
            if (low == end || s->y[j] < s->y[low]) low = j;
            if (high == end || s->y[j] > s->y[high]) high = j;
        }
        size_t first = low < high ? low : high, second = low < high ? high : low;
        if (first == end) continue;
        fm_buffer_format(out, "%c%.1f %.1f", drawing ? 'L' : 'M', at_x(f, s->x[first]), at_y(f, s->y[first]));
        if (second != first) fm_buffer_format(out, "L%.1f %.1f", at_x(f, s->x[second]), at_y(f, s->y[second]));
        drawing = true;
    }
    fm_buffer_text(out, "\"/>");
}

/* What somebody who cannot see the picture is told: where each line begins and ends, and its extremes. */
static void put_words(fm_buffer *out, const fm_chart *c) {
    for (size_t k = 0; k < c->n; k++) {
        const fm_chart_series *s = &c->series[k];
        size_t first = s->n, last = s->n, low = s->n, high = s->n;
        for (size_t i = 0; i < s->n; i++) {
            if (!isfinite(s->y[i])) continue;
            if (first == s->n) first = low = high = i;
            last = i;
            if (s->y[i] < s->y[low]) low = i;
            if (s->y[i] > s->y[high]) high = i;
        }
        if (first == s->n || s->faint) continue;
        text_of(out, s->name);
        fm_buffer_format(out, ": %.4g%s at step %.0f, %.4g at step %.0f, lowest %.4g at %.0f, highest %.4g at %.0f. ",
                         s->y[first], c->unit, s->x[first], s->y[last], s->x[last], s->y[low], s->x[low], s->y[high],
                         s->x[high]);
    }
}

static void put_legend(fm_buffer *out, const fm_chart *c) {
    size_t drawn = 0;
    for (size_t k = 0; k < c->n; k++) drawn += c->series[k].n > 0;
    if (drawn < 2) return;
    fm_buffer_text(out, "<p class=\"legend\">");
    for (size_t k = 0; k < c->n; k++) {
        if (c->series[k].n == 0) continue;
        fm_buffer_format(out, "<span><i class=\"b%zu%s\"></i>", k % COLOURS, c->series[k].faint ? " faint" : "");
        text_of(out, c->series[k].name);
        fm_buffer_text(out, "</span> ");
    }
    fm_buffer_text(out, "</p>");
}

void fm_chart_put(fm_buffer *out, const fm_chart *c) {
    frame f = {0};
    if (!measure(c, &f)) return;
    fm_buffer_text(out, "<figure><figcaption>");
    text_of(out, c->title);
    fm_buffer_format(out, "</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", WIDTH, HEIGHT);
    text_of(out, c->title);
    fm_buffer_text(out, "</title><desc>");
    put_words(out, c);
    fm_buffer_text(out, "</desc>");
    put_axes(out, &f);
    for (size_t k = 0; k < c->n; k++) {
        put_line(out, &f, &c->series[k], k);
        if (c->series[k].dots) put_dots(out, &f, &c->series[k], k);
    }
    fm_buffer_text(out, "</svg>");
    put_legend(out, c);
    fm_buffer_text(out, "</figure>\n");
}

/* ---- loads -------------------------------------------------------------------------------------*/

/* Classes h0 (nothing) to h8 (twice what is even, or more); h4 is even. */
static int heat_class(double v) {
    int i = (int)lround(v * 4);
    return i < 0 ? 0 : i > 8 ? 8 : i;
}

void fm_heat_put(fm_buffer *out, const fm_heat *h) {
    enum { CELL = 22, NAME = 64 };
    if (!h->rows || !h->columns) return;
    double cell = h->columns > 30 ? (double)(WIDTH - NAME) / (double)h->columns : CELL;
    double height = cell < 8 ? 14 : cell < CELL ? cell : CELL;
    fm_buffer_text(out, "<figure><figcaption>");
    text_of(out, h->title);
    fm_buffer_format(out, "</figcaption><svg viewBox=\"0 0 %.0f %.0f\" style=\"max-width:%.0fpx\" role=\"img\"><title>",
                     NAME + cell * (double)h->columns + 1, 20 + height * (double)h->rows,
                     NAME + cell * (double)h->columns + 1);
    text_of(out, h->title);
    fm_buffer_text(out, "</title>");
    fm_buffer_format(out, "<text class=\"x\" x=\"%.1f\" y=\"12\">%s</text>", NAME + cell * (double)h->columns / 2,
                     h->column_name);
    for (size_t r = 0; r < h->rows; r++) {
        double y = 18 + height * (double)r;
        fm_buffer_format(out, "<text class=\"y\" x=\"%d\" y=\"%.1f\">%s %.0f</text>", NAME - 6, y + height - 4,
                         h->row_name, h->row_numbers[r]);
        for (size_t k = 0; k < h->columns; k++) {
            double v = h->values[r * h->columns + k];
            if (!isfinite(v)) continue;
            fm_buffer_format(out, "<rect class=\"h%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>"
                             "%s %.0f, %s %zu: %.2f of an even load</title></rect>",
                             heat_class(v), NAME + cell * (double)k, y, cell - 1, height - 1, h->row_name,
                             h->row_numbers[r], h->column_name, k, v);
        }
    }
    fm_buffer_text(out, "</svg><p class=\"legend\">");
    for (int i = 0; i <= 8; i += 2) fm_buffer_format(out, "<span><i class=\"h%d\"></i>%.1f</span> ", i, i / 4.0);
    fm_buffer_text(out, "of an even load</p></figure>\n");
}
