/* learn.h: a vocabulary out of text: byte-level BPE (Sennrich et al. 2016).
 *
 * Texts are cut by a family's pre-tokenizer and distinct pieces counted (learn_count.c). Then, again and
 * again, the most frequent pair of neighbours becomes a token (learn_merge.c); of equally frequent ones
 * that of the lowest ids, so the result is a function of the texts' pieces and of nothing else: neither
 * of their order nor of the number of threads. It is the choice that Hugging Face's trainer makes. */
#pragma once

#include "base/pool.h"
#include "token/known.h"
#include "token/tokenizer.h"

typedef enum fm_learn_chat { FM_LEARN_CHAT_V3, FM_LEARN_CHAT_R1, FM_LEARN_CHAT_NONE } fm_learn_chat;

typedef struct fm_learn_options {
    int64_t vocabulary;  /* tokens in all: fm_learn_least() at least, FM_VOCAB_MAX at most */
    const fm_known *pre; /* how text is cut; NULL: DeepSeek-V3's way */
    bool merge_digits;   /* false: each of 0 to 9 is always a token of its own */
    int64_t least_count; /* pairs that occur less often are not merged; at least 1 */
    fm_pool *pool;       /* may be NULL */
    /* How far merging is; returning false stops with FM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, double fraction);
    void *context;
} fm_learn_options;

/* The special tokens and the bytes. */
int64_t fm_learn_least(void);

typedef struct fm_learner fm_learner;

fm_status fm_learner_new(const fm_learn_options *options, fm_learner **out, fm_error *err);
void fm_learner_free(fm_learner *learner); /* NULL is fine */

/* Counts the pieces of a text, which must be valid UTF-8 (FM_ERR_ARGUMENT). Long texts, and many together,
 * keep all threads busy; the texts may be gone afterwards. */
fm_status fm_learner_add(fm_learner *learner, const fm_token_text *texts, size_t n, fm_error *err);

typedef struct fm_learnt {
    int64_t vocabulary; /* tokens; fewer than asked for when the text has no more pairs */
    int64_t merges;
    int64_t pieces, distinct; /* of the text */
    uint64_t bytes;
} fm_learnt;

/* Merges, and appends a tokenizer.json and a tokenizer_config.json. Once. */
fm_status fm_learner_finish(fm_learner *learner, fm_learn_chat chat, fm_buffer *json, fm_buffer *config,
                            fm_learnt *out, fm_error *err);
