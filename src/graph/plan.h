/* plan.h: a computation written down once and run many times.
 *
 * An architecture records a plan through the functions of op/: each adds a node and returns the
 * value it makes. Afterwards fm_plan_place gives every value its place in one arena, whose size is
 * known before it is taken, and fm_plan_run executes the nodes in order over a step. A plan knows
 * its capacity in rows and whether anybody learns. An inference plan reuses buffers as soon as their
 * last reader is done. A learning plan is also walked backwards (fm_plan_learn): it keeps a value until
 * the last gradient that is made from it, and places gradients beside the values, in the same arena.
 *
 * The plan owns its nodes and values; weights belong to the model. Recording functions do not fail:
 * running out of memory marks the plan, and fm_plan_place says so. */
#pragma once

#include "base/arena.h"
#include "base/pool.h"
#include "graph/step.h"

struct fm_kernels;
struct fm_sampler;
typedef struct fm_plan fm_plan;
typedef struct fm_node fm_node;
typedef int32_t fm_value; /* index of a value in its plan; -1: none */

/* Which rows a value has one entry for. */
typedef enum fm_row_space {
    FM_ROWS_TOKENS,  /* the rows of the step */
    FM_ROWS_OUTPUTS, /* the rows whose logits are wanted */
    FM_ROWS_ROUTED,  /* (token, chosen expert) pairs: n_rows * experts per token */
    FM_ROWS_SPACES
} fm_row_space;

/* What products of matrices multiply the weights with. */
typedef enum fm_activations {
    FM_ACTIVATIONS_F32,  /* the numbers themselves: kernel/panel.h */
    FM_ACTIVATIONS_INT8, /* rounded to bytes, 32 to a scale, where the weight has codes: kernel/codes.h */
    FM_ACTIVATIONS_INT16, /* twice, the second time what the first left: kernel/codes.h */
    FM_ACTIVATIONS_BF16, /* rounded to BF16 where the weight is: kernel/words.h; in a
                           plan that learns, otherwise as F32 */
} fm_activations;
const char *fm_activations_name(fm_activations activations); /* "f32", "int8", "int16", "bf16" */

typedef struct fm_plan_options {
    int64_t rows;        /* capacity: rows of the largest step */
    int64_t outputs;     /* capacity: rows with logits */
    int64_t routed;      /* largest number of experts per token; 0 without experts */
    bool learns;
    fm_activations activations;
    const struct fm_kernels *kernels;
    fm_pool *pool;
} fm_plan_options;

/* What an op gets to run with. */
typedef struct fm_run {
    fm_plan *plan;
    const fm_step *step;
    const struct fm_kernels *kernels;
    fm_pool *pool;
    bool learns;    /* this run goes backwards afterwards */
    fm_error *err;
} fm_run;

/* Which values an op's backward entries read, for fm_op.backward_reads. */
#define FM_READS_INPUT(i) (1u << (i))
#define FM_READS_OUTPUT(i) (1u << (8 + (i)))

/* An op: everything about one operation is in one file of op/ and reached from here.
 * forward computes the outputs; backward_input adds to the gradients of the inputs (for every
 * weight dtype, so that adapters work on quantised weights); backward_weight adds to the gradients
 * of float weights and is separate, so that a schedule may move it, but never behind backward_input, which may go on
 * from what it has left in the op's own values (op/experts.c). Both find the gradients of values by
 * fm_plan_grad, which is NULL for an output that nobody learnt from and an input that nobody learns for.
 * A learning plan refuses a node without backward_input, but for sources (no inputs) and constants. */
typedef struct fm_op {
    const char *name;
    fm_status (*forward)(const fm_run *run, const fm_node *node);
    fm_status (*backward_input)(const fm_run *run, const fm_node *node);
    fm_status (*backward_weight)(const fm_run *run, const fm_node *node);
    /* Whether a weight of this node has a gradient to fill; NULL: it has no weights. */
    bool (*learns)(const fm_node *node);
    uint32_t backward_reads; /* the values that the backward entries read: all others may be gone */
    uint32_t backward_sets;  /* FM_READS_INPUT(i): where fm_plan_grad_is_new says so, the gradient of input i
                                is set and not added to, so that nobody has to clear it first */
    /* 1 + i: the gradient of input i is the result's, and what others add: it may take over its place
     * (both pointers are then the same, and there is nothing to do, or it is turned in place). */
    int hands_on;
    bool is_loss;            /* gradients begin here */
    bool is_constant;        /* gradients end here: angles, a copy to look at */
    /* Bytes of scratch that each worker needs to run this node; NULL: none. */
    size_t (*scratch)(const fm_plan *plan, const fm_node *node);
    /* Bytes of weights that this run of the node has read, for profiles; NULL: few or none. */
    double (*reads)(const fm_run *run, const fm_node *node);
    /* Where a worker begins to read the node's weights, for who waits for it (fm_plan_fetch_next); NULL:
     * not known before the node runs. */
    const void *(*begins)(const fm_node *node, int worker, int threads);
    /* Records the op over random inputs, for checks that find ops by their list (op/op_sample.h): variant 0, 1, ...,
     * and returns what its gradients shall be checked through; -1: no such variant. */
    fm_value (*sample)(fm_plan *plan, const struct fm_sampler *sampler, int variant);
} fm_op;

enum { FM_NODE_INPUTS = 4, FM_NODE_OUTPUTS = 6 };

