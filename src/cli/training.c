#include "cli/training.h"

#include "base/json.h"
#include "cli/call.h"
#include "cli/screen.h"

#include <math.h>

/* ---- what is shown -----------------------------------------------------------------------------*/

typedef struct watch {
    fm_ink ink;
    bool moves, visible;
} watch;

static bool show(void *context, const fathom_run_progress *p) {
    watch *w = context;
    bool last = p->step == p->steps;
    /* Where lines cannot be taken back, a few dozen tell the story. */
    int64_t every = p->steps / 40 > 0 ? p->steps / 40 : 1;
    if (!w->moves && p->step % every && !last && p->step != 1) return !fm_interrupted();
    fprintf(stderr, "%sstep %s%lld%s/%lld  loss %s%.4f%s", w->moves ? "\r\033[K" : "", w->ink.bold,
            (long long)p->step, w->ink.reset, (long long)p->steps, w->ink.bold, p->loss, w->ink.reset);
    if (isfinite(p->divergence)) fprintf(stderr, "  KL %s%.4f%s", w->ink.bold, p->divergence, w->ink.reset);
    fprintf(stderr, "  %.0f tok/s", p->tokens_per_second);
    if (isfinite(p->share_of_peak)) fprintf(stderr, "  %.0f %% of peak", 100 * p->share_of_peak);
    if (!last) fprintf(stderr, "  %s%s left%s", w->ink.dim, fm_human_seconds(p->seconds_left), w->ink.reset);
    if (!w->moves || last) fputc('\n', stderr);
    w->visible = w->moves && !last;
    return !fm_interrupted();
}

static void say(void *context, const char *sentence) {
    watch *w = context;
    if (w->visible) fputs("\r\033[K", stderr);
    w->visible = false;
    fprintf(stderr, "%snote: %s%s\n", w->ink.dim, sentence, w->ink.reset);
}

static fm_status print_result(const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_buffer out = {0};
    const fm_json *best = fm_json_get(root, "best_validation_loss");
    fm_buffer_format(&out, "%s  step %lld, %s tokens", fm_json_string(fm_json_get(root, "checkpoint"), ""),
                     (long long)fm_json_integer(fm_json_get(root, "step"), 0),
                     fm_human_integer(fm_json_number(fm_json_get(root, "tokens"), 0)));
    if (best) fm_buffer_format(&out, ", best validation loss %.4f", fm_json_number(best, 0));
    fm_buffer_format(&out, " (%s)\n", fm_json_string(fm_json_get(root, "end"), ""));
    fm_json_free(root);
    return fm_output_buffer(&out, err);
}

static fm_status help_recipe(fm_error *err) {
    fathom_error said;
    char *text;
    FM_TRY(fm_said(fathom_recipe_help(false, &text, &said), &said, err));
    fm_output_text(text);
    fathom_free(text);
    return FM_OK;
}

/* ---- the run -----------------------------------------------------------------------------------*/

/* Options that are keys like others. */
enum { KEYS = 6, MOST = FM_TEXTS_MAX + KEYS };

static size_t gather(const fm_training *a, const char **out, fm_buffer own[KEYS]) {
    size_t n = 0;
    if (a->data) fm_buffer_format(&own[0], "data.train=%s", a->data);
    if (a->model) fm_buffer_format(&own[1], "model.start=%s", a->model);
    if (a->steps > 0) fm_buffer_format(&own[2], "run.steps=%lld", (long long)a->steps);
    if (a->threads > 0) fm_buffer_format(&own[3], "run.threads=%lld", (long long)a->threads);
    if (a->teacher) fm_buffer_format(&own[4], "teacher.model=%s", a->teacher);
    if (a->lora > 0) fm_buffer_format(&own[5], "lora.rank=%lld", (long long)a->lora);
    for (int i = 0; i < KEYS; i++)
        if (own[i].size) out[n++] = fm_buffer_string(&own[i]);
    for (size_t i = 0; i < a->settings.n; i++) out[n++] = a->settings.at[i];
    return n;
}

fm_status fm_training_run(const char *command, const fm_training *a, fm_training_fn train, fm_error *err) {
    const char *settings[MOST];
    fm_buffer own[KEYS] = {{0}};
    watch w = {.ink = fm_ink_for(stderr), .moves = fm_screen_moves(stderr)};
    fathom_run_options o = fathom_run_defaults();
    fathom_error said;
    char *json = NULL;
    if (a->help_recipe) return help_recipe(err);
    if (!a->run) return fm_fail(err, FM_ERR_ARGUMENT, "'%s' needs RUN, the folder of the run", command);
    o.recipe = a->recipe;
    o.settings = settings;
    o.n_settings = gather(a, settings, own);
    o.progress = show;
    o.note = say;
    o.callback_context = &w;
    fm_interrupt_catch();
    fathom_status status = train(a->run, &o, &json, &said);
    fm_interrupt_release();
    if (w.visible) fputc('\n', stderr);
    for (int i = 0; i < KEYS; i++) fm_buffer_clear(&own[i]);
    FM_TRY(fm_said(status, &said, err));
    fm_status printed = FM_OK;
    if (a->json) fm_output_text(json);
    else printed = print_result(json, err);
    fathom_free(json);
    return printed;
}
