/* program.h: programs of strangers, in C and Python, made ready and run in the jail (sandbox.h), compilers too. */
#pragma once

#include "jail/sandbox.h"

typedef enum fm_jail_language {
    FM_JAIL_C,      /* gnu11, with the C library and libm; gcc, clang or tcc of /usr/bin */
    FM_JAIL_PYTHON, /* /usr/bin/python3 and its own library */
    FM_JAIL_LANGUAGES,
} fm_jail_language;

const char *fm_jail_language_name(fm_jail_language language); /* "c", "python" */

typedef struct fm_jail_program {
    fm_jail_language language;
    fm_buffer code;      /* what is run: an executable, or the source */
    bool broken;         /* it does not compile */
    char complaint[256]; /* of the compiler, when it is broken */
} fm_jail_program;

/* Whether programs in this language can be run here: FM_ERR_UNSUPPORTED says what is missing. */
fm_status fm_jail_available(fm_jail_language language, fm_error *err);

/* Compiles, or for Python reads, a source in the jail; *out is for fm_jail_clear whatever happens. A program
 * that does not compile, whose compiler does not end, or that is larger than 1 MB, is FM_OK and `broken`. Errors
 * are those of fm_sandbox_run. */
fm_status fm_jail_make(fm_jail_language language, const char *source, size_t size, fm_jail_program *out,
                       fm_error *err);

/* Runs it; it must not be broken. `arguments` is NULL-terminated, or NULL for none; so `limits`, for the defaults. */
fm_status fm_jail_run(const fm_jail_program *program, const char *const *arguments, const void *input,
                         size_t input_size, const fm_sandbox_limits *limits, fm_sandbox_result *result,
                         fm_error *err);
void fm_jail_clear(fm_jail_program *program);
