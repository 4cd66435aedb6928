#include "report/run_history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const line_keys[FM_HISTORY_LINES] = {"loss", "mtp_loss", "rate", "norm", "tokens_per_second",
                                                        "share_of_peak"};

static bool append(fm_history_series *s, double x, double y) {
    if (s->n == s->capacity) {
        size_t more = s->capacity ? 2 * s->capacity : 64;
        double *new_x = fm_realloc(s->x, more * sizeof *new_x, FM_MEM_OTHER);
        if (new_x) s->x = new_x;
        double *new_y = fm_realloc(s->y, more * sizeof *new_y, FM_MEM_OTHER);
        if (new_y) s->y = new_y;
        if (!new_x || !new_y) return false;
        s->capacity = more;
    }
    s->x[s->n] = x, s->y[s->n++] = y;
    return true;
}

void fm_history_series_clear(fm_history_series *s) {
    fm_free(s->x);
    fm_free(s->y);
    *s = (fm_history_series){0};
}

static const char *copy_of(fm_history *h, const fm_json *v) {
    size_t n = 0;
    const char *text = fm_json_string_n(v, &n);
    return text ? fm_arena_strndup(&h->arena, text, n) : "";
}

static bool add_text(fm_history_texts *t, int64_t step, const char *first, const char *second) {
    if (!first || !second) return false;
    if (t->n == t->capacity) {
        size_t more = t->capacity ? 2 * t->capacity : 16;
        fm_history_text *at = fm_realloc(t->at, more * sizeof *at, FM_MEM_OTHER);
        if (!at) return false;
        t->at = at, t->capacity = more;
    }
    t->at[t->n++] = (fm_history_text){step, first, second};
    return true;
}

/* ---- events ------------------------------------------------------------------------------------*/

static double number(const fm_json *e, const char *key, double otherwise) {
    return fm_json_number(fm_json_get(e, key), otherwise);
}

static bool take_step(fm_history *h, const fm_json *e, int64_t step) {
    for (int i = 0; i < FM_HISTORY_LINES; i++)
        if (fm_json_get(e, line_keys[i]) && !append(&h->line[i], (double)step, number(e, line_keys[i], NAN)))
            return false;
    h->steps = step;
    h->tokens = number(e, "tokens", h->tokens);
    h->seconds = number(e, "seconds", h->seconds);
    h->flops = number(e, "flops", h->flops);
    h->joules = number(e, "joules", h->joules);
    h->loss = number(e, "loss", h->loss);
    return true;
}

static fm_history_layer *layer_of(fm_history *h, int64_t layer) {
    for (size_t i = 0; i < h->n_layers; i++)
        if (h->layers[i].layer == layer) return &h->layers[i];
    if (h->n_layers == FM_HISTORY_LAYERS) return NULL;
    fm_history_layer *at = fm_realloc(h->layers, (h->n_layers + 1) * sizeof *at, FM_MEM_OTHER);
    if (!at) return NULL;
    h->layers = at;
    h->layers[h->n_layers] = (fm_history_layer){.layer = layer};
    return &h->layers[h->n_layers++];
}

static bool take_load(fm_history_layer *l, const fm_json *load) {
    size_t n = fm_json_length(load);
    double sum = 0;
    if (!n) return true;
    if (n != l->experts) {
        double *at = fm_realloc(l->load, n * sizeof *at, FM_MEM_OTHER);
        if (!at) return false;
        l->load = at, l->experts = n;
    }
    for (size_t i = 0; i < n; i++) sum += l->load[i] = fm_json_number(fm_json_at(load, i), 0);
    for (size_t i = 0; i < n; i++) l->load[i] = sum > 0 ? l->load[i] * (double)n / sum : NAN;
    return true;
}

static bool take_experts(fm_history *h, const fm_json *e, int64_t step) {
    const fm_json *layers = fm_json_get(e, "layers");
    for (size_t i = 0; i < fm_json_length(layers); i++) {
        const fm_json *v = fm_json_at(layers, i);
        fm_history_layer *l = layer_of(h, fm_json_integer(fm_json_get(v, "layer"), -1));
        if (!l || !append(&l->violation, (double)step, number(v, "max_violation", NAN)) ||
            !append(&l->entropy, (double)step, number(v, "entropy", NAN)) ||
            !append(&l->dead, (double)step, number(v, "dead", NAN)) || !take_load(l, fm_json_get(v, "load")))
            return false;
    }
    return true;
}

