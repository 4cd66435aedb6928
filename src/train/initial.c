#include "train/initial.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_write.h"
#include "base/nearest.h"
#include "base/rng.h"
#include "format/meta.h"
#include "model/config.h"
#include "model/names.h"
#include "model/parameters.h"
#include "model/arch/arch.h"
#include "token/tokenizer.h"
#include "train/checkpoint.h"

#include <math.h>
#include <string.h>

/* ---- shapes ------------------------------------------------------------------------------------*/

typedef struct shape {
    const char *name;
    int64_t d, layers, heads, nope, rope, v, kv_rank, dense, experts, shared, width, top;
    const char *help;
} shape;

static const shape shapes[] = {
#define SHAPE(name, ...) {#name, __VA_ARGS__},
#include "train/shapes.def"
#undef SHAPE
};

bool fm_initial_preset_at(size_t i, const char **name, const char **help) {
    if (i >= FM_COUNT(shapes)) return false;
    *name = shapes[i].name, *help = shapes[i].help;
    return true;
}

static fm_status find_shape(const char *name, const shape **out, fm_error *err) {
    const char *names[FM_COUNT(shapes)];
    for (size_t i = 0; i < FM_COUNT(shapes); i++) {
        names[i] = shapes[i].name;
        if (strcmp(name, names[i]) == 0) return *out = &shapes[i], FM_OK;
    }
    fm_buffer all = {0};
    for (size_t i = 0; i < FM_COUNT(shapes); i++) fm_buffer_format(&all, i ? ", %s" : "%s", names[i]);
    const char *near = fm_nearest_word(name, names, FM_COUNT(names));
    fm_status status = fm_fail(err, FM_ERR_ARGUMENT,
                               "'%.80s' is neither a config.json nor a shape (%s)%s%s", name, fm_buffer_string(&all),
                               near ? "; did you mean " : "", near ? near : "");
    fm_buffer_clear(&all);
    return status;
}

typedef struct setting {
    const char *key;
    int64_t value;
} setting;

fm_status fm_initial_config(const char *preset, int64_t vocabulary, int64_t bos, int64_t eos, fm_buffer *out,
                            fm_error *err) {
    const shape *s = NULL;
    FM_TRY(find_shape(preset, &s, err));
    const setting settings[] = {
        {"vocab_size", vocabulary}, {"hidden_size", s->d}, {"num_hidden_layers", s->layers},
        {"num_attention_heads", s->heads}, {"num_key_value_heads", s->heads}, {"qk_nope_head_dim", s->nope},
        {"qk_rope_head_dim", s->rope}, {"v_head_dim", s->v}, {"kv_lora_rank", s->kv_rank},
        {"intermediate_size", s->dense}, {"moe_intermediate_size", s->width}, {"n_routed_experts", s->experts},
        {"n_shared_experts", s->shared}, {"num_experts_per_tok", s->top}, {"first_k_dense_replace", 1},
        {"moe_layer_freq", 1}, {"n_group", 1}, {"topk_group", 1}, {"num_nextn_predict_layers", 1},
        {"max_position_embeddings", 4096}, {"ep_size", 1}, {"pretraining_tp", 1},
    };
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_open(&w, "architectures", '[');
    fm_json_put_text(&w, NULL, "DeepseekV3ForCausalLM");
    fm_json_close(&w, ']');
    fm_json_put_text(&w, "model_type", "deepseek_v3");
    for (size_t i = 0; i < FM_COUNT(settings); i++) fm_json_put_integer(&w, settings[i].key, settings[i].value);
    fm_json_put_text(&w, "q_lora_rank", NULL);
    if (bos >= 0) fm_json_put_integer(&w, "bos_token_id", bos);
    if (eos >= 0) fm_json_put_integer(&w, "eos_token_id", eos);
    fm_json_put_text(&w, "topk_method", "noaux_tc");
    fm_json_put_text(&w, "scoring_func", "sigmoid");
    fm_json_put_bool(&w, "norm_topk_prob", true);
    fm_json_put_float(&w, "routed_scaling_factor", 1);
    fm_json_put_text(&w, "hidden_act", "silu");
    fm_json_put_bool(&w, "attention_bias", false);
    fm_json_put_float(&w, "attention_dropout", 0);
    fm_json_put_float(&w, "rms_norm_eps", 1e-6);
    fm_json_put_float(&w, "rope_theta", 10000);
    fm_json_put_text(&w, "rope_scaling", NULL);
    fm_json_put_bool(&w, "tie_word_embeddings", true);
    fm_json_put_bool(&w, "use_cache", true);
    fm_json_put_text(&w, "torch_dtype", "float32");
    fm_json_close(&w, '}');
    return fm_buffer_status(out, err);
}

