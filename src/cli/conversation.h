/* conversation.h: what has been said in a chat, as messages that own their text. */
#pragma once

#include "base/status.h"
#include "fathom/fathom.h"

typedef struct fm_conversation {
    fathom_message *messages;
    char **thoughts; /* what came before each of them; NULL: nothing */
    size_t n, capacity;
    char *system; /* or NULL */
} fm_conversation;

/* Forgets what was said; the system prompt stays. */
void fm_conversation_clear(fm_conversation *c);
void fm_conversation_free(fm_conversation *c);
/* NULL or "" removes it. */
fm_status fm_conversation_system(fm_conversation *c, const char *text, fm_error *err);
/* `role` is a string constant; the text is copied. */
fm_status fm_conversation_add(fm_conversation *c, const char *role, const char *text, size_t size,
                              fm_error *err);
/* What the last message was thought over with; the text is copied. */
fm_status fm_conversation_think(fm_conversation *c, const char *text, size_t size, fm_error *err);
void fm_conversation_drop_last(fm_conversation *c);
/* Whether the last message has this role. */
bool fm_conversation_ends_with(const fm_conversation *c, const char *role);
/* The reasoning behind the last answer that had any; NULL: none had. */
const char *fm_conversation_thoughts(const fm_conversation *c);
/* Ids of all of it up to where the assistant answers; *ids is released with fathom_free. */
fm_status fm_conversation_tokens(const fm_conversation *c, const fathom_tokenizer *tokenizer,
                                 const fathom_chat_options *options, int32_t **ids, size_t *n,
                                 bool *starts_thinking, fm_error *err);
