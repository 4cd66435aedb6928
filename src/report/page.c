/* page.c: the report's page, from top to bottom. */
#include "report/page.h"

#include "report/chart.h"
#include "report/run_history.h"
#include "report/style.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void text_of(fm_buffer *out, const char *text) { fm_html_text(out, text, strlen(text)); }

static void put_duration(fm_buffer *out, double seconds) {
    long s = lround(seconds);
    if (s >= 86400) fm_buffer_format(out, "%ld d %ld h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600) fm_buffer_format(out, "%ld h %ld min", s / 3600, s % 3600 / 60);
    else if (s >= 60) fm_buffer_format(out, "%ld min %ld s", s / 60, s % 60);
    else fm_buffer_format(out, "%.1f s", seconds);
}

/* ---- facts -------------------------------------------------------------------------------------*/

static const fm_json *recipe_of(const fm_history *h, const char *section, const char *key) {
    return fm_json_get(fm_json_get(fm_json_get(h->start, "recipe"), section), key);
}

static void begin_fact(fm_buffer *out) { fm_buffer_text(out, "<div><b>"); }
static void end_fact(fm_buffer *out, const char *name) { fm_buffer_format(out, "</b><span>%s</span></div>\n", name); }

static void put_fact(fm_buffer *out, double value, const char *name) {
    if (!isfinite(value)) return;
    begin_fact(out);
    fm_html_number(out, value);
    end_fact(out, name);
}

/* What the run has cost: each figure says whether it was measured or follows from what somebody stated. */
static void put_costs(fm_buffer *out, const fm_report_options *o, const fm_history *h) {
    double price = o->price > 0 ? o->price : fm_json_number(recipe_of(h, "report", "price"), 0);
    double watts = o->watts > 0 ? o->watts : fm_json_number(recipe_of(h, "report", "watts"), 0);
    double hours = h->seconds / 3600;
    if (price > 0) {
        begin_fact(out);
        fm_buffer_format(out, "%.2f ", price * hours);
        text_of(out, o->currency ? o->currency : fm_json_string(recipe_of(h, "report", "currency"), ""));
        fm_buffer_format(out, "</b><span>cost, at a stated %.4g an hour</span></div>\n", price);
    }
    begin_fact(out);
    if (h->joules >= 0) fm_buffer_format(out, "%.3g Wh</b><span>energy, measured by the processor</span></div>\n",
                                         h->joules / 3600);
    else if (watts > 0) fm_buffer_format(out, "%.3g Wh</b><span>energy, from a stated %.4g W</span></div>\n",
                                         watts * hours, watts);
    else fm_buffer_text(out, "not known</b><span>energy: the processor does not say, and no <code>--watts</code>"
                             "</span></div>\n");
}

static void put_facts(fm_buffer *out, const fm_report_options *o, const fm_history *h) {
    const fm_history_series *v = &h->validation;
    double low = NAN;
    for (size_t i = 0; i < v->n; i++)
        if (!(v->y[i] >= low)) low = v->y[i];
    fm_buffer_text(out, "<div class=\"facts\">\n");
    put_fact(out, (double)h->steps, "steps");
    put_fact(out, h->loss, "loss of the last step");
    put_fact(out, v->n ? v->y[v->n - 1] : NAN, "validation loss, last");
    put_fact(out, low, "validation loss, lowest");
    put_fact(out, h->tokens, "tokens");
    begin_fact(out);
    put_duration(out, h->seconds);
    end_fact(out, "time");
    put_fact(out, h->seconds > 0 ? h->tokens / h->seconds : NAN, "tokens per second, on average");
    put_fact(out, h->flops > 0 ? h->flops : NAN, "floating-point operations");
    if (h->peak_flops > 0 && h->seconds > 0 && h->flops > 0) {
        begin_fact(out);
        fm_buffer_format(out, "%.1f %%", 100 * h->flops / h->seconds / h->peak_flops);
        end_fact(out, "of the machine's measured peak");
    }
    put_fact(out, fm_json_number(fm_json_get(h->start, "parameters"), NAN), "parameters");
    put_fact(out, fm_json_number(fm_json_get(h->start, "active_parameters"), NAN), "of them used per token");
    put_costs(out, o, h);
    fm_buffer_text(out, "</div>\n");
}

/* ---- charts ------------------------------------------------------------------------------------*/

static void put_single(fm_buffer *out, const char *title, const char *name, const fm_history_series *s,
                       bool from_zero) {
    fm_chart_series series = {name, s->x, s->y, s->n, false, false};
    fm_chart chart = {title, "", &series, 1, from_zero};
    fm_chart_put(out, &chart);
}

static fm_status put_loss(fm_buffer *out, const fm_history *h, fm_error *err) {
    const fm_history_series *raw = &h->line[FM_HISTORY_LOSS], *mtp = &h->line[FM_HISTORY_MTP];
    fm_history_series smooth;
    FM_TRY(fm_history_smooth(raw, raw->n / 100, &smooth, err));
    fm_chart_series series[4] = {{"training", smooth.x, smooth.y, smooth.n, false, false},
                                 {"validation", h->validation.x, h->validation.y, h->validation.n, false, true},
                                 {"each step", raw->x, raw->y, raw->n, true, false}};
    size_t n = 3;
    if (mtp->n) series[n++] = (fm_chart_series){"one token further (MTP)", mtp->x, mtp->y, mtp->n, true, false};
    fm_chart chart = {"Loss: cross entropy per token, in nats", " nats", series, n, false};
    fm_chart_put(out, &chart);
    fm_history_series_clear(&smooth);
    return FM_OK;
}

static void put_layers(fm_buffer *out, const fm_history *h, const char *title, size_t offset) {
    fm_chart_series series[FM_CHART_SERIES];
    char names[FM_CHART_SERIES][24];
    size_t n = 0;
    for (; n < h->n_layers && n < FM_CHART_SERIES; n++) {
        const fm_history_series *s =
            (const fm_history_series *)(const void *)((const char *)&h->layers[n] + offset);
        snprintf(names[n], sizeof names[n], "layer %lld", (long long)h->layers[n].layer);
        series[n] = (fm_chart_series){names[n], s->x, s->y, s->n, false, false};
    }
    fm_chart chart = {title, "", series, n, true};
    fm_chart_put(out, &chart);
}

static fm_status put_load(fm_buffer *out, const fm_history *h, fm_error *err) {
    size_t columns = 0;
    for (size_t i = 0; i < h->n_layers; i++)
        if (h->layers[i].experts > columns) columns = h->layers[i].experts;
    double *values = fm_alloc_array(h->n_layers * columns + 1, sizeof *values, FM_MEM_OTHER);
    double *numbers = fm_alloc_array(h->n_layers + 1, sizeof *numbers, FM_MEM_OTHER);
    for (size_t i = 0; values && numbers && i < h->n_layers; i++) {
        numbers[i] = (double)h->layers[i].layer;
        for (size_t k = 0; k < columns; k++)
            values[i * columns + k] = k < h->layers[i].experts ? h->layers[i].load[k] : NAN;
    }
    fm_heat heat = {"Load of each expert at the end, 1 is even", "layer", "expert", values, numbers, h->n_layers,
                    columns};
    if (values && numbers) fm_heat_put(out, &heat);
    fm_status status = values && numbers ? FM_OK : fm_fail_memory(err, h->n_layers * columns, "a map of loads");
    fm_free(values);
    fm_free(numbers);
    return status;
}

static fm_status put_charts(fm_buffer *out, const fm_history *h, fm_error *err) {
    fm_buffer_text(out, "<h2>Learning</h2><div class=\"charts\">\n");
    FM_TRY(put_loss(out, h, err));
    put_single(out, "Learning rate", "learning rate", &h->line[FM_HISTORY_RATE], true);
    put_single(out, "Norm of the gradient, before clipping", "norm", &h->line[FM_HISTORY_NORM], true);
    put_single(out, "Tokens per second", "tokens per second", &h->line[FM_HISTORY_SPEED], true);
    put_single(out, "Share of the machine's peak", "share", &h->line[FM_HISTORY_PEAK], true);
    fm_buffer_text(out, "</div>\n");
    if (!h->n_layers) return FM_OK;
    fm_buffer_text(out, "<h2>Experts</h2><div class=\"charts\">\n");
    put_layers(out, h, "MaxVio: the busiest expert's load above an even one", offsetof(fm_history_layer, violation));
    put_layers(out, h, "Entropy of the load, 1 is even", offsetof(fm_history_layer, entropy));
    put_layers(out, h, "Experts that no token chose", offsetof(fm_history_layer, dead));
    FM_TRY(put_load(out, h, err));
    fm_buffer_text(out, "</div>\n");
    return FM_OK;
}

/* ---- tables ------------------------------------------------------------------------------------*/

static void put_samples(fm_buffer *out, const fm_history *h) {
    if (!h->samples.n) return;
    fm_buffer_text(out, "<h2>What it writes, by step</h2>\n");
    for (size_t i = 0; i < h->samples.n;) {
        int64_t step = h->samples.at[i].step;
        bool last = h->samples.at[h->samples.n - 1].step == step;
        fm_buffer_format(out, "<details%s><summary>step %lld</summary>\n", last ? " open" : "", (long long)step);
        for (; i < h->samples.n && h->samples.at[i].step == step; i++) {
            fm_buffer_text(out, "<pre><b>");
            text_of(out, h->samples.at[i].first);
            fm_buffer_text(out, "</b>");
            text_of(out, h->samples.at[i].second);
            fm_buffer_text(out, "</pre>\n");
        }
        fm_buffer_text(out, "</details>\n");
    }
}

static void put_profile(fm_buffer *out, const fm_history *h) {
    const fm_json *ops = fm_json_get(h->profile, "ops");
    double total = 0;
    for (size_t i = 0; i < fm_json_length(ops); i++)
        total += fm_json_number(fm_json_get(fm_json_at(ops, i), "seconds"), 0);
    if (!(total > 0)) return;
    fm_buffer_text(out, "<h2>Where the time goes</h2><div class=\"wide\"><table><tr><th scope=\"col\">operation</th>"
                        "<th scope=\"col\">from</th><th scope=\"col\">to</th><th scope=\"col\">calls</th>"
                        "<th scope=\"col\">seconds</th><th scope=\"col\">share</th></tr>\n");
    for (size_t i = 0; i < fm_json_length(ops); i++) {
        const fm_json *op = fm_json_at(ops, i);
        double seconds = fm_json_number(fm_json_get(op, "seconds"), 0);
        fm_buffer_text(out, "<tr><td>");
        text_of(out, fm_json_string(fm_json_get(op, "op"), ""));
        if (fm_json_bool(fm_json_get(op, "backward"), false)) fm_buffer_text(out, ", back");
        fm_buffer_format(out, "</td><td>%lld</td><td>%lld</td><td>%lld</td><td>%.3f</td><td>%.1f %%</td></tr>\n",
                         (long long)fm_json_integer(fm_json_get(op, "columns_in"), 0),
                         (long long)fm_json_integer(fm_json_get(op, "columns_out"), 0),
                         (long long)fm_json_integer(fm_json_get(op, "calls"), 0), seconds, 100 * seconds / total);
    }
    fm_buffer_text(out, "</table></div>\n");
}

static void put_events(fm_buffer *out, const char *title, const fm_history_texts *t) {
    if (!t->n) return;
    fm_buffer_format(out, "<details><summary>%s: %zu</summary><table>\n", title, t->n);
    for (size_t i = 0; i < t->n; i++) {
        fm_buffer_format(out, "<tr><td>step %lld</td><td><code>", (long long)t->at[i].step);
        text_of(out, t->at[i].first);
        fm_buffer_text(out, "</code> ");
        text_of(out, t->at[i].second);
        fm_buffer_text(out, "</td></tr>\n");
    }
    fm_buffer_text(out, "</table></details>\n");
}

static void put_value(fm_buffer *out, const fm_json *v) {
    switch (fm_json_kind_of(v)) {
    case FM_JSON_STRING: text_of(out, fm_json_string(v, "")); break;
    case FM_JSON_BOOL: fm_buffer_text(out, fm_json_bool(v, false) ? "true" : "false"); break;
    case FM_JSON_INTEGER: fm_buffer_format(out, "%lld", (long long)fm_json_integer(v, 0)); break;
    case FM_JSON_REAL: fm_buffer_format(out, "%.15g", fm_json_number(v, 0)); break;
    case FM_JSON_ARRAY:
        for (size_t i = 0; i < fm_json_length(v); i++) {
            if (i) fm_buffer_text(out, " | ");
            put_value(out, fm_json_at(v, i));
        }
        break;
    default: break;
    }
}

typedef struct rows {
    fm_buffer *out;
    const char *section;
} rows;

static fm_status put_row(void *context, const char *key, size_t n, const fm_json *v) {
    rows *r = context;
    if (fm_json_kind_of(v) == FM_JSON_OBJECT) {
        rows inner = {r->out, key};
        return fm_json_each(v, put_row, &inner);
    }
    fm_buffer_text(r->out, "<tr><td>");
    text_of(r->out, r->section);
    fm_buffer_text(r->out, *r->section ? "." : "");
    fm_html_text(r->out, key, n);
    fm_buffer_text(r->out, "</td><td><code>");
    put_value(r->out, v);
    fm_buffer_text(r->out, "</code></td></tr>\n");
    return FM_OK;
}

static void put_table(fm_buffer *out, const char *title, const fm_json *object) {
    rows r = {out, ""};
    fm_buffer_format(out, "<details><summary>%s</summary><table>\n", title);
    fm_json_each(object, put_row, &r);
    fm_buffer_text(out, "</table></details>\n");
}

static void put_heading(fm_buffer *out, const char *name, const fm_history *h) {
    fm_buffer_text(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    text_of(out, name);
    fm_buffer_text(out, "</title><style>" FM_REPORT_STYLE "</style></head><body>\n<main><h1>");
    text_of(out, name);
    fm_buffer_text(out, "</h1><p class=\"soft\">");
    const char *because = fm_json_string(fm_json_get(h->end, "because"), "");
    if (h->end) {
        fm_buffer_text(out, "A run that has ended: ");
        text_of(out, because);
    } else {
        fm_buffer_text(out, "A run that goes on, or was stopped between two steps");
    }
    fm_buffer_format(out, ". Made by Fathom from %zu lines of log", h->lines);
    if (h->damaged) fm_buffer_format(out, ", %zu of them damaged and left out", h->damaged);
    fm_buffer_text(out, ".</p>\n");
}

fm_status fm_report_page(const fm_report_options *o, const char *log, size_t size, fm_buffer *out,
                         fm_error *err) {
    fm_history h;
    FM_TRY(fm_history_read(log, size, &h, err));
    put_heading(out, o->name, &h);
    put_facts(out, o, &h);
    fm_status status = put_charts(out, &h, err);
    put_samples(out, &h);
    put_profile(out, &h);
    fm_buffer_text(out, "<h2>The run</h2>\n");
    put_events(out, "Steps left out", &h.skips);
    put_events(out, "Notes", &h.notes);
    put_events(out, "Checkpoints and their SHA-256", &h.checkpoints);
    put_table(out, "Recipe, machine, data and their hashes", h.start);
    fm_buffer_text(out, "</main></body></html>\n");
    fm_history_clear(&h);
    if (status == FM_OK) status = fm_buffer_status(out, err);
    return status;
}
