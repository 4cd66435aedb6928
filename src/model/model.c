#include "model/model.h"

#include "model/lazy.h"
#include "op/mla_unfold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t fm_model_rotary_dims(const fm_config *c) { return c->mla ? c->qk_rope_head_dim : c->head_dim; }

/* The embedding is read row by row from the file: it is never packed. */
static fm_status bind_embedding(fm_binder *b, fm_role role, fm_weight *w) {
    const fm_config *c = &b->model->config;
    const fm_store_entry *e = fm_bind_find(b, role, 0);
    if (!e) return fm_bind_missing(b, role, 0);
    if (e->is_integer32 || fm_tensor_columns(&e->tensor) != c->hidden_size ||
        fm_tensor_rows(&e->tensor) != c->vocab_size)
        return fm_fail(b->err, FM_ERR_FORMAT, "%s: tensor %s does not have %lld rows of %lld",
                       fm_store_path(b->model->store), e->name, (long long)c->vocab_size,
                       (long long)c->hidden_size);
    fm_weight_init(w, e->name, &e->tensor);
    b->model->parameters += (uint64_t)(c->vocab_size * c->hidden_size);
    return FM_OK;
}

/* A file without a head has it tied to the embedding, whatever its configuration says. */
static fm_status bind_head(fm_binder *b) {
    fm_model *m = b->model;
    const fm_config *c = &m->config;
    bool own = !c->tie_word_embeddings && fm_bind_find(b, FM_ROLE_HEAD, 0);
    if (own) return fm_bind_matrix(b, FM_ROLE_HEAD, c->vocab_size, c->hidden_size, &m->head);
    if (!c->tie_word_embeddings && !c->from_gguf) return fm_bind_missing(b, FM_ROLE_HEAD, 0);
    FM_TRY(fm_bind_matrix(b, FM_ROLE_EMBED, c->vocab_size, c->hidden_size, &m->head));
    m->parameters -= (uint64_t)(c->vocab_size * c->hidden_size);
    return FM_OK;
}

static fm_status bind_module(fm_binder *b, fm_mtp_weights *w) {
    fm_model *m = b->model;
    const fm_config *c = &m->config;
    int64_t d = c->hidden_size;
    uint64_t parameters = m->parameters; /* of the main model, as the papers count */
    if (fm_bind_find(b, FM_ROLE_MTP_EMBED, 0))
        FM_TRY(bind_embedding(b, FM_ROLE_MTP_EMBED, &w->embed));
    else
        w->embed = m->embed;
    if (fm_bind_find(b, FM_ROLE_MTP_HEAD, 0))
        FM_TRY(fm_bind_matrix(b, FM_ROLE_MTP_HEAD, c->vocab_size, d, &w->head));
    FM_TRY(fm_bind_vector(b, FM_ROLE_MTP_ENORM, d, true, &w->enorm));
    FM_TRY(fm_bind_vector(b, FM_ROLE_MTP_HNORM, d, true, &w->hnorm));
    FM_TRY(fm_bind_vector(b, FM_ROLE_MTP_NORM, d, true, &w->norm));
    FM_TRY(fm_bind_matrix(b, FM_ROLE_MTP_EH_PROJ, d, 2 * d, &w->eh_proj));
    FM_TRY(fm_bind_attention(b, &w->layer));
    FM_TRY(fm_bind_ffn(b, &w->layer));
    m->parameters = parameters;
    return FM_OK;
}

static fm_status bind_mtp(fm_binder *b) {
    fm_model *m = b->model;
    int64_t first = m->config.num_hidden_layers;
    int n = 0;
    while (n < m->options.mtp && (b->layer = first + n, fm_bind_find(b, FM_ROLE_MTP_EH_PROJ, 0))) n++;
    if (!n) return FM_OK;
    FM_TRY(fm_bind_array(b, (size_t)n, sizeof *m->mtp, (void **)&m->mtp));
    for (; m->n_mtp < n; m->n_mtp++) {
        b->layer = first + m->n_mtp;
        FM_TRY(bind_module(b, &m->mtp[m->n_mtp]));
    }
    return FM_OK;
}

