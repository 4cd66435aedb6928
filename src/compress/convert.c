#include "compress/convert.h"

#include "base/file.h"
#include "base/json_write.h"
#include "compress/gguf_keys.h"
#include "compress/hf_files.h"
#include "compress/job.h"
#include "compress/merge.h"
#include "compress/new_folder.h"

#include <stdio.h>
#include <string.h>

static const uint64_t shard_default = 5000000000u;

/* Tensors whose numbers changed, and the types of the first of them. */
typedef struct rounding {
    size_t n;
    fm_dtype from, to; /* the first one's */
    bool others;       /* not all were `from` */
} rounding;

typedef struct conversion {
    fm_job job;
    const fm_convert_options *options;
    fm_convert_result *result;
    const char *target;
    fm_error *err;
    fm_adapters *adapters; /* NULL: none */
    rounding rounded[2];   /* to FP8, and to others */
} conversion;

/* ---- types -----------------------------------------------------------------------------------*/

static bool is_plain(fm_dtype d) { return fm_dtype_get(d)->block_elements == 1 && d <= FM_DTYPE_BF16; }

/* Matrices: what is asked for, else their own where it has neither blocks nor scales. */
static fm_dtype matrix_type(const conversion *c, const fm_outlined *item) {
    if (c->options->dtype >= 0) return (fm_dtype)c->options->dtype;
    fm_dtype source = fm_outlined_source(item);
    return is_plain(source) ? source : FM_DTYPE_BF16;
}

static bool makes_fp8(const conversion *c) { return c->options->dtype == FM_DTYPE_F8_E4M3; }

/* As DeepSeek-V3's checkpoint has them: FP8 where activations are multiplied in FP8. */
static fm_dtype fp8_checkpoint_type(const fm_outlined *item) {
    switch (item->role) {
    case FM_ROLE_ROUTER_BIAS: return FM_DTYPE_F32;
    case FM_ROLE_EMBED: case FM_ROLE_HEAD: case FM_ROLE_ROUTER:
    case FM_ROLE_MTP_EMBED: case FM_ROLE_MTP_HEAD: case FM_ROLE_MTP_EH_PROJ: return FM_DTYPE_BF16;
    default: return item->n_dims == 2 ? FM_DTYPE_F8_E4M3 : FM_DTYPE_BF16;
    }
}

static bool loses(const fm_outlined *item) {
    if (item->dtype == FM_DTYPE_F8_E4M3) return !fm_outlined_keeps_fp8(item);
    return item->dtype != FM_DTYPE_F32 && (fm_outlined_source(item) != item->dtype || fm_outlined_merges(item));
}

/* A sum with an adapter is made in float32, whatever the weight was (merge.h). */
static fm_dtype rounded_from(const fm_outlined *item) {
    return fm_outlined_merges(item) ? FM_DTYPE_F32 : fm_outlined_source(item);
}

static bool is_small(const fm_outlined *item) {
    return item->n_dims == 1 || item->role == FM_ROLE_ROUTER;
}

static void note_rounding(conversion *c, const fm_outlined *item) {
    rounding *r = &c->rounded[item->dtype != FM_DTYPE_F8_E4M3];
    if (!loses(item)) return;
    if (r->n++ == 0) r->from = rounded_from(item), r->to = item->dtype;
    r->others |= rounded_from(item) != r->from;
}

static void say_rounding(const conversion *c) {
    for (size_t i = 0; i < FM_COUNT(c->rounded); i++) {
        const rounding *r = &c->rounded[i];
        if (r->n)
            fm_job_say(&c->job, "%zu %s were rounded from %s%s to %s", r->n, makes_fp8(c) ? "tensors" : "matrices",
                       fm_dtype_get(r->from)->name, r->others ? " and other types" : "", fm_dtype_get(r->to)->name);
    }
}

/* In GGUF vectors and the router are float32, as llama.cpp has them. In safetensors they have the type of
 * the matrices where that loses nothing, which is how they were before somebody widened them. */
static fm_status choose_types(conversion *c, bool to_gguf) {
    fm_outline *o = &c->job.outline;
    c->result->dtype = matrix_type(c, &o->items[0]); /* the embedding */
    for (size_t i = 0; i < o->n; i++) {
        fm_outlined *item = &o->items[i];
        fm_status status = FM_OK;
        if (makes_fp8(c)) {
            item->dtype = fp8_checkpoint_type(item);
            bool fits = is_small(item) && fm_outlined_fits(item, item->dtype, &status, c->err);
            if (!fits) note_rounding(c, item);
        } else if (!is_small(item)) {
            item->dtype = matrix_type(c, item);
            note_rounding(c, item);
        } else if (to_gguf || item->role == FM_ROLE_ROUTER_BIAS) {
            item->dtype = FM_DTYPE_F32;
        } else {
            bool fits = fm_outlined_fits(item, c->result->dtype, &status, c->err);
            item->dtype = fits ? c->result->dtype : FM_DTYPE_F32;
        }
        FM_TRY(status);
    }
    say_rounding(c);
    return FM_OK;
}

/* ---- GGUF ------------------------------------------------------------------------------------*/

