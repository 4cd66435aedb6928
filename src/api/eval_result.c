#include "api/eval_result.h"

#include <string.h>

_Static_assert((int)FATHOM_EVAL_PASSES == FM_SUMMARY_KS, "");

void fm_eval_publish(const fm_exam_result *r, double seconds, fathom_eval_result *out) {
    const fm_eval_tally *t = &r->tally;
    *out = (fathom_eval_result){.items = r->items, .done = t->items, .resumed = r->resumed, .samples = t->samples,
                                .correct = t->right, .undecided = t->undecided, .unanswered = t->unanswered,
                                .formed = t->formed, .cut = t->cut, .accuracy = t->share.mean,
                                .tokens = r->tokens, .seconds = seconds};
}

static fathom_eval_figure figure(fm_figure f) { return (fathom_eval_figure){f.value, f.low, f.high, f.items}; }

static bool copy_name(fm_arena *arena, const char *from, const char **out) {
    *out = from ? fm_arena_strndup(arena, from, strlen(from)) : NULL;
    return !from || *out;
}

fm_status fm_eval_publish_rows(const fm_summary *s, fathom_eval_result *out, fm_error *err) {
    fm_arena *arena = fm_alloc_zero(sizeof *arena, FM_MEM_OTHER);
    fathom_eval_row *rows = arena ? fm_arena_array(arena, s->n ? s->n : 1, sizeof *rows) : NULL;
    bool copied = rows != NULL;
    out->memory = arena;
    for (size_t i = 0; i < s->n && copied; i++) {
        const fm_summary_row *r = &s->rows[i];
        rows[i] = (fathom_eval_row){
            .questions = r->items, .replies = r->samples, .correct = r->right, .undecided = r->undecided,
            .unanswered = r->unanswered, .formed = r->formed, .cut = r->cut, .accuracy = figure(r->share),
            .majority = figure(r->consensus), .right_mean = r->right_tokens.mean,
            .right_median = r->right_tokens.median, .wrong_mean = r->wrong_tokens.mean,
            .wrong_median = r->wrong_tokens.median};
        for (size_t k = 0; k < s->n_ks; k++) rows[i].pass[k] = figure(r->pass[k]);
        copied = copy_name(arena, r->domain, &rows[i].domain) && copy_name(arena, r->band, &rows[i].band);
    }
    if (!copied) return fm_fail_memory(err, s->n * sizeof *rows, "figures");
    out->rows = rows;
    out->n_rows = s->n;
    memcpy(out->pass_at, s->ks, sizeof out->pass_at);
    out->n_pass_at = s->n_ks;
    return FM_OK;
}

void fathom_eval_clear(fathom_eval_result *r) {
    if (!r) return;
    if (r->memory) fm_arena_clear(r->memory);
    fm_free(r->memory);
    *r = (fathom_eval_result){0};
}
