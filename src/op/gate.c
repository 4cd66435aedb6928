/* gate.c: which experts a token goes to, and with what weight. Everything in float32, ties to the
 * lowest index, losing groups at -inf (not 0: a kept expert may have a negative choice value). */
#include "op/gate.h"

#include "kernel/kernel.h"

#include <math.h>

/* fm_config refuses more (FM_MAX_EXPERTS). */
enum { ALIGN = 64, MOST_EXPERTS = 4096 };

static size_t round_up(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

size_t fm_routing_row_bytes(const fm_gate *gate) { return (size_t)gate->per_token * 4 * 4; }

size_t fm_routing_fixed_bytes(const fm_gate *gate) {
    return round_up((size_t)(gate->n_experts + 1) * sizeof(int32_t)) + 4 * ALIGN;
}

fm_routing fm_routing_view(const fm_gate *gate, void *memory, int64_t capacity) {
    size_t part = round_up((size_t)(capacity * gate->per_token) * 4);
    char *at = memory;
    return (fm_routing){.ids = (int32_t *)(void *)at,
                        .weights = (float *)(void *)(at + part),
                        .slots = (int32_t *)(void *)(at + 2 * part),
                        .tokens = (int32_t *)(void *)(at + 3 * part),
                        .offsets = (int32_t *)(void *)(at + 4 * part)};
}

void fm_gate_scores(const fm_kernels *k, const fm_gate *gate, const float *logits, float *scores) {
    int64_t n = gate->n_experts;
    if (gate->scoring == FM_GATE_SIGMOID) {
        k->sigmoid(logits, n, scores);
        return;
    }
    for (int64_t e = 0; e < n; e++) scores[e] = logits[e];
    float sum = k->exp_sum(scores, n, k->max(logits, n));
    k->scale(1.0f / sum, n, scores);
}

static float group_score(const float *choice, int64_t n, bool two) {
    float first = -INFINITY, second = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (choice[i] > first) {
            second = first;
            first = choice[i];
        } else if (choice[i] > second) {
            second = choice[i];
        }
    }
    return two && n > 1 ? first + second : first;
}

/* Index of the largest value, lowest on ties; -inf entries count only when all are. */
static int64_t argmax(const float *x, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static void drop_losing_groups(const fm_gate *gate, float *choice, float *groups) {
    int64_t size = gate->n_experts / gate->n_groups;
    for (int64_t g = 0; g < gate->n_groups; g++)
        groups[g] = group_score(choice + g * size, size, gate->group_by_two);
    bool kept[MOST_EXPERTS] = {false};
    for (int64_t i = 0; i < gate->kept_groups; i++) {
        int64_t best = -1;
        for (int64_t g = 0; g < gate->n_groups; g++)
            if (!kept[g] && (best < 0 || groups[g] > groups[best])) best = g;
        kept[best] = true;
    }
    for (int64_t g = 0; g < gate->n_groups; g++)
        for (int64_t i = 0; !kept[g] && i < size; i++) choice[g * size + i] = -INFINITY;
}

static void sort_ids(int32_t *ids, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        int32_t id = ids[i];
        int64_t at = i;
        for (; at > 0 && ids[at - 1] > id; at--) ids[at] = ids[at - 1];
        ids[at] = id;
    }
}

void fm_gate_choose(const fm_kernels *k, const fm_gate *gate, const float *logits,
                    const float *bias, int32_t *ids, float *weights, float *work) {
    int64_t n = gate->n_experts, per_token = gate->per_token;
    float *scores = work, *choice = work + n, *groups = work + 2 * n;
    fm_gate_scores(k, gate, logits, scores);
    for (int64_t e = 0; e < n; e++) choice[e] = bias ? scores[e] + bias[e] : scores[e];
    if (gate->n_groups > 1) drop_losing_groups(gate, choice, groups);
    bool taken[MOST_EXPERTS] = {false};
    for (int64_t i = 0; i < per_token; i++) {
        int64_t best = argmax(choice, n);
        /* NaN or nothing but -inf left: take the lowest that is free, so that ids stay distinct */
        for (int64_t e = 0; taken[best] && e < n; e++)
            if (!taken[e]) best = e;
        taken[best] = true;
        choice[best] = -INFINITY;
        ids[i] = (int32_t)best;
    }
    sort_ids(ids, per_token);
    float sum = 0;
    for (int64_t i = 0; i < per_token; i++) sum += weights[i] = scores[ids[i]];
    float factor = (float)gate->scale;
    for (int64_t i = 0; i < per_token; i++) {
        if (gate->normalize) weights[i] /= sum + 1e-20f;
        weights[i] *= factor;
    }
}
