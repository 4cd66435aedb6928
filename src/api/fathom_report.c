/* fathom_report.c: the report of a run, and the help about recipes. */
#include "api/objects.h"
#include "base/file.h"
#include "fathom/fathom_train.h"
#include "report/page.h"
#include "train/run_recipe.h"

#include <stdio.h>
#include <string.h>

enum { LOG_LIMIT = 1 << 30 };

fathom_report_options fathom_report_defaults(void) { return (fathom_report_options){0}; }

static fm_status write_text(const char *path, const fm_buffer *text, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, text->data, text->size, err);
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

/* The run's folder by its own name, for the heading: "runs/nano/" is "nano". */
static void name_of(const char *folder, char *out, size_t size) {
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && folder[begin - 1] != '/') begin--;
    snprintf(out, size, "%.*s", (int)(end - begin), folder + begin);
}

static fm_status make_page(const char *folder, const char *log, const char *target, const fathom_report_options *o,
                           fm_error *err) {
    char *text, name[256];
    size_t size;
    fm_buffer page = {0};
    name_of(folder, name, sizeof name);
    fm_report_options options = {.name = name, .price = o->price, .watts = o->watts, .currency = o->currency};
    FM_TRY(fm_file_read(log, LOG_LIMIT, &text, &size, err));
    fm_status status = fm_report_page(&options, text, size, &page, err);
    if (status != FM_OK) fm_error_prefix(err, status, "%s", log);
    if (status == FM_OK) status = write_text(target, &page, err);
    fm_buffer_clear(&page);
    fm_free(text);
    return status;
}

static fm_status report(const char *run, const char *target, const fathom_report_options *o, fm_error *err) {
    bool folder = fm_is_directory(run);
    const char *slash = strrchr(run, '/');
    char *parent = folder  ? fm_strdup(run)
                   : slash ? fm_strndup(run, (size_t)(slash - run) + (slash == run))
                           : fm_strdup(".");
    char *log = folder ? fm_path_join(run, "log.jsonl") : fm_strdup(run);
    char *page = target ? fm_strdup(target) : parent ? fm_path_join(parent, "report.html") : NULL;
    fm_status status = parent && log && page ? make_page(folder ? run : parent, log, page, o, err)
                                             : fm_fail_memory(err, strlen(run), run);
    fm_free(parent);
    fm_free(log);
    fm_free(page);
    return status;
}

fathom_status fathom_report(const char *run, const char *target, const fathom_report_options *options,
                            fathom_error *err) {
    fm_error inner = {0};
    fathom_report_options defaults = fathom_report_defaults();
    return fm_api_return(report(run, target, options ? options : &defaults, &inner), &inner, err);
}

fathom_status fathom_recipe_help(bool markdown, char **text, fathom_error *err) {
    fm_error inner = {0};
    fm_buffer out = {0};
    if (markdown) fm_run_recipe_help_markdown(&out);
    else fm_run_recipe_help(&out);
    fm_status status = fm_buffer_status(&out, &inner);
    *text = fm_buffer_take(&out);
    return fm_api_return(status, &inner, err);
}
