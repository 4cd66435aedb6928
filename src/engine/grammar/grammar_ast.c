#include "engine/grammar/grammar_ast.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

void fm_grammar_tree_clear(fm_grammar_tree *t) {
    fm_arena_clear(&t->arena);
    fm_buffer_clear(&t->rules);
    fm_buffer_clear(&t->slots);
    t->all = NULL;
}

/* ---- rules by name -------------------------------------------------------------------------*/

static uint32_t *slot_of(const fm_grammar_tree *t, const char *name, size_t n) {
    uint32_t *slots = (uint32_t *)(void *)t->slots.data;
    size_t mask = t->slots.size / sizeof *slots - 1;
    size_t i = (size_t)fm_hash(name, n, 0) & mask;
    for (; slots[i]; i = (i + 1) & mask) {
        const char *other = fm_ast_rules(t)[slots[i] - 1].name;
        if (strlen(other) == n && memcmp(other, name, n) == 0) break;
    }
    return &slots[i];
}

/* Keeps the table at most half full. */
static bool grow_slots(fm_grammar_tree *t) {
    size_t have = t->slots.size / sizeof(uint32_t), n = fm_ast_rule_count(t);
    if (2 * (n + 1) <= have) return true;
    size_t bytes = (have ? 2 * have : 64) * sizeof(uint32_t);
    fm_buffer_clear(&t->slots);
    void *room = fm_buffer_room(&t->slots, bytes);
    if (!room) return false;
    memset(room, 0, bytes);
    for (size_t i = 0; i < n; i++) {
        const char *name = fm_ast_rules(t)[i].name;
        *slot_of(t, name, strlen(name)) = (uint32_t)i + 1;
    }
    return true;
}

fm_status fm_ast_rule_named(fm_grammar_tree *t, const char *name, size_t n, uint32_t *out,
                            fm_error *err) {
    if (!grow_slots(t)) return fm_fail_memory(err, n, "a grammar");
    uint32_t *slot = slot_of(t, name, n);
    if (!*slot) {
        size_t index = fm_ast_rule_count(t);
        if (index >= FM_GRAMMAR_RULES_MAX)
            return fm_fail(err, FM_ERR_LIMIT, "the grammar has more than %d rules",
                           FM_GRAMMAR_RULES_MAX);
        fm_ast_rule rule = {.name = fm_arena_strndup(&t->arena, name, n)};
        if (rule.name) fm_buffer_put(&t->rules, &rule, sizeof rule);
        if (!rule.name || t->rules.failed) return fm_fail_memory(err, n, "a grammar");
        *slot = (uint32_t)index + 1;
    }
    *out = *slot - 1;
    return FM_OK;
}

/* ---- nodes ---------------------------------------------------------------------------------*/

static fm_status node(fm_grammar_tree *t, fm_ast_kind kind, fm_ast **out, fm_error *err) {
    fm_ast *a = fm_arena_alloc(&t->arena, sizeof *a);
    if (!a) return fm_fail_memory(err, sizeof *a, "a grammar");
    a->kind = kind;
    a->depth = 1;
    a->next = t->all;
    t->all = a;
    *out = a;
    return FM_OK;
}

fm_status fm_ast_literal(fm_grammar_tree *t, const void *bytes, size_t n, fm_ast **out,
                         fm_error *err) {
    FM_TRY(node(t, FM_AST_LITERAL, out, err));
    (*out)->n = n;
    (*out)->bytes = (const unsigned char *)fm_arena_strndup(&t->arena, bytes, n);
    return (*out)->bytes ? FM_OK : fm_fail_memory(err, n, "a grammar");
}

static fm_status adopt(fm_ast *parent, fm_ast *child, fm_error *err) {
    child->parent = parent;
    if (child->depth >= parent->depth) parent->depth = (uint16_t)(child->depth + 1);
    if (parent->depth <= FM_GRAMMAR_NESTING_MAX) return FM_OK;
    return fm_fail(err, FM_ERR_LIMIT,
                   "the grammar nests groups more than %d deep: give inner groups rules of their own",
                   FM_GRAMMAR_NESTING_MAX);
}

