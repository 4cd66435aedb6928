/* fathom_tokenizer.c: the tokenizer of a model, wherever its files keep it: tokenizer.json beside the
 * weights, or arrays in the metadata of a GGUF file. */
#include "api/objects.h"
#include "base/file.h"
#include "base/mem.h"

#include <string.h>

/* The largest published tokenizer.json has 35 MB, the largest template some 10 kB. */
enum { JSON_LIMIT = 512 << 20, TEMPLATE_LIMIT = 1 << 20 };

/* ---- opening ---------------------------------------------------------------------------------*/

static fm_status wrap(fm_tokenizer *inner, fathom_tokenizer **out, fm_error *err) {
    fathom_tokenizer *t = fm_alloc_zero(sizeof *t, FM_MEM_TOKENIZER);
    if (!t) {
        fm_tokenizer_free(inner);
        return fm_fail_memory(err, sizeof *t, "a tokenizer");
    }
    t->inner = inner;
    t->style = fm_chat_detect(inner);
    *out = t;
    return FM_OK;
}

/* Newer folders keep the chat template in a file of its own, which counts before the one in
 * tokenizer_config.json. */
static fm_status read_template_file(const char *folder, fathom_tokenizer *t, fm_error *err) {
    char *path = fm_path_join(folder, "chat_template.jinja"), *jinja = NULL;
    size_t size;
    if (!path) return fm_fail_memory(err, strlen(folder), "a path");
    fm_status status = FM_OK;
    if (fm_file_exists(path)) status = fm_file_read(path, TEMPLATE_LIMIT, &jinja, &size, err);
    if (jinja) t->style = fm_chat_detect_template(jinja);
    fm_free(jinja);
    fm_free(path);
    return status;
}

/* `json` with what lies beside it in `folder`; a missing config or template is fine. */
static fm_status open_json(const char *json_path, const char *folder, fathom_tokenizer **out,
                           fm_error *err) {
    char *config_path = fm_path_join(folder, "tokenizer_config.json"), *json = NULL, *config = NULL;
    size_t size = 0, config_size = 0;
    fm_tokenizer *inner = NULL;
    *out = NULL;
    if (!config_path) return fm_fail_memory(err, strlen(folder), "a path");
    fm_status status = fm_file_read(json_path, JSON_LIMIT, &json, &size, err);
    if (status == FM_OK && fm_file_exists(config_path))
        status = fm_file_read(config_path, JSON_LIMIT, &config, &config_size, err);
    if (status == FM_OK) {
        status = fm_tokenizer_from_json(json, size, config, config_size, &inner, err);
        if (status != FM_OK) fm_error_prefix(err, status, "%s", json_path);
    }
    fm_free(json);
    fm_free(config);
    fm_free(config_path);
    if (status == FM_OK) status = wrap(inner, out, err);
    if (status == FM_OK) status = read_template_file(folder, *out, err);
    if (status != FM_OK) {
        fathom_tokenizer_close(*out);
        *out = NULL;
    }
    return status;
}

/* FM_OK with *out NULL when the folder has no tokenizer.json. */
static fm_status open_folder(const char *folder, fathom_tokenizer **out, fm_error *err) {
    *out = NULL;
    char *json = fm_path_join(folder, "tokenizer.json");
    if (!json) return fm_fail_memory(err, strlen(folder), "a path");
    fm_status status = fm_file_exists(json) ? open_json(json, folder, out, err) : FM_OK;
    fm_free(json);
    return status;
}

/* The folder of a file, in memory of its own. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return fm_strdup(".");
    return fm_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static fm_status open_beside(const char *path, fathom_tokenizer **out, fm_error *err) {
    char *folder = folder_of(path);
    if (!folder) return fm_fail_memory(err, strlen(path), "a path");
    fm_status status = open_folder(folder, out, err);
    fm_free(folder);
    return status;
}

/* ---- GGUF ------------------------------------------------------------------------------------*/

static fm_status strings(const fm_meta *meta, const char *key, fm_token_text **out, size_t *n,
                         fm_error *err) {
    const fm_meta_value *v = fm_meta_find(meta, key);
    *out = NULL;
    *n = 0;
    if (!v || v->count == 0) return FM_OK;
    if (v->kind != FM_META_STRINGS)
        return fm_fail(err, FM_ERR_FORMAT, "%s is not a list of strings", key);
    fm_token_text *texts = fm_alloc_array(v->count, sizeof *texts, FM_MEM_TOKENIZER);
    if (!texts) return fm_fail_memory(err, v->count * sizeof *texts, key);
    for (size_t i = 0; i < v->count; i++)
        texts[i] = (fm_token_text){v->strings[i].data, v->strings[i].size};
    *out = texts;
    *n = v->count;
    return FM_OK;
}

