#include "eval/ask.h"

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
    fm_engine *engine;
    const fm_tokenizer *tokenizer;
    const fm_ask_options *options;
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
    fm_reply_options options = {.sampling = a->options->sampling, .max_tokens = a->options->max_tokens,
                                .on_text = on_text, .context = s};
    options.sampling.sequence = ask->sequence;
    options.text.starts_thinking = ask->starts_thinking;
    options.text.thinking_budget = a->options->thinking_budget;
    s->began = fm_clock_seconds();
    s->tokens = 0;
    s->text.size = s->thinking.size = 0;
    FM_TRY(fm_sequence_new(a->engine, &s->sequence, err));
    FM_TRY(fm_sequence_queue(s->sequence, ask->ids, ask->n, err));
    return fm_reply_new(s->sequence, a->tokenizer, &options, &s->reply, err);
}

static void empty(slot *s) {
    fm_reply_free(s->reply);
    fm_sequence_free(s->sequence);
    s->reply = NULL;
    s->sequence = NULL;
}

static fm_status fill(asker *a, fm_error *err) {
    for (int64_t i = 0; i < a->options->slots && !a->dry; i++) {
        slot *s = &a->slots[i];
        fm_ask ask;
        if (s->reply) continue;
        s->index = a->next++;
        a->dry = !a->options->next(a->options->context, s->index, &ask);
        if (!a->dry) FM_TRY(begin(a, s, &ask, err));
    }
    return FM_OK;
}

static fm_status finish(asker *a, slot *s, fm_error *err) {
    FM_TRY(fm_reply_failure(s->reply, err));
    FM_TRY(fm_buffer_status(&s->text, err));
    FM_TRY(fm_buffer_status(&s->thinking, err));
    fm_asked asked = {.index = s->index, .text = {fm_buffer_string(&s->text), s->text.size},
                      .thinking = {fm_buffer_string(&s->thinking), s->thinking.size},
                      .report = fm_reply_report_of(s->reply), .seconds = fm_clock_seconds() - s->began};
    FM_TRY(a->options->done(a->options->context, &asked, err));
    empty(s);
    return FM_OK;
}

/* One step for all, and what came of it. */
static fm_status advance(asker *a, bool *idle, fm_error *err) {
    int64_t n = 0, tokens = 0;
    bool more;
    for (int64_t i = 0; i < a->options->slots; i++)
        if (a->slots[i].reply) a->replies[n++] = a->slots[i].reply;
    *idle = n == 0;
    if (n == 0) return FM_OK;
    FM_TRY(fm_replies_round(a->replies, n, &more, err));
    for (int64_t i = 0; i < a->options->slots; i++) {
        slot *s = &a->slots[i];
        if (!s->reply) continue;
        int64_t now = fm_reply_report_of(s->reply).tokens;
        tokens += now - s->tokens;
        s->tokens = now;
        if (fm_reply_done(s->reply)) FM_TRY(finish(a, s, err));
    }
    if (a->options->progress && !a->options->progress(a->options->context, tokens))
        return fm_fail(err, FM_ERR_CANCELLED, "stopped");
    return FM_OK;
}

static fm_status ask_all(asker *a, fm_error *err) {
    size_t n = (size_t)a->options->slots;
    a->slots = fm_alloc_array(n, sizeof *a->slots, FM_MEM_OTHER);
    a->replies = fm_alloc_array(n, sizeof *a->replies, FM_MEM_OTHER);
    if (!a->slots || !a->replies) return fm_fail_memory(err, n * sizeof *a->slots, "replies side by side");
    for (bool idle = false; !idle;) {
        FM_TRY(fill(a, err));
        FM_TRY(advance(a, &idle, err));
    }
    return FM_OK;
}

fm_status fm_ask_all(fm_engine *engine, const fm_tokenizer *tokenizer, const fm_ask_options *options,
                     fm_error *err) {
    asker a = {.engine = engine, .tokenizer = tokenizer, .options = options};
    fm_status status = ask_all(&a, err);
    for (int64_t i = 0; a.slots && i < options->slots; i++) {
        empty(&a.slots[i]);
        fm_buffer_clear(&a.slots[i].text);
        fm_buffer_clear(&a.slots[i].thinking);
    }
    fm_free(a.slots);
    fm_free(a.replies);
    return status;
}
