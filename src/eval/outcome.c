#include "eval/outcome.h"

#include "base/json.h"
#include "base/json_write.h"
#include "eval/final_answer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 2 };

static const char *const stop_names[FM_EVAL_STOPS] = {[FM_EVAL_END] = "end", [FM_EVAL_LENGTH] = "length"};

/* The writer ends a document with a newline; the journal adds its own. */
static void close_line(fm_json_writer *w) {
    fm_json_close(w, '}');
    if (!w->out->failed && w->out->size > 0 && w->out->data[w->out->size - 1] == '\n') w->out->size--;
}

static void put_hash(fm_json_writer *w, const char *key, uint64_t hash) {
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    fm_json_put_text(w, key, text);
}

void fm_outcome_put_setup(fm_buffer *out, const fm_outcome_setup *s) {
    fm_json_writer w = {.out = out, .flat = true};
    fm_json_open(&w, NULL, '{');
    fm_json_put_integer(&w, "fathom_eval", VERSION);
    fm_json_put_text(&w, "model", s->model);
    fm_json_put_text(&w, "architecture", s->architecture);
    put_hash(&w, "fingerprint", s->fingerprint);
    fm_json_put_text(&w, "grader", s->grader);
    fm_json_put_text(&w, "arith", s->arith);
    fm_json_put_text(&w, "cache", s->cache);
    fm_json_put_text(&w, "activations", s->activations);
    fm_json_put_integer(&w, "samples", s->samples);
    fm_json_put_integer(&w, "max_tokens", s->max_tokens);
    fm_json_put_integer(&w, "thinking_budget", s->thinking_budget);
    fm_json_put_integer(&w, "context", s->context);
    fm_json_put_real(&w, "temperature", s->temperature);
    fm_json_put_real(&w, "top_p", s->top_p);
    fm_json_put_integer(&w, "top_k", s->top_k);
    fm_json_put_real(&w, "min_p", s->min_p);
    fm_json_put_real(&w, "repetition_penalty", s->repetition_penalty);
    fm_json_put_real(&w, "presence_penalty", s->presence_penalty);
    fm_json_put_real(&w, "frequency_penalty", s->frequency_penalty);
    put_hash(&w, "seed", s->seed);
    fm_json_put_bool(&w, "raw", s->raw);
    fm_json_put_bool(&w, "thinking", s->thinking);
    fm_json_put_text(&w, "style", s->style);
    fm_json_put_text(&w, "system", s->system);
    fm_json_put_text(&w, "instruction", s->instruction);
    close_line(&w);
}

static void put_span(fm_json_writer *w, const char *key, fm_span text) {
    if (text.n == 0) {
        fm_json_put_text(w, key, NULL);
        return;
    }
    fm_json_put_text(w, key, ""); /* the comma, the key and "" ... */
    w->out->size -= w->out->failed ? 0 : 2;
    fm_json_quote(w->out, text.s, text.n); /* ... which may hold zero bytes */
}

static void put_sample(fm_json_writer *w, const fm_outcome_sample *s) {
    fm_json_open(w, NULL, '{');
    put_span(w, "answer", s->judged.answer);
    if (s->judged.verdict == FM_UNDECIDED) fm_json_put_text(w, "correct", NULL);
    else fm_json_put_bool(w, "correct", s->judged.verdict == FM_RIGHT);
    fm_json_put_bool(w, "formed", s->judged.formed);
    fm_json_put_text(w, "stop", stop_names[s->judged.stop]);
    if (s->judged.tokens < 0) fm_json_put_text(w, "tokens", NULL);
    else fm_json_put_integer(w, "tokens", s->judged.tokens);
    fm_json_put_real(w, "seconds", s->judged.seconds);
    put_span(w, "thinking", s->thinking);
    put_span(w, "text", s->text);
    fm_json_close(w, '}');
}

