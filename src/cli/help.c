#include "cli/help.h"

#include "cli/screen.h"
#include "version.h"

#include <math.h>
#include <string.h>

/* ---- the list --------------------------------------------------------------------------------*/

#define GROUP(word, help)
#define COMMAND(name, help) extern const fm_command fm_command_##name;
#include "cli/commands.def"
#undef COMMAND

const fm_command_entry fm_commands[] = {
#define COMMAND(name, help) {&fm_command_##name, help},
#include "cli/commands.def"
#undef COMMAND
#undef GROUP
};
const size_t fm_n_commands = FM_COUNT(fm_commands);

static const struct group {
    const char *word, *help;
} groups[] = {
#define GROUP(word, help) {#word, help},
#define COMMAND(name, help)
#include "cli/commands.def"
#undef COMMAND
#undef GROUP
};

/* The group that a command belongs to; NULL: none. */
static const struct group *group_of(const fm_command *c) {
    for (size_t i = 0; i < FM_COUNT(groups); i++) {
        size_t n = strlen(groups[i].word);
        if (strncmp(c->name, groups[i].word, n) == 0 && c->name[n] == ' ') return &groups[i];
    }
    return NULL;
}

/* Words of the command's name that argv begins with; 0: not all of them. */
static int words_of(const char *name, int argc, char *const *argv) {
    const char *space = strchr(name, ' ');
    if (!space) return argc > 0 && strcmp(argv[0], name) == 0;
    size_t n = (size_t)(space - name);
    bool same = argc > 1 && strlen(argv[0]) == n && memcmp(argv[0], name, n) == 0 && strcmp(argv[1], space + 1) == 0;
    return same ? 2 : 0;
}

const fm_command_entry *fm_command_find(int argc, char *const *argv, int *used) {
    for (size_t i = 0; i < fm_n_commands; i++)
        if ((*used = words_of(fm_commands[i].command->name, argc, argv)) > 0) return &fm_commands[i];
    return NULL;
}

/* ---- screen ----------------------------------------------------------------------------------*/

enum { WIDTH = 79 };

typedef struct page {
    fm_buffer *out;
    const char *bold, *dim, *reset;
} page;

static page page_of(fm_buffer *out, bool colour) {
    return (page){out, colour ? "\033[1m" : "", colour ? "\033[2m" : "", colour ? "\033[0m" : ""};
}

/* Words from column `at` on, broken before WIDTH and continued at `indent`. */
static void wrap(fm_buffer *out, const char *text, int at, int indent) {
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " ");
        int width = fm_text_width(text, n);
        if (!first && at + 1 + width > WIDTH) {
            fm_buffer_format(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            fm_buffer_text(out, " ");
            at++;
        }
        fm_buffer_put(out, text, n);
        at += width;
        first = false;
        text += n;
        while (*text == ' ') text++;
    }
    fm_buffer_text(out, "\n");
}

/* "  left            what it means"; a long left side takes a line of its own. */
static void row(fm_buffer *out, const char *left, const char *text, int column) {
    int at = 2 + fm_text_width(left, strlen(left));
    fm_buffer_format(out, "  %s", left);
    if (at + 2 > column) {
        fm_buffer_format(out, "\n%*s", column, "");
    } else {
        fm_buffer_format(out, "%*s", column - at, "");
    }
    wrap(out, text, column, column);
}

void fm_help_overview(fm_buffer *out, bool colour) {
    page p = page_of(out, colour);
    fm_buffer_format(out, "%sfathom%s %s: the DeepSeek family on the processor you have\n",
                     p.bold, p.reset, FATHOM_VERSION);
    fm_buffer_text(out, "Usage: fathom COMMAND [OPTION]... [ARGUMENT]...\n");
    const struct group *before = NULL;
    for (size_t i = 0; i < fm_n_commands; i++) {
        const struct group *g = group_of(fm_commands[i].command);
        if (!g || g != before)
            fm_buffer_format(out, "  %s%-16s%s%s\n", p.bold, g ? g->word : fm_commands[i].command->name, p.reset,
                             g ? g->help : fm_commands[i].help);
        before = g;
    }
    fm_buffer_format(out, "%sfathom help COMMAND%s says what it takes, %sfathom --version%s which one this is\n",
                     p.bold, p.reset, p.bold, p.reset);
}

