/* task.h: a kind of problem: how it is drawn, put into words, solved on paper and checked.
 *
 * A problem is its facts: a small struct of the kind's own (two operands; numbers and a target; a program).
 * Prompt, key, solution and verdict are functions of the facts, so a problem can be written down as JSON and be
 * checked years later, and a checker verifies the problem itself, never a stored string. Adding a kind is one
 * file that defines an fm_task_kind and a line in tasks.def. problem.h is what everybody else uses.
 *
 * All functions are pure and may be called from many threads. Facts that reach a kind, its own or a stranger's,
 * have passed its table's ranges and its `valid`. */
#pragma once

#include "base/buffer.h"
#include "rl/task/dice.h"
#include "rl/verdict.h"

enum {
    FM_FACTS_SIZE = 4096,          /* the largest struct of facts */
    FM_TASK_ANSWER_SIZE = 1 << 16, /* bytes of an answer that are looked at: a longer one is wrong */
};

/* One member of a kind's struct, by which facts are written as JSON, read again and put into phrasings. */
typedef enum fm_fact_type {
    FM_FACT_INTEGER,  /* int64_t */
    FM_FACT_INTEGERS, /* int64_t[limit], and an int64_t at `count` that says how many there are */
    FM_FACT_TEXT,     /* char[limit], UTF-8, ends with a zero */
} fm_fact_type;

typedef struct fm_fact {
    const char *name;
    fm_fact_type type;
    size_t offset, count, limit;
    int64_t least, most; /* of an INTEGER and of each of the INTEGERS */
} fm_fact;

#define FM_FACT_INTEGER_OF(facts, member, least, most) \
    {#member, FM_FACT_INTEGER, offsetof(facts, member), 0, 0, least, most}
#define FM_FACT_INTEGERS_OF(facts, member, n_member, least, most)                                       \
    {#member, FM_FACT_INTEGERS, offsetof(facts, member), offsetof(facts, n_member),                     \
     sizeof(((facts *)0)->member) / sizeof(int64_t), least, most}
#define FM_FACT_TEXT_OF(facts, member) \
    {#member, FM_FACT_TEXT, offsetof(facts, member), 0, sizeof(((facts *)0)->member), 0, 0}

typedef struct fm_task_kind {
    const char *name;   /* as in tasks.def: lower case, words joined by '_' */
    const char *answer; /* what an answer looks like and which forms are taken, for people: "a whole number" */

    /* Levels of difficulty, easiest first; each says what is in it. */
    const char *const *bands;
    size_t n_bands;

    /* Ways to ask. "{name}" stands for a fact, or for what `slot` makes of it. The last n_held_out of them are
     * asked in the test split only. */
    const char *const *phrasings;
    size_t n_phrasings, n_held_out;

    size_t size; /* of the struct of facts, at most FM_FACTS_SIZE */
    const fm_fact *facts;
    size_t n_facts;

    /* Draws facts, which come zeroed, for a way of asking (most kinds do not look at it). False: these throws
     * make no problem of this band, and the next are tried; it must not be the rule. */
    bool (*generate)(int band, int phrasing, fm_dice *dice, void *facts);

    /* What ranges cannot say, of facts that come from outside; the sentence says what is wrong. NULL: nothing. */
    fm_status (*valid)(const void *facts, fm_error *err);

    /* Writes what "{name}" stands for; false: the name is an ordinary fact. NULL: all names are. */
    bool (*slot)(const void *facts, const char *name, fm_buffer *out);

    /* The canonical key, without the kind's name: the same for problems that a solver would call the same
     * (operands sorted where their order means nothing, variables renamed), different for others. It decides the
     * split, so it must not depend on band, phrasing or names that are only decoration. */
    void (*key)(const void *facts, fm_buffer *out);

    /* A worked solution as a teacher would write it on scratch paper: every step follows from what stands before
     * it, so that a small model can learn to make it. Lines end with '\n', and the last one ends with the answer,
     * which is also written alone to `answer`. Numbers may be written from the right inside, the answer never. */
    void (*solve)(const void *facts, fm_buffer *working, fm_buffer *answer);

    /* Does this answer, and nothing but it (rl/maths/extract.h has taken it out of the reply), solve the problem?
     * Any bytes may come, up to FM_TASK_ANSWER_SIZE; time is linear in them. */
    fm_verdict (*check)(const void *facts, const char *answer, size_t size);
} fm_task_kind;

#define TASK(name, help) extern const fm_task_kind fm_task_##name;
#include "rl/task/tasks.def"
#undef TASK

const fm_task_kind *fm_task_at(size_t i);            /* in the order of tasks.def; NULL past the end */
const fm_task_kind *fm_task_find(const char *name);  /* NULL: there is none */
const char *fm_task_help(const fm_task_kind *kind);  /* its line in tasks.def; "" for a kind that is not listed */
/* FM_ERR_ARGUMENT, naming the nearest kind there is. */
fm_status fm_task_unknown(const char *name, fm_error *err);
