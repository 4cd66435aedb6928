/* adapters_file.c: adapters as PEFT keeps them: adapter_config.json beside adapter_model.safetensors.
 * Tensors are base_model.model.MODULE.lora_A.weight [rank, n_in] and ...lora_B.weight [n_out, rank]. */
#include "model/adapters_private.h"

#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20 };

/* ---- reading --------------------------------------------------------------------------------------*/

/* What a plain adapter does not have, by its key. */
static fm_status refuse_more_than_lora(const fm_json *c, const char *path, fm_error *err) {
    const char *type = fm_json_string(fm_json_get(c, "peft_type"), "LORA");
    if (strcmp(type, "LORA") != 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s: peft_type is %.40s; only LORA is known", path, type);
    static const char *const flags[] = {"use_dora", "fan_in_fan_out", "lora_bias"};
    for (size_t i = 0; i < FM_COUNT(flags); i++)
        if (fm_json_bool(fm_json_get(c, flags[i]), false))
            return fm_fail(err, FM_ERR_UNSUPPORTED, "%s: %s is not supported", path, flags[i]);
    static const char *const lists[] = {"modules_to_save", "rank_pattern", "alpha_pattern", "layers_pattern"};
    for (size_t i = 0; i < FM_COUNT(lists); i++)
        if (fm_json_length(fm_json_get(c, lists[i])) > 0)
            return fm_fail(err, FM_ERR_UNSUPPORTED, "%s: %s is not supported", path, lists[i]);
    if (strcmp(fm_json_string(fm_json_get(c, "bias"), "none"), "none") != 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s: trained biases are not supported", path);
    return FM_OK;
}

typedef struct config {
    double rank, alpha;
    bool by_root; /* rsLoRA: alpha / sqrt(rank) */
} config;

static fm_status read_config(const char *folder, config *out, fm_error *err) {
    char *path = fm_path_join(folder, "adapter_config.json"), *text = NULL;
    size_t size;
    fm_json *c = NULL;
    if (!path) return fm_fail_memory(err, strlen(folder), "an adapter's name");
    fm_status status = fm_file_read(path, CONFIG_LIMIT, &text, &size, err);
    if (status == FM_OK) status = fm_json_parse(text, size, &c, err);
    if (status == FM_OK) status = refuse_more_than_lora(c, path, err);
    if (status == FM_OK) {
        out->rank = fm_json_number(fm_json_get(c, "r"), 0);
        out->alpha = fm_json_number(fm_json_get(c, "lora_alpha"), 0);
        out->by_root = fm_json_bool(fm_json_get(c, "use_rslora"), false);
        if (!(out->rank >= 1 && out->rank <= 1e6 && out->alpha > 0 && isfinite(out->alpha)))
            status = fm_fail(err, FM_ERR_FORMAT, "%s: r and lora_alpha must be above 0", path);
    }
    fm_json_free(c);
    fm_free(text);
    fm_free(path);
    return status;
}

typedef struct reader {
    fm_adapters *adapters;
    const fm_store *store;
    size_t used;
    fm_error *err;
} reader;

static const fm_store_entry *find(const reader *r, const char *module, char which) {
    char name[2 * FM_NAME_MAX];
    snprintf(name, sizeof name, "base_model.model.%s.lora_%c.weight", module, which);
    return fm_store_find(r->store, name);
}

static fm_status check_shape(const reader *r, const fm_store_entry *e, int64_t rows, int64_t columns) {
    if (!e->is_integer32 && fm_tensor_rows(&e->tensor) == rows && fm_tensor_columns(&e->tensor) == columns)
        return FM_OK;
    return fm_fail(r->err, FM_ERR_FORMAT, "%s: %s should be [%lld, %lld] for this model", fm_store_path(r->store),
                   e->name, (long long)rows, (long long)columns);
}

/* Into the masters, in the order of the model's rows. */
static void decode(const fm_model *m, const fm_adapter_place *p, const fm_store_entry *down, const fm_store_entry *up) {
    const fm_weight *a = &p->adapter.a, *b = &p->adapter.b;
    for (int64_t i = 0; i < a->n_out; i++) fm_tensor_decode_row(&down->tensor, i, a->master + i * a->n_in);
    for (int64_t i = 0; i < b->n_out; i++)
        fm_tensor_decode_row(&up->tensor, fm_adapter_file_row(m, p->role, i), b->master + i * b->n_in);
}

static fm_status read_one(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert) {
    reader *r = context;
    char module[FM_NAME_MAX];
    (void)expert;
    if (!fm_role_adapts(role)) return FM_OK;
    fm_tensor_file_name(role, false, layer, 0, module);
    module[strlen(module) - strlen(".weight")] = 0;
    const fm_store_entry *down = find(r, module, 'A'), *up = find(r, module, 'B');
    if (!down && !up) return FM_OK;
    if (!down || !up)
        return fm_fail(r->err, FM_ERR_FORMAT, "%s: %s has half of an adapter", fm_store_path(r->store), module);
    int64_t rank = fm_tensor_rows(&down->tensor);
    if (rank < 1) return fm_fail(r->err, FM_ERR_FORMAT, "%s: %s is empty", fm_store_path(r->store), down->name);
    FM_TRY(check_shape(r, down, rank, w->n_in));
    FM_TRY(check_shape(r, up, w->n_out, rank));
    FM_TRY(fm_adapters_add(r->adapters, w, role, layer, rank, r->err));
    decode(r->adapters->model, &r->adapters->at[r->adapters->n - 1], down, up);
    r->used += 2;
    return FM_OK;
}

/* The first tensor that no weight of the model took. */
static fm_status refuse_what_is_left(const reader *r) {
    if (r->used == fm_store_count(r->store)) return FM_OK;
    for (size_t i = 0; i < fm_store_count(r->store); i++) {
        const char *name = fm_store_at(r->store, i)->name;
        bool taken = false;
        for (size_t j = 0; j < r->adapters->n && !taken; j++)
            taken = strcmp(name, r->adapters->at[j].adapter.a.name) == 0 ||
                    strcmp(name, r->adapters->at[j].adapter.b.name) == 0;
        if (!taken)
            return fm_fail(r->err, FM_ERR_FORMAT, "%s: %s has no place in this model; is the adapter for another?",
                           fm_store_path(r->store), name);
    }
    return FM_OK;
}

fm_status fm_adapters_open(fm_model *model, const char *folder, fm_adapters **out, fm_error *err) {
    *out = NULL;
    config c = {0};
    FM_TRY(read_config(folder, &c, err));
    char *path = fm_path_join(folder, "adapter_model.safetensors");
    fm_adapters *a = fm_alloc_zero(sizeof *a, FM_MEM_WEIGHTS);
    fm_store *store = NULL;
    fm_status status = path && a ? FM_OK : fm_fail_memory(err, sizeof *a, "adapters");
    if (a) a->model = model;
    if (status == FM_OK) status = fm_store_open(path, &store, err);
    if (status == FM_OK) {
        a->alpha = c.by_root ? c.alpha * sqrt(c.rank) : c.alpha;
        reader r = {.adapters = a, .store = store, .err = err};
        status = fm_model_each_weight(model, read_one, &r);
        if (status == FM_OK) status = refuse_what_is_left(&r);
        if (status == FM_OK && a->n == 0)
            status = fm_fail(err, FM_ERR_FORMAT, "%s holds no adapter", path);
    }
    if (status == FM_OK) status = fm_adapters_put_on(a, err);
    fm_store_close(store);
    fm_free(path);
    if (status == FM_OK) *out = a;
    else fm_adapters_free(a);
    return status;
}

static fm_status reread_one(const reader *r, const fm_adapter_place *p) {
    const fm_weight *a = &p->adapter.a, *b = &p->adapter.b;
    const fm_store_entry *down = find(r, p->module, 'A'), *up = find(r, p->module, 'B');
    if (!down || !up)
        return fm_fail(r->err, FM_ERR_FORMAT, "%s: %s is missing", fm_store_path(r->store), down ? b->name : a->name);
    FM_TRY(check_shape(r, down, a->n_out, a->n_in));
    FM_TRY(check_shape(r, up, b->n_out, b->n_in));
    decode(r->adapters->model, p, down, up);
    return FM_OK;
}

fm_status fm_adapters_reload(fm_adapters *a, const char *folder, fm_error *err) {
    fm_store *store = NULL;
    char *path = fm_path_join(folder, "adapter_model.safetensors");
    if (!path) return fm_fail_memory(err, strlen(folder), "an adapter's name");
    fm_status status = fm_store_open(path, &store, err);
    reader r = {.adapters = a, .store = store, .err = err};
    for (size_t i = 0; i < a->n && status == FM_OK; i++) status = reread_one(&r, &a->at[i]);
    fm_store_close(store);
    fm_free(path);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------*/

static void put_config(const fm_adapters *a, const char *base, fm_buffer *out) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "peft_type", "LORA");
    fm_json_put_text(&w, "task_type", "CAUSAL_LM");
    fm_json_put_text(&w, "base_model_name_or_path", base);
    fm_json_put_integer(&w, "r", a->rank);
    fm_json_put_real(&w, "lora_alpha", a->alpha);
    fm_json_put_real(&w, "lora_dropout", 0);
    fm_json_put_text(&w, "bias", "none");
    fm_json_put_bool(&w, "fan_in_fan_out", false);
    fm_json_put_bool(&w, "inference_mode", true);
    fm_json_open(&w, "target_modules", '[');
    for (size_t i = 0; i < a->n; i++) {
        const char *name = fm_adapter_last_name(a->at[i].module);
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) seen = strcmp(name, fm_adapter_last_name(a->at[j].module)) == 0;
        if (!seen) fm_json_put_text(&w, NULL, name);
    }
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
}

