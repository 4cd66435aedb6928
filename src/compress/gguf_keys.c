/* gguf_keys.c: config.json's half of a GGUF file's metadata (the tokenizer is the other). */
#include "compress/gguf_keys.h"

#include "base/mem.h"
#include "model/arch/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct keys {
    fm_gguf_head *head;
    const fm_config *config;
    char key[128];
} keys;

static const char *key_of(keys *k, const char *suffix) {
    snprintf(k->key, sizeof k->key, "%s.%s", k->config->arch->gguf_name, suffix);
    return k->key;
}

static void put_size(keys *k, const char *suffix, int64_t value) {
    fm_gguf_put_u32(k->head, key_of(k, suffix), (uint32_t)value);
}

static void put_real(keys *k, const char *suffix, double value) {
    fm_gguf_put_f32(k->head, key_of(k, suffix), (float)value);
}

static void put_text(keys *k, const char *suffix, const char *text) {
    fm_gguf_put_string(k->head, key_of(k, suffix), text, strlen(text));
}

/* ---- what GGUF cannot say --------------------------------------------------------------------*/

static fm_status check(const fm_config *c, fm_error *err) {
    if (c->mla && !c->rope.interleaved)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "this checkpoint keeps rotated rows in halves (rope_interleave is false), which "
                       "GGUF has no key for");
    if (c->mla && c->rope.attention_factor != 1)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "mscale and mscale_all_dim differ, which GGUF has no key for");
    for (int64_t l = c->first_k_dense_replace; c->n_routed_experts && l < c->num_hidden_layers; l++)
        if (!fm_config_is_moe_layer(c, l))
            return fm_fail(err, FM_ERR_UNSUPPORTED,
                           "layer %lld is dense among layers with experts (moe_layer_freq), which GGUF "
                           "has no key for", (long long)l);
    return FM_OK;
}

/* ---- families --------------------------------------------------------------------------------*/

static void put_common(keys *k, const fm_gguf_key_options *options) {
    const fm_config *c = k->config;
    bool absorbed = c->mla && !options->fused_kv_b;
    put_size(k, "block_count", c->num_hidden_layers + (options->mtp ? c->num_nextn_predict_layers : 0));
    put_size(k, "context_length", c->max_position_embeddings);
    put_size(k, "embedding_length", c->hidden_size);
    put_size(k, "feed_forward_length", c->intermediate_size);
    put_size(k, "attention.head_count", c->num_attention_heads);
    put_size(k, "attention.head_count_kv", absorbed ? 1 : c->num_key_value_heads);
    put_real(k, "rope.freq_base", c->rope.theta);
    put_real(k, "attention.layer_norm_rms_epsilon", c->rms_norm_eps);
}

static void put_dense(keys *k, const fm_meta *meta) {
    const fm_config *c = k->config;
    bool llama = strcmp(c->arch->gguf_name, "llama") == 0;
    bool stated = fm_meta_find(meta, "head_dim") || fm_meta_find(meta, key_of(k, "attention.key_length"));
    if (stated || c->head_dim * c->num_attention_heads != c->hidden_size) {
        put_size(k, "attention.key_length", c->head_dim);
        put_size(k, "attention.value_length", c->head_dim);
    }
    if (!llama) return;
    put_size(k, "vocab_size", c->vocab_size);
    put_size(k, "rope.dimension_count", c->head_dim);
}

static void put_experts(keys *k) {
    const fm_config *c = k->config;
    put_size(k, "expert_feed_forward_length", c->moe_intermediate_size);
    put_size(k, "expert_count", c->n_routed_experts);
    put_size(k, "expert_shared_count", c->n_shared_experts);
    put_real(k, "expert_weights_scale", c->routed_scaling_factor);
    fm_gguf_put_bool(k->head, key_of(k, "expert_weights_norm"), c->norm_topk_prob);
    put_size(k, "expert_gating_func", c->scoring == FM_SCORING_SIGMOID ? 2 : 1);
}

