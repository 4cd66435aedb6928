#include "eval/exam.h"

#include "eval/journal.h"

#include <string.h>

/* A question on its way. */
typedef struct question {
    bool done;                   /* found in the file, or finished */
    int64_t came;                /* samples so far */
    fm_outcome_sample *samples;  /* [samples], while it is being asked */
    fm_score score;              /* when it is done */
} question;

typedef struct exam {
    const fm_eval_items *items;
    const fm_exam_options *options;
    fm_journal *journal;
    question *questions; /* [items] */
    fm_length *lengths;  /* [items][samples] */
    int64_t *open;       /* items that are to be asked, in order */
    int64_t n_open;
    fm_exam_result *result;
} exam;

/* What its samples, all there, amount to. */
static fm_status score(exam *e, int64_t item, const fm_eval_sample *samples, fm_error *err) {
    question *q = &e->questions[item];
    int64_t n = e->options->setup.samples;
    FM_TRY(fm_score_item(e->options->grader, &e->items->items[item], samples, n, &q->score, err));
    for (int64_t i = 0; i < n; i++)
        e->lengths[item * n + i] = (fm_length){samples[i].tokens, samples[i].verdict};
    fm_eval_tally_add(&e->result->tally, &q->score);
    q->done = true;
    return FM_OK;
}

/* ---- joining an earlier run ---------------------------------------------------------------------- */

/* Index of the item of that line, or -1; lines ascend. */
static int64_t item_at(const fm_eval_items *items, int64_t line) {
    int64_t low = 0, high = (int64_t)items->n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (items->items[middle].line < line) low = middle + 1;
        else high = middle;
    }
    return low < (int64_t)items->n && items->items[low].line == line ? low : -1;
}

static fm_status join(exam *e, const fm_outcome *o, fm_error *err) {
    int64_t i = item_at(e->items, o->line);
    if (i < 0) return FM_OK; /* past a limit that the earlier run did not have */
    if (o->hash != e->items->items[i].hash || o->n != e->options->setup.samples)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s was made of other questions: its line %lld is not that of "
                       "this file; give another file for results", e->options->out, (long long)o->line);
    if (e->questions[i].done) return FM_OK;
    e->result->resumed++;
    return score(e, i, o->samples, err);
}

static fm_status join_earlier(exam *e, fm_error *err) {
    const char *path = e->options->out;
    FM_TRY(fm_journal_open(path, &e->journal, err));
    size_t size, n = fm_journal_count(e->journal);
    if (n == 0) {
        fm_buffer line = {0};
        fm_outcome_put_setup(&line, &e->options->setup);
        fm_status status = fm_buffer_status(&line, err);
        if (status == FM_OK) status = fm_journal_append(e->journal, line.data, line.size, err);
        fm_buffer_clear(&line);
        return status;
    }
    const char *first = fm_journal_line(e->journal, 0, &size);
    FM_TRY(fm_outcome_check(first, size, &e->options->setup, path, err));
    for (size_t i = 1; i < n; i++) {
        fm_arena arena = {0};
        fm_outcome outcome;
        const char *line = fm_journal_line(e->journal, i, &size);
        fm_status status = fm_outcome_read(line, size, path, i + 1, &arena, &outcome, err);
        if (status == FM_OK) status = join(e, &outcome, err);
        fm_arena_clear(&arena);
        FM_TRY(status);
    }
    return FM_OK;
}

/* ---- asking -------------------------------------------------------------------------------------- */

static bool next(void *context, int64_t index, fm_ask *out) {
    exam *e = context;
    int64_t samples = e->options->setup.samples;
    if (index / samples >= e->n_open) return false;
    *out = (fm_ask){.item = (size_t)e->open[index / samples], .sample = index % samples};
    return true;
}

static fm_span keep(fm_span text, bool *failed) {
    if (text.n == 0) return (fm_span){"", 0};
    char *copy = fm_strndup(text.s, text.n);
    if (!copy) *failed = true;
    return (fm_span){copy ? copy : "", copy ? text.n : 0};
}

static void forget(question *q, int64_t n) {
    for (int64_t i = 0; q->samples && i < n; i++) {
        if (q->samples[i].text.n) fm_free((void *)q->samples[i].text.s);
        if (q->samples[i].thinking.n) fm_free((void *)q->samples[i].thinking.s);
    }
    fm_free(q->samples);
    q->samples = NULL;
}

/* The answer is a piece of the text that is kept. */
static fm_status judge(exam *e, const fm_eval_item *item, const fm_asked *reply, fm_outcome_sample *s,
                       fm_error *err) {
    bool failed = false;
    fm_grade grade = {0};
    s->text = keep(reply->text, &failed);
    s->thinking = keep(reply->thinking, &failed);
    if (failed) return fm_fail_memory(err, reply->text.n, "a reply");
    FM_TRY(e->options->grader->grade(e->options->grader->context, item, s->text, &grade, err));
    s->judged = (fm_eval_sample){.answer = grade.answer, .verdict = grade.verdict, .formed = grade.formed,
                                 .stop = reply->cut ? FM_EVAL_LENGTH : FM_EVAL_END,
                                 .tokens = reply->tokens, .seconds = reply->seconds};
    return FM_OK;
}

