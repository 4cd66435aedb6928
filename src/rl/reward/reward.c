#include "rl/reward/reward.h"

#include "rl/maths/final.h"
#include "rl/reward/code.h"
#include "rl/reward/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const fm_reward fm_rewards[FM_REWARDS] = {
#define FM_REWARD(name, help, least, most, weight, judged)                                         \
    {#name, help, least, most, weight, judged, fm_reward_##name},
#include "rl/reward/rewards.def"
#undef FM_REWARD
};

fm_reward_rules fm_reward_default_rules(void) {
    fm_reward_rules rules = {
        .form = FM_FORM_TAGS, .cap = 20480, .overlong_buffer = 4096, .repetition_words = 20};
    for (int i = 0; i < FM_REWARDS; i++) rules.weights[i] = fm_rewards[i].weight;
    return rules;
}

/* ---- weights ----------------------------------------------------------------------------------*/

static int find_rule(const char *name, size_t n) {
    for (int i = 0; i < FM_REWARDS; i++)
        if (strlen(fm_rewards[i].name) == n && memcmp(fm_rewards[i].name, name, n) == 0) return i;
    return -1;
}

static fm_status unknown_rule(const char *name, size_t n, fm_error *err) {
    fm_buffer known = {0};
    for (int i = 0; i < FM_REWARDS; i++) fm_buffer_format(&known, "%s%s", i ? ", " : "", fm_rewards[i].name);
    fm_status status = fm_fail(err, FM_ERR_ARGUMENT, "there is no reward '%.*s'; there are: %s", (int)(n < 64 ? n : 64),
                               name, fm_buffer_string(&known));
    fm_buffer_clear(&known);
    return status;
}

static fm_status parse_weight(const char *item, size_t n, fm_reward_rules *rules, bool *seen, fm_error *err) {
    const char *equal = memchr(item, '=', n);
    size_t name = equal ? (size_t)(equal - item) : n;
    int rule = find_rule(item, name);
    if (rule < 0) return unknown_rule(item, name, err);
    if (seen[rule]) return fm_fail(err, FM_ERR_ARGUMENT, "the reward '%s' is named twice", fm_rewards[rule].name);
    seen[rule] = true;
    double weight = fm_rewards[rule].weight > 0 ? fm_rewards[rule].weight : 1;
    if (equal) {
        char *end;
        weight = strtod(equal + 1, &end);
        if (end != item + n || end == equal + 1 || !isfinite(weight) || fabs(weight) > 1000)
            return fm_fail(err, FM_ERR_ARGUMENT, "the weight of the reward '%s' is not a number from -1000 to 1000",
                           fm_rewards[rule].name);
    }
    rules->weights[rule] = weight;
    return FM_OK;
}

fm_status fm_reward_parse_weights(const char *text, fm_reward_rules *rules, fm_error *err) {
    bool seen[FM_REWARDS] = {0};
    fm_reward_rules read = *rules;
    memset(read.weights, 0, sizeof read.weights);
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",");
        FM_TRY(parse_weight(p, n, &read, seen, err));
        p += n;
        if (!*p) break;
    }
    *rules = read;
    return FM_OK;
}

/* ---- verdicts ---------------------------------------------------------------------------------*/

/* A reply that was opened and does not close its thoughts has no answer, though no <think> stands in it. */
static bool still_thinking(const fm_reward_reply *r) {
    static const char close[] = "</think>";
    return r->opened && !memmem(r->text, r->size, close, sizeof close - 1);
}

static fm_verdict judge_answer(const fm_reward_problem *problem, const fm_reward_reply *r) {
    const char *answer;
    size_t n;
    if (!r->ended || still_thinking(r)) return FM_WRONG;
    if (fm_final_answer(r->text, r->size, &answer, &n) != FM_FINAL_FOUND) return FM_WRONG;
    return problem->check(problem->context, answer, n);
}

fm_status fm_reward_judge(const fm_reward_rules *rules, const fm_reward_problem *problem,
                          const fm_reward_reply *replies, size_t n, fm_verdict *verdicts, fm_error *err) {
    for (size_t i = 0; i < n; i++) {
        verdicts[i] = FM_UNDECIDED; /* a problem that nobody can check */
        if (problem->tests) FM_TRY(fm_code_judge(problem->tests, &replies[i], rules->form, &verdicts[i], err));
        else if (problem->check) verdicts[i] = judge_answer(problem, &replies[i]);
    }
    return FM_OK;
}

static void pay_verdicts(const fm_reward_group *g, bool applies, fm_reward_value *values) {
    for (size_t i = 0; i < g->n; i++) {
        bool undecided = applies && g->verdicts[i] == FM_UNDECIDED;
        values[i] = (fm_reward_value){applies && g->verdicts[i] == FM_RIGHT, undecided};
    }
}

fm_status fm_reward_accuracy(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                             fm_error *err) {
    (void)rules, (void)err;
    pay_verdicts(g, !g->problem->tests, values);
    return FM_OK;
}

fm_status fm_reward_code(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                         fm_error *err) {
    (void)rules, (void)err;
    pay_verdicts(g, g->problem->tests, values);
    return FM_OK;
}

/* ---- the sum ----------------------------------------------------------------------------------*/

static void add_part(const fm_reward_rules *rules, int rule, const fm_reward_group *g, const fm_reward_value *part,
                     fm_reward_value *totals, fm_reward_value *parts) {
    for (size_t i = 0; i < g->n; i++) {
        totals[i].value += part[i].undecided ? 0 : rules->weights[rule] * part[i].value;
        totals[i].undecided |= part[i].undecided;
        if (parts) parts[i * FM_REWARDS + (size_t)rule] = part[i];
    }
}

static fm_status score_all(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *column,
                           fm_reward_value *totals, fm_reward_value *parts, fm_error *err) {
    for (int rule = 0; rule < FM_REWARDS; rule++) {
        if (rules->weights[rule] == 0) continue;
        if (fm_rewards[rule].judged && !g->verdicts)
            return fm_fail(err, FM_ERR_ARGUMENT, "the reward '%s' needs the verdicts on the replies",
                           fm_rewards[rule].name);
        memset(column, 0, g->n * sizeof *column);
        FM_TRY(fm_rewards[rule].score(rules, g, column, err));
        add_part(rules, rule, g, column, totals, parts);
    }
    return FM_OK;
}

fm_status fm_reward_score(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *totals,
                          fm_reward_value *parts, fm_error *err) {
    fm_reward_value *column = fm_alloc_array(g->n ? g->n : 1, sizeof *column, FM_MEM_OTHER);
    if (!column) return fm_fail_memory(err, g->n * sizeof *column, "rewards");
    if (g->n) memset(totals, 0, g->n * sizeof *totals);
    if (parts && g->n) memset(parts, 0, g->n * FM_REWARDS * sizeof *parts);
    fm_status status = score_all(rules, g, column, totals, parts, err);
    fm_free(column);
    return status;
}
