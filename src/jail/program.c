#include "jail/program.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 16 };

#define PYTHON "/usr/bin/python3"
/* Not the user's packages; site itself stays, for programs end by exit(). */
#define PYTHON_FLAGS "-s", "-B"

const char *fm_jail_language_name(fm_jail_language language) {
    static const char *const names[FM_JAIL_LANGUAGES] = {"c", "python"};
    return (unsigned)language < FM_JAIL_LANGUAGES ? names[language] : "unknown";
}

/* The executable comes out of the jail through its standard output: nothing of it touches a disk of ours. The
 * last line of standard error is what is told, so it is the first error. */
#define COMPILE(words)                                                                             \
    words " -x c -o /tmp/program /box/source -lm 2>/tmp/words && cat /tmp/program ||"              \
          " { grep -m 1 error /tmp/words >&2 || tail -n 1 /tmp/words >&2; exit 1; }"

static const struct {
    const char *path, *script;
} compilers[] = {
    {"/usr/bin/gcc", COMPILE("gcc -std=gnu11 -O1 -w")},
    {"/usr/bin/clang", COMPILE("clang -std=gnu11 -O1 -w")},
    {"/usr/bin/tcc", COMPILE("tcc -w")},
};

static const char *compiler(void) {
    for (size_t i = 0; i < FM_COUNT(compilers); i++)
        if (access(compilers[i].path, X_OK) == 0) return compilers[i].script;
    return NULL;
}

fm_status fm_jail_available(fm_jail_language language, fm_error *err) {
    FM_TRY(fm_sandbox_available(err));
    if (language == FM_JAIL_C && !compiler())
        return fm_fail(err, FM_ERR_UNSUPPORTED, "programs in C need gcc, clang or tcc in /usr/bin");
    if (language == FM_JAIL_PYTHON && access(PYTHON, X_OK) != 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "programs in Python need " PYTHON);
    return FM_OK;
}

/* ---- making -----------------------------------------------------------------------------------*/

static fm_sandbox_limits compiler_limits(void) {
    return (fm_sandbox_limits){
        .wall_seconds = 60,
        .cpu_seconds = 10,
        .memory_bytes = (size_t)1 << 30,
        .total_bytes = (size_t)1 << 30,
        .output_bytes = fm_sandbox_default_limits().file_bytes,
        .file_bytes = (size_t)8 << 20,
        .scratch_bytes = (size_t)32 << 20,
    };
}

static void say(fm_jail_program *p, const char *words, const char *more) {
    p->broken = true;
    snprintf(p->complaint, sizeof p->complaint, "%s%s", words, more);
}

static void judge_making(fm_jail_program *p, const fm_sandbox_result *r) {
    if (r->end == FM_SANDBOX_OUTPUT) say(p, "the compiled program is too large", "");
    else if (r->end != FM_SANDBOX_EXITED) say(p, "the compiler met its limit: ", fm_sandbox_end_name(r->end));
    else if (r->exit_code != 0) say(p, r->complaint[0] ? r->complaint : "it does not compile", "");
}

static fm_status make_in_jail(fm_jail_program *p, const char *const *argv, const char *source, size_t size,
                              fm_error *err) {
    fm_sandbox_job job = {
        .argv = argv, .files = {{"source", source, size}}, .n_files = 1, .limits = compiler_limits()};
    fm_sandbox_result r;
    FM_TRY(fm_sandbox_run(&job, &r, err));
    judge_making(p, &r);
    if (p->broken) {
        fm_sandbox_result_clear(&r);
        return FM_OK;
    }
    if (p->language == FM_JAIL_C) {
        p->code = r.output;
        r.output = (fm_buffer){0};
    } else {
        fm_buffer_put(&p->code, source, size);
    }
    fm_sandbox_result_clear(&r);
    return fm_buffer_status(&p->code, err);
}

fm_status fm_jail_make(fm_jail_language language, const char *source, size_t size,
                      fm_jail_program *out, fm_error *err) {
    static const char read_it[] = "import ast,sys\nast.parse(open('/box/source','rb').read())";
    *out = (fm_jail_program){.language = language};
    FM_TRY(fm_jail_available(language, err));
    if (size > fm_sandbox_default_limits().file_bytes) {
        say(out, "the source is too large", "");
        return FM_OK;
    }
    const char *const python[] = {PYTHON, PYTHON_FLAGS, "-c", read_it, NULL};
    const char *const c[] = {"/bin/sh", "-c", compiler(), NULL};
    return make_in_jail(out, language == FM_JAIL_C ? c : python, source, size, err);
}

/* ---- running ----------------------------------------------------------------------------------*/

fm_status fm_jail_run(const fm_jail_program *program, const char *const *arguments, const void *input,
                         size_t input_size, const fm_sandbox_limits *limits, fm_sandbox_result *result,
                         fm_error *err) {
    assert(!program->broken);
    static const char *const python[] = {PYTHON, PYTHON_FLAGS, "/box/program.py"};
    static const char *const c[] = {"/box/program"};
    bool is_c = program->language == FM_JAIL_C;
    size_t n = is_c ? FM_COUNT(c) : FM_COUNT(python);
    const char *argv[MAX_ARGUMENTS + FM_COUNT(python) + 1] = {0};
    memcpy(argv, is_c ? c : python, n * sizeof *argv);
    for (size_t i = 0; arguments && arguments[i]; i++) {
        *result = (fm_sandbox_result){0};
        if (i == MAX_ARGUMENTS)
            return fm_fail(err, FM_ERR_ARGUMENT, "a program in the jail takes at most %d arguments", MAX_ARGUMENTS);
        argv[n++] = arguments[i];
    }
    fm_sandbox_job job = {.argv = argv,
                          .files = {{is_c ? "program" : "program.py", program->code.data, program->code.size}},
                          .n_files = 1,
                          .input = input,
                          .input_size = input_size};
    if (limits) job.limits = *limits;
    return fm_sandbox_run(&job, result, err);
}

void fm_jail_clear(fm_jail_program *program) {
    fm_buffer_clear(&program->code);
    *program = (fm_jail_program){0};
}