static fm_status bind_rope(fm_binder *b) {
    fm_model *m = b->model;
    int64_t pairs = fm_model_rotary_dims(&m->config) / 2;
    fm_weight divisors = {0};
    FM_TRY(fm_bind_array(b, (size_t)pairs, sizeof(double), (void **)&m->rope_frequencies));
    uint64_t parameters = m->parameters; /* a table, not a parameter */
    FM_TRY(fm_bind_vector(b, FM_ROLE_ROPE_FREQS, pairs, false, &divisors));
    m->parameters = parameters;
    m->rope_factor = fm_config_rope_frequencies(&m->config, divisors.master, m->rope_frequencies);
    return FM_OK;
}

static fm_gate gate_of(const fm_config *c) {
    return (fm_gate){.n_experts = c->n_routed_experts, .per_token = c->num_experts_per_tok,
                     .n_groups = c->n_group, .kept_groups = c->topk_group,
                     .scoring = c->scoring == FM_SCORING_SIGMOID ? FM_GATE_SIGMOID : FM_GATE_SOFTMAX,
                     .group_by_two = c->topk_method == FM_TOPK_NOAUX_TC,
                     .normalize = c->norm_topk_prob, .scale = c->routed_scaling_factor};
}

static bool reads_bias(const fm_config *c, int64_t layer, const char *tensor) {
    static const fm_role roles[] = {FM_ROLE_Q_BIAS, FM_ROLE_K_BIAS, FM_ROLE_V_BIAS,
                                    FM_ROLE_ROUTER_BIAS};
    char name[FM_NAME_MAX];
    for (size_t i = c->mla ? 3 : 0; i < (c->mla ? 4 : 3); i++)
        if (fm_tensor_file_name(roles[i], c->from_gguf, layer, 0, name) && strcmp(name, tensor) == 0)
            return true;
    return false;
}

/* Tensors that nobody asks for do no harm, but a bias has a meaning: left out, every answer would be
 * another, without a word. GGUF has no key that would say so. */
static fm_status refuse_unread_biases(const fm_binder *b) {
    const fm_config *c = &b->model->config;
    for (size_t i = 0; i < fm_store_count(b->model->store); i++) {
        const char *name = fm_store_at(b->model->store, i)->name;
        size_t n = strlen(name);
        if (n < 5 || strcmp(name + n - 5, ".bias") != 0) continue;
        bool in_layer = strncmp(name, c->from_gguf ? "blk." : "model.layers.", c->from_gguf ? 4 : 13) == 0;
        bool in_head = strncmp(name, c->from_gguf ? "output" : "lm_head.", c->from_gguf ? 6 : 8) == 0;
        int64_t layer = in_layer ? strtoll(name + strcspn(name, "0123456789"), NULL, 10) : 0;
        if ((in_layer && layer < c->num_hidden_layers && !reads_bias(c, layer, name)) || in_head)
            return fm_fail(b->err, FM_ERR_UNSUPPORTED,
                           "%s: tensor %s is a bias, which Fathom's %s does not have there",
                           fm_store_path(b->model->store), name, c->arch->name);
    }
    return FM_OK;
}

static fm_status bind_all(fm_binder *b) {
    fm_model *m = b->model;
    const fm_config *c = &m->config;
    FM_TRY(refuse_unread_biases(b));
    FM_TRY(bind_rope(b));
    FM_TRY(bind_embedding(b, FM_ROLE_EMBED, &m->embed));
    FM_TRY(fm_bind_vector(b, FM_ROLE_FINAL_NORM, c->hidden_size, true, &m->final_norm));
    FM_TRY(bind_head(b));
    FM_TRY(fm_bind_array(b, (size_t)c->num_hidden_layers, sizeof *m->layers, (void **)&m->layers));
    for (b->layer = 0; b->layer < c->num_hidden_layers; b->layer++) {
        FM_TRY(fm_bind_attention(b, &m->layers[b->layer]));
        FM_TRY(fm_bind_ffn(b, &m->layers[b->layer]));
    }
    return bind_mtp(b);
}

