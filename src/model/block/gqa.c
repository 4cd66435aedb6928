/* gqa.c: grouped-query attention: Llama, Qwen2 (biases on q, k, v), Qwen3 (norms of q and k). */
#include "model/block/block.h"

static fm_value head_norm(const fm_recorder *r, fm_value x, const fm_weight *g) {
    const fm_config *c = &r->model->config;
    if (!fm_weight_present(g)) return x;
    return fm_rmsnorm_part(r->plan, x, g, c->rms_norm_eps, 0, c->head_dim, c->head_dim);
}

fm_value fm_gqa(const fm_recorder *r, fm_value x, const fm_layer *w) {
    const fm_config *c = &r->model->config;
    fm_plan *p = r->plan;
    int64_t heads = c->num_attention_heads, kv_heads = c->num_key_value_heads, d = c->head_dim;
    const fm_gqa_weights *a = &w->gqa;

    fm_watch_input(r, x, FM_ROLE_Q);
    fm_value y[3];
    fm_linears(p, x, (fm_linear_part[]){{&a->q, fm_weight_or_null(&a->q_bias)},
                                        {&a->k, fm_weight_or_null(&a->k_bias)},
                                        {&a->v, fm_weight_or_null(&a->v_bias)}}, 3, y);
    fm_value q = head_norm(r, y[0], &a->q_norm), k = head_norm(r, y[1], &a->k_norm), v = y[2];
    q = fm_rope(p, q, r->angles, heads, d, 0, c->rope.interleaved);
    k = fm_rope(p, k, r->angles, kv_heads, d, 0, c->rope.interleaved);
    fm_attend_shape shape = {r->layer, heads, kv_heads, d, d, fm_config_attention_scale(c)};
    fm_value o = fm_attend(p, q, k, v, &shape);
    fm_watch_input(r, o, FM_ROLE_O);
    return fm_linear(p, o, &w->o, NULL);
}
