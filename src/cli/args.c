#include "cli/args.h"

#include "base/nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ----------------------------------------------------------------------------------*/

bool fm_args_number(const char *text, double *out) {
    if (!*text || strchr(" \t\n+", *text)) return false;
    char *end;
    double value = strtod(text, &end);
    if (end == text || !isfinite(value)) return false;
    switch (*end) {
    case 'k': case 'K': value *= 1e3, end++; break;
    case 'm': case 'M': value *= 1e6, end++; break;
    case 'b': case 'B': case 'g': case 'G': value *= 1e9, end++; break;
    case 't': case 'T': value *= 1e12, end++; break;
    default: break;
    }
    *out = value;
    return *end == 0;
}

static fm_status refuse(const fm_option *o, const char *text, const char *wanted, fm_error *err) {
    return fm_fail(err, FM_ERR_ARGUMENT, "--%s must be %s, not '%s'", o->name, wanted, text);
}

static fm_status out_of_range(const fm_option *o, const char *text, fm_error *err) {
    char wanted[80];
    const char *kind = o->kind == FM_OPTION_INTEGER ? "a whole number" : "a number";
    if (o->high < 1e15)
        snprintf(wanted, sizeof wanted, "%s from %.15g to %.15g", kind, o->low, o->high);
    else
        snprintf(wanted, sizeof wanted, "%s, %.15g or more", kind, o->low);
    return refuse(o, text, wanted, err);
}

/* Index of `text` among words separated by '|', or -1. */
static int choice_of(const char *choices, const char *text) {
    size_t n = strlen(text);
    int index = 0;
    for (const char *word = choices; word; index++) {
        const char *bar = strchr(word, '|');
        size_t length = bar ? (size_t)(bar - word) : strlen(word);
        if (length == n && memcmp(word, text, n) == 0) return index;
        word = bar ? bar + 1 : NULL;
    }
    return -1;
}

static fm_status too_many(const fm_option *o, int most, fm_error *err) {
    return fm_fail(err, FM_ERR_ARGUMENT, "--%s may be given at most %d times", o->name, most);
}

static fm_status add_text(const fm_option *o, const char *text, fm_texts *list, fm_error *err) {
    if (!*text) return refuse(o, text, "a text that is not empty", err);
    if (list->n == FM_TEXTS_MAX) return too_many(o, FM_TEXTS_MAX, err);
    list->at[list->n++] = text;
    return FM_OK;
}

/* "42=-1.5,7=-inf" */
static fm_status add_biases(const fm_option *o, const char *text, fm_biases *list, fm_error *err) {
    static const char wanted[] = "ID=X with a token's id and a number, or several of them with commas";
    for (const char *at = text;; at++) {
        char *end;
        long id = strtol(at, &end, 10);
        if (*at < '0' || *at > '9' || *end != '=' || id > INT32_MAX) return refuse(o, text, wanted, err);
        const char *number = end + 1;
        float bias = strtof(number, &end);
        if (end == number || isnan(bias) || strchr(" \t\n", *number) || (*end && *end != ','))
            return refuse(o, text, wanted, err);
        if (list->n == FM_BIASES_MAX) return too_many(o, FM_BIASES_MAX, err);
        list->at[list->n++] = (fathom_logit_bias){(int32_t)id, bias};
        if (!*end) return FM_OK;
        at = end;
    }
}

static fm_status store(const fm_option *o, const char *text, char *arguments, fm_error *err) {
    void *field = arguments + o->offset;
    switch (o->kind) {
    case FM_OPTION_FLAG: *(bool *)field = true; return FM_OK;
    case FM_OPTION_TEXT: *(const char **)field = text; return FM_OK;
    case FM_OPTION_TEXTS: return add_text(o, text, field, err);
    case FM_OPTION_BIASES: return add_biases(o, text, field, err);
    case FM_OPTION_CHOICE: {
        int index = choice_of(o->choices, text);
        if (index < 0)
            return fm_fail(err, FM_ERR_ARGUMENT, "--%s must be one of %s, not '%s'", o->name,
                           o->choices, text);
        *(int *)field = index;
        return FM_OK;
    }
    case FM_OPTION_INTEGER: {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        bool digits = *text == '-' ? text[1] >= '0' && text[1] <= '9' : *text >= '0' && *text <= '9';
        if (!digits || *end || errno || (double)value < o->low || (double)value > o->high)
            return out_of_range(o, text, err);
        *(int64_t *)field = value;
        return FM_OK;
    }
    case FM_OPTION_REAL: {
        double value;
        if (!fm_args_number(text, &value) || value < o->low || value > o->high)
            return out_of_range(o, text, err);
        *(double *)field = value;
        return FM_OK;
    }
    }
    return FM_OK;
}

static fm_status store_defaults(const fm_command *c, char *arguments, fm_error *err) {
    memset(arguments, 0, c->size);
    for (size_t i = 0; i < c->n_options; i++) {
        const fm_option *o = &c->options[i];
        if (!o->name) continue;
        void *field = arguments + o->offset;
        if (o->kind == FM_OPTION_INTEGER) *(int64_t *)field = -1;
        if (o->kind == FM_OPTION_REAL) *(double *)field = NAN;
        if (o->kind == FM_OPTION_CHOICE) *(int *)field = -1;
        if (o->fallback) FM_TRY(store(o, o->fallback, arguments, err));
    }
    return FM_OK;
}