static fm_status types(const fm_meta *meta, fm_tokenizer_tables *t, fm_error *err) {
    const fm_meta_value *v = fm_meta_find(meta, "tokenizer.ggml.token_type");
    if (!v) return FM_OK;
    if (v->kind != FM_META_INTEGERS || v->count != t->n_tokens)
        return fm_fail(err, FM_ERR_FORMAT,
                       "tokenizer.ggml.token_type must be one integer for each of the %zu tokens",
                       t->n_tokens);
    t->types = v->integers;
    return FM_OK;
}

static fm_status special_ids(const fm_meta *meta, fm_tokenizer_tables *t, fm_error *err) {
    const struct {
        const char *key;
        int64_t *id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", &t->bos},
               {"tokenizer.ggml.eos_token_id", &t->eos},
               {"tokenizer.ggml.eot_token_id", &t->eot},
               {"tokenizer.ggml.padding_token_id", &t->pad}};
    for (size_t i = 0; i < FM_COUNT(ids); i++) {
        *ids[i].id = -1;
        FM_TRY(fm_meta_get_integer(meta, ids[i].key, 0, (int64_t)t->n_tokens - 1, ids[i].id, err));
    }
    t->add_bos = -1;
    if (fm_meta_find(meta, "tokenizer.ggml.add_bos_token")) {
        bool add_bos = false;
        FM_TRY(fm_meta_get_bool(meta, "tokenizer.ggml.add_bos_token", &add_bos, err));
        t->add_bos = add_bos;
    }
    return FM_OK;
}

static fm_status from_meta(const fm_meta *meta, fathom_tokenizer **out, fm_error *err) {
    fm_tokenizer_tables t = {0};
    fm_token_text *tokens = NULL, *merges = NULL;
    fm_tokenizer *inner = NULL;
    fm_status status;
    FM_TRY_GOTO(fm_meta_get_string(meta, "tokenizer.ggml.model", &t.model, err), done);
    if (!t.model) goto done; /* no tokenizer */
    FM_TRY_GOTO(fm_meta_get_string(meta, "tokenizer.ggml.pre", &t.pre, err), done);
    FM_TRY_GOTO(fm_meta_get_string(meta, "tokenizer.chat_template", &t.chat_template, err), done);
    FM_TRY_GOTO(strings(meta, "tokenizer.ggml.tokens", &tokens, &t.n_tokens, err), done);
    FM_TRY_GOTO(strings(meta, "tokenizer.ggml.merges", &merges, &t.n_merges, err), done);
    FM_TRY_GOTO(types(meta, &t, err), done);
    FM_TRY_GOTO(special_ids(meta, &t, err), done);
    t.tokens = tokens;
    t.merges = merges;
    FM_TRY_GOTO(fm_tokenizer_from_tables(&t, &inner, err), done);
done:
    fm_free(tokens);
    fm_free(merges);
    return status == FM_OK && inner ? wrap(inner, out, err) : status;
}

fm_status fm_api_tokenizer_of_store(const fm_store *store, fathom_tokenizer **out, fm_error *err) {
    *out = NULL;
    if (strcmp(fm_store_format_name(store), "gguf") == 0)
        return from_meta(fm_store_meta(store), out, err);
    if (fm_store_folder(store)) return open_folder(fm_store_folder(store), out, err);
    return open_beside(fm_store_path(store), out, err);
}

/* ---- the public functions --------------------------------------------------------------------*/

