/* answer_figures.c: what a reply cost and how it went, for people and for programs. */
#include "cli/answer.h"

#include "base/json_write.h"
#include "cli/screen.h"

#include <inttypes.h>
#include <string.h>

/* ---- for people ------------------------------------------------------------------------------*/

void fm_answer_rate(fm_buffer *out, const char *what, int64_t tokens, double seconds) {
    fm_buffer_format(out, "%s%s%s token%s", what ? what : "", what ? " " : "",
                     fm_human_integer((double)tokens), tokens == 1 ? "" : "s");
    if (tokens > 0 && seconds > 0) {
        double r = (double)tokens / seconds;
        fm_buffer_format(out, r < 99.95 ? ", %.1f/s" : ", %.0f/s", r);
    }
}

static const char *const activations[] = {[FATHOM_ACTIVATIONS_F32] = "f32",
                                          [FATHOM_ACTIVATIONS_INT8] = "int8",
                                          [FATHOM_ACTIVATIONS_INT16] = "int16"};

static const char *stop_string(const fathom_generation *g, const fathom_generate_options *o) {
    return g->stop == FATHOM_STOP_STRING && g->stop_string >= 0 ? o->stops[g->stop_string] : NULL;
}

static double tokens_per_step(const fathom_generation *g) {
    return g->steps > 0 ? (double)g->generated_tokens / (double)g->steps : 0;
}

void fm_answer_stats(fm_buffer *out, const fathom_generation *g, const fathom_generate_options *o,
                     bool all) {
    const char *stop = stop_string(g, o);
    fm_answer_rate(out, "prompt", g->prompt_tokens - g->reused_tokens, g->prompt_seconds);
    if (g->reused_tokens) fm_buffer_format(out, ", %" PRId64 " known", g->reused_tokens);
    fm_buffer_text(out, " · ");
    fm_answer_rate(out, "reply", g->generated_tokens, g->generate_seconds);
    if (all && g->reasoning_tokens)
        fm_buffer_format(out, ", %s of reasoning", fm_human_integer((double)g->reasoning_tokens));
    if (g->stop == FATHOM_STOP_LENGTH) fm_buffer_text(out, " · cut at the limit");
    if (g->stop == FATHOM_STOP_CALLER) fm_buffer_text(out, " · stopped");
    if (stop) {
        fm_buffer_text(out, " · stopped at ");
        fm_json_quote(out, stop, strlen(stop));
    }
    if (g->guessed_tokens)
        fm_buffer_format(out, " · %" PRId64 " of %" PRId64 " guesses right", g->right_guesses,
                         g->guessed_tokens);
    if (all && g->guessed_tokens) fm_buffer_format(out, ", %.2f tokens a step", tokens_per_step(g));
    if (all)
        fm_buffer_format(out, " · %s, %s activations · logits %016" PRIx64,
                         g->arith == FATHOM_EXACT ? "exact" : "fast", activations[g->activations],
                         g->logits_hash);
}

void fm_answer_loading(fm_buffer *out, const fathom_model *model) {
    fathom_model_info info = fathom_model_describe(model);
    if (info.panels)
        fm_buffer_format(out, "%s mapped from %s in %.2f s", fm_human_bytes((double)info.mapped_bytes), info.panels,
                         info.load_seconds);
    else
        fm_buffer_format(out, "%s read and packed in %.2f s", fm_human_bytes((double)info.load_bytes),
                         info.load_seconds);
    if (info.experts_later == 0) return;
    fm_buffer_format(out, " · %s ", fm_human_integer((double)info.experts_packed));
    fm_buffer_format(out, "of %s experts %s since, ", fm_human_integer((double)info.experts_later),
                     info.panels ? "read" : "packed");
    fm_buffer_format(out, "from %s in %.2f s", fm_human_bytes((double)info.experts_bytes), info.experts_seconds);
}

/* ---- for programs ----------------------------------------------------------------------------*/

static void put_bytes(fm_buffer *out, const fathom_tokenizer *t, int32_t id) {
    size_t size;
    const char *bytes = fathom_token_bytes(t, id, &size);
    fm_json_quote(out, bytes, size);
}

/* JSON has no infinity: what was out of the question is null. */
static void put_logprob(fm_buffer *out, const char *key, float value) {
    if (value >= -1e30f)
        fm_buffer_format(out, "\"%s\": %.6f", key, (double)value);
    else
        fm_buffer_format(out, "\"%s\": null", key);
}

