/* fingerprint.c: one number for a model's configuration and weights, so that what was computed with
 * one model is not mistaken for another's. */
#include "model/lazy.h"

#include "base/hash.h"
#include "model/arch/arch.h"

#include <string.h>

/* 64 bytes from the middle of three rows: first, middle, last. One page of the file each, at most.
 * Bytes that cannot be read any more count as zeros: loading says why, and a fingerprint that is
 * another refuses what was saved before. */
static uint64_t sample(const fm_store *store, const fm_tensor *t, uint64_t seed) {
    enum { BYTES = 64 };
    char bytes[BYTES];
    float scale = 0;
    const int64_t rows = fm_tensor_rows(t), picked[] = {0, rows / 2, rows - 1};
    for (size_t i = 0; i < FM_COUNT(picked) && rows > 0; i++) {
        const char *row = (const char *)t->data + (size_t)picked[i] * t->row_bytes;
        size_t n = t->row_bytes < BYTES ? t->row_bytes : BYTES;
        memset(bytes, 0, sizeof bytes);
        fm_store_read(store, row + (t->row_bytes - n) / 2, n, bytes, NULL);
        seed = fm_hash(bytes, n, seed);
    }
    if (!t->scales) return seed;
    const float *at = t->scales + t->scale_row / t->scale_block[0] * t->scale_columns;
    fm_store_read(store, at, sizeof scale, &scale, NULL);
    return fm_hash(&scale, sizeof scale, seed);
}

uint64_t fm_binding_fingerprint(const fm_store *store, const fm_binding *b) {
    size_t from = (size_t)((const char *)b->slice.data - (const char *)b->entry->tensor.data);
    return sample(store, &b->slice, fm_hash(b->entry->name, strlen(b->entry->name), from));
}

/* Names, types and shapes of all tensors, in whatever order and files they lie. */
static uint64_t of_tensors(const fm_store *store) {
    uint64_t sum = 0;
    for (size_t i = 0; i < fm_store_count(store); i++) {
        const fm_store_entry *e = fm_store_at(store, i);
        uint64_t h = fm_hash(e->name, strlen(e->name), (uint64_t)e->tensor.dtype);
        sum += fm_hash(e->tensor.shape, (size_t)e->tensor.n_dims * sizeof e->tensor.shape[0], h);
    }
    return sum;
}

/* What changes a result without being in a tensor. */
static uint64_t of_config(const fm_model *m) {
    const fm_config *c = &m->config;
    const int64_t whole[] = {
        c->vocab_size, c->hidden_size, c->num_hidden_layers, c->num_attention_heads,
        c->num_key_value_heads, c->head_dim, c->intermediate_size, c->tie_word_embeddings,
        c->attention_bias, c->qk_norm, c->mla, c->q_lora_rank, c->kv_lora_rank, c->qk_nope_head_dim,
        c->qk_rope_head_dim, c->v_head_dim, c->n_routed_experts, c->n_shared_experts,
        c->num_experts_per_tok, c->moe_intermediate_size, c->first_k_dense_replace,
        c->moe_layer_freq, c->n_group, c->topk_group, c->scoring, c->topk_method, c->norm_topk_prob,
        c->rope.interleaved, c->num_nextn_predict_layers, c->expand_latents,
    };
    const double real[] = {c->rms_norm_eps, c->latent_norm_eps, c->routed_scaling_factor,
                           m->rope_factor, fm_config_attention_scale(c)};
    size_t angles = (size_t)fm_model_rotary_dims(c) / 2;
    uint64_t h = fm_hash(c->arch->name, strlen(c->arch->name), 0);
    h = fm_hash(whole, sizeof whole, h);
    h = fm_hash(real, sizeof real, h);
    return fm_hash(m->rope_frequencies, angles * sizeof *m->rope_frequencies, h);
}

static uint64_t with_adapters(const fm_model *m, uint64_t adapted) {
    uint64_t weights = m->sampled + sample(m->store, &m->embed.source, 1);
    for (size_t i = 0; i < m->n_bindings && !m->sampled_all; i++)
        weights += fm_binding_fingerprint(m->store, &m->bindings[i]);
    if (m->lazy) weights += fm_lazy_sampled(m->lazy);
    const uint64_t parts[] = {of_config(m), of_tensors(m->store), weights, adapted};
    return fm_hash(parts, adapted ? sizeof parts : 3 * sizeof *parts, 0);
}

uint64_t fm_model_fingerprint(const fm_model *m) { return with_adapters(m, m->adapted); }
uint64_t fm_model_base_fingerprint(const fm_model *m) { return with_adapters(m, 0); }
