#include "compress/quantize.h"

#include "compress/imatrix.h"
#include "compress/job.h"
#include "model/arch/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct work {
    fm_job job;
    const fm_quantize_options *options;
    fm_imatrix imatrix;
    fm_emitted *done;  /* per item */
    size_t weighted;   /* tensors with an importance of their own */
    size_t unweighted; /* rounded tensors without, though there is a file */
    fm_error *err;
} work;

/* ---- types -----------------------------------------------------------------------------------*/

/* Types that were wished for and do not fit rows of that length; said once for each. */
typedef struct misfit {
    fm_dtype wish, instead;
    int64_t columns;
    size_t n;
} misfit;

typedef struct misfits {
    misfit list[16];
    size_t n;
} misfits;

static void note_misfit(misfits *all, fm_dtype wish, fm_dtype instead, int64_t columns) {
    for (size_t i = 0; i < all->n; i++)
        if (all->list[i].wish == wish && all->list[i].columns == columns) {
            all->list[i].n++;
            return;
        }
    if (all->n < FM_COUNT(all->list)) all->list[all->n++] = (misfit){wish, instead, columns, 1};
}

static void say_misfits(const work *w, const misfits *all) {
    for (size_t i = 0; i < all->n; i++) {
        const misfit *m = &all->list[i];
        fm_job_say(&w->job, "%zu tensor%s of rows of %lld, which do not divide into blocks of %d: %s there "
                   "instead of %s", m->n, m->n == 1 ? "" : "s", (long long)m->columns,
                   fm_dtype_get(m->wish)->block_elements, fm_dtype_get(m->instead)->name,
                   fm_dtype_get(m->wish)->name);
    }
}

static bool has_blocks(fm_dtype d) { return fm_dtype_get(d)->block_elements > 1; }

static fm_status choose_types(work *w) {
    const fm_quantize_options *o = w->options;
    fm_outline *outline = &w->job.outline;
    misfits all = {0};
    char pattern[256];
    size_t again = 0, own = 0;
    fm_dtype from = FM_DTYPE_F32, ours = FM_DTYPE_F32;
    FM_TRY(fm_overrides_check(&o->overrides, w->err));
    if (fm_overrides_unused(&o->overrides, outline, pattern, sizeof pattern))
        return fm_fail(w->err, FM_ERR_ARGUMENT, "no tensor is called '%s'", pattern);
    for (size_t i = 0; i < outline->n; i++) {
        fm_outlined *item = &outline->items[i];
        fm_dtype source = fm_outlined_source(item);
        fm_dtype wish = fm_recipe_choose(o->recipe, &w->job.model->config, item);
        fm_overrides_find(&o->overrides, item->name, &wish);
        item->dtype = fm_recipe_fit(wish, fm_outlined_columns(item));
        if (item->dtype != wish) note_misfit(&all, wish, item->dtype, fm_outlined_columns(item));
        if (has_blocks(source) && item->dtype != source && again++ == 0) from = source;
        if (fm_dtype_is_own(item->dtype) && own++ == 0) ours = item->dtype;
    }
    say_misfits(w, &all);
    if (again)
        fm_job_say(&w->job, "%zu tensors had been rounded before (%s): quantise the original where there is "
                   "one", again, fm_dtype_get(from)->name);
    if (own)
        fm_job_say(&w->job, "%zu tensors are %s, a format of Fathom's own: llama.cpp cannot open this file", own,
                   fm_dtype_get(ours)->name);
    return FM_OK;
}

/* ---- writing ---------------------------------------------------------------------------------*/

static fm_status put_item(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    work *w = context;
    const fm_outlined *item = &w->job.outline.items[i];
    fm_emit_options options = {.measure = true};
    if (w->imatrix.store && has_blocks(item->dtype)) {
        FM_TRY(fm_imatrix_find(&w->imatrix, item->name, item->matrices, fm_outlined_columns(item),
                               &options.importance, &options.importance_rows, err));
        *(options.importance ? &w->weighted : &w->unweighted) += 1;
    }
    return fm_job_emit(&w->job, item, options, sink, &w->done[i], err);
}