struct fm_node {
    const fm_op *op;
    int n_inputs, n_outputs;
    fm_value inputs[FM_NODE_INPUTS];
    fm_value outputs[FM_NODE_OUTPUTS]; /* the result first, then what only this node uses */
    const void *params;                /* the op's own struct, owned by the plan */
    bool again;                        /* in a learning plan: computed again when gradients need it, not kept */
};

fm_status fm_plan_new(const fm_plan_options *options, fm_plan **out, fm_error *err);
void fm_plan_free(fm_plan *plan);
const fm_plan_options *fm_plan_options_of(const fm_plan *plan);

/* ---- recording (for op/) --------------------------------------------------------------------- */

/* A new value of `row_bytes` per row of `space`, plus `fixed_bytes` once. */
fm_value fm_plan_value(fm_plan *plan, fm_row_space space, size_t row_bytes, size_t fixed_bytes);
/* A new value in the storage of `v`: an op that works in place. In a learning plan it is a value of
 * its own where gradients read `v`, and the op copies first. Nothing else may read `v` after the node that
 * makes the alias. */
fm_value fm_plan_alias(fm_plan *plan, fm_value v);
/* Appends a node; `params` is copied. Inputs and outputs end with -1. */
const fm_node *fm_plan_node(fm_plan *plan, const fm_op *op, const fm_value *inputs,
                            const fm_value *outputs, const void *params, size_t params_size);
/* Columns of the gradient of a value that is not all floats (routing: its weights'). */
void fm_plan_gradient_columns(fm_plan *plan, fm_value v, int64_t columns);
/* In a learning plan: the node that makes v is run again when gradients need what it makes, instead of
 * keeping it. Its forward must give the same again. */
void fm_plan_recompute(fm_plan *plan, fm_value v);
/* Keeps the value until the end of the run, under a name that callers can ask for. */
void fm_plan_keep(fm_plan *plan, fm_value v, const char *name);
/* What a node of `op` has made of v, so that it is made once for all who read it; -1: nothing yet. */
fm_value fm_plan_made_from(const fm_plan *plan, const fm_op *op, fm_value v);
/* Columns of a float value: row_bytes / 4. */
int64_t fm_plan_columns(const fm_plan *plan, fm_value v);
fm_row_space fm_plan_space(const fm_plan *plan, fm_value v);

/* ---- placing and running ---------------------------------------------------------------------- */

/* Gives every value its place. *bytes receives the size of the arena with all scratch. In a learning
 * plan the weights that are to learn already have their gradients (fm_weight.grad): what none of them
 * is upstream of gets none. */
fm_status fm_plan_place(fm_plan *plan, size_t *bytes, fm_error *err);
/* Takes the arena: the only allocation. */
fm_status fm_plan_allocate(fm_plan *plan, fm_error *err);
fm_status fm_plan_run(fm_plan *plan, const fm_step *step, fm_error *err);
/* Forward, then backward: adds the gradients of the step's losses (step->lesson) to those of the weights.
 * A learning plan only. */
fm_status fm_plan_learn(fm_plan *plan, const fm_step *step, fm_error *err);

/* The gradient of a value, while gradients need it: rows as the value, fm_plan_gradient_columns or all
 * columns of floats; NULL where nothing flows. */
float *fm_plan_grad(const fm_plan *plan, fm_value v);
/* Whether this node is the first to reach the gradient of its input i, see fm_op.backward_sets. */
bool fm_plan_grad_is_new(const fm_plan *plan, const fm_node *node, int i);

/* For an op that had to wait for weights to be brought from elsewhere: a run does so once, and the next of
 * the same size does not. fm_plan_waited is the sum since the plan was made. */
void fm_plan_wait(fm_plan *plan, double seconds);
double fm_plan_waited(const fm_plan *plan);

/* For an op about to begin its last loop: tells the waiting where the next node with weights will begin,
 * the first node's following the last's. */
void fm_plan_fetch_next(const fm_run *run, const fm_node *node);

/* ---- where the time goes --------------------------------------------------------------------- */

/* Nodes of one op with inputs and outputs of one width, all together. */
typedef struct fm_profile_line {
    const char *op;
    bool backward;                   /* its gradients, with what was computed again for them */
    int64_t columns_in, columns_out; /* of the first input and of the result; 0: none */
    int64_t calls;
    double seconds, bytes;           /* bytes of weights */
} fm_profile_line;

/* From now on every node is timed; what was counted before is forgotten. */
fm_status fm_plan_profile(fm_plan *plan, fm_error *err);
/* What was counted, longest first; at most `capacity` lines, and how many there are. */
size_t fm_plan_profile_lines(const fm_plan *plan, fm_profile_line *out, size_t capacity);

/* Data of a value during its life (kept values: until the next run). */
void *fm_plan_data(const fm_plan *plan, fm_value v);
static inline float *fm_plan_floats(const fm_plan *plan, fm_value v) { return fm_plan_data(plan, v); }
/* Rows of a value's space in this step. */
int64_t fm_plan_rows(const fm_plan *plan, const fm_step *step, fm_value v);
/* Scratch of a worker, as large as the op's `scratch` said; 64-byte aligned. */
void *fm_plan_scratch(const fm_plan *plan, int worker);
/* A kept value by name; -1 if there is none. */
fm_value fm_plan_find(const fm_plan *plan, const char *name);

/* The plan as text: one line per node with values, shapes and places. */
struct fm_buffer;
void fm_plan_dump(const fm_plan *plan, struct fm_buffer *out);
