#include "train/run_state.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "train/loader_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

/* ---- numbers -----------------------------------------------------------------------------------*/

static void put_exact(fm_json_writer *w, const char *key, double value) {
    char text[40];
    snprintf(text, sizeof text, "%a", value);
    fm_json_put_text(w, key, text);
}

static bool get_exact(const fm_json *object, const char *key, double *out) {
    const char *text = fm_json_string(fm_json_get(object, key), NULL);
    char *end;
    if (!text) return false;
    *out = strtod(text, &end);
    return end != text && !*end;
}

static bool get_count(const fm_json *object, const char *key, int64_t least, int64_t *out) {
    *out = fm_json_integer(fm_json_get(object, key), INT64_MIN);
    return *out >= least;
}

static void put_running(fm_json_writer *w, const char *key, const fm_running *r) {
    fm_json_open(w, key, '{');
    fm_json_put_integer(w, "count", r->count);
    put_exact(w, "mean", r->mean);
    put_exact(w, "variance", r->variance);
    fm_json_close(w, '}');
}

static bool get_running(const fm_json *object, const char *key, fm_running *r) {
    const fm_json *v = fm_json_get(object, key);
    return get_count(v, "count", 0, &r->count) && get_exact(v, "mean", &r->mean) &&
           get_exact(v, "variance", &r->variance);
}

/* ---- state.json --------------------------------------------------------------------------------*/

static void put_state(const fm_run_state *s, int64_t optimizer_steps, fm_buffer *out) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "format", "fathom-run");
    fm_json_put_integer(&w, "version", VERSION);
    fm_json_put_integer(&w, "step", s->step);
    fm_json_put_integer(&w, "optimizer_steps", optimizer_steps);
    fm_json_put_integer(&w, "tokens", s->tokens);
    fm_json_put_integer(&w, "best_step", s->best_step);
    put_exact(&w, "best_loss", s->best_loss);
    fm_json_open(&w, "spikes", '{');
    fm_json_put_integer(&w, "in_a_row", s->spikes.in_a_row);
    fm_json_put_integer(&w, "skipped", s->spikes.skipped);
    put_running(&w, "loss", &s->spikes.loss);
    put_running(&w, "norm", &s->spikes.norm);
    fm_json_close(&w, '}');
    fm_loader_state_put(&s->loader, &w, "loader");
    fm_json_put_text(&w, "recipe_sha256", s->recipe);
    fm_json_close(&w, '}');
}

static bool take_state(const fm_json *root, fm_run_state *s) {
    const fm_json *spikes = fm_json_get(root, "spikes");
    const char *recipe = fm_json_string(fm_json_get(root, "recipe_sha256"), "");
    snprintf(s->recipe, sizeof s->recipe, "%s", recipe);
    return strlen(recipe) == FM_SHA256_HEX && get_count(root, "step", 0, &s->step) &&
           get_count(root, "tokens", 0, &s->tokens) && get_count(root, "best_step", -1, &s->best_step) &&
           get_exact(root, "best_loss", &s->best_loss) && get_count(spikes, "in_a_row", 0, &s->spikes.in_a_row) &&
           get_count(spikes, "skipped", 0, &s->spikes.skipped) && get_running(spikes, "loss", &s->spikes.loss) &&
           get_running(spikes, "norm", &s->spikes.norm);
}

static fm_status read_json(const char *path, fm_json **root, fm_error *err) {
    char *name = fm_path_join(path, "state.json"), *text;
    size_t size;
    if (!name) return fm_fail_memory(err, strlen(path), path);
    fm_status status = fm_file_read(name, 16 << 20, &text, &size, err);
    if (status == FM_OK) {
        status = fm_json_parse(text, size, root, err);
        if (status != FM_OK) fm_error_prefix(err, status, "%s", name);
        fm_free(text);
    }
    fm_free(name);
    return status;
}

fm_status fm_run_state_read(const char *path, fm_run_state *out, fm_error *err) {
    fm_json *root;
    *out = (fm_run_state){0};
    FM_TRY(read_json(path, &root, err));
    fm_status status = FM_OK;
    int64_t version = fm_json_integer(fm_json_get(root, "version"), 0);
    if (version != VERSION)
        status = fm_fail(err, FM_ERR_UNSUPPORTED, "%s/state.json is of version %lld and this program knows %d", path,
                         (long long)version, VERSION);
    else if (!take_state(root, out))
        status = fm_fail(err, FM_ERR_FORMAT, "%s/state.json lacks a number or has one that cannot be", path);
    else
        status = fm_loader_state_read(fm_json_get(root, "loader"), &out->loader, err);
    fm_json_free(root);
    return status;
}

/* ---- tensors -----------------------------------------------------------------------------------*/

static fm_safetensors_item item_of(const fm_learned *t, const char *name, float *data) {
    bool vector = t->kind == FM_LEARNED_NORM || t->kind == FM_LEARNED_BIAS;
    return (fm_safetensors_item){.name = name, .dtype = FM_DTYPE_F32, .n_dims = vector ? 1 : 2,
                                 .shape = {vector ? t->columns : t->rows, vector ? 0 : t->columns}, .data = data};
}

