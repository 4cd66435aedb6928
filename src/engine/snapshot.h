/* snapshot.h: sequences on disk, to go on with after a restart, on another day, or elsewhere.
 *
 * A saved sequence holds its tokens, its keys and values as the cache keeps them, and the logits after
 * its last token, so that a loaded one goes on at once and with the very bits. The file belongs to one
 * model, arithmetic, activations and cache type, and says so when it meets another. Damage of any kind is found; a
 * forged file is not: load what you would trust with your prompts. */
#pragma once

#include "engine/engine.h"

/* Writes the computed tokens of `s`; what waits is not taken along. The file appears whole or not at
 * all (base/file.h). Nothing is copied: rows go from the pages to the file. */
fm_status fm_sequence_save(const fm_sequence *s, const char *path, fm_error *err);

/* A new sequence of `engine` from such a file. All of its tokens count as shared. In exact arithmetic
 * pages that the engine already holds for the same tokens are shared, and checked against the file;
 * full pages are offered to others. When the cache is full, pages that only the tree of prefixes holds
 * are given up, as for a step. FM_ERR_FORMAT: no such file, or damaged; FM_ERR_UNSUPPORTED: of another
 * model, arithmetic, activations, cache type or version; FM_ERR_LIMIT: longer than the context. */
fm_status fm_sequence_load(fm_engine *engine, const char *path, fm_sequence **out, fm_error *err);
