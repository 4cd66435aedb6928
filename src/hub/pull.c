#include "hub/pull.h"

#include "base/buffer.h"
#include "base/file.h"
#include "hub/choose.h"
#include "hub/fetch.h"
#include "hub/folder.h"
#include "hub/human.h"
#include "hub/manifest.h"
#include "hub/refusal.h"
#include "hub/url.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct pull {
    const fm_pull_options *o;
    fm_pull_name name;
    char *endpoint; /* without slashes at its end */
    char *folder, *path;
    fm_http *http;
    fm_watch watch;
    fm_listing listing;
    int lock;
} pull;

/* ---- what there is ---------------------------------------------------------------------------*/

static fm_status on_listing_begin(void *context, const fm_http_reply *reply, fm_error *err) {
    fm_buffer *text = context;
    text->size = 0; /* an attempt before may have left something */
    if (reply->length > FM_LISTING_LIMIT)
        return fm_fail(err, FM_ERR_LIMIT, "%s answers with %lld bytes: no list of files is that long",
                       reply->host, (long long)reply->length);
    return FM_OK;
}

static fm_status on_listing_body(void *context, const void *bytes, size_t n, fm_error *err) {
    fm_buffer *text = context;
    fm_buffer_put(text, bytes, n);
    if (text->size > FM_LISTING_LIMIT)
        return fm_fail(err, FM_ERR_LIMIT, "the list of files is longer than the %d bytes that are "
                       "taken", FM_LISTING_LIMIT);
    return fm_buffer_status(text, err);
}

static fm_status ask(pull *p, const char *url, fm_buffer *text, fm_error *err) {
    const fm_http_sink sink = {on_listing_begin, on_listing_body, text};
    const fm_asked asked = {p->endpoint, p->name.repository, p->name.revision, NULL,
                            p->o->token != NULL};
    fm_retry retry = {.attempts = p->o->attempts, .watch = &p->watch};
    for (;;) {
        fm_http_reply reply;
        fm_status status = fm_http_get(p->http, url, 0, &sink, &reply, err);
        if (status != FM_OK && !reply.transient) return status;
        if (status == FM_OK && reply.status == 200) return FM_OK;
        if (status == FM_OK) {
            status = fm_refusal(&reply, &asked, err);
            if (!fm_retry_worth(reply.status)) return status;
        }
        FM_TRY(fm_retry_wait(&retry, reply.retry_after, err));
    }
}

static fm_status list(pull *p, fm_error *err) {
    fm_buffer url = {0}, text = {0};
    fm_url_listing(&url, p->endpoint, p->name.repository, p->name.revision);
    fm_status status = fm_buffer_status(&url, err);
    if (status == FM_OK) status = ask(p, fm_buffer_string(&url), &text, err);
    if (status == FM_OK) {
        status = fm_listing_parse(fm_buffer_string(&text), text.size, &p->listing, err);
        if (status != FM_OK)
            fm_error_prefix(err, status, "%s about %s", p->endpoint, p->name.repository);
    }
    fm_buffer_clear(&url);
    fm_buffer_clear(&text);
    return status;
}

/* ---- the plan --------------------------------------------------------------------------------*/

static fm_status name_path(const fm_pull_name *name, const char *folder, const char *open,
                           char **path, fm_error *err) {
    *path = open ? fm_path_join(folder, open) : fm_strdup(folder);
    return *path ? FM_OK : fm_fail_memory(err, strlen(name->repository), "a path");
}

static fm_status look_around(pull *p, fm_error *err) {
    fm_listing old;
    FM_TRY(fm_manifest_read(p->folder, &old, err));
    fm_manifest_carry(&old, &p->listing);
    fm_listing_clear(&old);
    return FM_OK;
}

/* A file that lies there unrecorded is looked at before it is fetched: perhaps nothing has to come. */
static bool lies_there(const pull *p, const fm_hub_file *f) {
    return f->has_sha256 && fm_file_size(p->folder, f->name) == f->size;
}