static void synopsis(fm_buffer *out, const fm_command *c) {
    fm_buffer_format(out, "fathom %s [OPTION]...", c->name);
    for (int i = 0; i < FM_MAX_OPERANDS && c->operands[i].name; i++)
        fm_buffer_format(out, c->operands[i].required ? " %s%s" : " [%s%s]", c->operands[i].name,
                         c->operands[i].list ? "..." : "");
}

static bool has_letters(const fm_command *c) {
    for (size_t i = 0; i < c->n_options; i++)
        if (c->options[i].letter) return true;
    return false;
}

static void option_name(fm_buffer *out, const fm_option *o, bool letters) {
    if (o->letter)
        fm_buffer_format(out, "-%c, --%s", o->letter, o->name);
    else
        fm_buffer_format(out, letters ? "    --%s" : "--%s", o->name);
    if (o->kind == FM_OPTION_CHOICE)
        fm_buffer_format(out, " %s", o->choices);
    else if (o->value)
        fm_buffer_format(out, " %s", o->value);
}

static void option_text(fm_buffer *out, const fm_option *o) {
    fm_buffer_text(out, o->help);
    if (o->fallback) fm_buffer_format(out, " (default %s)", o->fallback);
}

/* Where the explanations begin: behind the longest left side that leaves them room. */
static int help_column(const fm_command *c) {
    int longest = 12;
    for (size_t i = 0; i < c->n_options; i++) {
        if (!c->options[i].name) continue;
        fm_buffer left = {0};
        option_name(&left, &c->options[i], has_letters(c));
        int width = fm_text_width(left.data, left.size);
        if (width > longest && width <= 26) longest = width;
        fm_buffer_clear(&left);
    }
    return longest + 4;
}

void fm_help_command(fm_buffer *out, const fm_command_entry *entry, bool colour) {
    const fm_command *c = entry->command;
    int column = help_column(c);
    page p = page_of(out, colour);
    fm_buffer_text(out, "Usage: ");
    synopsis(out, c);
    fm_buffer_text(out, "\n\n");
    wrap(out, c->about, 0, 0);
    if (c->operands[0].name) {
        fm_buffer_format(out, "\n%sArguments%s\n", p.bold, p.reset);
        for (int i = 0; i < FM_MAX_OPERANDS && c->operands[i].name; i++)
            row(out, c->operands[i].name, c->operands[i].help, column);
    }
    if (c->n_options && c->options[0].name) fm_buffer_format(out, "\n%sOptions%s\n", p.bold, p.reset);
    for (size_t i = 0; i < c->n_options; i++) {
        const fm_option *o = &c->options[i];
        if (!o->name) {
            fm_buffer_format(out, "\n%s%s%s\n", p.bold, o->help, p.reset);
            continue;
        }
        fm_buffer left = {0}, text = {0};
        option_name(&left, o, has_letters(c));
        option_text(&text, o);
        row(out, fm_buffer_string(&left), fm_buffer_string(&text), column);
        fm_buffer_clear(&left);
        fm_buffer_clear(&text);
    }
    if (!c->examples) return;
    fm_buffer_format(out, "\n%sExamples%s\n", p.bold, p.reset);
    for (const char *line = c->examples; *line; line += strcspn(line, "\n") + 1)
        fm_buffer_format(out, "  %.*s\n", (int)strcspn(line, "\n"), line);
}

/* ---- manual ----------------------------------------------------------------------------------*/

/* Text for roff: hyphens that are typed, backslashes, and lines that begin like a request. */
static void roff(fm_buffer *out, const char *text) {
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\'')) fm_buffer_text(out, "\\&");
        if (*text == '\\')
            fm_buffer_text(out, "\\e");
        else if (*text == '-')
            fm_buffer_text(out, "\\-");
        else
            fm_buffer_put(out, text, 1);
        line_start = *text == '\n';
    }
}

/* "data build" -> data-build */
static void page_name(fm_buffer *out, const char *name, const char *dash) {
    for (; *name; name++)
        if (*name == ' ') fm_buffer_text(out, dash);
        else fm_buffer_put(out, name, 1);
}

