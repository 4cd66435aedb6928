/* outline.c: one walk over the roles of a model, in the order in which they compute; `direction` of the
 * walk is from the names of the store to those of the other kind of file, or of the same. */
#include "compress/outline.h"

#include "model/arch/arch.h"
#include "tensor/fp8.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    fm_outline *outline;
    const fm_config *config;
    const fm_store *store;
    const fm_outline_options *options;
    bool *used; /* per entry of the store */
    bool from_gguf, to_gguf;
    int64_t layer;
    fm_error *err;
} walk;

static const fm_store_entry *find(const walk *w, fm_role role, int64_t expert) {
    char name[FM_NAME_MAX];
    if (!fm_tensor_file_name(role, w->from_gguf, w->layer, expert, name)) return NULL;
    return fm_store_find(w->store, name);
}

static void *take(fm_outline *o, size_t count, size_t size, fm_error *err) {
    void *p = fm_arena_array(&o->arena, count, size);
    if (!p) fm_fail_memory(err, count * size, "the list of tensors");
    return p;
}

/* An empty item, or NULL with the error set. */
static fm_outlined *append(fm_outline *o, const char *name, fm_error *err) {
    if (o->n == o->capacity) {
        size_t capacity = o->capacity ? 2 * o->capacity : 256, bytes;
        void *items = fm_mul_size(capacity, sizeof *o->items, &bytes)
                          ? fm_realloc(o->items, bytes, FM_MEM_OTHER)
                          : NULL;
        if (!items) {
            fm_fail_memory(err, capacity, "the list of tensors");
            return NULL;
        }
        o->items = items;
        o->capacity = capacity;
    }
    char *copy = fm_arena_strndup(&o->arena, name, strlen(name));
    if (!copy) {
        fm_fail_memory(err, strlen(name), "the name of a tensor");
        return NULL;
    }
    fm_outlined *item = &o->items[o->n++];
    *item = (fm_outlined){.name = copy, .role = FM_ROLES, .unit = 1, .matrices = 1};
    return item;
}

/* An item of `role` under its name in the new file, made of n parts that the caller fills. */
static fm_status begin(walk *w, fm_role role, int64_t expert, size_t n, fm_outlined **out,
                       fm_part **parts) {
    char name[FM_NAME_MAX] = "";
    fm_tensor_file_name(role, w->to_gguf, w->layer, expert, name);
    *parts = take(w->outline, n, sizeof **parts, w->err);
    if (!*parts) return FM_ERR_MEMORY;
    *out = append(w->outline, name, w->err);
    if (!*out) return FM_ERR_MEMORY;
    (*out)->role = role;
    (*out)->layer = w->layer;
    (*out)->parts = *parts;
    (*out)->n_parts = n;
    return FM_OK;
}

static void set_shape(fm_outlined *item, int n_dims, int64_t a, int64_t b, int64_t c) {
    item->n_dims = n_dims;
    memcpy(item->shape, (int64_t[FM_MAX_DIMS]){a, b, c, 1}, sizeof item->shape);
    item->dtype = fm_outlined_source(item);
}

static fm_part part_of(walk *w, const fm_store_entry *e, int64_t first, int64_t rows) {
    w->used[e - fm_store_at(w->store, 0)] = true;
    return (fm_part){.entry = e, .first = first, .rows = rows};
}

/* The whole tensor of a role as it is, if the store has it. */
static fm_status copy(walk *w, fm_role role) {
    const fm_store_entry *e = find(w, role, 0);
    fm_outlined *item;
    fm_part *parts;
    if (!e) return FM_OK;
    FM_TRY(begin(w, role, 0, 1, &item, &parts));
    parts[0] = part_of(w, e, 0, fm_tensor_rows(&e->tensor));
    item->dtype = e->tensor.dtype;
    item->n_dims = e->tensor.n_dims;
    memcpy(item->shape, e->tensor.shape, sizeof item->shape);
    return FM_OK;
}

