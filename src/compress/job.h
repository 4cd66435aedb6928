/* job.h: what converting and quantising share: a model opened for its files alone, and its outlined
 * tensors on their way into a file, with progress and cancelling. */
#pragma once

#include "base/pool.h"
#include "compress/emit.h"
#include "format/gguf_write.h"
#include "model/model.h"

typedef struct fm_job {
    fm_store *store;
    fm_model *model; /* bound, never loaded: its names and shapes are right */
    fm_outline outline;
    fm_pool *pool;
    bool (*progress)(void *context, double fraction);
    void (*say)(void *context, const char *sentence);
    void *context;
    int64_t done, total; /* elements */
} fm_job;

/* Opens and checks the model; job->pool and the callbacks are the caller's to set before. */
fm_status fm_job_open(fm_job *job, const char *source, fm_error *err);
void fm_job_close(fm_job *job);

/* Says one sentence, if anybody listens. */
void fm_job_say(const fm_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Counts the elements of the outline and says what has no place in it. */
void fm_job_begin(fm_job *job);
/* One tensor; counts and drops what was read. */
fm_status fm_job_emit(fm_job *job, const fm_outlined *item, fm_emit_options options, fm_item_sink *sink,
                      fm_emitted *result, fm_error *err);
/* The outline's items as the writers want them: an array for fm_free, NULL without memory. */
fm_safetensors_item *fm_job_items(const fm_job *job);
uint64_t fm_outlined_bytes(const fm_outlined *item);

/* general.name: what is asked for, else the last part of a path without its ending; for fm_free. */
char *fm_job_name(const char *asked, const char *path);
/* The folder that holds a Hugging Face model's JSON files: for a lone .safetensors file the one that it
 * lies in; for fm_free. */
char *fm_job_folder(const fm_job *job);
/* FM_ERR_IO unless `path` is free, or `force` and a plain file. */
fm_status fm_job_check_file(const char *path, bool force, fm_error *err);

/* The metadata of the store's model as a GGUF file's, without general.file_type; `options` as for
 * fm_outline_convert. A GGUF store's own pairs are taken over. */
fm_status fm_job_put_head(fm_job *job, fm_gguf_head *head, const fm_outline_options *options,
                          const char *name, fm_error *err);
/* The outline as a GGUF file has it: converted, with llama3's table, or kept. */
fm_status fm_job_outline_gguf(fm_job *job, const fm_outline_options *options, fm_error *err);
