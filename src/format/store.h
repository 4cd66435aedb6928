/* store.h: a model on disk as a set of named tensor views plus metadata; never a model.
 *
 * Opening maps the files and reads headers only; it takes no memory to speak of whatever the size.
 * Everything that a header says is checked against the file before anyone sees it: after
 * fm_store_open has succeeded every view lies inside a mapping (the files must not be shortened
 * while they are open; replacing them by renaming is fine). Adding a file format is one file with
 * an fm_store_format and one line in store.c. */
#pragma once

#include "format/meta.h"
#include "tensor/tensor.h"

typedef struct fm_store fm_store;

typedef struct fm_store_entry {
    const char *name; /* as in the file, UTF-8 */
    fm_tensor tensor; /* with its block scales, where the file has them */
    int shard;        /* index of the file it lies in */
    size_t offset;    /* of its first byte in that file */
    size_t bytes;     /* in that file */
    bool is_scale;    /* a weight_scale_inv tensor, already part of another entry's view */
    /* int32 data (test vectors have them; no weight is one): shape, data and row_bytes are as
     * always, tensor.dtype is FM_DTYPE_F32 only because its elements are as wide. Read the data as
     * int32_t, with memcpy: no alignment is promised. */
    bool is_integer32;
} fm_store_entry;

/* `path`: a GGUF file (any part of a split one), a Hugging Face folder, or a .safetensors file.
 * A missing shard, two tensors of one name, or an element type that Fathom does not know is an
 * error that names it; safetensors of integers and booleans other than I32 are no weights and are
 * passed over.
 *
 * FP8 matrices come joined with their block scales: `X.weight` of type F8_E4M3 [out, in] finds
 * `X.weight_scale_inv` [ceil(out / b0), ceil(in / b1)] in whichever shard it lies, with b0 and b1
 * from quantization_config.weight_block_size (128, 128 if absent). F32 scales are used in place
 * where the file aligned them; BF16 and F8_E8M0 scales become floats that the store owns. */
fm_status fm_store_open(const char *path, fm_store **out, fm_error *err);
void fm_store_close(fm_store *store);

const char *fm_store_path(const fm_store *store);
const char *fm_store_format_name(const fm_store *store); /* "gguf" or "safetensors" */
int fm_store_version(const fm_store *store); /* of the format: GGUF's 2 or 3; 0 where there is none */
/* The folder that holds tokenizer.json and friends; NULL for a single file. */
const char *fm_store_folder(const fm_store *store);
const fm_meta *fm_store_meta(const fm_store *store);

size_t fm_store_count(const fm_store *store);
const fm_store_entry *fm_store_at(const fm_store *store, size_t i); /* in file order */
const fm_store_entry *fm_store_find(const fm_store *store, const char *name); /* NULL if absent */

int fm_store_shards(const fm_store *store);
const char *fm_store_shard_path(const fm_store *store, int shard);
uint64_t fm_store_bytes(const fm_store *store); /* of all shards */

/* The pages of these bytes will not be read through the mapping again (they have been packed). */
void fm_store_drop(const fm_store *store, const fm_store_entry *entry);
/* Hints that the whole entry will be read soon. */
void fm_store_prefetch(const fm_store *store, const fm_store_entry *entry);

/* Copies bytes of a view (an entry's tensor, its rows, its scales) from the file instead of through the
 * mapping: where the disk fails or somebody has shortened the file this is FM_ERR_IO, naming it, and not
 * the end of the process. Fine from several threads. */
fm_status fm_store_read(const fm_store *store, const void *view, size_t bytes, void *out, fm_error *err);
/* FM_ERR_IO, naming it, if the file behind a view was changed in place since the store was opened. */
fm_status fm_store_unchanged(const fm_store *store, const void *view, fm_error *err);
/* A number for the sizes of all files and when they were last written to, as of opening. */
uint64_t fm_store_stamp(const fm_store *store);
/* Hints: these bytes of a view will be read soon; nobody will need them soon, not even who opens the
 * file next. */
void fm_store_will_read(const fm_store *store, const void *view, size_t bytes);
void fm_store_forget(const fm_store *store, const void *view, size_t bytes);

/* ---- writing ---------------------------------------------------------------------------------*/

/* One tensor to be written: data is contiguous, in `dtype`. */
typedef struct fm_safetensors_item {
    const char *name;
    fm_dtype dtype; /* one that has a safetensors name; I32 data is passed with `integers` set */
    bool integers;  /* the data are int32: written as I32 */
    int n_dims;
    int64_t shape[FM_MAX_DIMS];
    const void *data;
} fm_safetensors_item;

/* Writes a .safetensors file atomically: it appears complete or not at all. `metadata` is pairs of
 * strings (key, value), 2 * n_metadata entries, or NULL. */
fm_status fm_safetensors_write(const char *path, const fm_safetensors_item *items, size_t n,
                               const char *const *metadata, size_t n_metadata, fm_error *err);

/* Files larger than memory are written tensor by tensor: the writer asks for each item once, in the
 * order of the file, and `fn` puts exactly its bytes into the sink, in as many pieces as it likes. */
typedef struct fm_item_sink fm_item_sink;
fm_status fm_item_put(fm_item_sink *sink, const void *bytes, size_t n, fm_error *err);
typedef fm_status (*fm_item_fn)(void *context, size_t item, fm_item_sink *sink, fm_error *err);

/* As fm_safetensors_write; the items' data are not looked at. */
fm_status fm_safetensors_write_from(const char *path, const fm_safetensors_item *items, size_t n,
                                    const char *const *metadata, size_t n_metadata, fm_item_fn fn,
                                    void *context, fm_error *err);
