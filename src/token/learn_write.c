/* learn_write.c: a learnt vocabulary as Hugging Face's files. */
#include "base/json_write.h"
#include "token/learn_private.h"
#include "token/tokenizer_write.h"

#include <string.h>

/* By id. DeepSeek's names, so that templates, fill-in-the-middle and our own detection find them. */
static const fm_learn_special specials[] = {
    {"<｜begin▁of▁sentence｜>", true}, {"<｜end▁of▁sentence｜>", true}, {"<｜▁pad▁｜>", true},
    {"<｜User｜>", false},             {"<｜Assistant｜>", false},      {"<think>", false},
    {"</think>", false},               {"<｜fim▁begin｜>", true},       {"<｜fim▁hole｜>", true},
    {"<｜fim▁end｜>", true},
};
enum { BOS = 0, EOS = 1, PAD = 2 };

fm_learn_special fm_learn_special_at(int64_t id) {
    return id < (int64_t)FM_COUNT(specials) ? specials[id] : (fm_learn_special){NULL, false};
}

/* BOS, system messages, then turns; answers of the past with their thoughts. */
static const char chat_v3[] =
    "{{ bos_token }}"
    "{% for m in messages | selectattr('role', 'equalto', 'system') %}"
    "{{ m['content'] }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
    "{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}{{ '<｜Assistant｜>' + m['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}";

/* Answers of the past without their thoughts, and the thoughts of the next one opened. */
static const char chat_r1[] =
    "{% set ns = namespace(system='') %}"
    "{% for m in messages %}{% if m['role'] == 'system' %}{% set ns.system = m['content'] %}{% endif %}{% endfor %}"
    "{{ bos_token + ns.system }}"
    "{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + m['content'].split('</think>')[-1] + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}";

/* Special tokens are pieces of the model as well, since they come before all others. */
static void put_vocab(fm_buffer *out, const fm_learn_vocab *v) {
    const fm_learn_token *tokens = fm_learn_tokens(v);
    fm_buffer_text(out, "\"vocab\":{");
    for (int64_t id = 0; id < fm_learn_n_tokens(v); id++) {
        fm_buffer_text(out, id ? ",\n" : "\n");
        if (id < v->n_special)
            fm_json_quote(out, v->pieces.data + tokens[id].at, tokens[id].size);
        else
            fm_put_piece(out, v->pieces.data + tokens[id].at, tokens[id].size);
        fm_buffer_format(out, ":%lld", (long long)id);
    }
    fm_buffer_text(out, "},\n");
}

/* "a b": no piece is spelled with a space. */
static void put_merges(fm_buffer *out, const fm_learn_vocab *v) {
    const fm_learn_merge *merges = (const fm_learn_merge *)(const void *)v->merges.data;
    const fm_learn_token *tokens = fm_learn_tokens(v);
    fm_buffer_text(out, "\"merges\":[");
    for (size_t i = 0; i < v->merges.size / sizeof *merges; i++) {
        const fm_learn_token *left = &tokens[merges[i].left], *right = &tokens[merges[i].right];
        fm_buffer_text(out, i ? ",\n" : "\n");
        fm_put_piece(out, v->pieces.data + left->at, left->size);
        out->size--; /* its last quotation mark, and the first of the other */
        size_t at = out->size;
        fm_put_piece(out, v->pieces.data + right->at, right->size);
        if (!out->failed) out->data[at] = ' ';
    }
    fm_buffer_text(out, "]");
}

static void put_config(fm_buffer *out, fm_learn_chat chat) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_bool(&w, "add_bos_token", true);
    fm_json_put_bool(&w, "add_eos_token", false);
    fm_json_put_text(&w, "bos_token", specials[BOS].text);
    fm_json_put_text(&w, "eos_token", specials[EOS].text);
    fm_json_put_text(&w, "pad_token", specials[PAD].text);
    if (chat != FM_LEARN_CHAT_NONE)
        fm_json_put_text(&w, "chat_template", chat == FM_LEARN_CHAT_R1 ? chat_r1 : chat_v3);
    fm_json_put_bool(&w, "clean_up_tokenization_spaces", false);
    fm_json_put_text(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
}

fm_status fm_learn_write(const fm_learn_options *o, const fm_learn_vocab *v, fm_learn_chat chat, fm_buffer *json,
                         fm_buffer *config, fm_error *err) {
    fm_put_tokenizer_begin(json);
    for (int64_t id = 0; id < v->n_special; id++)
        fm_put_added_token(json, id == 0, id, specials[id].text, strlen(specials[id].text), specials[id].special);
    fm_put_stages(json, o->pre);
    fm_put_processor(json, specials[BOS].text, strlen(specials[BOS].text), BOS);
    fm_put_model(json, false);
    put_vocab(json, v);
    put_merges(json, v);
    fm_buffer_text(json, "}}\n");
    put_config(config, chat);
    FM_TRY(fm_buffer_status(json, err));
    return fm_buffer_status(config, err);
}