static void keep(fm_json **place, fm_json **event) {
    fm_json_free(*place);
    *place = *event;
    *event = NULL;
}

/* False without memory. */
static bool take(fm_history *h, fm_json **event) {
    const fm_json *e = *event;
    const char *what = fm_json_string(fm_json_get(e, "event"), "");
    int64_t step = fm_json_integer(fm_json_get(e, "step"), 0);
    if (strcmp(what, "step") == 0) return take_step(h, e, step);
    if (strcmp(what, "experts") == 0) return take_experts(h, e, step);
    if (strcmp(what, "validation") == 0) return append(&h->validation, (double)step, number(e, "loss", NAN));
    if (strcmp(what, "sample") == 0)
        return add_text(&h->samples, step, copy_of(h, fm_json_get(e, "prompt")), copy_of(h, fm_json_get(e, "text")));
    if (strcmp(what, "note") == 0) return add_text(&h->notes, step, copy_of(h, fm_json_get(e, "text")), "");
    if (strcmp(what, "skip") == 0)
        return add_text(&h->skips, step, copy_of(h, fm_json_get(e, "because")),
                        fm_arena_format(&h->arena, "loss %.4g, norm %.4g, %.1f deviations", number(e, "loss", NAN),
                                        number(e, "norm", NAN), number(e, "deviations", NAN)));
    if (strcmp(what, "checkpoint") == 0)
        return add_text(&h->checkpoints, step, copy_of(h, fm_json_get(e, "sha256")), "");
    if (strcmp(what, "start") == 0) {
        h->peak_flops = number(e, "peak_flops", h->peak_flops);
        keep(&h->start, event);
    } else if (strcmp(what, "profile") == 0) keep(&h->profile, event);
    else if (strcmp(what, "end") == 0) keep(&h->end, event);
    return true;
}

fm_status fm_history_read(const char *text, size_t size, fm_history *h, fm_error *err) {
    *h = (fm_history){.joules = -1, .loss = NAN};
    bool fine = true;
    for (size_t at = 0; at < size && fine;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        fm_json *event = NULL;
        if (n && fm_json_parse(text + at, n, &event, NULL) == FM_OK) fine = take(h, &event);
        else h->damaged += n > 0;
        h->lines += n > 0;
        fm_json_free(event);
        at += n + 1;
    }
    fm_status status = fine ? FM_OK : fm_fail_memory(err, size, "a run's history");
    if (status == FM_OK && !h->start && h->line[FM_HISTORY_LOSS].n == 0)
        status = fm_fail(err, FM_ERR_FORMAT, "no line tells of a run: give the log.jsonl of one");
    if (status != FM_OK) fm_history_clear(h);
    return status;
}

void fm_history_clear(fm_history *h) {
    fm_history_texts *texts[] = {&h->samples, &h->notes, &h->skips, &h->checkpoints};
    for (int i = 0; i < FM_HISTORY_LINES; i++) fm_history_series_clear(&h->line[i]);
    fm_history_series_clear(&h->validation);
    for (size_t i = 0; i < h->n_layers; i++) {
        fm_history_series_clear(&h->layers[i].violation);
        fm_history_series_clear(&h->layers[i].entropy);
        fm_history_series_clear(&h->layers[i].dead);
        fm_free(h->layers[i].load);
    }
    fm_free(h->layers);
    for (size_t i = 0; i < FM_COUNT(texts); i++) fm_free(texts[i]->at);
    fm_json_free(h->start);
    fm_json_free(h->profile);
    fm_json_free(h->end);
    fm_arena_clear(&h->arena);
    *h = (fm_history){0};
}

fm_status fm_history_smooth(const fm_history_series *s, size_t half, fm_history_series *out, fm_error *err) {
    *out = (fm_history_series){0};
    for (size_t i = 0; i < s->n; i++) {
        size_t from = i > half ? i - half : 0, to = i + half < s->n ? i + half : s->n - 1, n = 0;
        double sum = 0;
        for (size_t j = from; j <= to; j++)
            if (isfinite(s->y[j])) sum += s->y[j], n++;
        if (!append(out, s->x[i], n ? sum / (double)n : NAN)) {
            fm_history_series_clear(out);
            return fm_fail_memory(err, s->n * sizeof(double), "a mean");
        }
    }
    return FM_OK;
}
