/* hf_tokenizer.c: tokenizer.json and tokenizer_config.json from the arrays of a GGUF file.
 *
 * What GGUF calls by a name (tokenizer.ggml.pre) is written out: the normaliser and the patterns of
 * token/known.h. Both kinds of file spell pieces in the byte alphabet, so they are copied. */
#include "base/json_write.h"
#include "compress/hf_files.h"
#include "token/known.h"
#include "token/tokenizer_write.h"
#include "token/vocab.h"

#include <string.h>

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5 };

typedef struct tables {
    const fm_config *config;
    const fm_meta *meta;
    const fm_meta_value *tokens, *types, *merges;
    const fm_known *known;
    fm_vocab vocab; /* the pieces that merges may meet */
    int64_t bos, eos, pad;
    bool adds_bos;
    fm_error *err;
} tables;

/* ---- reading ---------------------------------------------------------------------------------*/

static int64_t type_of(const tables *t, size_t id) {
    return t->types ? t->types->integers[id] : NORMAL;
}

static bool is_added(const tables *t, size_t id) {
    int64_t type = type_of(t, id);
    return type == CONTROL || type == UNKNOWN || type == USER_DEFINED;
}

static fm_status get_list(tables *t, const char *key, fm_meta_kind kind, const fm_meta_value **out) {
    *out = fm_meta_find(t->meta, key);
    if (*out && (*out)->count == 0) *out = NULL;
    if (!*out || (*out)->kind == kind) return FM_OK;
    return fm_fail(t->err, FM_ERR_FORMAT, "%s is not the list that it should be", key);
}

static fm_status get_id(tables *t, const char *key, int64_t *out) {
    *out = -1;
    return fm_meta_get_integer(t->meta, key, 0, (int64_t)t->tokens->count - 1, out, t->err);
}

static fm_status read_tables(tables *t) {
    const char *pre = "default";
    FM_TRY(get_list(t, "tokenizer.ggml.tokens", FM_META_STRINGS, &t->tokens));
    FM_TRY(get_list(t, "tokenizer.ggml.token_type", FM_META_INTEGERS, &t->types));
    FM_TRY(get_list(t, "tokenizer.ggml.merges", FM_META_STRINGS, &t->merges));
    if (!t->tokens || (t->types && t->types->count != t->tokens->count))
        return fm_fail(t->err, FM_ERR_FORMAT, "the lists of tokens and of their types do not belong "
                       "together");
    FM_TRY(fm_meta_get_string(t->meta, "tokenizer.ggml.pre", &pre, t->err));
    t->known = fm_known_find(pre);
    if (!t->known)
        return fm_fail(t->err, FM_ERR_UNSUPPORTED, "tokenizer.ggml.pre is '%.60s', which is not known",
                       pre);
    FM_TRY(get_id(t, "tokenizer.ggml.bos_token_id", &t->bos));
    FM_TRY(get_id(t, "tokenizer.ggml.eos_token_id", &t->eos));
    FM_TRY(get_id(t, "tokenizer.ggml.padding_token_id", &t->pad));
    t->adds_bos = t->known->adds_bos;
    FM_TRY(fm_meta_get_bool(t->meta, "tokenizer.ggml.add_bos_token", &t->adds_bos, t->err));
    t->adds_bos = t->adds_bos && t->bos >= 0;
    return FM_OK;
}

static fm_status index_pieces(tables *t) {
    fm_vocab_builder b = {0};
    fm_status status = FM_OK;
    for (size_t id = 0; id < t->tokens->count && status == FM_OK; id++) {
        fm_string s = t->tokens->strings[id];
        status = is_added(t, id) || type_of(t, id) == UNUSED
                     ? fm_vocab_add_unused(&b, (int64_t)id, t->err)
                     : fm_vocab_add_piece(&b, (int64_t)id, s.data, s.size, t->err);
    }
    if (status == FM_OK) status = fm_vocab_build(&b, &t->vocab, t->err);
    fm_vocab_builder_clear(&b);
    return status;
}

/* ---- vocabulary ------------------------------------------------------------------------------*/

static void put_added(fm_buffer *out, const tables *t) {
    bool first = true;
    for (size_t id = 0; id < t->tokens->count; id++) {
        if (!is_added(t, id)) continue;
        fm_string s = t->tokens->strings[id];
        fm_put_added_token(out, first, (int64_t)id, s.data, s.size, type_of(t, id) != USER_DEFINED);
        first = false;
    }
}

static void put_vocab(fm_buffer *out, const tables *t) {
    fm_buffer_text(out, "\"vocab\":{");
    bool first = true;
    for (size_t id = 0; id < t->tokens->count; id++) {
        fm_string s = t->tokens->strings[id];
        if (is_added(t, id) || type_of(t, id) == UNUSED) continue;
        fm_buffer_text(out, first ? "\n" : ",\n");
        fm_json_quote(out, s.data, s.size);
        fm_buffer_format(out, ":%zu", id);
        first = false;
    }
    fm_buffer_text(out, "},\n");
}