/* B's rows in the order of the file. */
static float *rows_of_file(const fm_adapters *a, const fm_adapter_place *p) {
    const fm_weight *b = &p->adapter.b;
    float *rows = fm_alloc_array((size_t)(b->n_out * b->n_in), sizeof *rows, FM_MEM_OTHER);
    for (int64_t i = 0; i < b->n_out && rows; i++)
        memcpy(rows + fm_adapter_file_row(a->model, p->role, i) * b->n_in, b->master + i * b->n_in,
               (size_t)b->n_in * sizeof *rows);
    return rows;
}

static fm_safetensors_item item_of(const fm_weight *w, const float *data) {
    return (fm_safetensors_item){.name = w->name, .dtype = FM_DTYPE_F32, .n_dims = 2,
                                 .shape = {w->n_out, w->n_in}, .data = data};
}

static fm_status write_text(const char *path, const fm_buffer *text, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, text->data, text->size, err);
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

fm_status fm_adapters_write(const fm_adapters *a, const char *folder, const char *base, fm_error *err) {
    fm_buffer text = {0};
    put_config(a, base, &text);
    char *config_path = fm_path_join(folder, "adapter_config.json");
    char *path = fm_path_join(folder, "adapter_model.safetensors");
    fm_safetensors_item *items = fm_alloc_array(2 * a->n, sizeof *items, FM_MEM_OTHER);
    float **rows = fm_alloc_array(a->n, sizeof *rows, FM_MEM_OTHER);
    fm_status status = fm_buffer_status(&text, err);
    if (status == FM_OK && !(config_path && path && items && rows))
        status = fm_fail_memory(err, 2 * a->n * sizeof *items, "writing adapters");
    size_t made = 0;
    for (; made < a->n && status == FM_OK; made++) {
        const fm_adapter *it = &a->at[made].adapter;
        rows[made] = rows_of_file(a, &a->at[made]);
        if (!rows[made]) status = fm_fail_memory(err, (size_t)it->b.n_out * sizeof(float), "writing adapters");
        items[2 * made] = item_of(&it->a, it->a.master);
        items[2 * made + 1] = item_of(&it->b, rows[made]);
    }
    static const char *const metadata[] = {"format", "pt"};
    if (status == FM_OK) status = fm_safetensors_write(path, items, 2 * a->n, metadata, 1, err);
    if (status == FM_OK) status = write_text(config_path, &text, err);
    for (size_t i = 0; i < made; i++) fm_free(rows[i]);
    fm_free(rows);
    fm_free(items);
    fm_free(path);
    fm_free(config_path);
    fm_buffer_clear(&text);
    return status;
}
