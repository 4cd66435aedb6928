/* nfc.h: Unicode's composed form, as Hugging Face's engine makes it for Qwen. */
#pragma once

#include "base/buffer.h"

/* False if composing could change nothing; a quick look that holds for nearly all texts. The text is valid
 * UTF-8, here and below. */
bool fm_nfc_may_change(const char *text, size_t size);

/* Appends the composed form of a text. The engine's tables are Unicode 9's: characters that came later
 * neither move nor compose, whatever the library here knows of them. */
fm_status fm_nfc(const char *text, size_t size, fm_buffer *out, fm_error *err);
