#include "eval/item_read.h"

#include "eval/final_answer.h"

#include <string.h>

enum { MOST_CHOICES = 26 };

/* Where data sets keep things: the first name that is there. */
static const char *const questions[] = {"prompt", "question", "problem", "Question", "Problem", NULL};
static const char *const answers[] = {"answer", "Answer", "answerKey", "expected_answer", "target", NULL};
static const char *const ids[] = {"id", "unique_id", "task_id", "question_id", "ID", NULL};
static const char *const domains[] = {"domain", "subject", "category", "type", "kind", "checker", NULL};
static const char *const bands[] = {"band", "level", "difficulty", NULL};
static const char *const phrasings[] = {"phrasing", "template", NULL};
static const char *const keys[] = {"key", NULL};

typedef struct reader {
    const fm_json *root;
    fm_arena *arena;
    fm_eval_item *item;
    fm_error *err;
} reader;

static const fm_json *field(const fm_json *root, const char *const *names) {
    const fm_json *v = NULL;
    for (; *names && !v; names++) v = fm_json_get(root, *names);
    return v;
}

static fm_status bad(const reader *r, const char *what) { return fm_fail(r->err, FM_ERR_FORMAT, "%s", what); }
static fm_status no_memory(const reader *r, size_t n) { return fm_fail_memory(r->err, n, "a list of questions"); }

static fm_status copy(const reader *r, const fm_json *v, const char **out, size_t *size) {
    size_t n;
    const char *s = fm_json_string_n(v, &n);
    *out = fm_arena_strndup(r->arena, s, n);
    if (size) *size = n;
    return *out ? FM_OK : no_memory(r, n);
}

/* A text or a whole number as a text; anything else is none. */
static fm_status label(const reader *r, const char *const *names, const char **out) {
    const fm_json *v = field(r->root, names);
    if (fm_json_kind_of(v) == FM_JSON_STRING && *fm_json_string(v, "")) return copy(r, v, out, NULL);
    if (fm_json_kind_of(v) != FM_JSON_INTEGER) return FM_OK;
    *out = fm_arena_format(r->arena, "%lld", (long long)fm_json_integer(v, 0));
    return *out ? FM_OK : no_memory(r, 32);
}

/* ---- the question -------------------------------------------------------------------------------- */

static fm_status read_messages(const reader *r, const fm_json *list) {
    size_t n = fm_json_length(list);
    if (fm_json_kind_of(list) != FM_JSON_ARRAY || n == 0)
        return bad(r, "\"messages\" must be a list of at least one {\"role\", \"content\"}");
    fm_eval_message *messages = fm_arena_array(r->arena, n, sizeof *messages);
    if (!messages) return no_memory(r, n * sizeof *messages);
    for (size_t i = 0; i < n; i++) {
        const fm_json *role = fm_json_get(fm_json_at(list, i), "role");
        const fm_json *content = fm_json_get(fm_json_at(list, i), "content");
        if (!fm_json_string(role, NULL) || !fm_json_string(content, NULL))
            return bad(r, "a message must be {\"role\": \"user\", \"content\": \"...\"}");
        FM_TRY(copy(r, role, &messages[i].role, NULL));
        FM_TRY(copy(r, content, &messages[i].content, &messages[i].size));
    }
    r->item->messages = messages;
    r->item->n_messages = n;
    return FM_OK;
}

static fm_status one_message(const reader *r, const char *text, size_t n) {
    fm_eval_message *message = fm_arena_array(r->arena, 1, sizeof *message);
    if (!message || !text) return no_memory(r, n);
    *message = (fm_eval_message){.role = "user", .content = text, .size = n};
    r->item->messages = message;
    r->item->n_messages = 1;
    return FM_OK;
}

static fm_status read_question(const reader *r) {
    const fm_json *messages = fm_json_get(r->root, "messages"), *text = field(r->root, questions);
    if (messages) return read_messages(r, messages);
    if (!text) return bad(r, "there is neither \"messages\" nor \"prompt\", \"question\" or \"problem\"");
    size_t n;
    const char *s;
    if (!fm_json_string_n(text, &n) || n == 0) return bad(r, "the question must be a text that is not empty");
    FM_TRY(copy(r, text, &s, &n));
    r->item->question = s;
    r->item->question_size = n;
    return one_message(r, s, n);
}