/* ---- tensors -----------------------------------------------------------------------------------*/

/* What a tensor of a model that knows nothing is filled with. */
typedef enum filling { DRAWN, ONES, ZEROS } filling;

typedef struct outline {
    const fm_config *config;
    fm_safetensors_item *items;
    filling *fillings;
    size_t n, capacity;
    int64_t layer;
    fm_arena names;
    bool failed;
} outline;

static void add(outline *o, fm_role role, int64_t expert, int64_t rows, int64_t columns, filling how) {
    char name[FM_NAME_MAX];
    if (o->n == o->capacity) {
        size_t more = o->capacity ? 2 * o->capacity : 256;
        fm_safetensors_item *items = fm_realloc(o->items, more * sizeof *items, FM_MEM_OTHER);
        if (items) o->items = items;
        filling *fillings = fm_realloc(o->fillings, more * sizeof *fillings, FM_MEM_OTHER);
        if (fillings) o->fillings = fillings;
        o->failed |= !items || !fillings;
        if (o->failed) return;
        o->capacity = more;
    }
    fm_tensor_file_name(role, false, o->layer, expert, name);
    o->fillings[o->n] = how;
    o->items[o->n] = (fm_safetensors_item){.name = fm_arena_strndup(&o->names, name, strlen(name)),
                                           .dtype = FM_DTYPE_F32, .n_dims = rows ? 2 : 1,
                                           .shape = {rows ? rows : columns, rows ? columns : 0}};
    o->failed |= !o->items[o->n++].name;
}

static void matrix(outline *o, fm_role role, int64_t rows, int64_t columns) {
    add(o, role, 0, rows, columns, DRAWN);
}
static void norm(outline *o, fm_role role, int64_t n) { add(o, role, 0, 0, n, ONES); }
static void bias(outline *o, fm_role role, int64_t n) { add(o, role, 0, 0, n, ZEROS); }

static void add_mla(outline *o) {
    const fm_config *c = o->config;
    int64_t d = c->hidden_size, h = c->num_attention_heads, q = h * (c->qk_nope_head_dim + c->qk_rope_head_dim);
    if (c->q_lora_rank) {
        matrix(o, FM_ROLE_Q_A, c->q_lora_rank, d);
        norm(o, FM_ROLE_Q_A_NORM, c->q_lora_rank);
        matrix(o, FM_ROLE_Q_B, q, c->q_lora_rank);
    } else {
        matrix(o, FM_ROLE_Q, q, d);
    }
    matrix(o, FM_ROLE_KV_A, c->kv_lora_rank + c->qk_rope_head_dim, d);
    norm(o, FM_ROLE_KV_A_NORM, c->kv_lora_rank);
    matrix(o, FM_ROLE_KV_B, h * (c->qk_nope_head_dim + c->v_head_dim), c->kv_lora_rank);
    matrix(o, FM_ROLE_O, d, h * c->v_head_dim);
}

static void add_gqa(outline *o) {
    const fm_config *c = o->config;
    int64_t d = c->hidden_size, q = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    matrix(o, FM_ROLE_Q, q, d);
    matrix(o, FM_ROLE_K, kv, d);
    matrix(o, FM_ROLE_V, kv, d);
    matrix(o, FM_ROLE_O, d, q);
    if (c->attention_bias) {
        bias(o, FM_ROLE_Q_BIAS, q);
        bias(o, FM_ROLE_K_BIAS, kv);
        bias(o, FM_ROLE_V_BIAS, kv);
    }
    if (c->qk_norm) {
        norm(o, FM_ROLE_Q_NORM, c->head_dim);
        norm(o, FM_ROLE_K_NORM, c->head_dim);
    }
}

