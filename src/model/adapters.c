#include "model/adapters_private.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/rng.h"
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_RANK = 4096 };

bool fm_role_adapts(fm_role role) {
    switch (role) {
    case FM_ROLE_Q: case FM_ROLE_K: case FM_ROLE_V: case FM_ROLE_O:
    case FM_ROLE_Q_A: case FM_ROLE_Q_B: case FM_ROLE_KV_A:
    case FM_ROLE_GATE: case FM_ROLE_UP: case FM_ROLE_DOWN:
    case FM_ROLE_SHARED_GATE: case FM_ROLE_SHARED_UP: case FM_ROLE_SHARED_DOWN: return true;
    default: return false;
    }
}

const char *fm_adapter_last_name(const char *module) {
    const char *dot = strrchr(module, '.');
    return dot ? dot + 1 : module;
}

/* GGUF's converters lay the rows of a head's pairs side by side: (i, i + d/2) becomes (2i, 2i + 1). */
int64_t fm_adapter_file_row(const fm_model *m, fm_role role, int64_t row) {
    const fm_config *c = &m->config;
    if (c->mla || !c->rope.interleaved || (role != FM_ROLE_Q && role != FM_ROLE_K)) return row;
    int64_t d = c->head_dim, in_head = row % d;
    return row - in_head + in_head / 2 + in_head % 2 * (d / 2);
}

fm_status fm_adapters_add(fm_adapters *a, fm_weight *w, fm_role role, int64_t layer, int64_t rank,
                          fm_error *err) {
    char name[FM_NAME_MAX];
    if (a->n == a->capacity) {
        size_t more = a->capacity ? 2 * a->capacity : 64;
        fm_adapter_place *at = fm_realloc(a->at, more * sizeof *at, FM_MEM_WEIGHTS);
        if (!at) return fm_fail_memory(err, more * sizeof *at, "adapters");
        a->at = at;
        a->capacity = more;
    }
    fm_tensor_file_name(role, false, layer, 0, name);
    size_t n = (size_t)(rank * (w->n_in + w->n_out));
    fm_adapter_place place = {.weight = w, .role = role,
                              .module = fm_arena_strndup(&a->names, name, strlen(name) - strlen(".weight")),
                              .masters = fm_alloc_array(n, sizeof(float), FM_MEM_WEIGHTS)};
    if (!place.module || !place.masters) {
        fm_free(place.masters);
        return fm_fail_memory(err, n * sizeof(float), "adapters");
    }
    memset(place.masters, 0, n * sizeof(float));
    fm_weight *down = &place.adapter.a, *up = &place.adapter.b;
    *down = (fm_weight){.n_out = rank, .n_in = w->n_in, .master = place.masters};
    *up = (fm_weight){.n_out = w->n_out, .n_in = rank, .master = place.masters + rank * w->n_in};
    down->name = fm_arena_format(&a->names, "base_model.model.%s.lora_A.weight", place.module);
    up->name = fm_arena_format(&a->names, "base_model.model.%s.lora_B.weight", place.module);
    place.adapter.scale = (float)(a->alpha / (double)rank);
    if (a->n == 0) a->rank = rank;
    a->at[a->n++] = place;
    return down->name && up->name ? FM_OK : fm_fail_memory(err, FM_NAME_MAX, "adapters");
}

static fm_status pack(fm_weight *w, fm_error *err) {
    fm_weight packed;
    FM_TRY(fm_weight_from_floats(&packed, w->name, w->master, w->n_out, w->n_in, FM_LAYOUT_F32, err));
    packed.master = w->master;
    *w = packed;
    return FM_OK;
}

static size_t masters_of(const fm_adapter_place *p) {
    return (size_t)(p->adapter.a.n_out * (p->adapter.a.n_in + p->adapter.b.n_out));
}

static uint64_t packed_of(const fm_panels *p) { return (uint64_t)fm_panel_count(p) * p->panel_bytes; }

uint64_t fm_adapters_bytes(const fm_adapters *a) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < a->n; i++)
        bytes += masters_of(&a->at[i]) * sizeof(float) + packed_of(&a->at[i].adapter.a.panels) +
                 packed_of(&a->at[i].adapter.b.panels);
    return bytes;
}

