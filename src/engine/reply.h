/* reply.h: an answer on its way: tokens drawn, guesses checked, text handed out.
 *
 *     fm_sequence_queue(s, prompt, n, err);
 *     fm_reply_new(s, tokenizer, &options, &reply, err);
 *     fm_reply_run(reply, err);                          one answer, in step with other threads' answers
 *     fm_replies_round(replies, n, err);                 or many: one step for all of them, again and again
 *     fm_reply_report(reply)                             why it ended, how many tokens
 *
 * A reply draws from its sequence's logits and queues what it drew; between its calls the sequence is
 * where the text is. With guesses it queues tokens behind the one that is certain and checks them when
 * their logits are there: a guess stays where it is the very token drawn, so what is said is the same,
 * bit for bit, with guesses and without, at any temperature. */
#pragma once

#include "engine/grammar/constrain.h"
#include "engine/engine.h"
#include "engine/sample.h"
#include "engine/transcript.h"

typedef struct fm_reply fm_reply;

/* A token as it is drawn. */
typedef struct fm_reply_token {
    int32_t id;
    int64_t position;            /* in the sequence */
    bool forced;                 /* by the thinking budget, not drawn */
    bool thinking;               /* part of the reasoning */
    const fm_logprobs *logprobs; /* NULL unless asked for */
} fm_reply_token;

typedef struct fm_reply_options {
    fm_sampling sampling;        /* its biases are borrowed for the life of the reply */
    fm_transcript_options text;  /* thinking, budget, stop strings */
    int64_t max_tokens;          /* 0: until the context is full */
    bool ignore_end;             /* go on after tokens that end a turn */
    fm_grammar *grammar;         /* held; governs the answer, after the reasoning. NULL: none */
    const fm_token_trie *trie;   /* borrowed; needed with a grammar */
    bool logprobs;
    int n_logprobs;              /* of the most probable tokens, with `logprobs` */
    int64_t guesses;             /* most tokens guessed ahead, at most FM_DRAFT_MAX; 0: none */
    bool guess_always;           /* as many as allowed each time, whether they pay or not */
    /* Guesses of the caller's own, in place of repeats and MTP: writes up to `most` tokens that follow
     * tokens[0..n) and returns how many. May be NULL. */
    int64_t (*guess)(void *context, const int32_t *tokens, int64_t n, int64_t most, int32_t *out);
    /* Text as it becomes certain, each token. Returning false ends the reply. May be NULL. */
    bool (*on_text)(void *context, const char *text, size_t size, bool thinking);
    bool (*on_token)(void *context, const fm_reply_token *token);
    void *context;
} fm_reply_options;

typedef enum fm_reply_stop {
    FM_REPLY_END,     /* the model ended its turn, or a grammar was complete */
    FM_REPLY_LENGTH,  /* max_tokens, or the context is full */
    FM_REPLY_STRING,  /* a stop string */
    FM_REPLY_CALLER,  /* a callback returned false, or fm_reply_cancel */
} fm_reply_stop;

typedef struct fm_reply_report {
    fm_reply_stop stop;
    fm_transcript_report text;
    int64_t tokens;           /* drawn or forced, the end included */
    int64_t steps;            /* that it took */
    int64_t guessed, right;   /* tokens guessed ahead, and those that were right */
    int64_t guessed_mtp, right_mtp; /* of these, the MTP module's */
    uint64_t logits_hash;     /* of the logits that every token was drawn from, in order */
} fm_reply_report;

/* The sequence has computed or queued its prompt; the reply uses it until it is freed. `tokenizer` may
 * be NULL: then there is no text, no stop string, no grammar. */
fm_status fm_reply_new(fm_sequence *s, const fm_tokenizer *tokenizer, const fm_reply_options *options,
                       fm_reply **out, fm_error *err);
/* The sequence stays as it is. */
void fm_reply_free(fm_reply *r);

/* Ends it at the next occasion, from its own thread. */
void fm_reply_cancel(fm_reply *r);
bool fm_reply_done(const fm_reply *r);
fm_reply_report fm_reply_report_of(const fm_reply *r);
/* How it went wrong: FM_OK, or what fm_replies_round met with this reply alone. */
fm_status fm_reply_failure(const fm_reply *r, fm_error *err);

/* To its end, sharing steps with other threads that do the same on other sequences. The timeline then
 * holds prompt and reply with the token that ended the turn; where a stop string, a limit or the caller
 * ended it, the last token may be missing. */
fm_status fm_reply_run(fm_reply *r, fm_error *err);

/* One step of an engine for all replies that are not done, and for prompts that they wait for: draws
 * where logits are there, guesses, queues, steps. A reply that fails is done and has its
 * fm_reply_failure; an error of the call itself leaves all as they are. Returns false in *more when
 * none has anything left to do. All replies are of one engine and called from one thread. */
fm_status fm_replies_round(fm_reply *const *replies, int64_t n, bool *more, fm_error *err);
