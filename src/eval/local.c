#include "eval/local.h"

#include "base/clock.h"

typedef struct slot {
    fm_sequence *sequence;
    fm_reply *reply; /* NULL: empty */
    int64_t index;
    fm_buffer text, thinking;
    int64_t tokens;  /* counted so far */
    double began;
} slot;

typedef struct asker {
    const fm_local *local;
    const fm_asking *asking;
    slot *slots;
    fm_reply **replies; /* [slots] of those that are not empty */
    int64_t next;
    bool dry; /* no more are wanted */
} asker;

static bool on_text(void *context, const char *text, size_t size, bool thinking) {
    slot *s = context;
    fm_buffer_put(thinking ? &s->thinking : &s->text, text, size);
    return true;
}

static fm_status begin(asker *a, slot *s, const fm_ask *ask, fm_error *err) {
    const fm_local *l = a->local;
    const fm_exam_prompts *p = l->prompts;
    fm_reply_options options = {.sampling = l->sampling, .max_tokens = l->max_tokens,
                                .on_text = on_text, .context = s};
    options.sampling.sequence = fm_ask_name(&l->items->items[ask->item], ask->sample);
    options.text.starts_thinking = p->starts_thinking;
    options.text.thinking_budget = l->thinking_budget;
    s->began = fm_clock_seconds();
    s->tokens = 0;
    s->text.size = s->thinking.size = 0;
    FM_TRY(fm_sequence_new(l->engine, &s->sequence, err));
    FM_TRY(fm_sequence_queue(s->sequence, p->ids + p->starts[ask->item],
                             p->starts[ask->item + 1] - p->starts[ask->item], err));
    return fm_reply_new(s->sequence, l->tokenizer, &options, &s->reply, err);
}

static void empty(slot *s) {
    fm_reply_free(s->reply);
    fm_sequence_free(s->sequence);
    s->reply = NULL;
    s->sequence = NULL;
}

static fm_status fill(asker *a, fm_error *err) {
    for (int64_t i = 0; i < a->local->slots && !a->dry; i++) {
        slot *s = &a->slots[i];
        fm_ask ask;
        if (s->reply) continue;
        s->index = a->next++;
        a->dry = !a->asking->next(a->asking->context, s->index, &ask);
        if (!a->dry) FM_TRY(begin(a, s, &ask, err));
    }
    return FM_OK;
}

static fm_status finish(asker *a, slot *s, fm_error *err) {
    FM_TRY(fm_reply_failure(s->reply, err));
    FM_TRY(fm_buffer_status(&s->text, err));
    FM_TRY(fm_buffer_status(&s->thinking, err));
    fm_reply_report report = fm_reply_report_of(s->reply);
    fm_asked asked = {.index = s->index, .text = {fm_buffer_string(&s->text), s->text.size},
                      .thinking = {fm_buffer_string(&s->thinking), s->thinking.size},
                      .cut = report.stop == FM_REPLY_LENGTH, .tokens = report.tokens,
                      .seconds = fm_clock_seconds() - s->began};
    FM_TRY(a->asking->done(a->asking->context, &asked, err));
    empty(s);
    return FM_OK;
}

/* One step for all, and what came of it. */
static fm_status advance(asker *a, bool *idle, fm_error *err) {
    int64_t n = 0, tokens = 0;
    bool more;
    for (int64_t i = 0; i < a->local->slots; i++)
        if (a->slots[i].reply) a->replies[n++] = a->slots[i].reply;
    *idle = n == 0;
    if (n == 0) return FM_OK;
    FM_TRY(fm_replies_round(a->replies, n, &more, err));
    for (int64_t i = 0; i < a->local->slots; i++) {
        slot *s = &a->slots[i];
        if (!s->reply) continue;
        int64_t now = fm_reply_report_of(s->reply).tokens;
        tokens += now - s->tokens;
        s->tokens = now;
        if (fm_reply_done(s->reply)) FM_TRY(finish(a, s, err));
    }
    if (!a->asking->progress(a->asking->context, tokens))
        return fm_fail(err, FM_ERR_CANCELLED, "stopped");
    return FM_OK;
}

static fm_status answer(asker *a, fm_error *err) {
    size_t n = (size_t)a->local->slots;
    a->slots = fm_alloc_array(n, sizeof *a->slots, FM_MEM_OTHER);
    a->replies = fm_alloc_array(n, sizeof *a->replies, FM_MEM_OTHER);
    if (!a->slots || !a->replies) return fm_fail_memory(err, n * sizeof *a->slots, "replies side by side");
    for (bool idle = false; !idle;) {
        FM_TRY(fill(a, err));
        FM_TRY(advance(a, &idle, err));
    }
    return FM_OK;
}

static fm_status ask_all(void *context, const fm_asking *asking, fm_error *err) {
    const fm_local *local = context;
    asker a = {.local = local, .asking = asking};
    fm_status status = answer(&a, err);
    for (int64_t i = 0; a.slots && i < local->slots; i++) {
        empty(&a.slots[i]);
        fm_buffer_clear(&a.slots[i].text);
        fm_buffer_clear(&a.slots[i].thinking);
    }
    fm_free(a.slots);
    fm_free(a.replies);
    return status;
}

fm_respondent fm_local_respondent(fm_local *local) { return (fm_respondent){ask_all, local}; }

void fm_local_settle(fm_local *l, const fm_outcome_setup *s) {
    l->sampling = (fm_sampling){.temperature = (float)s->temperature, .top_p = (float)s->top_p,
                                .min_p = (float)s->min_p, .top_k = (int)s->top_k, .seed = s->seed,
                                .repetition_penalty = (float)s->repetition_penalty,
                                .presence_penalty = (float)s->presence_penalty,
                                .frequency_penalty = (float)s->frequency_penalty};
    l->max_tokens = s->max_tokens;
    l->thinking_budget = s->thinking_budget;
}
