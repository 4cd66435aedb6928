#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "rl/reward/scorer_private.h"

#include <math.h>
#include <string.h>

enum { MAGIC = 8, HEADER = MAGIC + 12, LEAST_BITS = 8, MOST_BITS = 24 };
static const char magic[MAGIC + 1] = "FMSCORE1";

/* ---- the scorer -------------------------------------------------------------------------------*/

static fm_status write_all(const fm_scorer *s, fm_writer *w, fm_error *err) {
    uint32_t head[2] = {(uint32_t)s->bits, 0};
    size_t size = sizeof *s->weights << s->bits;
    char hex[FM_SHA256_HEX + 1];
    fm_sha256 sum;
    fm_sha256_begin(&sum);
    fm_sha256_add(&sum, magic, MAGIC);
    fm_sha256_add(&sum, head, sizeof head);
    fm_sha256_add(&sum, &s->bias, sizeof s->bias);
    fm_sha256_add(&sum, s->weights, size);
    fm_sha256_end(&sum, hex);
    FM_TRY(fm_writer_put(w, magic, MAGIC, err));
    FM_TRY(fm_writer_put(w, head, sizeof head, err));
    FM_TRY(fm_writer_put(w, &s->bias, sizeof s->bias, err));
    FM_TRY(fm_writer_put(w, s->weights, size, err));
    return fm_writer_put(w, hex, FM_SHA256_HEX, err);
}

fm_status fm_scorer_save(const fm_scorer *scorer, const char *path, fm_error *err) {
    fm_writer *writer;
    FM_TRY(fm_writer_open(path, &writer, err));
    fm_status status = write_all(scorer, writer, err);
    if (status == FM_OK) return fm_writer_commit(writer, err);
    fm_writer_abort(writer);
    return status;
}

static bool all_finite(const fm_scorer *s) {
    bool finite = isfinite(s->bias);
    for (size_t i = 0; i < (size_t)1 << s->bits; i++) finite = finite && isfinite(s->weights[i]);
    return finite;
}

static fm_status read_scorer(const char *path, const char *bytes, size_t size, fm_scorer **out, fm_error *err) {
    fm_reader r = fm_reader_of(bytes, size);
    const uint8_t *word = fm_read_bytes(&r, MAGIC);
    if (!word || memcmp(word, magic, MAGIC) != 0)
        return fm_fail(err, FM_ERR_FORMAT, "%s is not a scorer's file", path);
    uint32_t bits = fm_read_u32(&r), zero = fm_read_u32(&r);
    float bias = fm_read_f32(&r);
    if (r.failed || zero != 0 || bits < LEAST_BITS || bits > MOST_BITS ||
        size != HEADER + (sizeof(float) << bits) + FM_SHA256_HEX)
        return fm_fail(err, FM_ERR_FORMAT, "%s is cut or damaged: its size does not fit its header", path);
    char hex[FM_SHA256_HEX + 1];
    fm_sha256_of(bytes, size - FM_SHA256_HEX, hex);
    if (memcmp(hex, bytes + size - FM_SHA256_HEX, FM_SHA256_HEX) != 0)
        return fm_fail(err, FM_ERR_FORMAT, "%s is damaged: its checksum is another", path);
    fm_scorer *s = fm_scorer_new((int)bits);
    if (!s) return fm_fail_memory(err, sizeof(float) << bits, "a scorer");
    s->bias = bias;
    memcpy(s->weights, bytes + r.at, sizeof(float) << bits);
    if (!all_finite(s)) {
        fm_scorer_free(s);
        return fm_fail(err, FM_ERR_FORMAT, "%s has weights that are no numbers", path);
    }
    *out = s;
    return FM_OK;
}

fm_status fm_scorer_load(const char *path, fm_scorer **out, fm_error *err) {
    char *bytes;
    size_t size;
    *out = NULL;
    FM_TRY(fm_file_read(path, (sizeof(float) << MOST_BITS) + 1024, &bytes, &size, err));
    fm_status status = read_scorer(path, bytes, size, out, err);
    fm_free(bytes);
    return status;
}

/* ---- labelled replies -------------------------------------------------------------------------*/

enum { LINES_BYTES = 1 << 30 };

typedef struct lines {
    fm_arena *arena;
    fm_scorer_example *list;
    size_t n, capacity;
} lines;

static bool copy_text(fm_arena *arena, const fm_json *v, const char **out, size_t *size) {
    const char *text = fm_json_string_n(v, size);
    if (!text) *size = 0;
    *out = text ? fm_arena_strndup(arena, text, *size) : "";
    return *out != NULL;
}

static fm_status add_line(lines *l, const fm_json *object, const char *path, size_t number, fm_error *err) {
    const fm_json *question = fm_json_get(object, "question"), *reply = fm_json_get(object, "reply"),
                  *good = fm_json_get(object, "good"), *answer = fm_json_get(object, "answer");
    if (fm_json_kind_of(question) != FM_JSON_STRING || fm_json_kind_of(reply) != FM_JSON_STRING ||
        fm_json_kind_of(good) != FM_JSON_BOOL || (answer && fm_json_kind_of(answer) != FM_JSON_STRING))
        return fm_fail(err, FM_ERR_FORMAT,
                       "%s:%zu: a line wants \"question\" and \"reply\" as texts and \"good\" as true or false", path,
                       number);
    if (l->n == l->capacity) {
        size_t more = l->capacity ? 2 * l->capacity : 256;
        fm_scorer_example *list = fm_arena_array(l->arena, more, sizeof *list);
        if (!list) return fm_fail_memory(err, more * sizeof *list, "labelled replies");
        if (l->n) memcpy(list, l->list, l->n * sizeof *list);
        l->list = list;
        l->capacity = more;
    }
    fm_scorer_example *e = &l->list[l->n];
    e->good = fm_json_bool(good, false);
    if (!copy_text(l->arena, question, &e->question, &e->question_size) ||
        !copy_text(l->arena, answer, &e->answer, &e->answer_size) ||
        !copy_text(l->arena, reply, &e->reply, &e->reply_size))
        return fm_fail_memory(err, 0, "labelled replies");
    l->n++;
    return FM_OK;
}

static bool blank(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
    return true;
}

static fm_status read_lines(lines *l, const char *text, size_t size, const char *path, fm_error *err) {
    size_t number = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        number++;
        if (!blank(text + at, n)) {
            fm_json *line;
            fm_status status = fm_json_parse(text + at, n, &line, err);
            if (status != FM_OK) return fm_error_prefix(err, status, "%s:%zu", path, number);
            status = add_line(l, line, path, number, err);
            fm_json_free(line);
            FM_TRY(status);
        }
        at += n + 1;
    }
    return FM_OK;
}

fm_status fm_scorer_read(const char *path, fm_arena *arena, fm_scorer_example **out, size_t *n, fm_error *err) {
    char *text;
    size_t size;
    *out = NULL;
    *n = 0;
    FM_TRY(fm_file_read(path, LINES_BYTES, &text, &size, err));
    lines l = {.arena = arena};
    fm_status status = read_lines(&l, text, size, path, err);
    fm_free(text);
    if (status != FM_OK) return status;
    *out = l.list;
    *n = l.n;
    return FM_OK;
}
