/* cost.c: the document of `fathom cost`. Each figure is computed once, and the line of working that
 * explains it is written beside the computation. */
#include "model/cost.h"

#include "base/json_write.h"
#include "graph/step.h"
#include "model/arch/arch.h"
#include "model/parameters.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { CACHE_BYTES = 2, TRAIN_CONTEXT = 4096, REPORT_GPUS = 2048 };

/* DeepSeek-V3's report (arXiv 2412.19437), table 1 and section 3: H800 hours. */
static const struct {
    double tokens, hours_per_trillion, extension_hours, post_training_hours;
} v3_report = {14.8e12, 180000, 119000, 5000};

static const fm_config v3_shape = {
    .arch = &fm_arch_deepseek_v3, .vocab_size = 129280, .hidden_size = 7168,
    .num_hidden_layers = 61, .num_attention_heads = 128, .num_key_value_heads = 128,
    .head_dim = 192, .intermediate_size = 18432, .max_position_embeddings = 163840, .mla = true,
    .q_lora_rank = 1536, .kv_lora_rank = 512, .qk_nope_head_dim = 128, .qk_rope_head_dim = 64,
    .v_head_dim = 128, .n_routed_experts = 256, .n_shared_experts = 1, .num_experts_per_tok = 8,
    .moe_intermediate_size = 2048, .first_k_dense_replace = 3, .moe_layer_freq = 1, .n_group = 8,
    .topk_group = 4, .scoring = FM_SCORING_SIGMOID, .topk_method = FM_TOPK_NOAUX_TC,
    .num_nextn_predict_layers = 1,
};

static bool is_v3_shape(const fm_config *c) {
    return c->arch == v3_shape.arch && c->hidden_size == v3_shape.hidden_size &&
           c->num_hidden_layers == v3_shape.num_hidden_layers &&
           c->n_routed_experts == v3_shape.n_routed_experts;
}

fm_cost_options fm_cost_defaults(void) {
    return (fm_cost_options){.extension_gpu_hours = -1, .post_training_gpu_hours = -1};
}

typedef struct report {
    const fm_config *c;
    fm_parameters p;
    fm_json_writer json;
    fm_buffer working_text;
    fm_json_writer working; /* into working_text, opened as an array */
} report;

/* One line of working: what, the sum with its numbers, the result. */
__attribute__((format(printf, 4, 5)))
static void work(report *r, const char *label, double value, const char *format, ...) {
    char formula[256];
    va_list args;
    va_start(args, format);
    vsnprintf(formula, sizeof formula, format, args);
    va_end(args);
    fm_json_open(&r->working, NULL, '{');
    r->working.flat = true;
    fm_json_put_text(&r->working, "label", label);
    fm_json_put_text(&r->working, "formula", formula);
    fm_json_put_real(&r->working, "value", value);
    fm_json_close(&r->working, '}');
    r->working.flat = false;
}

#define LL(x) ((long long)(x))

/* ---- parameters ------------------------------------------------------------------------------*/

static void work_attention(report *r) {
    const fm_config *c = r->c;
    const int64_t d = c->hidden_size, heads = c->num_attention_heads;
    const double whole = (double)r->p.attention;
    if (!c->mla) {
        work(r, "attention, one layer", whole, "q and o 2 x %lld x %lld + k and v 2 x %lld x %lld%s%s",
             LL(d), LL(heads * c->head_dim), LL(d), LL(c->num_key_value_heads * c->head_dim),
             c->attention_bias ? " + biases of q, k, v" : "",
             c->qk_norm ? " + norms of q, k" : "");
        return;
    }
    char query[96];
    if (c->q_lora_rank)
        snprintf(query, sizeof query, "q_a %lld x %lld + norm + q_b %lld x %lld", LL(d),
                 LL(c->q_lora_rank), LL(c->q_lora_rank), LL(heads * c->head_dim));
    else snprintf(query, sizeof query, "q %lld x %lld", LL(d), LL(heads * c->head_dim));
    work(r, "attention, one layer", whole,
         "%s + kv_a %lld x (%lld + %lld) + norm + kv_b %lld x %lld x (%lld + %lld) + o %lld x %lld",
         query, LL(d), LL(c->kv_lora_rank), LL(c->qk_rope_head_dim), LL(c->kv_lora_rank), LL(heads),
         LL(c->qk_nope_head_dim), LL(c->v_head_dim), LL(heads * c->v_head_dim), LL(d));
}

