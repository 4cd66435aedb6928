#include "cli/answer.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/unicode.h"
#include "cli/call.h"
#include "cli/ids.h"
#include "cli/tty.h"

/* ---- the screen ------------------------------------------------------------------------------*/

/* On a terminal text flows; in a pipe it goes through as it is. */
static void put(fm_answer *a, const char *s, size_t n) {
    if (a->terminal)
        fm_flow_put(&a->flow, s, n);
    else
        fm_output(s, n);
}

static void open_thinking(fm_answer *a) {
    a->in_thinking = true;
    a->thinking_since = fm_clock_seconds();
    fm_flow_end(&a->flow);
    if (a->began) fm_output_text("\n"); /* an answer stands before the reasoning */
    a->began = false;
    if (a->hide_thinking) return;
    fm_output_text(a->terminal ? a->ink.dim : "<think>\n");
}

/* Takes what was shown of the reasoning off the screen; false where that might spoil what is above. */
static bool take_back(fm_answer *a) {
    int height = fm_screen_height(stdout);
    if (!fm_screen_moves(stdout) || a->flow.unsure || a->flow.rows >= height) return false;
    if (a->changes != fm_tty_changes()) return false;
    char up[16];
    snprintf(up, sizeof up, "\033[%dA", a->flow.rows);
    fm_output_text("\r");
    if (a->flow.rows) fm_output_text(up);
    return fm_output_text("\033[J");
}

/* Templates without reasoning leave an empty one. */
static bool thought_something(fm_answer *a) {
    const char *text = fm_buffer_string(&a->thinking);
    return text[strspn(text, " \n")] != 0;
}

/* "thought for 12 s, 340 tokens — /thoughts shows it" */
static void tell_thinking(const fm_answer *a) {
    fm_buffer line = {0};
    fm_buffer_format(&line, "%sthought for %s", a->ink.dim,
                     fm_human_seconds(fm_clock_seconds() - a->thinking_since));
    fm_buffer_format(&line, ", %s token%s", fm_human_integer((double)a->thinking_tokens),
                     a->thinking_tokens == 1 ? "" : "s");
    fm_buffer_format(&line, " — /thoughts shows it%s\n\n", a->ink.reset);
    fm_output(line.data, line.size);
    fm_buffer_clear(&line);
}

/* `over`: the answer follows. */
static void close_thinking(fm_answer *a, bool over) {
    bool fold = a->fold && over && a->terminal;
    a->in_thinking = false;
    a->newlines = 0;
    fm_flow_flush(&a->flow);
    if (!a->hide_thinking) {
        fm_output_text(a->terminal ? a->ink.reset : "");
        if (!fold || !take_back(a))
            fm_output_text(a->terminal ? "\n\n" : "\n</think>\n\n");
    }
    if (fold && thought_something(a)) tell_thinking(a);
    fm_flow_end(&a->flow);
    a->began = false;
}

/* Newlines at the beginning of a part are dropped, those at its end held back. */
static void put_part(fm_answer *a, const char *s, size_t n) {
    while (n > 0 && !a->began && (*s == '\n' || *s == ' ')) s++, n--;
    if (n == 0) return;
    a->began = true;
    size_t end = n;
    while (end > 0 && s[end - 1] == '\n') end--;
    if (end > 0) {
        for (; a->newlines > 0; a->newlines--) put(a, "\n", 1);
        put(a, s, end);
    }
    a->newlines += n - end;
}

/* Hidden reasoning is not silence: a line says that it goes on. */
static void show_waiting(fm_answer *a) {
    if (!fm_screen_moves(stderr)) return;
    fm_ink ink = fm_ink_for(stderr);
    fprintf(stderr, "\r%sthinking %s\033[K%s", ink.dim,
            fm_human_seconds(fm_clock_seconds() - a->thinking_since), ink.reset);
    fflush(stderr);
}

