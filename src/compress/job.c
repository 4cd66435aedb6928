#include "compress/job.h"

#include "compress/gguf_keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

fm_status fm_job_open(fm_job *job, const char *source, fm_error *err) {
    fm_model_options options = {.mtp = true};
    FM_TRY(fm_store_open(source, &job->store, err));
    return fm_model_bind(job->store, &options, &job->model, err);
}

void fm_job_close(fm_job *job) {
    fm_outline_clear(&job->outline);
    fm_model_free(job->model);
    fm_store_close(job->store);
}

void fm_job_say(const fm_job *job, const char *format, ...) {
    char sentence[512];
    if (!job->say) return;
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    job->say(job->context, sentence);
}

void fm_job_begin(fm_job *job) {
    const fm_outline *o = &job->outline;
    for (size_t i = 0; i < o->n; i++) {
        const fm_outlined *read = o->items[i].scales_of ? o->items[i].scales_of : &o->items[i];
        job->total += fm_outlined_rows_count(read) * fm_outlined_columns(read);
    }
    if (o->unused)
        fm_job_say(job, "%zu tensor%s that %s no part of the model left out: %s%s", o->unused,
                   o->unused == 1 ? "" : "s", o->unused == 1 ? "is" : "are", o->first_unused,
                   o->unused == 1 ? "" : ", ...");
}

static bool on_progress(void *context, int64_t elements) {
    fm_job *job = context;
    job->done += elements;
    return !job->progress ||
           job->progress(job->context, job->total ? (double)job->done / (double)job->total : 1);
}

fm_status fm_job_emit(fm_job *job, const fm_outlined *item, fm_emit_options options, fm_item_sink *sink,
                      fm_emitted *result, fm_error *err) {
    options.pool = job->pool;
    options.progress = on_progress;
    options.context = job;
    FM_TRY(fm_emit(item, &options, sink, result, err));
    fm_outlined_drop(item, job->store);
    return FM_OK;
}

fm_safetensors_item *fm_job_items(const fm_job *job) {
    const fm_outline *o = &job->outline;
    fm_safetensors_item *items = fm_alloc_array(o->n + 1, sizeof *items, FM_MEM_OTHER);
    for (size_t i = 0; items && i < o->n; i++) {
        const fm_outlined *x = &o->items[i];
        items[i] = (fm_safetensors_item){.name = x->name, .dtype = x->dtype, .n_dims = x->n_dims};
        items[i].integers = x->n_parts == 1 && x->parts[0].entry->is_integer32;
        memcpy(items[i].shape, x->shape, sizeof x->shape);
    }
    return items;
}

uint64_t fm_outlined_bytes(const fm_outlined *item) {
    size_t row = 0;
    fm_dtype_bytes(item->dtype, fm_outlined_columns(item), &row);
    return (uint64_t)row * (uint64_t)fm_outlined_rows_count(item);
}

/* ---- names -----------------------------------------------------------------------------------*/

char *fm_job_name(const char *asked, const char *path) {
    if (asked) return fm_strdup(asked);
    static const char *const endings[] = {".gguf", ".safetensors"};
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    for (size_t i = 0; i < FM_COUNT(endings); i++) {
        size_t n = strlen(endings[i]);
        if (end - begin > n && strncmp(path + end - n, endings[i], n) == 0) end -= n;
    }
    return fm_strndup(path + begin, end - begin);
}

fm_status fm_job_check_file(const char *path, bool force, fm_error *err) {
    struct stat st;
    if (stat(path, &st) != 0) return FM_OK;
    if (S_ISDIR(st.st_mode))
        return fm_fail(err, FM_ERR_IO, "%s is a folder, and what is made here is a file", path);
    if (force || !S_ISREG(st.st_mode)) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "%s is there already: with force it is replaced", path);
}

/* ---- GGUF ------------------------------------------------------------------------------------*/

fm_status fm_job_outline_gguf(fm_job *job, const fm_outline_options *options, fm_error *err) {
    const fm_config *c = &job->model->config;
    if (c->from_gguf) return fm_outline_keep(&job->outline, c, job->store, err);
    FM_TRY(fm_outline_convert(&job->outline, c, job->store, options, err));
    if (c->rope.kind != FM_ROPE_LLAMA3) return FM_OK;
    size_t n = (size_t)c->head_dim / 2;
    double *frequencies = fm_arena_array(&job->outline.arena, n, sizeof *frequencies);
    float *divisors = fm_arena_array(&job->outline.arena, n, sizeof *divisors);
    if (!frequencies || !divisors) return fm_fail_memory(err, n * 12, "a table of frequencies");
    fm_rope_divisors(c, frequencies, divisors);
    return fm_outline_add_values(&job->outline, "rope_freqs.weight", FM_ROLE_ROPE_FREQS, divisors,
                                 (int64_t)n, err);
}

/* Pairs that belong to the old file alone. */
static bool keeps_pair(const char *key) {
    return strcmp(key, "general.file_type") != 0 && strcmp(key, "general.alignment") != 0 &&
           strcmp(key, "general.quantization_version") != 0 && strncmp(key, "split.", 6) != 0;
}

char *fm_job_folder(const fm_job *job) {
    const fm_store *store = job->store;
    if (fm_store_folder(store)) return fm_strdup(fm_store_folder(store));
    const char *path = fm_store_path(store), *slash = strrchr(path, '/');
    return slash ? fm_strndup(path, (size_t)(slash - path + 1)) : fm_strdup(".");
}

static fm_status put_converted(fm_job *job, fm_gguf_head *head, const fm_outline_options *options,
                               const char *name, fm_error *err) {
    const fm_config *c = &job->model->config;
    const fm_meta *meta = fm_store_meta(job->store);
    fm_gguf_key_options keys = {.fused_kv_b = options->fused_kv_b, .mtp = options->mtp};
    char *folder = fm_job_folder(job), *title = fm_job_name(name, folder ? folder : "");
    bool found = false;
    keys.name = title;
    fm_status status = folder && title ? FM_OK : fm_fail_memory(err, 64, "a name");
    if (status == FM_OK) status = fm_gguf_put_config(head, c, meta, &keys, err);
    if (status == FM_OK) status = fm_gguf_put_tokenizer(head, c, meta, folder, &found, err);
    if (status == FM_OK && !found)
        fm_job_say(job, "%s has no tokenizer.json: the GGUF file has no tokenizer", folder);
    fm_free(folder);
    fm_free(title);
    return status;
}

fm_status fm_job_put_head(fm_job *job, fm_gguf_head *head, const fm_outline_options *options,
                          const char *name, fm_error *err) {
    const fm_config *c = &job->model->config;
    if (c->from_gguf) return fm_gguf_put_pairs_of(head, job->store, keeps_pair, err);
    if (c->num_nextn_predict_layers && !options->mtp)
        fm_job_say(job, "the multi-token-prediction module was left out, since llama.cpp refuses a file "
                   "that has it: with mtp it is kept for Fathom");
    return put_converted(job, head, options, name, err);
}