static fm_status copy_all(walk *w, const fm_role *roles, size_t n) {
    for (size_t i = 0; i < n; i++) FM_TRY(copy(w, roles[i]));
    return FM_OK;
}

/* Llama's q and k: converters to GGUF bring the rows that rotate together side by side. */
static fm_status copy_rotated(walk *w, fm_role role) {
    size_t before = w->outline->n;
    FM_TRY(copy(w, role));
    bool paired = strcmp(w->config->arch->gguf_name, "llama") == 0;
    if (!paired || w->from_gguf == w->to_gguf || w->outline->n == before) return FM_OK;
    fm_outlined *item = &w->outline->items[before];
    item->arrangement = w->from_gguf ? FM_ARRANGE_HALVES : FM_ARRANGE_PAIRS;
    item->head_rows = w->config->head_dim;
    return FM_OK;
}

/* ---- latent attention ------------------------------------------------------------------------*/

/* kv_b [H*(dn+dv), r] -> k_b [H, r, dn], each head's keys turned, and v_b [H, dv, r]. */
static fm_status split_kv_b(walk *w, const fm_store_entry *e) {
    const fm_config *c = w->config;
    int64_t heads = c->num_attention_heads, r = c->kv_lora_rank;
    int64_t dn = c->qk_nope_head_dim, dv = c->v_head_dim;
    fm_outlined *item;
    fm_part *parts;
    FM_TRY(begin(w, FM_ROLE_K_B, 0, (size_t)heads, &item, &parts));
    for (int64_t h = 0; h < heads; h++) parts[h] = part_of(w, e, h * (dn + dv), dn);
    set_shape(item, 3, heads, r, dn);
    item->arrangement = FM_ARRANGE_K_B;
    item->unit = r;
    item->matrices = heads;
    FM_TRY(begin(w, FM_ROLE_V_B, 0, (size_t)heads, &item, &parts));
    for (int64_t h = 0; h < heads; h++) parts[h] = part_of(w, e, h * (dn + dv) + dn, dv);
    set_shape(item, 3, heads, dv, r);
    item->matrices = heads;
    return FM_OK;
}

static fm_status join_kv_b(walk *w, const fm_store_entry *k_b, const fm_store_entry *v_b) {
    const fm_config *c = w->config;
    int64_t heads = c->num_attention_heads, r = c->kv_lora_rank;
    int64_t dn = c->qk_nope_head_dim, dv = c->v_head_dim;
    fm_outlined *item;
    fm_part *parts;
    FM_TRY(begin(w, FM_ROLE_KV_B, 0, 2 * (size_t)heads, &item, &parts));
    for (int64_t h = 0; h < heads; h++) {
        parts[2 * h] = part_of(w, k_b, h * r, r);
        parts[2 * h + 1] = part_of(w, v_b, h * dv, dv);
    }
    set_shape(item, 2, heads * (dn + dv), r, 1);
    item->arrangement = FM_ARRANGE_KV_B;
    item->unit = dn + dv;
    return FM_OK;
}

/* Where a file has all three, kv_b is the one that was not derived. */
static fm_status up_projections(walk *w) {
    const fm_store_entry *fused = find(w, FM_ROLE_KV_B, 0);
    const fm_store_entry *k_b = find(w, FM_ROLE_K_B, 0), *v_b = find(w, FM_ROLE_V_B, 0);
    if (!fused) return k_b && v_b ? join_kv_b(w, k_b, v_b) : FM_OK;
    if (k_b) part_of(w, k_b, 0, 0);
    if (v_b) part_of(w, v_b, 0, 0);
    return !w->to_gguf || w->options->fused_kv_b ? copy(w, FM_ROLE_KV_B) : split_kv_b(w, fused);
}

