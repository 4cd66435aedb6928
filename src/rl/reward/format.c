#include "rl/reward/parts.h"
#include "rl/reward/rules.h"

fm_status fm_reward_format(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                           fm_error *err) {
    (void)err;
    for (size_t i = 0; i < g->n; i++) values[i].value = fm_reply_take_apart(&g->replies[i], rules->form).formed;
    return FM_OK;
}
