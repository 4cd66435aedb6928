/* A program of a stranger, read and run under small limits, watched: it ends, within its limits, and the same way when
 * nobody watches.
 *
 * The input: the program's text; after a zero byte, what input() reads. */
#include "fuzz.h"

#include "rl/program/language.h"

#include <string.h>

static const fm_program_limits few = {.steps = 20000, .memory = 1 << 18, .depth = 50, .output = 4000};

static void see(void *context, const fm_program_event *e) {
    size_t *seen = context;
    *seen += (e->name ? strlen(e->name) : 0) + (e->value ? strlen(e->value) : 0);
    FUZZ_CHECK(e->line > 0);
}

static void check_result(const fm_program_result *r, const fm_buffer *out) {
    FUZZ_CHECK(r->end < FM_PROGRAM_ENDS);
    FUZZ_CHECK((r->end == FM_PROGRAM_DONE) == (r->line == 0));
    FUZZ_CHECK((r->end == FM_PROGRAM_DONE) == (r->message[0] == 0));
    FUZZ_CHECK(r->steps <= few.steps && r->memory <= few.memory);
    FUZZ_CHECK(r->end == FM_PROGRAM_OUTPUT || out->size <= few.output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t n = zero ? (size_t)(zero - data) : size, rest = zero ? size - n - 1 : 0, seen = 0;
    const char *input = zero ? (const char *)zero + 1 : "";
    fm_program *p;
    fm_program_result a, b;
    fm_buffer out = {0}, again = {0};
    fm_error err;
    FUZZ_CHECK(fm_program_parse((const char *)data, n, &p, &a, &err) == FM_OK);
    check_result(&a, &out);
    if (!p) return 0;
    fm_program_watch watch = {see, &seen};
    FUZZ_CHECK(fm_program_run(p, input, rest, &few, NULL, &out, &a, &err) == FM_OK);
    FUZZ_CHECK(fm_program_run(p, input, rest, &few, &watch, &again, &b, &err) == FM_OK);
    check_result(&a, &out);
    FUZZ_CHECK(memcmp(&a, &b, sizeof a) == 0 && out.size == again.size);
    FUZZ_CHECK(out.size == 0 || memcmp(out.data, again.data, out.size) == 0);
    fm_program_free(p);
    fm_buffer_clear(&out);
    fm_buffer_clear(&again);
    return 0;
}
