/* nearest.h: what somebody has most likely meant. */
#pragma once

#include <stddef.h>

/* The word in `words` (n of them) that `wrong` was most likely meant to be, or NULL. */
const char *fm_nearest_word(const char *wrong, const char *const *words, size_t n);
