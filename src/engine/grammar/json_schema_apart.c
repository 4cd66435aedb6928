/* Two schemas of which no value can fit both: what oneOf needs.
 *
 * One side is known better than its schema says: what is *written* for `a` has a type even where `a`
 * names none, and no members that it does not declare. That no value written for `a` is valid by `b` is
 * proven by types, by enum and const, or by a member that tells objects apart. */
#include "engine/grammar/json_schema.h"

#include <string.h>

enum { DEPTH_MAX = 8 };

static fm_status kinds(fm_schema_writer *w, const fm_schema *s, int depth, unsigned *written, unsigned *valid);

/* Of a choice that is not made yet: of any branch. */
static fm_status kinds_of_branches(fm_schema_writer *w, const fm_schema *s, int part, int depth,
                                   unsigned *written, unsigned *valid) {
    const fm_json *one = fm_json_get(s->parts[part].schema, "oneOf");
    const char *keyword = one ? "oneOf" : "anyOf";
    const fm_json *list = fm_json_get(s->parts[part].schema, keyword);
    unsigned some_written = 0, some_valid = 0;
    for (size_t i = 0; i < fm_json_length(list); i++) {
        fm_schema *branch;
        unsigned x, y;
        FM_TRY(fm_schema_branch(w, s, part, keyword, i, &branch));
        FM_TRY(fm_schema_expand(w, branch));
        FM_TRY(kinds(w, branch, depth + 1, &x, &y));
        some_written |= x;
        some_valid |= y;
    }
    *written = some_written;
    *valid = some_valid;
    return FM_OK;
}

static fm_status kinds(fm_schema_writer *w, const fm_schema *s, int depth, unsigned *written, unsigned *valid) {
    int choice = fm_schema_choice(s);
    *written = *valid = 0;
    if (s->never) return FM_OK;
    if (choice >= 0 && depth < DEPTH_MAX) return kinds_of_branches(w, s, choice, depth, written, valid);
    FM_TRY(fm_schema_kinds(w, s, written, valid));
    if (choice >= 0) *written = *valid; /* too deep to look: all that the type allows */
    if (!fm_schema_has_values(s)) return FM_OK;
    const fm_json **values;
    size_t n;
    unsigned all = 0;
    FM_TRY(fm_schema_values(w, s, &values, &n));
    for (size_t i = 0; i < n; i++) all |= fm_schema_kind_of(values[i]);
    *written = *valid = all;
    return FM_OK;
}

static fm_status apart_by_values(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, bool *apart) {
    const fm_json **x, **y;
    size_t n, m;
    FM_TRY(fm_schema_values(w, a, &x, &n));
    FM_TRY(fm_schema_values(w, b, &y, &m));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++) {
            if (fm_schema_equal(w, x[i], y[k])) return FM_OK;
            FM_TRY(fm_schema_spend(w, 1));
        }
    *apart = true;
    return FM_OK;
}

static fm_status prove(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, int depth, bool *apart);

/* Both are objects: does member `key` tell them apart? */
static fm_status apart_by_member(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, const char *key,
                                 int depth, bool *apart) {
    bool in_a, in_b;
    fm_schema *x = fm_schema_member(w, a, key, &in_a), *y = fm_schema_member(w, b, key, &in_b);
    if (!x || !y) return w->err->code;
    FM_TRY(fm_schema_expand(w, x));
    FM_TRY(fm_schema_expand(w, y));
    bool a_always = fm_schema_writes(a, key), b_always = fm_schema_requires(b, key);
    bool a_never = x->never || (!in_a && !a_always && !fm_schema_open(a));
    if (b_always && a_never) *apart = true;
    if (a_always && y->never) *apart = true;
    if (a_always && !*apart) return prove(w, x, y, depth + 1, apart);
    return FM_OK;
}

static fm_status apart_by_members(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, int depth,
                                  bool *apart) {
    const fm_schema *sides[] = {a, b};
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < sides[side]->n; i++) {
            const fm_json *required = fm_json_get(sides[side]->parts[i].schema, "required");
            for (size_t k = 0; k < fm_json_length(required) && !*apart; k++) {
                const char *key = fm_json_string(fm_json_at(required, k), NULL);
                if (key) FM_TRY(apart_by_member(w, a, b, key, depth, apart));
            }
            const fm_json *discriminator = fm_json_get(sides[side]->parts[i].schema, "discriminator");
            const char *name = fm_json_string(fm_json_get(discriminator, "propertyName"), NULL);
            if (name && !*apart) FM_TRY(apart_by_member(w, a, b, name, depth, apart));
        }
    return FM_OK;
}

static fm_status prove(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, int depth, bool *apart) {
    unsigned written_a, valid_a, written_b, valid_b;
    FM_TRY(fm_schema_spend(w, 64));
    FM_TRY(kinds(w, a, 0, &written_a, &valid_a));
    FM_TRY(kinds(w, b, 0, &written_b, &valid_b));
    *apart = (written_a & valid_b) == 0;
    bool open = fm_schema_choice(a) >= 0 || fm_schema_choice(b) >= 0;
    if (*apart || open || depth > DEPTH_MAX) return FM_OK;
    if (fm_schema_has_values(a) && fm_schema_has_values(b)) return apart_by_values(w, a, b, apart);
    if (fm_schema_has_values(a) || (written_a & valid_b) != FM_KIND_OBJECT) return FM_OK;
    return apart_by_members(w, a, b, depth, apart);
}

fm_status fm_schema_apart(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, bool *apart) {
    return prove(w, a, b, 0, apart);
}
