#include "train/trainee.h"

#include "model/weights.h"
#include "pack/master.h"

#include <string.h>

/* Where a tensor of the list comes from. */
typedef struct origin {
    fm_role role;            /* FM_ROLES: an adapter's */
    const fm_tensor *source; /* NULL: its value is in its place already, as vectors' and adapters' are */
} origin;

/* A weight of the model, and the tensor it points into. */
typedef struct part {
    fm_weight *w;
    size_t tensor;
} part;

struct fm_trainee {
    fm_model *model;
    fm_trainee_options options;
    fm_learned_list list;
    origin *origins;
    part *parts;
    size_t n_parts, capacity;
    part *matrices;        /* that products read */
    fm_weight **products;  /* their weights */
    size_t n_matrices;
    float *values, *grads; /* all masters but the vectors', all gradients */
    char *copies;
};

static bool is_vector(fm_role role) {
    switch (role) {
    case FM_ROLE_ATTENTION_NORM: case FM_ROLE_FFN_NORM: case FM_ROLE_FINAL_NORM: case FM_ROLE_Q_NORM:
    case FM_ROLE_K_NORM: case FM_ROLE_Q_A_NORM: case FM_ROLE_KV_A_NORM: case FM_ROLE_MTP_ENORM:
    case FM_ROLE_MTP_HNORM: case FM_ROLE_MTP_NORM: case FM_ROLE_Q_BIAS: case FM_ROLE_K_BIAS:
    case FM_ROLE_V_BIAS: case FM_ROLE_ROUTER_BIAS:
        return true;
    default:
        return false;
    }
}

static fm_learned_kind kind_of(fm_role role) {
    switch (role) {
    case FM_ROLE_EMBED: return FM_LEARNED_EMBEDDING;
    case FM_ROLE_HEAD: return FM_LEARNED_HEAD;
    case FM_ROLE_ROUTER: return FM_LEARNED_ROUTER;
    case FM_ROLE_EXPERT_GATE: case FM_ROLE_EXPERT_UP: case FM_ROLE_EXPERT_DOWN: return FM_LEARNED_EXPERT;
    case FM_ROLE_Q_BIAS: case FM_ROLE_K_BIAS: case FM_ROLE_V_BIAS: case FM_ROLE_ROUTER_BIAS:
        return FM_LEARNED_BIAS;
    default: return is_vector(role) ? FM_LEARNED_NORM : FM_LEARNED_MATRIX;
    }
}

/* The main model's are read instead. */
static bool is_copy(fm_role role) { return role == FM_ROLE_MTP_EMBED || role == FM_ROLE_MTP_HEAD; }

/* ---- the list ------------------------------------------------------------------------------------- */

/* The tensor of this name; list.n: not yet there. A model walks a tensor's parts one after the other, but
 * for a tied head. */
static size_t find(const fm_trainee *t, const char *name) {
    if (t->list.n && strcmp(t->list.at[t->list.n - 1].name, name) == 0) return t->list.n - 1;
    if (t->list.n && strcmp(t->list.at[0].name, name) == 0) return 0;
    for (size_t back = 2; back <= 4 && back <= t->list.n; back++)
        if (strcmp(t->list.at[t->list.n - back].name, name) == 0) return t->list.n - back;
    return t->list.n;
}

static fm_status count(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert) {
    (void)w, (void)role, (void)layer, (void)expert;
    ((fm_trainee *)context)->capacity++;
    return FM_OK;
}

static fm_status list_weight(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert) {
    fm_trainee *t = context;
    if (is_copy(role)) return FM_OK;
    size_t i = find(t, w->name);
    bool vector = is_vector(role);
    t->parts[t->n_parts++] = (part){w, i};
    if (!vector && role != FM_ROLE_EMBED) t->matrices[t->n_matrices++] = (part){w, i};
    if (i < t->list.n) return FM_OK;
    const fm_tensor *source = &fm_store_find(t->model->store, w->name)->tensor;
    t->origins[i] = (origin){role, vector ? NULL : source};
    t->list.at[t->list.n++] = (fm_learned){
        .name = w->name, .kind = kind_of(role), .layer = layer, .expert = expert,
        .rows = vector ? 1 : fm_tensor_rows(source), .columns = fm_tensor_columns(source),
        .value = vector ? w->master : NULL};
    return FM_OK;
}

