/* tokenizer.h: text to token ids and back, exactly as Hugging Face's engine does it.
 *
 * Byte-level BPE. encode(text): cut out added tokens (only where asked), normalise (NFC for Qwen),
 * split with the pre-tokenizer's stages, merge bytes by rank. A tokenizer is immutable after
 * loading and may be used by several threads at once; each call works in its own memory. */
#pragma once

#include "base/buffer.h"

typedef struct fm_tokenizer fm_tokenizer;
typedef int32_t fm_token;

/* From the text of a tokenizer.json (and optionally of a tokenizer_config.json; NULL if none). */
fm_status fm_tokenizer_from_json(const char *json, size_t size, const char *config,
                                 size_t config_size, fm_tokenizer **out, fm_error *err);

/* From the arrays that a GGUF file carries (tokenizer.ggml.*), already bounds-checked. */
typedef struct fm_token_text {
    const char *data;
    size_t size;
} fm_token_text;

typedef struct fm_tokenizer_tables {
    const char *model;           /* tokenizer.ggml.model; must be "gpt2" */
    const char *pre;             /* tokenizer.ggml.pre, or NULL */
    const fm_token_text *tokens; /* n_tokens pieces in GPT-2's byte alphabet */
    size_t n_tokens;
    const int64_t *types;        /* 1 normal, 3 control, 4 user defined, 5 unused, 6 byte; or NULL */
    const fm_token_text *merges; /* "a b" */
    size_t n_merges;
    int64_t bos, eos, eot, pad;  /* -1: not given */
    int add_bos;                 /* 1, 0, or -1: not given */
    const char *chat_template;   /* Jinja text or NULL */
} fm_tokenizer_tables;

fm_status fm_tokenizer_from_tables(const fm_tokenizer_tables *tables, fm_tokenizer **out,
                                   fm_error *err);
void fm_tokenizer_free(fm_tokenizer *tokenizer);

typedef enum fm_encode_mode {
    FM_ENCODE_PLAIN,   /* text is only text: no control token can come out of it */
    FM_ENCODE_SPECIAL, /* added tokens written in the text are recognised, as HF's encode does */
} fm_encode_mode;

/* Appends fm_token values to `out` (out->size counts bytes). Never adds BOS. Text that is not
 * valid UTF-8 is an error in FM_ENCODE_SPECIAL and PLAIN alike (FM_ERR_ARGUMENT, with position);
 * text of more than 2 GiB is FM_ERR_LIMIT. After an error `out` is as it was. A byte that the
 * vocabulary lacks is dropped, as Hugging Face's engine does: DeepSeek's have all that occur in
 * UTF-8, SmolLM2's lacks a few control characters and planes 4 to 11. */
fm_status fm_tokenizer_encode(const fm_tokenizer *tokenizer, const char *text, size_t size,
                              fm_encode_mode mode, fm_buffer *out, fm_error *err);

/* The bytes a token stands for; 0 bytes for ids that decode to nothing. Added tokens give their
 * text. Any id is accepted. The pointer lives as long as the tokenizer. */
const char *fm_tokenizer_piece(const fm_tokenizer *tokenizer, fm_token id, size_t *size);
/* Appends the bytes of n tokens. With `skip_special`, tokens flagged special decode to nothing. */
void fm_tokenizer_decode(const fm_tokenizer *tokenizer, const fm_token *ids, size_t n,
                         bool skip_special, fm_buffer *out);

fm_token fm_tokenizer_find(const fm_tokenizer *tokenizer, const char *text); /* added or plain piece; -1 */
bool fm_tokenizer_is_added(const fm_tokenizer *tokenizer, fm_token id);   /* cut out in SPECIAL mode */
bool fm_tokenizer_is_special(const fm_tokenizer *tokenizer, fm_token id); /* flagged special */
int64_t fm_tokenizer_size(const fm_tokenizer *tokenizer); /* highest id + 1 */
/* A hash of what every id stands for: equal for tokenizers whose ids mean the same. */
uint64_t fm_tokenizer_fingerprint(const fm_tokenizer *tokenizer);
fm_token fm_tokenizer_bos(const fm_tokenizer *tokenizer); /* -1: none */
fm_token fm_tokenizer_eos(const fm_tokenizer *tokenizer); /* -1: none */
bool fm_tokenizer_adds_bos(const fm_tokenizer *tokenizer);
/* Ids that end an assistant's turn: EOS, <|eot_id|>, <|im_end|>, ... */
bool fm_tokenizer_is_end_of_turn(const fm_tokenizer *tokenizer, fm_token id);
const char *fm_tokenizer_chat_template(const fm_tokenizer *tokenizer); /* Jinja text or NULL */
/* The names that GGUF files call this way of cutting text by (known.h), separated by spaces; NULL where
 * it has none. */
const char *fm_tokenizer_pre(const fm_tokenizer *tokenizer);

/* ---- streaming decode: never half a character --------------------------------------------------*/

/* Holds back the incomplete UTF-8 tail of what was decoded so far; a zeroed value is ready. */
typedef struct fm_stream {
    char tail[4];
    int held;
} fm_stream;

/* Appends to `out` the complete characters that `id` completes (invalid bytes become U+FFFD). */
void fm_stream_push(fm_stream *stream, const fm_tokenizer *tokenizer, fm_token id, fm_buffer *out);
/* At the end: an incomplete tail becomes U+FFFD. */
void fm_stream_finish(fm_stream *stream, fm_buffer *out);