static fm_status sum_up(pull *p, fm_pull_plan *plan, fm_error *err) {
    *plan = (fm_pull_plan){.repository = p->name.repository, .revision = p->name.revision,
                           .commit = p->listing.commit, .folder = p->folder, .path = p->path,
                           .files = p->listing.files, .n_files = p->listing.n,
                           .room = fm_folder_room(p->folder)};
    for (size_t i = 0; i < p->listing.n; i++) {
        const fm_hub_file *f = &p->listing.files[i];
        if (!f->chosen) continue;
        if (f->size < 0)
            return fm_fail(err, FM_ERR_UNSUPPORTED, "%s does not tell the size of %s, without which "
                           "nothing is fetched", p->endpoint, f->name);
        plan->total_bytes += f->size; /* 200,000 files of 2^50 bytes would do: listing.c */
        if (plan->total_bytes > (int64_t)1 << 60)
            return fm_fail(err, FM_ERR_FORMAT, "the files of %s are said to be larger than any disk",
                           p->name.repository);
        if (!f->here && !lies_there(p, f))
            plan->missing_bytes += f->size - fm_fetch_left(p->folder, f);
    }
    return FM_OK;
}

static fm_status check_room(const fm_pull_plan *plan, fm_error *err) {
    char need[FM_HUMAN], have[FM_HUMAN];
    if (plan->room < 0 || plan->missing_bytes <= plan->room) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "%s needs %s in %s and %s are free there: make room, or name "
                   "another place with --dir", plan->repository,
                   fm_human(need, (double)plan->missing_bytes), plan->folder,
                   fm_human(have, (double)plan->room));
}

/* ---- the files -------------------------------------------------------------------------------*/

static fm_status record(pull *p, fm_error *err) {
    return fm_manifest_write(p->folder, p->name.repository, p->name.revision, &p->listing, err);
}

static fm_status fetch_one(pull *p, fm_hub_file *f, fm_error *err) {
    fm_buffer url = {0};
    fm_url_file(&url, p->endpoint, p->name.repository, p->listing.commit, f->name);
    fm_fetch fetch = {.http = p->http, .watch = &p->watch, .url = fm_buffer_string(&url),
                      .folder = p->folder, .file = f, .attempts = p->o->attempts,
                      .endpoint = p->endpoint, .repository = p->name.repository,
                      .with_token = p->o->token != NULL};
    fm_status status = fm_buffer_status(&url, err);
    p->watch.now.file = f->name;
    bool same = false;
    if (status == FM_OK) status = fm_fetch_is(&fetch, &same, err);
    if (status == FM_OK && !same) status = fm_fetch_file(&fetch, err);
    else if (status == FM_OK) p->watch.now.done += (uint64_t)f->size;
    fm_buffer_clear(&url);
    if (status != FM_OK) return status;
    f->here = true;
    fm_fetch_tidy(p->folder, f);
    return record(p, err);
}

/* Configuration first: a mistake in the repository shows before the gigabytes come. */
static bool in_pass(const fm_hub_file *f, int pass) {
    const char *dot = strrchr(f->name, '.');
    bool weights = strcmp(dot, ".safetensors") == 0 || strcmp(dot, ".gguf") == 0;
    return f->chosen && !f->here && weights == (pass == 1);
}

static fm_status fetch_all(pull *p, fm_error *err) {
    fm_pull_progress *now = &p->watch.now;
    for (size_t i = 0; i < p->listing.n; i++) {
        if (!p->listing.files[i].chosen || p->listing.files[i].here) continue;
        now->total += (uint64_t)p->listing.files[i].size;
        now->n_files++;
    }
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < p->listing.n; i++) {
            if (!in_pass(&p->listing.files[i], pass)) continue;
            FM_TRY(fetch_one(p, &p->listing.files[i], err));
            now->index++;
        }
    return FM_OK;
}

/* ---- all together ----------------------------------------------------------------------------*/

