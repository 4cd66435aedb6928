#include "model/bind.h"

#include "base/hash.h"

#include <string.h>

const fm_store_entry *fm_bind_find(const fm_binder *b, fm_role role, int64_t expert) {
    char name[FM_NAME_MAX];
    if (!fm_tensor_file_name(role, b->model->config.from_gguf, b->layer, expert, name)) return NULL;
    return fm_store_find(b->model->store, name);
}

fm_status fm_bind_missing(fm_binder *b, fm_role role, int64_t expert) {
    char name[FM_NAME_MAX] = "?";
    fm_tensor_file_name(role, b->model->config.from_gguf, b->layer, expert, name);
    return fm_fail(b->err, FM_ERR_FORMAT, "%s: tensor %s is missing; the file is incomplete or not "
                   "the architecture it says", fm_store_path(b->model->store), name);
}

fm_status fm_bind_array(fm_binder *b, size_t count, size_t size, void **out) {
    *out = fm_arena_array(&b->model->arena, count, size);
    return *out ? FM_OK : fm_fail_memory(b->err, count * size, "the table of weights");
}

static fm_status bad_shape(fm_binder *b, const fm_store_entry *e, int64_t n_out, int64_t n_in) {
    char is[96];
    fm_tensor_describe(&e->tensor, is, sizeof is);
    return fm_fail(b->err, FM_ERR_FORMAT, "%s: tensor %s is %s, but the configuration says "
                   "[%lld, %lld]", fm_store_path(b->model->store), e->name, is, (long long)n_out,
                   (long long)n_in);
}

static fm_status remember(fm_binder *b, fm_binding binding) {
    fm_model *m = b->model;
    if (m->n_bindings == m->bindings_capacity) {
        size_t capacity = m->bindings_capacity ? m->bindings_capacity * 2 : 512;
        void *p = fm_realloc(m->bindings, capacity * sizeof *m->bindings, FM_MEM_OTHER);
        if (!p) return fm_fail_memory(b->err, capacity * sizeof *m->bindings, "the table of weights");
        m->bindings = p;
        m->bindings_capacity = capacity;
    }
    m->bindings[m->n_bindings++] = binding;
    return FM_OK;
}

fm_status fm_bind_slice(fm_binder *b, const fm_store_entry *e, int64_t first, int64_t n_out,
                        int64_t n_in, fm_weight *w) {
    if (e->is_integer32 || fm_tensor_columns(&e->tensor) != n_in ||
        fm_tensor_rows(&e->tensor) < first + n_out)
        return bad_shape(b, e, first + n_out, n_in);
    fm_tensor slice = fm_tensor_slice_rows(&e->tensor, first, n_out);
    fm_weight_init(w, e->name, &slice);
    b->model->parameters += (uint64_t)(n_out * n_in);
    return remember(b, (fm_binding){.weight = w, .entry = e, .slice = slice});
}

fm_status fm_bind_matrix(fm_binder *b, fm_role role, int64_t n_out, int64_t n_in, fm_weight *w) {
    const fm_store_entry *e = fm_bind_find(b, role, 0);
    if (!e) return fm_bind_missing(b, role, 0);
    if (fm_tensor_rows(&e->tensor) != n_out) return bad_shape(b, e, n_out, n_in);
    return fm_bind_slice(b, e, 0, n_out, n_in, w);
}

fm_status fm_bind_vector(fm_binder *b, fm_role role, int64_t n, bool required, fm_weight *w) {
    const fm_store_entry *e = fm_bind_find(b, role, 0);
    if (!e) return required ? fm_bind_missing(b, role, 0) : FM_OK;
    if (e->is_integer32 || fm_tensor_elements(&e->tensor) != n || fm_tensor_columns(&e->tensor) != n)
        return bad_shape(b, e, 1, n);
    *w = (fm_weight){.name = e->name, .n_out = 1, .n_in = n, .source = e->tensor};
    FM_TRY(fm_bind_array(b, (size_t)n, sizeof(float), (void **)&w->master));
    fm_tensor_decode_row(&e->tensor, 0, w->master);
    b->model->sampled += fm_hash(w->master, (size_t)n * sizeof(float),
                                 fm_hash(e->name, strlen(e->name), 0));
    b->model->parameters += (uint64_t)n;
    return FM_OK;
}

/* ---- attention ---------------------------------------------------------------------------------- */

/* The up-projections of the latent, per head, as the file has them: kv_b with each head's dn rows of W_UK
 * and dv rows of W_UV (Hugging Face, older GGUF), or k_b holding W_UK transposed and v_b (newer GGUF).
 * Where a file has all three, kv_b is the one that was not derived. Both forms of attention read them so:
 * no head has a second copy. */