static fm_status attention(walk *w) {
    static const fm_role latent[] = {FM_ROLE_Q, FM_ROLE_Q_A, FM_ROLE_Q_A_NORM, FM_ROLE_Q_B,
                                     FM_ROLE_KV_A, FM_ROLE_KV_A_NORM};
    static const fm_role rest[] = {FM_ROLE_V, FM_ROLE_Q_BIAS, FM_ROLE_K_BIAS, FM_ROLE_V_BIAS,
                                   FM_ROLE_Q_NORM, FM_ROLE_K_NORM};
    FM_TRY(copy(w, FM_ROLE_ATTENTION_NORM));
    if (w->config->mla) {
        FM_TRY(copy_all(w, latent, FM_COUNT(latent)));
        FM_TRY(up_projections(w));
    } else {
        FM_TRY(copy_rotated(w, FM_ROLE_Q));
        FM_TRY(copy_rotated(w, FM_ROLE_K));
        FM_TRY(copy_all(w, rest, FM_COUNT(rest)));
    }
    return copy(w, FM_ROLE_O);
}

/* ---- experts ---------------------------------------------------------------------------------*/

/* E tensors [n_out, n_in] -> one [E, n_out, n_in]. */
static fm_status stack_experts(walk *w, fm_role role, int64_t n_out, int64_t n_in) {
    int64_t experts = w->config->n_routed_experts;
    fm_outlined *item;
    fm_part *parts;
    FM_TRY(begin(w, role, 0, (size_t)experts, &item, &parts));
    for (int64_t e = 0; e < experts; e++) parts[e] = part_of(w, find(w, role, e), 0, n_out);
    set_shape(item, 3, experts, n_out, n_in);
    item->matrices = experts;
    return FM_OK;
}

/* E tensors as they are. */
static fm_status copy_experts(walk *w, fm_role role, int64_t n_out, int64_t n_in) {
    for (int64_t e = 0; e < w->config->n_routed_experts; e++) {
        fm_outlined *item;
        fm_part *parts;
        FM_TRY(begin(w, role, e, 1, &item, &parts));
        parts[0] = part_of(w, find(w, role, e), 0, n_out);
        set_shape(item, 2, n_out, n_in, 1);
    }
    return FM_OK;
}

/* And back; `first` of expert e is (e * stride + offset) rows into `entry`. */
static fm_status part_experts(walk *w, fm_role role, const fm_store_entry *entry, int64_t stride,
                              int64_t offset, int64_t n_out, int64_t n_in) {
    for (int64_t e = 0; e < w->config->n_routed_experts; e++) {
        fm_outlined *item;
        fm_part *parts;
        FM_TRY(begin(w, role, e, 1, &item, &parts));
        parts[0] = part_of(w, entry, e * stride + offset, n_out);
        set_shape(item, 2, n_out, n_in, 1);
    }
    return FM_OK;
}

static fm_status experts(walk *w) {
    const fm_config *c = w->config;
    const struct {
        fm_role role;
        int64_t n_out, n_in, offset;
    } all[] = {{FM_ROLE_EXPERT_GATE, c->moe_intermediate_size, c->hidden_size, 0},
               {FM_ROLE_EXPERT_UP, c->moe_intermediate_size, c->hidden_size, c->moe_intermediate_size},
               {FM_ROLE_EXPERT_DOWN, c->hidden_size, c->moe_intermediate_size, 0}};
    static const fm_role shared[] = {FM_ROLE_SHARED_GATE, FM_ROLE_SHARED_UP, FM_ROLE_SHARED_DOWN};
    const fm_store_entry *merged = w->from_gguf ? find(w, FM_ROLE_EXPERT_GATE_UP, 0) : NULL;
    FM_TRY(copy(w, FM_ROLE_ROUTER));
    FM_TRY(copy(w, FM_ROLE_ROUTER_BIAS));
    for (size_t i = 0; i < FM_COUNT(all); i++) {
        const fm_store_entry *own = w->from_gguf ? find(w, all[i].role, 0) : NULL;
        if (w->to_gguf)
            FM_TRY(stack_experts(w, all[i].role, all[i].n_out, all[i].n_in));
        else if (!w->from_gguf)
            FM_TRY(copy_experts(w, all[i].role, all[i].n_out, all[i].n_in));
        else if (own)
            FM_TRY(part_experts(w, all[i].role, own, all[i].n_out, 0, all[i].n_out, all[i].n_in));
        else
            FM_TRY(part_experts(w, all[i].role, merged, 2 * all[i].n_out, all[i].offset,
                                all[i].n_out, all[i].n_in));
    }
    return copy_all(w, shared, FM_COUNT(shared));
}

