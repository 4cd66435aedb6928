#include "eval/exam_prompts.h"

#include <string.h>

static fm_status no_room(size_t n, fm_error *err) { return fm_fail_memory(err, n, "a conversation"); }

fm_status fm_prompt_messages_make(const fm_eval_item *item, const fm_outcome_setup *setup,
                                  fm_prompt_messages *out, fm_error *err) {
    size_t at = 0, user = item->n_messages + 1;
    const char *system = setup->system, *instruction = setup->instruction;
    *out = (fm_prompt_messages){0};
    out->list = fm_alloc_array(item->n_messages + 1, sizeof *out->list, FM_MEM_OTHER);
    if (!out->list) return no_room(item->n_messages * sizeof *out->list, err);
    if (system)
        out->list[at++] = (fm_chat_message){.role = "system", .content = system, .content_size = strlen(system)};
    for (size_t i = 0; i < item->n_messages; i++) {
        const fm_eval_message *m = &item->messages[i];
        if (strcmp(m->role, "user") == 0) user = at;
        out->list[at++] = (fm_chat_message){.role = m->role, .content = m->content, .content_size = m->size};
    }
    out->n = at;
    if (!instruction || user >= at) return FM_OK;
    fm_buffer_put(&out->last, out->list[user].content, out->list[user].content_size);
    fm_buffer_text(&out->last, "\n");
    fm_buffer_text(&out->last, instruction);
    out->list[user].content = fm_buffer_string(&out->last);
    out->list[user].content_size = out->last.size;
    return fm_buffer_status(&out->last, err);
}

void fm_prompt_messages_clear(fm_prompt_messages *m) {
    fm_buffer_clear(&m->last);
    fm_free(m->list);
    *m = (fm_prompt_messages){0};
}

/* ---- tokens -------------------------------------------------------------------------------------- */

typedef struct maker {
    const fm_tokenizer *tokenizer;
    const fm_outcome_setup *setup;
    fm_chat_style style;
    fm_buffer ids;
} maker;

static fm_status encode(maker *k, const fm_prompt_messages *m, fm_error *err) {
    fm_chat_options options = {.add_generation_prompt = true, .thinking = k->setup->thinking};
    const fm_tokenizer *t = k->tokenizer;
    if (!k->setup->raw && k->style != FM_CHAT_NONE)
        return fm_chat_encode(t, k->style, m->list, m->n, &options, &k->ids, err);
    fm_token bos = fm_tokenizer_bos(t);
    if (fm_tokenizer_adds_bos(t) && bos >= 0) fm_buffer_put(&k->ids, &bos, sizeof bos);
    for (size_t i = 0; i < m->n; i++)
        FM_TRY(fm_tokenizer_encode(t, m->list[i].content, m->list[i].content_size, FM_ENCODE_PLAIN, &k->ids, err));
    return FM_OK;
}

static fm_status add(maker *k, const fm_eval_item *item, fm_error *err) {
    fm_prompt_messages messages;
    fm_status status = fm_prompt_messages_make(item, k->setup, &messages, err);
    if (status == FM_OK) status = encode(k, &messages, err);
    if (status == FM_OK) status = fm_buffer_status(&k->ids, err);
    fm_prompt_messages_clear(&messages);
    return status;
}

static fm_status add_all(maker *k, const fm_eval_items *items, fm_exam_prompts *out, fm_error *err) {
    for (size_t i = 0; i < items->n; i++) {
        long long line = (long long)items->items[i].line;
        fm_status status = add(k, &items->items[i], err);
        if (status != FM_OK) return fm_error_prefix(err, status, "the question of line %lld", line);
        out->starts[i + 1] = (int64_t)(k->ids.size / sizeof(fm_token));
        int64_t n = out->starts[i + 1] - out->starts[i], context = k->setup->context;
        if (n == 0)
            return fm_fail(err, FM_ERR_FORMAT, "the question of line %lld has no tokens", line);
        if (n >= context)
            return fm_fail(err, FM_ERR_LIMIT, "the question of line %lld has %lld tokens and the context "
                           "holds %lld: ask for a larger context", line, (long long)n, (long long)context);
        if (n > out->longest) out->longest = n;
    }
    return FM_OK;
}

fm_status fm_exam_prompts_make(const fm_tokenizer *tokenizer, const fm_eval_items *items,
                               const fm_outcome_setup *setup, fm_chat_style style, fm_exam_prompts *out,
                               fm_error *err) {
    maker k = {.tokenizer = tokenizer, .setup = setup, .style = style};
    fm_chat_options chat = {.add_generation_prompt = true, .thinking = setup->thinking};
    *out = (fm_exam_prompts){0};
    out->starts = fm_alloc_array(items->n + 1, sizeof *out->starts, FM_MEM_OTHER);
    fm_status status = out->starts ? FM_OK : fm_fail_memory(err, items->n * sizeof *out->starts, "prompts");
    if (status == FM_OK) status = add_all(&k, items, out, err);
    if (status == FM_OK && !(out->ids = (int32_t *)(void *)fm_buffer_take(&k.ids)))
        status = fm_fail_memory(err, k.ids.size, "prompts");
    out->starts_thinking = !setup->raw && style != FM_CHAT_NONE && fm_chat_starts_thinking(style, &chat);
    fm_buffer_clear(&k.ids);
    if (status != FM_OK) fm_exam_prompts_clear(out);
    return status;
}

void fm_exam_prompts_clear(fm_exam_prompts *p) {
    fm_free(p->ids);
    fm_free(p->starts);
    *p = (fm_exam_prompts){0};
}
