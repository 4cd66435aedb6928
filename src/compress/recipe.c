#include "compress/recipe.h"

#include "base/buffer.h"
#include "tensor/encode.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const fm_recipe recipes[] = {
#define RECIPE(name, file_type, usual, head, latent, more, layers, help)                           \
    {name, file_type, FM_DTYPE_##usual, FM_DTYPE_##head, FM_DTYPE_##latent, FM_DTYPE_##more,       \
     FM_RECIPE_##layers, help},
#include "compress/recipes.def"
#undef RECIPE
};

const fm_recipe *fm_recipe_at(size_t i) { return i < FM_COUNT(recipes) ? &recipes[i] : NULL; }

fm_status fm_recipe_find(const char *name, const fm_recipe **out, fm_error *err) {
    for (size_t i = 0; i < FM_COUNT(recipes); i++)
        if (strcasecmp(name, recipes[i].name) == 0) {
            *out = &recipes[i];
            return FM_OK;
        }
    fm_buffer known = {0};
    for (size_t i = 0; i < FM_COUNT(recipes); i++)
        fm_buffer_format(&known, "%s%s", i ? ", " : "", recipes[i].name);
    fm_status status = fm_fail(err, FM_ERR_ARGUMENT, "'%.40s' is none of the types to quantise to: %s", name,
                               fm_buffer_string(&known));
    fm_buffer_clear(&known);
    return status;
}

static bool may_write(fm_dtype d) {
    return d == FM_DTYPE_F32 || d == FM_DTYPE_F16 || d == FM_DTYPE_BF16 || fm_dtype_is_fitted(d);
}

fm_status fm_recipe_type(const char *name, size_t size, fm_dtype *out, fm_error *err) {
    fm_buffer known = {0};
    for (int d = 0; d < FM_DTYPE_COUNT; d++) {
        const char *other = fm_dtype_get((fm_dtype)d)->name;
        if (!may_write((fm_dtype)d)) continue;
        if (strlen(other) == size && strncasecmp(name, other, size) == 0) {
            fm_buffer_clear(&known);
            *out = (fm_dtype)d;
            return FM_OK;
        }
        fm_buffer_format(&known, "%s%s", known.size ? ", " : "", other);
    }
    fm_status status = fm_fail(err, FM_ERR_ARGUMENT, "'%.*s' is none of the types of tensors: %s",
                               (int)(size < 40 ? size : 40), name, fm_buffer_string(&known));
    fm_buffer_clear(&known);
    return status;
}

/* ---- by role ---------------------------------------------------------------------------------*/

static bool has_more(fm_recipe_layers rule, int64_t layer, int64_t layers) {
    int64_t eighth = layers / 8;
    if (rule == FM_RECIPE_NONE) return false;
    if (layer < eighth) return true;
    return rule == FM_RECIPE_ENDS && (layer >= layers - eighth || (layer - eighth) % 3 == 2);
}

static bool is_one_of(fm_role role, const fm_role *roles, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (roles[i] == role) return true;
    return false;
}

fm_dtype fm_recipe_choose(const fm_recipe *r, const fm_config *c, const fm_outlined *item) {
    static const fm_role latent[] = {FM_ROLE_KV_A, FM_ROLE_KV_B, FM_ROLE_K_B, FM_ROLE_V_B};
    static const fm_role sensitive[] = {FM_ROLE_V, FM_ROLE_DOWN, FM_ROLE_EXPERT_DOWN,
                                        FM_ROLE_SHARED_DOWN};
    fm_role role = item->role;
    if (item->n_parts && item->parts[0].entry->is_integer32) return FM_DTYPE_F32;
    if (item->n_dims == 1 || role == FM_ROLE_ROUTER) return FM_DTYPE_F32;
    if (role == FM_ROLES) return item->dtype;
    bool head = role == FM_ROLE_HEAD || role == FM_ROLE_MTP_HEAD ||
                (role == FM_ROLE_EMBED && c->tie_word_embeddings);
    if (head) return r->head;
    if (is_one_of(role, latent, FM_COUNT(latent))) return r->latent;
    if (is_one_of(role, sensitive, FM_COUNT(sensitive)) &&
        has_more(r->layers, item->layer, c->num_hidden_layers))
        return r->more;
    return r->usual;
}

fm_dtype fm_recipe_fit(fm_dtype wish, int64_t columns) {
    static const struct {
        fm_dtype wish, instead;
    } table[] = {{FM_DTYPE_Q4_K, FM_DTYPE_Q5_0},
                 {FM_DTYPE_Q5_K, FM_DTYPE_Q5_1},
                 {FM_DTYPE_Q6_K, FM_DTYPE_Q8_0},
                 {FM_DTYPE_IQ4_XS, FM_DTYPE_IQ4_NL}};
    if (columns % fm_dtype_get(wish)->block_elements == 0) return wish;
    for (size_t i = 0; i < FM_COUNT(table); i++)
        if (table[i].wish == wish && columns % 32 == 0) return table[i].instead;
    return FM_DTYPE_F16;
}

/* ---- by name ---------------------------------------------------------------------------------*/

/* The next "PATTERN=TYPE"; false at the end. A pair without '=' has `type` NULL. */
typedef struct pair {
    char pattern[256];
    const char *type;
    size_t type_size;
} pair;

static bool next_pair(const char **at, pair *out) {
    if (!*at || !**at) return false;
    size_t n = strcspn(*at, ","), equals = 0;
    for (size_t i = 0; i < n; i++)
        if ((*at)[i] == '=') equals = i;
    bool whole = equals > 0 && equals < sizeof out->pattern;
    snprintf(out->pattern, sizeof out->pattern, "%.*s", (int)(whole ? equals : n), *at);
    out->type = whole ? *at + equals + 1 : NULL;
    out->type_size = whole ? n - equals - 1 : 0;
    *at += n + ((*at)[n] == ',');
    return true;
}

static bool matches(const char *pattern, const char *name) {
    return strpbrk(pattern, "*?[") ? fnmatch(pattern, name, 0) == 0 : strstr(name, pattern) != NULL;
}

fm_status fm_overrides_check(const fm_overrides *o, fm_error *err) {
    const char *at = o->text;
    for (pair p; next_pair(&at, &p);) {
        fm_dtype ignored;
        if (!p.type)
            return fm_fail(err, FM_ERR_ARGUMENT, "'%.80s' is not PATTERN=TYPE, as in ffn_down=q6_k", p.pattern);
        FM_TRY(fm_recipe_type(p.type, p.type_size, &ignored, err));
    }
    return FM_OK;
}

bool fm_overrides_find(const fm_overrides *o, const char *name, fm_dtype *out) {
    const char *at = o->text;
    bool found = false;
    for (pair p; next_pair(&at, &p);)
        if (p.type && matches(p.pattern, name))
            found = fm_recipe_type(p.type, p.type_size, out, NULL) == FM_OK || found;
    return found;
}

bool fm_overrides_unused(const fm_overrides *o, const fm_outline *outline, char *pattern, size_t size) {
    const char *at = o->text;
    for (pair p; next_pair(&at, &p);) {
        bool used = false;
        for (size_t i = 0; i < outline->n && !used; i++) used = matches(p.pattern, outline->items[i].name);
        if (used) continue;
        snprintf(pattern, size, "%s", p.pattern);
        return true;
    }
    return false;
}
