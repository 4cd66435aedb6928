#include "rl/task/task_line.h"

#include "base/mem.h"
#include "rl/maths/equivalence.h"
#include "rl/task/literal.h"

#include <ctype.h>
#include <string.h>

typedef enum checker { MATHS, NUMBER, TEXT, KIND } checker;

static const char *const checker_names[] = {"maths", "number", "text"};

struct fm_task_line {
    fm_json *root;
    checker checker;
    fm_problem *problem;            /* of a KIND */
    fm_buffer prompt, answer, key;  /* made here, where the line has none */
};

void fm_task_line_free(fm_task_line *line) {
    if (!line) return;
    fm_json_free(line->root);
    fm_free(line->problem);
    fm_buffer_clear(&line->prompt);
    fm_buffer_clear(&line->answer);
    fm_buffer_clear(&line->key);
    fm_free(line);
}

/* Small ASCII letters, one blank for a run of them, none at the ends: how words are compared. */
static void put_words(const char *text, size_t size, fm_buffer *out) {
    bool gap = false, any = false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            gap = any;
            continue;
        }
        char small = (char)(c < 128 ? tolower(c) : c);
        if (gap) fm_buffer_put(out, " ", 1);
        fm_buffer_put(out, &small, 1);
        gap = false;
        any = true;
    }
}

/* A text where there is one; anything but a text under this name is an error. */
static fm_status text_of(const fm_task_line *line, const char *name, fm_error *err) {
    const fm_json *v = fm_json_get(line->root, name);
    if (!v || fm_json_kind_of(v) == FM_JSON_STRING) return FM_OK;
    return fm_fail(err, FM_ERR_FORMAT, "\"%s\" must be a text", name);
}

static fm_status find_checker(fm_task_line *line, fm_error *err) {
    const char *name = fm_json_string(fm_json_get(line->root, "checker"), checker_names[MATHS]);
    line->checker = KIND;
    for (size_t i = 0; i < FM_COUNT(checker_names); i++)
        if (!strcmp(name, checker_names[i])) line->checker = (checker)i;
    if (line->checker != KIND) return FM_OK;
    const fm_task_kind *kind = fm_task_find(name);
    if (!kind) return fm_error_prefix(err, fm_task_unknown(name, err), "\"checker\"");
    line->problem = fm_alloc(sizeof *line->problem, FM_MEM_OTHER);
    if (!line->problem) return fm_fail_memory(err, sizeof *line->problem, "a problem");
    const fm_json *facts = fm_json_get(line->root, "facts");
    if (!facts) return fm_fail(err, FM_ERR_FORMAT, "checker %s needs \"facts\"", name);
    FM_TRY(fm_problem_read_facts(kind, facts, line->problem, err));
    int64_t phrasing = fm_json_integer(fm_json_get(line->root, "phrasing"), 0);
    int64_t band = fm_json_integer(fm_json_get(line->root, "band"), 0);
    line->problem->band = band >= 1 && band <= (int64_t)kind->n_bands ? (int)band - 1 : -1;
    if (phrasing > 0 && phrasing < (int64_t)kind->n_phrasings) line->problem->phrasing = (int)phrasing;
    return FM_OK;
}

static fm_status need_texts(fm_task_line *line, fm_error *err) {
    static const char *const names[] = {"checker", "prompt", "answer", "key", "given", "reply"};
    for (size_t i = 0; i < FM_COUNT(names); i++) FM_TRY(text_of(line, names[i], err));
    FM_TRY(find_checker(line, err));
    if (line->checker == KIND) return FM_OK;
    if (!fm_json_get(line->root, "prompt")) return fm_fail(err, FM_ERR_FORMAT, "it has no \"prompt\"");
    if (!fm_json_get(line->root, "answer")) return fm_fail(err, FM_ERR_FORMAT, "it has no \"answer\"");
    size_t n;
    fm_literal l;
    const char *answer = fm_task_line_answer(line, &n);
    if (line->checker == NUMBER && !fm_literal_read(answer, n, FM_FORM_DECIMAL | FM_FORM_FRACTION, &l))
        return fm_fail(err, FM_ERR_FORMAT, "checker number needs an \"answer\" that is a number, not \"%.60s\"",
                       answer);
    return FM_OK;
}

/* What the line does not say itself. */
static fm_status complete(fm_task_line *line, fm_error *err) {
    size_t n;
    fm_buffer working = {0};
    if (line->problem) {
        fm_problem_prompt(line->problem, &line->prompt);
        fm_problem_solve(line->problem, &working, &line->answer);
        fm_problem_key(line->problem, &line->key);
    } else {
        const char *prompt = fm_json_string_n(fm_json_get(line->root, "prompt"), &n);
        fm_buffer_text(&line->key, "prompt:");
        put_words(prompt, n, &line->key);
    }
    fm_buffer_string(&line->key);
    fm_buffer_string(&line->answer);
    fm_status status = fm_buffer_status(&working, err);
    fm_buffer_clear(&working);
    FM_TRY(status);
    FM_TRY(fm_buffer_status(&line->prompt, err));
    FM_TRY(fm_buffer_status(&line->answer, err));
    return fm_buffer_status(&line->key, err);
}

