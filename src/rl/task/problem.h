/* problem.h: one problem of any kind, and what can be done with it.
 *
 * A kind, a band, a split, a seed and an index name a problem for ever. The split of a problem is a function of
 * its canonical key and of nothing else: whatever seeds two people take, no problem that one of them trains on is
 * in the other's test. */
#pragma once

#include "base/json.h"
#include "base/json_write.h"
#include "rl/task/task.h"

typedef enum fm_split {
    FM_SPLIT_TRAIN,      /* 8 of 10 keys */
    FM_SPLIT_VALIDATION, /* 1 */
    FM_SPLIT_TEST,       /* 1, asked in all phrasings; the others never see those held out */
    FM_SPLITS,
} fm_split;

const char *fm_split_name(fm_split split); /* "train", ... */
bool fm_split_find(const char *name, fm_split *out);

typedef struct fm_problem {
    const fm_task_kind *kind;
    int band;     /* from 0, people count from 1; -1: not known (facts that somebody wrote) */
    int phrasing;
    _Alignas(16) unsigned char facts[FM_FACTS_SIZE];
} fm_problem;

typedef struct fm_problem_name {
    const fm_task_kind *kind;
    int band;
    fm_split split;
    uint64_t seed, index;
} fm_problem_name;

/* The problem of this name. FM_ERR_ARGUMENT when the kind has no such band; FM_ERR_LIMIT when the band is so small
 * that thousands of throws gave nothing of this split. */
fm_status fm_problem_draw(const fm_problem_name *name, fm_problem *out, fm_error *err);

/* Each adds to `out`, whose failure says that memory ran out. */
void fm_problem_prompt(const fm_problem *p, fm_buffer *out);
void fm_problem_key(const fm_problem *p, fm_buffer *out); /* "addition:17+25" */
void fm_problem_solve(const fm_problem *p, fm_buffer *working, fm_buffer *answer);

/* The hash of a key, and the split that it belongs to; users' problems have keys too. */
uint64_t fm_key_hash(const char *key, size_t size);
fm_split fm_key_split(uint64_t hash);
fm_status fm_problem_split(const fm_problem *p, fm_split *out, fm_error *err);
bool fm_phrasing_held_out(const fm_task_kind *kind, int phrasing);

/* The verdict of the kind. An answer that is empty, longer than FM_TASK_ANSWER_SIZE or holds a zero byte is wrong;
 * blanks around it do not count. */
fm_verdict fm_problem_check(const fm_problem *p, const char *answer, size_t size);

/* The facts as a JSON object under `key`, and from one; a name that is missing, unknown, of the wrong type or out
 * of range is FM_ERR_FORMAT. `band` is -1 and `phrasing` 0 afterwards. */
void fm_problem_write_facts(const fm_problem *p, fm_json_writer *w, const char *key);
fm_status fm_problem_read_facts(const fm_task_kind *kind, const fm_json *facts, fm_problem *out, fm_error *err);
