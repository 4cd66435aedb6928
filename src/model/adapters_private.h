/* adapters_private.h: the inside of a model's adapters, for adapters.c and adapters_file.c. */
#pragma once

#include "model/adapters.h"

typedef struct fm_adapter_place {
    fm_adapter adapter;
    fm_weight *weight; /* that it is on */
    fm_role role;
    char *module;      /* "model.layers.0.self_attn.q_proj" */
    float *masters;    /* of a, then of b */
} fm_adapter_place;

struct fm_adapters {
    fm_model *model;
    double alpha;
    int64_t rank; /* of the first */
    fm_arena names;
    fm_adapter_place *at;
    size_t n, capacity;
};

/* Adds an adapter of this rank, all zeros, without putting it on. */
fm_status fm_adapters_add(fm_adapters *adapters, fm_weight *w, fm_role role, int64_t layer, int64_t rank,
                          fm_error *err);
/* Packs what the masters hold and puts the adapters on. */
fm_status fm_adapters_put_on(fm_adapters *adapters, fm_error *err);
/* Whether a weight of this role takes an adapter. */
bool fm_role_adapts(fm_role role);
/* "q_proj" of "model.layers.0.self_attn.q_proj". */
const char *fm_adapter_last_name(const char *module);
/* The row of the file that row `row` of a weight is. */
int64_t fm_adapter_file_row(const fm_model *model, fm_role role, int64_t row);
