#include "eval/baseline.h"

#include "base/bytes.h"

#include <math.h>

enum { CODE_MAX = 65535, RANGE_MAX = 80 };
static const char magic[8] = "FATHOMLP";

size_t fm_baseline_row_bytes(int64_t vocabulary) {
    return FM_BASELINE_ROW + ((size_t)vocabulary * sizeof(uint16_t) + 3) / 4 * 4;
}

bool fm_baseline_file_bytes(const fm_baseline_shape *shape, uint64_t *bytes) {
    return !__builtin_mul_overflow(shape->rows, fm_baseline_row_bytes(shape->vocabulary), bytes) &&
           !__builtin_add_overflow(*bytes, (uint64_t)FM_BASELINE_HEADER, bytes);
}

double fm_baseline_norm(const float *logits, int64_t n) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (!((double)logits[i] <= top)) top = (double)logits[i]; /* NaN too, and it stays */
    if (!isfinite(top)) return NAN;
    for (int64_t i = 0; i < n; i++) sum += exp((double)logits[i] - top);
    return top + log(sum);
}

/* ---- a row --------------------------------------------------------------------------------------- */

void fm_baseline_encode(const float *logits, int64_t n, double norm, int32_t token, void *out) {
    float top = -INFINITY, low = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (logits[i] > top) top = logits[i];
        if (logits[i] < low) low = logits[i];
    }
    double range = (double)top - (double)low < RANGE_MAX ? (double)top - (double)low : RANGE_MAX;
    fm_baseline_row head = {.token = token, .logprob = (float)((double)logits[token] - norm),
                            .top = (float)((double)top - norm), .range = (float)range};
    memset(out, 0, fm_baseline_row_bytes(n));
    memcpy(out, &head, sizeof head);
    uint16_t *codes = (uint16_t *)(void *)((char *)out + FM_BASELINE_ROW);
    double scale = head.range > 0 ? 1 / (double)head.range : 0;
    for (int64_t i = 0; i < n; i++) {
        double below = ((double)top - (double)logits[i]) * scale;
        codes[i] = (uint16_t)(below < 1 ? CODE_MAX * sqrt(below) + 0.5 : CODE_MAX);
    }
}
_Static_assert(sizeof(fm_baseline_row) == FM_BASELINE_ROW, "the drawing in baseline.h");

bool fm_baseline_decode(const void *row, int64_t n, fm_baseline_row *head, double *p) {
    memcpy(head, row, sizeof *head);
    /* the largest of n probabilities lies between 1/n and 1 */
    bool sane = head->token >= 0 && head->token < n && head->range >= 0 && head->range <= RANGE_MAX &&
                head->top <= 0.001f && head->top >= -(float)log((double)n) - 0.001f &&
                head->logprob <= 0.001f;
    if (!sane) return false;
    const char *codes = (const char *)row + FM_BASELINE_ROW;
    double sum = 0, scale = (double)head->range / ((double)CODE_MAX * CODE_MAX);
    for (int64_t i = 0; i < n; i++) {
        uint16_t code;
        memcpy(&code, codes + (size_t)i * sizeof code, sizeof code);
        p[i] = (double)head->top - scale * code * code;
        sum += exp(p[i]);
    }
    double norm = log(sum); /* near 0: the codes' rounding */
    for (int64_t i = 0; i < n; i++) p[i] -= norm;
    return isfinite(norm);
}

/* ---- a file -------------------------------------------------------------------------------------- */

void fm_baseline_header(const fm_baseline_shape *s, void *out) {
    const uint32_t numbers[] = {1, s->vocabulary}, windows[] = {s->context, s->stride, (uint32_t)s->bos, 0};
    char *p = out;
    memcpy(p, magic, 8);
    memcpy(p + 8, numbers, 8);
    memcpy(p + 16, &s->rows, 8);
    memcpy(p + 24, windows, 16);
    memcpy(p + 40, &s->hash, 8);
}

static fm_status read_header(fm_baseline_file *f, const char *path, fm_error *err) {
    fm_reader r = fm_reader_of(f->map.data, f->map.size);
    const uint8_t *name = fm_read_bytes(&r, 8);
    uint32_t version = fm_read_u32(&r);
    fm_baseline_shape *s = &f->shape;
    s->vocabulary = fm_read_u32(&r);
    s->rows = fm_read_u64(&r);
    s->context = fm_read_u32(&r);
    s->stride = fm_read_u32(&r);
    s->bos = fm_read_i32(&r);
    fm_read_u32(&r);
    s->hash = fm_read_u64(&r);
    if (r.failed || memcmp(name, magic, 8) != 0)
        return fm_fail(err, FM_ERR_FORMAT, "%s holds no log-probabilities: give a file that perplexity "
                       "--save-logits wrote", path);
    if (version != 1)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s is of version %u and this program reads version 1",
                       path, version);
    uint64_t bytes;
    if (s->vocabulary == 0 || !fm_baseline_file_bytes(s, &bytes) || bytes != f->map.size)
        return fm_fail(err, FM_ERR_FORMAT, "%s has %zu bytes, which %llu rows of %u tokens do not have: "
                       "it was cut or damaged", path, f->map.size, (unsigned long long)s->rows,
                       s->vocabulary);
    return FM_OK;
}

fm_status fm_baseline_open(const char *path, fm_baseline_file *out, fm_error *err) {
    *out = (fm_baseline_file){.map = {NULL, 0}};
    FM_TRY(fm_map_open(path, &out->map, err));
    fm_status status = read_header(out, path, err);
    if (status != FM_OK) fm_baseline_close(out);
    return status;
}

void fm_baseline_close(fm_baseline_file *file) { fm_map_close(&file->map); }

fm_status fm_baseline_match(const fm_baseline_file *file, const char *path,
                            const fm_baseline_shape *ours, fm_error *err) {
    const fm_baseline_shape *s = &file->shape;
    const struct {
        const char *what;
        uint64_t theirs, ours;
    } fields[] = {{"a vocabulary", s->vocabulary, ours->vocabulary}, {"a context", s->context, ours->context},
                  {"a stride", s->stride, ours->stride}, {"scored tokens", s->rows, ours->rows}};
    for (size_t i = 0; i < FM_COUNT(fields); i++)
        if (fields[i].theirs != fields[i].ours)
            return fm_fail(err, FM_ERR_ARGUMENT, "%s was made with %s of %llu and this run has %llu: only "
                           "runs of the same text in the same windows can be compared", path,
                           fields[i].what, (unsigned long long)fields[i].theirs,
                           (unsigned long long)fields[i].ours);
    if (s->bos != ours->bos || s->hash != ours->hash)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s was made of other tokens: give the text it was made of, "
                       "and a model with the same tokenizer", path);
    return FM_OK;
}

const void *fm_baseline_at(const fm_baseline_file *file, uint64_t row) {
    return file->map.data + FM_BASELINE_HEADER + (size_t)row * fm_baseline_row_bytes(file->shape.vocabulary);
}
