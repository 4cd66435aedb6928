/* grammar_program.h: a compiled grammar: what every rule does, byte by byte. Private to
 * engine/grammar_*.c and engine/constrain_*.c.
 *
 * Instructions say where to go next themselves, so code can be laid out in any order. Instruction 0
 * is the END of every rule: a CALL whose `b` is 0 has nothing left to do after it.
 *
 *     ws ::= [ \t]*        1: SPLIT 2 0      2: BYTES {20 09} 1
 *
 * Rules are numbered so that a rule which calls another before its first byte has the smaller number
 * (there is such an order, since left recursion is refused). */
#pragma once

#include "engine/grammar/grammar_ast.h"

enum { FM_OP_END, FM_OP_BYTES, FM_OP_SPLIT, FM_OP_CALL };

typedef struct fm_instruction {
    uint32_t op : 2, a : 30; /* BYTES: set; SPLIT: one way; CALL: rule */
    uint32_t b;              /* BYTES, CALL: what follows; SPLIT: the other way */
} fm_instruction;

typedef struct fm_byte_set {
    uint64_t bits[4];
} fm_byte_set;

static inline bool fm_byte_set_has(const fm_byte_set *s, unsigned byte) {
    return s->bits[byte >> 6] >> (byte & 63) & 1;
}

typedef struct fm_program_rule {
    uint32_t start;
    bool nullable;
    bool used; /* neither dissolved nor out of reach */
} fm_program_rule;

typedef struct fm_program {
    fm_instruction *code;
    fm_byte_set *sets;
    fm_program_rule *rules;
    uint16_t *need; /* per instruction: how deep finishing its rule must nest (grammar_need.c) */
    size_t n_code, n_sets, n_rules;
    uint32_t root;                          /* a rule */
    uint8_t class_of[256], example[256];    /* bytes that no set tells apart share a class */
    unsigned n_classes;
} fm_program;

/* From a checked tree. */
fm_status fm_program_compile(const fm_grammar_tree *t, fm_program *out, fm_error *err);
void fm_program_clear(fm_program *p);

fm_status fm_program_find_needs(fm_program *p, fm_error *err);

/* What a CALL needs when it is not stepped over; UINT16_MAX while unknown. */
static inline unsigned fm_call_need(const fm_program *p, uint32_t place) {
    const fm_instruction *i = &p->code[place];
    unsigned inside = p->need[p->rules[i->a].start], after = p->need[i->b];
    if (i->b == 0 || inside == UINT16_MAX || after == UINT16_MAX)
        return inside > after ? inside : after;
    return inside + 1 > after ? inside + 1 : after;
}

/* While compiling: appends an instruction, or finds a set; *out is its number. */
typedef struct fm_coder {
    const fm_grammar_tree *tree;
    fm_buffer code, sets;
    uint32_t set_slots[4096]; /* set numbers + 1 by hash; full rows fall back to a new set */
    fm_error *err;
} fm_coder;

fm_status fm_code_put(fm_coder *c, unsigned op, uint32_t a, uint32_t b, uint32_t *out);
fm_status fm_code_bytes(fm_coder *c, const fm_byte_set *set, uint32_t next, uint32_t *out);
/* grammar_utf8.c: one character of a class, spelled in UTF-8, then `next`. */
fm_status fm_code_class(fm_coder *c, const fm_ast *class, uint32_t next, uint32_t *out);