/* ---- an answer ----------------------------------------------------------------------------------- */

/* MATH has its answers at the end of solutions only. */
static fm_status answer_of_solution(const reader *r) {
    const fm_json *v = fm_json_get(r->root, "solution");
    if (!v) v = fm_json_get(r->root, "Solution");
    size_t n;
    const char *s = fm_json_string_n(v, &n);
    fm_span boxed;
    if (!s) return bad(r, "there is no \"answer\"");
    if (!fm_answer_boxed((fm_span){s, n}, &boxed) || boxed.n == 0)
        return bad(r, "there is no \"answer\", and no \\boxed{} in the \"solution\"");
    r->item->answer = fm_arena_strndup(r->arena, boxed.s, boxed.n);
    r->item->answer_size = boxed.n;
    return r->item->answer ? FM_OK : no_memory(r, boxed.n);
}

static fm_status read_answer(const reader *r) {
    const fm_json *v = field(r->root, answers);
    fm_eval_item *item = r->item;
    if (!v) return answer_of_solution(r);
    switch (fm_json_kind_of(v)) {
    case FM_JSON_STRING: FM_TRY(copy(r, v, &item->answer, &item->answer_size)); break;
    case FM_JSON_INTEGER:
        item->answer = fm_arena_format(r->arena, "%lld", (long long)fm_json_integer(v, 0));
        break;
    case FM_JSON_REAL: item->answer = fm_arena_format(r->arena, "%.15g", fm_json_number(v, 0)); break;
    case FM_JSON_BOOL: item->answer = fm_json_bool(v, false) ? "true" : "false"; break;
    default: return bad(r, "\"answer\" must be a text, a number or a boolean");
    }
    if (!item->answer) return no_memory(r, 32);
    if (fm_json_kind_of(v) != FM_JSON_STRING) item->answer_size = strlen(item->answer);
    if (strspn(item->answer, " \t\r\n") >= item->answer_size) return bad(r, "\"answer\" is empty");
    return FM_OK;
}

/* ---- a choice ------------------------------------------------------------------------------------ */

/* "choices" or "options": a list of texts (MMLU), or {"text": [...], "label": [...]} (ARC). */
static const fm_json *choices_of(const fm_json *root, const fm_json **labels) {
    const fm_json *v = fm_json_get(root, "choices");
    if (!v) v = fm_json_get(root, "options");
    *labels = NULL;
    if (fm_json_kind_of(v) != FM_JSON_OBJECT) return v;
    *labels = fm_json_get(v, "label");
    return fm_json_get(v, "text");
}

static fm_status read_choices(const reader *r, const fm_json *list) {
    size_t n = fm_json_length(list);
    if (fm_json_kind_of(list) != FM_JSON_ARRAY || n < 2 || n > MOST_CHOICES)
        return bad(r, "the choices must be a list of 2 to 26 texts");
    const char **texts = fm_arena_array(r->arena, n, sizeof *texts);
    if (!texts) return no_memory(r, n * sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        if (!fm_json_string(fm_json_at(list, i), NULL)) return bad(r, "the choices must be a list of 2 to 26 texts");
        FM_TRY(copy(r, fm_json_at(list, i), &texts[i], NULL));
    }
    r->item->choices = texts;
    r->item->n_choices = n;
    return FM_OK;
}

/* The answer is an index from 0, a label, a letter, or the text of one choice; -1: none of them. */
static int64_t chosen(const reader *r, const fm_json *labels) {
    const fm_json *v = field(r->root, answers);
    const fm_eval_item *item = r->item;
    int64_t n = (int64_t)item->n_choices, at = -1;
    const char *s = fm_json_string(v, NULL);
    if (!v) v = fm_json_get(r->root, "answer_index");
    if (fm_json_kind_of(v) == FM_JSON_INTEGER) {
        at = fm_json_integer(v, -1);
        return at >= 0 && at < n ? at : -1;
    }
    if (!s) return -1;
    for (int64_t i = 0; i < n; i++)
        if (strcmp(fm_json_string(fm_json_at(labels, (size_t)i), ""), s) == 0 && *s) return i;
    if (s[0] >= 'A' && s[0] < 'A' + n && s[1] == 0) return s[0] - 'A';
    for (int64_t i = 0; i < n; i++)
        if (strcmp(item->choices[i], s) == 0) at = at < 0 ? i : n;
    return at < n ? at : -1;
}

