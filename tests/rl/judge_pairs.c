/* judge_pairs: a line "truth TAB gold TAB given" on standard input, a letter on standard output: R,
 * W or U. With --time, the processor time that the pairs took instead. For tests/rl/maths_pairs.py. */
#include "rl/maths/equivalence.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    static char line[1 << 20];
    bool timed = argc > 1 && strcmp(argv[1], "--time") == 0;
    double sum = 0, most = 0;
    long n = 0;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *gold = strchr(line, '\t'), *given = gold ? strchr(gold + 1, '\t') : NULL;
        if (!given) continue;
        *given++ = 0;
        const char *why;
        double start = now();
        fm_verdict verdict =
            fm_maths_equivalent(gold + 1, strlen(gold + 1), given, strlen(given), NULL, &why);
        double took = now() - start;
        sum += took, n++;
        if (took > most) most = took;
        if (timed) continue;
        printf("%c\t%s\n", verdict == FM_RIGHT ? 'R' : verdict == FM_WRONG ? 'W' : 'U', why);
    }
    if (timed)
        printf("%ld pairs, %.2f us a pair, %.0f us the slowest\n", n, 1e6 * sum / (double)n,
               1e6 * most);
    return 0;
}