static fm_status put_item(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    conversion *c = context;
    fm_emitted ignored;
    return fm_job_emit(&c->job, &c->job.outline.items[i], (fm_emit_options){0}, sink, &ignored, err);
}

static uint32_t file_type(fm_dtype d) {
    return d == FM_DTYPE_F32 ? 0 : d == FM_DTYPE_F16 ? 1 : 32;
}

static fm_status to_gguf(conversion *c) {
    const fm_convert_options *o = c->options;
    fm_job *job = &c->job;
    fm_gguf_head head = {0};
    FM_TRY(fm_job_check_file(c->target, o->force, c->err));
    FM_TRY(fm_job_outline_gguf(job, &o->outline, c->err));
    if (c->adapters) FM_TRY(fm_merge_mark(job, c->adapters, c->err));
    FM_TRY(choose_types(c, true));
    fm_job_begin(job);
    fm_safetensors_item *items = fm_job_items(job);
    fm_status status = items ? fm_job_put_head(job, &head, &o->outline, o->name, c->err)
                             : fm_fail_memory(c->err, job->outline.n, "a list of tensors");
    fm_gguf_put_u32(&head, "general.file_type", file_type(c->result->dtype));
    fm_gguf_put_u32(&head, "general.quantization_version", 2);
    if (status == FM_OK)
        status = fm_gguf_write(c->target, &head, items, job->outline.n, put_item, c, c->err);
    fm_gguf_head_clear(&head);
    fm_free(items);
    c->result->files = 1;
    return status;
}

/* ---- Hugging Face ----------------------------------------------------------------------------*/

/* Tensors [begin, end) of the outline in one .safetensors file. */
typedef struct shard {
    conversion *c;
    size_t begin;
} shard;

static fm_status put_shard_item(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    const shard *s = context;
    return put_item(s->c, s->begin + i, sink, err);
}

/* Where the shard that begins at `begin` ends: at least one tensor, then as many as fit. */
static size_t shard_end(const conversion *c, size_t begin) {
    const fm_outline *o = &c->job.outline;
    uint64_t limit = c->options->shard_bytes ? c->options->shard_bytes : shard_default;
    uint64_t bytes = fm_outlined_bytes(&o->items[begin]);
    size_t end = begin + 1;
    for (; end < o->n; end++) {
        bytes += fm_outlined_bytes(&o->items[end]);
        if (bytes > limit) break;
    }
    return end;
}

static size_t count_shards(const conversion *c) {
    size_t n = 0;
    for (size_t at = 0; at < c->job.outline.n; at = shard_end(c, at)) n++;
    return n;
}

static void shard_name(size_t i, size_t n, char name[64]) {
    if (n == 1) snprintf(name, 64, "model.safetensors");
    else snprintf(name, 64, "model-%05zu-of-%05zu.safetensors", i + 1, n);
}

static fm_status write_shards(conversion *c, const char *folder, size_t n) {
    static const char *const metadata[] = {"format", "pt"};
    fm_safetensors_item *items = fm_job_items(&c->job);
    if (!items) return fm_fail_memory(c->err, c->job.outline.n, "a list of tensors");
    fm_status status = FM_OK;
    size_t at = 0;
    for (size_t i = 0; i < n && status == FM_OK; i++) {
        char name[64];
        shard_name(i, n, name);
        shard s = {c, at};
        at = shard_end(c, at);
        char *path = fm_path_join(folder, name);
        status = path ? fm_safetensors_write_from(path, items + s.begin, at - s.begin, metadata, 1,
                                                  put_shard_item, &s, c->err)
                      : fm_fail_memory(c->err, 64, "a path");
        fm_free(path);
    }
    fm_free(items);
    return status;
}

static fm_status write_text(conversion *c, const char *folder, const char *name, fm_buffer *text) {
    fm_status status = fm_buffer_status(text, c->err);
    char *path = fm_path_join(folder, name);
    fm_writer *w;
    if (status == FM_OK && !path) status = fm_fail_memory(c->err, 64, "a path");
    if (status == FM_OK) status = fm_writer_open(path, &w, c->err);
    if (status == FM_OK) {
        status = fm_writer_put(w, text->data, text->size, c->err);
        if (status == FM_OK) status = fm_writer_commit(w, c->err);
        else fm_writer_abort(w);
    }
    fm_free(path);
    text->size = 0;
    return status;
}

static fm_status write_index(conversion *c, const char *folder, size_t n) {
    const fm_outline *o = &c->job.outline;
    fm_buffer text = {0};
    fm_json_writer w = {.out = &text};
    uint64_t total = 0;
    if (n == 1) return FM_OK;
    for (size_t i = 0; i < o->n; i++) total += fm_outlined_bytes(&o->items[i]);
    fm_json_open(&w, NULL, '{');
    fm_json_open(&w, "metadata", '{');
    fm_json_put_integer(&w, "total_size", (int64_t)total);
    fm_json_close(&w, '}');
    fm_json_open(&w, "weight_map", '{');
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        char name[64];
        shard_name(i, n, name);
        for (size_t end = shard_end(c, at); at < end; at++)
            fm_json_put_text(&w, o->items[at].name, name);
    }
    fm_json_close(&w, '}');
    fm_json_close(&w, '}');
    fm_buffer_text(&text, "\n");
    fm_status status = write_text(c, folder, "model.safetensors.index.json", &text);
    fm_buffer_clear(&text);
    return status;
}

