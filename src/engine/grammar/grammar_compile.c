/* A checked tree to automata. Code is made from the end to the beginning: whoever makes code for a
 * node is told what follows it. */
#include "engine/grammar/grammar_program.h"

#include "base/hash.h"

#include <string.h>

void fm_program_clear(fm_program *p) {
    fm_free(p->code);
    fm_free(p->sets);
    fm_free(p->rules);
    fm_free(p->need);
    *p = (fm_program){0};
}

fm_status fm_code_put(fm_coder *c, unsigned op, uint32_t a, uint32_t b, uint32_t *out) {
    size_t n = c->code.size / sizeof(fm_instruction);
    if (n >= FM_GRAMMAR_SIZE_MAX)
        return fm_fail(c->err, FM_ERR_LIMIT,
                       "the grammar takes more than %d instructions when its repetitions are written out",
                       FM_GRAMMAR_SIZE_MAX);
    fm_instruction i = {.op = op, .a = a, .b = b};
    fm_buffer_put(&c->code, &i, sizeof i);
    *out = (uint32_t)n;
    return fm_buffer_status(&c->code, c->err);
}

static fm_status find_set(fm_coder *c, const fm_byte_set *set, uint32_t *out) {
    uint64_t h = fm_hash(set, sizeof *set, 0);
    uint32_t *slot = NULL;
    for (unsigned i = 0; i < 16 && !slot; i++) {
        uint32_t *s = &c->set_slots[(h + i) % FM_COUNT(c->set_slots)];
        const fm_byte_set *sets = (const fm_byte_set *)(const void *)c->sets.data;
        if (!*s || memcmp(&sets[*s - 1], set, sizeof *set) == 0) slot = s;
    }
    if (slot && *slot) {
        *out = *slot - 1;
        return FM_OK;
    }
    *out = (uint32_t)(c->sets.size / sizeof *set);
    if (slot) *slot = *out + 1;
    fm_buffer_put(&c->sets, set, sizeof *set);
    return fm_buffer_status(&c->sets, c->err);
}

fm_status fm_code_bytes(fm_coder *c, const fm_byte_set *set, uint32_t next, uint32_t *out) {
    uint32_t index;
    FM_TRY(find_set(c, set, &index));
    return fm_code_put(c, FM_OP_BYTES, index, next, out);
}

static fm_status put_node(fm_coder *c, const fm_ast *a, uint32_t next, uint32_t *out);

static fm_status put_literal(fm_coder *c, const fm_ast *a, uint32_t next, uint32_t *out) {
    *out = next;
    for (size_t i = a->n; i > 0; i--) {
        fm_byte_set set = {0};
        set.bits[a->bytes[i - 1] >> 6] = (uint64_t)1 << (a->bytes[i - 1] & 63);
        FM_TRY(fm_code_bytes(c, &set, *out, out));
    }
    return FM_OK;
}

static fm_status put_choice(fm_coder *c, const fm_ast *a, uint32_t next, uint32_t *out) {
    uint32_t rest, one;
    FM_TRY(put_node(c, a->items[a->n - 1], next, &rest));
    for (size_t i = a->n - 1; i > 0; i--) {
        FM_TRY(put_node(c, a->items[i - 1], next, &one));
        FM_TRY(fm_code_put(c, FM_OP_SPLIT, one, rest, &rest));
    }
    *out = rest;
    return FM_OK;
}

/* x{2,4} is x x (x (x)?)?; x{2,} is x and a loop  L: x (L | next). */
static fm_status put_repeat(fm_coder *c, const fm_ast *a, uint32_t next, uint32_t *out) {
    const fm_ast *body = a->items[0];
    int32_t must = a->min, may = a->max - a->min;
    uint32_t at = next, one;
    if (a->max < 0) {
        uint32_t loop = 0;
        FM_TRY(fm_code_put(c, FM_OP_SPLIT, 0, next, &loop));
        FM_TRY(put_node(c, body, loop, &one));
        ((fm_instruction *)(void *)c->code.data)[loop].a = one;
        at = must > 0 ? one : loop;
        must--;
        may = 0;
    }
    for (; may > 0; may--) {
        FM_TRY(put_node(c, body, at, &one));
        FM_TRY(fm_code_put(c, FM_OP_SPLIT, one, next, &at));
    }
    for (; must > 0; must--) FM_TRY(put_node(c, body, at, &at));
    *out = at;
    return FM_OK;
}

