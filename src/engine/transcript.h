/* transcript.h: from the tokens of a reply to what people read.
 *
 *     while (!fm_transcript_finished(t) && ...) {
 *         if (!fm_transcript_forced(t, &id)) id = fm_sampler_draw(...);
 *         if (it ends the turn) break;
 *         fm_transcript_push(t, id, &piece, err);          show piece.text
 *     }
 *     fm_transcript_finish(t, &piece, err);                what was held back
 *
 * - Only whole characters come out; bytes that are not UTF-8 as U+FFFD.
 * - Reasoning comes apart from the answer: it lies between the added tokens <think> and </think>. The
 *   tags and the line breaks that set them off ("<think>\n...\n</think>\n\n", R1's format) belong to
 *   neither; after a blank line that was asked for, the answer's own breaks stay. A vocabulary without
 *   </think> has no reasoning: all is answer.
 * - Stop strings end the reply where the first of them is complete. Text that may become one is held
 *   back, so none of a stop is ever shown. They are looked for in the answer alone: reasoning is the
 *   model's own scribbling, in which it will quote the very words that are to end the answer ("I must
 *   finish with END"), and a reply that ended there would have no answer at all. What interrupts the
 *   answer, such as a second <think>, interrupts a stop too.
 * - A budget ends the reasoning the way the model does it: the transcript asks for the tokens of a line
 *   break, </think> and a blank line (fm_transcript_forced), and the answer begins.
 *
 * What comes out, piece by piece, is a function of the tokens alone, and joined together does not
 * depend on how the text was cut into tokens. After the end nothing comes out. One thread at a time. */
#pragma once

#include "token/tokenizer.h"

typedef struct fm_transcript fm_transcript;

typedef struct fm_transcript_options {
    bool starts_thinking; /* the prompt ended inside <think> */
    /* Tokens of reasoning after which it is closed; 0: at once, there is none; negative: no budget.
     * In the last eighth of it (at most 64 tokens) the end of a sentence or of a line is taken as the
     * occasion. A character is not cut (up to 3 tokens more), and the closing comes on top. */
    int64_t thinking_budget;
    /* Also after a </think> of the model's own ask for the blank line of R1's format: for an answer that
     * a grammar governs, which would not let the model write it. */
    bool force_blank_line;
    const fm_token_text *stops; /* copied */
    size_t n_stops;
} fm_transcript_options;

/* The tokenizer is borrowed; NULL: tokens are counted and give no text. Stop strings that are empty or
 * not UTF-8 are FM_ERR_ARGUMENT. */
fm_status fm_transcript_new(const fm_tokenizer *tokenizer, const fm_transcript_options *options,
                            fm_transcript **out, fm_error *err);
void fm_transcript_free(fm_transcript *t);

/* Text that has become certain, all of one kind; valid until the next call that takes the transcript.
 * Often empty: size 0. */
typedef struct fm_transcript_piece {
    const char *text; /* UTF-8, not terminated; never NULL */
    size_t size;
    bool thinking;
} fm_transcript_piece;

/* The reply goes on with this token. Ids that stand for no text give none; added tokens other than
 * <think> and </think> give their names. After the end it does nothing. Fails when memory runs out. */
fm_status fm_transcript_push(fm_transcript *t, fm_token id, fm_transcript_piece *piece, fm_error *err);
/* No more tokens come: what was held back comes out. */
fm_status fm_transcript_finish(fm_transcript *t, fm_transcript_piece *piece, fm_error *err);

/* Must the next token be *id, whatever the model would have drawn? */
bool fm_transcript_forced(const fm_transcript *t, fm_token *id);
/* Is what comes next the answer? A grammar holds from here on: from the first token of a model that
 * does not think, else from the one after </think> and its blank line. */
bool fm_transcript_answering(const fm_transcript *t);
/* Has a stop string been found, or fm_transcript_finish been called? */
bool fm_transcript_finished(const fm_transcript *t);

typedef struct fm_transcript_report {
    int64_t reasoning_tokens; /* up to and with </think>, those of the closing included */
    int64_t answer_tokens;    /* all others */
    int stop;                 /* the number of the stop string that was found; -1: none */
    bool thinking;            /* inside the reasoning: a reply that ended so has no answer */
    bool cut_short;           /* the budget closed the reasoning */
} fm_transcript_report;

fm_transcript_report fm_transcript_state(const fm_transcript *t);
