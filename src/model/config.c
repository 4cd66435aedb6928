/* config.c: the keys that every family has, the loop that reads them, and the checks of the whole.
 * What is particular to a family is in config_dense.c, config_deepseek.c and model/arch/. */
#include "base/mem.h"
#include "model/arch/arch.h"
#include "model/config_fields.h"
#include "model/parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 24, MAX_VOCAB = 1 << 22, MAX_HEADS = 1 << 16, MAX_CONTEXT = 1 << 30 };

static const fm_config_field common_fields[] = {
    {"vocab_size", "vocab_size", FM_FIELD_INTEGER, FM_FIELD_AT(vocab_size), false, 1, MAX_VOCAB},
    {"hidden_size", "embedding_length", FM_FIELD_INTEGER, FM_FIELD_AT(hidden_size), true, 1,
     MAX_SIZE},
    {"num_hidden_layers", "block_count", FM_FIELD_INTEGER, FM_FIELD_AT(num_hidden_layers), true, 1,
     FM_MAX_LAYERS},
    {"num_attention_heads", "attention.head_count", FM_FIELD_INTEGER,
     FM_FIELD_AT(num_attention_heads), true, 1, MAX_HEADS},
    {"intermediate_size", "feed_forward_length", FM_FIELD_INTEGER, FM_FIELD_AT(intermediate_size),
     true, 1, MAX_SIZE},
    {"max_position_embeddings", "context_length", FM_FIELD_INTEGER,
     FM_FIELD_AT(max_position_embeddings), true, 1, MAX_CONTEXT},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", FM_FIELD_REAL, FM_FIELD_AT(rms_norm_eps),
     false, 1e-20, 1},
    {"rope_theta", "rope.freq_base", FM_FIELD_REAL, FM_FIELD_AT(rope.theta), false, 1.0001, 1e15},
    /* GGUF says it by leaving output.weight out, which the binder sees. */
    {"tie_word_embeddings", NULL, FM_FIELD_BOOL, FM_FIELD_AT(tie_word_embeddings), false, 0, 0},
    {"num_nextn_predict_layers", "nextn_predict_layers", FM_FIELD_INTEGER,
     FM_FIELD_AT(num_nextn_predict_layers), false, 0, FM_MAX_LAYERS},
    {"generation.temperature", NULL, FM_FIELD_REAL, FM_FIELD_AT(temperature), false, 0, 1000},
    {"generation.top_p", NULL, FM_FIELD_REAL, FM_FIELD_AT(top_p), false, 0, 1},
    {"generation.top_k", NULL, FM_FIELD_INTEGER, FM_FIELD_AT(top_k), false, 0, MAX_CONTEXT},
};

/* ---- the loop --------------------------------------------------------------------------------*/

const char *fm_config_gguf_key(const fm_config *config, const char *suffix, char *key) {
    snprintf(key, FM_KEY_MAX, "%s.%s", config->arch->gguf_name, suffix);
    return key;
}

/* GGUF stores reals as float32, so 1e-6 comes as 9.99999997e-07. The shortest decimal that gives the
 * same float32 is what the model's makers wrote. */
static double as_written(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", value);
    double decimal = strtod(text, NULL);
    return (float)decimal == (float)value ? decimal : value;
}

fm_status fm_config_read_real(const fm_config *config, const fm_meta *meta, const char *key,
                              double low, double high, double *out, fm_error *err) {
    double value = *out;
    FM_TRY(fm_meta_get_real(meta, key, &value, err));
    if (!fm_meta_find(meta, key)) return FM_OK;
    if (!(value >= low && value <= high)) /* NaN too */
        return fm_fail(err, FM_ERR_FORMAT, "'%s' is %g, which is not between %g and %g", key, value,
                       low, high);
    *out = config->from_gguf ? as_written(value) : value;
    return FM_OK;
}

