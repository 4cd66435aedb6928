#include "model/weights.h"

typedef struct walk {
    fm_weight_visit visit;
    void *context;
    int64_t layer;
} walk;

static fm_status one_of(const walk *k, fm_weight *w, fm_role role, int64_t expert) {
    return fm_weight_present(w) ? k->visit(k->context, w, role, k->layer, expert) : FM_OK;
}
static fm_status one(const walk *k, fm_weight *w, fm_role role) { return one_of(k, w, role, -1); }

static fm_status gqa(const walk *k, fm_gqa_weights *w) {
    FM_TRY(one(k, &w->q, FM_ROLE_Q));
    FM_TRY(one(k, &w->q_bias, FM_ROLE_Q_BIAS));
    FM_TRY(one(k, &w->k, FM_ROLE_K));
    FM_TRY(one(k, &w->k_bias, FM_ROLE_K_BIAS));
    FM_TRY(one(k, &w->v, FM_ROLE_V));
    FM_TRY(one(k, &w->v_bias, FM_ROLE_V_BIAS));
    FM_TRY(one(k, &w->q_norm, FM_ROLE_Q_NORM));
    return one(k, &w->k_norm, FM_ROLE_K_NORM);
}

static fm_status mla(const walk *k, fm_mla_weights *w, int64_t heads) {
    FM_TRY(one(k, &w->q, FM_ROLE_Q));
    FM_TRY(one(k, &w->q_a, FM_ROLE_Q_A));
    FM_TRY(one(k, &w->q_a_norm, FM_ROLE_Q_A_NORM));
    FM_TRY(one(k, &w->q_b, FM_ROLE_Q_B));
    FM_TRY(one(k, &w->kv_a, FM_ROLE_KV_A));
    FM_TRY(one(k, &w->kv_a_norm, FM_ROLE_KV_A_NORM));
    for (int64_t h = 0; h < heads; h++) {
        FM_TRY(one(k, &w->uk[h], FM_ROLE_KV_B));
        FM_TRY(one(k, &w->uv[h], FM_ROLE_KV_B));
    }
    return FM_OK;
}

static fm_status ffn(const walk *k, fm_layer *l, int64_t experts) {
    FM_TRY(one(k, &l->ffn_norm, FM_ROLE_FFN_NORM));
    FM_TRY(one(k, &l->ffn.gate, l->is_moe ? FM_ROLE_SHARED_GATE : FM_ROLE_GATE));
    FM_TRY(one(k, &l->ffn.up, l->is_moe ? FM_ROLE_SHARED_UP : FM_ROLE_UP));
    FM_TRY(one(k, &l->ffn.down, l->is_moe ? FM_ROLE_SHARED_DOWN : FM_ROLE_DOWN));
    if (!l->is_moe) return FM_OK;
    FM_TRY(one(k, &l->moe.router, FM_ROLE_ROUTER));
    FM_TRY(one(k, &l->moe.router_bias, FM_ROLE_ROUTER_BIAS));
    for (int64_t e = 0; e < experts; e++) {
        FM_TRY(one_of(k, &l->moe.gate[e], FM_ROLE_EXPERT_GATE, e));
        FM_TRY(one_of(k, &l->moe.up[e], FM_ROLE_EXPERT_UP, e));
        FM_TRY(one_of(k, &l->moe.down[e], FM_ROLE_EXPERT_DOWN, e));
    }
    return FM_OK;
}

static fm_status layer(const walk *k, const fm_config *c, fm_layer *l) {
    FM_TRY(one(k, &l->attention_norm, FM_ROLE_ATTENTION_NORM));
    FM_TRY(c->mla ? mla(k, &l->mla, c->num_attention_heads) : gqa(k, &l->gqa));
    FM_TRY(one(k, &l->o, FM_ROLE_O));
    return ffn(k, l, c->n_routed_experts);
}

static fm_status module(const walk *k, const fm_config *c, fm_mtp_weights *w) {
    FM_TRY(one(k, &w->embed, FM_ROLE_MTP_EMBED));
    FM_TRY(one(k, &w->enorm, FM_ROLE_MTP_ENORM));
    FM_TRY(one(k, &w->hnorm, FM_ROLE_MTP_HNORM));
    FM_TRY(one(k, &w->eh_proj, FM_ROLE_MTP_EH_PROJ));
    FM_TRY(layer(k, c, &w->layer));
    FM_TRY(one(k, &w->norm, FM_ROLE_MTP_NORM));
    return one(k, &w->head, FM_ROLE_MTP_HEAD);
}

fm_status fm_model_each_weight(fm_model *m, fm_weight_visit visit, void *context) {
    const fm_config *c = &m->config;
    walk k = {visit, context, -1};
    FM_TRY(one(&k, &m->embed, FM_ROLE_EMBED));
    for (k.layer = 0; k.layer < c->num_hidden_layers; k.layer++) FM_TRY(layer(&k, c, &m->layers[k.layer]));
    k.layer = -1;
    FM_TRY(one(&k, &m->final_norm, FM_ROLE_FINAL_NORM));
    FM_TRY(one(&k, &m->head, FM_ROLE_HEAD));
    for (int i = 0; i < m->n_mtp; i++) {
        k.layer = c->num_hidden_layers + i;
        FM_TRY(module(&k, c, &m->mtp[i]));
    }
    return FM_OK;
}
