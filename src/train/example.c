#include "train/example.h"

#include <string.h>

#define THINK   "<think>"
#define UNTHINK "</think>"

typedef struct encoder {
    const fm_tokenizer *tokenizer;
    fm_chat_style style;
    const fm_chat_message *messages;
    fm_examples *out;
    fm_error *err;
} encoder;

static size_t count(const fm_examples *e) { return e->ids.size / sizeof(fm_token); }
static void put_id(fm_buffer *ids, fm_token id) { fm_buffer_put(ids, &id, sizeof id); }

/* All ids from the last mark on get this mark. */
static void mark(fm_examples *e, bool learn) {
    size_t n = count(e);
    if (n <= e->learn.size) return;
    size_t more = n - e->learn.size;
    void *room = fm_buffer_room(&e->learn, more);
    if (room) memset(room, learn, more);
}

static void end_example(fm_examples *e) {
    size_t n = count(e);
    fm_buffer_put(&e->ends, &n, sizeof n);
}

/* ---- plain text ----------------------------------------------------------------------------------*/

static fm_status add_text(encoder *e, const fm_document *d) {
    const fm_tokenizer *t = e->tokenizer;
    if (fm_tokenizer_adds_bos(t)) put_id(&e->out->ids, fm_tokenizer_bos(t));
    FM_TRY(fm_tokenizer_encode(t, d->text, d->size, FM_ENCODE_PLAIN, &e->out->ids, e->err));
    if (fm_tokenizer_eos(t) >= 0) put_id(&e->out->ids, fm_tokenizer_eos(t));
    mark(e->out, true);
    end_example(e->out);
    return FM_OK;
}

/* ---- answers -------------------------------------------------------------------------------------*/

static bool begins_with(const char *s, size_t n, const char *beginning) {
    return n >= strlen(beginning) && memcmp(s, beginning, strlen(beginning)) == 0;
}

/* The first of the two tags that the vocabulary has as a token; NULL: none is in the text. */
static const char *find_tag(const encoder *e, const char *s, size_t n, fm_token *id, size_t *size) {
    static const char *const tags[] = {THINK, UNTHINK};
    const char *first = NULL;
    for (size_t i = 0; i < FM_COUNT(tags); i++) {
        fm_token tag = fm_tokenizer_find(e->tokenizer, tags[i]);
        if (tag < 0 || !fm_tokenizer_is_added(e->tokenizer, tag)) continue;
        const char *at = memmem(s, n, tags[i], strlen(tags[i]));
        if (at && (!first || at < first)) first = at, *id = tag, *size = strlen(tags[i]);
    }
    return first;
}

static fm_status put_tagged(encoder *e, const char *s, size_t n, fm_buffer *ids) {
    while (n > 0) {
        fm_token id;
        size_t size, plain;
        const char *tag = find_tag(e, s, n, &id, &size);
        plain = tag ? (size_t)(tag - s) : n;
        if (plain) FM_TRY(fm_tokenizer_encode(e->tokenizer, s, plain, FM_ENCODE_PLAIN, ids, e->err));
        if (!tag) break;
        put_id(ids, id);
        s += plain + size;
        n -= plain + size;
    }
    return FM_OK;
}

static bool has_thoughts(const fm_chat_message *m) { return begins_with(m->content, m->content_size, THINK); }

/* What the model is to write after a prompt that may have opened <think> (and gone to the next line). */
static fm_status put_answer(encoder *e, const fm_chat_message *m, bool opened, fm_buffer *ids) {
    const char *s = m->content;
    size_t n = m->content_size;
    if (opened && has_thoughts(m)) {
        s += strlen(THINK);
        n -= strlen(THINK);
        if (e->style != FM_CHAT_DEEPSEEK_V31 && n > 0 && *s == '\n') s++, n--;
    } else if (opened) {
        FM_TRY(put_tagged(e, "\n" UNTHINK "\n\n", strlen("\n" UNTHINK "\n\n"), ids));
    }
    return put_tagged(e, s, n, ids);
}