static fm_status bind_up_projections(fm_binder *b, fm_mla_weights *w) {
    const fm_config *c = &b->model->config;
    int64_t heads = c->num_attention_heads, r = c->kv_lora_rank;
    int64_t dn = c->qk_nope_head_dim, dv = c->v_head_dim;
    FM_TRY(fm_bind_array(b, (size_t)heads, sizeof(fm_weight), (void **)&w->uk));
    FM_TRY(fm_bind_array(b, (size_t)heads, sizeof(fm_weight), (void **)&w->uv));
    const fm_store_entry *fused = fm_bind_find(b, FM_ROLE_KV_B, 0);
    const fm_store_entry *k_b = fm_bind_find(b, FM_ROLE_K_B, 0);
    const fm_store_entry *v_b = fm_bind_find(b, FM_ROLE_V_B, 0);
    if (fused && fm_tensor_rows(&fused->tensor) != heads * (dn + dv))
        return bad_shape(b, fused, heads * (dn + dv), r);
    if (!fused && !(k_b && v_b))
        return fm_bind_missing(b, k_b ? FM_ROLE_V_B : FM_ROLE_KV_B, 0);
    if (!fused && fm_tensor_rows(&k_b->tensor) != heads * r) return bad_shape(b, k_b, heads * r, dn);
    if (!fused && fm_tensor_rows(&v_b->tensor) != heads * dv) return bad_shape(b, v_b, heads * dv, r);
    w->uk_transposed = !fused;
    for (int64_t h = 0; h < heads; h++) {
        if (fused) {
            FM_TRY(fm_bind_slice(b, fused, h * (dn + dv), dn, r, &w->uk[h]));
            FM_TRY(fm_bind_slice(b, fused, h * (dn + dv) + dn, dv, r, &w->uv[h]));
        } else {
            FM_TRY(fm_bind_slice(b, k_b, h * r, r, dn, &w->uk[h]));
            FM_TRY(fm_bind_slice(b, v_b, h * dv, dv, r, &w->uv[h]));
        }
    }
    return FM_OK;
}

static fm_status bind_mla(fm_binder *b, fm_mla_weights *w) {
    const fm_config *c = &b->model->config;
    int64_t d = c->hidden_size, rq = c->q_lora_rank, r = c->kv_lora_rank;
    int64_t q = c->num_attention_heads * (c->qk_nope_head_dim + c->qk_rope_head_dim);
    if (rq) {
        FM_TRY(fm_bind_matrix(b, FM_ROLE_Q_A, rq, d, &w->q_a));
        FM_TRY(fm_bind_vector(b, FM_ROLE_Q_A_NORM, rq, true, &w->q_a_norm));
        FM_TRY(fm_bind_matrix(b, FM_ROLE_Q_B, q, rq, &w->q_b));
    } else {
        FM_TRY(fm_bind_matrix(b, FM_ROLE_Q, q, d, &w->q));
    }
    FM_TRY(fm_bind_matrix(b, FM_ROLE_KV_A, r + c->qk_rope_head_dim, d, &w->kv_a));
    FM_TRY(fm_bind_vector(b, FM_ROLE_KV_A_NORM, r, true, &w->kv_a_norm));
    return bind_up_projections(b, w);
}

static fm_status bind_gqa(fm_binder *b, fm_gqa_weights *w) {
    const fm_config *c = &b->model->config;
    int64_t d = c->hidden_size, q = c->num_attention_heads * c->head_dim;
    int64_t kv = c->num_key_value_heads * c->head_dim;
    FM_TRY(fm_bind_matrix(b, FM_ROLE_Q, q, d, &w->q));
    FM_TRY(fm_bind_matrix(b, FM_ROLE_K, kv, d, &w->k));
    FM_TRY(fm_bind_matrix(b, FM_ROLE_V, kv, d, &w->v));
    FM_TRY(fm_bind_vector(b, FM_ROLE_Q_BIAS, q, c->attention_bias, &w->q_bias));
    FM_TRY(fm_bind_vector(b, FM_ROLE_K_BIAS, kv, c->attention_bias, &w->k_bias));
    FM_TRY(fm_bind_vector(b, FM_ROLE_V_BIAS, kv, c->attention_bias, &w->v_bias));
    FM_TRY(fm_bind_vector(b, FM_ROLE_Q_NORM, c->head_dim, c->qk_norm, &w->q_norm));
    return fm_bind_vector(b, FM_ROLE_K_NORM, c->head_dim, c->qk_norm, &w->k_norm);
}

fm_status fm_bind_attention(fm_binder *b, fm_layer *layer) {
    const fm_config *c = &b->model->config;
    FM_TRY(fm_bind_vector(b, FM_ROLE_ATTENTION_NORM, c->hidden_size, true, &layer->attention_norm));
    int64_t out = c->num_attention_heads * (c->mla ? c->v_head_dim : c->head_dim);
    FM_TRY(c->mla ? bind_mla(b, &layer->mla) : bind_gqa(b, &layer->gqa));
    return fm_bind_matrix(b, FM_ROLE_O, c->hidden_size, out, &layer->o);
}

/* ---- feed-forward ------------------------------------------------------------------------------- */

