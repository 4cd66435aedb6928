#include "eval/exam.h"

#include <string.h>

/* "SYSTEM", the item's messages, the instruction behind the last of the user. */
static fm_status conversation(const fm_eval_item *item, const fm_exam_options *o, fm_buffer *last,
                              fm_chat_message **out, size_t *n, fm_error *err) {
    size_t at = 0, user = item->n_messages;
    fm_chat_message *list = fm_alloc_array(item->n_messages + 1, sizeof *list, FM_MEM_OTHER);
    *out = list;
    if (!list) return fm_fail_memory(err, item->n_messages * sizeof *list, "a conversation");
    const char *system = o->setup.system;
    if (system)
        list[at++] = (fm_chat_message){.role = "system", .content = system, .content_size = strlen(system)};
    for (size_t i = 0; i < item->n_messages; i++) {
        const fm_eval_message *m = &item->messages[i];
        if (strcmp(m->role, "user") == 0) user = at;
        list[at++] = (fm_chat_message){.role = m->role, .content = m->content, .content_size = m->size};
    }
    *n = at;
    if (!o->setup.instruction || user >= at) return FM_OK;
    fm_buffer_put(last, list[user].content, list[user].content_size);
    fm_buffer_text(last, "\n");
    fm_buffer_text(last, o->setup.instruction);
    list[user].content = fm_buffer_string(last);
    list[user].content_size = last->size;
    return fm_buffer_status(last, err);
}

static fm_status encode(const fm_tokenizer *t, const fm_exam_options *o, const fm_chat_message *list,
                        size_t n, fm_buffer *ids, fm_error *err) {
    fm_chat_options options = {.add_generation_prompt = true, .thinking = o->setup.thinking};
    if (!o->setup.raw && o->style != FM_CHAT_NONE)
        return fm_chat_encode(t, o->style, list, n, &options, ids, err);
    fm_token bos = fm_tokenizer_bos(t);
    if (fm_tokenizer_adds_bos(t) && bos >= 0) fm_buffer_put(ids, &bos, sizeof bos);
    for (size_t i = 0; i < n; i++)
        FM_TRY(fm_tokenizer_encode(t, list[i].content, list[i].content_size, FM_ENCODE_PLAIN, ids, err));
    return FM_OK;
}

static fm_status add(const fm_tokenizer *t, const fm_eval_item *item, const fm_exam_options *o,
                     fm_buffer *ids, fm_error *err) {
    fm_chat_message *list = NULL;
    fm_buffer last = {0};
    size_t n = 0;
    fm_status status = conversation(item, o, &last, &list, &n, err);
    if (status == FM_OK) status = encode(t, o, list, n, ids, err);
    if (status == FM_OK) status = fm_buffer_status(ids, err);
    fm_buffer_clear(&last);
    fm_free(list);
    return status;
}

static fm_status add_all(const fm_tokenizer *t, const fm_eval_items *items, const fm_exam_options *o,
                         fm_buffer *ids, fm_exam_prompts *out, fm_error *err) {
    for (size_t i = 0; i < items->n; i++) {
        long long line = (long long)items->items[i].line;
        fm_status status = add(t, &items->items[i], o, ids, err);
        if (status != FM_OK) return fm_error_prefix(err, status, "the question of line %lld", line);
        out->starts[i + 1] = (int64_t)(ids->size / sizeof(fm_token));
        int64_t n = out->starts[i + 1] - out->starts[i];
        if (n == 0)
            return fm_fail(err, FM_ERR_FORMAT, "the question of line %lld has no tokens", line);
        if (n >= o->setup.context)
            return fm_fail(err, FM_ERR_LIMIT, "the question of line %lld has %lld tokens and the context "
                           "holds %lld: ask for a larger context", line, (long long)n,
                           (long long)o->setup.context);
        if (n > out->longest) out->longest = n;
    }
    return FM_OK;
}

fm_status fm_exam_prompts_make(const fm_tokenizer *tokenizer, const fm_eval_items *items,
                               const fm_exam_options *options, fm_exam_prompts *out, fm_error *err) {
    fm_buffer ids = {0};
    fm_chat_options chat = {.add_generation_prompt = true, .thinking = options->setup.thinking};
    *out = (fm_exam_prompts){0};
    out->starts = fm_alloc_array(items->n + 1, sizeof *out->starts, FM_MEM_OTHER);
    fm_status status = out->starts ? FM_OK : fm_fail_memory(err, items->n * sizeof *out->starts, "prompts");
    if (status == FM_OK) status = add_all(tokenizer, items, options, &ids, out, err);
    if (status == FM_OK && !(out->ids = (int32_t *)(void *)fm_buffer_take(&ids)))
        status = fm_fail_memory(err, ids.size, "prompts");
    out->starts_thinking = !options->setup.raw && options->style != FM_CHAT_NONE &&
                           fm_chat_starts_thinking(options->style, &chat);
    fm_buffer_clear(&ids);
    if (status != FM_OK) fm_exam_prompts_clear(out);
    return status;
}

void fm_exam_prompts_clear(fm_exam_prompts *p) {
    fm_free(p->ids);
    fm_free(p->starts);
    *p = (fm_exam_prompts){0};
}