static void put_latent(keys *k, const fm_gguf_key_options *options) {
    const fm_config *c = k->config;
    int64_t key = c->qk_nope_head_dim + c->qk_rope_head_dim, r = c->kv_lora_rank;
    put_size(k, "expert_used_count", c->num_experts_per_tok);
    if (c->topk_method != FM_TOPK_GREEDY) {
        put_size(k, "expert_group_count", c->n_group);
        put_size(k, "expert_group_used_count", c->topk_group);
    }
    put_size(k, "leading_dense_block_count",
             c->n_routed_experts ? c->first_k_dense_replace : c->num_hidden_layers);
    put_size(k, "vocab_size", c->vocab_size);
    if (c->q_lora_rank) put_size(k, "attention.q_lora_rank", c->q_lora_rank);
    put_size(k, "attention.kv_lora_rank", r);
    put_size(k, "attention.key_length", options->fused_kv_b ? key : r + c->qk_rope_head_dim);
    put_size(k, "attention.value_length", options->fused_kv_b ? c->v_head_dim : r);
    if (!options->fused_kv_b) {
        put_size(k, "attention.key_length_mla", key);
        put_size(k, "attention.value_length_mla", c->v_head_dim);
    }
    put_experts(k);
    put_size(k, "rope.dimension_count", c->qk_rope_head_dim);
    if (options->mtp && c->num_nextn_predict_layers)
        put_size(k, "nextn_predict_layers", c->num_nextn_predict_layers);
}

/* ---- rotary positions ------------------------------------------------------------------------*/

static void put_yarn(keys *k) {
    const fm_rope_config *rope = &k->config->rope;
    double growth = rope->factor <= 1 ? 1 : 0.1 * log(rope->factor) + 1;
    if (k->config->mla) put_real(k, "rope.scaling.yarn_log_multiplier", 0.1 * rope->mscale_all_dim);
    else if (fabs(rope->attention_factor / growth - 1) > 1e-6)
        put_real(k, "rope.scaling.attn_factor", rope->attention_factor / growth);
    if (rope->beta_fast != 32) put_real(k, "rope.scaling.yarn_beta_fast", rope->beta_fast);
    if (rope->beta_slow != 1) put_real(k, "rope.scaling.yarn_beta_slow", rope->beta_slow);
}

/* llama3's scaling is a tensor, not keys. */
static void put_scaling(keys *k) {
    const fm_rope_config *rope = &k->config->rope;
    if (rope->kind != FM_ROPE_LINEAR && rope->kind != FM_ROPE_YARN) return;
    put_text(k, "rope.scaling.type", rope->kind == FM_ROPE_YARN ? "yarn" : "linear");
    put_real(k, "rope.scaling.factor", rope->factor);
    if (rope->kind != FM_ROPE_YARN) return;
    put_size(k, "rope.scaling.original_context_length", rope->original_max_position);
    put_yarn(k);
}

void fm_rope_divisors(const fm_config *config, double *frequencies, float *out) {
    const double d = (double)config->head_dim;
    fm_config_rope_frequencies(config, NULL, frequencies);
    for (int64_t i = 0; i < config->head_dim / 2; i++)
        out[i] = (float)(pow(config->rope.theta, -2.0 * (double)i / d) / frequencies[i]);
}

static void put_sampling(keys *k) {
    const fm_config *c = k->config;
    if (c->top_k >= 0) fm_gguf_put_i32(k->head, "general.sampling.top_k", (int32_t)c->top_k);
    if (c->top_p >= 0) fm_gguf_put_f32(k->head, "general.sampling.top_p", (float)c->top_p);
    if (c->temperature >= 0) fm_gguf_put_f32(k->head, "general.sampling.temp", (float)c->temperature);
}

fm_status fm_gguf_put_config(fm_gguf_head *head, const fm_config *config, const fm_meta *meta,
                             const fm_gguf_key_options *options, fm_error *err) {
    keys k = {.head = head, .config = config};
    FM_TRY(check(config, err));
    const char *arch = config->arch->gguf_name;
    fm_gguf_put_string(head, "general.architecture", arch, strlen(arch));
    fm_gguf_put_string(head, "general.type", "model", 5);
    fm_gguf_put_string(head, "general.name", options->name, strlen(options->name));
    put_sampling(&k);
    put_common(&k, options);
    if (config->mla) put_latent(&k, options);
    else put_dense(&k, meta);
    put_scaling(&k);
    return FM_OK;
}