static void add_moe(outline *o) {
    const fm_config *c = o->config;
    int64_t d = c->hidden_size, f = c->moe_intermediate_size, shared = c->n_shared_experts * f;
    matrix(o, FM_ROLE_ROUTER, c->n_routed_experts, d);
    if (c->topk_method == FM_TOPK_NOAUX_TC) bias(o, FM_ROLE_ROUTER_BIAS, c->n_routed_experts);
    for (int64_t e = 0; e < c->n_routed_experts; e++) {
        add(o, FM_ROLE_EXPERT_GATE, e, f, d, DRAWN);
        add(o, FM_ROLE_EXPERT_UP, e, f, d, DRAWN);
        add(o, FM_ROLE_EXPERT_DOWN, e, d, f, DRAWN);
    }
    if (!shared) return;
    matrix(o, FM_ROLE_SHARED_GATE, shared, d);
    matrix(o, FM_ROLE_SHARED_UP, shared, d);
    matrix(o, FM_ROLE_SHARED_DOWN, d, shared);
}

static void add_layer(outline *o) {
    const fm_config *c = o->config;
    int64_t d = c->hidden_size;
    norm(o, FM_ROLE_ATTENTION_NORM, d);
    if (c->mla) add_mla(o);
    else add_gqa(o);
    norm(o, FM_ROLE_FFN_NORM, d);
    if (fm_config_is_moe_layer(c, o->layer)) {
        add_moe(o);
        return;
    }
    matrix(o, FM_ROLE_GATE, c->intermediate_size, d);
    matrix(o, FM_ROLE_UP, c->intermediate_size, d);
    matrix(o, FM_ROLE_DOWN, d, c->intermediate_size);
}

/* The module has the main model's embedding and head: it is bound to them where it has none of its own. */
static void add_mtp(outline *o) {
    int64_t d = o->config->hidden_size;
    norm(o, FM_ROLE_MTP_ENORM, d);
    norm(o, FM_ROLE_MTP_HNORM, d);
    matrix(o, FM_ROLE_MTP_EH_PROJ, d, 2 * d);
    add_layer(o);
    norm(o, FM_ROLE_MTP_NORM, d);
}

static void add_all(outline *o) {
    const fm_config *c = o->config;
    matrix(o, FM_ROLE_EMBED, c->vocab_size, c->hidden_size);
    for (o->layer = 0; o->layer < c->num_hidden_layers; o->layer++) add_layer(o);
    norm(o, FM_ROLE_FINAL_NORM, c->hidden_size);
    if (!c->tie_word_embeddings) matrix(o, FM_ROLE_HEAD, c->vocab_size, c->hidden_size);
    for (; o->layer < c->num_hidden_layers + c->num_nextn_predict_layers; o->layer++) add_mtp(o);
}

static void outline_clear(outline *o) {
    fm_free(o->items);
    fm_free(o->fillings);
    fm_arena_clear(&o->names);
}

/* ---- the folder --------------------------------------------------------------------------------*/

typedef struct drawing {
    const outline *outline;
    double std;
    uint64_t seed;
} drawing;

static fm_status fill(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    enum { PIECE = 4096 };
    const drawing *d = context;
    const fm_safetensors_item *item = &d->outline->items[i];
    float piece[PIECE];
    uint64_t stream = fm_hash(item->name, strlen(item->name), 0);
    int64_t n = item->shape[0] * (item->n_dims == 2 ? item->shape[1] : 1);
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t count = n - at < PIECE ? n - at : PIECE;
        for (int64_t j = 0; j < count; j++)
            piece[j] = d->outline->fillings[i] == DRAWN
                           ? (float)(d->std * fm_rng_normal(d->seed, stream, (uint64_t)(at + j)))
                           : d->outline->fillings[i] == ONES ? 1.0f : 0.0f;
        FM_TRY(fm_item_put(sink, piece, (size_t)count * sizeof *piece, err));
    }
    return FM_OK;
}

static fm_status read_tokenizer(const char *folder, int64_t *size, int64_t *bos, int64_t *eos, fm_error *err) {
    char *path = fm_path_join(folder, "tokenizer.json"), *config_path = fm_path_join(folder, "tokenizer_config.json");
    char *text = NULL, *config = NULL;
    size_t n = 0, config_n = 0;
    fm_tokenizer *t = NULL;
    fm_status status = path && config_path ? FM_OK : fm_fail_memory(err, strlen(folder), folder);
    if (status == FM_OK) status = fm_file_read(path, 256 << 20, &text, &n, err);
    if (status == FM_OK && fm_file_exists(config_path))
        status = fm_file_read(config_path, 64 << 20, &config, &config_n, err);
    if (status == FM_OK) {
        status = fm_tokenizer_from_json(text, n, config, config_n, &t, err);
        if (status != FM_OK) fm_error_prefix(err, status, "%s", path);
    }
    if (status == FM_OK) *size = fm_tokenizer_size(t), *bos = fm_tokenizer_bos(t), *eos = fm_tokenizer_eos(t);
    fm_tokenizer_free(t);
    fm_free(text);
    fm_free(config);
    fm_free(path);
    fm_free(config_path);
    return status;
}

