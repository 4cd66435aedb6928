#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_WORD = 40 };

static int least(int a, int b) { return a < b ? a : b; }

/* Insertions, deletions, replacements and swaps of neighbours that lead from a to b. */
static int edits(const char *a, const char *b) {
    int table[MAX_WORD + 1][MAX_WORD + 1];
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > MAX_WORD || m > MAX_WORD) return MAX_WORD;
    for (int i = 0; i <= n; i++) table[i][0] = i;
    for (int j = 0; j <= m; j++) table[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, least(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, table[i - 2][j - 2] + 1);
            table[i][j] = best;
        }
    return table[n][m];
}

const char *fm_nearest_word(const char *wrong, const char *const *words, size_t n) {
    const char *best = NULL;
    int best_edits = 0, length = (int)strlen(wrong);
    for (size_t i = 0; i < n; i++) {
        /* The beginning of a word is as good as one mistake: --temp for --temperature. */
        bool begins = length >= 3 && strncmp(wrong, words[i], (size_t)length) == 0;
        int e = begins ? 1 : edits(wrong, words[i]);
        if (e <= 1 + length / 4 && (!best || e < best_edits)) {
            best = words[i];
            best_edits = e;
        }
    }
    return best;
}
