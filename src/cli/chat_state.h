/* chat_state.h: a conversation with a model, between the keyboard (cmd_chat.c) and the session: turns,
 * commands, settings. */
#pragma once

#include "cli/answer.h"
#include "cli/complete.h"
#include "cli/conversation.h"
#include "cli/loading.h"

typedef struct fm_chat_arguments {
    const char *model, *system;
    bool no_history;
    fm_answer_arguments answer;
    fm_sampling_arguments sampling;
    fm_load_arguments load;
} fm_chat_arguments;

typedef struct fm_chat {
    fathom_model *model;
    const fathom_tokenizer *tokenizer;
    fathom_session *session;
    fm_conversation conversation;
    char *file;       /* goes with the next question, or NULL */
    char *transcript; /* where /save and /load were last, or NULL */
    /* settings */
    fathom_generate_options generate;
    fathom_chat_options options;
    bool hide_thinking;
    fathom_generation last; /* its prompt_tokens are 0 before the first */
    bool keyboard;          /* somebody sits there: reasoning folds, speed is told */
    bool leave;
    fm_ink ink;
} fm_chat;

/* Something dim for the person at the keyboard, broken between words; control characters in it are
 * shown, not obeyed. */
void fm_chat_note(const fm_chat *c, const char *text);
/* The same in another colour, one of c->ink. */
void fm_chat_say(const fm_chat *c, const char *ink, const char *text);

/* Asks, shows the answer, and keeps both. A question without any reply is forgotten. */
fm_status fm_chat_ask(fm_chat *c, const char *text, fm_error *err);
/* Another answer to the last question. */
fm_status fm_chat_retry(fm_chat *c, fm_error *err);
/* Forgets the last question and its answer. */
fm_status fm_chat_undo(fm_chat *c, fm_error *err);

/* Whether a line is a command: a slash, and no other one in its first word, for a question may begin
 * with a path. */
bool fm_chat_is_command(const char *line);
fm_status fm_chat_command(fm_chat *c, const char *line, fm_error *err);
/* What Tab completes in a line that ends at the cursor. */
fm_complete_place fm_chat_place(const char *line);

/* "/set": NAME VALUE changes one, NAME shows one, nothing shows all. */
fm_status fm_chat_set(fm_chat *c, const char *rest, fm_error *err);
/* The names, for completion; returns how many. */
size_t fm_chat_setting_names(const char *const **names);
