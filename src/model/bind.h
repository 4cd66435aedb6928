/* bind.h: finding weights in a store; shared by the files that bind parts of a model. */
#pragma once

#include "model/model.h"
#include "model/names.h"
#include "pack/panel_file.h"

typedef struct fm_binding {
    fm_weight *weight;
    const fm_store_entry *entry; /* where it comes from */
    fm_tensor slice;             /* the rows it is made of */
    fm_moe_weights *moe;         /* of whose experts it is a matrix; NULL: none's */
    int64_t layer;
    int expert, matrix;          /* which; 0, 1, 2: gate, up, down */
    const fm_panel_entry *ready; /* its panels in the file of panels that the model uses; NULL: none there */
} fm_binding;

/* Bytes of its copy in the kernels' layout; 0 where the rows of the file are used in place, or panels are mapped. */
size_t fm_binding_copy_bytes(const fm_model *model, const fm_binding *binding);
/* For qsort: the order of the model's files. */
int fm_binding_by_place(const void *a, const void *b);

/* A number for a sample of the bytes it is made of, which are in `store`. */
uint64_t fm_binding_fingerprint(const fm_store *store, const fm_binding *binding);

/* What is being bound. */
typedef struct fm_binder {
    fm_model *model;
    int64_t layer;
    fm_error *err;
} fm_binder;

/* The entry of a role; NULL if the file does not have it. */
const fm_store_entry *fm_bind_find(const fm_binder *b, fm_role role, int64_t expert);
/* A matrix [n_out, n_in] that must be there. */
fm_status fm_bind_matrix(fm_binder *b, fm_role role, int64_t n_out, int64_t n_in, fm_weight *w);
/* Rows [first, first + n_out) of a tensor's matrix of n_in columns (an expert, a head). */
fm_status fm_bind_slice(fm_binder *b, const fm_store_entry *entry, int64_t first, int64_t n_out,
                        int64_t n_in, fm_weight *w);
/* A vector [n] as float32 (w->master); absent ones stay absent unless `required`. */
fm_status fm_bind_vector(fm_binder *b, fm_role role, int64_t n, bool required, fm_weight *w);
/* Zeroed array from the model's arena. */
fm_status fm_bind_array(fm_binder *b, size_t count, size_t size, void **out);
/* Fails naming the tensor that the role stands for. */
fm_status fm_bind_missing(fm_binder *b, fm_role role, int64_t expert);

fm_status fm_bind_attention(fm_binder *b, fm_layer *layer);
fm_status fm_bind_ffn(fm_binder *b, fm_layer *layer);
