/* Classes of characters as automata over the bytes of UTF-8.
 *
 * A range of code points falls apart into runs in which every byte ranges by itself, for instance
 * [U+0080-U+FFFF without surrogates]:
 *
 *     C2-DF 80-BF | E0 A0-BF 80-BF | E1-EC 80-BF 80-BF | ED 80-9F 80-BF | EE-EF 80-BF 80-BF
 *
 * Runs are sorted; those that begin with the same byte are one branch, and branches that end up at
 * the same instruction are one set, so [^"\\] takes eleven instructions. */
#include "engine/grammar/grammar_program.h"

#include "base/unicode.h"

#include <string.h>

typedef struct run {
    unsigned n;
    unsigned char low[4], high[4];
} run;

typedef struct arm { /* these bytes lead to `next` */
    fm_byte_set set;
    uint32_t next;
} arm;

static void put_bits(fm_byte_set *s, unsigned low, unsigned high) {
    for (unsigned b = low; b <= high; b++) s->bits[b >> 6] |= (uint64_t)1 << (b & 63);
}

/* Appends the runs of [first, last], all spelled in n bytes. */
static void split_range(fm_buffer *out, uint32_t first, uint32_t last, unsigned n) {
    for (unsigned i = 1; i < n; i++) {
        uint32_t tail = ((uint32_t)1 << 6 * i) - 1; /* what the last i bytes spell */
        if ((first & ~tail) == (last & ~tail)) continue;
        if (first & tail) {
            split_range(out, first, first | tail, n);
            split_range(out, (first | tail) + 1, last, n);
            return;
        }
        if ((last & tail) != tail) {
            split_range(out, first, (last & ~tail) - 1, n);
            split_range(out, last & ~tail, last, n);
            return;
        }
    }
    run r = {.n = n};
    fm_utf8_encode(first, (char *)r.low);
    fm_utf8_encode(last, (char *)r.high);
    fm_buffer_put(out, &r, sizeof r);
}

static fm_status runs_of(const fm_ast *class, fm_buffer *out, fm_error *err) {
    static const uint32_t ends[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    for (size_t i = 0; i < class->n; i++) {
        uint32_t first = class->ranges[i].first;
        for (unsigned n = 1; n <= 4; n++) {
            uint32_t last = class->ranges[i].last < ends[n - 1] ? class->ranges[i].last : ends[n - 1];
            if (first > last) continue;
            split_range(out, first, last, n);
            first = last + 1;
        }
    }
    return fm_buffer_status(out, err);
}

/* Continuation bytes repeat themselves: [80-BF] to the same place is written once per class. */
typedef struct memo {
    fm_buffer seen; /* of { arm, at } */
} memo;

typedef struct seen {
    arm arm;
    uint32_t at;
} seen;

static fm_status put_arm(fm_coder *c, memo *m, const arm *a, uint32_t *out) {
    const seen *list = (const seen *)(const void *)m->seen.data;
    size_t n = m->seen.size / sizeof *list;
    for (size_t i = n; i > 0 && i + 16 > n; i--) /* the last ones are the likely ones */
        if (memcmp(&list[i - 1].arm.set, &a->set, sizeof a->set) == 0 &&
            list[i - 1].arm.next == a->next) {
            *out = list[i - 1].at;
            return FM_OK;
        }
    FM_TRY(fm_code_bytes(c, &a->set, a->next, out));
    seen s = {*a, *out};
    fm_buffer_put(&m->seen, &s, sizeof s);
    return fm_buffer_status(&m->seen, c->err);
}

/* A choice between the arms. */
static fm_status put_arms(fm_coder *c, memo *m, const arm *arms, size_t n, uint32_t *out) {
    FM_TRY(put_arm(c, m, &arms[n - 1], out));
    for (size_t i = n - 1; i > 0; i--) {
        uint32_t at;
        FM_TRY(put_arm(c, m, &arms[i - 1], &at));
        FM_TRY(fm_code_put(c, FM_OP_SPLIT, at, *out, out));
    }
    return FM_OK;
}

/* The runs agree in their first `depth` bytes. */
static fm_status put_runs(fm_coder *c, memo *m, const run *runs, size_t n, unsigned depth,
                          uint32_t next, uint32_t *out) {
    arm arms[256]; /* at most one per leading byte */
    size_t n_arms = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && runs[end].low[depth] == runs[i].low[depth];) end++;
        uint32_t to = next;
        if (depth < 3 && depth + 1 < runs[i].n)
            FM_TRY(put_runs(c, m, runs + i, end - i, depth + 1, next, &to));
        size_t k = 0;
        while (k < n_arms && arms[k].next != to) k++;
        if (k == n_arms) arms[n_arms++] = (arm){.next = to};
        put_bits(&arms[k].set, runs[i].low[depth], runs[i].high[depth]);
    }
    return put_arms(c, m, arms, n_arms, out);
}

fm_status fm_code_class(fm_coder *c, const fm_ast *class, uint32_t next, uint32_t *out) {
    fm_buffer runs = {0};
    memo m = {0};
    fm_status status = runs_of(class, &runs, c->err);
    if (status == FM_OK)
        status = put_runs(c, &m, (const run *)(const void *)runs.data, runs.size / sizeof(run), 0, next,
                          out);
    fm_buffer_clear(&runs);
    fm_buffer_clear(&m.seen);
    return status;
}