/* ---- words -----------------------------------------------------------------------------------*/

static const fm_option *find_long(const fm_command *c, const char *name, size_t n) {
    for (size_t i = 0; i < c->n_options; i++) {
        const fm_option *o = &c->options[i];
        if (o->name && strlen(o->name) == n && memcmp(o->name, name, n) == 0) return o;
    }
    return NULL;
}

static const fm_option *find_letter(const fm_command *c, char letter) {
    for (size_t i = 0; i < c->n_options; i++)
        if (c->options[i].name && c->options[i].letter == letter) return &c->options[i];
    return NULL;
}

static fm_status unknown_long(const fm_command *c, const char *name, size_t n, fm_error *err) {
    enum { MOST = 64 };
    const char *names[MOST];
    size_t known = 0;
    for (size_t i = 0; i < c->n_options && known < MOST - 1; i++)
        if (c->options[i].name) names[known++] = c->options[i].name;
    names[known++] = "help";
    char wrong[80];
    snprintf(wrong, sizeof wrong, "%.*s", (int)(n < sizeof wrong ? n : sizeof wrong - 1), name);
    const char *near = fm_nearest_word(wrong, names, known);
    if (near)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "'%s' has no option --%s; did you mean --%s? (fathom help %s lists them)",
                       c->name, wrong, near, c->name);
    return fm_fail(err, FM_ERR_ARGUMENT, "'%s' has no option --%s (fathom help %s lists them)",
                   c->name, wrong, c->name);
}

/* argv[0..n) are words that have been taken already: there is room for one more. */
static fm_status store_in_list(char *text, char **argv, fm_operand_list *list) {
    argv[list->n++] = text;
    list->at = argv;
    return FM_OK;
}

static fm_status store_operand(const fm_command *c, int *next, char *text, char **argv, char *arguments,
                               fm_error *err) {
    if (*next == FM_MAX_OPERANDS || !c->operands[*next].name)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "'%s' does not know what to do with '%s': put quotes around a text of "
                       "several words, and see fathom help %s", c->name, text, c->name);
    const fm_operand *o = &c->operands[*next];
    if (o->list) return store_in_list(text, argv, (fm_operand_list *)(void *)(arguments + o->offset));
    *(const char **)(arguments + o->offset) = text;
    (*next)++;
    return FM_OK;
}

/* A word that begins with a dash. *used is set to the words it takes: 1, or 2 with its value. */
static fm_status store_option(const fm_command *c, const char *word, const char *following,
                              char *arguments, int *used, fm_error *err) {
    const fm_option *o;
    const char *value = NULL;
    *used = 1;
    if (word[1] == '-') {
        const char *name = word + 2, *equals = strchr(name, '=');
        size_t n = equals ? (size_t)(equals - name) : strlen(name);
        if (!(o = find_long(c, name, n))) return unknown_long(c, name, n, err);
        if (equals) value = equals + 1;
    } else {
        if (!(o = find_letter(c, word[1])))
            return fm_fail(err, FM_ERR_ARGUMENT,
                           "'%s' has no option %s (fathom help %s lists them; -- goes before a "
                           "text that begins with a dash)",
                           c->name, word, c->name);
        if (word[2]) value = word + 2;
    }
    if (o->kind == FM_OPTION_FLAG) {
        if (value) return fm_fail(err, FM_ERR_ARGUMENT, "--%s takes no value", o->name);
    } else if (!value) {
        if (!following)
            return fm_fail(err, FM_ERR_ARGUMENT, "--%s needs a value: --%s %s", o->name, o->name,
                           o->value);
        value = following;
        *used = 2;
    }
    return store(o, value, arguments, err);
}

/* Whether the next operand should have been there. */
static bool is_missing(const fm_command *c, int operands, const char *arguments) {
    if (operands == FM_MAX_OPERANDS || !c->operands[operands].name || !c->operands[operands].required) return false;
    const fm_operand *o = &c->operands[operands];
    return !o->list || ((const fm_operand_list *)(const void *)(arguments + o->offset))->n == 0;
}

fm_status fm_args_parse(const fm_command *c, int argc, char **argv, void *arguments, bool *help,
                        fm_error *err) {
    *help = false;
    FM_TRY(store_defaults(c, arguments, err));
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *help = true;
            return FM_OK;
        }
    int operands = 0;
    bool options_over = false;
    for (int i = 0, used; i < argc; i += used) {
        used = 1;
        if (!options_over && strcmp(argv[i], "--") == 0)
            options_over = true;
        else if (!options_over && argv[i][0] == '-' && argv[i][1])
            FM_TRY(store_option(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL, arguments, &used,
                                err));
        else
            FM_TRY(store_operand(c, &operands, argv[i], argv, arguments, err));
    }
    if (is_missing(c, operands, arguments))
        return fm_fail(err, FM_ERR_ARGUMENT, "'%s' needs %s, %s (fathom help %s)", c->name,
                       c->operands[operands].name, c->operands[operands].help, c->name);
    return FM_OK;
}
