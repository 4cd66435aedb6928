#include "eval/exam.h"

#include "eval/journal.h"

#include <string.h>

/* A question on its way. */
typedef struct question {
    bool done;                   /* found in the file, or finished */
    int64_t came;                /* samples so far */
    fm_outcome_sample *samples;  /* [samples], while it is being asked */
} question;

typedef struct exam {
    const fm_eval_items *items;
    const fm_exam_prompts *prompts;
    const fm_exam_options *options;
    fm_journal *journal;
    question *questions; /* [items] */
    int64_t *open;       /* items that are to be asked, in order */
    int64_t n_open;
    fm_exam_result *result;
} exam;

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
    e->questions[i].done = true;
    e->result->resumed++;
    return fm_eval_tally_add(&e->result->tally, o->samples, o->n, err);
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
    int64_t i = e->open[index / samples];
    *out = (fm_ask){.ids = e->prompts->ids + e->prompts->starts[i],
                    .n = e->prompts->starts[i + 1] - e->prompts->starts[i],
                    .starts_thinking = e->prompts->starts_thinking,
                    /* of the line, so that a question is asked alike whatever else is */
                    .sequence = ((uint64_t)e->items->items[i].line << 20) + (uint64_t)(index % samples)};
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
static fm_status judge(const fm_eval_item *item, const fm_asked *reply, fm_outcome_sample *s,
                       fm_error *err) {
    bool failed = false;
    fm_span expected = fm_answer_expected(item->answer, item->answer_size);
    s->text = keep(reply->text, &failed);
    s->thinking = keep(reply->thinking, &failed);
    s->judged = (fm_eval_sample){
        .answer = fm_answer_extract(s->text.s, s->text.n, fm_answer_is_number(expected)),
        .stop = reply->report.stop == FM_REPLY_LENGTH ? FM_EVAL_LENGTH : FM_EVAL_END,
        .tokens = reply->report.tokens, .seconds = reply->seconds};
    s->judged.correct = s->judged.answer.n > 0 && fm_answer_equal(s->judged.answer, expected, &failed);
    return failed ? fm_fail_memory(err, reply->text.n, "an answer") : FM_OK;
}

static fm_status finish(exam *e, int64_t item, fm_error *err) {
    question *q = &e->questions[item];
    int64_t n = e->options->setup.samples;
    fm_buffer line = {0};
    fm_status status = FM_OK;
    if (e->journal) {
        fm_outcome_put(&line, &e->items->items[item], q->samples, n);
        status = fm_buffer_status(&line, err);
        if (status == FM_OK) status = fm_journal_append(e->journal, line.data, line.size, err);
        fm_buffer_clear(&line);
    }
    fm_eval_sample *judged = fm_alloc_array((size_t)n, sizeof *judged, FM_MEM_OTHER);
    if (status == FM_OK && !judged) status = fm_fail_memory(err, (size_t)n * sizeof *judged, "results");
    for (int64_t i = 0; judged && i < n; i++) judged[i] = q->samples[i].judged;
    if (status == FM_OK) status = fm_eval_tally_add(&e->result->tally, judged, n, err);
    fm_free(judged);
    q->done = status == FM_OK;
    forget(q, n);
    return status;
}

static fm_status done(void *context, const fm_asked *reply, fm_error *err) {
    exam *e = context;
    int64_t n = e->options->setup.samples, item = e->open[reply->index / n];
    question *q = &e->questions[item];
    if (!q->samples) q->samples = fm_alloc_array((size_t)n, sizeof *q->samples, FM_MEM_OTHER);
    if (!q->samples) return fm_fail_memory(err, (size_t)n * sizeof *q->samples, "results");
    FM_TRY(judge(&e->items->items[item], reply, &q->samples[reply->index % n], err));
    return ++q->came == n ? finish(e, item, err) : FM_OK;
}

static bool progress(void *context, int64_t tokens) {
    exam *e = context;
    e->result->tokens += tokens;
    const fm_exam_options *o = e->options;
    return !o->progress || o->progress(o->context, e->result);
}

static fm_status run(exam *e, fm_engine *engine, const fm_tokenizer *tokenizer, fm_error *err) {
    const fm_outcome_setup *s = &e->options->setup;
    size_t n = e->items->n;
    e->questions = fm_alloc_array(n, sizeof *e->questions, FM_MEM_OTHER);
    e->open = fm_alloc_array(n, sizeof *e->open, FM_MEM_OTHER);
    if (!e->questions || !e->open) return fm_fail_memory(err, n * sizeof *e->questions, "questions");
    if (e->options->out) FM_TRY(join_earlier(e, err));
    for (size_t i = 0; i < n; i++)
        if (!e->questions[i].done) e->open[e->n_open++] = (int64_t)i;
    fm_ask_options ask = {.sampling = {.temperature = (float)s->temperature, .top_p = (float)s->top_p,
                                       .min_p = (float)s->min_p, .top_k = (int)s->top_k, .seed = s->seed,
                                       .repetition_penalty = (float)s->repetition_penalty,
                                       .presence_penalty = (float)s->presence_penalty,
                                       .frequency_penalty = (float)s->frequency_penalty},
                          .max_tokens = s->max_tokens, .thinking_budget = s->thinking_budget,
                          .slots = e->options->parallel, .next = next, .done = done,
                          .progress = progress, .context = e};
    return fm_ask_all(engine, tokenizer, &ask, err);
}

fm_status fm_exam_run(fm_engine *engine, const fm_tokenizer *tokenizer, const fm_eval_items *items,
                      const fm_exam_prompts *prompts, const fm_exam_options *options,
                      fm_exam_result *result, fm_error *err) {
    *result = (fm_exam_result){.items = (int64_t)items->n};
    exam e = {.items = items, .prompts = prompts, .options = options, .result = result};
    fm_status status = run(&e, engine, tokenizer, err);
    for (size_t i = 0; e.questions && i < items->n; i++) forget(&e.questions[i], options->setup.samples);
    fm_journal_close(e.journal);
    fm_free(e.questions);
    fm_free(e.open);
    return status;
}