fm_status fm_config_read_fields(fm_config *config, const fm_meta *meta,
                                const fm_config_field *fields, size_t n, fm_error *err) {
    for (size_t i = 0; i < n; i++) {
        const fm_config_field *f = &fields[i];
        char buffer[FM_KEY_MAX];
        const char *key = f->hf;
        if (config->from_gguf) key = f->gguf ? fm_config_gguf_key(config, f->gguf, buffer) : NULL;
        if (!key) continue;
        if (f->required && !fm_meta_find(meta, key))
            return fm_fail(err, FM_ERR_FORMAT,
                           "the %s has no '%s', without which a %s model cannot be built",
                           config->from_gguf ? "GGUF metadata" : "config.json", key,
                           config->arch->name);
        void *member = (char *)config + f->offset;
        switch (f->kind) {
        case FM_FIELD_INTEGER:
            FM_TRY(fm_meta_get_integer(meta, key, (int64_t)f->low, (int64_t)f->high, member, err));
            break;
        case FM_FIELD_REAL:
            FM_TRY(fm_config_read_real(config, meta, key, f->low, f->high, member, err));
            break;
        case FM_FIELD_BOOL: FM_TRY(fm_meta_get_bool(meta, key, member, err)); break;
        }
    }
    return FM_OK;
}

fm_status fm_config_refuse_true(const fm_config *config, const fm_meta *meta, const char *key,
                                const char *what, fm_error *err) {
    bool set = false;
    FM_TRY(fm_meta_get_bool(meta, key, &set, err));
    if (!set) return FM_OK;
    return fm_fail(err, FM_ERR_UNSUPPORTED, "'%s' is true, but Fathom's %s has no %s", key,
                   config->arch->name, what);
}

/* ---- architectures ---------------------------------------------------------------------------*/

static const char *string_of(const fm_meta *meta, const char *key) {
    const fm_meta_value *v = fm_meta_find(meta, key);
    return v && v->kind == FM_META_STRING ? v->string.data : NULL;
}

/* config.json's class: the first of "architectures". */
static fm_string class_of(const fm_meta *meta) {
    const fm_meta_value *v = fm_meta_find(meta, "architectures");
    if (!v || v->kind != FM_META_STRINGS || v->count == 0) return (fm_string){0};
    return v->strings[0];
}

bool fm_config_is_family(const fm_arch *arch, const fm_meta *meta, bool gguf) {
    if (gguf) {
        const char *name = string_of(meta, "general.architecture");
        return name && strcmp(name, arch->gguf_name) == 0;
    }
    const char *type = string_of(meta, "model_type");
    if (type && strcmp(type, arch->name) == 0) return true;
    fm_string name = class_of(meta); /* decides for derivatives with a model_type of their own */
    return name.data && name.size == strlen(arch->hf_class) &&
           memcmp(name.data, arch->hf_class, name.size) == 0;
}

static fm_status unknown_architecture(const fm_meta *meta, bool gguf, fm_error *err) {
    char known[256];
    size_t at = 0;
    for (int i = 0; fm_arch_at(i); i++) {
        int n = snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", fm_arch_at(i)->name);
        if (n < 0 || (size_t)n >= sizeof known - at) break;
        at += (size_t)n;
    }
    const char *name = string_of(meta, gguf ? "general.architecture" : "model_type");
    if (!name)
        return fm_fail(err, FM_ERR_FORMAT, "the %s does not say what it is: there is no '%s'",
                       gguf ? "GGUF metadata" : "config.json",
                       gguf ? "general.architecture" : "model_type");
    return fm_fail(err, FM_ERR_UNSUPPORTED,
                   "the architecture '%.64s' is not one that Fathom knows (%s)", name, known);
}

/* ---- token ids -------------------------------------------------------------------------------*/

/* An id outside the vocabulary can never be drawn, so it is dropped instead of refused: converters
 * write -1 or 2^32 - 1 for "none". */
static void add_eos(fm_config *config, int64_t id) {
    if (id < 0 || id >= config->vocab_size || config->n_eos == FM_MAX_EOS) return;
    for (int i = 0; i < config->n_eos; i++)
        if (config->eos_token_id[i] == id) return;
    config->eos_token_id[config->n_eos++] = id;
}

