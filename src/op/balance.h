/* balance.h: losses that keep experts evenly loaded, for one segment of T rows:
 *   sum over e of c_e P_e,  P_e = (1/T) sum over t of s'_{t,e},  s' = the scores over their sum,
 *   c_e = alpha_1 f_e + alpha_2 f'_g + alpha_3 f''_g,  g the device (group of neighbours) of e
 *   f_e = E / (K T) * how many of the T have e among their K best      (V3, eq. 17-20; V2, eq. 12-17)
 *   f'_g = the mean of f in g,  f''_g = devices / (limit T) * how many of the T reach g
 * V3 counts the best by plain scores, without bias or groups, as it is printed; V2 those that are chosen. */
#pragma once

#include "op/gate.h"

/* How many doubles of work fm_balance_segment wants. */
static inline int64_t fm_balance_work(const fm_gate *gate) { return 4 * gate->n_experts; }

static inline bool fm_lesson_balances(const fm_lesson *lesson) {
    return lesson && (lesson->sequence_balance != 0 || lesson->device_balance != 0 ||
                      lesson->communication_balance != 0);
}

/* c [E] of the segment whose rows have these logits [T, E] and chosen ids [T, K]; returns the loss.
 * `scores` [E] is work, too. */
double fm_balance_segment(const struct fm_kernels *k, const fm_gate *gate, const fm_lesson *lesson,
                          const float *logits, const int32_t *ids, int64_t rows, float *c, float *scores,
                          double *work);
