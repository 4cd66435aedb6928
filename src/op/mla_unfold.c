#include "op/mla_unfold.h"

#include <string.h>

static const fm_word_form BF16 = FM_WORDS_BF16;

enum {
    PIECE = 64, /* positions that are multiplied at a time, whose results stay in L1 */
    PANELS = FM_ATTENTION_BLOCK / FM_PANEL,
};

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t panels_of(int64_t n) { return (n + FM_PANEL - 1) / FM_PANEL; }
static int64_t words_of(int64_t n) { return fm_words_count(BF16, n); }

/* ---- where things lie ----------------------------------------------------------------------------- */

static int64_t rotated_words(const fm_mla_shape *s) { return PANELS * fm_unfold_key_step(s->rope_dim); }
static int64_t key_words(const fm_mla_shape *s) { return PANELS * fm_unfold_key_step(s->nope_dim); }
static int64_t value_words(const fm_mla_shape *s) { return panels_of(s->v_dim) * FM_UNFOLD_VALUE_STEP; }

size_t fm_unfold_block_bytes(const fm_mla_shape *s) {
    return (size_t)(rotated_words(s) + s->n_heads * (key_words(s) + value_words(s))) * sizeof(uint32_t);
}

fm_unfolded_head fm_unfolded_head_at(const fm_mla_shape *s, void *block, int64_t head) {
    uint32_t *rotated = block, *keys = rotated + rotated_words(s) + head * (key_words(s) + value_words(s));
    return (fm_unfolded_head){rotated, keys, keys + key_words(s)};
}

/* In scratch: a tile of weights and, in the same place later, a piece's results; both weights; its latents. */
static int64_t stage_step(const fm_mla_shape *s) {
    return panels_of(larger(s->nope_dim, s->v_dim)) * FM_PANEL + FM_PANEL;
}
static int64_t stage_words(const fm_mla_shape *s) {
    return larger(larger(FM_TILE_K * FM_PANEL, PIECE * stage_step(s)), PIECE * (s->rope_dim + FM_PANEL));
}
static int64_t weight_words(const fm_mla_shape *s, int64_t columns) {
    return panels_of(columns) * fm_words_panel_step(words_of(s->kv_lora_rank));
}
static int64_t gathered_step(const fm_mla_shape *s) {
    return fm_words_row_step(words_of(s->kv_lora_rank));
}
static int64_t aligned(int64_t words) { return (words + 15) / 16 * 16; }

static float *stage_of(const fm_unfold *u) { return (float *)(void *)u->scratch; }
static uint32_t *uk_at(const fm_unfold *u) { return u->scratch + aligned(stage_words(u->shape)); }
static uint32_t *uv_at(const fm_unfold *u) { return uk_at(u) + weight_words(u->shape, u->shape->nope_dim); }
static uint32_t *gathered_at(const fm_unfold *u) { return uv_at(u) + weight_words(u->shape, u->shape->v_dim); }

int64_t fm_unfold_scratch(const fm_mla_shape *s) {
    return aligned(stage_words(s)) + weight_words(s, s->nope_dim) + weight_words(s, s->v_dim) +
           aligned(PIECE * larger(gathered_step(s), s->kv_lora_rank));
}

/* ---- weights -------------------------------------------------------------------------------------- */

/* W [columns, r]: what was unpacked has rows of W for lanes already, and turns its k into words. */
static void pack_straight(const fm_unfold *u, const fm_panels *w, uint32_t *out, int64_t step) {
    float *tile = stage_of(u);
    for (int64_t p = 0; p < fm_panel_count(w); p++)
        for (int64_t k0 = 0; k0 < w->n_in; k0 += FM_TILE_K) {
            int64_t nk = smaller(FM_TILE_K, w->n_in - k0);
            u->k->unpack[w->layout](w, p, k0, nk, tile);
            u->k->words_of_columns[BF16](tile, FM_PANEL, NULL, nk, FM_PANEL,
                                         out + p * step + words_of(k0) * FM_PANEL, step);
        }
}

/* W^T [r, columns]: 16 rows of it are eight words of every lane. */
static void pack_transposed(const fm_unfold *u, const fm_panels *w, uint32_t *out, int64_t step) {
    float *tile = stage_of(u);
    for (int64_t p = 0; p < fm_panel_count(w); p++)
        for (int64_t k0 = 0; k0 < w->n_in; k0 += FM_TILE_K) {
            int64_t nk = smaller(FM_TILE_K, w->n_in - k0), rows = smaller(FM_PANEL, w->n_out - p * FM_PANEL);
            u->k->unpack[w->layout](w, p, k0, nk, tile);
            for (int64_t c = 0; c < nk; c += FM_PANEL)
                u->k->words_of_rows[BF16](tile + c * FM_PANEL, FM_PANEL, smaller(FM_PANEL, nk - c), rows,
                                          out + (k0 + c) / FM_PANEL * step + p * FM_PANEL / 2 * FM_PANEL);
        }
}

