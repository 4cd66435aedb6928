/* panel_file.h: panels as they lie in memory, in a file that is mapped instead of packed anew.
 *
 * What a process packs it has to find memory for, which costs more than the packing where a host lends
 * that memory; what is mapped is already there, in the system's cache, and is shared by all processes. A
 * file holds the panels of matrices one after another, and a directory of them; whose they are is a matter
 * of keys. Panels are the same at every CPU level, so a file fits every machine of its byte order.
 *
 * A file is input like any other: after fm_panel_file_open has succeeded every entry lies inside the
 * mapping, is 64-byte aligned, and begins where the one before it ended. What the panels say is not looked
 * at: any bytes are numbers. */
#pragma once

#include "base/file.h"
#include "base/pool.h"
#include "pack/pack.h"

/* Raised whenever a drawing of kernel/layout.h changes, or which layout a type gets: files of another
 * version are refused. tests/kernel/test_panel_file.c holds the panels to the version. */
enum { FM_PANEL_VERSION = 2 };

/* One matrix. */
typedef struct fm_panel_entry {
    uint64_t key;    /* fm_panel_key */
    uint64_t offset; /* of its panels in the file */
    uint64_t bytes;
    uint64_t hash;   /* of the panels, seeded with the key */
    uint64_t sample; /* what the maker knows its source by */
} fm_panel_entry;

typedef struct fm_panel_file {
    fm_map map;
    uint64_t source;     /* a number for the files that it was made of */
    fm_panel_entry *entries; /* [n], in memory of its own: what follows a file that was cut short is no signal */
    size_t n;
    size_t begin, end;   /* of the panels in the file */
} fm_panel_file;

/* Which rows of which tensor, of what type, in what layout. */
uint64_t fm_panel_key(const fm_weight *weight, int64_t first_row);

/* FM_ERR_IO: cannot be opened. FM_ERR_UNSUPPORTED: of another version. FM_ERR_FORMAT: no such file, cut
 * short, or damaged in what was read, which is the header and the directory. */
fm_status fm_panel_file_open(const char *path, fm_panel_file *out, fm_error *err);
/* Whether it begins as a file of panels does, of whatever version, whole or not. */
bool fm_panel_file_recognise(const char *path);
void fm_panel_file_close(fm_panel_file *file); /* a zeroed one is fine */
static inline const void *fm_panel_file_at(const fm_panel_file *f, const fm_panel_entry *e) {
    return f->map.data + e->offset;
}

/* Reads all panels, with the threads of the pool, and compares them with their hashes: FM_ERR_FORMAT naming
 * the first that is another. `progress` may be NULL; returning false cancels. */
fm_status fm_panel_file_check(const fm_panel_file *file, fm_pool *pool,
                              bool (*progress)(void *context, double fraction), void *context, fm_error *err);

/* Writing. The file appears under its name complete and synced, or not at all (base/file.h). */
typedef struct fm_panel_writer {
    fm_writer *file;
    fm_panel_entry *entries; /* in the order of the file: the caller sets key, bytes (a multiple of 64), sample */
    size_t n, written;
    uint64_t source;
} fm_panel_writer;

/* `n` matrices will follow; fills in the entries' offsets. On failure nothing is left to be ended. */
fm_status fm_panel_writer_open(fm_panel_writer *writer, const char *path, uint64_t source,
                               fm_panel_entry *entries, size_t n, fm_error *err);
/* The panels of the next matrices, which lie behind each other from `panels` on. */
fm_status fm_panel_writer_put(fm_panel_writer *writer, const void *panels, size_t matrices, fm_pool *pool,
                              fm_error *err);
/* After all of them. Both end the writer in every case. */
fm_status fm_panel_writer_commit(fm_panel_writer *writer, fm_error *err);
void fm_panel_writer_abort(fm_panel_writer *writer);