static void read_token_ids(fm_config *config, const fm_meta *meta) {
    static const char *const eos_keys[2][3] = {
        {"eos_token_id", "generation.eos_token_id", NULL},
        {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
         "tokenizer.ggml.eom_token_id"},
    };
    for (int i = 0; i < 3; i++) {
        const char *key = eos_keys[config->from_gguf][i];
        const fm_meta_value *v = key ? fm_meta_find(meta, key) : NULL;
        if (!v) continue;
        if (v->kind == FM_META_INTEGER) add_eos(config, v->integer);
        if (v->kind == FM_META_INTEGERS)
            for (size_t j = 0; j < v->count; j++) add_eos(config, v->integers[j]);
    }
    const fm_meta_value *bos =
        fm_meta_find(meta, config->from_gguf ? "tokenizer.ggml.bos_token_id" : "bos_token_id");
    if (bos && bos->kind == FM_META_INTEGER && bos->integer >= 0 &&
        bos->integer < config->vocab_size)
        config->bos_token_id = bos->integer;
}

/* GGUF keeps the makers' advice on sampling under names without an architecture. */
static fm_status read_gguf_sampling(fm_config *config, const fm_meta *meta, fm_error *err) {
    FM_TRY(fm_config_read_real(config, meta, "general.sampling.temp", 0, 1000, &config->temperature, err));
    FM_TRY(fm_config_read_real(config, meta, "general.sampling.top_p", 0, 1, &config->top_p, err));
    return fm_meta_get_integer(meta, "general.sampling.top_k", 0, MAX_CONTEXT, &config->top_k, err);
}

/* ---- checks that need more than one value -----------------------------------------------------*/

static fm_status check_activation(const fm_meta *meta, fm_error *err) {
    const char *act = string_of(meta, "hidden_act");
    if (!act || strcmp(act, "silu") == 0 || strcmp(act, "swish") == 0) return FM_OK;
    return fm_fail(err, FM_ERR_UNSUPPORTED,
                   "hidden_act is '%.64s', but Fathom's feed-forward is SwiGLU: 'silu' only", act);
}

static fm_status check_quantization(const fm_meta *meta, fm_error *err) {
    const char *method = string_of(meta, "quantization_config.quant_method");
    if (!method || strcmp(method, "fp8") == 0) return FM_OK;
    return fm_fail(err, FM_ERR_UNSUPPORTED,
                   "the weights are quantised by '%.64s'; Fathom reads BF16, F16, F32 or block-FP8 "
                   "safetensors, or a GGUF of the model", method);
}

static fm_status settle_vocabulary(fm_config *config, const fm_meta *meta, fm_error *err) {
    if (config->vocab_size) return FM_OK;
    if (!config->from_gguf)
        return fm_fail(err, FM_ERR_FORMAT, "the config.json has no 'vocab_size'");
    const fm_meta_value *tokens = fm_meta_find(meta, "tokenizer.ggml.tokens");
    if (!tokens || tokens->kind != FM_META_STRINGS || tokens->count == 0 ||
        tokens->count > MAX_VOCAB)
        return fm_fail(err, FM_ERR_FORMAT,
                       "the GGUF metadata has neither '%s.vocab_size' nor a list of tokens",
                       config->arch->gguf_name);
    config->vocab_size = (int64_t)tokens->count;
    return FM_OK;
}

/* GGUF counts the MTP module as a block, Hugging Face does not. */
static fm_status settle_layers(fm_config *config, fm_error *err) {
    if (!config->from_gguf || config->num_nextn_predict_layers == 0) return FM_OK;
    if (config->num_nextn_predict_layers >= config->num_hidden_layers)
        return fm_fail(err, FM_ERR_FORMAT,
                       "nextn_predict_layers is %lld, but there are only %lld blocks",
                       (long long)config->num_nextn_predict_layers,
                       (long long)config->num_hidden_layers);
    config->num_hidden_layers -= config->num_nextn_predict_layers;
    return FM_OK;
}

fm_status fm_config_read(fm_config *config, const fm_meta *meta, bool gguf, fm_error *err) {
    *config = (fm_config){
        .from_gguf = gguf,
        .rms_norm_eps = 1e-6,
        .rope = {.theta = 10000},
        .bos_token_id = -1,
        .temperature = -1,
        .top_p = -1,
        .top_k = -1,
    };
    for (int i = 0; fm_arch_at(i) && !config->arch; i++)
        if (fm_arch_at(i)->matches(meta, gguf)) config->arch = fm_arch_at(i);
    if (!config->arch) return unknown_architecture(meta, gguf, err);
    FM_TRY(fm_config_read_fields(config, meta, common_fields, FM_COUNT(common_fields), err));
    FM_TRY(settle_vocabulary(config, meta, err));
    FM_TRY(settle_layers(config, err));
    if (gguf) {
        FM_TRY(read_gguf_sampling(config, meta, err));
    } else {
        FM_TRY(check_activation(meta, err));
        FM_TRY(check_quantization(meta, err));
    }
    FM_TRY(config->arch->read_config(config, meta, err));
    FM_TRY(fm_config_read_rope(config, meta, err));
    read_token_ids(config, meta);
    double estimate = fm_config_parameters_estimate(config);
    if (estimate > 1e18)
        return fm_fail(err, FM_ERR_FORMAT,
                       "these sizes make a model of about %.1e parameters, which cannot be meant",
                       estimate);
    return FM_OK;
}

