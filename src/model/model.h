/* model.h: a model: its configuration, its weights by role, and how they are recorded into a plan.
 *
 * Opening goes in three steps, so that the memory it takes is known and said before it is taken:
 * fm_model_bind finds every weight in the store and checks its shape (views only), fm_model_memory
 * adds up what packing will need, fm_model_load packs. Between the first two fm_model_use_panels (panels.h)
 * may have it map a file instead. A bound model is immutable after loading and
 * may be recorded and run by several engines at once. */
#pragma once

#include "base/arena.h"
#include "base/pool.h"
#include "format/store.h"
#include "graph/plan.h"
#include "model/arch/arch.h"
#include "model/config.h"
#include "model/names.h"
#include "op/experts.h"
#include "op/gate.h"
#include "op/squares.h"
#include "pack/pack.h"

/* A weight that a model does not have (a bias, a norm) has a NULL name. */
static inline bool fm_weight_present(const fm_weight *w) { return w->name != NULL; }
static inline const fm_weight *fm_weight_or_null(const fm_weight *w) { return w->name ? w : NULL; }

typedef struct fm_gqa_weights {
    fm_weight q, k, v;                /* [H*d, D], [Hkv*d, D], [Hkv*d, D] */
    fm_weight q_bias, k_bias, v_bias; /* Qwen2 */
    fm_weight q_norm, k_norm;         /* Qwen3: [d] */
} fm_gqa_weights;

typedef struct fm_mla_weights {
    fm_weight q;                      /* [H*(dn+dr), D] where q_lora_rank is 0 */
    fm_weight q_a, q_a_norm, q_b;     /* [rq, D], [rq], [H*(dn+dr), rq] otherwise */
    fm_weight kv_a, kv_a_norm;        /* [r+dr, D], [r] */
    fm_weight *uk;                    /* H of [dn, r]; of [r, dn] where the file has W_UK transposed */
    bool uk_transposed;
    fm_weight *uv;                    /* H of [dv, r] */
} fm_mla_weights;

typedef struct fm_moe_weights {
    fm_weight router;                 /* [E, D] */
    fm_weight router_bias;            /* [E], noaux_tc */
    fm_weight *gate, *up, *down;      /* E each: [F, D], [F, D], [D, F] */
    fm_expert_provider provider;      /* over the three arrays */
    struct fm_lazy_layer *lazy;       /* packs experts when they are chosen; NULL: all are packed */
} fm_moe_weights;

typedef struct fm_ffn_weights {
    fm_weight gate, up, down;         /* dense, or the shared experts as one */
} fm_ffn_weights;

struct fm_layer {
    fm_weight attention_norm, ffn_norm; /* [D] */
    fm_gqa_weights gqa;
    fm_mla_weights mla;
    fm_weight o;                      /* [D, H*dv] */
    bool is_moe;
    fm_ffn_weights ffn;               /* dense layers: all of it; MoE layers: the shared experts */
    fm_moe_weights moe;
};

/* Module d foretells the token d places behind the next one. */
typedef struct fm_mtp_weights {
    fm_weight embed, head;            /* copies of the main model's, or the main model's own */
    fm_weight enorm, hnorm, norm;     /* [D] */
    fm_weight eh_proj;                /* [D, 2D] */
    fm_layer layer;
} fm_mtp_weights;

typedef enum fm_arith { FM_EXACT, FM_FAST } fm_arith;

typedef struct fm_model_options {
    fm_arith arith;  /* fast: weights for both forms of MLA */
    bool pack;       /* false: use the file's rows in place */
    int mtp;         /* multi-token-prediction modules to bind, at most: guesses read 1, learning all of them */
    bool lazy;       /* pack routed experts when a step first chooses them, not while loading */
    /* The expanded form of MLA (block/mla.c) where it is cheaper: for who learns from given texts. Who learns from
     * the model's own replies keeps the form that made them. */
    bool expand_latents;
} fm_model_options;

struct fm_model {
    fm_config config;
    fm_model_options options;
    const fm_store *store;            /* borrowed; outlives the model */
    fm_gate gate;                     /* of all MoE layers */
    double *rope_frequencies;         /* [rotary dims / 2] */
    double rope_factor;               /* on cos and sin */

    fm_weight embed, final_norm, head;
    fm_layer *layers;                 /* num_hidden_layers */
    fm_mtp_weights *mtp;              /* [n_mtp], a chain; NULL: none */
    int n_mtp;

    fm_arena arena;                   /* names, vectors, arrays of weights */
    void *packed;                     /* all packed and derived matrices, once loaded ... */
    struct fm_lazy *lazy;             /* ... but those that are packed when they are chosen; NULL: none */
    struct fm_panel_file *panels;     /* mapped instead of packed (panels.h); NULL: none */
    uint64_t mapped_bytes;            /* of it, that this model uses */
    struct fm_binding *bindings;      /* every matrix with the entry it came from; in any order */
    size_t n_bindings, bindings_capacity;
    uint64_t adapted;                 /* a number for the adapters that are on (adapters.h); 0: none */
    uint64_t parameters;              /* elements of all bound weights (a tied head counts once, the
                                         MTP module not at all, as in the papers' counts) */
    uint64_t sampled;                 /* sum over samples of weights, see fm_model_fingerprint */
    bool sampled_all;                 /* the matrices too: loading them went past their bytes anyway */
    double load_seconds;              /* what loading took */
    uint64_t load_bytes;              /* of the file, read and packed while loading */
};

