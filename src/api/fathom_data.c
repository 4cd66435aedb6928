/* fathom_data.c: text to data for training. */
#include "api/objects.h"
#include "base/file.h"
#include "fathom/fathom_train.h"
#include "train/build.h"

#include <math.h>
#include <string.h>

fathom_data_options fathom_data_defaults(void) {
    return (fathom_data_options){.valid = 0.01, .near = 0.8, .shard = 32 << 20};
}

static fm_status choose_style(const fathom_data_options *o, const fathom_tokenizer *t, fm_chat_style *out,
                              fm_error *err) {
    *out = t->style;
    if (!o->chat || fm_chat_style_parse(o->chat, out)) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "there is no chat style called '%.60s'", o->chat);
}

/* The folder of a tokenizer.json; a folder is its own. For fm_free. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (fm_is_directory(path)) return fm_strdup(path);
    return slash ? fm_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : fm_strdup(".");
}

static fm_status build(const fathom_tokenizer *t, const char *path, fm_build_options *o, const char *target,
                       fm_buffer *out, fm_error *err) {
    char *folder = folder_of(path);
    if (!folder) return fm_fail_memory(err, strlen(path), "a path");
    o->tokenizer = t->inner;
    o->tokenizer_folder = folder;
    fm_status status = fm_build(target, o, out, err);
    fm_free(folder);
    return status;
}

static fm_status data_build(const char *tokenizer, const fathom_data_source *sources, size_t n, const char *target,
                            const fathom_data_options *o, fm_buffer *out, fm_error *err) {
    fm_build_options inner = {.n_sources = n, .valid = o->valid, .duplicates = o->keep_duplicates, .near = o->near,
                              .shard = o->shard, .progress = o->progress, .context = o->callback_context};
    fathom_tokenizer *t = NULL;
    fathom_error said;
    if (fathom_tokenizer_open(tokenizer, &t, &said) != FATHOM_OK)
        return fm_fail(err, (fm_status)said.code, "%s", said.message);
    fm_build_source *list = fm_alloc_array(n + 1, sizeof *list, FM_MEM_OTHER);
    for (size_t i = 0; list && i < n; i++)
        list[i] = (fm_build_source){sources[i].name, sources[i].weight < 0 ? NAN : sources[i].weight, sources[i].paths,
                                    sources[i].n_paths};
    inner.sources = list;
    fm_status status = list ? choose_style(o, t, &inner.style, err) : fm_fail_memory(err, n * sizeof *list, "sources");
    if (status == FM_OK) status = fm_pool_new(o->threads, &inner.pool, err);
    if (status == FM_OK) status = build(t, tokenizer, &inner, target, out, err);
    fm_pool_free(inner.pool);
    fm_free(list);
    fathom_tokenizer_close(t);
    return status;
}

fathom_status fathom_data_build(const char *tokenizer, const fathom_data_source *sources, size_t n_sources,
                                const char *target, const fathom_data_options *options, char **json,
                                fathom_error *error) {
    fm_error err = {0};
    fathom_data_options defaults = fathom_data_defaults();
    fm_buffer out = {0};
    if (json) *json = NULL;
    fm_status status =
        data_build(tokenizer, sources, n_sources, target, options ? options : &defaults, &out, &err);
    if (status == FM_OK && json) *json = fm_buffer_take(&out);
    fm_buffer_clear(&out);
    return fm_api_return(status, &err, error);
}