fm_status fm_adapters_put_on(fm_adapters *a, fm_error *err) {
    for (size_t i = 0; i < a->n; i++) {
        FM_TRY(pack(&a->at[i].adapter.a, err));
        FM_TRY(pack(&a->at[i].adapter.b, err));
    }
    uint64_t sum = 1;
    for (size_t i = 0; i < a->n; i++) {
        a->at[i].weight->adapter = &a->at[i].adapter;
        sum += fm_hash(a->at[i].masters, masters_of(&a->at[i]) * sizeof(float),
                       fm_hash(a->at[i].module, strlen(a->at[i].module), (uint64_t)(a->alpha * 1024)));
    }
    a->model->adapted = sum;
    return FM_OK;
}

void fm_adapters_free(fm_adapters *a) {
    if (!a) return;
    a->model->adapted = 0;
    for (size_t i = 0; i < a->n; i++) {
        a->at[i].weight->adapter = NULL;
        fm_weight_clear(&a->at[i].adapter.a);
        fm_weight_clear(&a->at[i].adapter.b);
        fm_free(a->at[i].masters);
    }
    fm_free(a->at);
    fm_arena_clear(&a->names);
    fm_free(a);
}

size_t fm_adapters_count(const fm_adapters *a) { return a->n; }
fm_adapter *fm_adapters_at(fm_adapters *a, size_t i) { return &a->at[i].adapter; }
const fm_weight *fm_adapters_base(const fm_adapters *a, size_t i) { return a->at[i].weight; }

/* ---- new ones ------------------------------------------------------------------------------------ */

/* Whether `list` has the word, or is "all". */
static bool listed(const char *list, const char *word) {
    size_t n = strlen(word);
    if (strcmp(list, "all") == 0) return true;
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == 0)) return true;
    return false;
}

typedef struct search {
    fm_adapters *adapters;
    const fm_adapter_options *options;
    fm_buffer have; /* names of modules, once each */
    fm_error *err;
} search;

static fm_status consider(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert) {
    search *s = context;
    char name[FM_NAME_MAX];
    (void)expert;
    if (!fm_role_adapts(role)) return FM_OK;
    fm_tensor_file_name(role, false, layer, 0, name);
    name[strlen(name) - strlen(".weight")] = 0;
    const char *last = fm_adapter_last_name(name);
    if (!listed(fm_buffer_string(&s->have), last)) fm_buffer_format(&s->have, s->have.size ? ",%s" : "%s", last);
    if (!listed(s->options->targets, last)) return FM_OK;
    return fm_adapters_add(s->adapters, w, role, layer, s->options->rank, s->err);
}

/* Every name of the list must be one that the model has. */
static fm_status check_targets(search *s) {
    const char *have = fm_buffer_string(&s->have);
    if (strcmp(s->options->targets, "all") == 0) return FM_OK;
    for (const char *at = s->options->targets; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char word[64];
        size_t n = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), at);
        if (!listed(have, word))
            return fm_fail(s->err, FM_ERR_ARGUMENT, "no adapter can go on '%s'; this model has %s, or all of them: all",
                           word, have);
    }
    return fm_buffer_status(&s->have, s->err);
}

/* A: uniform within 1 / sqrt(n_in), as PEFT and torch.nn.Linear begin. */
static void draw(const fm_adapters *a, uint64_t seed) {
    for (size_t i = 0; i < a->n; i++) {
        const fm_weight *w = &a->at[i].adapter.a;
        double bound = 1 / sqrt((double)w->n_in);
        for (int64_t j = 0; j < w->n_out * w->n_in; j++)
            w->master[j] = (float)((2 * fm_rng_uniform(seed, i, (uint64_t)j) - 1) * bound);
    }
}

fm_status fm_adapters_new(fm_model *model, const fm_adapter_options *options, fm_adapters **out,
                          fm_error *err) {
    *out = NULL;
    if (options->rank < 1 || options->rank > MOST_RANK || !(options->alpha > 0))
        return fm_fail(err, FM_ERR_ARGUMENT, "an adapter's rank is 1 to %d and its alpha above 0", MOST_RANK);
    fm_adapters *a = fm_alloc_zero(sizeof *a, FM_MEM_WEIGHTS);
    if (!a) return fm_fail_memory(err, sizeof *a, "adapters");
    a->model = model;
    a->alpha = options->alpha;
    search s = {.adapters = a, .options = options, .err = err};
    fm_status status = fm_model_each_weight(model, consider, &s);
    if (status == FM_OK) status = check_targets(&s);
    if (status == FM_OK) {
        draw(a, options->seed);
        status = fm_adapters_put_on(a, err);
    }
    fm_buffer_clear(&s.have);
    if (status == FM_OK) *out = a;
    else fm_adapters_free(a);
    return status;
}