static fm_status open_gguf(const char *path, fathom_tokenizer **out, fm_error *err) {
    fm_store *store;
    FM_TRY(fm_store_open(path, &store, err));
    fm_status status = fm_api_tokenizer_of_store(store, out, err);
    if (status != FM_OK) fm_error_prefix(err, status, "%s", path);
    fm_store_close(store); /* the tokenizer has its own copies */
    return status;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

typedef enum kind { KIND_OTHER, KIND_GGUF, KIND_JSON } kind;

static fm_status sniff(const char *path, kind *out, fm_error *err) {
    fm_map map;
    FM_TRY(fm_map_open(path, &map, err));
    size_t i = 0;
    while (i < map.size && strchr(" \t\r\n", map.data[i]) && map.data[i]) i++;
    *out = KIND_OTHER;
    if (map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0)
        *out = KIND_GGUF;
    else if (i < map.size && map.data[i] == '{')
        *out = KIND_JSON;
    fm_map_close(&map);
    return FM_OK;
}

static fm_status tokenizer_open(const char *path, fathom_tokenizer **out, fm_error *err) {
    if (fm_is_directory(path)) {
        FM_TRY(open_folder(path, out, err));
    } else {
        kind what;
        FM_TRY(sniff(path, &what, err));
        if (ends_with(path, ".safetensors")) {
            FM_TRY(open_beside(path, out, err));
        } else if (what == KIND_GGUF) {
            FM_TRY(open_gguf(path, out, err));
        } else if (what == KIND_JSON) {
            char *folder = folder_of(path);
            fm_status status = folder ? open_json(path, folder, out, err)
                                      : fm_fail_memory(err, strlen(path), "a path");
            fm_free(folder);
            if (status != FM_OK) return status;
        } else {
            return fm_fail(err, FM_ERR_FORMAT,
                           "%s is neither a GGUF file, nor a .safetensors file, nor a "
                           "tokenizer.json", path);
        }
    }
    if (!*out)
        return fm_fail(err, FM_ERR_FORMAT, "%s has no tokenizer: no tokenizer.json lies with it, "
                       "and no tokenizer.ggml.model is in it", path);
    return FM_OK;
}

fathom_status fathom_tokenizer_open(const char *path, fathom_tokenizer **out, fathom_error *err) {
    fm_error inner = {0};
    *out = NULL;
    return fm_api_return(tokenizer_open(path, out, &inner), &inner, err);
}

void fathom_tokenizer_close(fathom_tokenizer *tokenizer) {
    if (!tokenizer) return;
    fm_tokenizer_free(tokenizer->inner);
    fm_free(tokenizer);
}

fm_status fm_api_needs_tokenizer(const fathom_tokenizer *tokenizer, fm_error *err) {
    if (tokenizer) return FM_OK;
    return fm_fail(err, FM_ERR_UNSUPPORTED,
                   "the model has no tokenizer: put its tokenizer.json beside the weights");
}

static fm_status tokenize(const fathom_tokenizer *t, const char *text, size_t size,
                          fathom_encode_mode mode, int32_t **ids, size_t *n, fm_error *err) {
    fm_buffer out = {0};
    FM_TRY(fm_api_needs_tokenizer(t, err));
    fm_status status = fm_tokenizer_encode(
        t->inner, text ? text : "", size,
        mode == FATHOM_SPECIAL ? FM_ENCODE_SPECIAL : FM_ENCODE_PLAIN, &out, err);
    if (status == FM_OK) status = fm_buffer_status(&out, err);
    size_t bytes = out.size;
    if (status == FM_OK && !(*ids = (int32_t *)(void *)fm_buffer_take(&out)))
        status = fm_fail_memory(err, bytes, "token ids");
    if (status == FM_OK) *n = bytes / sizeof **ids;
    fm_buffer_clear(&out);
    return status;
}

fathom_status fathom_tokenize(const fathom_tokenizer *tokenizer, const char *text, size_t size,
                              fathom_encode_mode mode, int32_t **ids, size_t *n,
                              fathom_error *err) {
    fm_error inner = {0};
    *ids = NULL;
    *n = 0;
    return fm_api_return(tokenize(tokenizer, text, size, mode, ids, n, &inner), &inner, err);
}

static fm_status detokenize(const fathom_tokenizer *t, const int32_t *ids, size_t n, char **text,
                            size_t *size, fm_error *err) {
    FM_TRY(fm_api_needs_tokenizer(t, err));
    int64_t limit = fm_tokenizer_size(t->inner);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= limit)
            return fm_fail(err, FM_ERR_ARGUMENT,
                           "id %d at position %zu is not in the vocabulary of %lld tokens", ids[i],
                           i, (long long)limit);
    fm_buffer out = {0};
    fm_tokenizer_decode(t->inner, ids, n, false, &out);
    size_t bytes = out.size;
    fm_status status = fm_buffer_status(&out, err);
    if (status == FM_OK && !(*text = fm_buffer_take(&out)))
        status = fm_fail_memory(err, bytes, "text");
    if (status == FM_OK) *size = bytes;
    fm_buffer_clear(&out);
    return status;
}

fathom_status fathom_detokenize(const fathom_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                char **text, size_t *size, fathom_error *err) {
    fm_error inner = {0};
    *text = NULL;
    *size = 0;
    return fm_api_return(detokenize(tokenizer, ids, n, text, size, &inner), &inner, err);
}

const char *fathom_token_bytes(const fathom_tokenizer *tokenizer, int32_t id, size_t *size) {
    if (tokenizer) return fm_tokenizer_piece(tokenizer->inner, id, size);
    *size = 0;
    return "";
}

bool fathom_token_is_added(const fathom_tokenizer *tokenizer, int32_t id) {
    return tokenizer && fm_tokenizer_is_added(tokenizer->inner, id);
}

int64_t fathom_tokenizer_size(const fathom_tokenizer *tokenizer) {
    return tokenizer ? fm_tokenizer_size(tokenizer->inner) : 0;
}

int32_t fathom_tokenizer_bos(const fathom_tokenizer *tokenizer) {
    return tokenizer ? fm_tokenizer_bos(tokenizer->inner) : -1;
}

int32_t fathom_tokenizer_eos(const fathom_tokenizer *tokenizer) {
    return tokenizer ? fm_tokenizer_eos(tokenizer->inner) : -1;
}

bool fathom_tokenizer_adds_bos(const fathom_tokenizer *tokenizer) {
    return tokenizer && fm_tokenizer_adds_bos(tokenizer->inner);
}
