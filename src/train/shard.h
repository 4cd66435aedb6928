/* shard.h: documents as token ids in a file that is mapped, not read.
 *
 * Little-endian:
 *
 *   header     128 bytes, drawn in shard.c; its last 8 are its hash
 *   index      16 bytes per document: offset in tokens (u64), length in tokens (u32), source (u32)
 *   tokens     u16 or u32 each, documents one behind the other
 *   mask       only where the header says so: a bit per token, lowest first; 1: to be learnt
 *
 * Sections begin at multiples of 64 bytes. The header holds a hash of all that follows it and the
 * fingerprint of the vocabulary, without which ids mean nothing. A shard is written by
 * fm_shard_writer as a whole or not at all. */
#pragma once

#include "base/buffer.h"
#include "base/file.h"

typedef struct fm_shard_entry {
    uint64_t offset; /* in tokens; documents lie in order and leave no gap */
    uint32_t length; /* tokens, at least 1 */
    uint32_t source; /* number of the source in its folder's manifest */
} fm_shard_entry;
_Static_assert(sizeof(fm_shard_entry) == 16, "the index is read as it lies in the file");

typedef struct fm_shard {
    fm_map map;
    int width;           /* bytes of a token: 2 or 4 */
    int64_t vocabulary;  /* ids are below this */
    uint64_t vocabulary_hash;
    int64_t n_documents, n_tokens;
    const fm_shard_entry *index; /* [n_documents] */
    const void *tokens;          /* [n_tokens] of `width` bytes */
    const uint8_t *mask;         /* NULL: every token is to be learnt */
    uint64_t contents;           /* hash of what follows the header */
} fm_shard;

/* Maps a shard and checks its header, its size and every entry of its index: FM_ERR_FORMAT says what is
 * wrong. The tokens themselves are not read: their range is checked as they are copied, their hash by
 * fm_shard_verify. */
fm_status fm_shard_open(const char *path, fm_shard *out, fm_error *err);
void fm_shard_close(fm_shard *shard); /* a zeroed one is fine */

/* Reads all of it and compares with the hash in the header. */
fm_status fm_shard_verify(const fm_shard *shard, fm_error *err);

/* Copies `count` ids from place `from` of document `document` on; all of them must be there. An id
 * outside the vocabulary is FM_ERR_FORMAT. */
fm_status fm_shard_copy(const fm_shard *shard, int64_t document, int64_t from, int64_t count,
                        int32_t *ids, fm_error *err);
/* Whether the token at this place is to be learnt. */
static inline bool fm_shard_learnt(const fm_shard *s, int64_t document, int64_t place) {
    uint64_t at = s->index[document].offset + (uint64_t)place;
    return !s->mask || (s->mask[at >> 3] >> (at & 7) & 1);
}

/* ---- writing -----------------------------------------------------------------------------------*/

/* Collects documents in memory; a zeroed writer with `vocabulary` and its hash set is ready. Running
 * out of memory shows when it is finished. */
typedef struct fm_shard_writer {
    int64_t vocabulary;
    uint64_t vocabulary_hash;
    fm_buffer index, tokens, mask;
    int64_t n_documents, n_tokens;
    bool masked; /* some token is not to be learnt */
} fm_shard_writer;

/* `learn` is NULL (all) or a byte per token. 1 to 2^32 - 1 tokens, all inside the vocabulary. */
void fm_shard_add(fm_shard_writer *w, uint32_t source, const int32_t *ids, const uint8_t *learn,
                  int64_t count);
/* Writes the file (complete or not at all) and empties the writer for the next one. `contents`
 * receives the hash in the header; may be NULL. */
fm_status fm_shard_finish(fm_shard_writer *w, const char *path, uint64_t *contents, fm_error *err);
void fm_shard_writer_clear(fm_shard_writer *w);