void fm_outcome_put(fm_buffer *out, const fm_eval_item *item, const fm_outcome_sample *samples,
                    int64_t n) {
    fm_json_writer w = {.out = out, .flat = true};
    double right = 0, decided = 0;
    for (int64_t i = 0; i < n; i++) {
        right += samples[i].judged.verdict == FM_RIGHT;
        decided += samples[i].judged.verdict != FM_UNDECIDED;
    }
    fm_json_open(&w, NULL, '{');
    fm_json_put_integer(&w, "line", item->line);
    if (item->id) fm_json_put_text(&w, "id", item->id);
    put_hash(&w, "hash", item->hash);
    if (item->domain) fm_json_put_text(&w, "domain", item->domain);
    if (item->band) fm_json_put_text(&w, "band", item->band);
    if (item->key) fm_json_put_text(&w, "key", item->key);
    put_span(&w, "expected", item->answer ? fm_answer_expected(item->answer, item->answer_size) : (fm_span){"", 0});
    fm_json_put_real(&w, "share", decided > 0 ? right / decided : NAN); /* null */
    fm_json_open(&w, "samples", '[');
    for (int64_t i = 0; i < n; i++) put_sample(&w, &samples[i]);
    fm_json_close(&w, ']');
    close_line(&w);
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* A value as text, for the sentence that says what differs. */
static void show(const fm_json *v, char *out, size_t size) {
    switch (fm_json_kind_of(v)) {
    case FM_JSON_STRING: snprintf(out, size, "'%.60s'", fm_json_string(v, "")); break;
    case FM_JSON_INTEGER: snprintf(out, size, "%lld", (long long)fm_json_integer(v, 0)); break;
    case FM_JSON_REAL: snprintf(out, size, "%g", fm_json_number(v, 0)); break;
    case FM_JSON_BOOL: snprintf(out, size, "%s", fm_json_bool(v, false) ? "true" : "false"); break;
    default: snprintf(out, size, "none");
    }
}

/* The program wrote both, so equal values have equal texts. */
static bool same(const fm_json *a, const fm_json *b) {
    size_t n, m;
    const char *s = fm_json_string_n(a, &n), *t = fm_json_string_n(b, &m);
    if (s && t) return n == m && memcmp(s, t, n) == 0;
    char x[80], y[80];
    show(a, x, sizeof x);
    show(b, y, sizeof y);
    return fm_json_kind_of(a) == fm_json_kind_of(b) && strcmp(x, y) == 0;
}

typedef struct difference {
    const fm_json *theirs;
    const char *path;
    fm_error *err;
} difference;

static fm_status compare(void *context, const char *key, size_t length, const fm_json *ours) {
    const difference *d = context;
    const fm_json *theirs = fm_json_get(d->theirs, key);
    char x[80], y[80];
    (void)length;
    if (strcmp(key, "model") == 0 || same(theirs, ours)) return FM_OK;
    if (strcmp(key, "fingerprint") == 0)
        return fm_fail(d->err, FM_ERR_ARGUMENT, "%s holds results of another model ('%.80s'): give another "
                       "file", d->path, fm_json_string(fm_json_get(d->theirs, "model"), "?"));
    show(theirs, x, sizeof x);
    show(ours, y, sizeof y);
    return fm_fail(d->err, FM_ERR_ARGUMENT, "%s was made with %s %s and this run has %s: give the same "
                   "options, or another file", d->path, key, x, y);
}

fm_status fm_outcome_check(const char *line, size_t size, const fm_outcome_setup *setup,
                           const char *path, fm_error *err) {
    fm_buffer ours = {0};
    fm_json *theirs = NULL, *mine = NULL;
    fm_outcome_put_setup(&ours, setup);
    fm_status status = fm_buffer_status(&ours, err);
    if (status == FM_OK) status = fm_json_parse(ours.data, ours.size, &mine, err);
    if (status == FM_OK && (fm_json_parse(line, size, &theirs, NULL) != FM_OK ||
                            fm_json_integer(fm_json_get(theirs, "fathom_eval"), 0) != VERSION))
        status = fm_fail(err, FM_ERR_FORMAT, "%s holds no results of fathom eval, or an older version's: "
                         "give another file", path);
    difference d = {theirs, path, err};
    if (status == FM_OK) status = fm_json_each(mine, compare, &d);
    fm_json_free(theirs);
    fm_json_free(mine);
    fm_buffer_clear(&ours);
    return status;
}

static bool read_stop(const fm_json *v, fm_eval_stop *out) {
    const char *name = fm_json_string(v, "");
    for (int i = 0; i < FM_EVAL_STOPS; i++)
        if (strcmp(stop_names[i], name) == 0) {
            *out = (fm_eval_stop)i;
            return true;
        }
    return false;
}

/* 1: fine, 0: not what was written, -1: no memory. */
static int read_sample(const fm_json *v, fm_arena *arena, fm_eval_sample *out) {
    size_t n;
    const fm_json *correct = fm_json_get(v, "correct"), *tokens = fm_json_get(v, "tokens");
    const char *answer = fm_json_string_n(fm_json_get(v, "answer"), &n);
    *out = (fm_eval_sample){.verdict = fm_json_kind_of(correct) != FM_JSON_BOOL ? FM_UNDECIDED
                                       : fm_json_bool(correct, false)           ? FM_RIGHT
                                                                                : FM_WRONG,
                            .formed = fm_json_bool(fm_json_get(v, "formed"), false),
                            .tokens = fm_json_integer(tokens, -1),
                            .seconds = fm_json_number(fm_json_get(v, "seconds"), -1)};
    bool known = fm_json_kind_of(tokens) != FM_JSON_NULL;
    if (!read_stop(fm_json_get(v, "stop"), &out->stop) || (known && out->tokens < 0) || !(out->seconds >= 0))
        return 0;
    if (!answer) return 1;
    out->answer = (fm_span){fm_arena_strndup(arena, answer, n), n};
    return out->answer.s ? 1 : -1;
}

static fm_status read_samples(const fm_json *root, fm_arena *arena, fm_outcome *out, bool *sane,
                              fm_error *err) {
    const fm_json *list = fm_json_get(root, "samples");
    size_t n = fm_json_length(list);
    out->samples = fm_arena_array(arena, n ? n : 1, sizeof *out->samples);
    if (!out->samples) return fm_fail_memory(err, n * sizeof *out->samples, "results");
    out->n = (int64_t)n;
    *sane = n > 0;
    for (size_t i = 0; i < n && *sane; i++) {
        int done = read_sample(fm_json_at(list, i), arena, &out->samples[i]);
        if (done < 0) return fm_fail_memory(err, 64, "results");
        *sane = done;
    }
    return FM_OK;
}

fm_status fm_outcome_read(const char *line, size_t size, const char *path, size_t number,
                          fm_arena *arena, fm_outcome *out, fm_error *err) {
    fm_json *root = NULL;
    bool sane = false;
    char *end = NULL;
    fm_status status = fm_json_parse(line, size, &root, err);
    if (status == FM_ERR_MEMORY) return status;
    const char *hash = fm_json_string(fm_json_get(root, "hash"), "");
    *out = (fm_outcome){.line = fm_json_integer(fm_json_get(root, "line"), 0),
                        .hash = strtoull(hash, &end, 16)};
    bool head = status == FM_OK && out->line > 0 && strlen(hash) == 16 && *end == 0;
    status = FM_OK;
    if (head) status = read_samples(root, arena, out, &sane, err);
    fm_json_free(root);
    if (status == FM_OK && !sane)
        status = fm_fail(err, FM_ERR_FORMAT, "%s, line %zu: this is no result of fathom eval: repair or "
                         "remove the line", path, number);
    return status;
}
