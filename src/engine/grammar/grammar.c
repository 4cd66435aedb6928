/* A grammar as its users hold it: the program, and behind a lock the states met so far. */
#include "engine/grammar/grammar_impl.h"
#include "engine/grammar/json_schema.h"

static fm_status prepare(fm_grammar_tree *t, fm_grammar **out, fm_error *err) {
    *out = NULL;
    fm_grammar *g = fm_alloc_zero(sizeof *g, FM_MEM_OTHER);
    if (!g) return fm_fail_memory(err, sizeof *g, "a grammar");
    fm_status status = fm_program_compile(t, &g->program, err);
    if (status == FM_OK) status = fm_states_init(&g->states, &g->program, err);
    if (status != FM_OK) {
        fm_program_clear(&g->program);
        fm_free(g);
        return status;
    }
    atomic_init(&g->owners, 1);
    pthread_mutex_init(&g->lock, NULL);
    *out = g;
    return FM_OK;
}

fm_status fm_grammar_parse(const char *text, size_t size, fm_grammar **out, fm_error *err) {
    *out = NULL;
    fm_grammar_tree t = {0};
    fm_status status = fm_grammar_read(text, size, &t, err);
    if (status == FM_OK) status = fm_grammar_check(&t, err);
    if (status == FM_OK) status = prepare(&t, out, err);
    fm_grammar_tree_clear(&t);
    return status;
}

fm_status fm_grammar_from_json_schema(const char *json, size_t size, fm_json_space space,
                                      fm_grammar **out, fm_error *err) {
    *out = NULL;
    fm_buffer text = {0};
    fm_status status = fm_schema_write(json, size, space, &text, err);
    if (status == FM_OK) {
        status = fm_grammar_parse(text.data, text.size, out, err);
        if (status == FM_ERR_LIMIT) fm_error_prefix(err, status, "the grammar of this JSON schema");
        if (status == FM_ERR_FORMAT) /* nothing else is wrong with a grammar that was written from a schema */
            fm_error_prefix(err, status, "JSON schema: a value requires another one like itself, without end (make "
                                         "the member that refers back optional, or allow null there); as a grammar");
    }
    fm_buffer_clear(&text);
    return status;
}

fm_status fm_grammar_json_object(fm_json_space space, fm_grammar **out, fm_error *err) {
    static const char any_object[] = "{\"type\": \"object\"}";
    return fm_grammar_from_json_schema(any_object, sizeof any_object - 1, space, out, err);
}

fm_grammar *fm_grammar_hold(fm_grammar *g) {
    atomic_fetch_add(&g->owners, 1);
    return g;
}

void fm_grammar_free(fm_grammar *g) {
    if (!g || atomic_fetch_sub(&g->owners, 1) > 1) return;
    fm_states_clear(&g->states);
    fm_program_clear(&g->program);
    pthread_mutex_destroy(&g->lock);
    fm_free(g);
}

fm_grammar_stats fm_grammar_statistics(fm_grammar *g) {
    pthread_mutex_lock(&g->lock);
    fm_grammar_stats s = {
        .instructions = g->program.n_code,
        .byte_classes = g->program.n_classes,
        .states = g->states.live,
        .masks = g->states.n_masks,
        .bytes = g->states.bytes + g->states.mask_bytes,
    };
    for (size_t i = 0; i < g->program.n_rules; i++) s.rules += g->program.rules[i].used;
    pthread_mutex_unlock(&g->lock);
    return s;
}