/* config.json, from the preset or the file that was named. */
static fm_status make_config(const fm_initial_options *o, fm_buffer *out, int64_t *tokens, fm_error *err) {
    int64_t bos = -1, eos = -1;
    FM_TRY(read_tokenizer(o->tokenizer, tokens, &bos, &eos, err));
    if (!strchr(o->shape, '/') && !fm_file_exists(o->shape))
        return fm_initial_config(o->shape, *tokens, bos, eos, out, err);
    char *text;
    size_t n;
    FM_TRY(fm_file_read(o->shape, 1 << 20, &text, &n, err));
    fm_buffer_put(out, text, n);
    fm_free(text);
    return fm_buffer_status(out, err);
}

/* Reads the configuration as it now lies in the folder that is being made. */
static fm_status read_config(const char *path, fm_config *config, fm_error *err) {
    fm_meta *meta;
    FM_TRY(fm_meta_read_config(path, &meta, err));
    fm_status status = fm_config_read(config, meta, false, err);
    fm_meta_free(meta);
    return status;
}

static fm_status write_weights(fm_checkpoint *c, const fm_config *config, const fm_initial_options *o, fm_error *err) {
    outline list = {.config = config};
    add_all(&list);
    double std = o->std > 0 ? o->std : 0.006 * sqrt(7168 / (double)config->hidden_size);
    drawing d = {&list, std, o->seed};
    fm_status status = list.failed ? fm_fail_memory(err, list.n, "a list of tensors") : FM_OK;
    if (status == FM_OK)
        status = fm_checkpoint_put_tensors_from(c, "model.safetensors", list.items, list.n, fill, &d, err);
    outline_clear(&list);
    return status;
}

/* Weights, gradients and at least one moment: what is refused here would be refused in any case, but only after
 * hours of writing. */
static fm_status check_memory(const fm_config *config, const fm_initial_options *o, fm_error *err) {
    enum { BYTES = 12, GiB = 1 << 30 };
    double parameters = fm_config_parameters_estimate(config), needed = BYTES * parameters;
    if (!o->memory || needed <= (double)o->memory) return FM_OK;
    return fm_fail(err, FM_ERR_MEMORY, "%s has %.3g billion parameters, which takes more than %.1f GiB to learn, and "
                   "%.1f GiB are available: take a smaller model", o->shape, parameters / 1e9, needed / GiB,
                   (double)o->memory / GiB);
}

static fm_status write_all(fm_checkpoint *c, const fm_initial_options *o, const fm_buffer *text, int64_t tokens,
                           fm_error *err) {
    fm_config config;
    FM_TRY(fm_checkpoint_put(c, "config.json", text->data, text->size, err));
    FM_TRY(fm_checkpoint_copy(c, "tokenizer.json", o->tokenizer, err));
    FM_TRY(fm_checkpoint_copy(c, "tokenizer_config.json", o->tokenizer, err));
    FM_TRY(read_config(fm_checkpoint_folder(c), &config, err));
    if (config.vocab_size < tokens)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s has room for %lld tokens and the tokenizer %s has %lld", o->shape,
                       (long long)config.vocab_size, o->tokenizer, (long long)tokens);
    FM_TRY(check_memory(&config, o, err));
    return write_weights(c, &config, o, err);
}

fm_status fm_initial_write(const char *parent, const char *name, const fm_initial_options *o, fm_error *err) {
    fm_buffer config = {0};
    fm_checkpoint *c = NULL;
    int64_t tokens = 0;
    fm_status status = make_config(o, &config, &tokens, err);
    if (status == FM_OK) status = fm_checkpoint_begin_named(parent, name, &c, err);
    if (status == FM_OK) {
        status = write_all(c, o, &config, tokens, err);
        if (status == FM_OK) status = fm_checkpoint_commit(c, NULL, err);
        else fm_checkpoint_abort(c);
    }
    fm_buffer_clear(&config);
    return status;
}