static fm_status make_json(conversion *c, const char *folder) {
    const fm_config *config = &c->job.model->config;
    fm_buffer text = {0}, more = {0};
    bool found = false;
    fm_status status = fm_hf_put_config(&text, config, c->job.store, c->result->dtype, c->err);
    if (status == FM_OK) status = write_text(c, folder, "config.json", &text);
    fm_hf_put_generation(&text, config);
    if (status == FM_OK) status = write_text(c, folder, "generation_config.json", &text);
    text.size = 0;
    if (status == FM_OK)
        status = fm_hf_put_tokenizer(&text, &more, config, fm_store_meta(c->job.store), &found, c->err);
    if (status == FM_OK && found) status = write_text(c, folder, "tokenizer.json", &text);
    if (status == FM_OK && found) status = write_text(c, folder, "tokenizer_config.json", &more);
    if (status == FM_OK && !found)
        fm_job_say(&c->job, "the GGUF file has no tokenizer: the folder has no tokenizer.json");
    fm_buffer_clear(&text);
    fm_buffer_clear(&more);
    return status;
}

/* The files beside the weights of another folder. Code is not among them, and the new config.json names none. */
static fm_status copy_json(conversion *c, const char *folder) {
    static const char *const names[] = {"generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                        "chat_template.jinja"};
    fm_buffer text = {0};
    char *source = fm_job_folder(&c->job);
    fm_status status = source ? fm_hf_copy_config(&text, source, c->result->dtype, c->err)
                              : fm_fail_memory(c->err, 64, "a path");
    if (status == FM_OK) status = write_text(c, folder, "config.json", &text);
    for (size_t i = 0; i < FM_COUNT(names) && status == FM_OK; i++) {
        bool found;
        status = fm_hf_copy_file(&text, source, names[i], &found, c->err);
        if (status == FM_OK && found) status = write_text(c, folder, names[i], &text);
    }
    fm_free(source);
    fm_buffer_clear(&text);
    return status;
}

static fm_status to_folder(conversion *c) {
    const fm_convert_options *o = c->options;
    fm_job *job = &c->job;
    fm_new_folder folder;
    bool gguf = job->model->config.from_gguf;
    fm_outline_options outline = {.mtp = true, .same_kind = !gguf}; /* Hugging Face's files always have mtp */
    FM_TRY(fm_outline_convert(&job->outline, &job->model->config, job->store, &outline, c->err));
    if (c->adapters) FM_TRY(fm_merge_mark(job, c->adapters, c->err));
    FM_TRY(choose_types(c, false));
    FM_TRY(fm_outline_add_scales(&job->outline, c->err));
    fm_job_begin(job);
    c->result->files = count_shards(c);
    FM_TRY(fm_new_folder_begin(c->target, o->force, &folder, c->err));
    fm_status status = gguf ? make_json(c, folder.temporary) : copy_json(c, folder.temporary);
    if (status == FM_OK) status = write_index(c, folder.temporary, c->result->files);
    if (status == FM_OK) status = write_shards(c, folder.temporary, c->result->files);
    if (status == FM_OK) return fm_new_folder_commit(&folder, c->err);
    fm_new_folder_abort(&folder);
    return status;
}

/* ---- both ------------------------------------------------------------------------------------*/

static bool makes_folder(const conversion *c) {
    size_t n = strlen(c->target);
    if (makes_fp8(c)) return true;
    if (c->options->adapter) return n < 5 || strcmp(c->target + n - 5, ".gguf") != 0;
    return c->job.model->config.from_gguf;
}

static fm_status convert(conversion *c, const char *source) {
    FM_TRY(fm_job_open(&c->job, source, c->err));
    bool folder = makes_folder(c);
    if (c->options->adapter) FM_TRY(fm_merge_open(&c->job, c->options->adapter, &c->adapters, c->err));
    FM_TRY(folder ? to_folder(c) : to_gguf(c));
    const fm_outline *o = &c->job.outline;
    c->result->format = folder ? "safetensors" : "gguf";
    c->result->architecture = c->job.model->config.arch->name;
    c->result->tensors = o->n;
    c->result->source_bytes = fm_store_bytes(c->job.store);
    for (size_t i = 0; i < o->n; i++) c->result->bytes += fm_outlined_bytes(&o->items[i]);
    return FM_OK;
}

fm_status fm_convert(const char *source, const char *target, const fm_convert_options *options,
                     fm_convert_result *result, fm_error *err) {
    *result = (fm_convert_result){0};
    conversion c = {.options = options, .result = result, .target = target, .err = err};
    c.job = (fm_job){.pool = options->pool, .progress = options->progress, .say = options->say,
                     .context = options->context};
    fm_status status = convert(&c, source);
    fm_adapters_free(c.adapters);
    fm_job_close(&c.job);
    return status;
}