/* ---- the walk --------------------------------------------------------------------------------*/

static fm_status layer(walk *w) {
    static const fm_role dense[] = {FM_ROLE_GATE, FM_ROLE_UP, FM_ROLE_DOWN};
    FM_TRY(attention(w));
    FM_TRY(copy(w, FM_ROLE_FFN_NORM));
    return fm_config_is_moe_layer(w->config, w->layer) ? experts(w)
                                                       : copy_all(w, dense, FM_COUNT(dense));
}

static fm_status mtp(walk *w) {
    static const fm_role own[] = {FM_ROLE_MTP_EMBED, FM_ROLE_MTP_ENORM, FM_ROLE_MTP_HNORM,
                                  FM_ROLE_MTP_EH_PROJ, FM_ROLE_MTP_NORM, FM_ROLE_MTP_HEAD};
    FM_TRY(copy_all(w, own, FM_COUNT(own)));
    return layer(w);
}

static fm_status walk_all(walk *w) {
    const fm_config *c = w->config;
    const int64_t layers = c->num_hidden_layers;
    FM_TRY(copy(w, FM_ROLE_EMBED));
    for (w->layer = 0; w->layer < layers; w->layer++) FM_TRY(layer(w));
    if (w->options->mtp)
        for (; w->layer < layers + c->num_nextn_predict_layers; w->layer++) FM_TRY(mtp(w));
    FM_TRY(copy(w, FM_ROLE_FINAL_NORM));
    return c->tie_word_embeddings ? FM_OK : copy(w, FM_ROLE_HEAD);
}

/* Scales go with their weights, the MTP module is spoken of by itself, a tied head and a table of
 * frequencies say nothing new, and buffers of older checkpoints can be computed. */
static bool has_no_place(const walk *w, const fm_store_entry *e) {
    char name[FM_NAME_MAX];
    const char *prefix = w->from_gguf ? "blk." : "model.layers.";
    size_t n = strlen(prefix);
    if (e->is_scale || e->is_integer32 || strstr(e->name, "rotary_emb.inv_freq")) return false;
    if (strncmp(e->name, prefix, n) == 0 &&
        strtoll(e->name + n, NULL, 10) >= w->config->num_hidden_layers)
        return false;
    fm_role quiet[] = {FM_ROLE_HEAD, FM_ROLE_ROPE_FREQS};
    for (size_t i = 0; i < FM_COUNT(quiet); i++)
        if (fm_tensor_file_name(quiet[i], w->from_gguf, 0, 0, name) && strcmp(e->name, name) == 0)
            return false;
    return true;
}

fm_status fm_outline_convert(fm_outline *outline, const fm_config *config, const fm_store *store,
                             const fm_outline_options *options, fm_error *err) {
    *outline = (fm_outline){0};
    size_t n = fm_store_count(store);
    walk w = {.outline = outline, .config = config, .store = store, .options = options,
              .from_gguf = config->from_gguf, .to_gguf = !config->from_gguf && !options->same_kind,
              .err = err};
    w.used = take(outline, n + 1, sizeof *w.used, err);
    if (!w.used) return FM_ERR_MEMORY;
    FM_TRY(walk_all(&w));
    for (size_t i = 0; i < n; i++) {
        const fm_store_entry *e = fm_store_at(store, i);
        if (w.used[i] || !has_no_place(&w, e)) continue;
        if (outline->unused++ == 0) outline->first_unused = e->name;
    }
    return FM_OK;
}

