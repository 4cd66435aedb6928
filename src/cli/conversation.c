#include "cli/conversation.h"

#include "base/mem.h"
#include "cli/call.h"

void fm_conversation_clear(fm_conversation *c) {
    while (c->n > 0) fm_conversation_drop_last(c);
}

void fm_conversation_free(fm_conversation *c) {
    fm_conversation_clear(c);
    fm_free(c->messages);
    fm_free(c->thoughts);
    fm_free(c->system);
    *c = (fm_conversation){0};
}

fm_status fm_conversation_system(fm_conversation *c, const char *text, fm_error *err) {
    char *copy = NULL;
    if (text && *text && !(copy = fm_strdup(text)))
        return fm_fail_memory(err, strlen(text), "the system prompt");
    fm_free(c->system);
    c->system = copy;
    return FM_OK;
}

static fm_status make_room(fm_conversation *c, fm_error *err) {
    if (c->n < c->capacity) return FM_OK;
    size_t capacity = c->capacity ? 2 * c->capacity : 16;
    fathom_message *messages = fm_realloc(c->messages, capacity * sizeof *messages, FM_MEM_OTHER);
    if (messages) c->messages = messages;
    char **thoughts = fm_realloc(c->thoughts, capacity * sizeof *thoughts, FM_MEM_OTHER);
    if (thoughts) c->thoughts = thoughts;
    if (!messages || !thoughts)
        return fm_fail_memory(err, capacity * sizeof *messages, "the conversation");
    c->capacity = capacity;
    return FM_OK;
}

fm_status fm_conversation_add(fm_conversation *c, const char *role, const char *text, size_t size,
                              fm_error *err) {
    FM_TRY(make_room(c, err));
    char *copy = fm_strndup(text ? text : "", size);
    if (!copy) return fm_fail_memory(err, size, "a message");
    c->thoughts[c->n] = NULL;
    c->messages[c->n++] = (fathom_message){role, copy, size};
    return FM_OK;
}

fm_status fm_conversation_think(fm_conversation *c, const char *text, size_t size, fm_error *err) {
    char *copy = fm_strndup(text, size);
    if (!copy) return fm_fail_memory(err, size, "the reasoning");
    fm_free(c->thoughts[c->n - 1]);
    c->thoughts[c->n - 1] = copy;
    return FM_OK;
}

void fm_conversation_drop_last(fm_conversation *c) {
    if (c->n == 0) return;
    fm_free((char *)(uintptr_t)c->messages[--c->n].content);
    fm_free(c->thoughts[c->n]);
}

bool fm_conversation_ends_with(const fm_conversation *c, const char *role) {
    return c->n > 0 && strcmp(c->messages[c->n - 1].role, role) == 0;
}

const char *fm_conversation_thoughts(const fm_conversation *c) {
    for (size_t i = c->n; i-- > 0;)
        if (c->thoughts[i]) return c->thoughts[i];
    return NULL;
}

fm_status fm_conversation_tokens(const fm_conversation *c, const fathom_tokenizer *tokenizer,
                                 const fathom_chat_options *options, int32_t **ids, size_t *n,
                                 bool *starts_thinking, fm_error *err) {
    fathom_error said;
    if (!c->system)
        return fm_said(fathom_chat_tokens(tokenizer, c->messages, c->n, options, ids, n,
                                          starts_thinking, &said), &said, err);
    fathom_message *all = fm_alloc_array(c->n + 1, sizeof *all, FM_MEM_OTHER);
    if (!all) return fm_fail_memory(err, c->n * sizeof *all, "the conversation");
    all[0] = (fathom_message){"system", c->system, strlen(c->system)};
    memcpy(all + 1, c->messages, c->n * sizeof *all);
    fm_status status = fm_said(fathom_chat_tokens(tokenizer, all, c->n + 1, options, ids, n,
                                                  starts_thinking, &said), &said, err);
    fm_free(all);
    return status;
}
