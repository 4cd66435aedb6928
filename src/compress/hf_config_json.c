/* hf_config_json.c: config.json and generation_config.json of a model that came as GGUF. */
#include "base/json_write.h"
#include "compress/gguf_keys.h"
#include "compress/hf_files.h"
#include "model/arch/arch.h"

#include <math.h>
#include <string.h>

/* ---- rotary positions ------------------------------------------------------------------------*/

/* GGUF keeps llama3's scaling as the table it leads to. The parameters are found again: the last divisor
 * is the factor, 1 and 4 are what every published model has, and the original context is a power of two;
 * what is found must give the table back. */
static bool matches_table(const fm_config *config, const float *table, double *frequencies,
                          float *divisors) {
    fm_rope_divisors(config, frequencies, divisors);
    for (int64_t i = 0; i < config->head_dim / 2; i++)
        if (!(fabsf(divisors[i] - table[i]) <= 1e-5f * table[i])) return false;
    return true;
}

static bool find_llama3(fm_config *config, const float *table, double *frequencies, float *divisors) {
    config->rope.kind = FM_ROPE_LLAMA3;
    config->rope.factor = (double)table[config->head_dim / 2 - 1];
    config->rope.low_freq_factor = 1;
    config->rope.high_freq_factor = 4;
    for (int64_t context = 16; context <= (int64_t)1 << 24; context *= 2) {
        config->rope.original_max_position = context;
        if (matches_table(config, table, frequencies, divisors)) return true;
    }
    return false;
}

/* `config` with its rotary table, if the store has one, as parameters. */
static fm_status settle_rope(fm_config *config, const fm_store *store, fm_error *err) {
    const fm_store_entry *e = fm_store_find(store, "rope_freqs.weight");
    int64_t n = config->head_dim / 2;
    if (!e || config->mla || config->rope.kind != FM_ROPE_PLAIN) return FM_OK;
    double *frequencies = fm_alloc_array((size_t)n, sizeof *frequencies, FM_MEM_OTHER);
    float *floats = fm_alloc_array(2 * (size_t)n, sizeof *floats, FM_MEM_OTHER);
    bool found = false, plain = true;
    if (frequencies && floats) {
        fm_tensor_decode_row(&e->tensor, 0, floats);
        for (int64_t i = 0; i < n; i++) plain = plain && floats[i] == 1;
        found = plain || find_llama3(config, floats, frequencies, floats + n);
        if (plain) config->rope.kind = FM_ROPE_PLAIN;
    }
    bool memory = frequencies && floats;
    fm_free(frequencies);
    fm_free(floats);
    if (!memory) return fm_fail_memory(err, (size_t)n * 16, "a table of frequencies");
    if (found) return FM_OK;
    return fm_fail(err, FM_ERR_UNSUPPORTED,
                   "the table of rotary divisors in rope_freqs.weight is not llama3's, and config.json "
                   "can say no other");
}

static void put_rope(fm_json_writer *w, const fm_config *c) {
    const fm_rope_config *rope = &c->rope;
    static const char *const names[] = {[FM_ROPE_LINEAR] = "linear", [FM_ROPE_YARN] = "yarn",
                                        [FM_ROPE_LLAMA3] = "llama3"};
    fm_json_put_float(w, "rope_theta", rope->theta);
    if (rope->kind == FM_ROPE_PLAIN) {
        fm_json_put_text(w, "rope_scaling", NULL);
        return;
    }
    fm_json_open(w, "rope_scaling", '{');
    fm_json_put_text(w, c->mla ? "type" : "rope_type", names[rope->kind]);
    fm_json_put_real(w, "factor", rope->factor);
    if (rope->kind != FM_ROPE_LINEAR)
        fm_json_put_integer(w, "original_max_position_embeddings", rope->original_max_position);
    if (rope->kind == FM_ROPE_LLAMA3) {
        fm_json_put_real(w, "low_freq_factor", rope->low_freq_factor);
        fm_json_put_real(w, "high_freq_factor", rope->high_freq_factor);
    }
    if (rope->kind == FM_ROPE_YARN) {
        fm_json_put_real(w, "beta_fast", rope->beta_fast);
        fm_json_put_real(w, "beta_slow", rope->beta_slow);
        if (c->mla) {
            fm_json_put_real(w, "mscale", rope->mscale);
            fm_json_put_real(w, "mscale_all_dim", rope->mscale_all_dim);
        } else {
            fm_json_put_real(w, "attention_factor", rope->attention_factor);
        }
    }
    fm_json_close(w, '}');
}

/* ---- families --------------------------------------------------------------------------------*/

static void put_dense(fm_json_writer *w, const fm_config *c) {
    fm_json_put_integer(w, "num_key_value_heads", c->num_key_value_heads);
    fm_json_put_integer(w, "head_dim", c->head_dim);
    if (!c->attention_bias) fm_json_put_bool(w, "attention_bias", false);
    if (c->attention_bias || c->qk_norm) fm_json_put_bool(w, "use_sliding_window", false);
    else fm_json_put_bool(w, "mlp_bias", false);
}

