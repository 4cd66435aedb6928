/* panels.h: a model's panels in a file beside it (pack/panel_file.h), made once and mapped afterwards.
 *
 * The file is bound to the files that it was made of: their sizes and times of change, every matrix's name,
 * rows, type and layout, and a sample of some matrices' bytes. What is not found to be so is not used. First
 * come all matrices but experts', in the order of the model's files, then the experts, each whole: gate, up,
 * down. A model that is bound with less (no module that guesses) uses a part of it. */
#pragma once

#include "model/bind.h"
#include "pack/panel_file.h"

/* Where a model's panels are looked for: MODEL.gguf.panels beside a file, model.panels in a folder. In memory
 * that the caller frees; NULL without memory. */
char *fm_panels_path(const fm_store *store);

/* Makes the file out of a model that is bound, with `pack` and not `lazy`, and not loaded; it appears complete
 * or not at all. The bytes do not depend on the pool's threads. Takes memory for a few matrices at a time. */
fm_status fm_panels_write(fm_model *model, fm_pool *pool, const char *path,
                          bool (*progress)(void *context, double fraction), void *context, fm_error *err);

/* Has a bound model use the file instead of packing: between fm_model_bind and fm_model_memory. What then is not
 * FM_OK is one sentence why it cannot be used (FM_ERR_FORMAT: damaged, or of other files; FM_ERR_UNSUPPORTED: of
 * another version), and leaves the model as it was. */
fm_status fm_model_use_panels(fm_model *model, const char *path, fm_error *err);

/* Reads all of the file in use, and compares every matrix with its hash and a sample of its source. */
fm_status fm_panels_check(const fm_model *model, fm_pool *pool,
                          bool (*progress)(void *context, double fraction), void *context, fm_error *err);

/* Of the file in use: brings into memory what every step needs, or, unless the model is lazy, all, with all threads
 * of the pool; as much as fits. */
fm_status fm_panels_populate(const fm_model *model, fm_pool *pool,
                             bool (*progress)(void *context, double fraction), void *context, fm_error *err);
