#include "op/balance.h"

#include "kernel/kernel.h"

#include <string.h>

/* Counts the `n` largest of x; ties go to the lowest index. The weakest of those found so far is the bar for the
 * rest, so most numbers are looked at once. */
static void count_best(const float *x, int64_t size, int64_t n, int64_t *found, double *counts) {
    int64_t have = 0;
    for (int64_t e = 0; e < size; e++) {
        int64_t at = have;
        if (have == n && !(x[e] > x[found[n - 1]])) continue;
        if (have == n) at--;
        else have++;
        for (; at > 0 && x[e] > x[found[at - 1]]; at--) found[at] = found[at - 1];
        found[at] = e;
    }
    for (int64_t i = 0; i < have; i++) counts[found[i]]++;
}

/* Adds one row to how often each expert is among the best, each device reached, and to the sums of s'. */
static void count_row(const fm_gate *gate, const fm_lesson *lesson, const float *s, const int32_t *ids,
                      double *best, double *reached, double *sums, int64_t *found) {
    int64_t n = gate->n_experts, per_device = lesson->devices > 0 ? n / lesson->devices : n;
    bool plain = gate->scoring == FM_GATE_SIGMOID;
    double all = 0;
    for (int64_t e = 0; e < n; e++) all += (double)s[e];
    for (int64_t e = 0; e < n; e++) sums[e] += (double)s[e] / all;
    if (plain) count_best(s, n, gate->per_token, found, best);
    for (int64_t i = 0; !plain && i < gate->per_token; i++) best[ids[i]]++;
    for (int64_t i = 0; i < gate->per_token; i++) /* ids ascend: a device's are neighbours */
        if (i == 0 || ids[i] / per_device != ids[i - 1] / per_device) reached[ids[i] / per_device]++;
}

double fm_balance_segment(const fm_kernels *k, const fm_gate *gate, const fm_lesson *lesson,
                          const float *logits, const int32_t *ids, int64_t rows, float *c, float *scores,
                          double *work) {
    int64_t n = gate->n_experts, devices = lesson->devices > 0 ? lesson->devices : 1;
    int64_t per_device = n / devices;
    double *best = work, *reached = work + n, *sums = work + 2 * n, loss = 0;
    double in_all = (double)rows, limit = lesson->device_limit > 0 ? (double)lesson->device_limit : 1;
    memset(work, 0, (size_t)(3 * n) * sizeof *work);
    for (int64_t t = 0; t < rows; t++) {
        fm_gate_scores(k, gate, logits + t * n, scores);
        count_row(gate, lesson, scores, ids + t * gate->per_token, best, reached, sums,
                  (int64_t *)(void *)(work + 3 * n));
    }
    for (int64_t e = 0; e < n; e++) {
        int64_t g = e / per_device;
        double mean = 0, share = (double)n / ((double)gate->per_token * in_all);
        for (int64_t i = g * per_device; i < (g + 1) * per_device; i++)
            mean += best[i] * share / (double)per_device;
        double of_e = lesson->sequence_balance * best[e] * share + lesson->device_balance * mean +
                      lesson->communication_balance * reached[g] * (double)devices / (limit * in_all);
        c[e] = (float)of_e;
        loss += of_e * sums[e] / in_all;
    }
    return loss;
}