static void hide_waiting(void) {
    if (!fm_screen_moves(stderr)) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

/* A window of another size: lines are broken elsewhere from now on. */
static void follow_window(fm_answer *a) {
    if (a->changes == fm_tty_changes() || !a->terminal) return;
    a->changes = fm_tty_changes();
    fm_flow_resize(&a->flow, fm_screen_width(stdout));
}

static bool on_text(void *context, const char *text, size_t size, bool thinking) {
    fm_answer *a = context;
    fm_progress_end(&a->reading);
    fm_buffer_put(thinking ? &a->thinking : &a->text, text, size);
    if (a->silent) return !fm_interrupted();
    follow_window(a);
    if (thinking && !a->in_thinking) open_thinking(a);
    if (!thinking && a->in_thinking) {
        if (a->hide_thinking) hide_waiting();
        close_thinking(a, true);
    }
    if (thinking && a->hide_thinking)
        show_waiting(a);
    else
        put_part(a, text, size);
    return fm_output_flush() && !fm_interrupted();
}

static bool on_token(void *context, const fathom_token *token) {
    fm_answer *a = context;
    const fathom_generate_options *o = a->asked;
    a->thinking_tokens += token->thinking;
    return !o->on_token || o->on_token(o->context, token);
}

static bool on_prompt(void *context, int64_t done, int64_t total) {
    fm_answer *a = context;
    a->reading.units = (double)total;
    fm_progress_at(&a->reading, total > 0 ? (double)done / (double)total : 1);
    return !fm_interrupted();
}

void fm_answer_begin(fm_answer *a, bool hide_thinking, bool silent) {
    *a = (fm_answer){.silent = silent, .hide_thinking = hide_thinking, .ink = fm_ink_for(stdout),
                     .terminal = fm_is_terminal(stdout), .changes = fm_tty_changes()};
    a->flow.width = fm_screen_width(stdout);
    fm_progress_begin(&a->reading, "Reading", 1, "tokens");
}

void fm_answer_end(fm_answer *a) {
    fm_progress_end(&a->reading);
    fm_flow_end(&a->flow);
    if (a->silent) return;
    if (a->in_thinking) {
        if (a->hide_thinking) hide_waiting();
        close_thinking(a, false);
    } else if (a->began) {
        fm_output_text("\n");
    }
    fm_output_flush();
}

void fm_answer_clear(fm_answer *a) {
    fm_buffer_clear(&a->text);
    fm_buffer_clear(&a->thinking);
}

/* ---- generating ------------------------------------------------------------------------------*/

fm_status fm_answer_generate(fm_answer *answer, fathom_session *session, const int32_t *ids,
                             size_t n, const fathom_generate_options *options,
                             fathom_generation *result, fm_error *err) {
    fathom_generate_options o = *options;
    answer->asked = options;
    o.on_text = on_text;
    o.on_token = on_token;
    o.on_prompt = on_prompt;
    o.context = answer;
    fathom_error said;
    return fm_said(fathom_generate(session, ids, n, &o, result, &said), &said, err);
}

static fm_status read_grammar(const fm_answer_arguments *a, fathom_grammar **out, fm_error *err) {
    char *text;
    size_t size;
    fathom_error said;
    const char *path = a->grammar ? a->grammar : a->schema;
    FM_TRY(fm_file_read(path, FM_TEXT_LIMIT, &text, &size, err));
    fm_status status = fm_said(a->grammar ? fathom_grammar_gbnf(text, size, out, &said)
                                          : fathom_grammar_json_schema(text, size, out, &said),
                               &said, err);
    fm_free(text);
    if (status != FM_OK) fm_error_prefix(err, status, "%s", path);
    return status;
}

fm_status fm_answer_generate_options(const fm_answer_arguments *a, fathom_generate_options *out,
                                     fm_error *err) {
    *out = fathom_generate_defaults(NULL);
    if (!!a->grammar + !!a->schema + a->json_mode > 1)
        return fm_fail(err, FM_ERR_ARGUMENT, "--grammar, --schema and --json-mode contradict each other: "
                       "an answer is held to one of them");
    if (a->max_tokens > 0) out->max_tokens = a->max_tokens;
    if (a->thinking_budget >= 0) out->thinking_budget = a->thinking_budget;
    if (a->guesses >= 0) out->guesses = a->guesses;
    for (size_t i = 0; i < a->stop.n; i++)
        if (!fm_utf8_valid(a->stop.at[i], strlen(a->stop.at[i])))
            return fm_fail(err, FM_ERR_ARGUMENT, "--stop number %zu is not valid UTF-8", i + 1);
    out->stops = a->stop.at;
    out->n_stops = a->stop.n;
    fathom_error said;
    if (a->json_mode) return fm_said(fathom_grammar_json(&out->grammar, &said), &said, err);
    return a->grammar || a->schema ? read_grammar(a, &out->grammar, err) : FM_OK;
}

fathom_sampling fm_answer_sampling(const fm_answer_arguments *a, const fm_sampling_arguments *s,
                                   const fathom_model *model) {
    fathom_sampling sampling = fm_sampling_of(s, model);
    sampling.bias = a->bias.at;
    sampling.n_bias = a->bias.n;
    return sampling;
}

fm_status fm_answer_options_of(const fm_answer_arguments *a, fathom_chat_options *out,
                               fm_error *err) {
    if (a->think && a->no_think)
        return fm_fail(err, FM_ERR_ARGUMENT, "--think and --no-think contradict each other");
    *out = (fathom_chat_options){.style = a->style, .thinking = a->think};
    return FM_OK;
}