void fm_answer_json_token(fm_buffer *out, const fathom_tokenizer *t, const fathom_token *token) {
    fm_buffer_format(out, "%s\n  {\"id\": %d, \"text\": ", out->size ? "," : "", (int)token->id);
    put_bytes(out, t, token->id);
    fm_buffer_format(out, ", \"thinking\": %s, ", token->thinking ? "true" : "false");
    put_logprob(out, "logprob", token->logprob);
    fm_buffer_text(out, ", ");
    put_logprob(out, "drawn_logprob", token->drawn_logprob);
    fm_buffer_text(out, ", \"top\": [");
    for (int i = 0; i < token->n_top; i++) {
        fm_buffer_format(out, "%s{\"id\": %d, \"text\": ", i ? ", " : "", (int)token->top[i].id);
        put_bytes(out, t, token->top[i].id);
        fm_buffer_text(out, ", ");
        put_logprob(out, "logprob", token->top[i].logprob);
        fm_buffer_text(out, "}");
    }
    fm_buffer_text(out, "]}");
}

/* ,\n "key": "text" */
static void put_text(fm_buffer *out, const char *key, const char *text, size_t size) {
    fm_buffer_format(out, "%s\"%s\": ", out->size > 1 ? ",\n " : "", key);
    if (text)
        fm_json_quote(out, text, size);
    else
        fm_buffer_text(out, "null");
}

static void put_figures(fm_buffer *out, const fathom_generation *g) {
    fm_buffer_format(out,
                     ",\n \"prompt_tokens\": %" PRId64 ",\n \"generated_tokens\": %" PRId64
                     ",\n \"reasoning_tokens\": %" PRId64 ",\n \"guessed_tokens\": %" PRId64
                     ",\n \"right_guesses\": %" PRId64 ",\n \"steps\": %" PRId64
                     ",\n \"tokens_per_step\": %.3f,\n \"prompt_seconds\": %.6f"
                     ",\n \"generate_seconds\": %.6f",
                     g->prompt_tokens, g->generated_tokens, g->reasoning_tokens, g->guessed_tokens,
                     g->right_guesses, g->steps, tokens_per_step(g), g->prompt_seconds,
                     g->generate_seconds);
}

fm_status fm_answer_json(fm_buffer *out, const fm_answer *answer, const fathom_model *model,
                         const fathom_generation *g, const fathom_generate_options *o,
                         const fm_buffer *tokens, fm_error *err) {
    static const char *const stops[] = {"end", "length", "interrupted", "string"};
    fathom_model_info info = fathom_model_describe(model);
    const char *text = answer->text.size ? answer->text.data : "";
    size_t skipped = 0; /* what stands between </think> and the answer */
    while (skipped < answer->text.size && text[skipped] == '\n') skipped++;
    const char *stop = stop_string(g, o);
    fm_buffer_text(out, "{");
    put_text(out, "text", text + skipped, answer->text.size - skipped);
    put_text(out, "thinking", answer->thinking.size ? answer->thinking.data : NULL, answer->thinking.size);
    put_text(out, "model", info.name, strlen(info.name));
    put_text(out, "stop", stops[g->stop], strlen(stops[g->stop]));
    put_text(out, "stop_string", stop, stop ? strlen(stop) : 0);
    put_figures(out, g);
    put_text(out, "cpu", info.cpu, strlen(info.cpu));
    fm_buffer_format(out, ",\n \"threads\": %d,\n \"arith\": \"%s\",\n \"activations\": \"%s\"",
                     info.threads, g->arith == FATHOM_EXACT ? "exact" : "fast",
                     activations[g->activations]);
    put_text(out, "panels", info.panels, info.panels ? strlen(info.panels) : 0);
    fm_buffer_format(out, ",\n \"load_seconds\": %.6f,\n \"experts_seconds\": %.6f", info.load_seconds,
                     info.experts_seconds);
    fm_buffer_format(out, ",\n \"logits_hash\": \"%016" PRIx64 "\"", g->logits_hash);
    if (tokens) {
        fm_buffer_text(out, ",\n \"tokens\": [");
        fm_buffer_put(out, tokens->data, tokens->size);
        fm_buffer_text(out, "]");
        if (tokens->failed) out->failed = true;
    }
    fm_buffer_text(out, "}\n");
    return fm_buffer_status(out, err);
}
