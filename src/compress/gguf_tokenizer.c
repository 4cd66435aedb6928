/* gguf_tokenizer.c: tokenizer.json and tokenizer_config.json as the arrays of a GGUF file.
 *
 * Every row of the embedding gets a token: the model's pieces (1 normal), added tokens (3 control, 4
 * user defined), and for rows that no token has a name that is never drawn (5 unused). Pieces stay
 * spelled in the byte alphabet, as both kinds of file have them. */
#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "compress/gguf_keys.h"
#include "token/tokenizer.h"

#include <stdio.h>
#include <string.h>

enum { JSON_LIMIT = 512 << 20, TEMPLATE_LIMIT = 1 << 20 };
enum { NORMAL = 1, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5 };

typedef struct source {
    char *json, *config, *jinja; /* texts of the files; config and jinja may be NULL */
    size_t json_size, config_size, jinja_size;
    fm_json *root, *config_root;
    fm_tokenizer *tokenizer;
} source;

typedef struct tables {
    fm_arena arena;
    fm_string *tokens;
    int32_t *types;
    int64_t n;
    fm_error *err;
} tables;

/* ---- reading the folder ----------------------------------------------------------------------*/

static fm_status read_if_there(const char *folder, const char *name, size_t limit, char **text,
                               size_t *size, fm_error *err) {
    char *path = fm_path_join(folder, name);
    if (!path) return fm_fail_memory(err, strlen(folder), "a path");
    fm_status status = fm_file_exists(path) ? fm_file_read(path, limit, text, size, err) : FM_OK;
    fm_free(path);
    return status;
}

static fm_status open_source(source *s, const char *folder, fm_error *err) {
    FM_TRY(read_if_there(folder, "tokenizer.json", JSON_LIMIT, &s->json, &s->json_size, err));
    if (!s->json) return FM_OK;
    FM_TRY(read_if_there(folder, "tokenizer_config.json", JSON_LIMIT, &s->config, &s->config_size, err));
    FM_TRY(read_if_there(folder, "chat_template.jinja", TEMPLATE_LIMIT, &s->jinja, &s->jinja_size, err));
    FM_TRY(fm_tokenizer_from_json(s->json, s->json_size, s->config, s->config_size, &s->tokenizer, err));
    FM_TRY(fm_json_parse(s->json, s->json_size, &s->root, err));
    return s->config ? fm_json_parse(s->config, s->config_size, &s->config_root, err) : FM_OK;
}

static void close_source(source *s) {
    fm_tokenizer_free(s->tokenizer);
    fm_json_free(s->config_root);
    fm_json_free(s->root);
    fm_free(s->json);
    fm_free(s->config);
    fm_free(s->jinja);
}

/* ---- tokens ----------------------------------------------------------------------------------*/

static fm_status set_token(tables *t, int64_t id, const char *text, size_t size, int32_t type) {
    if (id < 0 || id >= t->n)
        return fm_fail(t->err, FM_ERR_FORMAT,
                       "the token '%.60s' has id %lld, but the model has %lld rows of embedding", text,
                       (long long)id, (long long)t->n);
    t->tokens[id] = (fm_string){text, size};
    t->types[id] = type;
    return FM_OK;
}

static fm_status add_piece(void *context, const char *key, size_t length, const fm_json *value) {
    return set_token(context, fm_json_integer(value, -1), key, length, NORMAL);
}

/* DeepSeek's files do not flag <｜User｜> and its like as special; llama.cpp's converter goes by their
 * looks, so that its engine takes them out of a prompt's text and never shows them. */
static bool looks_special(const char *text, size_t size) {
    static const struct {
        const char *begin, *end;
    } looks[] = {{"<|", "|>"}, {"<\xEF\xBD\x9C", "\xEF\xBD\x9C>"}, {"<unused", ">"}};
    for (size_t i = 0; i < FM_COUNT(looks); i++) {
        size_t b = strlen(looks[i].begin), e = strlen(looks[i].end);
        if (size >= b + e && memcmp(text, looks[i].begin, b) == 0 &&
            memcmp(text + size - e, looks[i].end, e) == 0)
            return true;
    }
    return false;
}

static fm_status fill_tokens(tables *t, const fm_json *root) {
    FM_TRY(fm_json_each(fm_json_get(fm_json_get(root, "model"), "vocab"), add_piece, t));
    const fm_json *added = fm_json_get(root, "added_tokens");
    for (size_t i = 0; i < fm_json_length(added); i++) {
        const fm_json *token = fm_json_at(added, i);
        size_t size;
        const char *text = fm_json_string_n(fm_json_get(token, "content"), &size);
        bool special = fm_json_bool(fm_json_get(token, "special"), false) || looks_special(text, size);
        FM_TRY(set_token(t, fm_json_integer(fm_json_get(token, "id"), -1), text, size,
                         special ? CONTROL : USER_DEFINED));
    }
    for (int64_t id = 0; id < t->n; id++) {
        if (t->types[id]) continue;
        char *name = fm_arena_format(&t->arena, "[PAD%lld]", (long long)id);
        if (!name) return fm_fail_memory(t->err, 16, "a token");
        FM_TRY(set_token(t, id, name, strlen(name), UNUSED));
    }
    return FM_OK;
}