static void work_parameters(report *r) {
    const fm_config *c = r->c;
    const fm_parameters *p = &r->p;
    const int64_t d = c->hidden_size;
    work(r, "embedding", (double)p->embedding, "%lld x %lld", LL(c->vocab_size), LL(d));
    if (p->head) work(r, "head", (double)p->head, "%lld x %lld", LL(c->vocab_size), LL(d));
    else work(r, "head", 0, "the embedding serves as the head");
    work_attention(r);
    if (p->dense_layers)
        work(r, "dense feed-forward, one layer", (double)p->dense_ffn, "3 x %lld x %lld", LL(d),
             LL(c->intermediate_size));
    if (p->moe_layers) {
        work(r, "one expert", (double)p->expert, "3 x %lld x %lld", LL(d),
             LL(c->moe_intermediate_size));
        work(r, "experts, one MoE layer",
             (double)(c->n_routed_experts * p->expert + p->shared_expert + p->gate),
             "(%lld routed + %lld shared) x %lld + gate %lld", LL(c->n_routed_experts),
             LL(c->n_shared_experts), LL(p->expert), LL(p->gate));
        work(r, "experts used by a token, one MoE layer",
             (double)(c->num_experts_per_tok * p->expert + p->shared_expert + p->gate),
             "(%lld routed + %lld shared) x %lld + gate %lld", LL(c->num_experts_per_tok),
             LL(c->n_shared_experts), LL(p->expert), LL(p->gate));
    }
    work(r, "parameters", (double)p->total,
         "%lld + %lld + %lld layers x (attention %lld + norms %lld) + %lld dense x %lld + %lld MoE x "
         "%lld + final norm %lld", LL(p->embedding), LL(p->head), LL(c->num_hidden_layers),
         LL(p->attention), LL(p->layer_norms), LL(p->dense_layers), LL(p->dense_ffn),
         LL(p->moe_layers), LL(c->n_routed_experts * p->expert + p->shared_expert + p->gate),
         LL(p->final_norm));
    work(r, "active parameters", (double)p->active,
         p->moe_layers ? "%lld - %lld MoE x (%lld - %lld) experts that sleep x %lld"
                       : "%lld: every token uses every weight",
         LL(p->total), LL(p->moe_layers), LL(c->n_routed_experts), LL(c->num_experts_per_tok),
         LL(p->expert));
    work(r, "active parameters without the embedding", (double)p->active_without_embedding,
         p->head ? "%lld - %lld: a token reads one row of the embedding"
                 : "the embedding counts as the head: %lld",
         LL(p->active), LL(p->embedding));
    if (p->mtp)
        work(r, "multi-token prediction", (double)p->mtp,
             "%lld x (layer %lld + joint projection 2 x %lld x %lld + 3 norms %lld); embedding and "
             "head are the main model's", LL(c->num_nextn_predict_layers),
             LL(p->mtp / c->num_nextn_predict_layers - 2 * d * d - 3 * d), LL(d), LL(d), LL(3 * d));
}

static void put_parameters(report *r) {
    const fm_parameters *p = &r->p;
    fm_json_writer *w = &r->json;
    fm_json_open(w, "parameters", '{');
    fm_json_put_integer(w, "total", p->total);
    fm_json_put_integer(w, "active", p->active);
    fm_json_put_integer(w, "active_without_embedding", p->active_without_embedding);
    fm_json_put_integer(w, "embedding", p->embedding);
    fm_json_put_integer(w, "head", p->head);
    fm_json_put_integer(w, "attention", r->c->num_hidden_layers * p->attention);
    fm_json_put_integer(w, "dense_ffn", p->dense_layers * p->dense_ffn);
    fm_json_put_integer(w, "routed_experts", p->moe_layers * r->c->n_routed_experts * p->expert);
    fm_json_put_integer(w, "shared_experts", p->moe_layers * p->shared_expert);
    fm_json_put_integer(w, "gates", p->moe_layers * p->gate);
    fm_json_put_integer(w, "norms", r->c->num_hidden_layers * p->layer_norms + p->final_norm);
    fm_json_put_integer(w, "mtp", p->mtp);
    fm_json_put_integer(w, "mtp_active", p->mtp_active);
    fm_json_put_integer(w, "stored", p->stored);
    fm_json_close(w, '}');
    work_parameters(r);
}

