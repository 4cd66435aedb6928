#include "api/eval_task.h"

#include "eval/final_answer.h"

#include <string.h>

enum { COUNT = 100, MOST = 1000000, TRIES = 50 };

/* Hashes of the keys so far. */
typedef struct keys {
    uint64_t *hashes; /* [size], a power of two; 0: free */
    size_t size;
} keys;

static bool is_new(keys *k, uint64_t hash) {
    size_t i = hash & (k->size - 1);
    for (hash |= 1; k->hashes[i]; i = (i + 1) & (k->size - 1))
        if (k->hashes[i] == hash) return false;
    k->hashes[i] = hash;
    return true;
}

static const char *keep(fm_arena *arena, fm_buffer *b) {
    const char *text = b->failed ? NULL : fm_arena_strndup(arena, b->data, b->size);
    b->size = 0;
    return text;
}

static fm_status add_name(fm_task_items *t, const fm_problem_name *name, fm_error *err) {
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        void *names = fm_realloc(t->names, capacity * sizeof *t->names, FM_MEM_OTHER);
        if (!names) return fm_fail_memory(err, capacity * sizeof *t->names, "problems");
        t->names = names;
        t->capacity = capacity;
    }
    t->names[t->n++] = *name;
    return FM_OK;
}

static fm_status add_item(const fm_problem *p, const char *key, fm_eval_items *items, fm_error *err) {
    fm_arena *arena = &items->arena;
    fm_buffer prompt = {0}, working = {0}, answer = {0};
    fm_problem_prompt(p, &prompt);
    fm_problem_solve(p, &working, &answer);
    size_t size = prompt.size, answer_size = answer.size;
    fm_eval_message *message = fm_arena_array(arena, 1, sizeof *message);
    fm_eval_item item = {.line = (int64_t)items->n + 1, .kind = FM_ITEM_PROBLEM, .key = key, .domain = p->kind->name,
                         .band = fm_arena_format(arena, "%d", p->band + 1),
                         .phrasing = fm_arena_format(arena, "%s/%d", p->kind->name, p->phrasing),
                         .messages = message, .n_messages = 1, .question = keep(arena, &prompt), .question_size = size,
                         .answer = keep(arena, &answer), .answer_size = answer_size};
    fm_buffer_clear(&prompt);
    fm_buffer_clear(&working);
    fm_buffer_clear(&answer);
    if (!message || !key || !item.band || !item.phrasing || !item.question || !item.answer)
        return fm_fail_memory(err, size, "a problem");
    *message = (fm_eval_message){.role = "user", .content = item.question, .size = size};
    return fm_eval_items_add(items, &item, err);
}

/* `count` different problems of a band. */
static fm_status add_band(const fathom_eval_task *task, fm_problem_name name, int64_t count, keys *seen,
                          fm_eval_items *items, fm_task_items *out, fm_error *err) {
    int64_t there = 0;
    fm_problem p;
    for (name.index = 0; there < count; name.index++) {
        if ((int64_t)name.index > TRIES * count + 1000)
            return fm_fail(err, FM_ERR_LIMIT, "band %d of %s has no %lld different problems in its %s split (%lld were "
                           "found): ask for fewer", name.band + 1, name.kind->name, (long long)count,
                           fm_split_name(name.split), (long long)there);
        name.seed = task->seed;
        FM_TRY(fm_problem_draw(&name, &p, err));
        fm_buffer key = {0};
        fm_problem_key(&p, &key);
        bool fresh = !key.failed && is_new(seen, fm_key_hash(key.data, key.size));
        const char *text = fresh || key.failed ? keep(&items->arena, &key) : NULL;
        fm_status status = key.failed ? fm_fail_memory(err, 64, "a key") : FM_OK;
        fm_buffer_clear(&key);
        if (status == FM_OK && fresh) status = add_item(&p, text, items, err);
        if (status == FM_OK && fresh) status = add_name(out, &name, err);
        FM_TRY(status);
        there += fresh;
    }
    return FM_OK;
}

static fm_status add_kind(const fathom_eval_task *task, const fm_task_kind *kind, fm_split split, keys *seen,
                          fm_eval_items *items, fm_task_items *out, fm_error *err) {
    int bands = (int)kind->n_bands;
    if (task->band < 0 || task->band > bands)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s has bands 1 to %d, not %d", kind->name, bands, task->band);
    for (int band = 0; band < bands; band++) {
        fm_problem_name name = {.kind = kind, .band = band, .split = split};
        if (task->band == 0 || task->band == band + 1)
            FM_TRY(add_band(task, name, task->count > 0 ? task->count : COUNT, seen, items, out, err));
    }
    return FM_OK;
}

fm_status fm_task_items_make(const fathom_eval_task *task, fm_eval_items *items, fm_task_items *out, fm_error *err) {
    fm_split split = FM_SPLIT_TEST;
    bool all = strcmp(task->kind, "all") == 0;
    keys seen = {.size = 1 << 10};
    size_t problems = 0;
    *out = (fm_task_items){0};
    if (task->split && !fm_split_find(task->split, &split))
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no split '%s': train, validation or test", task->split);
    if (!all && !fm_task_find(task->kind)) return fm_task_unknown(task->kind, err);
    for (size_t i = 0; fm_task_at(i); i++)
        if (all || fm_task_at(i) == fm_task_find(task->kind)) problems += fm_task_at(i)->n_bands;
    if (task->count < 0 || task->count > MOST / (int64_t)problems)
        return fm_fail(err, FM_ERR_LIMIT, "an evaluation takes at most %d problems", MOST);
    while (seen.size < 2 * problems * (size_t)(task->count > 0 ? task->count : COUNT)) seen.size *= 2;
    seen.hashes = fm_alloc_array(seen.size, sizeof *seen.hashes, FM_MEM_OTHER);
    fm_status status = seen.hashes ? FM_OK : fm_fail_memory(err, seen.size * sizeof *seen.hashes, "keys");
    for (size_t i = 0; fm_task_at(i) && status == FM_OK; i++)
        if (all || fm_task_at(i) == fm_task_find(task->kind))
            status = add_kind(task, fm_task_at(i), split, &seen, items, out, err);
    fm_free(seen.hashes);
    if (status != FM_OK) fm_task_items_clear(out);
    return status;
}

void fm_task_items_clear(fm_task_items *t) {
    fm_free(t->names);
    *t = (fm_task_items){0};
}

/* ---- grading ------------------------------------------------------------------------------------- */

static fm_status grade(void *context, const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err) {
    const fm_task_items *t = context;
    fm_span gold = {item->answer, item->answer_size};
    fm_problem p;
    FM_TRY(fm_problem_draw(&t->names[item->index], &p, err));
    *out = (fm_grade){.verdict = FM_WRONG};
    out->answer = fm_answer_extract(text.s, text.n, fm_answer_is_number(gold), &out->formed);
    if (out->answer.n > FM_TASK_ANSWER_SIZE) out->answer.n = 0;
    out->formed = out->formed && out->answer.n > 0;
    if (out->answer.n > 0) out->verdict = fm_problem_check(&p, out->answer.s, out->answer.n);
    return FM_OK;
}

static fm_status same(void *context, const fm_eval_item *item, fm_span a, fm_span b, bool *out, fm_error *err) {
    (void)context, (void)item;
    bool failed = false;
    *out = fm_answer_equal(a, b, &failed);
    return failed ? fm_fail_memory(err, a.n + b.n, "comparing answers") : FM_OK;
}

fm_grader fm_task_items_grader(fm_task_items *t) {
    return (fm_grader){.name = "tasks", .grade = grade, .same = same, .context = t};
}
