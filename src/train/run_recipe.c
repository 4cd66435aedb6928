/* run_recipe.c: values by key, whatever they come from and go to. Files are read in run_recipe_file.c. */
#include "train/run_recipe.h"

#include "base/json_write.h"
#include "base/nearest.h"
#include "base/unicode.h"
#include "train/run_recipe_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED true
#define FREE false
#define AT(section, key) offsetof(fm_run_recipe, section.key)
const fm_recipe_key fm_recipe_keys[] = {
#define SECTION(name)
#define SECTION_END(name)
#define INTEGER(section, key, fallback, low, high, when, help)                                     \
    {FM_RECIPE_INTEGER, #section, #key, fallback, AT(section, key), low, high, NULL, when, help},
#define REAL(section, key, fallback, low, high, when, help)                                        \
    {FM_RECIPE_REAL, #section, #key, fallback, AT(section, key), low, high, NULL, when, help},
#define FLAG(section, key, fallback, when, help)                                                   \
    {FM_RECIPE_FLAG, #section, #key, fallback, AT(section, key), 0, 0, NULL, when, help},
#define TEXT(section, key, fallback, when, help)                                                   \
    {FM_RECIPE_TEXT, #section, #key, fallback, AT(section, key), 0, 0, NULL, when, help},
#define TEXTS(section, key, fallback, when, help)                                                  \
    {FM_RECIPE_TEXTS, #section, #key, fallback, AT(section, key), 0, 0, NULL, when, help},
#define CHOICE(section, key, fallback, choices, when, help)                                        \
    {FM_RECIPE_CHOICE, #section, #key, fallback, AT(section, key), 0, 0, choices, when, help},
#include "train/run_recipe.def"
};
const size_t fm_recipe_key_count = FM_COUNT(fm_recipe_keys);

static void *field(const fm_run_recipe *recipe, const fm_recipe_key *key) {
    return (char *)(uintptr_t)recipe + key->offset;
}

const char *fm_recipe_word(const char *choices, int i, size_t *n) {
    for (; i > 0 && choices; i--)
        if ((choices = strchr(choices, '|'))) choices++;
    *n = choices ? strcspn(choices, "|") : 0;
    return choices;
}

/* ---- one value ---------------------------------------------------------------------------------*/

fm_status fm_recipe_refuse(const fm_recipe_key *k, const char *got, fm_error *err) {
    char wanted[160] = "a text";
    switch (k->kind) {
    case FM_RECIPE_INTEGER:
        snprintf(wanted, sizeof wanted, "a whole number from %.15g to %.15g", k->low, k->high);
        break;
    case FM_RECIPE_REAL: snprintf(wanted, sizeof wanted, "a number from %.15g to %.15g", k->low, k->high); break;
    case FM_RECIPE_FLAG: strcpy(wanted, "true or false"); break;
    case FM_RECIPE_CHOICE: snprintf(wanted, sizeof wanted, "one of %s", k->choices); break;
    case FM_RECIPE_TEXTS: strcpy(wanted, "a list of texts"); break;
    case FM_RECIPE_TEXT: break;
    }
    return fm_fail(err, FM_ERR_ARGUMENT, "%s.%s must be %s, not %.80s", k->section, k->key, wanted, got);
}

fm_status fm_recipe_set_number(fm_run_recipe *r, const fm_recipe_key *k, double number, fm_error *err) {
    char got[40];
    snprintf(got, sizeof got, "%.15g", number);
    bool whole = k->kind != FM_RECIPE_INTEGER || number == floor(number);
    bool takes = k->kind == FM_RECIPE_INTEGER || k->kind == FM_RECIPE_REAL;
    if (!takes || !whole || !(number >= k->low && number <= k->high)) return fm_recipe_refuse(k, got, err);
    if (k->kind == FM_RECIPE_INTEGER) *(int64_t *)field(r, k) = (int64_t)number;
    else *(double *)field(r, k) = number;
    return FM_OK;
}

fm_status fm_recipe_set_texts(fm_run_recipe *r, const fm_recipe_key *k, const char *const *items, size_t n,
                              fm_error *err) {
    const char **copy = fm_arena_array(&r->arena, n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = fm_arena_strndup(&r->arena, items[i], strlen(items[i])))) copy = NULL;
    if (!copy) return fm_fail_memory(err, n, "a recipe");
    *(fm_recipe_texts *)field(r, k) = (fm_recipe_texts){copy, n};
    return FM_OK;
}

static fm_status set_choice(fm_run_recipe *r, const fm_recipe_key *k, const char *text, fm_error *err) {
    size_t n;
    const char *word;
    for (int i = 0; (word = fm_recipe_word(k->choices, i, &n)); i++)
        if (strlen(text) == n && strncmp(word, text, n) == 0) return *(int *)field(r, k) = i, FM_OK;
    return fm_recipe_refuse(k, text, err);
}

/* "a|b" */
static fm_status set_list(fm_run_recipe *r, const fm_recipe_key *k, const char *text, fm_error *err) {
    enum { MOST = 64 };
    const char *items[MOST];
    size_t n = 0, length;
    const char *word;
    for (int i = 0; *text && n < MOST && (word = fm_recipe_word(text, i, &length)); i++)
        if (!(items[n++] = fm_arena_strndup(&r->arena, word, length)))
            return fm_fail_memory(err, length, "a recipe");
    return fm_recipe_set_texts(r, k, items, n, err);
}

fm_status fm_recipe_value_set(fm_run_recipe *r, const fm_recipe_key *k, const char *text, fm_error *err) {
    switch (k->kind) {
    case FM_RECIPE_INTEGER:
    case FM_RECIPE_REAL: {
        char *end;
        double number = strtod(text, &end);
        if (end == text || *end) return fm_recipe_refuse(k, text, err);
        return fm_recipe_set_number(r, k, number, err);
    }
    case FM_RECIPE_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) return fm_recipe_refuse(k, text, err);
        *(bool *)field(r, k) = *text == 't';
        return FM_OK;
    case FM_RECIPE_TEXT: {
        const char *copy = fm_arena_strndup(&r->arena, text, strlen(text));
        if (!copy) return fm_fail_memory(err, strlen(text), "a recipe");
        *(const char **)field(r, k) = copy;
        return FM_OK;
    }
    case FM_RECIPE_TEXTS: return set_list(r, k, text, err);
    case FM_RECIPE_CHOICE: return set_choice(r, k, text, err);
    }
    return FM_OK;
}

void fm_recipe_value_text(const fm_run_recipe *r, const fm_recipe_key *k, fm_buffer *out) {
    const void *v = field(r, k);
    const fm_recipe_texts *list = v;
    size_t n;
    switch (k->kind) {
    case FM_RECIPE_INTEGER: fm_buffer_format(out, "%lld", (long long)*(const int64_t *)v); break;
    case FM_RECIPE_REAL: fm_buffer_format(out, "%.15g", *(const double *)v); break;
    case FM_RECIPE_FLAG: fm_buffer_text(out, *(const bool *)v ? "true" : "false"); break;
    case FM_RECIPE_TEXT: fm_buffer_text(out, *(const char *const *)v); break;
    case FM_RECIPE_CHOICE: {
        const char *word = fm_recipe_word(k->choices, *(const int *)v, &n);
        fm_buffer_put(out, word, n);
        break;
    }
    case FM_RECIPE_TEXTS:
        for (size_t i = 0; i < list->n; i++) fm_buffer_format(out, i ? "|%s" : "%s", list->at[i]);
        break;
    }
}

/* ---- all of them -------------------------------------------------------------------------------*/

fm_status fm_run_recipe_begin(fm_run_recipe *out, fm_error *err) {
    *out = (fm_run_recipe){0};
    fm_status status = FM_OK;
    for (size_t i = 0; i < fm_recipe_key_count && status == FM_OK; i++)
        status = fm_recipe_value_set(out, &fm_recipe_keys[i], fm_recipe_keys[i].fallback, err);
    if (status != FM_OK) fm_run_recipe_clear(out);
    return status;
}

void fm_run_recipe_clear(fm_run_recipe *r) {
    fm_arena_clear(&r->arena);
    *r = (fm_run_recipe){0};
}

fm_status fm_run_recipe_set(fm_run_recipe *r, const char *assignment, fm_error *err) {
    const char *equals = strchr(assignment, '='), *names[128];
    char wrong[80], full[128][48];
    size_t n = equals ? (size_t)(equals - assignment) : 0, known = 0;
    if (!n)
        return fm_fail(err, FM_ERR_ARGUMENT, "'%.80s' sets no key: write SECTION.KEY=VALUE", assignment);
    if (!fm_utf8_valid(equals, strlen(equals)))
        return fm_fail(err, FM_ERR_ARGUMENT, "a value is not UTF-8, so the recipe that a run keeps could not be read "
                       "again: give a path or text of another spelling");
    snprintf(wrong, sizeof wrong, "%.*s", (int)(n < sizeof wrong ? n : sizeof wrong - 1), assignment);
    for (size_t i = 0; i < fm_recipe_key_count && i < FM_COUNT(full); i++) {
        snprintf(full[i], sizeof full[i], "%s.%s", fm_recipe_keys[i].section, fm_recipe_keys[i].key);
        if (strcmp(full[i], wrong) == 0) return fm_recipe_value_set(r, &fm_recipe_keys[i], equals + 1, err);
        names[known++] = full[i];
    }
    const char *near = fm_nearest_word(wrong, names, known);
    return fm_fail(err, FM_ERR_ARGUMENT, near ? "a recipe has no key '%s'; did you mean '%s'?"
                                              : "a recipe has no key '%s' (--help-recipe lists them)%s",
                   wrong, near ? near : "");
}

static void put_key(fm_json_writer *w, const fm_run_recipe *r, const fm_recipe_key *k) {
    const void *v = field(r, k);
    const fm_recipe_texts *list = v;
    fm_buffer word = {0};
    switch (k->kind) {
    case FM_RECIPE_INTEGER: fm_json_put_integer(w, k->key, *(const int64_t *)v); break;
    case FM_RECIPE_REAL: fm_json_put_real(w, k->key, *(const double *)v); break;
    case FM_RECIPE_FLAG: fm_json_put_bool(w, k->key, *(const bool *)v); break;
    case FM_RECIPE_TEXTS:
        fm_json_open(w, k->key, '[');
        for (size_t i = 0; i < list->n; i++) fm_json_put_text(w, NULL, list->at[i]);
        fm_json_close(w, ']');
        break;
    case FM_RECIPE_TEXT:
    case FM_RECIPE_CHOICE:
        fm_recipe_value_text(r, k, &word);
        fm_json_put_text(w, k->key, fm_buffer_string(&word));
        w->out->failed |= word.failed;
        fm_buffer_clear(&word);
        break;
    }
}

static void put_keys(const fm_run_recipe *r, bool all, fm_json_writer *w, const char *name) {
    const char *section = "";
    fm_json_open(w, name, '{');
    for (size_t i = 0; i < fm_recipe_key_count; i++) {
        const fm_recipe_key *k = &fm_recipe_keys[i];
        if (!all && !k->fixed) continue;
        if (strcmp(section, k->section) != 0) {
            if (*section) fm_json_close(w, '}');
            fm_json_open(w, section = k->section, '{');
        }
        put_key(w, r, k);
    }
    fm_json_close(w, '}');
    fm_json_close(w, '}');
}

void fm_run_recipe_put(const fm_run_recipe *recipe, fm_buffer *out) {
    put_keys(recipe, true, &(fm_json_writer){.out = out}, NULL);
}

void fm_run_recipe_put_fixed(const fm_run_recipe *recipe, fm_buffer *out) {
    put_keys(recipe, false, &(fm_json_writer){.out = out}, NULL);
}

void fm_run_recipe_put_member(const fm_run_recipe *recipe, fm_json_writer *w, const char *key) {
    put_keys(recipe, true, w, key);
}

fm_status fm_run_recipe_hash(const fm_run_recipe *r, char hex[FM_SHA256_HEX + 1], fm_error *err) {
    fm_buffer text = {0};
    fm_run_recipe_put_fixed(r, &text);
    fm_status status = fm_buffer_status(&text, err);
    if (status == FM_OK) fm_sha256_of(text.data, text.size, hex);
    fm_buffer_clear(&text);
    return status;
}

fm_status fm_run_recipe_same(const fm_run_recipe *before, const fm_run_recipe *now, fm_error *err) {
    fm_status status = FM_OK;
    for (size_t i = 0; i < fm_recipe_key_count && status == FM_OK; i++) {
        const fm_recipe_key *k = &fm_recipe_keys[i];
        fm_buffer a = {0}, b = {0};
        fm_recipe_value_text(before, k, &a);
        fm_recipe_value_text(now, k, &b);
        if (a.failed || b.failed) status = fm_fail_memory(err, a.size + b.size, "a recipe");
        else if (k->fixed && strcmp(fm_buffer_string(&a), fm_buffer_string(&b)) != 0)
            status = fm_fail(err, FM_ERR_ARGUMENT,
                             "this run has %s.%s = %.120s and the recipe now says %.120s: give the old value, or "
                             "another folder for another run", k->section, k->key, fm_buffer_string(&a),
                             fm_buffer_string(&b));
        fm_buffer_clear(&a);
        fm_buffer_clear(&b);
    }
    return status;
}

/* ---- help --------------------------------------------------------------------------------------*/

void fm_run_recipe_help(fm_buffer *out) {
    const char *section = "";
    for (size_t i = 0; i < fm_recipe_key_count; i++) {
        const fm_recipe_key *k = &fm_recipe_keys[i];
        if (strcmp(section, k->section) != 0) fm_buffer_format(out, i ? "\n%s\n" : "%s\n", section = k->section);
        fm_buffer_format(out, "  %-17s%s%s%s", k->key, k->help, k->choices ? ": " : "", k->choices ? k->choices : "");
        if (*k->fallback) fm_buffer_format(out, " [%s]", k->fallback);
        fm_buffer_text(out, k->fixed ? "\n" : " *\n");
    }
    fm_buffer_text(out, "\n* may be another when a run goes on\n");
}

void fm_run_recipe_help_markdown(fm_buffer *out) {
    fm_buffer_text(out, "| key | default | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < fm_recipe_key_count; i++) {
        const fm_recipe_key *k = &fm_recipe_keys[i];
        fm_buffer_format(out, "| `%s.%s`%s | %s%s%s | %s", k->section, k->key, k->fixed ? "" : " \\*",
                         *k->fallback ? "`" : "", k->fallback, *k->fallback ? "`" : "", k->help);
        size_t n;
        for (int c = 0; k->choices && fm_recipe_word(k->choices, c, &n); c++)
            fm_buffer_format(out, "%s`%.*s`", c ? ", " : " (", (int)n, fm_recipe_word(k->choices, c, &n));
        fm_buffer_text(out, k->choices ? ") |\n" : " |\n");
    }
}