static fm_status carry_out(pull *p, fm_error *err) {
    fm_pull_plan plan;
    FM_TRY(fm_folder_lock(p->folder, &p->lock, err));
    FM_TRY(look_around(p, err));
    FM_TRY(sum_up(p, &plan, err));
    FM_TRY(check_room(&plan, err));
    if (p->o->on_plan && !p->o->on_plan(p->o->context, &plan))
        return fm_fail(err, FM_ERR_CANCELLED, "declined");
    FM_TRY(record(p, err)); /* from here on, files of another commit do not count as here */
    return fetch_all(p, err);
}

/* At its end; one that is all there is stays. To be freed. */
static char *without_slashes(const char *s) {
    size_t n = strlen(s);
    while (n > 1 && s[n - 1] == '/') n--;
    return fm_strndup(s, n);
}

static fm_status open_hub(pull *p, fm_error *err) {
    p->endpoint = without_slashes(p->o->endpoint);
    if (!p->endpoint) return fm_fail_memory(err, strlen(p->o->endpoint), "an address");
    fm_http_options options = {.endpoint = p->endpoint, .token = p->o->token,
                               .ca_file = p->o->ca_file, .stall_seconds = p->o->stall_seconds,
                               .watch = &p->watch};
    return fm_http_open(&options, &p->http, err);
}

static fm_status run(pull *p, const char *name, fm_error *err) {
    const char *open;
    FM_TRY(fm_pull_name_parse(name, &p->name, err));
    p->folder = p->o->folder ? without_slashes(p->o->folder)
                             : fm_pull_folder(p->o->root, p->name.repository, p->name.revision);
    if (!p->folder) return fm_fail_memory(err, strlen(name), "a path");
    FM_TRY(open_hub(p, err));
    FM_TRY(list(p, err));
    FM_TRY(fm_choose(&p->listing, &p->name, &open, err));
    FM_TRY(name_path(&p->name, p->folder, open, &p->path, err));
    bool ours = !fm_file_exists(p->folder);
    FM_TRY(fm_folder_make(p->folder, err));
    fm_status status = carry_out(p, err);
    if (status != FM_OK && ours) rmdir(p->folder); /* if nothing has come to lie in it */
    return status;
}

fm_status fm_pull(const char *name, const fm_pull_options *options, char **path, fm_error *err) {
    pull p = {.o = options, .lock = -1, .listing = {.commit = ""},
              .watch = {.look = options->on_progress, .context = options->context}};
    fm_error own; /* retries read what went wrong */
    *path = NULL;
    fm_status status = run(&p, name, err ? err : &own);
    if (status == FM_OK) {
        *path = p.path;
        p.path = NULL;
    }
    if (p.lock >= 0) close(p.lock);
    fm_http_close(p.http);
    fm_listing_clear(&p.listing);
    fm_free(p.endpoint);
    fm_free(p.folder);
    fm_free(p.path);
    return status;
}

/* ---- without a network -----------------------------------------------------------------------*/

static fm_status all_here(const fm_listing *l, const char *name, fm_error *err) {
    size_t missing = 0;
    for (size_t i = 0; i < l->n; i++) missing += l->files[i].chosen && !l->files[i].here;
    if (!missing) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "%s has not been fetched to its end (%zu file%s to come): fathom "
                   "pull %s goes on", name, missing, missing == 1 ? "" : "s", name);
}

fm_status fm_pulled_path(const char *text, const char *root, char **path, fm_error *err) {
    fm_pull_name name;
    fm_listing listing = {.commit = ""};
    const char *open;
    *path = NULL;
    FM_TRY(fm_pull_name_parse(text, &name, err));
    char *folder = fm_pull_folder(root, name.repository, name.revision);
    if (!folder) return fm_fail_memory(err, strlen(text), "a path");
    fm_status status = fm_manifest_read(folder, &listing, err);
    if (status == FM_OK && !*listing.commit)
        status = fm_fail(err, FM_ERR_IO, "%s is no file or folder here, and no model of that name has "
                         "been pulled: fathom pull %s fetches it", text, text);
    if (status == FM_OK) status = fm_choose(&listing, &name, &open, err);
    if (status == FM_OK) status = all_here(&listing, text, err);
    if (status == FM_OK) status = name_path(&name, folder, open, path, err);
    fm_listing_clear(&listing);
    fm_free(folder);
    return status;
}
