/* item_sink.h: the bytes of one tensor on their way into a file, counted; for the writers of this
 * room. */
#pragma once

#include "base/file.h"
#include "format/store.h"

struct fm_item_sink {
    fm_writer *writer;
    const char *name; /* of the tensor, for messages */
    size_t left;      /* bytes that are still to come */
};

/* Has `fn` write item `i`, of `bytes` bytes. */
fm_status fm_item_write(fm_writer *writer, const char *name, size_t bytes, fm_item_fn fn,
                        void *context, size_t i, fm_error *err);
