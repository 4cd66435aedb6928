/* reply_impl.h: the inside of replies, for reply.c, guess.c and rounds.c. */
#pragma once

#include "engine/draft.h"
#include "engine/reply.h"
#include "engine/sequence.h"

typedef enum fm_guess_kind { FM_GUESS_NONE, FM_GUESS_REPEAT, FM_GUESS_MTP, FM_GUESS_CALLER } fm_guess_kind;

struct fm_reply {
    fm_reply_options options;
    fm_sequence *sequence;
    const fm_tokenizer *tokenizer;
    fm_sampler *sampler;
    fm_transcript *transcript;
    fm_constraint constraint;      /* grammar NULL: not begun */
    uint64_t *mask;                /* with a grammar */
    int64_t drawable;              /* ids that both the tokenizer and the model know */
    bool begun;                    /* the prompt has been seen */
    bool ending;                   /* the token that ends the turn is being computed */
    bool done, cancelled;
    fm_status failed;
    fm_error failure;
    fm_reply_report report;
    fm_logprobs logprobs;

    /* ids[0]: the token drawn last, not computed yet; then `want` guesses behind it */
    fm_draft draft;
    fm_guess_kind kind;
    fm_draft_pace repeats, mtp;    /* how right they have been */
    fm_constraint guessed;         /* the grammar's state behind the guesses so far */
    int64_t accepted;              /* guesses that the sampler counts for the time being */
};

/* Where logits are there: draws what they are for, checks guesses on the way, and leaves the last token
 * in draft.ids[0], or is done. */
fm_status fm_reply_draw(fm_reply *r, fm_error *err);
/* Guesses that need no model; leaves draft.want > 0 and kind FM_GUESS_MTP where the module is to guess. */
void fm_reply_guess(fm_reply *r);
/* Queues the certain token and the guesses. */
fm_status fm_reply_queue(fm_reply *r, fm_error *err);
/* Forgets what the sampler and the grammar were told while guessing. */
void fm_reply_guessed(fm_reply *r);
/* The mask of a state, NULL without a grammar; false where it allows nothing. */
fm_status fm_reply_mask(fm_reply *r, const fm_constraint *c, const uint64_t **mask, int64_t *count,
                        fm_error *err);