static fm_status write_file(work *w, const char *target) {
    const fm_quantize_options *o = w->options;
    fm_gguf_head head = {0};
    fm_safetensors_item *items = fm_job_items(&w->job);
    w->done = fm_alloc_array(w->job.outline.n + 1, sizeof *w->done, FM_MEM_OTHER);
    fm_status status = items && w->done ? fm_job_put_head(&w->job, &head, &o->outline, o->name, w->err)
                                        : fm_fail_memory(w->err, w->job.outline.n, "a list of tensors");
    fm_gguf_put_u32(&head, "general.file_type", o->recipe->file_type);
    fm_gguf_put_u32(&head, "general.quantization_version", 2);
    if (status == FM_OK)
        status = fm_gguf_write(target, &head, items, w->job.outline.n, put_item, w, w->err);
    fm_gguf_head_clear(&head);
    fm_free(items);
    return status;
}

/* ---- what came of it -------------------------------------------------------------------------*/

static int64_t elements_of(const fm_outlined *item) {
    return fm_outlined_rows_count(item) * fm_outlined_columns(item);
}

static void put_tensor(fm_json_writer *json, const fm_outlined *item, const fm_emitted *done) {
    fm_json_open(json, NULL, '{');
    json->flat = true;
    fm_json_put_text(json, "name", item->name);
    fm_json_open(json, "shape", '[');
    for (int d = 0; d < item->n_dims; d++) fm_json_put_integer(json, NULL, item->shape[d]);
    fm_json_close(json, ']');
    fm_json_put_text(json, "from", fm_dtype_get(fm_outlined_source(item))->name);
    fm_json_put_text(json, "to", fm_dtype_get(item->dtype)->name);
    fm_json_put_integer(json, "bytes", (int64_t)fm_outlined_bytes(item));
    fm_json_put_real(json, "rmse", sqrt(done->error / (double)elements_of(item)));
    fm_json_put_real(json, "relative", done->whole > 0 ? sqrt(done->error / done->whole) : 0);
    fm_json_close(json, '}');
    json->flat = false;
}

static void put_result(const work *w, fm_json_writer *json) {
    const fm_outline *o = &w->job.outline;
    fm_emitted sum = {0};
    uint64_t bytes = 0;
    int64_t weights = 0;
    for (size_t i = 0; i < o->n; i++) {
        bytes += fm_outlined_bytes(&o->items[i]);
        weights += elements_of(&o->items[i]);
        sum.error += w->done[i].error;
        sum.whole += w->done[i].whole;
    }
    fm_json_put_text(json, "format", "gguf");
    fm_json_put_text(json, "architecture", w->job.model->config.arch->name);
    fm_json_put_text(json, "type", w->options->recipe->name);
    fm_json_put_integer(json, "source_bytes", (int64_t)fm_store_bytes(w->job.store));
    fm_json_put_integer(json, "bytes", (int64_t)bytes);
    fm_json_put_integer(json, "weights", weights);
    fm_json_put_real(json, "bits_per_weight", weights ? 8.0 * (double)bytes / (double)weights : 0);
    fm_json_put_real(json, "relative", sum.whole > 0 ? sqrt(sum.error / sum.whole) : 0);
    fm_json_put_integer(json, "weighted_tensors", (int64_t)w->weighted);
    fm_json_open(json, "tensors", '[');
    for (size_t i = 0; i < o->n; i++) put_tensor(json, &o->items[i], &w->done[i]);
    fm_json_close(json, ']');
}

/* ---- the whole -------------------------------------------------------------------------------*/

static fm_status quantize(work *w, const char *source, const char *target) {
    const fm_quantize_options *o = w->options;
    FM_TRY(fm_job_check_file(target, o->force, w->err));
    FM_TRY(fm_job_open(&w->job, source, w->err));
    if (o->imatrix) FM_TRY(fm_imatrix_open(o->imatrix, &w->imatrix, w->err));
    FM_TRY(fm_job_outline_gguf(&w->job, &o->outline, w->err));
    FM_TRY(choose_types(w));
    fm_job_begin(&w->job);
    FM_TRY(write_file(w, target));
    if (w->unweighted)
        fm_job_say(&w->job, "%zu of %zu rounded tensors are not in the importance matrix: their errors counted "
                   "alike", w->unweighted, w->unweighted + w->weighted);
    return FM_OK;
}

fm_status fm_quantize(const char *source, const char *target, const fm_quantize_options *options,
                      fm_json_writer *json, fm_error *err) {
    work w = {.options = options, .err = err};
    w.job = (fm_job){.pool = options->pool, .progress = options->progress, .say = options->say,
                     .context = options->context};
    fm_status status = quantize(&w, source, target);
    if (status == FM_OK) put_result(&w, json);
    fm_imatrix_close(&w.imatrix);
    fm_free(w.done);
    fm_job_close(&w.job);
    return status;
}
