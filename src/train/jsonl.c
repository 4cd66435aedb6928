#include "train/jsonl.h"

#include "base/json.h"

#include <string.h>

static fm_status refuse(const fm_jsonl *j, const char *why, fm_error *err) {
    return fm_fail(err, FM_ERR_FORMAT, "%s, line %lld: %s", j->path, (long long)j->line, why);
}

/* The role's own name, which outlives the line; NULL: there is none like it. */
static const char *role_of(const fm_json *message) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    const char *role = fm_json_string(fm_json_get(message, "role"), "");
    for (size_t i = 0; i < FM_COUNT(roles); i++)
        if (strcmp(role, roles[i]) == 0) return roles[i];
    return NULL;
}

static fm_status add_turn(fm_jsonl *j, const char *role, const fm_json *content, const fm_json *thoughts,
                          fm_error *err) {
    fm_turn turn = {role, j->text.size, 0};
    size_t n, m;
    const char *said = fm_json_string_n(content, &n), *thought = fm_json_string_n(thoughts, &m);
    if (!said) return refuse(j, "a message has no content that is a text", err);
    if (thought) {
        fm_buffer_text(&j->text, "<think>\n");
        fm_buffer_put(&j->text, thought, m);
        fm_buffer_text(&j->text, "\n</think>\n\n");
    }
    fm_buffer_put(&j->text, said, n);
    turn.size = j->text.size - turn.at;
    fm_buffer_text(&j->text, "\n");
    fm_buffer_put(&j->turns, &turn, sizeof turn);
    return FM_OK;
}

static fm_status take_messages(fm_jsonl *j, const fm_json *messages, fm_error *err) {
    bool answered = false;
    for (size_t i = 0; i < fm_json_length(messages); i++) {
        const fm_json *m = fm_json_at(messages, i);
        const char *role = role_of(m);
        if (!role) return refuse(j, "a message has no role of system, user, assistant and tool", err);
        if (fm_json_length(fm_json_get(m, "tool_calls")))
            return refuse(j, "a message calls tools, which cannot be learnt from yet", err);
        FM_TRY(add_turn(j, role, fm_json_get(m, "content"), fm_json_get(m, "reasoning_content"), err));
        answered |= strcmp(role, "assistant") == 0;
    }
    return answered ? FM_OK : refuse(j, "a conversation without an answer of the assistant teaches nothing", err);
}

static fm_status take_object(fm_jsonl *j, const fm_json *v, fm_error *err) {
    size_t n;
    const char *text = fm_json_string_n(fm_json_get(v, "text"), &n);
    const fm_json *prompt = fm_json_get(v, "prompt"), *completion = fm_json_get(v, "completion");
    const fm_json *messages = fm_json_get(v, "messages");
    if ((text != NULL) + (prompt && completion) + (messages != NULL) != 1)
        return refuse(j, "it needs one of \"text\", \"prompt\" with \"completion\", and \"messages\"", err);
    if (text) fm_buffer_put(&j->text, text, n);
    if (text) return FM_OK;
    if (messages && fm_json_length(fm_json_get(v, "tools")))
        return refuse(j, "a conversation has tools, which cannot be learnt from yet", err);
    if (messages) return take_messages(j, messages, err);
    FM_TRY(add_turn(j, "user", prompt, NULL, err));
    return add_turn(j, "assistant", completion, NULL, err);
}

fm_status fm_jsonl_line(fm_jsonl *j, const char *line, size_t size, fm_document *out, bool *any, fm_error *err) {
    fm_json *root;
    fm_error inner;
    j->line++;
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' ')) size--;
    *any = size > 0;
    if (size == 0) return FM_OK;
    if (size > FM_DOCUMENT_MAX) return refuse(j, "the line is longer than a document may be", err);
    fm_status status = fm_json_parse(line, size, &root, &inner);
    if (status == FM_ERR_MEMORY) return fm_fail_memory(err, size, "a line of JSON");
    if (status != FM_OK) return refuse(j, inner.message, err);
    j->text.size = j->turns.size = 0;
    status = take_object(j, root, err);
    fm_json_free(root);
    if (status == FM_OK) status = fm_buffer_status(&j->text, err);
    if (status == FM_OK) status = fm_buffer_status(&j->turns, err);
    *out = (fm_document){.text = fm_buffer_string(&j->text), .size = j->text.size, .path = j->path, .line = j->line,
                         .turns = (const fm_turn *)(const void *)j->turns.data,
                         .n_turns = j->turns.size / sizeof(fm_turn)};
    return status;
}

void fm_jsonl_clear(fm_jsonl *j) {
    fm_buffer_clear(&j->text);
    fm_buffer_clear(&j->turns);
}
