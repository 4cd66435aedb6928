/* chat: a conversation at the keyboard. With standard input not a terminal it answers the one
 * question it finds there. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/call.h"
#include "cli/chat_state.h"
#include "cli/history.h"
#include "cli/ids.h"
#include "cli/lineedit.h"
#include "cli/tty.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

static const fm_option options[] = {
    {FM_OPTION_TEXT, "system", 's', "TEXT", "system prompt (R1 wants none)",
     offsetof(fm_chat_arguments, system), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "no-history", .help = "neither read nor keep the lines that are typed",
     .offset = offsetof(fm_chat_arguments, no_history)},
    FM_ANSWER_OPTIONS(fm_chat_arguments, answer),
    FM_SAMPLING_OPTIONS(fm_chat_arguments, sampling),
    FM_LOAD_OPTIONS(fm_chat_arguments, load),
    FM_EAGER_OPTION(fm_chat_arguments, load),
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_chat = {
    .name = "chat",
    .about = "Talks with a model. What it thinks is dim and folds to one line when the answer comes; "
             "Ctrl-C stops an answer, Ctrl-D leaves, /help lists commands. With standard input not a "
             "terminal it answers the question that is piped in and exits.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(fm_chat_arguments, model), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(fm_chat_arguments),
    .run = run,
    .examples = "fathom chat r1-distill-qwen-1.5b.gguf\n"
                "echo 'Why is the sky blue?' | fathom chat model.gguf\n",
};

/* ---- the two forms ---------------------------------------------------------------------------*/

static void banner(const fm_chat *c) {
    fathom_model_info info = fathom_model_describe(c->model);
    fm_buffer line = {0};
    fm_buffer_format(&line, "%s · %s parameters · %s, %d thread%s · room for %s tokens\n",
                     info.architecture, fm_human_count((double)info.parameters), info.cpu,
                     info.threads, info.threads == 1 ? "" : "s",
                     fm_human_integer((double)info.context));
    fm_buffer_text(&line, "/help lists commands · Ctrl-C stops an answer · Ctrl-D leaves");
    fm_output_text(c->ink.bold);
    fm_output_text(info.name);
    fm_output_text(c->ink.reset);
    fm_output_text("\n");
    fm_chat_note(c, fm_buffer_string(&line));
    fm_buffer_clear(&line);
}

static void one_message(fm_chat *c, const char *text) {
    text += strspn(text, " \t\n");
    if (!*text) return;
    fm_error err = {0};
    bool command = fm_chat_is_command(text);
    fm_interrupt_clear();
    if (!command) fm_output_text("\n");
    fm_status status = command ? fm_chat_command(c, text, &err) : fm_chat_ask(c, text, &err);
    if (status != FM_OK) fm_chat_say(c, c->ink.bad, err.message);
    fm_output_text("\n");
    fm_output_flush();
    fm_interrupt_clear();
}

/* Until Ctrl-D, /exit, or a second Ctrl-C where there was nothing to stop. */
static void talk(fm_chat *c, fm_lineedit *editor) {
    const char *text = "";
    bool asked = false; /* whether it is meant */
    while (!c->leave) {
        fm_line got = fm_lineedit_read(editor, &text);
        bool nothing = got == FM_LINE_INTERRUPTED && !*text;
        if (got == FM_LINE_END || (nothing && asked)) break;
        asked = nothing;
        if (got == FM_LINE_INTERRUPTED) fm_output_text("\n");
        if (nothing) fm_chat_note(c, "Ctrl-C again, or Ctrl-D, leaves.");
        if (got == FM_LINE_TEXT) one_message(c, text);
        if (!fm_output_flush()) break;
    }
    if (!c->leave) fm_output_text("\n");
}

static fm_status converse(fm_chat *c, const fm_chat_arguments *a, fm_error *err) {
    char prompt[48], continuation[48], *history = a->no_history ? NULL : fm_history_path();
    /* libedit drops a sequence that nothing visible follows: the space comes last. */
    snprintf(prompt, sizeof prompt, "\1%s%s\1›\1%s\1 ", c->ink.bold, c->ink.accent, c->ink.reset);
    snprintf(continuation, sizeof continuation, "\1%s\1…\1%s\1 ", c->ink.dim, c->ink.reset);
    fm_lineedit_options o = {prompt, continuation, history, fm_chat_place};
    fm_lineedit *editor;
    fm_status status = fm_lineedit_new(&o, &editor, err);
    if (status == FM_OK) {
        banner(c);
        fm_output_text("\n");
        fm_output_flush();
        fm_interrupt_catch_always();
        fm_tty_take();
        talk(c, editor);
        fm_tty_give_back();
        fm_interrupt_release();
        fm_lineedit_free(editor);
        status = fm_output_status(err);
    }
    fm_free(history);
    return status;
}

static fm_status answer_piped(fm_chat *c, fm_error *err) {
    char *text;
    size_t size;
    FM_TRY(fm_file_read("-", FM_TEXT_LIMIT, &text, &size, err));
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) text[--size] = 0;
    fm_status status;
    if (size == 0)
        status = fm_fail(err, FM_ERR_ARGUMENT, "standard input is empty: pipe a question into it, "
                         "or run chat at a terminal");
    else if (strlen(text) != size)
        status = fm_fail(err, FM_ERR_ARGUMENT, "the question has a zero byte at position %zu",
                         strlen(text));
    else {
        fm_interrupt_catch();
        status = fm_chat_ask(c, text, err);
        if (status == FM_OK && fm_interrupted()) status = FM_ERR_CANCELLED;
        fm_interrupt_release();
    }
    fm_free(text);
    return status;
}

static fm_status prepare(fm_chat *c, const fm_chat_arguments *a, fm_error *err) {
    c->keyboard = fm_is_terminal(stdin);
    c->hide_thinking = a->answer.hide_thinking;
    c->ink = fm_ink_for(stdout);
    FM_TRY(fm_answer_options_of(&a->answer, &c->options, err));
    FM_TRY(fm_answer_generate_options(&a->answer, &c->generate, err));
    FM_TRY(fm_conversation_system(&c->conversation, a->system, err));
    FM_TRY(fm_load_model(a->model, &a->load, &c->model, err));
    if (!(c->tokenizer = fathom_model_tokenizer(c->model)))
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "%s has no tokenizer: put its tokenizer.json beside the weights", a->model);
    c->generate.sampling = fm_answer_sampling(&a->answer, &a->sampling, c->model);
    fathom_error said;
    return fm_said(fathom_session_new(c->model, &c->session, &said), &said, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const fm_chat_arguments *a = parsed;
    fm_chat c = {0};
    fm_status status = prepare(&c, a, err);
    if (status == FM_OK && c.keyboard && a->sampling.seed < 0)
        c.generate.sampling.seed = (uint64_t)time(NULL); /* another conversation, other words */
    if (status == FM_OK) status = c.keyboard ? converse(&c, a, err) : answer_piped(&c, err);
    fm_conversation_free(&c.conversation);
    fm_free(c.file);
    fm_free(c.transcript);
    fathom_grammar_free(c.generate.grammar);
    fathom_session_free(c.session);
    if (c.model) fathom_model_close(c.model);
    return status;
}
