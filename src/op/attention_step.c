/* attention_step.c: the rows of a step spread over the threads, as tiles (attention.h).
 *
 * Where there are enough tiles, a thread walks all blocks of one: prompts. Where there are few and their
 * sequences are long (one row that decodes behind 16000 others), the unit is one block of one tile: the
 * blocks wait in shared memory until all of a wave are there, and are then merged in their order. How a
 * step is cut changes nothing in what is computed. */
#include "op/attention_backward.h"

#include <string.h>

enum {
    TILE_BYTES = 768 << 10, /* what a tile of queries, scores and sums may take of a core's L2 */
    MOST_QUERIES = 192,
    UNITS = 4,     /* for every thread, so that the last ones to finish do not wait long */
    LEAST_HEADS = 4, /* that are worth turning the keys for once more */
};

typedef struct job {
    const fm_run *run;
    const fm_attention_step *s;
    int64_t queries;             /* capacity of a tile */
    int64_t rows, heads;         /* of a tile, at most */
    int64_t head_tiles;          /* of one group */
    int64_t tiles;
    float *state, *slots;        /* shared: m and l of every tile's queries; blocks of a wave */
    int64_t slot_floats, wave, wave_end;
} job;

typedef struct tile {
    const fm_segment *segment;
    int64_t row, rows; /* of the step */
    int64_t group, head, heads; /* head: within the group */
} tile;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts(int64_t n, int64_t part) { return (n + part - 1) / part; }
static int64_t aligned(int64_t floats) { return (floats + 15) / 16 * 16; }

/* ---- memory --------------------------------------------------------------------------------------- */

static int64_t queries_of(int64_t d_k, int64_t d_v) {
    int64_t one = (d_k + FM_ATTENTION_BLOCK + d_v) * (int64_t)sizeof(float);
    int64_t most = TILE_BYTES / one / 6 * 6; /* the kernels take six rows at a time */
    return most < 6 ? 6 : smaller(most, MOST_QUERIES);
}

/* Of a worker: the tile's own scratch, its queries, and a block's m, l and a with the running m and l. */
static int64_t worker_floats(int64_t queries, int64_t d_k, int64_t d_v) {
    return aligned(fm_attention_work(queries, d_k)) + aligned(queries * d_k) + aligned(4 * queries) +
           aligned(queries * d_v);
}

size_t fm_attention_scratch(const fm_plan *plan, const fm_attention_step *s) {
    size_t forward = (size_t)worker_floats(queries_of(s->d_k, s->d_v), s->d_k, s->d_v) * sizeof(float);
    size_t backward = fm_plan_options_of(plan)->learns ? fm_attention_backward_scratch(s) : 0;
    return forward > backward ? forward : backward;
}

static int64_t state_floats(int64_t threads, int64_t queries) {
    return aligned(2 * UNITS * threads * queries);
}
static int64_t slot_floats(int64_t threads, int64_t queries, int64_t d_v) {
    return UNITS * threads * queries * (d_v + 2);
}

void fm_attention_values(fm_plan *plan, const fm_attention_step *s,
                         fm_value values[FM_ATTENTION_VALUES + 1]) {
    int64_t threads = fm_pool_threads(fm_plan_options_of(plan)->pool), q = queries_of(s->d_k, s->d_v);
    size_t heads = (size_t)(s->groups * s->heads);
    size_t shared = (size_t)(state_floats(threads, q) + slot_floats(threads, q, s->d_v)) * sizeof(float);
    values[FM_ATTENTION_OUT] =
        fm_plan_value(plan, FM_ROWS_TOKENS, heads * (size_t)s->d_v * sizeof(float), 0);
    values[FM_ATTENTION_SHARED] = fm_plan_value(plan, FM_ROWS_TOKENS, 0, shared);
    values[FM_ATTENTION_SUMS] = fm_plan_options_of(plan)->learns
                                    ? fm_plan_value(plan, FM_ROWS_TOKENS, 2 * heads * sizeof(float), 0)
                                    : -1;
    values[FM_ATTENTION_VALUES] = -1;
}

void fm_attention_find(const fm_run *run, const fm_node *node, fm_attention_step *s) {
    s->out = fm_plan_floats(run->plan, node->outputs[FM_ATTENTION_OUT]);
    s->shared = fm_plan_floats(run->plan, node->outputs[FM_ATTENTION_SHARED]);
    s->sums = node->n_outputs > FM_ATTENTION_SUMS
                  ? fm_plan_floats(run->plan, node->outputs[FM_ATTENTION_SUMS])
                  : NULL;
}

