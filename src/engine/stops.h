/* stops.h: stop strings, looked for byte by byte.
 *
 * What has been read may end with the beginning of a stop: those bytes must be held back until it is
 * known whether they become one. Each stop keeps how much of it has been matched (Knuth, Morris and
 * Pratt 1977), which is exactly that length, so reading a byte costs the same however long the stops
 * are and whatever the text does. */
#pragma once

#include "token/tokenizer.h"

typedef struct fm_stops fm_stops;

/* Copies the n strings. One that is empty, or is not UTF-8, is FM_ERR_ARGUMENT. */
fm_status fm_stops_new(const fm_token_text *strings, size_t n, fm_stops **out, fm_error *err);
void fm_stops_free(fm_stops *stops);
/* What was read is forgotten: a new text begins. */
void fm_stops_reset(fm_stops *stops);

/* Reads a byte. Returns how many bytes at the end of the text to hold: the longest tail that is the
 * beginning of a stop. Where a stop is complete, *which is its number and the return value its
 * length: of several that end here the longest, of equal ones the first. Otherwise *which is -1. */
size_t fm_stops_read(fm_stops *stops, char byte, int *which);
