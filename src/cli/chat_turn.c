/* chat_turn.c: a question and its answer, and taking them back. */
#include "cli/call.h"
#include "cli/chat_state.h"

#include "base/mem.h"

static void tell_speed(const fm_chat *c, const fathom_generation *g) {
    if (!c->keyboard || g->generated_tokens == 0) return;
    fm_buffer line = {0};
    fm_answer_rate(&line, NULL, g->generated_tokens, g->generate_seconds);
    if (g->stop == FATHOM_STOP_LENGTH) fm_buffer_text(&line, " · cut at the limit");
    if (g->stop == FATHOM_STOP_CALLER) fm_buffer_text(&line, " · stopped");
    fm_output_text("\n");
    fm_chat_note(c, fm_buffer_string(&line));
    fm_buffer_clear(&line);
}

/* The reply joins the conversation as far as it came. */
static fm_status keep_reply(fm_chat *c, const fm_answer *answer, fm_error *err) {
    FM_TRY(fm_conversation_add(&c->conversation, "assistant", answer->text.data, answer->text.size,
                               err));
    if (answer->thinking.size == 0) return FM_OK;
    return fm_conversation_think(&c->conversation, answer->thinking.data, answer->thinking.size, err);
}

static fm_status generate(fm_chat *c, const int32_t *ids, size_t n, bool thinking, bool *replied,
                          fm_error *err) {
    fm_answer answer;
    fathom_generation result = {0};
    fm_answer_begin(&answer, c->hide_thinking, false);
    answer.fold = c->keyboard;
    c->generate.starts_thinking = thinking;
    fm_status status = fm_answer_generate(&answer, c->session, ids, n, &c->generate, &result, err);
    fm_answer_end(&answer);
    if (status == FM_OK) {
        c->last = result;
        if (fm_interrupted() && result.generated_tokens == 0) fm_chat_note(c, "(stopped)");
        tell_speed(c, &result);
    }
    *replied = status == FM_OK && (answer.text.size > 0 || answer.thinking.size > 0);
    if (*replied) status = keep_reply(c, &answer, err);
    fm_answer_clear(&answer);
    return status;
}

/* Answers the question that the conversation ends with; without a reply the conversation is as before. */
static fm_status answer(fm_chat *c, bool *replied, fm_error *err) {
    int32_t *ids;
    size_t n;
    bool thinking;
    *replied = false;
    FM_TRY(fm_conversation_tokens(&c->conversation, c->tokenizer, &c->options, &ids, &n, &thinking,
                                  err));
    fm_status status = generate(c, ids, n, thinking, replied, err);
    fathom_free(ids);
    return status;
}

static fm_status question_text(fm_chat *c, const char *text, char **out, size_t *size, fm_error *err) {
    if (!c->file) {
        *size = strlen(text);
        *out = fm_strdup(text);
        return *out ? FM_OK : fm_fail_memory(err, *size, "the question");
    }
    fathom_error said;
    FM_TRY(fm_said(fathom_file_prompt(c->file, text, out, size, &said), &said, err));
    fm_free(c->file);
    c->file = NULL;
    return FM_OK;
}

fm_status fm_chat_ask(fm_chat *c, const char *text, fm_error *err) {
    char *question;
    size_t size;
    bool replied;
    FM_TRY(question_text(c, text, &question, &size, err));
    fm_status status = fm_conversation_add(&c->conversation, "user", question, size, err);
    fathom_free(question);
    if (status != FM_OK) return status;
    status = answer(c, &replied, err);
    if (!replied) fm_conversation_drop_last(&c->conversation);
    return status;
}

/* The answer that is there stays when no other comes. */
static fm_status answer_again(fm_chat *c, fm_error *err) {
    fm_conversation *v = &c->conversation;
    bool replied;
    fathom_message old = v->messages[--v->n];
    char *thoughts = v->thoughts[v->n];
    fm_status status = answer(c, &replied, err);
    if (replied) {
        fm_free((char *)(uintptr_t)old.content);
        fm_free(thoughts);
    } else {
        v->messages[v->n] = old;
        v->thoughts[v->n++] = thoughts;
    }
    return status;
}

fm_status fm_chat_retry(fm_chat *c, fm_error *err) {
    bool replied;
    if (c->conversation.n == 0) return fm_fail(err, FM_ERR_ARGUMENT, "nothing has been asked yet");
    if (!fm_conversation_ends_with(&c->conversation, "assistant")) return answer(c, &replied, err);
    if (c->generate.sampling.temperature > 0)
        c->generate.sampling.seed++; /* other words */
    else
        fm_chat_note(c, "The temperature is 0: the answer will be the same.\n");
    return answer_again(c, err);
}

fm_status fm_chat_undo(fm_chat *c, fm_error *err) {
    if (c->conversation.n == 0) return fm_fail(err, FM_ERR_ARGUMENT, "there is nothing to take back");
    if (fm_conversation_ends_with(&c->conversation, "assistant"))
        fm_conversation_drop_last(&c->conversation);
    if (fm_conversation_ends_with(&c->conversation, "user"))
        fm_conversation_drop_last(&c->conversation);
    return FM_OK;
}
