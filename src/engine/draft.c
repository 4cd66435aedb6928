#include "engine/draft.h"

/* Ends longer than this are as good as any; shorter than two they are chance. */
enum { LONGEST = 8, SHORTEST = 2 };

/* Length of the common end of tokens[0..end), which ends with `next`, and tokens[0..n), next. */
static int64_t common_end(const int32_t *tokens, int64_t end, int64_t n) {
    int64_t same = 1;
    while (same < LONGEST && same < end && tokens[end - 1 - same] == tokens[n - same]) same++;
    return same;
}

int64_t fm_draft_repeat(const int32_t *tokens, int64_t n, int32_t next, int64_t most, int32_t *out) {
    int64_t best = SHORTEST - 1, from = -1, count = 0;
    for (int64_t end = n; end >= SHORTEST && best < LONGEST; end--) {
        if (tokens[end - 1] != next) continue;
        int64_t length = common_end(tokens, end, n);
        if (length <= best) continue;
        best = length;
        from = end;
    }
    /* Where the copy runs into its own beginning, it goes on round. */
    for (; from >= 0 && count < most; count++) {
        int64_t at = from + count;
        out[count] = at < n ? tokens[at] : at == n ? next : out[at - n - 1];
    }
    return count;
}

/* A guess is a coin with the newest tosses weighing most; at first each toss weighs the same. */
static const double FIRST_SHARE = 0.7, NEWEST_WEIGHT = 0.06;
/* Guesses must promise this much more than none: measurements are noisy. */
static const double WORTH_IT = 1.03;
enum { TRY_AGAIN = 24, MOST_MISSES = 5 };

static double share(const fm_draft_pace *p) { return p->trials ? p->right : FIRST_SHARE; }

int64_t fm_draft_length(fm_draft_pace *p, const double *seconds, double each, int64_t most) {
    int64_t length = 0;
    double best = WORTH_IT / seconds[1], all = 1, tokens = 1;
    for (int64_t k = 1; k <= most; k++) {
        all *= share(p);
        tokens += all;
        double rate = tokens / (seconds[1 + k] + (double)k * each);
        if (rate <= best) continue;
        best = rate;
        length = k;
    }
    if (length == 0 && most > 0 && ++p->idle >= (int64_t)TRY_AGAIN << p->misses) {
        length = 1;
        if (p->misses < MOST_MISSES) p->misses++;
    }
    if (length > 0) p->idle = 0;
    return length;
}

static void toss(fm_draft_pace *p, double right) {
    double weight = 1.0 / (double)(p->trials + 2);
    if (weight < NEWEST_WEIGHT) weight = NEWEST_WEIGHT;
    p->right = share(p) + weight * (right - share(p));
    p->trials++;
}

void fm_draft_learn(fm_draft_pace *p, int64_t guessed, int64_t right) {
    if (right > 0) p->misses = 0;
    for (int64_t i = 0; i < right; i++) toss(p, 1);
    if (right < guessed) toss(p, 0);
}
