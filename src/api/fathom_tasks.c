/* fathom_tasks.c: problems drawn, and answers to them checked. */
#include "api/objects.h"
#include "base/file.h"
#include "base/mem.h"
#include "fathom/fathom_tasks.h"
#include "rl/maths/final.h"
#include "rl/task/task_line.h"

#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

/* ---- list ----------------------------------------------------------------------------------------*/

static void put_kind(const fm_task_kind *kind, fm_json_writer *w) {
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "name", kind->name);
    fm_json_put_text(w, "help", fm_task_help(kind));
    fm_json_put_text(w, "answer", kind->answer);
    fm_json_open(w, "bands", '[');
    for (size_t i = 0; i < kind->n_bands; i++) fm_json_put_text(w, NULL, kind->bands[i]);
    fm_json_close(w, ']');
    fm_json_put_integer(w, "phrasings", (int64_t)kind->n_phrasings);
    fm_json_put_integer(w, "held_out", (int64_t)kind->n_held_out);
    fm_json_close(w, '}');
}

fathom_status fathom_tasks_list(char **json, fathom_error *err) {
    fm_error inner = {0};
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    const fm_task_kind *kind;
    fm_json_open(&w, NULL, '{');
    fm_json_open(&w, "tasks", '[');
    for (size_t i = 0; (kind = fm_task_at(i)); i++) put_kind(kind, &w);
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    fm_status status = fm_buffer_status(&out, &inner);
    *json = fm_buffer_take(&out);
    return fm_api_return(status, &inner, err);
}

/* ---- sample --------------------------------------------------------------------------------------*/

/* Kinds in turn, and the bands of each: the i-th problem of a sample. */
static fm_problem_name name_at(const fathom_tasks_sample_options *o, const fm_task_kind *only, fm_split split,
                               int64_t i) {
    int64_t kinds = 0, index = o->first + i;
    fm_problem_name name = {only, o->band - 1, split, o->seed, 0};
    if (!only) {
        while (fm_task_at((size_t)kinds)) kinds++;
        name.kind = fm_task_at((size_t)(index % kinds));
        index /= kinds;
    }
    if (o->band == 0) {
        name.band = (int)(index % (int64_t)name.kind->n_bands);
        index /= (int64_t)name.kind->n_bands;
    }
    name.index = (uint64_t)index;
    return name;
}

static fm_status sample(const fathom_tasks_sample_options *o, bool (*line)(void *, const char *), void *context,
                        fm_error *err) {
    fm_split split = FM_SPLIT_TRAIN;
    const fm_task_kind *kind = o->kind ? fm_task_find(o->kind) : NULL;
    if (o->kind && !kind) return fm_task_unknown(o->kind, err);
    if (o->split && !fm_split_find(o->split, &split))
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no split \"%.60s\": train, validation or test", o->split);
    if (o->first < 0) return fm_fail(err, FM_ERR_ARGUMENT, "problems are counted from 0, so there is none before");
    fm_buffer text = {0};
    fm_status status = FM_OK;
    for (int64_t i = 0; i < o->n && status == FM_OK; i++) {
        fm_problem p;
        fm_problem_name name = name_at(o, kind, split, i);
        text.size = 0;
        status = fm_problem_draw(&name, &p, err);
        if (status == FM_OK) fm_task_line_write(&name, &p, &text);
        if (status == FM_OK) status = fm_buffer_status(&text, err);
        if (status == FM_OK && !line(context, fm_buffer_string(&text)))
            status = fm_fail(err, FM_ERR_CANCELLED, "stopped after %lld problems", (long long)i);
    }
    fm_buffer_clear(&text);
    return status;
}

fathom_status fathom_tasks_sample(const fathom_tasks_sample_options *options,
                                  bool (*line)(void *context, const char *json), void *context, fathom_error *err) {
    fm_error inner = {0};
    return fm_api_return(sample(options, line, context, &inner), &inner, err);
}

/* ---- check ---------------------------------------------------------------------------------------*/

typedef struct checking {
    bool (*each)(void *context, const fathom_tasks_verdict *verdict);
    void *context;
    fathom_tasks_result *result;
    int64_t line;
} checking;

static fm_status judge(checking *c, const fm_task_line *line, fm_error *err) {
    static const char *const names[] = {[FM_WRONG] = "wrong", [FM_RIGHT] = "right", [FM_UNDECIDED] = "undecided"};
    size_t n;
    bool whole;
    const char *given = fm_task_line_given(line, &n, &whole), *reason = NULL;
    if (!given) return fm_fail(err, FM_ERR_FORMAT, "it has no \"given\" answer and no \"reply\"");
    fm_final found = whole ? fm_final_answer(given, n, &given, &n) : FM_FINAL_FOUND;
    if (found != FM_FINAL_FOUND) reason = fm_final_reason(found);
    fm_verdict verdict = reason ? FM_WRONG : fm_task_line_check(line, given, n);
    c->result->lines++;
    c->result->right += verdict == FM_RIGHT;
    c->result->wrong += verdict == FM_WRONG;
    c->result->undecided += verdict == FM_UNDECIDED;
    c->result->unanswered += reason != NULL;
    if (!c->each) return FM_OK;
    char *answer = fm_strndup(given ? given : "", n);
    if (!answer) return fm_fail_memory(err, n, "an answer");
    const fm_problem *p = fm_task_line_problem(line);
    fathom_tasks_verdict said = {c->line, fm_task_line_checker(line), fm_task_line_key(line), names[verdict], answer,
                                 reason, p ? p->band + 1 : 0};
    bool go_on = c->each(c->context, &said);
    fm_free(answer);
    return go_on ? FM_OK : fm_fail(err, FM_ERR_CANCELLED, "stopped");
}

static fm_status check_line(checking *c, const char *text, size_t size, fm_error *err) {
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == ' ')) size--;
    if (size == 0) return FM_OK;
    fm_task_line *line;
    FM_TRY(fm_task_line_parse(text, size, &line, err));
    fm_status status = judge(c, line, err);
    fm_task_line_free(line);
    return status;
}

static fm_status check(const char *path, checking *c, fm_error *err) {
    char *text;
    size_t size;
    FM_TRY(fm_file_read(path, FILE_LIMIT, &text, &size, err));
    fm_status status = FM_OK;
    for (const char *at = text, *end = text + size; at < end && status == FM_OK;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        c->line++;
        status = check_line(c, at, (size_t)(stop - at), err);
        if (status != FM_OK && status != FM_ERR_CANCELLED)
            fm_error_prefix(err, status, "%s, line %lld", strcmp(path, "-") ? path : "standard input",
                            (long long)c->line);
        at = stop + 1;
    }
    fm_free(text);
    return status;
}

fathom_status fathom_tasks_check(const char *path, bool (*each)(void *context, const fathom_tasks_verdict *verdict),
                                 void *context, fathom_tasks_result *result, fathom_error *err) {
    fm_error inner = {0};
    fathom_tasks_result unseen;
    checking c = {.each = each, .context = context, .result = result ? result : &unseen};
    *c.result = (fathom_tasks_result){0};
    return fm_api_return(check(path, &c, &inner), &inner, err);
}
