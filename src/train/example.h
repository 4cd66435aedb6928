/* example.h: a document as token ids, and which of them are to be learnt.
 *
 * Plain text: BOS (where the tokenizer puts one) text EOS, all of it. A conversation: what the model would
 * have read, by its chat template, then the answer as it would have written it, which alone is learnt, with
 * the token that ends it. Prompt and answer are cut into tokens apart, as they are when the model runs. The
 * tags <think> and </think> of an answer are the tokens of that name where the vocabulary has them; all
 * other text is only text. Where a template opens <think> itself, an answer without thoughts gets empty
 * ones. */
#pragma once

#include "token/chat.h"
#include "train/corpus.h"

/* One document or several: a conversation with more than one answer is one as long as each prompt is what
 * was there before and goes on; where a template forgets thoughts of the past, a new one begins. */
typedef struct fm_examples {
    fm_buffer ids;   /* int32_t */
    fm_buffer learn; /* a byte per id */
    fm_buffer ends;  /* size_t: behind the last id of each */
} fm_examples;

/* Appends. The document must be text (fm_document_is_text); a conversation that the template refuses is
 * FM_ERR_ARGUMENT. After an error `out` holds rubbish. */
fm_status fm_examples_add(const fm_tokenizer *tokenizer, fm_chat_style style, const fm_document *document,
                          fm_examples *out, fm_error *err);
fm_status fm_examples_status(const fm_examples *examples, fm_error *err);
void fm_examples_clear(fm_examples *examples);