static fm_status read_choice(const reader *r, const fm_json *list, const fm_json *labels) {
    fm_eval_item *item = r->item;
    FM_TRY(read_choices(r, list));
    int64_t right = chosen(r, labels);
    if (right < 0)
        return bad(r, "the answer must be the index (from 0), the letter or the text of one of the choices");
    item->kind = FM_ITEM_CHOICE;
    item->answer = fm_arena_format(r->arena, "%c", (char)('A' + right));
    item->answer_size = 1;
    if (!item->answer) return no_memory(r, 2);
    if (fm_json_get(r->root, "messages")) return FM_OK; /* they are the whole question */
    fm_buffer b = {0};
    fm_buffer_put(&b, item->messages[0].content, item->messages[0].size);
    fm_buffer_text(&b, "\n\n");
    for (size_t i = 0; i < item->n_choices; i++)
        fm_buffer_format(&b, "%c. %s\n", (char)('A' + i), item->choices[i]);
    fm_buffer_text(&b, "\nAnswer with the letter of the right choice.");
    const char *text = b.failed ? NULL : fm_arena_strndup(r->arena, b.data, b.size);
    size_t size = b.size;
    fm_buffer_clear(&b);
    return one_message(r, text, size);
}

/* ---- a program ----------------------------------------------------------------------------------- */

static fm_status read_program(const reader *r) {
    fm_eval_item *item = r->item;
    const fm_json *prompt = fm_json_get(r->root, "prompt"), *name = fm_json_get(r->root, "entry_point");
    if (!fm_json_string(prompt, NULL) || !fm_json_string(name, NULL) ||
        !fm_json_string(fm_json_get(r->root, "test"), NULL))
        return bad(r, "a function to write needs \"prompt\", \"test\" and \"entry_point\", all texts");
    item->kind = FM_ITEM_PROGRAM;
    FM_TRY(copy(r, prompt, &item->program.prompt, &item->question_size));
    item->question = item->program.prompt;
    FM_TRY(copy(r, fm_json_get(r->root, "test"), &item->program.test, NULL));
    FM_TRY(copy(r, name, &item->program.entry_point, NULL));
    const char *text = fm_arena_format(
        r->arena, "Complete this Python function. Give all of it in one block of code.\n\n```python\n%s\n```",
        item->program.prompt);
    return one_message(r, text, text ? strlen(text) : 0);
}

/* ---- a problem with its own checker -------------------------------------------------------------- */

/* A checker of problems need not have an answer. */
static fm_status read_problem(const reader *r) {
    r->item->kind = FM_ITEM_PROBLEM;
    return field(r->root, answers) ? read_answer(r) : FM_OK;
}

/* Numbers of phrasings are their kind's. */
static fm_status read_phrasing(const reader *r) {
    const char *checker = fm_json_string(fm_json_get(r->root, "checker"), NULL), **out = &r->item->phrasing;
    FM_TRY(label(r, phrasings, out));
    if (!checker || !*out) return FM_OK;
    *out = fm_arena_format(r->arena, "%s/%s", checker, *out);
    return *out ? FM_OK : no_memory(r, 64);
}

fm_status fm_item_read(const fm_json *root, fm_arena *arena, fm_eval_item *out, fm_error *err) {
    reader r = {root, arena, out, err};
    const fm_json *labels, *choices = choices_of(root, &labels);
    FM_TRY(label(&r, ids, &out->id));
    FM_TRY(label(&r, domains, &out->domain));
    FM_TRY(label(&r, bands, &out->band));
    FM_TRY(label(&r, keys, &out->key));
    FM_TRY(read_phrasing(&r));
    if (fm_json_get(root, "entry_point")) return read_program(&r);
    FM_TRY(read_question(&r));
    if (fm_json_get(root, "checker")) return read_problem(&r);
    return choices ? read_choice(&r, choices, labels) : read_answer(&r);
}