fm_status fm_ast_items(fm_grammar_tree *t, fm_ast_kind kind, fm_ast *const *items, size_t n,
                       fm_ast **out, fm_error *err) {
    if (n == 0) return fm_ast_literal(t, "", 0, out, err);
    if (n == 1) {
        *out = items[0];
        return FM_OK;
    }
    fm_ast *a = NULL;
    FM_TRY(node(t, kind, &a, err));
    a->n = n;
    a->items = fm_arena_array(&t->arena, n, sizeof *a->items);
    if (!a->items) return fm_fail_memory(err, n * sizeof *a->items, "a grammar");
    for (size_t i = 0; i < n; i++) {
        a->items[i] = items[i];
        FM_TRY(adopt(a, items[i], err));
    }
    *out = a;
    return FM_OK;
}

fm_status fm_ast_repeat(fm_grammar_tree *t, fm_ast *body, int32_t min, int32_t max, fm_ast **out,
                        fm_error *err) {
    fm_ast *a = NULL;
    FM_TRY(node(t, FM_AST_REPEAT, &a, err));
    a->items = fm_arena_array(&t->arena, 1, sizeof *a->items);
    if (!a->items) return fm_fail_memory(err, sizeof *a->items, "a grammar");
    a->items[0] = body;
    a->n = 1;
    a->min = min;
    a->max = max;
    *out = a;
    return adopt(a, body, err);
}

fm_status fm_ast_mention(fm_grammar_tree *t, uint32_t rule, fm_ast **out, fm_error *err) {
    FM_TRY(node(t, FM_AST_RULE, out, err));
    (*out)->rule = rule;
    (*out)->sibling = fm_ast_rules(t)[rule].mentions;
    fm_ast_rules(t)[rule].mentions = *out;
    return FM_OK;
}

/* ---- character classes ---------------------------------------------------------------------*/

static int by_first(const void *a, const void *b) {
    const fm_code_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Appends [first, last] without the surrogates, which UTF-8 cannot spell. */
static void put_range(fm_buffer *out, uint32_t first, uint32_t last) {
    if (first < 0xD800 && last >= 0xD800) {
        fm_code_range low = {first, 0xD7FF};
        fm_buffer_put(out, &low, sizeof low);
    }
    if (last >= 0xD800 && first < 0xE000) first = 0xE000;
    fm_code_range r = {first, last};
    if (first <= last) fm_buffer_put(out, &r, sizeof r);
}

fm_status fm_ast_class(fm_grammar_tree *t, fm_code_range *ranges, size_t n, bool negated,
                       fm_ast **out, fm_error *err) {
    if (n) qsort(ranges, n, sizeof *ranges, by_first);
    fm_buffer kept = {0};
    uint32_t gap = 0; /* negated: where the next hole begins */
    for (size_t i = 0; i < n;) {
        uint32_t first = ranges[i].first, last = ranges[i].last;
        for (i++; i < n && ranges[i].first <= last + 1; i++)
            if (ranges[i].last > last) last = ranges[i].last;
        if (!negated) put_range(&kept, first, last);
        if (negated && first > gap) put_range(&kept, gap, first - 1);
        gap = last + 1;
    }
    if (negated && gap <= 0x10FFFF) put_range(&kept, gap, 0x10FFFF);
    fm_status status = fm_buffer_status(&kept, err);
    *out = NULL;
    if (status == FM_OK && kept.size) status = node(t, FM_AST_CLASS, out, err);
    if (status == FM_OK && kept.size) {
        (*out)->n = kept.size / sizeof(fm_code_range);
        (*out)->ranges = (const void *)fm_arena_strndup(&t->arena, kept.data, kept.size);
        if (!(*out)->ranges) status = fm_fail_memory(err, kept.size, "a grammar");
    }
    fm_buffer_clear(&kept);
    return status;
}
