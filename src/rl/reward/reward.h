/* reward.h: what a reply is worth: a sum of rules with weights, each of which can be read in its own file.
 *
 * Replies are judged in the group that one problem's samples make, since a few rules compare them (brevity). A
 * rule gives each reply a number within its stated range, or leaves it undecided: what cannot be judged is left
 * out of the batch by whoever learns from it; it is never scored 0. Rules read the text that was made, the number
 * of its tokens and what ended it, and nothing else of the model.
 *
 * All rules are total: any bytes up to any length, in time linear in them. Functions are pure but for `code`,
 * which runs programs in the jail; all may be called from many threads. docs/rewards.md has the formulas. */
#pragma once

#include "base/buffer.h"
#include "rl/verdict.h"

struct fm_code_tests; /* rl/reward/code.h */
struct fm_scorer;     /* rl/reward/scorer.h */

/* What is asked, and how an answer to it is checked. At most one of `check` and `tests` is set. */
typedef struct fm_reward_problem {
    const char *prompt; /* the user's words, without a chat template */
    size_t prompt_size;
    const char *language; /* of the thinking: a code of rl/reward/language_id.h, "en"; NULL: the prompt's */
    /* The verdict on the final answer, which has been taken out of the reply; total and bounded: rl/reward/checks.h. */
    fm_verdict (*check)(const void *context, const char *answer, size_t size);
    const void *context;
    const struct fm_code_tests *tests; /* the answer is a program, to be run against these */
} fm_reward_problem;

typedef struct fm_reward_reply {
    const char *text; /* all tokens that were sampled, decoded, but for the end token */
    size_t size;
    int64_t tokens; /* with the end token */
    bool ended;     /* by the end token; false: cut at the cap */
    bool opened;    /* the prompt ended with "<think>", so that the reply begins inside */
} fm_reward_reply;

typedef struct fm_reward_group {
    const fm_reward_problem *problem;
    const fm_reward_reply *replies;
    const fm_verdict *verdicts; /* of each reply: fm_reward_judge; NULL where no rule in use asks for them */
    size_t n;
} fm_reward_group;

typedef struct fm_reward_value {
    double value;
    bool undecided;
} fm_reward_value;

/* How a reply is to be laid out. */
typedef enum fm_reply_form {
    FM_FORM_TAGS,  /* <think>...</think> <answer>...</answer>, and nothing else: R1-Zero */
    FM_FORM_PLAIN, /* <think>...</think> and then the answer: R1 */
} fm_reply_form;

/* One entry for each line of rewards.def, in its order. */
typedef enum fm_reward_id {
#define FM_REWARD(name, ...) FM_REWARD_##name,
#include "rl/reward/rewards.def"
#undef FM_REWARD
    FM_REWARDS,
} fm_reward_id;

typedef struct fm_reward_rules {
    double weights[FM_REWARDS]; /* 0: the rule is not asked */
    fm_reply_form form;
    int64_t cap;              /* tokens a reply may have */
    int64_t overlong_buffer;  /* the last tokens before the cap, over which `overlong` falls from 0 to -1 */
    int64_t repetition_words; /* words that a repeat must share to count */
    const struct fm_scorer *scorer; /* for `learned` */
} fm_reward_rules;

/* A rule over a whole group: writes values[0..n). FM_ERR_MEMORY, or FM_ERR_UNSUPPORTED where the rule lacks its
 * means (no jail, no scorer). */
typedef fm_status (*fm_reward_fn)(const fm_reward_rules *rules, const fm_reward_group *group,
                                  fm_reward_value *values, fm_error *err);

typedef struct fm_reward {
    const char *name, *help;
    double least, most; /* its range */
    double weight;      /* unless somebody says otherwise */
    bool judged;        /* it reads the verdicts */
    fm_reward_fn score;
} fm_reward;

extern const fm_reward fm_rewards[FM_REWARDS];

/* The weights of rewards.def, FM_FORM_TAGS, and the published values of the rest. */
fm_reward_rules fm_reward_default_rules(void);

/* Reads "accuracy=1,format=0.2,overlong" (a name alone has its weight of rewards.def; rules that are not named
 * get 0) into rules->weights. FM_ERR_ARGUMENT names an unknown rule, one named twice or a bad weight. */
fm_status fm_reward_parse_weights(const char *text, fm_reward_rules *rules, fm_error *err);

/* The verdict on every reply, by the problem's check or tests: a reply without exactly one final answer is wrong
 * (rl/reward/parts.h), and so is one that was cut. */
fm_status fm_reward_judge(const fm_reward_rules *rules, const fm_reward_problem *problem,
                          const fm_reward_reply *replies, size_t n, fm_verdict *verdicts, fm_error *err);

/* Every rule with a weight, and their weighted sum. A total is undecided when one of its parts is. `parts` is
 * n rows of FM_REWARDS values, or NULL. */
fm_status fm_reward_score(const fm_reward_rules *rules, const fm_reward_group *group, fm_reward_value *totals,
                          fm_reward_value *parts, fm_error *err);
