/* language.h: a small language for programs that a small model writes, and that nobody need fear.
 *
 * It is a part of Python 3 (docs/program.md has the grammar): what runs to its end here prints the same
 * there, byte for byte. Whole numbers of 64 bits, True and False, None, texts of ASCII, lists; if, while,
 * for, functions with recursion; a dozen built-in functions. No files, no clock, no chance, no way out.
 *
 * Everything is bounded: the text, the nesting, steps, memory, calls, output. A number that leaves 64 bits
 * is an error, never another number. Any bytes may come in, and the same program ends the same way always. */
#pragma once

#include "base/buffer.h"

/* A program that was read: it does not change and many threads may run it at once. */
typedef struct fm_program fm_program;

enum {
    FM_PROGRAM_TEXT_MAX = 1 << 18, /* bytes of a program */
    FM_PROGRAM_NESTING_MAX = 100,  /* height of an expression; brackets in brackets */
    FM_PROGRAM_BLOCKS_MAX = 30,    /* blocks in blocks */
    FM_PROGRAM_PARAMETERS_MAX = 16,
    FM_PROGRAM_MESSAGE_MAX = 160,
};

typedef struct fm_program_limits {
    int64_t steps;  /* statements begun and operations done; a long list costs steps by its length */
    size_t memory;  /* bytes for texts and lists; what a program lets go is not taken back while it runs */
    int depth;      /* calls within calls */
    size_t output;  /* bytes printed */
} fm_program_limits;

/* 100,000 steps (half a millisecond as a rule), 1 MiB, 100 calls, 16 KiB. */
extern const fm_program_limits fm_program_usual_limits;

typedef enum fm_program_end {
    FM_PROGRAM_DONE,
    FM_PROGRAM_SYNTAX, /* it is no program of this language */
    FM_PROGRAM_FAILED, /* it did what has no meaning: divided by zero, left a list, left 64 bits, ... */
    FM_PROGRAM_STEPS,  /* a limit was reached */
    FM_PROGRAM_MEMORY,
    FM_PROGRAM_DEPTH,
    FM_PROGRAM_OUTPUT,
    FM_PROGRAM_ENDS
} fm_program_end;

/* "done", "syntax", "failed", ... Never NULL. */
const char *fm_program_end_name(fm_program_end end);

typedef struct fm_program_result {
    fm_program_end end;
    int line;         /* where it ended, from 1; 0 when it is done */
    char message[FM_PROGRAM_MESSAGE_MAX]; /* one sentence in ASCII, without the line; "" when it is done */
    int64_t steps;    /* taken, also by a program that failed */
    size_t memory;    /* bytes taken */
} fm_program_result;

/* Reads a program. *out is NULL, and result->end FM_PROGRAM_SYNTAX with line and message, when the text
 * is none: that is no failure of this function. Fails with FM_ERR_MEMORY only. */
fm_status fm_program_parse(const char *source, size_t n, fm_program **out, fm_program_result *result,
                           fm_error *err);
void fm_program_free(fm_program *program); /* NULL is fine */

/* What a run tells who watches it, in order. Texts live until the watcher returns. */
typedef enum fm_program_event_kind {
    FM_PROGRAM_ASSIGNED, /* name = value; also "a[2]" = value, a loop's variable, a list that grew */
    FM_PROGRAM_TESTED,   /* the condition of if or while; value is True or False */
    FM_PROGRAM_CALLED,   /* name(value, value): name, and the arguments joined by ", " */
    FM_PROGRAM_RETURNED, /* from function `name` */
    FM_PROGRAM_PRINTED,  /* value is the text, without what print puts at its end */
} fm_program_event_kind;

typedef struct fm_program_event {
    fm_program_event_kind kind;
    int line;
    const char *name, *value; /* NULL where there is none */
} fm_program_event;

typedef struct fm_program_watch {
    void (*see)(void *context, const fm_program_event *event);
    void *context;
} fm_program_watch;

/* Runs the program with `input` as what input() reads, line by line. What it prints is appended to
 * `output` (also what a program printed that failed later). `limits` NULL: the usual ones; `watch` may be
 * NULL. FM_OK whenever the program ran, however it ended: result says how. Fails with FM_ERR_MEMORY only,
 * when this machine has no memory. */
fm_status fm_program_run(const fm_program *program, const char *input, size_t input_size,
                         const fm_program_limits *limits, const fm_program_watch *watch,
                         fm_buffer *output, fm_program_result *result, fm_error *err);
