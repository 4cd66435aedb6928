/* structured.c: an answer that a program can read: JSON that fits a schema.
 *
 *     cc structured.c $(pkg-config --cflags --libs fathom) -o structured
 *     ./structured MODEL 'Who wrote Faust, and when?' \
 *         '{"type": "object", "properties": {"author": {"type": "string"}, "year": {"type": "integer"}},
 *           "required": ["author", "year"], "additionalProperties": false}'
 *
 * The schema decides at every token which ones may follow, so what comes out always fits it; whether it
 * is true is the model's affair. A model that reasons does so first, freely. */
#include <fathom/fathom.h>

#include <stdio.h>
#include <string.h>

static bool on_text(void *context, const char *text, size_t size, bool thinking) {
    (void)context;
    if (!thinking) fwrite(text, 1, size, stdout);
    return !ferror(stdout);
}

static fathom_status answer(fathom_model *model, const char *question, fathom_grammar *grammar,
                            fathom_generation *result, fathom_error *err) {
    fathom_message message = {"user", question, strlen(question)};
    fathom_generate_options options = fathom_generate_defaults(model);
    fathom_session *session;
    int32_t *prompt;
    size_t n;
    options.grammar = grammar;
    options.max_tokens = 500;
    options.thinking_budget = 200;
    options.on_text = on_text;
    fathom_status status = fathom_chat_tokens(fathom_model_tokenizer(model), &message, 1, NULL, &prompt, &n,
                                              &options.starts_thinking, err);
    if (status != FATHOM_OK) return status;
    status = fathom_session_new(model, &session, err);
    if (status == FATHOM_OK) {
        status = fathom_generate(session, prompt, n, &options, result, err);
        fathom_session_free(session);
    }
    fathom_free(prompt);
    return status;
}

int main(int argc, char **argv) {
    fathom_model *model = NULL;
    fathom_grammar *grammar = NULL;
    fathom_generation result = {0};
    fathom_error err;
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL QUESTION SCHEMA\n", argv[0]);
        return 2;
    }
    /* First what fails fast: a schema with a mistake is refused with the place of it. */
    fathom_status status = fathom_grammar_json_schema(argv[3], strlen(argv[3]), &grammar, &err);
    if (status == FATHOM_OK) status = fathom_model_open(argv[1], NULL, &model, &err);
    if (status == FATHOM_OK) status = answer(model, argv[2], grammar, &result, &err);
    if (status == FATHOM_OK) putchar('\n');
    if (status != FATHOM_OK) fprintf(stderr, "%s\n", err.message);
    fathom_model_close(model);
    fathom_grammar_free(grammar);
    if (status != FATHOM_OK) return 2;
    return result.stop == FATHOM_STOP_END ? 0 : 1; /* 1: cut off before it was whole */
}
