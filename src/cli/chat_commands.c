/* chat_commands.c: the lines that begin with a slash. */
#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "cli/call.h"
#include "cli/chat_state.h"
#include "cli/talk_file.h"

#include <inttypes.h>
#include <string.h>

void fm_chat_note(const fm_chat *c, const char *text) { fm_chat_say(c, c->ink.dim, text); }

void fm_chat_say(const fm_chat *c, const char *ink, const char *text) {
    fm_flow flow = {.width = fm_screen_width(stdout)};
    fm_output_text(ink);
    fm_flow_put(&flow, text, strlen(text));
    fm_flow_end(&flow);
    fm_output_text(c->ink.reset);
    fm_output_text("\n");
}

/* ---- the conversation ------------------------------------------------------------------------*/

static fm_status do_clear(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest, (void)err;
    fm_conversation_clear(&c->conversation);
    fm_chat_note(c, "A new conversation.");
    return FM_OK;
}

static fm_status do_system(fm_chat *c, const char *rest, fm_error *err) {
    fm_conversation *v = &c->conversation;
    if (*rest) {
        FM_TRY(fm_conversation_system(v, strcmp(rest, "none") ? rest : NULL, err));
        fm_conversation_clear(v);
        fm_chat_note(c, v->system ? "A new conversation, with this system prompt."
                                  : "A new conversation, without a system prompt.");
    } else {
        fm_chat_note(c, v->system ? v->system : "There is no system prompt.");
    }
    return FM_OK;
}

static fm_status do_undo(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest;
    FM_TRY(fm_chat_undo(c, err));
    fm_buffer line = {0};
    fm_buffer_format(&line, "The last question is forgotten; %zu messages are left.",
                     c->conversation.n);
    fm_chat_note(c, c->conversation.n ? fm_buffer_string(&line) : "Nothing has been said.");
    fm_buffer_clear(&line);
    return FM_OK;
}

static fm_status do_retry(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest;
    return fm_chat_retry(c, err);
}

static fm_status do_thoughts(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest;
    const char *thoughts = fm_conversation_thoughts(&c->conversation);
    if (!thoughts) return fm_fail(err, FM_ERR_ARGUMENT, "no answer had any thoughts to show");
    thoughts += strspn(thoughts, " \n");
    size_t n = strlen(thoughts);
    while (n > 0 && (thoughts[n - 1] == '\n' || thoughts[n - 1] == ' ')) n--;
    fm_buffer text = {0};
    fm_buffer_put(&text, thoughts, n);
    fm_chat_note(c, fm_buffer_string(&text));
    fm_status status = fm_buffer_status(&text, err);
    fm_buffer_clear(&text);
    return status;
}

/* ---- files -----------------------------------------------------------------------------------*/

/* "a file.pdf" as it stands, when there is such a file; else as a shell would read it, and what stands
 * behind it. */
static fm_status path_of(const char *rest, char **path, const char **behind, fm_error *err) {
    *behind = rest + strlen(rest);
    *path = fm_file_exists(rest) ? fm_strdup(rest) : fm_complete_unquote(rest, behind);
    return *path ? FM_OK : fm_fail_memory(err, strlen(rest), "a path");
}

static fm_status announce_file(fm_chat *c, char *path, fm_error *err) {
    char *prompt;
    size_t size, n;
    int32_t *ids;
    fathom_error said;
    FM_TRY(fm_said(fathom_file_prompt(path, "", &prompt, &size, &said), &said, err));
    fathom_status status = fathom_tokenize(c->tokenizer, prompt, size, FATHOM_PLAIN, &ids, &n, &said);
    fathom_free(prompt);
    FM_TRY(fm_said(status, &said, err));
    fathom_free(ids);
    fm_buffer line = {0};
    fm_buffer_format(&line, "%s: %s tokens. It goes with your next question.", path,
                     fm_human_integer((double)n));
    fm_chat_note(c, fm_buffer_string(&line));
    fm_buffer_clear(&line);
    return FM_OK;
}

static fm_status do_file(fm_chat *c, const char *rest, fm_error *err) {
    char *path;
    const char *question;
    if (!*rest) return fm_fail(err, FM_ERR_ARGUMENT, "which file? /file report.pdf");
    FM_TRY(path_of(rest, &path, &question, err));
    fm_status status = *question ? FM_OK : announce_file(c, path, err);
    if (status != FM_OK) {
        fm_free(path);
        return status;
    }
    fm_free(c->file);
    c->file = path;
    if (!*question) return FM_OK;
    status = fm_chat_ask(c, question, err);
    fm_free(c->file); /* still there when it could not be read */
    c->file = NULL;
    return status;
}

