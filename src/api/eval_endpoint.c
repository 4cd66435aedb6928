#include "api/eval_endpoint.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_write.h"
#include "hub/posts.h"
#include "hub/retry.h"

#include <stdio.h>
#include <string.h>

enum { SECONDS = 600, ATTEMPTS = 6, ANSWER_LIMIT = 16 << 20, LONGEST_PAUSE = 60, LONGEST_ASKED = 600 };

/* A reply on its way: asked, or waiting to be asked again. */
typedef struct slot {
    bool wanted, sent;
    int64_t index;
    fm_ask ask;
    int failed;      /* attempts */
    double began, again; /* when it may be sent again */
    fm_buffer body;
} slot;

typedef struct asker {
    const fm_endpoint *endpoint;
    const fm_asking *asking;
    fm_posts *posts;
    slot *slots; /* [n] */
    int n, attempts;
    int64_t next;
    bool dry;
} asker;

/* ---- a request ----------------------------------------------------------------------------------- */

static void put_messages(fm_json_writer *w, const fm_prompt_messages *m) {
    fm_json_open(w, "messages", '[');
    for (size_t i = 0; i < m->n; i++) {
        fm_json_open(w, NULL, '{');
        fm_json_put_text(w, "role", m->list[i].role);
        fm_json_put_text(w, "content", ""); /* the key, and "" ... */
        w->out->size -= w->out->failed ? 0 : 2;
        fm_json_quote(w->out, m->list[i].content, m->list[i].content_size); /* ... which may hold zero bytes */
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
}

static fm_status write_body(const asker *a, slot *s, fm_error *err) {
    const fm_outcome_setup *setup = a->endpoint->setup;
    const fm_eval_item *item = &a->endpoint->items->items[s->ask.item];
    fm_json_writer w = {.out = &s->body, .flat = true};
    fm_prompt_messages messages;
    fm_status status = fm_prompt_messages_make(item, setup, &messages, err);
    s->body.size = 0;
    if (status == FM_OK) {
        uint64_t name = fm_ask_name(item, s->ask.sample);
        fm_json_open(&w, NULL, '{');
        fm_json_put_text(&w, "model", a->endpoint->options->model);
        put_messages(&w, &messages);
        fm_json_put_real(&w, "temperature", setup->temperature);
        fm_json_put_real(&w, "top_p", setup->top_p);
        if (setup->max_tokens > 0) fm_json_put_integer(&w, "max_tokens", setup->max_tokens);
        if (setup->presence_penalty != 0) fm_json_put_real(&w, "presence_penalty", setup->presence_penalty);
        if (setup->frequency_penalty != 0) fm_json_put_real(&w, "frequency_penalty", setup->frequency_penalty);
        fm_json_put_integer(&w, "seed", (int64_t)(fm_mix64(setup->seed ^ fm_mix64(name)) >> 33));
        fm_json_put_bool(&w, "stream", false);
        fm_json_close(&w, '}');
        status = fm_buffer_status(&s->body, err);
    }
    fm_prompt_messages_clear(&messages);
    return status;
}

/* ---- an answer ----------------------------------------------------------------------------------- */

/* "message" of an {"error": {"message": ...}}, {"error": "..."} or {"message": ...}. */
static const char *complaint(const fm_json *root) {
    const fm_json *e = fm_json_get(root, "error");
    const char *said = fm_json_string(fm_json_get(e, "message"), NULL);
    if (!said) said = fm_json_string(e, NULL);
    return said ? said : fm_json_string(fm_json_get(root, "message"), "");
}

static fm_status refused(const asker *a, const fm_posts_reply *r, const slot *s, fm_error *err) {
    fm_json *root = NULL;
    long long line = (long long)a->endpoint->items->items[s->ask.item].line;
    if (fm_json_parse(r->body, r->size, &root, NULL) != FM_OK) root = NULL;
    const char *said = complaint(root);
    fm_status status;
    if (r->status >= 300 && r->status < 400)
        status = fm_fail(err, FM_ERR_IO, "the endpoint redirects (status %d), which is not followed: give the "
                         "address it leads to", r->status);
    else if (r->status == 401 || r->status == 403)
        status = fm_fail(err, FM_ERR_IO, "the endpoint refuses the key (status %d): %.200s", r->status, said);
    else
        status = fm_fail(err, FM_ERR_IO, "the endpoint answers the question of line %lld with status %d: %.200s",
                         line, r->status, *said ? said : "no reason given");
    fm_json_free(root);
    return status;
}

/* Names the text of a completion; false: it is none. */
static bool completion(const fm_json *root, fm_asked *out) {
    const fm_json *choice = fm_json_at(fm_json_get(root, "choices"), 0), *message = fm_json_get(choice, "message");
    const fm_json *content = fm_json_get(message, "content"), *thinking = fm_json_get(message, "reasoning_content");
    const fm_json *tokens = fm_json_get(fm_json_get(root, "usage"), "completion_tokens");
    if (!thinking) thinking = fm_json_get(message, "reasoning");
    out->text = out->thinking = (fm_span){"", 0};
    if (fm_json_kind_of(message) != FM_JSON_OBJECT) return false;
    if (fm_json_kind_of(content) == FM_JSON_STRING)
        out->text.s = fm_json_string_n(content, &out->text.n);
    else if (fm_json_kind_of(content) != FM_JSON_NULL)
        return false;
    if (fm_json_kind_of(thinking) == FM_JSON_STRING) out->thinking.s = fm_json_string_n(thinking, &out->thinking.n);
    out->cut = strcmp(fm_json_string(fm_json_get(choice, "finish_reason"), ""), "length") == 0;
    out->tokens = fm_json_integer(tokens, -1);
    if (out->tokens < -1 || out->tokens > (1 << 28)) out->tokens = -1;
    return true;
}

/* Another attempt after a pause, or the end. `err` says what happened. */
static fm_status try_again(const asker *a, slot *s, double asked, fm_error *err) {
    double pause = 0.5 * (double)(1 << (s->failed < 10 ? s->failed : 10));
    fm_error why = *err;
    s->failed++;
    if (asked > LONGEST_ASKED)
        return fm_fail(err, FM_ERR_IO, "%s; it asks to come back in %.0f minutes", why.message, asked / 60);
    if (s->failed >= a->attempts)
        return fm_fail(err, FM_ERR_IO, "%s (%d attempts); with --out, the same command goes on from here",
                       why.message, s->failed);
    if (pause > LONGEST_PAUSE) pause = LONGEST_PAUSE;
    s->again = fm_clock_seconds() + (pause > asked ? pause : asked);
    return FM_OK;
}

static fm_status take(asker *a, slot *s, const fm_posts_reply *r, fm_error *err) {
    fm_json *root = NULL;
    fm_asked asked = {.index = s->index, .seconds = fm_clock_seconds() - s->began};
    if (r->status == 0) {
        fm_fail(err, FM_ERR_IO, "%s", r->said);
        return r->transient ? try_again(a, s, 0, err) : FM_ERR_IO;
    }
    if (r->status < 200 || r->status >= 300) {
        fm_status status = refused(a, r, s, err);
        return fm_retry_worth(r->status) || r->status >= 500 ? try_again(a, s, r->retry_after, err) : status;
    }
    fm_status status = fm_json_parse(r->body, r->size, &root, err);
    if (status == FM_ERR_MEMORY) return status;
    if (status == FM_OK && completion(root, &asked)) {
        s->wanted = false;
        status = a->asking->done(a->asking->context, &asked, err);
        if (status == FM_OK && !a->asking->progress(a->asking->context, asked.tokens > 0 ? asked.tokens : 0))
            status = fm_fail(err, FM_ERR_CANCELLED, "stopped");
    } else {
        fm_fail(err, FM_ERR_FORMAT, "the endpoint answers the question of line %lld with what is no chat completion",
                (long long)a->endpoint->items->items[s->ask.item].line);
        status = try_again(a, s, 0, err);
    }
    fm_json_free(root);
    return status;
}

/* ---- all of them --------------------------------------------------------------------------------- */

/* Sends what may be sent now; *left is the time until the next may, *busy whether anything is under way. */
static fm_status fill(asker *a, double *left, bool *busy, fm_error *err) {
    *left = 0.2;
    *busy = false;
    for (int i = 0; i < a->n; i++) {
        slot *s = &a->slots[i];
        if (!s->wanted && !a->dry) {
            s->index = a->next++;
            a->dry = !a->asking->next(a->asking->context, s->index, &s->ask);
            s->wanted = !a->dry;
            s->failed = 0;
            s->began = s->again = fm_clock_seconds();
            if (s->wanted) FM_TRY(write_body(a, s, err));
        }
        if (!s->wanted) continue;
        *busy = true;
        double pause = s->sent ? 0.2 : s->again - fm_clock_seconds();
        if (!s->sent && pause <= 0) {
            FM_TRY(fm_posts_send(a->posts, i, s->body.data, s->body.size, err));
            s->sent = true;
        } else if (pause < *left) {
            *left = pause;
        }
    }
    return FM_OK;
}

static fm_status answer(asker *a, fm_error *err) {
    for (;;) {
        double left;
        bool busy, came;
        fm_posts_reply reply;
        FM_TRY(fill(a, &left, &busy, err));
        if (!busy) return FM_OK;
        FM_TRY(fm_posts_wait(a->posts, left, &reply, &came, err));
        if (came) {
            a->slots[reply.slot].sent = false;
            FM_TRY(take(a, &a->slots[reply.slot], &reply, err));
        } else if (!a->asking->progress(a->asking->context, 0)) {
            return fm_fail(err, FM_ERR_CANCELLED, "stopped");
        }
    }
}

static fm_status open_posts(asker *a, fm_error *err) {
    const fathom_endpoint *o = a->endpoint->options;
    fm_buffer url = {0};
    size_t n = strlen(o->url);
    while (n > 0 && o->url[n - 1] == '/') n--;
    fm_buffer_put(&url, o->url, n);
    fm_buffer_text(&url, "/chat/completions");
    fm_status status = fm_buffer_status(&url, err);
    if (status == FM_OK)
        status = fm_posts_open(&(fm_posts_options){.url = fm_buffer_string(&url), .key = o->key,
                                                   .ca_file = o->ca_file, .slots = a->n,
                                                   .seconds = o->seconds > 0 ? o->seconds : SECONDS,
                                                   .limit = ANSWER_LIMIT}, &a->posts, err);
    fm_buffer_clear(&url);
    return status;
}

static fm_status ask_all(void *context, const fm_asking *asking, fm_error *err) {
    const fm_endpoint *endpoint = context;
    asker a = {.endpoint = endpoint, .asking = asking, .n = (int)endpoint->parallel,
               .attempts = endpoint->options->attempts > 0 ? endpoint->options->attempts : ATTEMPTS};
    a.slots = fm_alloc_array((size_t)a.n, sizeof *a.slots, FM_MEM_OTHER);
    fm_status status = a.slots ? open_posts(&a, err) : fm_fail_memory(err, (size_t)a.n * sizeof *a.slots, "requests");
    if (status == FM_OK) status = answer(&a, err);
    for (int i = 0; a.slots && i < a.n; i++) fm_buffer_clear(&a.slots[i].body);
    fm_posts_close(a.posts);
    fm_free(a.slots);
    return status;
}

fm_respondent fm_endpoint_respondent(fm_endpoint *endpoint) { return (fm_respondent){ask_all, endpoint}; }
