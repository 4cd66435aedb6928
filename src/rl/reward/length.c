/* Rules about the number of tokens. */
#include "rl/reward/rules.h"

/* Soft overlong punishment (DAPO, equation 13): 0 up to cap - buffer, then in a straight line to -1 at the cap. A
 * reply that was cut has reached it, wherever that was. */
fm_status fm_reward_overlong(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                             fm_error *err) {
    if (rules->cap < 1 || rules->overlong_buffer < 0 || rules->overlong_buffer > rules->cap)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "the reward 'overlong' needs a cap of at least 1 token and a buffer from 0 to the cap, not %lld "
                       "and %lld",
                       (long long)rules->cap, (long long)rules->overlong_buffer);
    int64_t free_until = rules->cap - rules->overlong_buffer;
    for (size_t i = 0; i < g->n; i++) {
        const fm_reward_reply *r = &g->replies[i];
        if (!r->ended || r->tokens > rules->cap) values[i].value = -1;
        else if (r->tokens > free_until)
            values[i].value = -(double)(r->tokens - free_until) / (double)rules->overlong_buffer;
    }
    return FM_OK;
}

/* The length reward of Kimi k1.5 (section 2.3.3): 0.5 for the shortest reply of the group down to -0.5 for the
 * longest; a wrong one keeps only what it loses, so that it never pays to be short and wrong. Replies whose
 * verdict is open neither count nor are judged. */
fm_status fm_reward_brevity(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                            fm_error *err) {
    (void)rules, (void)err;
    int64_t least = INT64_MAX, most = -1;
    for (size_t i = 0; i < g->n; i++) {
        if (g->verdicts[i] == FM_UNDECIDED) continue;
        int64_t tokens = g->replies[i].tokens;
        if (tokens < least) least = tokens;
        if (tokens > most) most = tokens;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (g->verdicts[i] == FM_UNDECIDED) {
            values[i].undecided = true;
        } else if (most > least) {
            double share = 0.5 - (double)(g->replies[i].tokens - least) / (double)(most - least);
            values[i].value = g->verdicts[i] == FM_RIGHT || share < 0 ? share : 0;
        }
    }
    return FM_OK;
}