static fm_status put_node(fm_coder *c, const fm_ast *a, uint32_t next, uint32_t *out) {
    const fm_ast_rule *r;
    switch (a->kind) {
    case FM_AST_LITERAL: return put_literal(c, a, next, out);
    case FM_AST_CLASS: return fm_code_class(c, a, next, out);
    case FM_AST_CHOICE: return put_choice(c, a, next, out);
    case FM_AST_REPEAT: return put_repeat(c, a, next, out);
    case FM_AST_SEQUENCE:
        for (size_t i = a->n; i > 0; i--) FM_TRY(put_node(c, a->items[i - 1], next, &next));
        *out = next;
        return FM_OK;
    case FM_AST_RULE: break;
    }
    r = &fm_ast_rules(c->tree)[a->rule];
    if (r->dissolve) return put_node(c, r->body, next, out);
    return fm_code_put(c, FM_OP_CALL, r->order, next, out);
}

/* ---- classes of bytes ----------------------------------------------------------------------*/

/* Starts with one class and lets every set split the classes that it cuts in two. */
static void classify(fm_program *p) {
    p->n_classes = 1;
    for (size_t s = 0; s < p->n_sets && p->n_classes < 256; s++) {
        uint16_t inside[256], outside[256]; /* new number of a class's two halves; 0xFFFF: none yet */
        memset(inside, 0xFF, sizeof inside);
        memset(outside, 0xFF, sizeof outside);
        unsigned n = 0;
        for (unsigned b = 0; b < 256; b++) {
            uint16_t *half = fm_byte_set_has(&p->sets[s], b) ? inside : outside;
            if (half[p->class_of[b]] == 0xFFFF) half[p->class_of[b]] = (uint16_t)n++;
            p->class_of[b] = (uint8_t)half[p->class_of[b]];
        }
        p->n_classes = n;
    }
    for (int b = 255; b >= 0; b--) p->example[p->class_of[b]] = (uint8_t)b;
}

static fm_status compile_rules(fm_coder *c, fm_program *out) {
    const fm_grammar_tree *t = c->tree;
    uint32_t end = 0;
    FM_TRY(fm_code_put(c, FM_OP_END, 0, 0, &end));
    out->n_rules = fm_ast_rule_count(t);
    out->rules = fm_alloc_array(out->n_rules, sizeof *out->rules, FM_MEM_OTHER);
    if (!out->rules) return fm_fail_memory(c->err, out->n_rules * sizeof *out->rules, "a grammar");
    for (size_t i = 0; i < out->n_rules; i++) {
        const fm_ast_rule *r = &fm_ast_rules(t)[i];
        if (!r->reachable || r->dissolve) continue;
        out->rules[r->order].nullable = r->nullable;
        out->rules[r->order].used = true;
        FM_TRY(put_node(c, r->body, end, &out->rules[r->order].start));
    }
    out->root = fm_ast_rules(t)[t->root].order;
    out->n_code = c->code.size / sizeof *out->code;
    out->n_sets = c->sets.size / sizeof *out->sets;
    out->code = (fm_instruction *)(void *)fm_buffer_take(&c->code);
    out->sets = (fm_byte_set *)(void *)fm_buffer_take(&c->sets);
    if (!out->code || !out->sets) return fm_fail_memory(c->err, out->n_code * 8, "a grammar");
    classify(out);
    return fm_program_find_needs(out, c->err);
}

fm_status fm_program_compile(const fm_grammar_tree *t, fm_program *out, fm_error *err) {
    *out = (fm_program){0};
    fm_coder *c = fm_alloc_zero(sizeof *c, FM_MEM_OTHER);
    if (!c) return fm_fail_memory(err, sizeof *c, "a grammar");
    c->tree = t;
    c->err = err;
    fm_status status = compile_rules(c, out);
    fm_buffer_clear(&c->code);
    fm_buffer_clear(&c->sets);
    fm_free(c);
    if (status != FM_OK) fm_program_clear(out);
    return status;
}