static void man_overview(fm_buffer *out) {
    fm_buffer_text(out, ".TH FATHOM 1 \"\" \"Fathom\" \"Fathom Manual\"\n"
                        ".SH NAME\nfathom \\- the DeepSeek family on the processor you have\n"
                        ".SH SYNOPSIS\n.B fathom\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
                        ".SH COMMANDS\n");
    for (size_t i = 0; i < fm_n_commands; i++) {
        fm_buffer_text(out, ".TP\n.BR fathom\\-");
        page_name(out, fm_commands[i].command->name, "\\-");
        fm_buffer_text(out, " (1)\n");
        roff(out, fm_commands[i].help);
        fm_buffer_text(out, ".\n");
    }
    fm_buffer_text(out, ".SH OPTIONS\n.TP\n.B \\-\\-help\nLists the commands.\n"
                        ".TP\n.B \\-\\-version\nPrints the version.\n");
}

static void man_command(fm_buffer *out, const fm_command_entry *entry) {
    const fm_command *c = entry->command;
    fm_buffer_text(out, ".TH FATHOM\\-");
    for (const char *s = c->name; *s; s++)
        fm_buffer_format(out, *s == ' ' ? "\\-" : "%c", *s - 'a' + 'A');
    fm_buffer_text(out, " 1 \"\" \"Fathom\" \"Fathom Manual\"\n.SH NAME\nfathom\\-");
    page_name(out, c->name, "\\-");
    fm_buffer_text(out, " \\- ");
    roff(out, entry->help);
    fm_buffer_format(out, "\n.SH SYNOPSIS\n.B fathom %s\n[\\fIOPTION\\fR]...", c->name);
    for (int i = 0; i < FM_MAX_OPERANDS && c->operands[i].name; i++)
        fm_buffer_format(out, c->operands[i].required ? " \\fI%s\\fR%s" : " [\\fI%s\\fR%s]",
                         c->operands[i].name, c->operands[i].list ? "..." : "");
    fm_buffer_text(out, "\n.SH DESCRIPTION\n");
    roff(out, c->about);
    fm_buffer_text(out, "\n");
    for (int i = 0; i < FM_MAX_OPERANDS && c->operands[i].name; i++) {
        fm_buffer_format(out, ".TP\n.I %s\n", c->operands[i].name);
        roff(out, c->operands[i].help);
        fm_buffer_text(out, "\n");
    }
    fm_buffer_text(out, ".SH OPTIONS\n");
    for (size_t i = 0; i < c->n_options; i++) {
        const fm_option *o = &c->options[i];
        if (!o->name) {
            fm_buffer_format(out, ".SS %s\n", o->help);
            continue;
        }
        fm_buffer_text(out, ".TP\n");
        if (o->letter) fm_buffer_format(out, "\\fB\\-%c\\fR, ", o->letter);
        fm_buffer_text(out, "\\fB");
        roff(out, "--");
        roff(out, o->name);
        fm_buffer_text(out, "\\fR");
        const char *value = o->kind == FM_OPTION_CHOICE ? o->choices : o->value;
        if (value) fm_buffer_format(out, " \\fI%s\\fR", value);
        fm_buffer_text(out, "\n");
        fm_buffer text = {0};
        option_text(&text, o);
        roff(out, fm_buffer_string(&text));
        fm_buffer_clear(&text);
        fm_buffer_text(out, ".\n");
    }
    fm_buffer_text(out, ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrints a summary of these options.\n");
    if (!c->examples) return;
    fm_buffer_text(out, ".SH EXAMPLES\n.nf\n");
    roff(out, c->examples);
    fm_buffer_text(out, ".fi\n");
}

void fm_help_man(fm_buffer *out, const fm_command_entry *entry) {
    if (entry)
        man_command(out, entry);
    else
        man_overview(out);
    fm_buffer_text(out, ".SH EXIT STATUS\n0 on success, 2 when something failed (one sentence on "
                        "standard error says what), 130 after Ctrl\\-C.\n"
                        ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nWhen set, nothing is coloured.\n");
    if (entry) fm_buffer_text(out, ".SH SEE ALSO\n.BR fathom (1)\n");
}