/* ---- tiles ---------------------------------------------------------------------------------------- */

/* The rows of a segment that are to be computed: before and behind the fast ones that are not. */
static void rows_of(const job *j, const fm_segment *s, int64_t from[2], int64_t count[2]) {
    int64_t end = s->position + s->count;
    int64_t fast = j->s->leaves_fast ? smaller(larger(s->fast_from, s->position), end) : end;
    int64_t behind = j->s->leaves_fast ? smaller(larger(s->fast_to, fast), end) : end;
    from[0] = s->row, count[0] = fast - s->position;
    from[1] = s->row + behind - s->position, count[1] = end - behind;
}

static int64_t count_tiles(const job *j) {
    int64_t n = 0, from[2], count[2];
    for (int i = 0; i < j->run->step->n_segments; i++) {
        rows_of(j, &j->run->step->segments[i], from, count);
        n += parts(count[0], j->rows) + parts(count[1], j->rows);
    }
    return n * j->s->groups * j->head_tiles;
}

static tile tile_at(const job *j, int64_t i) {
    int64_t wide = j->s->groups * j->head_tiles, down = i / wide, across = i % wide;
    int64_t from[2], count[2];
    const fm_segment *s = j->run->step->segments;
    tile t = {.group = across / j->head_tiles, .head = across % j->head_tiles * j->heads};
    t.heads = smaller(j->heads, j->s->heads - t.head);
    for (;; s++) {
        rows_of(j, s, from, count);
        for (int half = 0; half < 2; half++) {
            int64_t n = parts(count[half], j->rows);
            if (down < n) {
                t.segment = s;
                t.row = from[half] + down * j->rows;
                t.rows = smaller(j->rows, count[half] - down * j->rows);
                return t;
            }
            down -= n;
        }
    }
}

/* The queries of a tile, scaled, one behind the other. */
static void gather(const job *j, const tile *t, float *q) {
    const fm_attention_step *s = j->s;
    float *begin = q;
    for (int64_t row = t->row; row < t->row + t->rows; row++)
        for (int64_t h = 0; h < t->heads; h++)
            for (int i = 0; i < 2; q += s->parts[i++].n) {
                const fm_query_part *part = &s->parts[i];
                int64_t head = t->group * s->heads + t->head + h;
                if (part->n > 0)
                    memcpy(q, part->x + row * part->row + head * part->head,
                           (size_t)part->n * sizeof(float));
            }
    j->run->kernels->scale((float)s->scale, q - begin, begin);
}

/* Where things lie in a worker's scratch. */
typedef struct memory {
    float *work, *queries;
    fm_attention_sums block;
    float *m, *l;
} memory;

static memory memory_of(const job *j, int worker) {
    float *at = fm_plan_scratch(j->run->plan, worker);
    memory m = {.work = at, .queries = at + aligned(fm_attention_work(j->queries, j->s->d_k))};
    float *small = m.queries + aligned(j->queries * j->s->d_k);
    m.block = (fm_attention_sums){small, small + j->queries, small + aligned(4 * j->queries), j->s->d_v};
    m.m = small + 2 * j->queries;
    m.l = small + 3 * j->queries;
    return m;
}

static fm_attention prepare(const job *j, const tile *t, const memory *m) {
    const fm_attention_step *s = j->s;
    fm_attention_rows keys = {.kv = j->run->step->kv, .pages = t->segment->pages, .layer = s->layer,
                              .offset = t->group * s->key_step};
    fm_attention_rows values = keys;
    values.offset = s->value_offset + t->group * s->value_step;
    gather(j, t, m->queries);
    fm_attention a = {.k = j->run->kernels, .rows = t->rows, .heads = t->heads, .d_k = s->d_k,
                      .d_v = s->d_v, .position = t->segment->position + t->row - t->segment->row,
                      .keys = keys, .values = values, .queries = m->queries, .work = m->work};
    fm_attention_begin(&a, 0);
    return a;
}

/* Where the result of a row of a tile goes: heads one behind the other. */
static float *out_of(const job *j, const tile *t, int64_t row) {
    const fm_attention_step *s = j->s;
    return s->out + (((t->row + row) * s->groups + t->group) * s->heads + t->head) * s->d_v;
}