static void keep_transcript(fm_chat *c, char *path) {
    fm_free(c->transcript);
    c->transcript = path;
}

static void tell_messages(fm_chat *c, const char *what, const char *path) {
    fm_buffer line = {0};
    fm_buffer_format(&line, "%s %zu message%s %s %s.", what, c->conversation.n,
                     c->conversation.n == 1 ? "" : "s", *what == 'S' ? "to" : "from", path);
    fm_chat_note(c, fm_buffer_string(&line));
    fm_buffer_clear(&line);
}

/* What is on disk is overwritten only when it is this conversation's own. */
static fm_status do_save(fm_chat *c, const char *rest, fm_error *err) {
    char *path = NULL;
    const char *behind;
    if (c->conversation.n == 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is nothing to save: nothing has been said yet");
    if (!*rest && !c->transcript)
        return fm_fail(err, FM_ERR_ARGUMENT, "to which file? /save talk.json");
    if (*rest) {
        FM_TRY(path_of(rest, &path, &behind, err));
        bool own = c->transcript && strcmp(path, c->transcript) == 0;
        if (!own && fm_file_exists(path)) {
            fm_fail(err, FM_ERR_ARGUMENT, "%s is there already; give another name", path);
            fm_free(path);
            return FM_ERR_ARGUMENT;
        }
        keep_transcript(c, path);
    }
    FM_TRY(fm_talk_save(&c->conversation, fathom_model_describe(c->model).name, c->transcript,
                              err));
    tell_messages(c, "Saved", c->transcript);
    return FM_OK;
}

static fm_status do_load(fm_chat *c, const char *rest, fm_error *err) {
    char *path;
    const char *behind;
    if (!*rest) return fm_fail(err, FM_ERR_ARGUMENT, "from which file? /load talk.json");
    FM_TRY(path_of(rest, &path, &behind, err));
    fm_status status = fm_talk_load(&c->conversation, path, err);
    if (status != FM_OK) {
        fm_free(path);
        return status;
    }
    keep_transcript(c, path);
    tell_messages(c, "Loaded", path);
    if (fm_conversation_ends_with(&c->conversation, "user"))
        fm_chat_note(c, "The last one is a question: /retry has it answered.");
    return FM_OK;
}

/* ---- the program -----------------------------------------------------------------------------*/

static fm_status do_stats(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest, (void)err;
    size_t held;
    fathom_session_tokens(c->session, &held);
    fathom_model_info info = fathom_model_describe(c->model);
    const fathom_sampling *s = &c->generate.sampling;
    fm_buffer line = {0};
    if (c->last.prompt_tokens > 0) {
        fm_answer_stats(&line, &c->last, &c->generate, true);
        fm_chat_note(c, fm_buffer_string(&line));
        line.size = 0;
    }
    fm_answer_loading(&line, c->model);
    fm_chat_note(c, fm_buffer_string(&line));
    line.size = 0;
    fm_buffer_format(&line, "context %s of %s tokens, %s of %s", fm_human_integer((double)held),
                     fm_human_integer((double)info.context),
                     fm_human_bytes((double)held * (double)info.cache_bytes_per_token),
                     fm_human_bytes((double)info.context * (double)info.cache_bytes_per_token));
    fm_chat_note(c, fm_buffer_string(&line));
    line.size = 0;
    fm_buffer_format(&line, "temperature %g · top-p %g · top-k %d · min-p %g · seed %" PRIu64,
                     (double)s->temperature, (double)s->top_p, s->top_k, (double)s->min_p, s->seed);
    fm_chat_note(c, fm_buffer_string(&line));
    fm_buffer_clear(&line);
    return FM_OK;
}

static fm_status do_exit(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest, (void)err;
    c->leave = true;
    return FM_OK;
}

static fm_status do_help(fm_chat *c, const char *rest, fm_error *err);

static const struct command {
    const char *name, *also, *takes, *help;
    fm_complete_kind completes; /* what it takes; WORDS: settings */
    fm_status (*run)(fm_chat *c, const char *rest, fm_error *err);
} commands[] = {
    {"file", NULL, "PATH [QUESTION]", "ask about a document, now or with the next question",
     FM_COMPLETE_FILES, do_file},
    {"retry", NULL, "", "another answer to the last question", 0, do_retry},
    {"undo", NULL, "", "forget the last question and its answer", 0, do_undo},
    {"thoughts", NULL, "", "show what the last answer was thought over with", 0, do_thoughts},
    {"new", "clear", "", "start a new conversation", 0, do_clear},
    {"system", NULL, "TEXT", "set the system prompt and start anew; \"none\" removes it", 0, do_system},
    {"set", NULL, "[NAME VALUE]", "temperature and the like; alone it shows them",
     FM_COMPLETE_WORDS, fm_chat_set},
    {"save", NULL, "[PATH]", "keep the conversation in a file, as JSON", FM_COMPLETE_FILES, do_save},
    {"load", NULL, "PATH", "go on with one that was kept", FM_COMPLETE_FILES, do_load},
    {"stats", NULL, "", "speed of the last answer, room left, sampling", 0, do_stats},
    {"help", NULL, "", "this list", 0, do_help},
    {"exit", "quit", "", "leave; Ctrl-D does too", 0, do_exit},
};

static fm_status do_help(fm_chat *c, const char *rest, fm_error *err) {
    (void)rest, (void)err;
    for (size_t i = 0; i < FM_COUNT(commands); i++) {
        fm_buffer left = {0}, line = {0};
        fm_buffer_format(&left, "/%s%s%s %s", commands[i].name, commands[i].also ? ", /" : "",
                         commands[i].also ? commands[i].also : "", commands[i].takes);
        fm_buffer_format(&line, "  %-23s%s", fm_buffer_string(&left), commands[i].help);
        fm_chat_note(c, fm_buffer_string(&line));
        fm_buffer_clear(&left);
        fm_buffer_clear(&line);
    }
    fm_chat_note(c, "  \\ at the end of a line goes on with the next; \"\"\" begins and ends many lines.");
    fm_chat_note(c, "  Tab completes commands and files; Ctrl-R searches what was typed before.");
    return FM_OK;
}

static const struct command *find(const char *name, size_t n) {
    for (size_t i = 0; i < FM_COUNT(commands); i++) {
        const char *const both[] = {commands[i].name, commands[i].also};
        for (size_t k = 0; k < 2; k++)
            if (both[k] && strlen(both[k]) == n && memcmp(both[k], name, n) == 0) return &commands[i];
    }
    return NULL;
}

bool fm_chat_is_command(const char *line) {
    return line[0] == '/' && !memchr(line + 1, '/', strcspn(line + 1, " \n"));
}

fm_status fm_chat_command(fm_chat *c, const char *line, fm_error *err) {
    size_t n = strcspn(line + 1, " ");
    const char *rest = line + 1 + n + strspn(line + 1 + n, " ");
    const struct command *command = find(line + 1, n);
    if (command) return command->run(c, rest, err);
    const char *names[FM_COUNT(commands)];
    char word[32];
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), line + 1);
    for (size_t i = 0; i < FM_COUNT(commands); i++) names[i] = commands[i].name;
    const char *near = fm_nearest_word(word, names, FM_COUNT(commands));
    if (near)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no /%s; did you mean /%s?", word, near);
    return fm_fail(err, FM_ERR_ARGUMENT, "there is no /%s; /help lists what there is", word);
}

/* ---- Tab -------------------------------------------------------------------------------------*/

static size_t command_names(const char *const **out) {
    static const char *names[2 * FM_COUNT(commands)];
    size_t n = 0;
    for (size_t i = 0; i < FM_COUNT(commands); i++) {
        names[n++] = commands[i].name;
        if (commands[i].also) names[n++] = commands[i].also;
    }
    *out = names;
    return n;
}

fm_complete_place fm_chat_place(const char *line) {
    fm_complete_place place = {0};
    size_t n = strcspn(line + (*line == '/'), " ");
    if (line[0] != '/') return place;
    if (!line[1 + n]) {
        place = (fm_complete_place){.kind = FM_COMPLETE_WORDS, .start = 1};
        place.n_words = command_names(&place.words);
        return place;
    }
    const struct command *command = find(line + 1, n);
    if (!command) return place;
    place.kind = command->completes;
    place.start = 1 + n + strspn(line + 1 + n, " ");
    if (place.kind == FM_COMPLETE_WORDS) {
        place.n_words = fm_chat_setting_names(&place.words);
        if (strchr(line + place.start, ' ')) place.kind = FM_COMPLETE_NOTHING;
    }
    return place;
}