static void list_adapter(fm_trainee *t, fm_weight *w) {
    size_t i = t->list.n++;
    t->parts[t->n_parts++] = t->matrices[t->n_matrices++] = (part){w, i};
    t->origins[i] = (origin){FM_ROLES, NULL};
    t->list.at[i] = (fm_learned){.name = w->name, .kind = FM_LEARNED_ADAPTER, .layer = -1, .expert = -1,
                                 .rows = w->n_out, .columns = w->n_in, .value = w->master};
}

static fm_status list_adapters(fm_trainee *t) {
    for (size_t i = 0; i < fm_adapters_count(t->options.adapters); i++) {
        fm_adapter *a = fm_adapters_at(t->options.adapters, i);
        list_adapter(t, &a->a);
        list_adapter(t, &a->b);
    }
    return FM_OK;
}

static fm_status make_list(fm_trainee *t, fm_error *err) {
    if (t->options.adapters) t->capacity = 2 * fm_adapters_count(t->options.adapters);
    else fm_model_each_weight(t->model, count, t);
    t->list.at = fm_alloc_array(t->capacity, sizeof *t->list.at, FM_MEM_OTHER);
    t->origins = fm_alloc_array(t->capacity, sizeof *t->origins, FM_MEM_OTHER);
    t->parts = fm_alloc_array(t->capacity, sizeof *t->parts, FM_MEM_OTHER);
    t->matrices = fm_alloc_array(t->capacity, sizeof *t->matrices, FM_MEM_OTHER);
    t->products = fm_alloc_array(t->capacity, sizeof *t->products, FM_MEM_OTHER);
    if (!t->list.at || !t->origins || !t->parts || !t->matrices || !t->products)
        return fm_fail_memory(err, t->capacity * sizeof *t->list.at, "the list of weights that learn");
    return t->options.adapters ? list_adapters(t) : fm_model_each_weight(t->model, list_weight, t);
}

/* ---- memory ---------------------------------------------------------------------------------------- */

/* Every tensor begins with a line of the cache. */
static size_t bytes_of(const fm_learned *l) {
    return ((size_t)fm_learned_elements(l) * sizeof(float) + 63) & ~(size_t)63;
}

static bool learns(const fm_trainee *t, size_t i) {
    if (t->origins[i].role == FM_ROLE_ROUTER_BIAS) return false; /* moved by load */
    return !t->options.learns || t->options.learns(t->options.context, &t->list.at[i]);
}

/* Gives every tensor its place; without memory only adds up. */
static size_t place(fm_trainee *t, char *values, char *grads, size_t *of_grads) {
    size_t at = 0, grad = 0;
    for (size_t i = 0; i < t->list.n; i++) {
        fm_learned *l = &t->list.at[i];
        bool stays = !t->origins[i].source;
        if (!stays && values) l->value = (float *)(void *)(values + at);
        if (!stays) at += bytes_of(l);
        if (!learns(t, i)) continue;
        if (grads) l->grad = (float *)(void *)(grads + grad);
        grad += bytes_of(l);
    }
    *of_grads = grad;
    return at;
}

/* Routing is decided by floats. */
static fm_word_form form_of(const fm_trainee *t, size_t matrix) {
    fm_role role = t->origins[t->matrices[matrix].tensor].role;
    return role == FM_ROLE_ROUTER ? FM_WORDS_F32 : t->options.form;
}

static size_t copies_of(const fm_trainee *t) {
    size_t bytes = 0;
    for (size_t i = 0; i < t->n_matrices; i++) {
        size_t one = fm_weight_copies_bytes(t->matrices[i].w, form_of(t, i));
        if (!fm_add_size(bytes, one, &bytes)) return SIZE_MAX;
    }
    return bytes;
}