/* `store` must stay open as long as the model. */
fm_status fm_model_bind(const fm_store *store, const fm_model_options *options, fm_model **out,
                        fm_error *err);
void fm_model_free(fm_model *model);

/* Tells loaded models apart: a number from the configuration, the names, types and shapes of the
 * tensors, all vectors and a sample of every matrix (a few bytes of three rows), not from where the
 * files lie or how they are cut. The same with and without packing; without, every call touches up to
 * three pages of the file for each matrix. Bound otherwise (arithmetic, MTP), it may be another. */
uint64_t fm_model_fingerprint(const fm_model *model);
/* The same without the adapters that are on. */
uint64_t fm_model_base_fingerprint(const fm_model *model);

/* Bytes that loading will take: packed copies and derived ones. Of these, those of a lazy model's experts
 * are only touched as they are packed. Mapped panels are no part of it: the system may let go of them. */
uint64_t fm_model_memory(const fm_model *model);
uint64_t fm_model_memory_later(const fm_model *model);

/* Packs every matrix but a lazy model's experts, in the order of the file, on all threads of the pool; the
 * bits do not depend on how many. `progress` may be NULL; returning false cancels (FM_ERR_CANCELLED). A
 * file that has become shorter and a disk that fails are FM_ERR_IO. Where file and copies do not fit into
 * memory together, the system is told to let go of the file behind the reader. After a failure the model
 * can only be freed. */
fm_status fm_model_load(fm_model *model, fm_pool *pool,
                        bool (*progress)(void *context, double fraction), void *context,
                        fm_error *err);

/* What a lazy model has packed since it was loaded, or brought into memory of its mapped panels; zeros for any
 * other. Any thread may ask. */
typedef struct fm_later {
    uint64_t experts, experts_total; /* whole experts of a layer, and how many there are */
    uint64_t bytes;                  /* of the file, read and packed, or of panels */
    double seconds;                  /* that steps waited for it */
} fm_later;
fm_later fm_model_later(const fm_model *model);

int64_t fm_model_rotary_dims(const fm_config *config);

/* ---- recording --------------------------------------------------------------------------------*/

/* Asked while a plan is recorded, for every input of a weight: where to add it up. `parts`: heads or
 * experts with inputs of their own. NULL: not wanted. Of weights with one input the first is named: Q for
 * Q, K and V; Q_A or Q for KV_A; GATE for UP. */
typedef struct fm_watcher {
    fm_tally *(*tally)(void *context, fm_role role, int64_t layer, int64_t parts, int64_t columns);
    void *context;
} fm_watcher;

typedef struct fm_record_options {
    bool hidden;  /* keep "hidden.N": N = 0 the embedding, N = l + 1 after layer l; and "final" */
    bool experts; /* keep "routing.N" of every MoE layer N */
    bool states;  /* keep "states" [rows, D]: the state after the last norm of every row */
    const fm_watcher *watcher; /* adds up what goes into the weights; NULL: nobody does */
    bool taught;  /* plans that learn: a teacher's predictions too (step->lesson->teaching, op.h: fm_distil) */
    bool recompute; /* plans that learn: norms and silu(gate) * up are made again on the way back, not kept */
} fm_record_options;

/* Kept values of a recorded plan: "logits" [outputs, V] and "final" [outputs, D], the state after
 * the last norm. */
fm_status fm_model_record(const fm_model *model, const fm_record_options *options, fm_plan *plan,
                          fm_error *err);
/* The MTP module over rows of (next token's id, main model's final state): "mtp.logits",
 * "mtp.final" [outputs, D] after the module's norm, "mtp.hidden" if asked for (all rows), routing as
 * above. Its cache is a layer of its own: layer L of a cache that has num_hidden_layers + 1. */
fm_status fm_model_record_mtp(const fm_model *model, const fm_record_options *options,
                              fm_plan *plan, fm_error *err);
/* Model and losses, in a plan that learns: every row predicts the token behind it, and the first `modules` of
 * multi-token prediction those after that: module d from the state that its forerunner (the model, module d - 1)
 * gives its head, and the token d places behind the row (DeepSeek-V3, section 2.2; the lesson of the step says
 * which). Kept: "nll.0", "nll.1", .. [rows], -log p of rows that have a weight, or, where it is taught, for the first
 * "loss.0" [rows] and "facts.0" [rows, 2], see fm_distil; of every MoE layer N "routing.N", and "balance.N", whose
 * first double is its loss of balance. Module d is layer num_hidden_layers + d - 1. */
fm_status fm_model_record_learning(const fm_model *model, const fm_record_options *options, int modules,
                                   fm_plan *plan, fm_error *err);
/* A model that teaches, in a plan that does not learn: kept are "likeliest.ids" [rows, top] and "likeliest.shares"
 * [rows, top + 1], see fm_likeliest (op.h). */
fm_status fm_model_record_teaching(const fm_model *model, int64_t top, int64_t vocabulary, double temperature,
                                   fm_plan *plan, fm_error *err);
/* Bytes of a layer's keys and values for FM_ATTENTION_BLOCK positions, as fast arithmetic makes them of latents
 * (op/mla_unfold.h); 0 where it has nothing to make. */
size_t fm_model_unfolded_bytes(const fm_model *model);
/* The cache this model needs: see step.h. FM_ERR_UNSUPPORTED for INT8 where the parts of a row do
 * not divide into blocks. */
fm_status fm_model_kv_shape(const fm_model *model, fm_kv_type type, fm_kv_shape *out,
                            fm_error *err);
