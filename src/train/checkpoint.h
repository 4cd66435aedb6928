/* checkpoint.h: checkpoints: folders that are complete or not there, and that say so themselves.
 *
 *     RUN/checkpoints/step-000000001200/    config.json, tokenizer.json, model.safetensors, ...: a model's folder
 *                                           optimizer.safetensors, state.json: what going on needs
 *                                           recipe.json
 *                                           manifest.json: sha256 and size of every file; written last
 *
 * A checkpoint is written into a hidden neighbour, every file synced, and takes its name in one step. The same
 * state gives the same bytes: nothing in it is a time. Which is the latest is found by looking, never from a
 * pointer that could lie; what is incomplete or damaged is passed over with a warning. */
#pragma once

#include "base/buffer.h"
#include "base/sha256.h"
#include "format/store.h"

enum { FM_CHECKPOINT_NAME = 32 }; /* bytes of "step-000000001200" */

/* ---- writing -----------------------------------------------------------------------------------*/

typedef struct fm_checkpoint fm_checkpoint;
/* Begins the checkpoint of `step` in `folder`, which is made if need be. What a killed process has left of
 * the same one is removed first. */
fm_status fm_checkpoint_begin(const char *folder, int64_t step, fm_checkpoint **out, fm_error *err);
/* The same under any name: a folder that appears whole. */
fm_status fm_checkpoint_begin_named(const char *folder, const char *name, fm_checkpoint **out, fm_error *err);
/* Where its files lie until it is done. */
const char *fm_checkpoint_folder(const fm_checkpoint *c);
fm_status fm_checkpoint_put(fm_checkpoint *c, const char *name, const void *bytes, size_t n, fm_error *err);
fm_status fm_checkpoint_put_tensors(fm_checkpoint *c, const char *name, const fm_safetensors_item *items,
                                    size_t n, fm_error *err);
/* Tensor by tensor, see fm_safetensors_write_from. */
fm_status fm_checkpoint_put_tensors_from(fm_checkpoint *c, const char *name, const fm_safetensors_item *items,
                                         size_t n, fm_item_fn fn, void *context, fm_error *err);
/* A file that somebody has just written whole into fm_checkpoint_folder. */
fm_status fm_checkpoint_add(fm_checkpoint *c, const char *name, fm_error *err);
/* A file of another folder as it is; where there is none, nothing happens. */
fm_status fm_checkpoint_copy(fm_checkpoint *c, const char *name, const char *from_folder, fm_error *err);
/* Writes the manifest and gives the checkpoint its name, replacing one of that step. `hash` (may be NULL): the
 * manifest's sha256, which stands for all of it. Both end it; after an error nothing of it is left, and the
 * older checkpoints are as they were. */
fm_status fm_checkpoint_commit(fm_checkpoint *c, char hash[FM_SHA256_HEX + 1], fm_error *err);
void fm_checkpoint_abort(fm_checkpoint *c);

/* ---- finding -----------------------------------------------------------------------------------*/

/* Reads the manifest and every file it names: FM_ERR_FORMAT or FM_ERR_IO names the first that is not as it was. */
fm_status fm_checkpoint_verify(const char *path, char hash[FM_SHA256_HEX + 1], fm_error *err);

/* The newest checkpoint in `folder` that is whole: its path (fm_free) and step; *path is NULL where there is
 * none. `warn` (may be NULL) hears of those passed over. */
fm_status fm_checkpoint_latest(const char *folder, char **path, int64_t *step,
                               void (*warn)(void *context, const char *sentence), void *context, fm_error *err);

/* "FOLDER/step-000000001200" (fm_free); NULL without memory. */
char *fm_checkpoint_path(const char *folder, int64_t step);

/* ---- keeping -----------------------------------------------------------------------------------*/

typedef struct fm_retention {
    int64_t newest; /* so many stay */
    int64_t every;  /* and those of steps that this divides; 0: none */
    int64_t best;   /* and the one of this step; negative: none */
} fm_retention;
/* Removes the others, and what killed writers have left behind. */
fm_status fm_checkpoint_retain(const char *folder, const fm_retention *keep, fm_error *err);