static fm_status take_memory(fm_trainee *t, fm_error *err) {
    size_t grads, values = place(t, NULL, NULL, &grads), copies = copies_of(t);
    t->values = fm_alloc(values ? values : 64, FM_MEM_WEIGHTS);
    t->grads = fm_alloc_zero(grads ? grads : 64, FM_MEM_WEIGHTS);
    t->copies = fm_alloc(copies ? copies : 64, FM_MEM_WEIGHTS);
    if (!t->values || !t->grads || !t->copies)
        return fm_fail_memory(err, values + grads + copies, "weights that learn and their gradients");
    place(t, (char *)t->values, (char *)t->grads, &grads);
    return FM_OK;
}

/* ---- from the file --------------------------------------------------------------------------------- */

static void decode(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const fm_trainee *t = context;
    for (int64_t i = begin; i < end; i++) {
        const fm_learned *l = &t->list.at[i];
        for (int64_t row = 0; t->origins[i].source && row < l->rows; row++)
            fm_tensor_decode_row(t->origins[i].source, row, l->value + row * l->columns);
    }
}

/* The weights' masters and gradients are rows of the tensors'. */
static void point(fm_trainee *t) {
    for (size_t i = 0; i < t->n_parts; i++) {
        fm_weight *w = t->parts[i].w;
        const fm_learned *l = &t->list.at[t->parts[i].tensor];
        const fm_tensor *source = t->origins[t->parts[i].tensor].source;
        size_t row = source ? (size_t)((const char *)w->source.data - (const char *)source->data) / source->row_bytes
                            : 0;
        w->master = l->value + row * (size_t)l->columns;
        w->grad = l->grad ? l->grad + row * (size_t)l->columns : NULL;
    }
}

static void use_copies(fm_trainee *t) {
    char *at = t->copies;
    for (size_t i = 0; i < t->n_matrices; i++) {
        t->products[i] = t->matrices[i].w;
        fm_weight_use_copies(t->products[i], form_of(t, i), at);
        at += fm_weight_copies_bytes(t->products[i], form_of(t, i));
    }
}

/* All but the memory of weights. */
static fm_status prepare(fm_model *model, const fm_trainee_options *options, fm_trainee **out, fm_error *err) {
    if (model->config.from_gguf && !options->adapters)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "%s is GGUF, whose tensors are arranged for running, not for learning: convert it to a "
                       "Hugging Face folder first (fathom convert), or train an adapter on it (lora.rank)",
                       fm_store_path(model->store));
    fm_trainee *t = fm_alloc_zero(sizeof *t, FM_MEM_OTHER);
    if (!t) return fm_fail_memory(err, sizeof *t, "a model that learns");
    t->model = model;
    t->options = *options;
    *out = t;
    return make_list(t, err);
}

fm_status fm_trainee_memory(fm_model *model, const fm_trainee_options *options, uint64_t *bytes,
                            fm_error *err) {
    fm_trainee *t = NULL;
    fm_status status = prepare(model, options, &t, err);
    size_t grads = 0;
    if (status == FM_OK) *bytes = (uint64_t)place(t, NULL, NULL, &grads) + copies_of(t);
    if (status == FM_OK) *bytes += grads;
    fm_trainee_free(t);
    return status;
}

fm_status fm_trainee_new(fm_model *model, const fm_trainee_options *options, fm_trainee **out,
                         fm_error *err) {
    fm_trainee *t = NULL;
    *out = NULL;
    fm_status status = prepare(model, options, &t, err);
    if (status == FM_OK) status = take_memory(t, err);
    if (status != FM_OK) {
        fm_trainee_free(t);
        return status;
    }
    fm_pool_for(options->pool, (int64_t)t->list.n, 1, decode, t);
    point(t);
    use_copies(t);
    fm_trainee_publish(t);
    *out = t;
    return FM_OK;
}

void fm_trainee_free(fm_trainee *t) {
    if (!t) return;
    fm_free(t->list.at);
    fm_free(t->origins);
    fm_free(t->parts);
    fm_free(t->matrices);
    fm_free(t->products);
    fm_free(t->values);
    fm_free(t->grads);
    fm_free(t->copies);
    fm_free(t);
}

const fm_learned_list *fm_trainee_list(const fm_trainee *t) { return &t->list; }

void fm_trainee_publish(fm_trainee *t) {
    fm_weights_refresh(t->options.kernels, t->products, t->n_matrices, t->options.pool);
}
