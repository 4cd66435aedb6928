/* config.h: what a model is, in the field's own terms: one struct, whatever file it came from.
 *
 * Sizes are those of config.json; GGUF keys are translated (architecture notes A and B.6). A config
 * is checked before anyone allocates by it: every size is within bounds that cannot overflow, and
 * combinations that no model has are refused with a sentence. */
#pragma once

#include "format/store.h"

enum { FM_MAX_LAYERS = 1024, FM_MAX_EXPERTS = 4096, FM_MAX_EOS = 8 };

typedef struct fm_arch fm_arch; /* arch/archs.def */

typedef enum fm_scoring { FM_SCORING_SOFTMAX, FM_SCORING_SIGMOID } fm_scoring;

typedef enum fm_topk_method {
    FM_TOPK_GREEDY,               /* V2-Lite: the K largest scores */
    FM_TOPK_GROUP_LIMITED_GREEDY, /* V2: group score = its largest score */
    FM_TOPK_NOAUX_TC,             /* V3: score + bias chooses, group score = its two largest */
} fm_topk_method;

typedef enum fm_rope_kind {
    FM_ROPE_PLAIN, FM_ROPE_LINEAR, FM_ROPE_YARN, FM_ROPE_LLAMA3,
} fm_rope_kind;

typedef struct fm_rope_config {
    fm_rope_kind kind;
    double theta;
    double factor;                     /* linear, yarn, llama3 */
    int64_t original_max_position;     /* yarn, llama3 */
    double beta_fast, beta_slow;       /* yarn; 32 and 1 */
    double mscale, mscale_all_dim;     /* yarn; 0: absent */
    double attention_factor;           /* on cos and sin; 1 for all published DeepSeek models */
    double low_freq_factor, high_freq_factor; /* llama3; 1 and 4 */
    bool interleaved; /* pairs (2i, 2i+1) rather than (i, i + d/2); depends on the file too */
} fm_rope_config;

typedef struct fm_config {
    const fm_arch *arch;
    bool from_gguf;

    int64_t vocab_size;              /* rows of the embedding */
    int64_t hidden_size;             /* D */
    int64_t num_hidden_layers;       /* L; the MTP module is layer L */
    int64_t num_attention_heads;     /* H */
    int64_t num_key_value_heads;     /* GQA; MLA: num_attention_heads */
    int64_t head_dim;                /* GQA; MLA: qk_nope_head_dim + qk_rope_head_dim */
    int64_t intermediate_size;       /* dense FFN */
    int64_t max_position_embeddings;
    double rms_norm_eps;
    double latent_norm_eps;          /* MLA: q_a_layernorm and kv_a_layernorm */
    bool tie_word_embeddings;
    bool attention_bias;             /* biases of q, k, v (Qwen2) */
    bool qk_norm;                    /* RMSNorm of each head's q and k (Qwen3) */
    fm_rope_config rope;

    /* multi-head latent attention; q_lora_rank 0: a plain query projection */
    bool mla;
    int64_t q_lora_rank, kv_lora_rank;
    int64_t qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
    bool expand_latents;             /* keys and values are made of latents and cached instead of them; of no
                                        file: fm_model_options */

    /* mixture of experts; n_routed_experts 0: none */
    int64_t n_routed_experts, n_shared_experts, num_experts_per_tok;
    int64_t moe_intermediate_size;
    int64_t first_k_dense_replace, moe_layer_freq;
    int64_t n_group, topk_group;     /* 1 and 1 unless topk_method knows groups */
    fm_scoring scoring;
    fm_topk_method topk_method;
    /* weights of the chosen: divided by their sum if norm_topk_prob, then times the factor. V2 does
     * one or the other: its factor is read as 1 where it normalises. */
    bool norm_topk_prob;
    double routed_scaling_factor;

    int64_t num_nextn_predict_layers; /* MTP modules in the files (0 or 1 is run); never counted in
                                         num_hidden_layers, although GGUF's block_count does */

    int64_t bos_token_id;             /* -1: none */
    int64_t eos_token_id[FM_MAX_EOS];
    int n_eos;

    /* generation_config.json: negative when absent */
    double temperature, top_p;
    int64_t top_k;
} fm_config;

/* Reads the metadata of an opened file, finds its architecture in archs.def and checks the result.
 * An unknown architecture is FM_ERR_UNSUPPORTED and names those that are known. */
fm_status fm_config_read(fm_config *config, const fm_meta *meta, bool gguf, fm_error *err);

/* The same from a store, settling by its tensors what metadata leaves open: a GGUF without
 * output.weight has a tied head; an MTP module counts only where its tensors are (converters drop
 * it with or without saying so). Errors name the store's path. */
fm_status fm_config_of_store(fm_config *config, const fm_store *store, fm_error *err);

/* MoE iff l >= first_k_dense_replace and l % moe_layer_freq == 0 (the MTP layer too). */
bool fm_config_is_moe_layer(const fm_config *config, int64_t layer);

/* Width of one cached position of one layer, in elements: MLA kv_lora_rank + qk_rope_head_dim, or all heads'
 * keys and values where latents are expanded; GQA 2 * num_key_value_heads * head_dim. */
int64_t fm_config_cache_width(const fm_config *config);
/* Elements that share a scale in an INT8 cache: the largest power of two, at most 64, that divides the
 * parts of a row which are written or read alone (MLA: latent and rotary key; otherwise a head). Below
 * FM_KV_LEAST_BLOCK the scales would outweigh the codes: no INT8 cache then. */
int64_t fm_config_cache_block(const fm_config *config);
/* What plain multi-head attention of the same heads would cache (for comparison). */
int64_t fm_config_plain_cache_width(const fm_config *config);

/* Whether scores and sums of all heads' own keys and values cost fewer products than those of latents. */
bool fm_config_expanding_is_cheaper(const fm_config *config);

/* Softmax scale: m^2 / sqrt(dn + dr) or 1 / sqrt(head_dim) (architecture notes B.4). */
double fm_config_attention_scale(const fm_config *config);

/* Fills freq[rotary_dims / 2] with the angle per position of each pair, and returns the factor on
 * cos and sin (1 for all published models). rotary_dims = qk_rope_head_dim or head_dim.
 * GGUF's rope_freqs tensor, where present, divides the plain frequencies: `divisors` or NULL. */
double fm_config_rope_frequencies(const fm_config *config, const float *divisors, double *freq);
