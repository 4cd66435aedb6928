/* program_server.c: runs the programs that a test in Python sends, so that CPython can be asked the same. For each:
 * "BYTES INPUT_BYTES\n", the program and what input() reads; back: "END LINE STEPS BYTES\n", the message on a line, the
 * output. */
#include "rl/program/language.h"

#include <stdio.h>
#include <stdlib.h>

static char *take(size_t n) {
    char *s = malloc(n + 1);
    if (!s || fread(s, 1, n, stdin) != n) exit(1);
    return s;
}

int main(void) {
    size_t n, m;
    while (scanf("%zu %zu", &n, &m) == 2 && getchar() == '\n') {
        char *text = take(n), *input = take(m);
        fm_program *p;
        fm_program_result result;
        fm_buffer out = {0};
        fm_error err;
        if (fm_program_parse(text, n, &p, &result, &err) != FM_OK) return 1;
        if (p && fm_program_run(p, input, m, NULL, NULL, &out, &result, &err) != FM_OK) return 1;
        printf("%s %d %lld %zu\n%s\n", fm_program_end_name(result.end), result.line, (long long)result.steps, out.size,
               result.message);
        fwrite(fm_buffer_string(&out), 1, out.size, stdout);
        fflush(stdout);
        fm_program_free(p);
        fm_buffer_clear(&out);
        free(text);
        free(input);
    }
    return 0;
}
