#include "rl/task/problem.h"

#include "base/hash.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { ATTEMPTS = 4096 };

static const char *const split_names[FM_SPLITS] = {"train", "validation", "test"};

const char *fm_split_name(fm_split split) { return split_names[split]; }

bool fm_split_find(const char *name, fm_split *out) {
    for (int i = 0; i < FM_SPLITS; i++)
        if (!strcmp(split_names[i], name)) return *out = (fm_split)i, true;
    return false;
}

uint64_t fm_key_hash(const char *key, size_t size) { return fm_hash(key, size, 0x7461736b); }

fm_split fm_key_split(uint64_t hash) {
    uint64_t tenth = fm_mix64(hash) % 10;
    return tenth < 8 ? FM_SPLIT_TRAIN : tenth == 8 ? FM_SPLIT_VALIDATION : FM_SPLIT_TEST;
}

void fm_problem_key(const fm_problem *p, fm_buffer *out) {
    fm_buffer_text(out, p->kind->name);
    fm_buffer_put(out, ":", 1);
    p->kind->key(p->facts, out);
}

static fm_status split_by(const fm_problem *p, fm_buffer *key, fm_split *out, fm_error *err) {
    key->size = 0;
    fm_problem_key(p, key);
    FM_TRY(fm_buffer_status(key, err));
    *out = fm_key_split(fm_key_hash(key->data, key->size));
    return FM_OK;
}

fm_status fm_problem_split(const fm_problem *p, fm_split *out, fm_error *err) {
    fm_buffer key = {0};
    fm_status status = split_by(p, &key, out, err);
    fm_buffer_clear(&key);
    return status;
}

bool fm_phrasing_held_out(const fm_task_kind *kind, int phrasing) {
    return phrasing >= (int)(kind->n_phrasings - kind->n_held_out);
}

/* Throws of one attempt are a stretch of 2^32 of a stream that is the problem's own. */
static fm_dice dice_of(const fm_problem_name *name, int attempt) {
    const char *kind = name->kind->name;
    uint64_t which = fm_hash(kind, strlen(kind), (uint64_t)name->band * FM_SPLITS + name->split);
    return (fm_dice){name->seed ^ fm_mix64(which), name->index, (uint64_t)attempt << 32};
}

fm_status fm_problem_draw(const fm_problem_name *name, fm_problem *out, fm_error *err) {
    const fm_task_kind *kind = name->kind;
    if (name->band < 0 || (size_t)name->band >= kind->n_bands)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s has bands 1 to %zu, not %d", kind->name, kind->n_bands,
                       name->band + 1);
    assert(kind->size <= FM_FACTS_SIZE);
    fm_buffer key = {0};
    fm_status status = FM_OK;
    bool drawn = false;
    size_t ways = kind->n_phrasings - (name->split == FM_SPLIT_TEST ? 0 : kind->n_held_out);
    for (int attempt = 0; attempt < ATTEMPTS && status == FM_OK && !drawn; attempt++) {
        fm_dice dice = dice_of(name, attempt);
        fm_split split = FM_SPLITS;
        *out = (fm_problem){.kind = kind, .band = name->band};
        out->phrasing = (int)fm_dice_between(&dice, 0, (int64_t)ways - 1);
        if (kind->generate(name->band, out->phrasing, &dice, out->facts)) status = split_by(out, &key, &split, err);
        drawn = split == name->split;
    }
    fm_buffer_clear(&key);
    if (status != FM_OK || drawn) return status;
    return fm_fail(err, FM_ERR_LIMIT, "band %d of %s is too small: %d throws gave no problem of the %s split",
                   name->band + 1, kind->name, ATTEMPTS, fm_split_name(name->split));
}

static void put_fact(const fm_problem *p, const fm_fact *f, fm_buffer *out) {
    const unsigned char *at = p->facts + f->offset;
    if (f->type == FM_FACT_TEXT) {
        fm_buffer_text(out, (const char *)at);
        return;
    }
    size_t n = f->type == FM_FACT_INTEGERS ? (size_t) * (const int64_t *)(p->facts + f->count) : 1;
    for (size_t i = 0; i < n; i++) fm_buffer_format(out, i ? ", %" PRId64 : "%" PRId64, ((const int64_t *)at)[i]);
}

static void put_slot(const fm_problem *p, const char *name, fm_buffer *out) {
    if (p->kind->slot && p->kind->slot(p->facts, name, out)) return;
    for (size_t i = 0; i < p->kind->n_facts; i++)
        if (!strcmp(p->kind->facts[i].name, name)) {
            put_fact(p, &p->kind->facts[i], out);
            return;
        }
    assert(!"a phrasing names a slot that the kind does not fill");
}

void fm_problem_prompt(const fm_problem *p, fm_buffer *out) {
    const char *at = p->kind->phrasings[p->phrasing], *open;
    while ((open = strchr(at, '{'))) {
        char name[32];
        const char *close = strchr(open, '}');
        assert(close && close - open <= (ptrdiff_t)sizeof name);
        fm_buffer_put(out, at, (size_t)(open - at));
        memcpy(name, open + 1, (size_t)(close - open - 1));
        name[close - open - 1] = 0;
        put_slot(p, name, out);
        at = close + 1;
    }
    fm_buffer_text(out, at);
}

void fm_problem_solve(const fm_problem *p, fm_buffer *working, fm_buffer *answer) {
    p->kind->solve(p->facts, working, answer);
}

static bool blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

fm_verdict fm_problem_check(const fm_problem *p, const char *answer, size_t size) {
    while (size && blank(*answer)) answer++, size--;
    while (size && blank(answer[size - 1])) size--;
    if (!size || size > FM_TASK_ANSWER_SIZE || memchr(answer, 0, size)) return FM_WRONG;
    return p->kind->check(p->facts, answer, size);
}
