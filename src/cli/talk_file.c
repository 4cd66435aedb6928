#include "cli/talk_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/ids.h"

#include <string.h>

/* ---- out -------------------------------------------------------------------------------------*/

static void put_message(fm_json_writer *w, const fathom_message *m, const char *thoughts) {
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "role", m->role);
    fm_json_put_text(w, "content", m->content);
    if (thoughts) fm_json_put_text(w, "reasoning_content", thoughts);
    fm_json_close(w, '}');
}

fm_status fm_talk_save(const fm_conversation *c, const char *model, const char *path,
                             fm_error *err) {
    fm_buffer text = {0};
    fm_json_writer w = {.out = &text};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "model", model);
    fm_json_open(&w, "messages", '[');
    if (c->system) put_message(&w, &(fathom_message){"system", c->system, strlen(c->system)}, NULL);
    for (size_t i = 0; i < c->n; i++) put_message(&w, &c->messages[i], c->thoughts[i]);
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    fm_writer *writer;
    fm_status status = fm_buffer_status(&text, err);
    if (status == FM_OK) status = fm_writer_open(path, &writer, err);
    if (status == FM_OK) {
        status = fm_writer_put(writer, text.data, text.size, err);
        if (status == FM_OK)
            status = fm_writer_commit(writer, err);
        else
            fm_writer_abort(writer);
    }
    fm_buffer_clear(&text);
    return status;
}

/* ---- in --------------------------------------------------------------------------------------*/

/* A string without zero bytes, or NULL. */
static const char *text_of(const fm_json *message, const char *key, size_t *n) {
    const char *text = fm_json_string_n(fm_json_get(message, key), n);
    return text && !memchr(text, 0, *n) ? text : NULL;
}

static const char *known_role(const char *role) {
    static const char *const roles[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < FM_COUNT(roles); i++)
        if (strcmp(role, roles[i]) == 0) return roles[i];
    return NULL;
}

static fm_status take_message(fm_conversation *c, const fm_json *message, size_t i, const char *path,
                              fm_error *err) {
    size_t n = 0, n_thoughts = 0;
    const char *role = known_role(fm_json_string(fm_json_get(message, "role"), ""));
    const char *content = text_of(message, "content", &n);
    const char *thoughts = text_of(message, "reasoning_content", &n_thoughts);
    if (!role)
        return fm_fail(err, FM_ERR_FORMAT, "%s: the role of message %zu is not \"system\", \"user\" "
                       "or \"assistant\"", path, i + 1);
    if (!content)
        return fm_fail(err, FM_ERR_FORMAT, "%s: message %zu has no \"content\" that is plain text",
                       path, i + 1);
    if (strcmp(role, "system") == 0) {
        if (i > 0)
            return fm_fail(err, FM_ERR_FORMAT, "%s: message %zu is a system prompt; only the first "
                           "may be one", path, i + 1);
        return fm_conversation_system(c, content, err);
    }
    FM_TRY(fm_conversation_add(c, role, content, n, err));
    return thoughts ? fm_conversation_think(c, thoughts, n_thoughts, err) : FM_OK;
}

static fm_status take_all(fm_conversation *c, const fm_json *root, const char *path, fm_error *err) {
    const fm_json *list = fm_json_kind_of(root) == FM_JSON_ARRAY ? root : fm_json_get(root, "messages");
    if (fm_json_kind_of(list) != FM_JSON_ARRAY || fm_json_length(list) == 0)
        return fm_fail(err, FM_ERR_FORMAT, "%s holds no conversation: there are no \"messages\" in it",
                       path);
    for (size_t i = 0; i < fm_json_length(list); i++)
        FM_TRY(take_message(c, fm_json_at(list, i), i, path, err));
    return FM_OK;
}

fm_status fm_talk_load(fm_conversation *c, const char *path, fm_error *err) {
    char *text;
    size_t size;
    fm_json *root;
    fm_conversation loaded = {0};
    fm_error why;
    FM_TRY(fm_file_read(path, FM_TEXT_LIMIT, &text, &size, err));
    fm_status status = fm_json_parse(text, size, &root, &why);
    if (status == FM_OK)
        status = take_all(&loaded, root, path, err);
    else
        fm_fail(err, status, "%s is not JSON: %s", path, why.message);
    fm_json_free(root);
    fm_free(text);
    if (status == FM_OK) {
        fm_conversation_free(c);
        *c = loaded;
    } else {
        fm_conversation_free(&loaded);
    }
    return status;
}
