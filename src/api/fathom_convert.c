/* fathom_convert.c: model files from one kind to the other. */
#include "api/notes.h"
#include "api/objects.h"
#include "fathom/fathom_compress.h"

#include "compress/convert.h"

#include <string.h>
#include <strings.h>

fathom_convert_options fathom_convert_defaults(void) { return (fathom_convert_options){0}; }

static fm_status parse_dtype(const char *text, int *out, fm_error *err) {
    static const fm_dtype types[] = {FM_DTYPE_F32, FM_DTYPE_F16, FM_DTYPE_BF16};
    *out = -1;
    if (!text) return FM_OK;
    if (strcasecmp(text, "fp8") == 0) *out = FM_DTYPE_F8_E4M3;
    for (size_t i = 0; i < FM_COUNT(types); i++)
        if (strcasecmp(text, fm_dtype_get(types[i])->name) == 0) *out = (int)types[i];
    if (*out >= 0) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT,
                   "'%.40s' is no type to convert to: f32, f16, bf16 or fp8 (quantising makes others)", text);
}

static fm_status describe(const fm_convert_result *r, const char *target, fm_notes *notes, char **json,
                          fm_error *err) {
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "path", target);
    fm_json_put_text(&w, "format", r->format);
    fm_json_put_text(&w, "architecture", r->architecture);
    fm_json_put_text(&w, "dtype", fm_dtype_get(r->dtype)->name);
    fm_json_put_integer(&w, "tensors", (int64_t)r->tensors);
    fm_json_put_integer(&w, "files", (int64_t)r->files);
    fm_json_put_integer(&w, "source_bytes", (int64_t)r->source_bytes);
    fm_json_put_integer(&w, "bytes", (int64_t)r->bytes);
    fm_notes_put(notes, &w);
    fm_json_close(&w, '}');
    fm_buffer_text(&out, "\n");
    fm_status status = fm_buffer_status(&out, err);
    *json = fm_buffer_take(&out);
    return status;
}

static fm_status convert(const char *source, const char *target, const fathom_convert_options *o,
                         fm_notes *notes, char **json, fm_error *err) {
    fm_convert_result result;
    fm_convert_options inner = {.outline = {.mtp = o->mtp, .fused_kv_b = o->fused_kv_b},
                                .force = o->force, .shard_bytes = o->shard_bytes, .name = o->name,
                                .adapter = o->adapter, .progress = fm_notes_progress, .say = fm_notes_add,
                                .context = notes};
    FM_TRY(parse_dtype(o->dtype, &inner.dtype, err));
    FM_TRY(fm_pool_new(o->threads, &inner.pool, err));
    fm_status status = fm_convert(source, target, &inner, &result, err);
    fm_pool_free(inner.pool);
    return status == FM_OK && json ? describe(&result, target, notes, json, err) : status;
}

fathom_status fathom_convert(const char *source, const char *target,
                             const fathom_convert_options *options, char **json, fathom_error *error) {
    fm_error err;
    fathom_convert_options defaults = fathom_convert_defaults();
    const fathom_convert_options *o = options ? options : &defaults;
    fm_notes notes = {.progress = o->progress, .note = o->note, .context = o->callback_context};
    if (json) *json = NULL;
    fm_status status = convert(source, target, o, &notes, json, &err);
    fm_notes_clear(&notes);
    return fm_api_return(status, &err, error);
}