/* ---- arithmetic ------------------------------------------------------------------------------*/

static void put_flops(report *r, int64_t context) {
    const fm_config *c = r->c;
    double weights = 2 * (double)r->p.products;
    double attention = 2 * fm_config_attention_macs(c, (double)context, false);
    fm_json_open(&r->json, "flops_per_token", '{');
    fm_json_put_real(&r->json, "weights", weights);
    fm_json_put_integer(&r->json, "context", context);
    fm_json_put_real(&r->json, "attention", attention);
    fm_json_put_real(&r->json, "total", weights + attention);
    if (c->mla)
        fm_json_put_real(&r->json, "attention_absorbed",
                         2 * fm_config_attention_macs(c, (double)context, true));
    fm_json_close(&r->json, '}');
    work(r, "forward FLOPs of a token, weights", weights,
         "2 x %lld multiply-adds (active matrices, embedding not multiplied)", LL(r->p.products));
    work(r, "forward FLOPs of a token, attention", attention,
         "2 x %lld layers x %lld heads x (%lld + %lld) x %lld positions", LL(c->num_hidden_layers),
         LL(c->num_attention_heads), LL(c->head_dim), LL(c->mla ? c->v_head_dim : c->head_dim),
         LL(context));
    if (c->mla)
        work(r, "the same in the absorbed form", 2 * fm_config_attention_macs(c, (double)context, true),
             "2 x %lld layers x %lld heads x (%lld + %lld + %lld) x %lld positions",
             LL(c->num_hidden_layers), LL(c->num_attention_heads), LL(c->kv_lora_rank),
             LL(c->qk_rope_head_dim), LL(c->kv_lora_rank), LL(context));
}

/* Of a token in an int8 cache as the engine lays it out; 0: not for this shape. */
static int64_t int8_cache_bytes(const fm_config *c) {
    const int64_t width = fm_config_cache_width(c), block = fm_config_cache_block(c);
    if (block < FM_KV_LEAST_BLOCK) return 0;
    return c->num_hidden_layers * (int64_t)fm_kv_row_bytes(FM_KV_INT8, width, block);
}

static void put_cache(report *r, int64_t context) {
    const fm_config *c = r->c;
    const int64_t width = fm_config_cache_width(c), plain = fm_config_plain_cache_width(c);
    const int64_t elements = c->num_hidden_layers * width;
    const int64_t bytes = CACHE_BYTES * elements, int8 = int8_cache_bytes(c);
    const int64_t plain_bytes = CACHE_BYTES * c->num_hidden_layers * plain;
    fm_json_writer *w = &r->json;
    fm_json_open(w, "cache", '{');
    fm_json_put_integer(w, "bytes_per_element", CACHE_BYTES);
    fm_json_put_integer(w, "elements_per_token", elements);
    fm_json_put_integer(w, "bytes_per_token", bytes);
    if (int8)
        fm_json_put_integer(w, "int8_bytes_per_token", int8);
    else
        fm_json_put_text(w, "int8_bytes_per_token", NULL);
    fm_json_put_integer(w, "plain_bytes_per_token", plain_bytes);
    fm_json_put_real(w, "times_smaller", (double)plain_bytes / (double)bytes);
    fm_json_put_integer(w, "context", context);
    fm_json_put_integer(w, "bytes", bytes * context);
    fm_json_put_integer(w, "plain_bytes", plain_bytes * context);
    fm_json_close(w, '}');
    if (c->mla)
        work(r, "cache of a token, elements", (double)elements, "%lld layers x (%lld + %lld)",
             LL(c->num_hidden_layers), LL(c->kv_lora_rank), LL(c->qk_rope_head_dim));
    else
        work(r, "cache of a token, elements", (double)elements, "%lld layers x 2 x %lld heads x %lld",
             LL(c->num_hidden_layers), LL(c->num_key_value_heads), LL(c->head_dim));
    work(r, "cache of a token, bytes", (double)bytes, "%d x %lld", CACHE_BYTES, LL(elements));
    if (int8)
        work(r, "the same in an int8 cache, bytes", (double)int8,
             "%lld layers x (%lld + 4 x %lld scales, in whole 64)", LL(c->num_hidden_layers), LL(width),
             LL(width / fm_config_cache_block(c)));
    work(r, "plain multi-head attention would keep, bytes", (double)plain_bytes,
         "%d x %lld layers x %lld heads x (%lld + %lld)", CACHE_BYTES, LL(c->num_hidden_layers),
         LL(c->num_attention_heads), LL(c->head_dim), LL(c->mla ? c->v_head_dim : c->head_dim));
    work(r, "cache of a context, bytes", (double)(bytes * context), "%lld x %lld positions",
         LL(bytes), LL(context));
}

