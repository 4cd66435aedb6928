/* fathom_chat.c: conversations for the caller of the library; the templates themselves are token/chat. */
#include "api/objects.h"
#include "base/mem.h"

#include <string.h>

static fm_status style_of(const fathom_tokenizer *t, const fathom_chat_options *options,
                          fm_chat_style *style, fm_error *err) {
    *style = t->style;
    if (!options || !options->style) return FM_OK;
    if (fm_chat_style_parse(options->style, style)) return FM_OK;
    fm_buffer known = {0};
    for (int i = 0; i < FM_CHAT_STYLES; i++)
        fm_buffer_format(&known, "%s%s", i ? ", " : "", fm_chat_style_name((fm_chat_style)i));
    fm_status status = fm_fail(err, FM_ERR_ARGUMENT, "there is no chat style '%s'; known are %s",
                               options->style, fm_buffer_string(&known));
    fm_buffer_clear(&known);
    return status;
}

/* Without a template: BOS where the model wants one, and the last thing the user said. */
static fm_status encode_plain(const fm_tokenizer *t, const fathom_message *messages, size_t n,
                              fm_buffer *out, fm_error *err) {
    const fathom_message *last = NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(messages[i].role, "user") == 0) last = &messages[i];
    if (!last) return fm_fail(err, FM_ERR_ARGUMENT, "the conversation has no message of the user");
    fm_token bos = fm_tokenizer_bos(t);
    if (fm_tokenizer_adds_bos(t) && bos >= 0) fm_buffer_put(out, &bos, sizeof bos);
    return fm_tokenizer_encode(t, last->content, last->size, FM_ENCODE_PLAIN, out, err);
}

static fm_status encode(const fathom_tokenizer *t, fm_chat_style style,
                        const fm_chat_options *options, const fathom_message *messages, size_t n,
                        fm_buffer *out, fm_error *err) {
    if (style == FM_CHAT_NONE) return encode_plain(t->inner, messages, n, out, err);
    fm_chat_message *list = fm_alloc_array(n ? n : 1, sizeof *list, FM_MEM_OTHER);
    if (!list) return fm_fail_memory(err, n * sizeof *list, "a conversation");
    for (size_t i = 0; i < n; i++)
        list[i] = (fm_chat_message){.role = messages[i].role,
                                    .content = messages[i].content,
                                    .content_size = messages[i].size};
    fm_status status = fm_chat_encode(t->inner, style, list, n, options, out, err);
    fm_free(list);
    return status;
}

static fm_status chat_tokens(const fathom_tokenizer *t, const fathom_message *messages, size_t n,
                             const fathom_chat_options *chosen, int32_t **ids, size_t *n_ids,
                             bool *starts_thinking, fm_error *err) {
    fm_chat_style style;
    FM_TRY(fm_api_needs_tokenizer(t, err));
    FM_TRY(style_of(t, chosen, &style, err));
    fm_chat_options options = {.add_generation_prompt = true,
                               .thinking = chosen && chosen->thinking};
    fm_buffer out = {0};
    fm_status status = encode(t, style, &options, messages, n, &out, err);
    if (status == FM_OK) status = fm_buffer_status(&out, err);
    size_t bytes = out.size;
    if (status == FM_OK && !(*ids = (int32_t *)(void *)fm_buffer_take(&out)))
        status = fm_fail_memory(err, bytes, "token ids");
    if (status == FM_OK) {
        *n_ids = bytes / sizeof **ids;
        if (starts_thinking) *starts_thinking = fm_chat_starts_thinking(style, &options);
    }
    fm_buffer_clear(&out);
    return status;
}

fathom_status fathom_chat_tokens(const fathom_tokenizer *tokenizer, const fathom_message *messages,
                                 size_t n_messages, const fathom_chat_options *options,
                                 int32_t **ids, size_t *n, bool *starts_thinking,
                                 fathom_error *err) {
    fm_error inner = {0};
    *ids = NULL;
    *n = 0;
    if (starts_thinking) *starts_thinking = false;
    return fm_api_return(chat_tokens(tokenizer, messages, n_messages, options, ids, n,
                                     starts_thinking, &inner), &inner, err);
}