static fm_status put_tokens(fm_gguf_head *head, const source *s, int64_t rows, fm_error *err) {
    tables t = {.n = rows, .err = err};
    t.tokens = fm_arena_array(&t.arena, (size_t)rows, sizeof *t.tokens);
    t.types = fm_arena_array(&t.arena, (size_t)rows, sizeof *t.types);
    fm_status status = t.tokens && t.types ? fill_tokens(&t, s->root)
                                           : fm_fail_memory(err, (size_t)rows * 24, "the tokens");
    if (status == FM_OK) {
        fm_gguf_put_strings(head, "tokenizer.ggml.tokens", t.tokens, (size_t)rows);
        fm_gguf_put_i32s(head, "tokenizer.ggml.token_type", t.types, (size_t)rows);
    }
    fm_arena_clear(&t.arena);
    return status;
}

/* "a b", or ["a", "b"] as newer files have it. */
static fm_status put_merges(fm_gguf_head *head, const fm_json *merges, fm_error *err) {
    size_t n = fm_json_length(merges);
    fm_arena arena = {0};
    fm_string *texts = fm_arena_array(&arena, n + 1, sizeof *texts);
    bool complete = texts != NULL;
    for (size_t i = 0; i < n && complete; i++) {
        const fm_json *m = fm_json_at(merges, i);
        texts[i].data = fm_json_string_n(m, &texts[i].size);
        if (texts[i].data) continue;
        texts[i].data = fm_arena_format(&arena, "%s %s", fm_json_string(fm_json_at(m, 0), ""),
                                        fm_json_string(fm_json_at(m, 1), ""));
        complete = texts[i].data != NULL;
        if (complete) texts[i].size = strlen(texts[i].data);
    }
    if (complete) fm_gguf_put_strings(head, "tokenizer.ggml.merges", texts, n);
    fm_arena_clear(&arena);
    return complete ? FM_OK : fm_fail_memory(err, n * sizeof *texts, "the merges");
}

/* ---- roles -----------------------------------------------------------------------------------*/

/* The token that tokenizer_config.json names, else the id that config.json gives. */
static int64_t role_id(const source *s, const fm_meta *meta, const char *token, const char *id_key) {
    const fm_json *v = fm_json_get(s->config_root, token);
    const char *text = fm_json_string(v, fm_json_string(fm_json_get(v, "content"), NULL));
    if (text) return fm_tokenizer_find(s->tokenizer, text);
    const fm_meta_value *m = fm_meta_find(meta, id_key);
    return m && m->kind == FM_META_INTEGER ? m->integer : -1;
}

static void put_id(fm_gguf_head *head, const char *key, int64_t id, const fm_config *c) {
    if (id >= 0 && id < c->vocab_size) fm_gguf_put_u32(head, key, (uint32_t)id);
}

static void put_roles(fm_gguf_head *head, const source *s, const fm_config *c, const fm_meta *meta) {
    const fm_tokenizer *t = s->tokenizer;
    int64_t bos = role_id(s, meta, "bos_token", "bos_token_id");
    int64_t eos = role_id(s, meta, "eos_token", "eos_token_id");
    put_id(head, "tokenizer.ggml.bos_token_id", bos >= 0 ? bos : fm_tokenizer_bos(t), c);
    put_id(head, "tokenizer.ggml.eos_token_id", eos >= 0 ? eos : fm_tokenizer_eos(t), c);
    put_id(head, "tokenizer.ggml.unknown_token_id", role_id(s, meta, "unk_token", "unk_token_id"), c);
    put_id(head, "tokenizer.ggml.padding_token_id", role_id(s, meta, "pad_token", "pad_token_id"), c);
    /* the other ids at which generation ends; GGUF has two more places for them */
    static const char *const others[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    size_t k = 0;
    for (int i = 0; i < c->n_eos && k < FM_COUNT(others); i++)
        if (c->eos_token_id[i] != (eos >= 0 ? eos : fm_tokenizer_eos(t)))
            put_id(head, others[k++], c->eos_token_id[i], c);
    fm_gguf_put_bool(head, "tokenizer.ggml.add_bos_token", fm_tokenizer_adds_bos(t));
    fm_gguf_put_bool(head, "tokenizer.ggml.add_eos_token",
                     fm_json_bool(fm_json_get(s->config_root, "add_eos_token"), false));
}

static fm_status put_all(fm_gguf_head *head, const source *s, const fm_config *c, const fm_meta *meta,
                         fm_error *err) {
    const char *pre = fm_tokenizer_pre(s->tokenizer);
    const char *chat = s->jinja ? s->jinja : fm_tokenizer_chat_template(s->tokenizer);
    if (!pre)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "the tokenizer cuts text in a way that has no name in GGUF (tokenizer.ggml.pre)");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(pre, " "), pre);
    fm_gguf_put_string(head, "tokenizer.ggml.model", "gpt2", 4);
    fm_gguf_put_string(head, "tokenizer.ggml.pre", name, strlen(name));
    FM_TRY(put_tokens(head, s, c->vocab_size, err));
    FM_TRY(put_merges(head, fm_json_get(fm_json_get(s->root, "model"), "merges"), err));
    put_roles(head, s, c, meta);
    if (chat) fm_gguf_put_string(head, "tokenizer.chat_template", chat, strlen(chat));
    return FM_OK;
}

fm_status fm_gguf_put_tokenizer(fm_gguf_head *head, const fm_config *config, const fm_meta *meta,
                                const char *folder, bool *found, fm_error *err) {
    source s = {0};
    fm_status status = open_source(&s, folder, err);
    *found = s.json != NULL;
    if (status == FM_OK && s.json) status = put_all(head, &s, config, meta, err);
    close_source(&s);
    return status == FM_OK ? FM_OK : fm_error_prefix(err, status, "%s", folder);
}