/* ---- training --------------------------------------------------------------------------------*/

/* Attention of a training sequence, at its mean position; the MTP module trains along. */
static double training_attention_macs(const fm_config *c) {
    double length = fmin(TRAIN_CONTEXT, (double)c->max_position_embeddings);
    double main = fm_config_attention_macs(c, (length + 1) / 2, false);
    return main * (1 + (double)c->num_nextn_predict_layers / (double)c->num_hidden_layers);
}

/* Forward, and twice as much backward: for the inputs and for the weights. */
static double training_flops(const fm_config *c, const fm_parameters *p) {
    return 6 * ((double)(p->products + p->mtp_products) + training_attention_macs(c));
}

static double rate_of(report *r, const fm_cost_options *o, bool known, double flops) {
    if (o->gpu_hours_per_trillion > 0) {
        work(r, "GPU hours per 10^12 tokens", o->gpu_hours_per_trillion, "as given");
        return o->gpu_hours_per_trillion;
    }
    if (known) {
        work(r, "GPU hours per 10^12 tokens", v3_report.hours_per_trillion,
             "the V3 report's figure for H800: 3.7 days of %d GPUs", REPORT_GPUS);
        return v3_report.hours_per_trillion;
    }
    fm_parameters v3 = fm_config_parameters(&v3_shape);
    double v3_flops = training_flops(&v3_shape, &v3);
    double rate = v3_report.hours_per_trillion * flops / v3_flops;
    work(r, "GPU hours per 10^12 tokens", rate,
         "V3's %.0f, by arithmetic: x %.4g / %.4g FLOPs a token", v3_report.hours_per_trillion, flops,
         v3_flops);
    return rate;
}