/* ---- a GGUF file's own tensors ---------------------------------------------------------------*/

/* Gives an item the role that its name has, if it has one. */
static void find_roles(fm_outline *outline, const fm_config *c, const fm_store *store) {
    const fm_store_entry *base = fm_store_at(store, 0);
    int64_t layers = c->num_hidden_layers + c->num_nextn_predict_layers;
    for (int64_t l = 0; l < layers; l++)
        for (fm_role role = 0; role < FM_ROLES; role++) {
            char name[FM_NAME_MAX];
            if (!fm_tensor_file_name(role, true, l, 0, name)) continue;
            const fm_store_entry *e = fm_store_find(store, name);
            if (!e) continue;
            outline->items[e - base].role = role;
            outline->items[e - base].layer = l;
        }
}

fm_status fm_outline_keep(fm_outline *outline, const fm_config *config, const fm_store *store,
                          fm_error *err) {
    *outline = (fm_outline){0};
    for (size_t i = 0; i < fm_store_count(store); i++) {
        const fm_store_entry *e = fm_store_at(store, i);
        fm_outlined *item = append(outline, e->name, err);
        fm_part *part = item ? take(outline, 1, sizeof *part, err) : NULL;
        if (!part) return FM_ERR_MEMORY;
        *part = (fm_part){.entry = e, .rows = fm_tensor_rows(&e->tensor)};
        item->parts = part;
        item->n_parts = 1;
        item->dtype = e->tensor.dtype;
        item->n_dims = e->tensor.n_dims;
        memcpy(item->shape, e->tensor.shape, sizeof item->shape);
        if (item->n_dims == 3) item->matrices = item->shape[0];
    }
    if (outline->n) find_roles(outline, config, store);
    return FM_OK;
}

fm_status fm_outline_add_values(fm_outline *outline, const char *name, fm_role role,
                                const float *values, int64_t n, fm_error *err) {
    fm_outlined *item = append(outline, name, err);
    if (!item) return FM_ERR_MEMORY;
    item->role = role;
    item->arrangement = FM_ARRANGE_VALUES;
    item->values = values;
    set_shape(item, 1, n, 1, 1);
    return FM_OK;
}

fm_status fm_outline_add_scales(fm_outline *outline, fm_error *err) {
    fm_outlined *items = fm_alloc_array(outline->n + 1, 2 * sizeof *items, FM_MEM_OTHER), *to = items;
    if (!items) return fm_fail_memory(err, outline->n, "the list of tensors");
    for (size_t i = 0; i < outline->n; i++) {
        fm_outlined *item = to++;
        *item = outline->items[i];
        if (item->dtype != FM_DTYPE_F8_E4M3) continue;
        *to = (fm_outlined){.role = FM_ROLES, .layer = item->layer, .unit = 1, .matrices = 1, .n_dims = 2,
                            .scales_of = item};
        for (int d = 0; d < FM_MAX_DIMS; d++) to->shape[d] = (item->shape[d] - 1) / FM_FP8_BLOCK + 1;
        to->name = fm_arena_format(&outline->arena, "%s_scale_inv", item->name);
        if (!to++->name) {
            fm_free(items);
            return fm_fail_memory(err, strlen(item->name), "the name of a tensor");
        }
    }
    fm_free(outline->items);
    outline->items = items;
    outline->capacity = 2 * (outline->n + 1);
    outline->n = (size_t)(to - items);
    return FM_OK;
}

void fm_outline_clear(fm_outline *outline) {
    fm_arena_clear(&outline->arena);
    fm_free(outline->items);
    *outline = (fm_outline){0};
}
