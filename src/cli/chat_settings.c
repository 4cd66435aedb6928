/* chat_settings.c: /set. A setting is a line of the table. */
#include "base/nearest.h"
#include "cli/chat_state.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum kind { REAL, WHOLE, LONG, SEED, SWITCH }; /* float, int, int64_t, uint64_t, bool */

#define AT(field) offsetof(fm_chat, field)

static const struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    double low, high;
    const char *help;
} settings[] = {
    {"temperature", REAL, AT(generate.sampling.temperature), 0, 100, "0: the likeliest token every time"},
    {"top-p", REAL, AT(generate.sampling.top_p), 0, 1, "draw from the likeliest that hold this; 1: off"},
    {"top-k", WHOLE, AT(generate.sampling.top_k), 0, 1 << 30, "draw from so many; 0: off"},
    {"min-p", REAL, AT(generate.sampling.min_p), 0, 1, "leave out what is below this part of the likeliest"},
    {"repetition-penalty", REAL, AT(generate.sampling.repetition_penalty), 0, 100,
     "divides what prompt and reply have; 1: off"},
    {"presence-penalty", REAL, AT(generate.sampling.presence_penalty), -100, 100,
     "off what the reply has; 0: off"},
    {"frequency-penalty", REAL, AT(generate.sampling.frequency_penalty), -100, 100,
     "off for each time that it has it; 0: off"},
    {"thinking-budget", LONG, AT(generate.thinking_budget), -1, 1e12,
     "tokens of reasoning; -1: as many as it takes"},
    {"guesses", LONG, AT(generate.guesses), 0, FATHOM_GUESSES_MAX, "tokens guessed ahead, at most"},
    {"seed", SEED, AT(generate.sampling.seed), 0, 9e15, "same seed, same answer"},
    {"max-tokens", LONG, AT(generate.max_tokens), 0, 1e12, "of one answer; 0: until it is done"},
    {"think", SWITCH, AT(options.thinking), 0, 1, "on or off, for models that leave the choice"},
    {"hide-thinking", SWITCH, AT(hide_thinking), 0, 1, "on or off"},
};

static void *place(fm_chat *c, const struct setting *s) { return (char *)c + s->offset; }

static void show(fm_chat *c, const struct setting *s) {
    fm_buffer line = {0};
    const void *at = place(c, s);
    fm_buffer_format(&line, "  %-20s", s->name);
    size_t start = line.size;
    switch (s->kind) {
    case REAL: fm_buffer_format(&line, "%g", (double)*(const float *)at); break;
    case WHOLE: fm_buffer_format(&line, "%d", *(const int *)at); break;
    case LONG: fm_buffer_format(&line, "%" PRId64, *(const int64_t *)at); break;
    case SEED: fm_buffer_format(&line, "%" PRIu64, *(const uint64_t *)at); break;
    case SWITCH: fm_buffer_text(&line, *(const bool *)at ? "on" : "off"); break;
    }
    fm_buffer_format(&line, "%*s%s", line.size - start < 12 ? (int)(12 - (line.size - start)) : 1, "",
                     s->help);
    fm_chat_note(c, fm_buffer_string(&line));
    fm_buffer_clear(&line);
}

static bool read_value(const struct setting *s, const char *text, double *out) {
    if (s->kind == SWITCH) {
        *out = strcmp(text, "on") == 0;
        return *out != 0 || strcmp(text, "off") == 0;
    }
    if (!fm_args_number(text, out) || !(*out >= s->low && *out <= s->high)) return false;
    return s->kind == REAL || *out == (double)(int64_t)*out;
}

static void store(void *at, enum kind kind, double value) {
    switch (kind) {
    case REAL: *(float *)at = (float)value; break;
    case WHOLE: *(int *)at = (int)value; break;
    case LONG: *(int64_t *)at = (int64_t)value; break;
    case SEED: *(uint64_t *)at = (uint64_t)value; break;
    case SWITCH: *(bool *)at = value != 0; break;
    }
}

static fm_status change(fm_chat *c, const struct setting *s, const char *text, fm_error *err) {
    double value;
    if (read_value(s, text, &value)) {
        store(place(c, s), s->kind, value);
        show(c, s);
        return FM_OK;
    }
    if (s->kind == SWITCH)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s is \"on\" or \"off\", not \"%s\"", s->name, text);
    return fm_fail(err, FM_ERR_ARGUMENT, "%s is a %snumber from %g to %g, not \"%s\"", s->name,
                   s->kind == REAL ? "" : "whole ", s->low, s->high, text);
}

size_t fm_chat_setting_names(const char *const **out) {
    static const char *names[FM_COUNT(settings)];
    for (size_t i = 0; i < FM_COUNT(settings); i++) names[i] = settings[i].name;
    *out = names;
    return FM_COUNT(settings);
}

fm_status fm_chat_set(fm_chat *c, const char *rest, fm_error *err) {
    char name[32];
    size_t n = strcspn(rest, " =");
    const char *value = rest + n + strspn(rest + n, " =");
    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : 0, rest);
    for (char *s = name; *s; s++)
        if (*s == '_') *s = '-'; /* as the API writes them */
    for (size_t i = 0; i < FM_COUNT(settings); i++) {
        if (n == 0) show(c, &settings[i]);
        if (strcmp(name, settings[i].name) != 0) continue;
        if (*value) return change(c, &settings[i], value, err);
        show(c, &settings[i]);
        return FM_OK;
    }
    if (n == 0) return FM_OK;
    const char *const *names;
    size_t n_names = fm_chat_setting_names(&names);
    const char *near = fm_nearest_word(name, names, n_names);
    if (near)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no setting %.*s; did you mean %s?", (int)n, rest,
                       near);
    return fm_fail(err, FM_ERR_ARGUMENT, "there is no setting %.*s; /set shows all", (int)n, rest);
}
