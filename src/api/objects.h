/* objects.h: what is behind the opaque names of fathom.h, for the files of this room alone. */
#pragma once

#include "fathom/fathom.h"
#include "format/store.h"
#include "token/chat.h"

struct fathom_tokenizer {
    fm_tokenizer *inner;
    fm_chat_style style; /* recognised once, when it is opened */
};

/* The tokenizer that an open model's files carry; FM_OK with *out NULL where they carry none. */
fm_status fm_api_tokenizer_of_store(const fm_store *store, fathom_tokenizer **out, fm_error *err);

/* Models without one have NULL: FM_ERR_UNSUPPORTED with a sentence. */
fm_status fm_api_needs_tokenizer(const fathom_tokenizer *tokenizer, fm_error *err);

/* Hands an internal error to the caller of the library: `to` may be NULL. Returns `status`. */
fathom_status fm_api_return(fm_status status, const fm_error *from, fathom_error *to);