static fm_status write_down(exam *e, int64_t item, fm_error *err) {
    fm_buffer line = {0};
    if (!e->journal) return FM_OK;
    fm_outcome_put(&line, &e->items->items[item], e->questions[item].samples, e->options->setup.samples);
    fm_status status = fm_buffer_status(&line, err);
    if (status == FM_OK) status = fm_journal_append(e->journal, line.data, line.size, err);
    fm_buffer_clear(&line);
    return status;
}

static fm_status finish(exam *e, int64_t item, fm_error *err) {
    question *q = &e->questions[item];
    int64_t n = e->options->setup.samples;
    fm_eval_sample *judged = fm_alloc_array((size_t)n, sizeof *judged, FM_MEM_OTHER);
    fm_status status = judged ? FM_OK : fm_fail_memory(err, (size_t)n * sizeof *judged, "results");
    for (int64_t i = 0; judged && i < n; i++) judged[i] = q->samples[i].judged;
    if (status == FM_OK) status = write_down(e, item, err);
    if (status == FM_OK) status = score(e, item, judged, err);
    fm_free(judged);
    forget(q, n);
    return status;
}

static fm_status done(void *context, const fm_asked *reply, fm_error *err) {
    exam *e = context;
    int64_t n = e->options->setup.samples, item = e->open[reply->index / n];
    question *q = &e->questions[item];
    if (!q->samples) q->samples = fm_alloc_array((size_t)n, sizeof *q->samples, FM_MEM_OTHER);
    if (!q->samples) return fm_fail_memory(err, (size_t)n * sizeof *q->samples, "results");
    FM_TRY(judge(e, &e->items->items[item], reply, &q->samples[reply->index % n], err));
    return ++q->came == n ? finish(e, item, err) : FM_OK;
}

static bool progress(void *context, int64_t tokens) {
    exam *e = context;
    e->result->tokens += tokens;
    const fm_exam_options *o = e->options;
    return !o->progress || o->progress(o->context, e->result);
}

static fm_status run(exam *e, fm_error *err) {
    const fm_exam_options *o = e->options;
    size_t n = e->items->n, samples = (size_t)o->setup.samples;
    e->questions = fm_alloc_array(n, sizeof *e->questions, FM_MEM_OTHER);
    e->open = fm_alloc_array(n, sizeof *e->open, FM_MEM_OTHER);
    e->lengths = fm_alloc_array(n, samples * sizeof *e->lengths, FM_MEM_OTHER);
    if (!e->questions || !e->open || !e->lengths)
        return fm_fail_memory(err, n * sizeof *e->questions, "questions");
    if (o->out) FM_TRY(join_earlier(e, err));
    for (size_t i = 0; i < n; i++)
        if (!e->questions[i].done) e->open[e->n_open++] = (int64_t)i;
    fm_asking asking = {.next = next, .done = done, .progress = progress, .context = e};
    return o->respondent->ask_all(o->respondent->context, &asking, err);
}

static fm_status summarise(const exam *e, fm_summary *out, fm_error *err) {
    size_t n = 0, samples = (size_t)e->options->setup.samples;
    if (!e->questions) return FM_OK;
    fm_scored *scored = fm_alloc_array(e->items->n, sizeof *scored, FM_MEM_OTHER);
    if (!scored) return fm_fail_memory(err, e->items->n * sizeof *scored, "a summary");
    for (size_t i = 0; i < e->items->n; i++)
        if (e->questions[i].done)
            scored[n++] = (fm_scored){.domain = e->items->items[i].domain, .band = e->items->items[i].band,
                                      .score = e->questions[i].score, .lengths = e->lengths + i * samples};
    fm_status status = fm_summary_make(scored, n, e->options->ks, e->options->n_ks, e->options->setup.seed,
                                       out, err);
    fm_free(scored);
    return status;
}

fm_status fm_exam_run(const fm_eval_items *items, const fm_exam_options *options, fm_exam_result *result,
                      fm_summary *summary, fm_error *err) {
    fm_error second;
    *result = (fm_exam_result){.items = (int64_t)items->n};
    if (summary) *summary = (fm_summary){0};
    exam e = {.items = items, .options = options, .result = result};
    fm_status status = run(&e, err);
    /* after a failure too, whose sentence stays */
    if (summary) {
        fm_status also = summarise(&e, summary, status == FM_OK ? err : &second);
        if (status == FM_OK) status = also;
    }
    for (size_t i = 0; e.questions && i < items->n; i++) forget(&e.questions[i], options->setup.samples);
    fm_journal_close(e.journal);
    fm_free(e.questions);
    fm_free(e.lengths);
    fm_free(e.open);
    return status;
}