/* ---- what only the tensors tell ------------------------------------------------------------------*/

static bool has_tensor(const fm_store *store, const char *format, int64_t layer) {
    char name[128];
    snprintf(name, sizeof name, format, (int)layer);
    return fm_store_find(store, name) != NULL;
}

static void settle_mtp(fm_config *config, const fm_store *store) {
    const int64_t layers = config->num_hidden_layers, modules = config->num_nextn_predict_layers;
    if (modules == 0) return;
    if (has_tensor(store, config->from_gguf ? "blk.%d.nextn.eh_proj.weight"
                                            : "model.layers.%d.eh_proj.weight", layers)) return;
    /* The key was kept and the module dropped: block_count counts the main model alone if what
     * would be the module's place is an ordinary layer. */
    if (config->from_gguf && has_tensor(store, "blk.%d.attn_norm.weight", layers))
        config->num_hidden_layers += modules;
    config->num_nextn_predict_layers = 0;
}

/* A lone .safetensors file says nothing about the model: the config.json beside it does. */
static fm_status read_beside(fm_config *config, const fm_store *store, fm_error *err) {
    const char *path = fm_store_path(store), *slash = strrchr(path, '/');
    char *folder = slash ? fm_strndup(path, (size_t)(slash - path + 1)) : fm_strdup(".");
    fm_meta *meta;
    if (!folder) return fm_fail_memory(err, strlen(path), "a path");
    fm_status status = fm_meta_read_config(folder, &meta, err);
    fm_free(folder);
    if (status != FM_OK) return status;
    status = fm_config_read(config, meta, false, err);
    fm_meta_free(meta);
    return status;
}

fm_status fm_config_of_store(fm_config *config, const fm_store *store, fm_error *err) {
    bool gguf = strcmp(fm_store_format_name(store), "gguf") == 0;
    fm_status status = gguf || fm_store_folder(store)
                           ? fm_config_read(config, fm_store_meta(store), gguf, err)
                           : read_beside(config, store, err);
    if (status != FM_OK) return fm_error_prefix(err, status, "%s", fm_store_path(store));
    if (gguf) config->tie_word_embeddings = !fm_store_find(store, "output.weight");
    settle_mtp(config, store);
    return FM_OK;
}

/* ---- questions -------------------------------------------------------------------------------*/

bool fm_config_is_moe_layer(const fm_config *config, int64_t layer) {
    return config->n_routed_experts > 0 && layer >= config->first_k_dense_replace &&
           layer % config->moe_layer_freq == 0;
}

int64_t fm_config_cache_width(const fm_config *config) {
    if (config->mla && !config->expand_latents) return config->kv_lora_rank + config->qk_rope_head_dim;
    return config->mla ? fm_config_plain_cache_width(config) : 2 * config->num_key_value_heads * config->head_dim;
}

int64_t fm_config_cache_block(const fm_config *config) {
    int64_t parts = config->mla ? config->kv_lora_rank | config->qk_rope_head_dim : config->head_dim;
    if (config->expand_latents) parts = config->head_dim | config->v_head_dim;
    int64_t divides = parts & -parts; /* the lowest bit that any of them has */
    return divides < 64 ? divides : 64;
}

bool fm_config_expanding_is_cheaper(const fm_config *config) {
    return config->mla &&
           config->head_dim + config->v_head_dim < 2 * config->kv_lora_rank + config->qk_rope_head_dim;
}

int64_t fm_config_plain_cache_width(const fm_config *config) {
    if (config->mla) return config->num_attention_heads * (config->head_dim + config->v_head_dim);
    return 2 * config->num_attention_heads * config->head_dim;
}
