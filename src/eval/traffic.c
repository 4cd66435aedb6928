#include "eval/traffic.h"

#include "model/parameters.h"

#include <math.h>

double fm_traffic_experts(const fm_gate *gate, int64_t rows) {
    double e = (double)gate->n_experts, k = (double)gate->per_token;
    if (rows <= 1 || e <= 0) return k;
    return e * (1 - pow(1 - k / e, (double)rows));
}

static double bytes_of(const fm_weight *w) {
    if (!fm_weight_present(w)) return 0;
    const fm_panels *p = &w->panels;
    if (w->n_out == 1 && w->master) return (double)w->n_in * sizeof(float); /* norms, biases */
    if (p->data) return (double)p->panel_bytes * (double)fm_panel_count(p);
    return (double)fm_tensor_bytes(&p->rows);
}

static double bytes_of_all(const fm_weight *w, int64_t n) {
    double bytes = 0;
    for (int64_t i = 0; w && i < n; i++) bytes += bytes_of(&w[i]);
    return bytes;
}

static double attention_bytes(const fm_model *m, const fm_layer *l) {
    const fm_gqa_weights *g = &l->gqa;
    const fm_mla_weights *a = &l->mla;
    const fm_weight *each[] = {&l->attention_norm, &l->ffn_norm, &l->o, &g->q, &g->k, &g->v,
                               &g->q_bias, &g->k_bias, &g->v_bias, &g->q_norm, &g->k_norm, &a->q,
                               &a->q_a, &a->q_a_norm, &a->q_b, &a->kv_a, &a->kv_a_norm};
    double bytes = 0;
    int64_t heads = m->config.num_attention_heads;
    for (size_t i = 0; i < FM_COUNT(each); i++) bytes += bytes_of(each[i]);
    return bytes + bytes_of_all(a->uk, heads) + bytes_of_all(a->uv, heads);
}

static double ffn_bytes(const fm_model *m, const fm_layer *l, double experts) {
    double bytes = bytes_of(&l->ffn.gate) + bytes_of(&l->ffn.up) + bytes_of(&l->ffn.down);
    if (!l->is_moe) return bytes;
    int64_t e = m->gate.n_experts;
    double all = bytes_of_all(l->moe.gate, e) + bytes_of_all(l->moe.up, e) +
                 bytes_of_all(l->moe.down, e);
    return bytes + bytes_of(&l->moe.router) + bytes_of(&l->moe.router_bias) +
           all / (double)e * experts;
}

double fm_traffic_weights(const fm_model *m, int64_t rows) {
    double experts = fm_traffic_experts(&m->gate, rows);
    double row = bytes_of(&m->embed) / (double)m->embed.n_out;
    double bytes = row * (double)rows + bytes_of(&m->final_norm) + bytes_of(&m->head);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++)
        bytes += attention_bytes(m, &m->layers[i]) + ffn_bytes(m, &m->layers[i], experts);
    return bytes;
}

double fm_traffic_cache(const fm_kv_shape *kv, int64_t position) {
    return (double)kv->n_layers * (double)kv->row_bytes * (double)(position + 1);
}

double fm_traffic_flops(const fm_model *m, int64_t depth, int64_t tokens) {
    const fm_config *c = &m->config;
    double head = (double)c->vocab_size * (double)c->hidden_size, n = (double)tokens;
    double products = (double)fm_config_parameters(c).products - head;
    double positions = (double)depth + (n + 1) / 2; /* that a token sees, on average */
    double attention = fm_config_attention_macs(c, positions, m->options.arith == FM_EXACT);
    return 2 * (n * (products + attention) + head);
}
