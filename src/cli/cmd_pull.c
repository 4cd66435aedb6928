/* pull: a model from the hub. What it stands for and how large it is goes to standard error before
 * anything is fetched; the path that `run` takes goes to standard output when all is there. */
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/screen.h"

#include <stddef.h>
#include <stdio.h>

typedef struct arguments {
    const char *name, *folder;
    int64_t stall, attempts;
    bool yes, dry_run, json, list;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "dir", 'd', "DIR",
     "put the files into DIR; without it into the folder of pulled models, where the name finds them",
     offsetof(arguments, folder), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "yes", 'y', .help = "do not ask, at a terminal, whether to fetch that much",
     .offset = offsetof(arguments, yes)},
    {FM_OPTION_FLAG, "dry-run", .help = "say what would be fetched, and fetch nothing",
     .offset = offsetof(arguments, dry_run)},
    {FM_OPTION_FLAG, "list", 'l', .help = "list the short names", .offset = offsetof(arguments, list)},
    {FM_OPTION_FLAG, "json", .help = "print what was pulled, and where to, as JSON",
     .offset = offsetof(arguments, json)},
    {FM_OPTION_INTEGER, "stall", 0, "N", "give a connection up that says nothing for N seconds",
     offsetof(arguments, stall), 1, 3600, NULL, "60"},
    {FM_OPTION_INTEGER, "attempts", 0, "N", "try N times in a row before it fails",
     offsetof(arguments, attempts), 1, 1000, NULL, "6"},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_pull = {
    .name = "pull",
    .about = "Fetches a model from the Hugging Face hub: the revision as it is now, pinned to its "
             "commit, every file under its name only once its sha256 is right. Stopped, it goes on "
             "where it was. Afterwards the same name does wherever a model is asked for. HF_TOKEN is "
             "the token for gated models, HF_ENDPOINT another hub, FATHOM_HOME the place of the "
             "models (else ~/.local/share/fathom).",
    .operands = {{"NAME", "a short name (--list) or OWNER/NAME[:FILE|:QUANTISATION][@REVISION]",
                  offsetof(arguments, name), false}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom pull deepseek-r1:1.5b && fathom chat deepseek-r1:1.5b\n"
                "fathom pull unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF:Q4_K_M\n"
                "fathom pull deepseek-ai/DeepSeek-V2-Lite@main --dir v2-lite\n"
                "fathom run \"$(fathom pull smollm2:135m)\" 'What is a latent?'\n",
};

/* ---- the plan --------------------------------------------------------------------------------*/

typedef struct pulling {
    const arguments *a;
    fm_ink ink;
    fm_buffer json; /* of the plan, until the end */
    fm_progress bar;
    fathom_pull_phase phase;
    bool showing;   /* the bar is of this phase */
    bool told;      /* about what it waits for */
    bool declined;
    char *planned;  /* the path, when nothing shall be fetched */
    char what[48];
} pulling;

static void describe(const pulling *p, const fathom_pull_plan *plan) {
    size_t here = 0;
    for (size_t i = 0; i < plan->n_files; i++) here += plan->files[i].here;
    fprintf(stderr, "%s%s%s @ %.12s · %zu file%s, %s", p->ink.bold, plan->repository, p->ink.reset,
            plan->commit, plan->n_files, plan->n_files == 1 ? "" : "s",
            fm_human_bytes((double)plan->total_bytes));
    if (here == plan->n_files)
        fprintf(stderr, ", all here\n");
    else if (plan->missing_bytes < plan->total_bytes)
        fprintf(stderr, ", %s to come\n", fm_human_bytes((double)plan->missing_bytes));
    else
        fprintf(stderr, "\n");
    fprintf(stderr, "%s%s%s\n", p->ink.dim, plan->path, p->ink.reset);
}

static void keep_json(pulling *p, const fathom_pull_plan *plan) {
    fm_json_writer w = {.out = &p->json};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "name", p->a->name);
    fm_json_put_text(&w, "repository", plan->repository);
    fm_json_put_text(&w, "revision", plan->revision);
    fm_json_put_text(&w, "commit", plan->commit);
    fm_json_put_text(&w, "path", plan->path);
    fm_json_put_integer(&w, "bytes", (int64_t)plan->total_bytes);
    fm_json_put_integer(&w, "fetched_bytes", (int64_t)plan->missing_bytes);
    fm_json_open(&w, "files", '[');
    for (size_t i = 0; i < plan->n_files; i++) {
        fm_json_open(&w, NULL, '{');
        w.flat = true;
        fm_json_put_text(&w, "name", plan->files[i].name);
        fm_json_put_integer(&w, "bytes", (int64_t)plan->files[i].size);
        fm_json_put_text(&w, "sha256", plan->files[i].sha256);
        fm_json_close(&w, '}');
        w.flat = false;
    }
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
}