/* Divides a row's heads [head, head + n) by their sums, which are kept if somebody asks. */
static void finish(const job *j, const tile *t, int64_t row, int64_t head, int64_t n,
                   const fm_attention_sums *sums) {
    const fm_attention_step *s = j->s;
    fm_attention_finish(j->run->kernels, n, s->d_v, sums);
    if (!s->sums) return;
    float *to = s->sums + 2 * (((t->row + row) * s->groups + t->group) * s->heads + t->head + head);
    for (int64_t i = 0; i < n; i++) {
        to[2 * i] = sums->m[i];
        to[2 * i + 1] = sums->l[i];
    }
}

/* ---- a thread walks the blocks of a tile ---------------------------------------------------------- */

/* Heads lie one behind the other in a row of the result; those of one head are whole rows apart. */
static void merge_rows(const job *j, const tile *t, const memory *m, int64_t row, bool first) {
    int64_t d = j->s->d_v, together = t->heads == 1 ? t->rows - row : 1;
    int64_t ld = t->heads == 1 ? j->s->groups * j->s->heads * d : d;
    for (; row < t->rows; row += together) {
        int64_t i = row * t->heads;
        fm_attention_sums block = {m->block.m + i, m->block.l + i, m->block.a + i * d, d};
        fm_attention_sums into = {m->m + i, m->l + i, out_of(j, t, row), ld};
        fm_attention_merge(j->run->kernels, together * t->heads, d, first, &block, &into);
    }
}

static void walk(const job *j, const tile *t, const memory *m) {
    fm_attention a = prepare(j, t, m);
    for (int64_t b = 0; b < fm_attention_blocks(&a); b++) {
        a.next = (fm_attention_next){(b + 1) * FM_ATTENTION_BLOCK, a.keys.offset, a.values.offset};
        fm_attention_block(&a, b * FM_ATTENTION_BLOCK, &m->block);
        merge_rows(j, t, m, fm_attention_first_row(&a, b * FM_ATTENTION_BLOCK), b == 0);
    }
    for (int64_t row = 0; row < t->rows; row++) {
        int64_t i = row * t->heads;
        fm_attention_sums s = {m->m + i, m->l + i, out_of(j, t, row), j->s->d_v};
        finish(j, t, row, 0, t->heads, &s);
    }
}

/* The last tiles of a segment see most: they come first. */
static void walk_tiles(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    memory m = memory_of(j, worker);
    for (int64_t i = begin; i < end; i++) {
        tile t = tile_at(j, j->tiles - 1 - i);
        walk(j, &t, &m);
    }
}

/* ---- threads share the blocks of a tile ------------------------------------------------------------ */

static int64_t blocks_of(const tile *t) {
    return (t->segment->position + t->row - t->segment->row + t->rows - 1) / FM_ATTENTION_BLOCK + 1;
}

static int64_t count_blocks(const job *j) {
    int64_t n = 0;
    for (int64_t i = 0; i < j->tiles; i++) {
        tile t = tile_at(j, i);
        n += blocks_of(&t);
    }
    return n;
}

/* Tiles of the same rows, which see the same blocks. They take turns block by block: what one group reads
 * of a row lies beside what the next one reads. */
static int64_t tiles_beside(const job *j) { return j->s->groups * j->head_tiles; }

/* Block `*unit` of all: its tile's number, and in *unit its number within the tile. */
static int64_t tile_of_block(const job *j, int64_t *unit) {
    int64_t wide = tiles_beside(j);
    for (int64_t i = 0;; i += wide) {
        tile t = tile_at(j, i);
        int64_t n = blocks_of(&t) * wide;
        if (*unit < n) {
            i += *unit % wide;
            *unit /= wide;
            return i;
        }
        *unit -= n;
    }
}

static fm_attention_sums slot_of(const job *j, int64_t unit) {
    int64_t n = j->rows * j->heads;
    float *at = j->slots + (unit - j->wave) * j->slot_floats;
    return (fm_attention_sums){at + n * j->s->d_v, at + n * (j->s->d_v + 1), at, j->s->d_v};
}

/* What comes after a unit: often the same block of the tile beside it. */
static fm_attention_next next_of(const job *j, int64_t unit) {
    if (++unit == j->wave_end) return (fm_attention_next){0};
    const fm_attention_step *s = j->s;
    tile t = tile_at(j, tile_of_block(j, &unit));
    return (fm_attention_next){unit * FM_ATTENTION_BLOCK, t.group * s->key_step,
                               s->value_offset + t.group * s->value_step};
}

