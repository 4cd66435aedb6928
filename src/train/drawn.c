#include "train/drawn.h"

/* Whether the document's token at `place` is this one. */
static fm_status is_role(const fm_shard *s, int64_t document, int64_t place, int32_t role, bool *out,
                         fm_error *err) {
    int32_t id;
    FM_TRY(fm_shard_copy(s, document, place, 1, &id, err));
    *out = role >= 0 && id == role;
    return FM_OK;
}

static fm_status find_body(fm_drawn *d, const fm_roles *roles, fm_error *err) {
    bool bos, eos = false;
    FM_TRY(is_role(d->shard, d->document, 0, roles->bos, &bos, err));
    if (d->length > 1) FM_TRY(is_role(d->shard, d->document, d->length - 1, roles->eos, &eos, err));
    d->head = bos;
    d->tail = eos;
    return FM_OK;
}

static bool may_be_fim(const fm_shard *s, const fm_roles *roles, double rate, const uint32_t random[4]) {
    double u = (double)(((uint64_t)random[1] << 32 | random[0]) >> 11) * 0x1p-53;
    return u < rate && !s->mask && roles->fim_begin >= 0 && roles->fim_hole >= 0 && roles->fim_end >= 0;
}

fm_status fm_drawn_init(const fm_shard *shard, int64_t document, const fm_roles *roles, double fim_rate,
                        const uint32_t random[4], fm_drawn *out, fm_error *err) {
    *out = (fm_drawn){.shard = shard, .document = document, .length = shard->index[document].length};
    if (!may_be_fim(shard, roles, fim_rate, random)) return FM_OK;
    FM_TRY(find_body(out, roles, err));
    int64_t body = out->length - out->head - out->tail;
    if (body < 1) return FM_OK;
    int64_t a = (int64_t)((uint64_t)random[2] * (uint64_t)(body + 1) >> 32);
    int64_t b = (int64_t)((uint64_t)random[3] * (uint64_t)(body + 1) >> 32);
    out->fim = true;
    out->middle = out->head + (a < b ? a : b);
    out->suffix = out->head + (a < b ? b : a);
    out->length += 3;
    return FM_OK;
}

/* Some of the document as drawn: `count` tokens of the shard from `from` on, or one id. */
typedef struct span {
    int64_t from, count;
    int32_t id; /* -1: of the shard */
} span;

enum { SPANS = 8 };

static int spans_of(const fm_drawn *d, const fm_roles *r, span out[SPANS]) {
    int64_t end = d->shard->index[d->document].length, body_end = end - d->tail;
    if (!d->fim) {
        out[0] = (span){0, end, -1};
        return 1;
    }
    out[0] = (span){0, d->head, -1};
    out[1] = (span){0, 1, r->fim_begin};
    out[2] = (span){d->head, d->middle - d->head, -1};
    out[3] = (span){0, 1, r->fim_hole};
    out[4] = (span){d->suffix, body_end - d->suffix, -1};
    out[5] = (span){0, 1, r->fim_end};
    out[6] = (span){d->middle, d->suffix - d->middle, -1};
    out[7] = (span){body_end, d->tail, -1};
    return SPANS;
}

fm_status fm_drawn_copy(const fm_drawn *d, const fm_roles *roles, int64_t from, int64_t count, int32_t *ids,
                        uint8_t *learn, fm_error *err) {
    span spans[SPANS];
    int n = spans_of(d, roles, spans);
    for (int k = 0; k < n && count > 0; k++) {
        int64_t skip = from < spans[k].count ? from : spans[k].count, here = spans[k].count - skip;
        if (here > count) here = count;
        from -= skip;
        if (spans[k].id < 0)
            FM_TRY(fm_shard_copy(d->shard, d->document, spans[k].from + skip, here, ids, err));
        for (int64_t i = 0; i < here; i++) {
            if (spans[k].id >= 0) ids[i] = spans[k].id;
            learn[i] = spans[k].id >= 0 || fm_shard_learnt(d->shard, d->document, spans[k].from + skip + i);
        }
        ids += here;
        learn += here;
        count -= here;
    }
    return FM_OK;
}