typedef struct items {
    fm_safetensors_item *at;
    size_t n;
    fm_arena names;
} items;

static void items_clear(items *list) {
    fm_free(list->at);
    fm_arena_clear(&list->names);
}

static fm_status list_weights(const fm_learned_list *learned, items *out, fm_error *err) {
    *out = (items){.at = fm_alloc_array(learned->n + 1, sizeof *out->at, FM_MEM_OTHER)};
    if (!out->at) return fm_fail_memory(err, learned->n * sizeof *out->at, "a list of tensors");
    for (size_t i = 0; i < learned->n; i++)
        out->at[out->n++] = item_of(&learned->at[i], learned->at[i].name, learned->at[i].value);
    return FM_OK;
}

/* "m.NAME", "v.NAME", "momentum.NAME", "average.NAME". */
static fm_status list_moments(const fm_run_tensors *t, items *out, fm_error *err) {
    size_t moments = fm_optim_moments(t->optim), averages = t->average ? t->learned->n : 0;
    *out = (items){.at = fm_alloc_array(moments + averages + 1, sizeof *out->at, FM_MEM_OTHER)};
    bool failed = !out->at;
    for (size_t i = 0; i < moments + averages && !failed; i++) {
        fm_optim_moment m;
        if (i < moments) m = fm_optim_moment_at(t->optim, i);
        else m = (fm_optim_moment){&t->learned->at[i - moments], "average", t->average->at[i - moments]};
        char *name = fm_arena_format(&out->names, "%s.%s", m.moment, m.tensor->name);
        failed = !name;
        out->at[out->n++] = item_of(m.tensor, name, m.at);
    }
    if (!failed) return FM_OK;
    items_clear(out);
    return fm_fail_memory(err, (moments + averages) * sizeof *out->at, "a list of tensors");
}

fm_status fm_run_state_save(fm_checkpoint *c, const fm_run_state *state, const fm_run_tensors *t, fm_error *err) {
    items list;
    fm_buffer text = {0};
    put_state(state, fm_optim_steps(t->optim), &text);
    fm_status status = fm_buffer_status(&text, err);
    if (status == FM_OK) status = fm_checkpoint_put(c, "state.json", text.data, text.size, err);
    fm_buffer_clear(&text);
    FM_TRY(status);
    if (!t->kept_apart) {
        FM_TRY(list_weights(t->learned, &list, err));
        status = fm_checkpoint_put_tensors(c, "model.safetensors", list.at, list.n, err);
        items_clear(&list);
        FM_TRY(status);
    }
    FM_TRY(list_moments(t, &list, err));
    status = fm_checkpoint_put_tensors(c, "optimizer.safetensors", list.at, list.n, err);
    items_clear(&list);
    return status;
}

static fm_status load_items(const char *path, const char *file, const items *list, fm_error *err) {
    char *name = fm_path_join(path, file);
    fm_store *store = NULL;
    fm_status status = name ? fm_store_open(name, &store, err) : fm_fail_memory(err, strlen(path), path);
    for (size_t i = 0; i < list->n && status == FM_OK; i++) {
        const fm_safetensors_item *it = &list->at[i];
        const fm_store_entry *e = fm_store_find(store, it->name);
        bool same = e && e->tensor.dtype == FM_DTYPE_F32 && e->tensor.n_dims == it->n_dims &&
                    e->tensor.shape[0] == it->shape[0] && (it->n_dims == 1 || e->tensor.shape[1] == it->shape[1]);
        if (!same)
            status = fm_fail(err, FM_ERR_FORMAT, "%s: tensor %s %s", name, it->name,
                             e ? "has another shape than the model" : "is missing");
        else
            status = fm_store_read(store, e->tensor.data, e->bytes, (void *)(uintptr_t)it->data, err);
    }
    fm_store_close(store);
    fm_free(name);
    return status;
}

fm_status fm_run_state_load(const char *path, const fm_run_tensors *t, fm_error *err) {
    items list;
    fm_json *root;
    FM_TRY(read_json(path, &root, err));
    int64_t steps = fm_json_integer(fm_json_get(root, "optimizer_steps"), -1);
    fm_json_free(root);
    if (steps < 0) return fm_fail(err, FM_ERR_FORMAT, "%s/state.json does not say how many steps were taken", path);
    fm_optim_set_steps(t->optim, steps);
    if (!t->kept_apart) {
        FM_TRY(list_weights(t->learned, &list, err));
        fm_status status = load_items(path, "model.safetensors", &list, err);
        items_clear(&list);
        FM_TRY(status);
    }
    FM_TRY(list_moments(t, &list, err));
    fm_status status = load_items(path, "optimizer.safetensors", &list, err);
    items_clear(&list);
    return status;
}
