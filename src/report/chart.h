/* chart.h: pictures for a page: lines over steps and a map of loads, as inline SVG that takes its colours from
 * the page's style sheet (light and dark), says in words what it shows, and needs no script. */
#pragma once

#include "base/buffer.h"

typedef struct fm_chart_series {
    const char *name;
    const double *x, *y; /* x ascending; points whose y is no number are left out */
    size_t n;
    bool faint;          /* behind another: raw values under their mean */
    bool dots;           /* few points, each shown */
} fm_chart_series;

enum { FM_CHART_SERIES = 40 };

typedef struct fm_chart {
    const char *title;
    const char *unit;  /* behind numbers in words; "" for none */
    const fm_chart_series *series;
    size_t n;
    bool from_zero;    /* the axis begins at 0 */
} fm_chart;

/* Nothing where no series has a point. */
void fm_chart_put(fm_buffer *out, const fm_chart *chart);

/* Rows of cells, each `value` times what is even (1): darker on both sides of it. NaN: an empty cell. */
typedef struct fm_heat {
    const char *title;
    const char *row_name, *column_name; /* "layer", "expert" */
    const double *values;               /* [rows][columns] */
    const double *row_numbers;          /* [rows] */
    size_t rows, columns;
} fm_heat;
void fm_heat_put(fm_buffer *out, const fm_heat *heat);

/* Text with & < > " escaped, and control characters shown as blanks. */
void fm_html_text(fm_buffer *out, const char *text, size_t n);
/* 0.00123, 12.3, 45,600, 1.2M: at most four digits that count. */
void fm_html_number(fm_buffer *out, double value);
