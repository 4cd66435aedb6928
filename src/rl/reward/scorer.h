/* scorer.h: a learned judge of replies, to be compared with rules.
 *
 * It is a logistic regression over hashed words and pairs of neighbours of the reply, the same together with
 * whether the reply's word stands in the answer or the question, and no more: honest, small, and easily fooled by
 * a policy that finds which words it likes. That is what it is here for (docs/rewards.md); nothing should be
 * trained on its word alone.
 *
 * Learning is deterministic: the same lines, settings and seed give the same bytes. */
#pragma once

#include "base/arena.h"

typedef struct fm_scorer_example {
    const char *question, *answer, *reply; /* answer: the expected one, "" where there is none */
    size_t question_size, answer_size, reply_size;
    bool good;
} fm_scorer_example;

typedef struct fm_scorer_settings {
    int bits;      /* 2^bits weights, 8 to 24; collisions cost accuracy */
    int epochs;
    double rate;   /* of AdaGrad's steps */
    double decay;  /* L2, pulled at each touch of a weight */
    uint64_t seed; /* of the order of the lines */
} fm_scorer_settings;

/* 2^18 weights, 8 passes, rate 0.1, decay 1e-6, seed 1. */
fm_scorer_settings fm_scorer_default_settings(void);

typedef struct fm_scorer fm_scorer;

/* FM_ERR_ARGUMENT for settings out of range or examples that are all good or all bad; FM_ERR_MEMORY. */
fm_status fm_scorer_learn(const fm_scorer_example *examples, size_t n, const fm_scorer_settings *settings,
                          fm_scorer **out, fm_error *err);
/* The probability that the reply is good, in [0, 1]. Time linear in the texts; fine from many threads. */
double fm_scorer_score(const fm_scorer *scorer, const fm_scorer_example *example);
void fm_scorer_free(fm_scorer *scorer); /* NULL is fine */

/* The file: 8 bytes "FMSCORE1", bits as u32, a u32 of zero, the bias and 2^bits weights as f32, all little-endian,
 * and the SHA-256 of what is before it, in hexadecimal. Damage and other files are FM_ERR_FORMAT. */
fm_status fm_scorer_save(const fm_scorer *scorer, const char *path, fm_error *err);
fm_status fm_scorer_load(const char *path, fm_scorer **out, fm_error *err);

/* Lines of JSON: {"question": "...", "answer": "...", "reply": "...", "good": true}; `answer` may be missing,
 * other keys are passed over, empty lines too. Texts lie in the arena. FM_ERR_FORMAT names the line. */
fm_status fm_scorer_read(const char *path, fm_arena *arena, fm_scorer_example **out, size_t *n, fm_error *err);
