/* unfold.c: places for the keys and values that fast arithmetic makes of a prompt's latents (op/mla_unfold.h),
 * from its first piece to its last. Without a place they are made again for every piece: the same bits, later.
 * So nothing here fails: what cannot be had is gone without. */
#include "engine/sequence.h"

static bool keeps(const fm_engine *e) { return e->unfolded && e->options.unfold_limit > 0; }

fm_status fm_unfold_new(fm_engine *e, fm_error *err) {
    size_t layer = fm_model_unfolded_bytes(e->model);
    e->unfold_layer = layer;
    if (layer == 0 || e->options.cache == FM_KV_F32) return FM_OK; /* of floats nothing is kept */
    int64_t layers = e->model->config.num_hidden_layers;
    fm_kv_shape shape = {.page_positions = FM_ATTENTION_BLOCK, .n_layers = layers};
    if (!fm_mul_size(layer, (size_t)layers, &shape.page_bytes))
        return fm_fail(err, FM_ERR_LIMIT, "a block of keys and values is more than a memory holds");
    return fm_cache_new(&shape, e->options.unfold_limit, &e->unfolded, err);
}

uint64_t fm_engine_unfold_bytes(const fm_engine *e, int64_t positions) {
    if (!e->unfolded) return 0;
    int64_t blocks = (positions + FM_ATTENTION_BLOCK - 1) / FM_ATTENTION_BLOCK;
    return (uint64_t)blocks * fm_cache_page_cost(fm_cache_shape(e->unfolded));
}

void fm_engine_set_unfold_limit(fm_engine *e, uint64_t bytes) {
    e->options.unfold_limit = bytes;
    if (e->unfolded) fm_cache_set_limit(e->unfolded, bytes);
}

/* Memory that was free when it was promised may have gone since; and nobody is to be driven out for what can
 * be made again. */
static bool memory_is_free(const fm_engine *e) {
    uint64_t available = fm_mem_available();
    return available == 0 || available / 2 > fm_engine_unfold_bytes(e, 1);
}

/* The end of the rows of a piece that read what is unfolded; 0: there are none. */
static int64_t end_of(const fm_segment *g) {
    int64_t from = g->position > g->fast_from ? g->position : g->fast_from;
    int64_t to = g->position + g->count < g->fast_to ? g->position + g->count : g->fast_to;
    return from < to ? to : 0;
}

void fm_unfold_place(fm_engine *e, fm_sequence *s, fm_segment *g) {
    int64_t end = end_of(g);
    bool last = g->position + g->count >= g->fast_to;
    if (!keeps(e) || end == 0 || (last && s->unfolded.count == 0)) return; /* one piece keeps for nobody */
    fm_error ignored;
    for (int64_t n; (n = s->unfolded.count * FM_ATTENTION_BLOCK) < end;)
        if ((fm_cache_statistics(e->unfolded).kept == 0 && !memory_is_free(e)) ||
            fm_pages_reserve(&s->unfolded, e->unfolded, n, n + FM_ATTENTION_BLOCK, &ignored) != FM_OK)
            break;
    g->unfolded = (fm_unfolded){s->unfolded.table, s->unfolded.count, s->unfold_done, e->unfold_layer};
}

/* Where a piece has to make again what lies before it, small pieces would do little else. */
int64_t fm_unfold_rows(const fm_engine *e, const fm_sequence *s, int64_t affordable, int64_t most) {
    bool unfolds = e->unfold_layer > 0 && s->n >= s->fast_from && s->n < s->fast_to;
    if (!unfolds || affordable >= FM_ATTENTION_BLOCK || s->n < FM_ATTENTION_BLOCK) return affordable;
    if (s->unfolded.count * FM_ATTENTION_BLOCK >= s->n) return affordable;
    return most < FM_ATTENTION_BLOCK ? most : FM_ATTENTION_BLOCK;
}

void fm_unfold_settle(fm_engine *e, fm_sequence *s, const fm_segment *g) {
    int64_t end = end_of(g), places = g->unfolded.count * FM_ATTENTION_BLOCK;
    if (end > places) end = places;
    if (end > s->unfold_done) s->unfold_done = end;
    if (s->n >= s->fast_to) fm_unfold_drop(e, s);
}

void fm_unfold_drop(fm_engine *e, fm_sequence *s) {
    s->unfold_done = 0;
    if (!s->unfolded.table) return;
    fm_pages_clear(&s->unfolded, e->unfolded);
    if (fm_cache_statistics(e->unfolded).in_use == 0) fm_cache_trim(e->unfolded);
}
