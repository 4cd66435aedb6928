/* fathom_grammar.c: what answers are held to. */
#include "api/handles.h"

static fathom_status hand_over(fm_status status, fm_grammar *inner, const fm_error *err,
                               fathom_grammar **out, fathom_error *error) {
    fm_error memory;
    *out = NULL;
    if (status != FM_OK) return fm_api_return(status, err, error);
    if (!(*out = fm_alloc(sizeof **out, FM_MEM_OTHER))) {
        fm_grammar_free(inner);
        return fm_api_return(fm_fail_memory(&memory, sizeof **out, "a grammar"), &memory, error);
    }
    (*out)->inner = inner;
    return FATHOM_OK;
}

fathom_status fathom_grammar_gbnf(const char *text, size_t size, fathom_grammar **out,
                                  fathom_error *error) {
    fm_error err;
    fm_grammar *inner;
    fm_status status = fm_grammar_parse(text, size, &inner, &err);
    return hand_over(status, inner, &err, out, error);
}

fathom_status fathom_grammar_json_schema(const char *schema, size_t size, fathom_grammar **out,
                                         fathom_error *error) {
    fm_error err;
    fm_grammar *inner;
    fm_status status = fm_grammar_from_json_schema(schema, size, FM_JSON_PRETTY, &inner, &err);
    return hand_over(status, inner, &err, out, error);
}

fathom_status fathom_grammar_json(fathom_grammar **out, fathom_error *error) {
    fm_error err;
    fm_grammar *inner;
    fm_status status = fm_grammar_json_object(FM_JSON_PRETTY, &inner, &err);
    return hand_over(status, inner, &err, out, error);
}

void fathom_grammar_free(fathom_grammar *grammar) {
    if (!grammar) return;
    fm_grammar_free(grammar->inner);
    fm_free(grammar);
}
