/* rules.h: the rules of rewards.def by name. */
#pragma once

#include "rl/reward/reward.h"

#define FM_REWARD(name, ...)                                                                       \
    fm_status fm_reward_##name(const fm_reward_rules *rules, const fm_reward_group *group,         \
                               fm_reward_value *values, fm_error *err);
#include "rl/reward/rewards.def"
#undef FM_REWARD
