/* facts.c: facts to JSON and back, by the kind's table. */
#include "rl/task/problem.h"

#include <inttypes.h>
#include <string.h>

static const int64_t *integers_of(const fm_problem *p, const fm_fact *f, size_t *n) {
    *n = f->type == FM_FACT_INTEGERS ? (size_t) * (const int64_t *)(p->facts + f->count) : 1;
    return (const int64_t *)(p->facts + f->offset);
}

void fm_problem_write_facts(const fm_problem *p, fm_json_writer *w, const char *key) {
    fm_json_open(w, key, '{');
    for (size_t i = 0; i < p->kind->n_facts; i++) {
        const fm_fact *f = &p->kind->facts[i];
        if (f->type == FM_FACT_TEXT) {
            fm_json_put_text(w, f->name, (const char *)p->facts + f->offset);
            continue;
        }
        size_t n;
        const int64_t *values = integers_of(p, f, &n);
        if (f->type == FM_FACT_INTEGER) {
            fm_json_put_integer(w, f->name, *values);
            continue;
        }
        fm_json_open(w, f->name, '[');
        for (size_t j = 0; j < n; j++) fm_json_put_integer(w, NULL, values[j]);
        fm_json_close(w, ']');
    }
    fm_json_close(w, '}');
}

static fm_status read_integer(const fm_fact *f, const fm_json *v, int64_t *out, fm_error *err) {
    if (fm_json_kind_of(v) != FM_JSON_INTEGER)
        return fm_fail(err, FM_ERR_FORMAT, "\"%s\" must be %s", f->name,
                       f->type == FM_FACT_INTEGERS ? "a list of whole numbers" : "a whole number");
    *out = fm_json_integer(v, 0);
    if (*out < f->least || *out > f->most)
        return fm_fail(err, FM_ERR_FORMAT, "\"%s\" must be from %" PRId64 " to %" PRId64 ", not %" PRId64, f->name,
                       f->least, f->most, *out);
    return FM_OK;
}

static fm_status read_text(const fm_fact *f, const fm_json *v, char *out, fm_error *err) {
    size_t n;
    const char *text = fm_json_string_n(v, &n);
    if (!text || memchr(text, 0, n))
        return fm_fail(err, FM_ERR_FORMAT, "\"%s\" must be a text without zero bytes", f->name);
    if (n >= f->limit)
        return fm_fail(err, FM_ERR_FORMAT, "\"%s\" has %zu bytes; %zu is the limit", f->name, n, f->limit - 1);
    memcpy(out, text, n + 1);
    return FM_OK;
}

static fm_status read_fact(const fm_fact *f, const fm_json *v, fm_problem *out, fm_error *err) {
    if (!v) return fm_fail(err, FM_ERR_FORMAT, "\"%s\" is missing", f->name);
    if (f->type == FM_FACT_TEXT) return read_text(f, v, (char *)out->facts + f->offset, err);
    int64_t *values = (int64_t *)(out->facts + f->offset);
    if (f->type == FM_FACT_INTEGER) return read_integer(f, v, values, err);
    if (fm_json_kind_of(v) != FM_JSON_ARRAY)
        return fm_fail(err, FM_ERR_FORMAT, "\"%s\" must be a list of whole numbers", f->name);
    size_t n = fm_json_length(v);
    if (n > f->limit)
        return fm_fail(err, FM_ERR_FORMAT, "\"%s\" has %zu numbers; %zu is the limit", f->name, n, f->limit);
    for (size_t i = 0; i < n; i++) FM_TRY(read_integer(f, fm_json_at(v, i), &values[i], err));
    *(int64_t *)(out->facts + f->count) = (int64_t)n;
    return FM_OK;
}

typedef struct known {
    const fm_task_kind *kind;
    fm_error *err;
} known;

static fm_status only_known(void *context, const char *key, size_t length, const fm_json *value) {
    const known *k = context;
    (void)length, (void)value;
    for (size_t i = 0; i < k->kind->n_facts; i++)
        if (!strcmp(k->kind->facts[i].name, key)) return FM_OK;
    return fm_fail(k->err, FM_ERR_FORMAT, "%s has no fact \"%.60s\"", k->kind->name, key);
}

fm_status fm_problem_read_facts(const fm_task_kind *kind, const fm_json *facts, fm_problem *out, fm_error *err) {
    *out = (fm_problem){.kind = kind, .band = -1};
    if (fm_json_kind_of(facts) != FM_JSON_OBJECT)
        return fm_fail(err, FM_ERR_FORMAT, "\"facts\" of %s must be an object", kind->name);
    FM_TRY(fm_json_each(facts, only_known, &(known){kind, err}));
    for (size_t i = 0; i < kind->n_facts; i++)
        FM_TRY(read_fact(&kind->facts[i], fm_json_get(facts, kind->facts[i].name), out, err));
    return kind->valid ? kind->valid(out->facts, err) : FM_OK;
}
