/* main.c: finds the command, parses its options, runs it, and turns errors into one sentence and
 * an exit code: 0 done, 1 done with a finding (fm_exit_with), 2 failed, 130 interrupted. */
#include "base/nearest.h"
#include "cli/call.h"
#include "cli/help.h"
#include "cli/screen.h"
#include "version.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 2, EXIT_INTERRUPTED = 130 };

/* A program started with 0, 1 or 2 closed would open a file under that number and then read or
 * print into it. The mode is the wrong one on purpose: using the stream fails. */
static void occupy_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Character widths and line editing in UTF-8, numbers with a point, whatever the environment. */
static void choose_locale(void) {
    const char *chosen = setlocale(LC_CTYPE, "");
    if (!chosen || strcmp(chosen, "C") == 0 || strcmp(chosen, "POSIX") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static int finish(fm_status status, fm_error *err) {
    if (status == FM_OK) status = fm_output_status(err);
    if (status == FM_OK) return fm_exit_code();
    if (status == FM_ERR_CANCELLED) {
        fflush(stdout);
        return EXIT_INTERRUPTED;
    }
    fflush(stdout);
    fm_ink ink = fm_ink_for(stderr);
    fprintf(stderr, "%sfathom:%s %s\n", ink.bad, ink.reset, err->message);
    return EXIT_FAILED;
}

/* Whether some command of two words begins with this one. */
static bool is_first_word(const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i < fm_n_commands; i++)
        if (strncmp(fm_commands[i].command->name, word, n) == 0 && fm_commands[i].command->name[n] == ' ') return true;
    return false;
}

/* Said when the second word is missing: the commands that begin with the first. */
static fm_status half_a_command(const char *word, fm_error *err) {
    char list[256];
    size_t used = 0, n = strlen(word);
    for (size_t i = 0; i < fm_n_commands && used < sizeof list; i++) {
        const char *name = fm_commands[i].command->name;
        if (strncmp(name, word, n) != 0 || name[n] != ' ') continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", used ? ", " : "", name);
    }
    return fm_fail(err, FM_ERR_ARGUMENT, "'%s' is the first word of %s", word, list);
}

static fm_status no_such_command(int argc, char *const *argv, fm_error *err) {
    const char *names[64];
    char name[80];
    size_t n = 0;
    bool first = is_first_word(argv[0]), two = argc > 1 && first && argv[1][0] != '-';
    if (first && !two) return half_a_command(argv[0], err);
    snprintf(name, sizeof name, two ? "%.30s %.30s" : "%.60s", argv[0], two ? argv[1] : "");
    for (size_t i = 0; i < fm_n_commands && n < FM_COUNT(names); i++)
        if (!two || strncmp(fm_commands[i].command->name, argv[0], strlen(argv[0])) == 0)
            names[n++] = fm_commands[i].command->name;
    const char *near = fm_nearest_word(name, names, n);
    if (near)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no command '%s'; did you mean '%s'?", name, near);
    return fm_fail(err, FM_ERR_ARGUMENT, "there is no command '%s' (fathom --help lists them)", name);
}

/* help [--man] [COMMAND] */
static fm_status help(int argc, char **argv, fm_error *err) {
    bool man = argc > 0 && strcmp(argv[0], "--man") == 0;
    if (man) argc--, argv++;
    const fm_command_entry *entry = NULL;
    int used;
    if (argc > 0 && strcmp(argv[0], "fathom") != 0 && !(entry = fm_command_find(argc, argv, &used)))
        return no_such_command(argc, argv, err);
    fm_buffer text = {0};
    if (man)
        fm_help_man(&text, entry);
    else if (entry)
        fm_help_command(&text, entry, fm_ink_for(stdout).on);
    else
        fm_help_overview(&text, fm_ink_for(stdout).on);
    return fm_output_buffer(&text, err);
}

/* "deepseek-r1:1.5b" -> the folder it was pulled into, for every operand that is a model. */
static fm_status find_models(const fm_command *c, char *arguments, char **owned, fm_error *err) {
    for (int i = 0; i < FM_MAX_OPERANDS && c->operands[i].name; i++) {
        const char **operand = (const char **)(void *)(arguments + c->operands[i].offset);
        fathom_error said;
        if (!c->operands[i].model || !*operand) continue;
        FM_TRY(fm_said(fathom_model_path(*operand, &owned[i], &said), &said, err));
        *operand = owned[i];
    }
    return FM_OK;
}

static fm_status run(int argc, char **argv, fm_error *err) {
    static union {
        char bytes[FM_MAX_ARGUMENTS];
        double align;
        void *align_pointer;
    } arguments;
    int words;
    const fm_command_entry *entry = fm_command_find(argc, argv, &words);
    if (!entry) return no_such_command(argc, argv, err);
    bool wants_help;
    FM_TRY(fm_args_parse(entry->command, argc - words, argv + words, arguments.bytes, &wants_help, err));
    if (wants_help) return help(words, argv, err);
    char *owned[FM_MAX_OPERANDS] = {NULL};
    fm_status status = find_models(entry->command, arguments.bytes, owned, err);
    if (status == FM_OK) status = entry->command->run(arguments.bytes, err);
    for (int i = 0; i < FM_MAX_OPERANDS; i++) fathom_free(owned[i]);
    return status;
}

static bool is(const char *word, const char *a, const char *b, const char *c) {
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char **argv) {
    occupy_standard_streams();
    choose_locale();
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of writing like any other, */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
    fm_error err = {0};
    if (argc < 2) {
        fm_buffer text = {0};
        fm_help_overview(&text, fm_ink_for(stderr).on);
        fputs(fm_buffer_string(&text), stderr);
        fm_buffer_clear(&text);
        return EXIT_FAILED;
    }
    fm_status status;
    if (is(argv[1], "help", "--help", "-h")) {
        status = help(argc - 2, argv + 2, &err);
    } else if (is(argv[1], "version", "--version", "-V")) {
        fm_output_text("fathom " FATHOM_VERSION "\n");
        status = FM_OK;
    } else if (argv[1][0] == '-') {
        status = fm_fail(&err, FM_ERR_ARGUMENT,
                         "there is no option %s before the command; fathom --help lists the "
                         "commands", argv[1]);
    } else {
        status = run(argc - 1, argv + 1, &err);
    }
    return finish(status, &err);
}