static fm_words pack(const fm_unfold *u, const fm_panels *w, bool transposed, uint32_t *out) {
    if (w->layout == FM_LAYOUT_BF16 && !transposed) return fm_words_of_panels(w);
    int64_t step = fm_words_panel_step(words_of(u->shape->kv_lora_rank));
    (transposed ? pack_transposed : pack_straight)(u, w, out, step);
    return (fm_words){out, step, true};
}

fm_unfold fm_unfold_begin(const fm_kernels *k, const fm_mla_shape *s, const fm_weight *uk,
                          const fm_weight *uv, uint32_t *scratch) {
    fm_unfold u = {.k = k, .shape = s, .scratch = scratch};
    u.uk = pack(&u, &uk->panels, s->uk_transposed, uk_at(&u));
    u.uv = pack(&u, &uv->panels, false, uv_at(&u));
    return u;
}

/* ---- positions ------------------------------------------------------------------------------------ */

/* Columns [column, column + d) of n cached rows as floats, `ld` apart. */
static void read_floats(const fm_kernels *k, const fm_attention_rows *rows, int64_t position, int64_t n,
                        int64_t column, int64_t d, float *y, int64_t ld) {
    for (int64_t at = 0, run; at < n; at += run) {
        fm_kept_form form;
        fm_kept_rows kept;
        run = fm_attention_rows_at(rows, position + at, column, n - at, &form, &kept);
        k->rows_to_floats[form](&kept, run, d, y + at * ld, ld);
    }
}

/* The latents of n positions as rows of words. A cache of BF16 holds words: they are read where they lie,
 * if all are in one page. */
static fm_words latent_words(const fm_unfold *u, const fm_attention_rows *latents, int64_t position, int64_t n) {
    int64_t r = u->shape->kv_lora_rank, step = gathered_step(u->shape);
    fm_kept_form form;
    fm_kept_rows kept;
    int64_t run = fm_attention_rows_at(latents, position, 0, n, &form, &kept);
    if (form == FM_KEPT_BF16 && run == n && r % 2 == 0)
        return (fm_words){kept.x, (int64_t)(kept.stride / sizeof(uint32_t)), false};
    for (int64_t i = 0; i < n; i++) {
        float *row = stage_of(u);
        for (int64_t c = 0; c < r; c += FM_TILE_K) {
            int64_t d = smaller(FM_TILE_K, r - c);
            read_floats(u->k, latents, position + i, 1, c, d, row, d);
            u->k->words_of_row[BF16](row, d, gathered_at(u) + i * step + words_of(c));
        }
    }
    return (fm_words){gathered_at(u), step, false};
}

/* One weight's product with a piece's latents: columns of it in the stage. */
static void multiply(const fm_unfold *u, const fm_words *x, const fm_words *w, int64_t n, int64_t columns) {
    fm_words_product p = {.form = BF16, .x = *x, .w = *w, .n_words = words_of(u->shape->kv_lora_rank),
                          .n_out = columns, .y = stage_of(u), .ldy = stage_step(u->shape)};
    fm_words_multiply(u->k, &p, 0, n, 0, panels_of(columns));
}

/* Panels of the positions in the stage, `ld` floats apart. */
static void put_keys(const fm_unfold *u, int64_t n, int64_t columns, int64_t ld, uint32_t *out) {
    for (int64_t i = 0; i < n; i += FM_PANEL, out += fm_unfold_key_step(columns))
        u->k->words_of_rows[BF16](stage_of(u) + i * ld, ld, smaller(FM_PANEL, n - i), columns, out);
}

static void unfold_piece(const fm_unfold *u, const fm_attention_rows *latents, int64_t position, int64_t n,
                         bool rotated, const fm_unfolded_head *to) {
    const fm_mla_shape *s = u->shape;
    int64_t place = position % FM_ATTENTION_BLOCK, panel = place / FM_PANEL, step = stage_step(s);
    fm_words x = latent_words(u, latents, position, n);
    multiply(u, &x, &u->uk, n, s->nope_dim);
    put_keys(u, n, s->nope_dim, step, to->keys + panel * fm_unfold_key_step(s->nope_dim));
    multiply(u, &x, &u->uv, n, s->v_dim);
    u->k->words_of_columns[BF16](stage_of(u), step, NULL, n, s->v_dim, to->values + place / 2 * FM_PANEL,
                                 FM_UNFOLD_VALUE_STEP);
    if (!rotated) return;
    read_floats(u->k, latents, position, n, s->kv_lora_rank, s->rope_dim, stage_of(u), s->rope_dim);
    put_keys(u, n, s->rope_dim, s->rope_dim, to->rotated + panel * fm_unfold_key_step(s->rope_dim));
}

void fm_unfold_positions(const fm_unfold *u, const fm_attention_rows *latents, int64_t position,
                         int64_t count, bool rotated, const fm_unfolded_head *to) {
    for (int64_t at = 0, n; at < count; at += n) {
        n = smaller(PIECE - (position + at) % PIECE, count - at);
        unfold_piece(u, latents, position + at, n, rotated, to);
    }
}
