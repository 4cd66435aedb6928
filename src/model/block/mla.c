/* mla.c: multi-head latent attention.                               DeepSeek-V2, section 2.1
 *   q = W_qb norm(W_qa x) or W_q x          per head: dn columns as they are, dr rotated
 *   (c, k_r) = W_kva x;  c normalised, k_r rotated: together the cached row, r + dr wide
 * Absorbed: scores from (W_UK^T q_n, q_r) against the cached row; o = W_UV u.
 * Naive: keys and values made from the latents. The same function up to rounding, cheaper for many rows
 * of a long prompt: fast arithmetic takes it for the rows of whole blocks.
 * Expanded: the same keys and values, made once for each row and cached instead of the latent: H (dn + dr + dv)
 * numbers instead of r + dr, for scores and sums of dn + dr + dv products per pair and head instead of 2r + dr.
 * For learning from given texts, whose cache lives for one step. */
#include "model/block/block.h"

/* Queries from the first projection of x. */
static fm_value queries(const fm_recorder *r, fm_value y, const fm_mla_weights *w) {
    const fm_config *c = &r->model->config;
    fm_plan *p = r->plan;
    if (!c->q_lora_rank) return y;
    fm_value a = fm_cheap(r, fm_rmsnorm(p, y, &w->q_a_norm, c->latent_norm_eps));
    fm_watch_input(r, a, FM_ROLE_Q_B);
    return fm_linear(p, a, &w->q_b, NULL);
}

static fm_value absorbed(const fm_recorder *r, fm_value q, fm_value latent, const fm_mla_weights *w,
                         const fm_mla_shape *s) {
    fm_plan *p = r->plan;
    int64_t heads = s->n_heads, rank = s->kv_lora_rank, dq = s->nope_dim + s->rope_dim;
    fm_value qa = (w->uk_transposed ? fm_linear_heads : fm_linear_heads_transposed)(p, q, w->uk, heads, 0, dq);
    fm_value u = fm_mla_absorbed(p, qa, q, latent, s);
    fm_watch_parts(r, u, FM_ROLE_V_B, heads, 0, rank, rank);
    fm_value o = fm_linear_heads(p, u, w->uv, heads, 0, rank);
    if (r->model->options.arith == FM_FAST && !fm_plan_options_of(p)->learns) /* what learns is exact */
        o = fm_mla_naive_over(p, o, q, latent, w->uk, w->uv, s);
    return o;
}

static fm_value expanded(const fm_recorder *r, fm_value q, fm_value latent, const fm_mla_weights *w,
                         const fm_mla_shape *s) {
    fm_plan *p = r->plan;
    int64_t heads = s->n_heads;
    fm_watch_parts(r, latent, FM_ROLE_V_B, heads, 0, 0, s->kv_lora_rank);
    fm_value k = (w->uk_transposed ? fm_linear_heads_transposed : fm_linear_heads)(p, latent, w->uk, heads, 0, 0);
    fm_value v = fm_linear_heads(p, latent, w->uv, heads, 0, 0);
    fm_attend_shape shape = {s->layer, heads, heads, s->nope_dim + s->rope_dim, s->v_dim, s->scale};
    return fm_attend(p, q, fm_mla_keys(p, k, latent, s), v, &shape);
}

fm_value fm_mla(const fm_recorder *r, fm_value x, const fm_layer *layer) {
    const fm_config *c = &r->model->config;
    const fm_mla_weights *w = &layer->mla;
    fm_plan *p = r->plan;
    int64_t heads = c->num_attention_heads, rank = c->kv_lora_rank;
    int64_t dn = c->qk_nope_head_dim, dr = c->qk_rope_head_dim;
    bool interleaved = c->rope.interleaved;

    fm_value y[2];
    fm_watch_input(r, x, c->q_lora_rank ? FM_ROLE_Q_A : FM_ROLE_Q);
    fm_linears(p, x, (fm_linear_part[]){{c->q_lora_rank ? &w->q_a : &w->q, NULL}, {&w->kv_a, NULL}}, 2, y);
    fm_value q = queries(r, y[0], w), latent = y[1];
    latent = fm_rmsnorm_part(p, latent, &w->kv_a_norm, c->latent_norm_eps, 0, rank, rank + dr);
    q = fm_rope(p, q, r->angles, heads, dn + dr, dn, interleaved);
    latent = fm_rope(p, latent, r->angles, 1, rank + dr, rank, interleaved);

    fm_watch_parts(r, latent, FM_ROLE_KV_B, 1, 0, rank + dr, rank);
    fm_watch_parts(r, q, FM_ROLE_K_B, heads, 0, dn + dr, dn);

    fm_mla_shape shape = {r->layer, heads, rank, dn, dr, c->v_head_dim, fm_config_attention_scale(c),
                          w->uk_transposed};
    fm_value o = (c->expand_latents ? expanded : absorbed)(r, q, latent, w, &shape);
    fm_watch_input(r, o, FM_ROLE_O);
    return fm_linear(p, o, &layer->o, NULL);
}
