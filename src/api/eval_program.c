#include "api/eval_program.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "jail/program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 64 << 10 }; /* bytes of code */

fm_status fm_program_available(fm_error *err) { return fm_jail_available(FM_JAIL_PYTHON, err); }

/* ---- the code ------------------------------------------------------------------------------------ */

static bool line_begins(const char *line, const char *end, const char *word) {
    size_t n = strlen(word);
    return (size_t)(end - line) >= n && memcmp(line, word, n) == 0;
}

static const char *next_line(const char *line, const char *end) {
    const char *newline = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    return newline ? newline + 1 : end;
}

/* Between the last two lines that begin with ``` and belong together. */
static bool last_block(fm_span text, fm_span *code) {
    const char *end = text.s + text.n, *inside = NULL;
    bool found = false;
    for (const char *line = text.s; line < end; line = next_line(line, end)) {
        if (!line_begins(line, end, "```")) continue;
        if (inside) {
            *code = (fm_span){inside, (size_t)(line - inside)};
            found = true;
            inside = NULL;
        } else {
            inside = next_line(line, end);
        }
    }
    return found;
}

static bool defines(fm_span code, const char *name) {
    const char *end = code.s + code.n;
    size_t n = strlen(name);
    for (const char *line = code.s; line < end; line = next_line(line, end)) {
        if (!line_begins(line, end, "def ")) continue;
        const char *at = line + 4;
        while (at < end && *at == ' ') at++;
        if (line_begins(at, end, name) && at + n < end && (at[n] == '(' || at[n] == ' ')) return true;
    }
    return false;
}

/* A whole function may lean on what its beginning imports; the rest of one continues its beginning. */
static void put_code(fm_buffer *out, const fm_eval_item *item, fm_span code) {
    const char *prompt = item->program.prompt, *end = prompt + strlen(prompt);
    bool whole = defines(code, item->program.entry_point);
    if (!whole) fm_buffer_put(out, prompt, (size_t)(end - prompt));
    for (const char *line = prompt; whole && line < end; line = next_line(line, end))
        if (line_begins(line, end, "import ") || line_begins(line, end, "from "))
            fm_buffer_put(out, line, (size_t)(next_line(line, end) - line));
    fm_buffer_text(out, "\n");
    fm_buffer_put(out, code.s, code.n);
}

/* ---- running it ---------------------------------------------------------------------------------- */

static bool ends_with(const fm_buffer *b, const char *word) {
    size_t n = strlen(word);
    return b->size >= n && memcmp(b->data + b->size - n, word, n) == 0;
}

/* A program that leaves before the tests are through says nothing: the last line must be a word of this very
 * program, so that exit code 0 alone is not enough. */
static fm_status run(fm_buffer *source, const char *word, fm_verdict *out, fm_error *err) {
    fm_jail_program program;
    fm_sandbox_result result = {0};
    FM_TRY(fm_buffer_status(source, err));
    fm_status status = fm_jail_make(FM_JAIL_PYTHON, source->data, source->size, &program, err);
    *out = FM_WRONG;
    if (status == FM_OK && !program.broken) {
        status = fm_jail_run(&program, NULL, NULL, 0, NULL, &result, err);
        if (status == FM_OK && result.end == FM_SANDBOX_EXITED && result.exit_code == 0 &&
            ends_with(&result.output, word))
            *out = FM_RIGHT;
        fm_sandbox_result_clear(&result);
    }
    fm_jail_clear(&program);
    return status;
}

fm_status fm_program_grade(const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    fm_buffer source = {0};
    char word[40];
    *out = (fm_grade){.verdict = FM_WRONG, .answer = text};
    out->formed = last_block(text, &out->answer);
    if (out->answer.n > LONGEST) out->answer.n = 0;
    if (out->answer.n == 0) return FM_OK;
    snprintf(word, sizeof word, "passed %016" PRIx64 "\n", fm_hash(text.s, text.n, item->hash));
    put_code(&source, item, out->answer);
    fm_buffer_text(&source, "\n\n");
    fm_buffer_text(&source, item->program.test);
    fm_buffer_format(&source, "\n\ncheck(%s)\nprint()\nprint('%.*s')\n", item->program.entry_point,
                     (int)strlen(word) - 1, word);
    fm_status status = run(&source, word, &out->verdict, err);
    fm_buffer_clear(&source);
    return status;
}
