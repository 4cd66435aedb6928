/* run_folder.c: beginning a run, or coming back to one. */
#include "train/trainer.h"

#include "base/file.h"
#include "train/initial.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static fm_status make_folder(const char *path, fm_error *err) {
    FM_TRY(fm_folder_make_for(path, err));
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && fm_is_directory(path))) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", path, strerror(errno));
}

static fm_status lock(fm_run_folder *f, fm_error *err) {
    f->lock = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->lock < 0) return fm_fail(err, FM_ERR_IO, "cannot open the folder %s: %s", f->path, strerror(errno));
    if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "another process is training in %s: wait for it, or give another folder",
                       f->path);
    return FM_OK;
}

/* Nothing of a run, and yet not empty: somebody else's folder. */
static fm_status refuse_foreign(const fm_run_folder *f, fm_error *err) {
    static const char *const signs[] = {"config.json", "data.json", "tokenizer.json"};
    for (size_t i = 0; i < FM_COUNT(signs); i++) {
        char *path = fm_path_join(f->path, signs[i]);
        if (!path) return fm_fail_memory(err, strlen(f->path), f->path);
        bool there = fm_file_exists(path);
        fm_free(path);
        if (there)
            return fm_fail(err, FM_ERR_ARGUMENT, "%s holds something else (%s): give another folder", f->path,
                           signs[i]);
    }
    return FM_OK;
}

static fm_status write_text(const char *path, const fm_buffer *text, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_buffer_status(text, err));
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, text->data, text->size, err);
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

/* A run that was refused before its first step may be mended. */
static fm_status find_begun(fm_run_folder *f, fm_error *err) {
    char *log = fm_path_join(f->path, "log.jsonl");
    if (!log) return fm_fail_memory(err, strlen(f->path), f->path);
    f->begun = fm_file_exists(log) || fm_is_directory(f->checkpoints);
    fm_free(log);
    return FM_OK;
}

/* Compares with the recipe of a run that has begun, and puts this one (whose free keys may differ) in its place. */
static fm_status settle_recipe(fm_run_folder *f, const fm_run_recipe *recipe, fm_error *err) {
    fm_run_recipe before;
    fm_buffer text = {0};
    char *path = fm_path_join(f->path, "recipe.json");
    bool there = path && fm_file_exists(path);
    fm_status status = path ? FM_OK : fm_fail_memory(err, strlen(f->path), f->path);
    if (status == FM_OK) status = find_begun(f, err);
    if (status == FM_OK && there && f->begun) {
        status = fm_run_recipe_begin(&before, err);
        if (status == FM_OK) {
            status = fm_run_recipe_read(&before, path, err);
            if (status == FM_OK) status = fm_run_recipe_same(&before, recipe, err);
            fm_run_recipe_clear(&before);
        }
    } else if (status == FM_OK && !there) {
        status = refuse_foreign(f, err);
    }
    if (status == FM_OK) {
        fm_run_recipe_put(recipe, &text);
        status = write_text(path, &text, err);
    }
    fm_buffer_clear(&text);
    fm_free(path);
    return status;
}

static fm_status make_initial(fm_run_folder *f, const fm_run_recipe *r, fm_error *err) {
    f->source = fm_path_join(f->path, "initial");
    if (!f->source) return fm_fail_memory(err, strlen(f->path), f->path);
    if (f->begun && fm_is_directory(f->source) && fm_checkpoint_verify(f->source, NULL, NULL) == FM_OK) return FM_OK;
    const fm_initial_options o = {.shape = r->model.shape, .std = r->model.init_std, .seed = (uint64_t)r->run.seed,
                                  .memory = fm_mem_available(),
                                  .tokenizer = *r->model.tokenizer ? r->model.tokenizer : r->data.train};
    return fm_initial_write(f->path, "initial", &o, err);
}

fm_status fm_run_folder_open(const char *path, const fm_run_recipe *recipe, fm_run_folder *out,
                             void (*note)(void *context, const char *sentence), void *context, fm_error *err) {
    *out = (fm_run_folder){.lock = -1, .step = -1};
    out->path = fm_strdup(path);
    out->checkpoints = fm_path_join(path, "checkpoints");
    fm_status status = out->path && out->checkpoints ? FM_OK : fm_fail_memory(err, strlen(path), path);
    if (status == FM_OK) status = make_folder(path, err);
    if (status == FM_OK) status = lock(out, err);
    if (status == FM_OK) status = settle_recipe(out, recipe, err);
    if (status == FM_OK)
        status = fm_checkpoint_latest(out->checkpoints, &out->latest, &out->step, note, context, err);
    if (status == FM_OK && *recipe->model.start)
        status = (out->source = fm_strdup(recipe->model.start)) ? FM_OK : fm_fail_memory(err, strlen(path), path);
    else if (status == FM_OK)
        status = make_initial(out, recipe, err);
    bool is_model = out->latest && recipe->lora.rank == 0;
    if (status == FM_OK && !(out->model = fm_strdup(is_model ? out->latest : out->source)))
        status = fm_fail_memory(err, strlen(path), path);
    if (status != FM_OK) fm_run_folder_close(out);
    return status;
}

void fm_run_folder_close(fm_run_folder *f) {
    if (f->path && f->lock >= 0) close(f->lock);
    fm_free(f->path);
    fm_free(f->checkpoints);
    fm_free(f->model);
    fm_free(f->source);
    fm_free(f->latest);
    *f = (fm_run_folder){.lock = -1};
}
