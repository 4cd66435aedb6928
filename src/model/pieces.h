/* pieces.h: matrices read from their files and packed, in pieces that fit into a core's cache: by what
 * packs a whole model (load.c) and by what packs experts when they are chosen (lazy.c).
 *
 * Pieces are read, not looked at through the mapping: a disk that fails or a file that somebody
 * shortened is then an error and not a fatal signal, and a copy of half a MiB inside the cache costs
 * less than the page faults of a mapping where the file system keeps single pages. */
#pragma once

#include "model/bind.h"

#include <stdatomic.h>

/* Rows [first, first + rows) of a binding's slice. */
typedef struct fm_piece {
    const fm_binding *binding;
    char *copy; /* of the whole binding */
    int64_t first, rows;
} fm_piece;

typedef struct fm_pieces {
    const fm_store *store;
    fm_pool *pool;
    bool samples;     /* add up the fingerprints of what is packed, while its bytes are at hand */
    bool forget;      /* tell the system to let go of what has been packed ... */
    const void *keep; /* ... but not of this tensor's data */
    fm_piece *list;
    size_t n;
    uint64_t bytes;   /* of all pieces in the files */
    size_t buffer_bytes;
    char *buffers;    /* one for each thread */
    size_t first, batch; /* of those that are being packed, and how many that are at a time */
    _Atomic uint64_t sampled;
    _Atomic bool failed;
    fm_status status;
    fm_error error;   /* of the first piece that failed */
} fm_pieces;

/* Starts an empty list with room for the pieces of some bindings, the sum of their fm_pieces_of. The
 * caller may set `samples`, `forget` and `keep` then. */
size_t fm_pieces_of(const fm_binding *binding);
fm_status fm_pieces_begin(fm_pieces *p, const fm_store *store, fm_pool *pool, size_t room, fm_error *err);
/* All of a binding, whose packed copy goes to `copy`. The binding stays where it is until the end. */
void fm_pieces_add(fm_pieces *p, const fm_binding *binding, char *copy);
/* Reads and packs all of them, once, with all threads of the pool; `progress` as in fm_model_load. A failure
 * names the tensor and the file. */
fm_status fm_pieces_pack(fm_pieces *p, bool (*progress)(void *context, double fraction), void *context,
                         fm_error *err);
void fm_pieces_end(fm_pieces *p); /* the copies stay; nothing is done to a zeroed list */
