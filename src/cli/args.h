/* args.h: a command as a table: what it takes, in one place that parsing, --help and the man page
 * all read.
 *
 * A command parses into a struct of its own: every option and operand names a field by offset, so
 * `run` receives plain C values. Options may stand anywhere, as --name VALUE, --name=VALUE, -n VALUE
 * or -nVALUE; "--" ends them. */
#pragma once

#include "base/status.h"
#include "fathom/fathom.h"

/* Options that may be given several times. */
enum { FM_TEXTS_MAX = 16, FM_BIASES_MAX = 64 };

typedef struct fm_texts {
    const char *at[FM_TEXTS_MAX];
    size_t n;
} fm_texts;

/* All operands from some place on, as many as there are. */
typedef struct fm_operand_list {
    char *const *at;
    size_t n;
} fm_operand_list;

typedef struct fm_biases {
    fathom_logit_bias at[FM_BIASES_MAX];
    size_t n;
} fm_biases;

typedef enum fm_option_kind {
    FM_OPTION_FLAG,    /* bool */
    FM_OPTION_INTEGER, /* int64_t in [low, high]; -1 when absent and without fallback */
    FM_OPTION_REAL,    /* double in [low, high], with k, M, B or T; NAN when absent */
    FM_OPTION_TEXT,    /* const char *; NULL when absent */
    FM_OPTION_TEXTS,   /* fm_texts: every time one more */
    FM_OPTION_BIASES,  /* fm_biases: "ID=X" or several, "ID=X,ID=X"; every time some more */
    FM_OPTION_CHOICE,  /* int: index of the word in `choices`; -1 when absent */
} fm_option_kind;

typedef struct fm_option {
    fm_option_kind kind;
    const char *name; /* without dashes; NULL: a heading above the options that follow */
    char letter;      /* short form, or 0 */
    const char *value; /* what to call the value in help: "N", "FILE" */
    const char *help;
    size_t offset;
    double low, high;     /* INTEGER, REAL; both ends belong to it */
    const char *choices;  /* CHOICE: "exact|fast" */
    const char *fallback; /* default, written as a user would; parsed like one */
} fm_option;

typedef struct fm_operand {
    const char *name; /* "MODEL"; NULL ends the list */
    const char *help;
    size_t offset; /* of a const char * */
    bool required;
    bool model; /* also takes the name of a pulled model; `run` receives its path */
    bool list;  /* the last one: takes all that follow; `offset` is of an fm_operand_list */
} fm_operand;

enum { FM_MAX_OPERANDS = 3 };

#define FM_MODEL_HELP                                                                              \
    "a GGUF file, a Hugging Face folder, a .safetensors file or the name of a pulled model"

typedef struct fm_command {
    const char *name;  /* one word, or two with a space */
    const char *about; /* one to three sentences in the present tense */
    fm_operand operands[FM_MAX_OPERANDS];
    const fm_option *options;
    size_t n_options;
    size_t size; /* of the struct that is parsed into, at most FM_MAX_ARGUMENTS */
    /* Returns 0, or an error that main prints. FM_ERR_CANCELLED means Ctrl-C. */
    fm_status (*run)(const void *arguments, fm_error *err);
    const char *examples; /* lines "fathom ...\n", or NULL */
} fm_command;

enum { FM_MAX_ARGUMENTS = 2048 };

/* argv[0] is the first word after the command's name. Fills *arguments (command->size bytes), whose
 * strings borrow from argv (operands of a list are moved to its front); sets *help when --help or -h was
 * given, and then asks for nothing else. */
fm_status fm_args_parse(const fm_command *command, int argc, char **argv, void *arguments,
                        bool *help, fm_error *err);

/* A number with an optional k, M, B or T (thousands); false when `text` is anything else. */
bool fm_args_number(const char *text, double *out);