static void compute_blocks(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    memory m = memory_of(j, worker);
    fm_attention a;
    for (int64_t unit = j->wave + begin, last = -1; unit < j->wave + end; unit++) {
        int64_t block = unit, number = tile_of_block(j, &block);
        if (number != last) {
            tile t = tile_at(j, number);
            a = prepare(j, &t, &m);
            last = number;
        }
        fm_attention_sums slot = slot_of(j, unit);
        a.next = next_of(j, unit);
        fm_attention_block(&a, block * FM_ATTENTION_BLOCK, &slot);
    }
}

/* Query i of a tile takes in the blocks of this wave, in their order. The blocks of the tiles beside each
 * other begin at first_unit. */
static void merge_query(const job *j, int64_t number, int64_t i, int64_t first_unit) {
    const fm_kernels *k = j->run->kernels;
    tile t = tile_at(j, number);
    int64_t d = j->s->d_v, row = i / t.heads;
    float *state = j->state + 2 * (number * j->rows * j->heads + i);
    fm_attention_sums into = {state, state + 1, out_of(j, &t, row) + i % t.heads * d, d};
    int64_t sees = (t.segment->position + t.row - t.segment->row + row) / FM_ATTENTION_BLOCK + 1;
    int64_t wide = tiles_beside(j), first = first_unit + number % wide;
    int64_t from = parts(larger(j->wave - first, 0), wide);
    int64_t to = smaller(parts(larger(j->wave_end - first, 0), wide), sees);
    for (int64_t b = from; b < to; b++) {
        fm_attention_sums s = slot_of(j, first + b * wide);
        fm_attention_sums block = {s.m + i, s.l + i, s.a + i * d, d};
        fm_attention_merge(k, 1, d, b == 0, &block, &into);
    }
    if (to == sees && from < to) finish(j, &t, row, i % t.heads, 1, &into);
}

/* One index is one place for a query in one tile. */
static void merge_queries(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t places = j->rows * j->heads;
    for (int64_t i = begin, first = 0, number = 0; i < end; i++) {
        for (; number < i / places; number++) {
            tile t = tile_at(j, number);
            if ((number + 1) % tiles_beside(j) == 0) first += blocks_of(&t) * tiles_beside(j);
        }
        tile t = tile_at(j, number);
        if (i % places < t.rows * t.heads) merge_query(j, number, i % places, first);
    }
}

static void share(job *j, int64_t blocks) {
    int64_t queries = j->rows * j->heads, threads = fm_pool_threads(j->run->pool);
    j->state = j->s->shared;
    j->slots = j->state + state_floats(threads, j->queries);
    j->slot_floats = queries * (j->s->d_v + 2);
    int64_t waves = parts(blocks, slot_floats(threads, j->queries, j->s->d_v) / j->slot_floats);
    for (int64_t w = 0; w < waves; w++) {
        j->wave = blocks * w / waves;
        j->wave_end = blocks * (w + 1) / waves;
        int64_t n = j->wave_end - j->wave;
        fm_pool_for(j->run->pool, n, larger(1, n / (UNITS * threads)), compute_blocks, j);
        fm_pool_for(j->run->pool, j->tiles * queries, LEAST_HEADS, merge_queries, j);
    }
}

/* ---- the step ------------------------------------------------------------------------------------- */

static void cut(job *j, int64_t queries, int64_t heads) {
    j->head_tiles = parts(j->s->heads, smaller(heads, queries));
    j->heads = parts(j->s->heads, j->head_tiles);
    j->head_tiles = parts(j->s->heads, j->heads);
    j->rows = larger(1, queries / j->heads);
    j->tiles = count_tiles(j);
}

void fm_attention_run(const fm_run *run, const fm_attention_step *s) {
    job j = {.run = run, .s = s, .queries = queries_of(s->d_k, s->d_v)};
    int64_t units = UNITS * (int64_t)fm_pool_threads(run->pool);
    cut(&j, j.queries, s->heads);
    if (j.tiles == 0) return;
    if (j.tiles < units && units > UNITS) {
        int64_t blocks = count_blocks(&j);
        if (blocks >= units / 2) {
            share(&j, blocks);
            return;
        }
        /* A short sequence: lower tiles, then tiles of fewer heads. */
        int64_t queries = larger(j.queries * j.tiles / units, LEAST_HEADS);
        cut(&j, queries, larger(s->heads * j.tiles / fm_pool_threads(run->pool), LEAST_HEADS));
    }
    fm_pool_for(run->pool, j.tiles, 1, walk_tiles, &j);
}