static void put_experts(fm_json_writer *w, const fm_config *c) {
    static const char *const methods[] = {"greedy", "group_limited_greedy", "noaux_tc"};
    if (!c->n_routed_experts) {
        fm_json_put_text(w, "n_routed_experts", NULL);
        return;
    }
    fm_json_put_integer(w, "n_routed_experts", c->n_routed_experts);
    if (c->n_shared_experts) fm_json_put_integer(w, "n_shared_experts", c->n_shared_experts);
    else fm_json_put_text(w, "n_shared_experts", NULL);
    fm_json_put_integer(w, "num_experts_per_tok", c->num_experts_per_tok);
    fm_json_put_integer(w, "moe_intermediate_size", c->moe_intermediate_size);
    fm_json_put_integer(w, "first_k_dense_replace", c->first_k_dense_replace);
    fm_json_put_integer(w, "moe_layer_freq", c->moe_layer_freq);
    fm_json_put_integer(w, "n_group", c->n_group);
    fm_json_put_integer(w, "topk_group", c->topk_group);
    fm_json_put_text(w, "topk_method", methods[c->topk_method]);
    fm_json_put_text(w, "scoring_func", c->scoring == FM_SCORING_SIGMOID ? "sigmoid" : "softmax");
    fm_json_put_bool(w, "norm_topk_prob", c->norm_topk_prob);
    fm_json_put_float(w, "routed_scaling_factor", c->routed_scaling_factor);
}

static void put_latent(fm_json_writer *w, const fm_config *c) {
    fm_json_put_integer(w, "num_key_value_heads", c->num_attention_heads);
    fm_json_put_bool(w, "attention_bias", false);
    if (c->q_lora_rank) fm_json_put_integer(w, "q_lora_rank", c->q_lora_rank);
    else fm_json_put_text(w, "q_lora_rank", NULL);
    fm_json_put_integer(w, "kv_lora_rank", c->kv_lora_rank);
    fm_json_put_integer(w, "qk_nope_head_dim", c->qk_nope_head_dim);
    fm_json_put_integer(w, "qk_rope_head_dim", c->qk_rope_head_dim);
    fm_json_put_integer(w, "v_head_dim", c->v_head_dim);
    put_experts(w, c);
    if (c->scoring == FM_SCORING_SIGMOID)
        fm_json_put_integer(w, "num_nextn_predict_layers", c->num_nextn_predict_layers);
}

/* One id, or a list of several. */
static void put_ids(fm_json_writer *w, const fm_config *c) {
    if (c->bos_token_id >= 0) fm_json_put_integer(w, "bos_token_id", c->bos_token_id);
    if (c->n_eos == 1) fm_json_put_integer(w, "eos_token_id", c->eos_token_id[0]);
    if (c->n_eos < 2) return;
    fm_json_open(w, "eos_token_id", '[');
    for (int i = 0; i < c->n_eos; i++) fm_json_put_integer(w, NULL, c->eos_token_id[i]);
    fm_json_close(w, ']');
}

const char *fm_hf_torch_name(fm_dtype dtype) {
    return dtype == FM_DTYPE_F32 ? "float32" : dtype == FM_DTYPE_F16 ? "float16" : "bfloat16";
}

fm_status fm_hf_put_config(fm_buffer *out, const fm_config *config, const fm_store *store,
                           fm_dtype dtype, fm_error *err) {
    fm_config settled = *config;
    const fm_config *c = &settled;
    fm_json_writer w = {.out = out};
    FM_TRY(settle_rope(&settled, store, err));
    fm_json_open(&w, NULL, '{');
    fm_json_open(&w, "architectures", '[');
    fm_json_put_text(&w, NULL, c->arch->hf_class);
    fm_json_close(&w, ']');
    fm_json_put_text(&w, "model_type", c->arch->name);
    put_ids(&w, c);
    fm_json_put_text(&w, "hidden_act", "silu");
    fm_json_put_integer(&w, "hidden_size", c->hidden_size);
    fm_json_put_integer(&w, "intermediate_size", c->intermediate_size);
    fm_json_put_integer(&w, "max_position_embeddings", c->max_position_embeddings);
    fm_json_put_integer(&w, "num_attention_heads", c->num_attention_heads);
    fm_json_put_integer(&w, "num_hidden_layers", c->num_hidden_layers);
    if (c->mla) put_latent(&w, c);
    else put_dense(&w, c);
    fm_json_put_float(&w, "rms_norm_eps", c->rms_norm_eps);
    put_rope(&w, c);
    fm_json_put_bool(&w, "tie_word_embeddings", c->tie_word_embeddings);
    if (dtype == FM_DTYPE_F8_E4M3) fm_hf_put_fp8(&w);
    fm_json_put_text(&w, "torch_dtype", fm_hf_torch_name(dtype));
    fm_json_put_bool(&w, "use_cache", true);
    fm_json_put_integer(&w, "vocab_size", c->vocab_size);
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
    return fm_buffer_status(out, err);
}

void fm_hf_put_generation(fm_buffer *out, const fm_config *c) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    put_ids(&w, c);
    if (c->temperature >= 0) {
        fm_json_put_bool(&w, "do_sample", c->temperature > 0);
        fm_json_put_real(&w, "temperature", c->temperature);
    }
    if (c->top_p >= 0) fm_json_put_real(&w, "top_p", c->top_p);
    if (c->top_k >= 0) fm_json_put_integer(&w, "top_k", c->top_k);
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
}