/* Somebody who pipes the answer in, or calls from a script, has said yes by calling. */
static bool agree(const pulling *p, const fathom_pull_plan *plan) {
    if (p->a->yes || plan->missing_bytes == 0) return true;
    if (!fm_is_terminal(stdin) || !fm_is_terminal(stderr)) return true;
    fprintf(stderr, "Fetch %s? [Y/n] ", fm_human_bytes((double)plan->missing_bytes));
    fflush(stderr);
    int first = getchar();
    for (int c = first; c != '\n' && c != EOF; c = getchar()) continue;
    return !fm_interrupted() && first != EOF && first != 'n' && first != 'N';
}

static bool on_plan(void *context, const fathom_pull_plan *plan) {
    pulling *p = context;
    describe(p, plan);
    keep_json(p, plan);
    if (p->a->dry_run)
        p->planned = fm_strdup(plan->path);
    else
        p->declined = !agree(p, plan);
    return !p->a->dry_run && !p->declined;
}

/* ---- on the way ------------------------------------------------------------------------------*/

static void show_wait(pulling *p, const fathom_pull_progress *now) {
    if (p->told || !fm_is_terminal(stderr)) return;
    fm_progress_end(&p->bar);
    fprintf(stderr, "%s%s; again in %s%s\n", p->ink.dim, now->why, fm_human_seconds(now->seconds),
            p->ink.reset);
    p->told = true;
}

static bool on_progress(void *context, const fathom_pull_progress *now) {
    pulling *p = context;
    if (now->phase == FATHOM_PULL_WAITING) {
        show_wait(p, now);
        p->showing = false;
        return !fm_interrupted();
    }
    p->told = false;
    double fraction = now->total ? (double)now->done / (double)now->total : 0;
    if (!p->showing || p->phase != now->phase) {
        fm_progress_end(&p->bar);
        fm_progress_begin(&p->bar, p->what, (double)now->total, "B");
        p->bar.before = fraction;
        p->phase = now->phase;
        p->showing = true;
    }
    snprintf(p->what, sizeof p->what, "%s %zu of %zu",
             now->phase == FATHOM_PULL_CHECKING ? "Checking" : "Fetching", now->index + 1,
             now->n_files);
    fm_progress_at(&p->bar, fraction);
    return !fm_interrupted();
}

/* ---- the command -----------------------------------------------------------------------------*/

static fm_status list_names(fm_error *err) {
    fathom_short_name name;
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer out = {0};
    for (size_t i = 0; fathom_short_name_at(i, &name); i++)
        fm_buffer_format(&out, "%-24s%-56s%s%s%s\n", name.name, name.stands_for, ink.dim, name.help,
                         ink.reset);
    return fm_output_buffer(&out, err);
}

static fm_status fetch(pulling *p, char **path, fm_error *err) {
    fathom_pull_options o = fathom_pull_defaults();
    o.folder = p->a->folder;
    o.stall_seconds = (int)p->a->stall;
    o.attempts = (int)p->a->attempts;
    o.on_plan = on_plan;
    o.on_progress = on_progress;
    o.context = p;
    fathom_error said;
    fm_interrupt_catch();
    fathom_status status = fathom_pull(p->a->name, &o, path, &said);
    fm_progress_end(&p->bar);
    bool interrupted = fm_interrupted();
    fm_interrupt_release();
    if (p->planned && !interrupted) {
        *path = p->planned;
        return FM_OK;
    }
    if (p->declined && !interrupted)
        return fm_fail(err, FM_ERR_ARGUMENT, "declined; nothing was fetched");
    return fm_said(status, &said, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    pulling p = {.a = parsed, .ink = fm_ink_for(stderr)};
    char *path = NULL;
    if (p.a->list) return list_names(err);
    if (!p.a->name)
        return fm_fail(err, FM_ERR_ARGUMENT, "pull what? A short name (fathom pull --list) or "
                       "OWNER/NAME of a repository on the hub");
    fm_status status = fetch(&p, &path, err);
    if (status == FM_OK && p.a->json)
        status = fm_output_buffer(&p.json, err);
    else if (status == FM_OK && !(fm_output_text(path) && fm_output_text("\n")))
        status = fm_output_status(err);
    fathom_free(path);
    fm_buffer_clear(&p.json);
    return status;
}