static fm_status get_expert(void *context, int32_t id, fm_expert *out, fm_error *err) {
    (void)err;
    const fm_moe_weights *w = context;
    *out = (fm_expert){&w->gate[id], &w->up[id], &w->down[id]};
    return FM_OK;
}

/* One expert matrix: its own tensor (Hugging Face) or a slice of the stacked one (GGUF). */
static fm_status bind_expert(fm_binder *b, fm_role role, int64_t e, int64_t n_out, int64_t n_in,
                             fm_weight *w) {
    const fm_store_entry *entry = fm_bind_find(b, role, e);
    bool gguf = b->model->config.from_gguf;
    if (!entry && gguf && role != FM_ROLE_EXPERT_DOWN) { /* some converters fuse gate and up */
        entry = fm_bind_find(b, FM_ROLE_EXPERT_GATE_UP, e);
        int64_t first = 2 * e * n_out + (role == FM_ROLE_EXPERT_UP ? n_out : 0);
        if (entry) return fm_bind_slice(b, entry, first, n_out, n_in, w);
    }
    if (!entry) return fm_bind_missing(b, role, e);
    int64_t rows = gguf ? b->model->config.n_routed_experts * n_out : n_out;
    if (fm_tensor_rows(&entry->tensor) != rows) return bad_shape(b, entry, rows, n_in);
    return fm_bind_slice(b, entry, gguf ? e * n_out : 0, n_out, n_in, w);
}

/* All experts' gates, ups or downs (`matrix` 0, 1, 2). */
static fm_status bind_experts(fm_binder *b, fm_moe_weights *w, int matrix, fm_role role, int64_t n_out,
                              int64_t n_in, fm_weight **out) {
    int64_t n = b->model->config.n_routed_experts;
    FM_TRY(fm_bind_array(b, (size_t)n, sizeof(fm_weight), (void **)out));
    for (int64_t e = 0; e < n; e++) {
        FM_TRY(bind_expert(b, role, e, n_out, n_in, &(*out)[e]));
        fm_binding *last = &b->model->bindings[b->model->n_bindings - 1];
        last->moe = w;
        last->layer = b->layer;
        last->expert = (int)e;
        last->matrix = matrix;
    }
    return FM_OK;
}

static fm_status bind_moe(fm_binder *b, fm_layer *layer) {
    const fm_config *c = &b->model->config;
    fm_moe_weights *w = &layer->moe;
    int64_t d = c->hidden_size, f = c->moe_intermediate_size, n = c->n_routed_experts;
    FM_TRY(fm_bind_matrix(b, FM_ROLE_ROUTER, n, d, &w->router));
    FM_TRY(fm_bind_vector(b, FM_ROLE_ROUTER_BIAS, n, c->topk_method == FM_TOPK_NOAUX_TC,
                          &w->router_bias));
    FM_TRY(bind_experts(b, w, 0, FM_ROLE_EXPERT_GATE, f, d, &w->gate));
    FM_TRY(bind_experts(b, w, 1, FM_ROLE_EXPERT_UP, f, d, &w->up));
    FM_TRY(bind_experts(b, w, 2, FM_ROLE_EXPERT_DOWN, d, f, &w->down));
    w->provider = (fm_expert_provider){.context = w, .n_experts = n, .hidden_size = d,
                                       .intermediate_size = f, .get = get_expert};
    if (c->n_shared_experts == 0) {
        const fm_store_entry *shared_gate = fm_bind_find(b, FM_ROLE_SHARED_GATE, 0);
        if (!shared_gate) return FM_OK;
        return fm_fail(b->err, FM_ERR_FORMAT, "%s: tensor %s is there, but the configuration has no "
                       "shared experts", fm_store_path(b->model->store), shared_gate->name);
    }
    int64_t shared = c->n_shared_experts * f;
    FM_TRY(fm_bind_matrix(b, FM_ROLE_SHARED_GATE, shared, d, &layer->ffn.gate));
    FM_TRY(fm_bind_matrix(b, FM_ROLE_SHARED_UP, shared, d, &layer->ffn.up));
    return fm_bind_matrix(b, FM_ROLE_SHARED_DOWN, d, shared, &layer->ffn.down);
}

fm_status fm_bind_ffn(fm_binder *b, fm_layer *layer) {
    const fm_config *c = &b->model->config;
    int64_t d = c->hidden_size, f = c->intermediate_size;
    FM_TRY(fm_bind_vector(b, FM_ROLE_FFN_NORM, d, true, &layer->ffn_norm));
    layer->is_moe = fm_config_is_moe_layer(c, b->layer);
    if (layer->is_moe) return bind_moe(b, layer);
    FM_TRY(fm_bind_matrix(b, FM_ROLE_GATE, f, d, &layer->ffn.gate));
    FM_TRY(fm_bind_matrix(b, FM_ROLE_UP, f, d, &layer->ffn.up));
    return fm_bind_matrix(b, FM_ROLE_DOWN, d, f, &layer->ffn.down);
}