static bool is_piece(const tables *t, const char *text, size_t size, const char *more, size_t n,
                     fm_buffer *bytes) {
    bytes->size = 0;
    bool spelled = fm_alphabet_decode(text, size, bytes) && fm_alphabet_decode(more, n, bytes);
    return spelled && !bytes->failed && fm_vocab_find(&t->vocab, bytes->data, bytes->size) >= 0;
}

/* Vocabularies of GGUF files have been trimmed while their merges were kept: such a merge can never be
 * made, and Hugging Face's engine refuses a file that has one. */
static void put_merges(fm_buffer *out, const tables *t) {
    fm_buffer bytes = {0};
    bool first = true;
    fm_buffer_text(out, "\"merges\":[");
    for (size_t i = 0; t->merges && i < t->merges->count; i++) {
        fm_string s = t->merges->strings[i];
        const char *space = s.size > 1 ? memchr(s.data + 1, ' ', s.size - 1) : NULL;
        if (!space) continue;
        size_t left = (size_t)(space - s.data), right = s.size - left - 1;
        if (!is_piece(t, s.data, left, "", 0, &bytes) || !is_piece(t, space + 1, right, "", 0, &bytes) ||
            !is_piece(t, s.data, left, space + 1, right, &bytes))
            continue;
        fm_buffer_text(out, first ? "\n" : ",\n");
        fm_json_quote(out, s.data, s.size);
        first = false;
    }
    fm_buffer_text(out, "]");
    if (bytes.failed) out->failed = true;
    fm_buffer_clear(&bytes);
}

static void put_json(fm_buffer *out, const tables *t) {
    fm_string bos = t->adds_bos ? t->tokens->strings[t->bos] : (fm_string){0};
    fm_put_tokenizer_begin(out);
    put_added(out, t);
    fm_put_stages(out, t->known);
    fm_put_processor(out, bos.data, bos.size, t->bos);
    fm_put_model(out, t->known->ignore_merges);
    put_vocab(out, t);
    put_merges(out, t);
    fm_buffer_text(out, "}}\n");
}

/* ---- tokenizer_config.json -------------------------------------------------------------------*/

static void put_token(fm_json_writer *w, const char *key, const tables *t, int64_t id) {
    char *text = id < 0 ? NULL : fm_strndup(t->tokens->strings[id].data, t->tokens->strings[id].size);
    if (id >= 0 && !text) w->out->failed = true;
    fm_json_put_text(w, key, text);
    fm_free(text);
}

static fm_status put_config(fm_buffer *out, const tables *t) {
    fm_json_writer w = {.out = out};
    const char *chat = NULL;
    bool adds_eos = false;
    FM_TRY(fm_meta_get_string(t->meta, "tokenizer.chat_template", &chat, t->err));
    FM_TRY(fm_meta_get_bool(t->meta, "tokenizer.ggml.add_eos_token", &adds_eos, t->err));
    fm_json_open(&w, NULL, '{');
    fm_json_put_bool(&w, "add_bos_token", t->adds_bos);
    fm_json_put_bool(&w, "add_eos_token", adds_eos);
    put_token(&w, "bos_token", t, t->bos);
    put_token(&w, "eos_token", t, t->eos);
    put_token(&w, "pad_token", t, t->pad);
    if (chat) fm_json_put_text(&w, "chat_template", chat);
    fm_json_put_bool(&w, "clean_up_tokenization_spaces", false);
    fm_json_put_integer(&w, "model_max_length", t->config->max_position_embeddings);
    fm_json_put_text(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
    return fm_buffer_status(out, t->err);
}

fm_status fm_hf_put_tokenizer(fm_buffer *json, fm_buffer *config_json, const fm_config *config,
                              const fm_meta *meta, bool *found, fm_error *err) {
    tables t = {.config = config, .meta = meta, .err = err};
    const char *model = NULL;
    FM_TRY(fm_meta_get_string(meta, "tokenizer.ggml.model", &model, err));
    *found = model != NULL;
    if (!model) return FM_OK;
    if (strcmp(model, "gpt2") != 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "tokenizer.ggml.model is '%.60s'; only 'gpt2' (byte-level BPE) is supported", model);
    FM_TRY(read_tables(&t));
    fm_status status = index_pieces(&t);
    if (status == FM_OK) put_json(json, &t);
    if (status == FM_OK) status = fm_buffer_status(json, err);
    if (status == FM_OK) status = put_config(config_json, &t);
    fm_vocab_clear(&t.vocab);
    return status;
}
