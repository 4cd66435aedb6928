/* ffn.c: the feed-forward halves: dense SwiGLU, and DeepSeekMoE: the shared expert and the routed
 * ones.                                                       DeepSeekMoE; DeepSeek-V3, eq. 12-16 */
#include "model/block/block.h"

#include <stdio.h>

fm_value fm_dense_ffn(const fm_recorder *r, fm_value x, const fm_ffn_weights *w) {
    fm_plan *p = r->plan;
    fm_value y[2];
    fm_watch_input(r, x, FM_ROLE_GATE);
    fm_linears(p, x, (fm_linear_part[]){{&w->gate, NULL}, {&w->up, NULL}}, 2, y);
    fm_value h = fm_cheap(r, fm_swiglu(p, y[0], y[1]));
    fm_watch_input(r, h, FM_ROLE_DOWN);
    return fm_linear(p, h, &w->down, NULL);
}

static void watch_experts(const fm_recorder *r, fm_value x, fm_value routing, const fm_layer *w) {
    const fm_watcher *watcher = r->options->watcher;
    const fm_config *c = &r->model->config;
    if (!watcher) return;
    fm_tally *in = watcher->tally(watcher->context, FM_ROLE_EXPERT_GATE, r->layer, c->n_routed_experts,
                                  c->hidden_size);
    fm_tally *between = watcher->tally(watcher->context, FM_ROLE_EXPERT_DOWN, r->layer,
                                       c->n_routed_experts, c->moe_intermediate_size);
    if (in && between) fm_watch_experts(r->plan, x, routing, &w->moe.provider, &r->model->gate, in, between);
}

fm_value fm_moe_ffn(const fm_recorder *r, fm_value x, const fm_layer *w) {
    fm_plan *p = r->plan;
    const fm_gate *gate = &r->model->gate;
    bool has_shared = fm_weight_present(&w->ffn.gate);
    fm_value y[3], shared = -1; /* scores; gate and up of the shared expert */
    fm_linears(p, x, (fm_linear_part[]){{&w->moe.router, NULL}, {&w->ffn.gate, NULL}, {&w->ffn.up, NULL}},
               has_shared ? 3 : 1, y);
    fm_value losses, routing = fm_route_learning(p, y[0], fm_weight_or_null(&w->moe.router_bias), gate, &losses);
    char name[32];
    snprintf(name, sizeof name, "routing.%lld", (long long)r->layer);
    if (r->options->experts) fm_plan_keep(p, routing, name);
    snprintf(name, sizeof name, "balance.%lld", (long long)r->layer);
    fm_plan_keep(p, losses, name);
    watch_experts(r, x, routing, w);
    if (has_shared) {
        fm_value h = fm_cheap(r, fm_swiglu(p, y[1], y[2]));
        fm_watch_input(r, x, FM_ROLE_SHARED_GATE);
        fm_watch_input(r, h, FM_ROLE_SHARED_DOWN);
        shared = fm_linear(p, h, &w->ffn.down, NULL);
    }
    fm_value rows = fm_experts(p, x, routing, &w->moe.provider, gate);
    return fm_combine(p, rows, routing, shared, gate);
}

fm_value fm_block(const fm_recorder *r, fm_value h, const fm_layer *w) {
    fm_plan *p = r->plan;
    double eps = r->model->config.rms_norm_eps;
    fm_value x = fm_cheap(r, fm_rmsnorm(p, h, &w->attention_norm, eps));
    h = fm_add(p, r->model->config.mla ? fm_mla(r, x, w) : fm_gqa(r, x, w), h);
    x = fm_cheap(r, fm_rmsnorm(p, h, &w->ffn_norm, eps));
    return fm_add(p, w->is_moe ? fm_moe_ffn(r, x, w) : fm_dense_ffn(r, x, &w->ffn), h);
}
