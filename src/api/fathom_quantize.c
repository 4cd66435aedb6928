/* fathom_quantize.c: model files of smaller types. */
#include "api/notes.h"
#include "api/objects.h"
#include "fathom/fathom_compress.h"

#include "compress/quantize.h"

fathom_quantize_options fathom_quantize_defaults(void) { return (fathom_quantize_options){0}; }

bool fathom_recipe_at(size_t i, fathom_recipe *out) {
    const fm_recipe *r = fm_recipe_at(i);
    if (r) *out = (fathom_recipe){r->name, r->help};
    return r != NULL;
}

static fm_status quantize(const char *source, const char *target, const fathom_quantize_options *o,
                          fm_notes *notes, fm_buffer *out, fm_error *err) {
    fm_quantize_options inner = {.overrides = {o->tensors}, .imatrix = o->imatrix,
                                 .outline = {.mtp = o->mtp, .fused_kv_b = o->fused_kv_b},
                                 .force = o->force, .name = o->name, .progress = fm_notes_progress,
                                 .say = fm_notes_add, .context = notes};
    fm_json_writer w = {.out = out};
    FM_TRY(fm_recipe_find(o->type ? o->type : "q4_k_m", &inner.recipe, err));
    FM_TRY(fm_pool_new(o->threads, &inner.pool, err));
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "path", target);
    fm_status status = fm_quantize(source, target, &inner, &w, err);
    fm_pool_free(inner.pool);
    fm_notes_put(notes, &w);
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
    return status == FM_OK ? fm_buffer_status(out, err) : status;
}

fathom_status fathom_quantize(const char *source, const char *target,
                              const fathom_quantize_options *options, char **json, fathom_error *error) {
    fm_error err;
    fathom_quantize_options defaults = fathom_quantize_defaults();
    const fathom_quantize_options *o = options ? options : &defaults;
    fm_notes notes = {.progress = o->progress, .note = o->note, .context = o->callback_context};
    fm_buffer out = {0};
    if (json) *json = NULL;
    fm_status status = quantize(source, target, o, &notes, &out, &err);
    if (status == FM_OK && json) *json = fm_buffer_take(&out);
    fm_buffer_clear(&out);
    fm_notes_clear(&notes);
    return fm_api_return(status, &err, error);
}