static void put_training(report *r, const fm_cost_options *o) {
    const bool known = is_v3_shape(r->c);
    double tokens = o->train_tokens > 0 ? o->train_tokens : known ? v3_report.tokens : 0;
    if (tokens == 0) {
        fm_json_put_text(&r->json, "training", NULL);
        fm_json_put_text(&r->json, "training_note",
                         "No published figures belong to this shape; state the number of training "
                         "tokens (and GPU hours per 10^12 tokens) to have its training priced.");
        return;
    }
    double flops = training_flops(r->c, &r->p);
    work(r, "training FLOPs of a token", flops,
         "3 x 2 x (weights %lld + multi-token prediction %lld + attention %.0f at the mean position "
         "of sequences of %d)", LL(r->p.products), LL(r->p.mtp_products),
         training_attention_macs(r->c), TRAIN_CONTEXT);
    work(r, "training FLOPs", flops * tokens, "%.4g x %.4g tokens", flops, tokens);
    double rate = rate_of(r, o, known, flops);
    double pre = tokens / 1e12 * rate;
    double extension = o->extension_gpu_hours >= 0 ? o->extension_gpu_hours
                       : known                     ? v3_report.extension_hours
                                                   : 0;
    double post = o->post_training_gpu_hours >= 0 ? o->post_training_gpu_hours
                  : known                         ? v3_report.post_training_hours
                                                  : 0;
    double hours = pre + extension + post;
    double price = o->dollars_per_gpu_hour > 0 ? o->dollars_per_gpu_hour : 2;
    work(r, "pre-training GPU hours", pre, "%.15g x 10^12 tokens x %.15g", tokens / 1e12, rate);
    work(r, "GPU hours", hours, "%.15g + context extension %.15g + post-training %.15g", pre,
         extension, post);
    work(r, "dollars", hours * price, "%.15g hours x $%.15g", hours, price);
    work(r, "FLOPs per second and GPU while pre-training", flops * tokens / (pre * 3600),
         "%.4g FLOPs / (%.15g hours x 3600)", flops * tokens, pre);

    fm_json_writer *w = &r->json;
    fm_json_open(w, "training", '{');
    fm_json_put_text(w, "source", known ? "figures of the DeepSeek-V3 report where none were given"
                                        : "tokens as given");
    fm_json_put_real(w, "tokens", tokens);
    fm_json_put_real(w, "flops_per_token", flops);
    fm_json_put_real(w, "flops", flops * tokens);
    fm_json_put_real(w, "gpu_hours_per_trillion_tokens", rate);
    fm_json_put_real(w, "pre_training_gpu_hours", pre);
    fm_json_put_real(w, "context_extension_gpu_hours", extension);
    fm_json_put_real(w, "post_training_gpu_hours", post);
    fm_json_put_real(w, "gpu_hours", hours);
    fm_json_put_real(w, "dollars_per_gpu_hour", price);
    fm_json_put_real(w, "pre_training_dollars", pre * price);
    fm_json_put_real(w, "context_extension_dollars", extension * price);
    fm_json_put_real(w, "post_training_dollars", post * price);
    fm_json_put_real(w, "dollars", hours * price);
    fm_json_close(w, '}');
}

/* ---- the document ----------------------------------------------------------------------------*/

static fm_status check_options(const fm_cost_options *o, const fm_config *c, fm_error *err) {
    const double given[] = {o->train_tokens, o->gpu_hours_per_trillion, o->extension_gpu_hours,
                            o->post_training_gpu_hours, o->dollars_per_gpu_hour};
    for (size_t i = 0; i < FM_COUNT(given); i++)
        if (!isfinite(given[i]) || given[i] > 1e24)
            return fm_fail(err, FM_ERR_ARGUMENT, "%g is no amount of tokens, hours or dollars",
                           given[i]);
    if (o->context < 0 || o->context > c->max_position_embeddings)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "a context of %lld is outside what the model has, 1 to %lld", LL(o->context),
                       LL(c->max_position_embeddings));
    return FM_OK;
}

fm_status fm_cost_report(const fm_config *config, const fm_cost_options *options, fm_buffer *json,
                         fm_error *err) {
    fm_cost_options o = options ? *options : fm_cost_defaults();
    FM_TRY(check_options(&o, config, err));
    int64_t context = o.context ? o.context : config->max_position_embeddings;
    report r = {.c = config, .p = fm_config_parameters(config), .json = {.out = json}};
    r.working = (fm_json_writer){.out = &r.working_text, .depth = 1};

    fm_json_open(&r.json, NULL, '{');
    fm_json_open(&r.json, "model", '{');
    fm_json_put_text(&r.json, "architecture", config->arch->name);
    fm_json_put_integer(&r.json, "layers", config->num_hidden_layers);
    fm_json_put_integer(&r.json, "hidden_size", config->hidden_size);
    fm_json_put_integer(&r.json, "vocabulary", config->vocab_size);
    fm_json_put_integer(&r.json, "context", config->max_position_embeddings);
    fm_json_close(&r.json, '}');
    fm_json_open(&r.working, "working", '[');
    put_parameters(&r);
    put_flops(&r, context);
    put_cache(&r, context);
    put_training(&r, &o);
    fm_json_close(&r.working, ']');
    fm_buffer_text(json, ",");
    fm_buffer_put(json, r.working_text.data, r.working_text.size);
    fm_json_close(&r.json, '}');
    if (r.working_text.failed) json->failed = true;
    fm_buffer_clear(&r.working_text);
    return fm_buffer_status(json, err);
}