fm_status fm_model_bind(const fm_store *store, const fm_model_options *options, fm_model **out,
                        fm_error *err) {
    *out = NULL;
    fm_model *m = fm_alloc_zero(sizeof *m, FM_MEM_OTHER);
    if (!m) return fm_fail_memory(err, sizeof *m, "a model");
    m->store = store;
    m->options = *options;
    fm_status status = fm_config_of_store(&m->config, store, err);
    m->config.expand_latents = options->expand_latents && fm_config_expanding_is_cheaper(&m->config);
    m->gate = gate_of(&m->config);
    fm_binder binder = {.model = m, .err = err};
    if (status == FM_OK) status = bind_all(&binder);
    if (status != FM_OK) {
        fm_model_free(m);
        return status;
    }
    *out = m;
    return FM_OK;
}

void fm_model_free(fm_model *m) {
    if (!m) return;
    for (size_t i = 0; i < m->n_bindings; i++) fm_weight_clear(m->bindings[i].weight);
    fm_lazy_free(m->lazy);
    fm_free(m->packed);
    if (m->panels) fm_panel_file_close(m->panels);
    fm_free(m->panels);
    fm_free(m->bindings);
    fm_arena_clear(&m->arena);
    fm_free(m);
}

static fm_status refuse_int8(const fm_model *m, fm_error *err) {
    const fm_config *c = &m->config;
    char parts[96];
    if (c->mla && c->expand_latents)
        snprintf(parts, sizeof parts, "keys of %lld and values of %lld", (long long)c->head_dim,
                 (long long)c->v_head_dim);
    else if (c->mla)
        snprintf(parts, sizeof parts, "kv_lora_rank %lld and qk_rope_head_dim %lld",
                 (long long)c->kv_lora_rank, (long long)c->qk_rope_head_dim);
    else
        snprintf(parts, sizeof parts, "head_dim %lld", (long long)c->head_dim);
    return fm_fail(err, FM_ERR_UNSUPPORTED,
                   "%s: an int8 cache keeps a scale for every %d elements or more, and this model's %s "
                   "cannot be cut that way: use a bf16 or f32 cache", fm_store_path(m->store),
                   FM_KV_LEAST_BLOCK, parts);
}

fm_status fm_model_kv_shape(const fm_model *m, fm_kv_type type, fm_kv_shape *out, fm_error *err) {
    int64_t width = fm_config_cache_width(&m->config), block = fm_config_cache_block(&m->config);
    if (type == FM_KV_INT8 && block < FM_KV_LEAST_BLOCK) return refuse_int8(m, err);
    *out = (fm_kv_shape){.type = type, .block = block, .page_positions = 64, .width = width,
                         .row_bytes = fm_kv_row_bytes(type, width, block),
                         .n_layers = m->config.num_hidden_layers + m->n_mtp};
    if (m->mtp) out->tail_bytes = ((size_t)m->config.hidden_size * sizeof(float) + 63) & ~(size_t)63;
    out->page_bytes = (size_t)out->n_layers * (size_t)out->page_positions * out->row_bytes + out->tail_bytes;
    return FM_OK;
}

size_t fm_model_unfolded_bytes(const fm_model *m) {
    const fm_config *c = &m->config;
    if (!c->mla || c->expand_latents || m->options.arith != FM_FAST) return 0;
    fm_mla_shape shape = {.n_heads = c->num_attention_heads, .kv_lora_rank = c->kv_lora_rank,
                          .nope_dim = c->qk_nope_head_dim, .rope_dim = c->qk_rope_head_dim,
                          .v_dim = c->v_head_dim};
    return fm_unfold_block_bytes(&shape);
}