/* The token that ends the answer, as the template puts it behind the first `n` messages; -1: none. */
static fm_status find_end(encoder *e, size_t n, fm_token *out) {
    fm_buffer ids = {0};
    *out = fm_tokenizer_eos(e->tokenizer);
    if (e->style == FM_CHAT_NONE) return FM_OK;
    fm_status status = fm_chat_encode(e->tokenizer, e->style, e->messages, n, NULL, &ids, e->err);
    if (status == FM_OK) status = fm_buffer_status(&ids, e->err);
    const fm_token *id = (const fm_token *)(const void *)ids.data;
    for (size_t i = status == FM_OK ? ids.size / sizeof *id : 0; i-- > 0;)
        if (fm_tokenizer_is_end_of_turn(e->tokenizer, id[i])) {
            *out = id[i];
            break;
        }
    fm_buffer_clear(&ids);
    return status;
}

/* ---- conversations -------------------------------------------------------------------------------*/

static fm_status put_prompt(encoder *e, size_t n, const fm_chat_options *o, fm_buffer *ids) {
    if (e->style == FM_CHAT_NONE && fm_tokenizer_adds_bos(e->tokenizer)) put_id(ids, fm_tokenizer_bos(e->tokenizer));
    return fm_chat_encode(e->tokenizer, e->style, e->messages, n, o, ids, e->err);
}

/* The answer that message `at` is. `begin` is where the present example begins; a new one does where the
 * prompt does not go on from what is there. */
static fm_status add_answer(encoder *e, size_t at, size_t *begin) {
    const fm_chat_message *m = &e->messages[at];
    fm_chat_options o = {.add_generation_prompt = true, .thinking = has_thoughts(m)};
    fm_buffer prompt = {0};
    fm_token end = -1;
    size_t here = count(e->out) - *begin;
    fm_status status = put_prompt(e, at, &o, &prompt);
    if (status == FM_OK) status = find_end(e, at + 1, &end);
    if (status == FM_OK) status = fm_buffer_status(&prompt, e->err);
    if (status == FM_OK) status = fm_examples_status(e->out, e->err);
    if (status == FM_OK) {
        size_t bytes = here * sizeof(fm_token), first = *begin * sizeof(fm_token);
        bool goes_on = here == 0 || (bytes <= prompt.size && memcmp(e->out->ids.data + first, prompt.data, bytes) == 0);
        if (!goes_on) {
            end_example(e->out);
            *begin = count(e->out);
            bytes = 0;
        }
        if (prompt.size > bytes) fm_buffer_put(&e->out->ids, prompt.data + bytes, prompt.size - bytes);
        mark(e->out, false);
        status = put_answer(e, m, fm_chat_starts_thinking(e->style, &o), &e->out->ids);
        if (end >= 0) put_id(&e->out->ids, end);
        mark(e->out, true);
    }
    fm_buffer_clear(&prompt);
    return status;
}

static fm_status add_answers(encoder *e, size_t n) {
    size_t begin = count(e->out);
    for (size_t i = 0; i < n; i++)
        if (strcmp(e->messages[i].role, "assistant") == 0) FM_TRY(add_answer(e, i, &begin));
    end_example(e->out);
    return FM_OK;
}

static fm_status add_conversation(encoder *e, const fm_document *d) {
    fm_chat_message *messages = fm_alloc_array(d->n_turns, sizeof *messages, FM_MEM_OTHER);
    if (!messages) return fm_fail_memory(e->err, d->n_turns * sizeof *messages, "a conversation");
    for (size_t i = 0; i < d->n_turns; i++)
        messages[i] = (fm_chat_message){.role = d->turns[i].role, .content = d->text + d->turns[i].at,
                                        .content_size = d->turns[i].size};
    e->messages = messages;
    fm_status status = add_answers(e, d->n_turns);
    fm_free(messages);
    return status;
}

fm_status fm_examples_add(const fm_tokenizer *tokenizer, fm_chat_style style, const fm_document *d, fm_examples *out,
                          fm_error *err) {
    encoder e = {tokenizer, style, NULL, out, err};
    FM_TRY(d->n_turns ? add_conversation(&e, d) : add_text(&e, d));
    return fm_examples_status(out, err);
}

fm_status fm_examples_status(const fm_examples *e, fm_error *err) {
    FM_TRY(fm_buffer_status(&e->ids, err));
    FM_TRY(fm_buffer_status(&e->learn, err));
    return fm_buffer_status(&e->ends, err);
}

void fm_examples_clear(fm_examples *e) {
    fm_buffer_clear(&e->ids);
    fm_buffer_clear(&e->learn);
    fm_buffer_clear(&e->ends);
}
