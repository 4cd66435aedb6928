/* tokenizer_write.h: the parts of a tokenizer.json that do not depend on where its vocabulary comes from.
 *
 * A file is: fm_put_added_tokens .., fm_put_stages, fm_put_processor, fm_put_model, then "vocab":{..},
 * "merges":[..] and "}}". */
#pragma once

#include "token/known.h"

/* {"version": ..., "added_tokens":[ */
void fm_put_tokenizer_begin(fm_buffer *out);
/* One of the list. */
void fm_put_added_token(fm_buffer *out, bool first, int64_t id, const char *text, size_t size, bool special);
/* ], the normaliser and the pre-tokenizer: the patterns of token/known.h, written out. */
void fm_put_stages(fm_buffer *out, const fm_known *known);
/* The post-processor, which puts BOS in front (NULL: nothing is put there), and the decoder. */
void fm_put_processor(fm_buffer *out, const char *bos, size_t size, int64_t id);
/* "model":{ up to the vocabulary. */
void fm_put_model(fm_buffer *out, bool ignore_merges);

/* Appends bytes in GPT-2's alphabet, as a JSON string with quotes. */
void fm_put_piece(fm_buffer *out, const char *bytes, size_t size);
/* The character that stands for a byte there. */
uint32_t fm_alphabet_char(unsigned char byte);