fm_status fm_task_line_parse(const char *text, size_t size, fm_task_line **out, fm_error *err) {
    *out = NULL;
    if (size > FM_TASK_LINE_MAX)
        return fm_fail(err, FM_ERR_LIMIT, "the line has %zu bytes; %d is the limit", size, FM_TASK_LINE_MAX);
    fm_task_line *line = fm_alloc_zero(sizeof *line, FM_MEM_OTHER);
    if (!line) return fm_fail_memory(err, sizeof *line, "a problem");
    fm_status status = fm_json_parse(text, size, &line->root, err);
    if (status == FM_OK && fm_json_kind_of(line->root) != FM_JSON_OBJECT)
        status = fm_fail(err, FM_ERR_FORMAT, "it is no JSON object");
    if (status == FM_OK) status = need_texts(line, err);
    if (status == FM_OK) status = complete(line, err);
    if (status == FM_OK) *out = line;
    else fm_task_line_free(line);
    return status;
}

static const char *own_or_made(const fm_task_line *line, const char *name, const fm_buffer *made, size_t *size) {
    const char *text = fm_json_string_n(fm_json_get(line->root, name), size);
    if (text) return text;
    *size = made->size;
    return made->data ? made->data : "";
}

const char *fm_task_line_prompt(const fm_task_line *line, size_t *size) {
    return own_or_made(line, "prompt", &line->prompt, size);
}

const char *fm_task_line_answer(const fm_task_line *line, size_t *size) {
    return own_or_made(line, "answer", &line->answer, size);
}

/* A kind's own key always counts: it decides the split. */
const char *fm_task_line_key(const fm_task_line *line) {
    return line->problem ? line->key.data : fm_json_string(fm_json_get(line->root, "key"), line->key.data);
}

const char *fm_task_line_checker(const fm_task_line *line) {
    return line->problem ? line->problem->kind->name : checker_names[line->checker];
}

const fm_problem *fm_task_line_problem(const fm_task_line *line) { return line->problem; }

const char *fm_task_line_given(const fm_task_line *line, size_t *size, bool *whole) {
    const char *given = fm_json_string_n(fm_json_get(line->root, "given"), size);
    *whole = !given;
    return given ? given : fm_json_string_n(fm_json_get(line->root, "reply"), size);
}

static fm_verdict check_words(const char *gold, size_t gold_size, const char *answer, size_t size) {
    fm_buffer a = {0}, b = {0};
    put_words(gold, gold_size, &a);
    put_words(answer, size, &b);
    fm_verdict verdict = a.size && a.size == b.size && !memcmp(a.data, b.data, a.size) ? FM_RIGHT : FM_WRONG;
    if (a.failed || b.failed) verdict = FM_UNDECIDED;
    fm_buffer_clear(&a);
    fm_buffer_clear(&b);
    return verdict;
}

static fm_verdict check_maths(const fm_task_line *line, const char *gold, size_t gold_size, const char *answer,
                              size_t size) {
    fm_maths_options options = {0};
    options.prompt = fm_task_line_prompt(line, &options.prompt_n);
    return fm_maths_equivalent(gold, gold_size, answer, size, &options, NULL);
}

fm_verdict fm_task_line_check(const fm_task_line *line, const char *answer, size_t size) {
    enum { FORMS = FM_FORM_DECIMAL | FM_FORM_FRACTION };
    size_t n;
    fm_literal l;
    const char *gold = fm_task_line_answer(line, &n);
    if (size > FM_TASK_ANSWER_SIZE) return FM_WRONG;
    switch (line->checker) {
    case KIND: return fm_problem_check(line->problem, answer, size);
    case TEXT: return check_words(gold, n, answer, size);
    case NUMBER:
        fm_literal_read(gold, n, FORMS, &l);
        return fm_literal_check(answer, size, FORMS, l.top, l.bottom);
    default: return check_maths(line, gold, n, answer, size);
    }
}

void fm_task_line_write(const fm_problem_name *name, const fm_problem *p, fm_buffer *out) {
    fm_buffer prompt = {0}, working = {0}, answer = {0}, key = {0};
    fm_json_writer w = {.out = out, .flat = true};
    fm_problem_prompt(p, &prompt);
    fm_problem_solve(p, &working, &answer);
    fm_problem_key(p, &key);
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "prompt", fm_buffer_string(&prompt));
    fm_json_put_text(&w, "answer", fm_buffer_string(&answer));
    fm_json_put_text(&w, "trace", fm_buffer_string(&working));
    fm_json_put_text(&w, "checker", p->kind->name);
    fm_json_put_text(&w, "key", fm_buffer_string(&key));
    fm_json_put_text(&w, "split", fm_split_name(name->split));
    fm_json_put_integer(&w, "band", p->band + 1);
    fm_json_put_integer(&w, "phrasing", p->phrasing);
    fm_json_put_bool(&w, "held_out", fm_phrasing_held_out(p->kind, p->phrasing));
    fm_json_put_integer(&w, "seed", (int64_t)name->seed);
    fm_json_put_integer(&w, "index", (int64_t)name->index);
    fm_problem_write_facts(p, &w, "facts");
    fm_json_close(&w, '}');
    out->failed |= prompt.failed || working.failed || answer.failed || key.failed;
    fm_buffer_clear(&prompt);
    fm_buffer_clear(&working);
    fm_buffer_clear(&answer);
    fm_buffer_clear(&key);
}
