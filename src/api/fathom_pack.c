/* fathom_pack.c: the file of panels beside a model: found when the model is opened, made and checked by `pack`. */
#include "api/handles.h"
#include "base/json_write.h"
#include "fathom/fathom_compress.h"

#include "model/panels.h"

#include <string.h>

/* ---- found --------------------------------------------------------------------------------------- */

fm_status fm_api_use_panels(fm_model *model, const fathom_model_options *o, char **path, char **ignored,
                            fm_error *err) {
    fm_error why;
    *path = *ignored = NULL;
    if (o->map_only || (o->panels && !o->panels[0])) return FM_OK;
    char *found = o->panels ? fm_strdup(o->panels) : fm_panels_path(model->store);
    if (!found) return fm_fail_memory(err, 64, "a path");
    fm_status status = FM_OK;
    if (o->panels || fm_file_exists(found)) {
        status = fm_model_use_panels(model, found, &why);
        if (status == FM_OK) {
            *path = found;
            return FM_OK;
        }
        if (o->panels || status == FM_ERR_MEMORY) {
            if (err) *err = why;
        } else { /* the model's own files are enough */
            *ignored = fm_strdup(why.message);
            status = *ignored ? FM_OK : fm_fail_memory(err, sizeof why.message, "a note");
        }
    }
    fm_free(found);
    return status;
}

/* ---- made ---------------------------------------------------------------------------------------- */

fathom_pack_options fathom_pack_defaults(void) { return (fathom_pack_options){0}; }

typedef struct packing {
    const fathom_pack_options *options;
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    char *path;
} packing;

static fm_status open_packing(packing *p, const char *source, fm_error *err) {
    const fathom_pack_options *o = p->options;
    FM_TRY(fm_store_open(source, &p->store, err));
    fm_model_options what = {.pack = true, .mtp = INT32_MAX}; /* all that anybody may bind */
    FM_TRY(fm_model_bind(p->store, &what, &p->model, err));
    p->path = o->output ? fm_strdup(o->output) : fm_panels_path(p->store);
    if (!p->path) return fm_fail_memory(err, 64, "a path");
    return fm_pool_new(o->threads, &p->pool, err);
}

/* Only what this command makes is replaced: whatever else has that name may be dear to somebody. */
static fm_status check_target(const char *path, fm_error *err) {
    if (!fm_file_exists(path) || fm_panel_file_recognise(path)) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "%s is there and no file of panels: move it away, or name another with --output",
                   path);
}

static fm_status work(packing *p, fm_error *err) {
    const fathom_pack_options *o = p->options;
    if (!o->check) {
        FM_TRY(check_target(p->path, err));
        FM_TRY(fm_panels_write(p->model, p->pool, p->path, o->progress, o->callback_context, err));
    }
    FM_TRY(fm_model_use_panels(p->model, p->path, err)); /* what was made is what will be found */
    if (!o->check) return FM_OK;
    fm_status status = fm_panels_check(p->model, p->pool, o->progress, o->callback_context, err);
    return status == FM_OK ? status : fm_error_prefix(err, status, "%s", p->path);
}

static fm_status describe(const packing *p, char **json, fm_error *err) {
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "path", p->path);
    fm_json_put_text(&w, "model", fm_store_path(p->store));
    fm_json_put_text(&w, "architecture", p->model->config.arch->name);
    fm_json_put_bool(&w, "checked", p->options->check);
    fm_json_put_integer(&w, "version", FM_PANEL_VERSION);
    fm_json_put_integer(&w, "matrices", (int64_t)p->model->panels->n);
    fm_json_put_integer(&w, "source_bytes", (int64_t)fm_store_bytes(p->store));
    fm_json_put_integer(&w, "bytes", (int64_t)p->model->panels->map.size);
    fm_json_close(&w, '}');
    fm_buffer_text(&out, "\n");
    fm_status status = fm_buffer_status(&out, err);
    *json = fm_buffer_take(&out);
    return status;
}

fathom_status fathom_pack(const char *model, const fathom_pack_options *options, char **json, fathom_error *error) {
    fm_error err;
    fathom_pack_options defaults = fathom_pack_defaults();
    packing p = {.options = options ? options : &defaults};
    if (json) *json = NULL;
    fm_status status = open_packing(&p, model, &err);
    if (status == FM_OK) status = work(&p, &err);
    if (status == FM_OK && json) status = describe(&p, json, &err);
    fm_model_free(p.model);
    fm_pool_free(p.pool);
    fm_store_close(p.store);
    fm_free(p.path);
    return fm_api_return(status, &err, error);
}
