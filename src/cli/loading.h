/* loading.h: the options that every command with a model takes, and opening it in front of people:
 * what it will need, how far it is, Ctrl-C. */
#pragma once

#include "cli/args.h"
#include "fathom/fathom.h"

#include <stddef.h>

typedef struct fm_load_arguments {
    int64_t threads, context, rows;
    const char *cpu, *lora, *panels;
    double prompt_memory; /* bytes; NaN: the library's default */
    int arith, cache, activations; /* enums of fathom.h; -1: the library's default */
    bool map_only, verbose;
    bool eager;  /* also set by commands that soon need all experts, or measure time */
    bool no_mtp; /* set by commands that never guess */
} fm_load_arguments;

/* Rows of an option table; `type` has a field `member` of type fm_load_arguments. */
#define FM_LOAD_OPTIONS(type, member)                                                              \
    FM_LOAD_OPTIONS_WITH(type, member,                                                             \
                         "positions to make room for; without it the model's own, at most 32768")
/* The same where --context means something of its own. */
#define FM_LOAD_OPTIONS_WITH(type, member, context_help)                                           \
    {.help = "Running"},                                                                           \
    {FM_OPTION_INTEGER, "threads", 't', "N", "computing threads; without it one per processor",    \
     offsetof(type, member.threads), 1, 4096, NULL, NULL},                                         \
    {FM_OPTION_INTEGER, "context", 'c', "N", context_help, offsetof(type, member.context), 1, 1e9, \
     NULL, NULL},                                                                                  \
    {FM_OPTION_TEXT, "cpu", 0, "LEVEL", "instructions to use: auto, ref, avx2, avxvnni or avx512",          \
     offsetof(type, member.cpu), 0, 0, NULL, NULL},                                              \
    {FM_OPTION_TEXT, "lora", 0, "FOLDER", "a low-rank adapter that the model is to have, as PEFT keeps it",   \
     offsetof(type, member.lora), 0, 0, NULL, NULL},                                              \
    {FM_OPTION_TEXT, "panels", 0, "FILE",                                                          \
     "packed weights that `fathom pack` has made elsewhere; none: pack anew, whatever lies beside the model",  \
     offsetof(type, member.panels), 0, 0, NULL, NULL},                                             \
    {FM_OPTION_CHOICE, "arith", 0, NULL,                                                           \
     "exact: bits depend on the tokens alone; fast: other rounding, faster long prompts",          \
     offsetof(type, member.arith), 0, 0, "exact|fast", NULL},                                   \
    {FM_OPTION_REAL, "prompt-memory", 0, "N",                                                      \
     "bytes that --arith fast may take while it reads a long prompt, as in 4G; without it half of what is free", \
     offsetof(type, member.prompt_memory), 0, 1e18, NULL, NULL},                                 \
    {FM_OPTION_CHOICE, "cache", 0, NULL, "how keys and values are kept",                           \
     offsetof(type, member.cache), 0, 0, "f32|bf16|int8", "bf16"},                                    \
    {FM_OPTION_CHOICE, "activations", 0, NULL,                                                     \
     "what quantised weights are multiplied with: int8 is fastest, int16 next to f32",              \
     offsetof(type, member.activations), 0, 0, "f32|int8|int16", "int16"},                         \
    {FM_OPTION_FLAG, "map-only",                                                                   \
     .help = "compute from the file as it lies: starts at once, runs slower",                      \
     .offset = offsetof(type, member.map_only)},                                                   \
    {FM_OPTION_FLAG, "verbose", 'v', .help = "say what is loaded and what it needs",               \
     .offset = offsetof(type, member.verbose)}

/* For commands that answer. */
#define FM_EAGER_OPTION(type, member)                                                              \
    {FM_OPTION_FLAG, "eager",                                                                      \
     .help = "pack all experts before the first answer, not each when it is first chosen",         \
     .offset = offsetof(type, member.eager)}

typedef struct fm_sampling_arguments {
    double temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
    int64_t top_k, seed;
} fm_sampling_arguments;

#define FM_SAMPLING_OPTIONS(type, member)                                                          \
    {.help = "Sampling (without these: the model's own advice)"},                                  \
    {FM_OPTION_REAL, "temperature", 'T', "X", "0 takes the most probable token every time",        \
     offsetof(type, member.temperature), 0, 100, NULL, NULL},                                      \
    {FM_OPTION_REAL, "top-p", 0, "X", "draw from the likeliest tokens that hold this probability", \
     offsetof(type, member.top_p), 0, 1, NULL, NULL},                                              \
    {FM_OPTION_INTEGER, "top-k", 0, "N", "draw from the N likeliest tokens; 0: from all",          \
     offsetof(type, member.top_k), 0, 1e9, NULL, NULL},                                            \
    {FM_OPTION_REAL, "min-p", 0, "X", "leave out tokens below X times the likeliest",              \
     offsetof(type, member.min_p), 0, 1, NULL, NULL},                                              \
    {FM_OPTION_REAL, "repetition-penalty", 0, "X",                                                 \
     "make tokens of prompt and reply less likely by this factor; 1: off",                         \
     offsetof(type, member.repetition_penalty), 0.01, 100, NULL, NULL},                            \
    {FM_OPTION_REAL, "presence-penalty", 0, "X", "take X off tokens that the reply has; 0: off",   \
     offsetof(type, member.presence_penalty), -100, 100, NULL, NULL},                              \
    {FM_OPTION_REAL, "frequency-penalty", 0, "X",                                                  \
     "take X off for each time that the reply has the token; 0: off",                              \
     offsetof(type, member.frequency_penalty), -100, 100, NULL, NULL},                             \
    {FM_OPTION_INTEGER, "seed", 0, "N", "same seed, same answer",                                  \
     offsetof(type, member.seed), 0, 9e18, NULL, NULL}

/* Opens the model for `run` and `chat`. Ctrl-C while it loads is FM_ERR_CANCELLED. */
fm_status fm_load_model(const char *path, const fm_load_arguments *a, fathom_model **out,
                        fm_error *err);
/* The model's defaults (NULL: DeepSeek's advice) with what was asked for over them. */
fathom_sampling fm_sampling_of(const fm_sampling_arguments *a, const fathom_model *model);
