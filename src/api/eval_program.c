#include "api/eval_program.h"

#include "api/eval_examiner.h"
#include "base/json_write.h"
#include "jail/program.h"

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

/* Its last line, but for the line's end. */
static bool ends_with(const fm_buffer *b, const char *word) {
    size_t n = strlen(word);
    return b->size >= n + 1 && memcmp(b->data + b->size - n - 1, word, n) == 0;
}

/* What the examiner reads: the question, the code and the word to end with. */
static fm_status put_job(fm_buffer *out, const fm_eval_item *item, const char *code, const char *word,
                         fm_error *err) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "prompt", item->program.prompt);
    fm_json_put_text(&w, "name", item->program.entry_point);
    fm_json_put_text(&w, "test", item->program.test);
    fm_json_put_text(&w, "code", code);
    fm_json_put_text(&w, "word", word);
    fm_json_close(&w, '}');
    return fm_buffer_status(out, err);
}

/* The examiner ends with the word when all tests are passed, and in no other way. */
static fm_status examine(const fm_buffer *job, const char *word, fm_verdict *out, fm_error *err) {
    fm_jail_program examiner = {.language = FM_JAIL_PYTHON};
    fm_sandbox_result result = {0};
    fm_buffer_text(&examiner.code, FM_EVAL_EXAMINER);
    fm_status status = fm_buffer_status(&examiner.code, err);
    *out = FM_WRONG;
    if (status == FM_OK) status = fm_jail_run(&examiner, NULL, job->data, job->size, NULL, &result, err);
    if (status == FM_OK) {
        bool said = ends_with(&result.output, word) && result.output.data[result.output.size - 1] == '\n';
        if (said && result.end == FM_SANDBOX_EXITED && result.exit_code == 0) *out = FM_RIGHT;
        fm_sandbox_result_clear(&result);
    }
    fm_jail_clear(&examiner);
    return status;
}

fm_status fm_program_grade(const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    static const char word[] = "all tests are passed";
    fm_buffer code = {0}, job = {0};
    *out = (fm_grade){.verdict = FM_WRONG, .answer = text};
    out->formed = last_block(text, &out->answer);
    if (out->answer.n > LONGEST) out->answer.n = 0;
    if (out->answer.n == 0 || memchr(out->answer.s, 0, out->answer.n)) return FM_OK;
    put_code(&code, item, out->answer);
    fm_status status = fm_buffer_status(&code, err);
    if (status == FM_OK) status = put_job(&job, item, fm_buffer_string(&code), word, err);
    if (status == FM_OK) status = examine(&job, word, &out->verdict, err);
    fm_buffer_clear(&code);
    fm_buffer_clear(&job);
    return status;
}
