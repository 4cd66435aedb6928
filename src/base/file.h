/* file.h: files that are mapped, read whole, or written so that a crash leaves the old one. */
#pragma once

#include "base/status.h"

/* A read-only private mapping of a whole file. Whoever shortens the file while it is mapped makes
 * reads of the lost pages fatal (SIGBUS), and so does a disk that fails; fm_map_read has an error for
 * both. Replacing the file by renaming is fine: the old one stays open. */
typedef struct fm_map {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
    int fd; /* of the file; counts only where there are data */
    int64_t modified; /* when it was last written to, in nanoseconds, as of opening */
} fm_map;

fm_status fm_map_open(const char *path, fm_map *out, fm_error *err);
void fm_map_close(fm_map *map); /* a zeroed map, or one closed before, is fine */
/* Tells the system that the pages in this range will not be read again soon. A hint. */
void fm_map_drop(const fm_map *map, size_t offset, size_t length);
/* Asks the system to begin reading this range. A hint. */
void fm_map_prefetch(const fm_map *map, size_t offset, size_t length);
/* Reads this range, which must lie inside the mapping, into the system's cache and makes it part of the process at
 * once, in place of a page fault for every few pages. FM_ERR_IO where the disk fails or the file has become
 * shorter. On systems that cannot (Linux before 5.14) the reading is begun, as by fm_map_prefetch. Fine from several
 * threads. */
fm_status fm_map_populate(const fm_map *map, size_t offset, size_t length, fm_error *err);
/* Whether the page with this byte is in the system's cache; true where the system does not tell. */
bool fm_map_cached(const fm_map *map, size_t offset);
/* Asks for huge pages where the file system's cache can have them. A hint. */
void fm_map_huge(const fm_map *map);
/* Tells the system that nobody will need this range of the file again soon: the copy that it keeps in
 * memory may go. A hint; whoever opens the file next reads it from the disk. */
void fm_map_forget(const fm_map *map, size_t offset, size_t length);
/* FM_ERR_IO if the file has become another since it was opened: written to in place, or cut short. */
fm_status fm_map_unchanged(const fm_map *map, fm_error *err);
/* Copies a range, which must lie inside the mapping, from the file: FM_ERR_IO where the disk fails or
 * the file has become shorter. Fine from several threads. */
fm_status fm_map_read(const fm_map *map, size_t offset, size_t length, void *out, fm_error *err);

/* Reads all of a file of at most `limit` bytes (FM_ERR_LIMIT if it has more) into memory that the
 * caller frees with fm_free; a zero byte follows the contents. "-" is standard input. */
fm_status fm_file_read(const char *path, size_t limit, char **out, size_t *size, fm_error *err);

/* A file that appears under its name only when it is complete: bytes go to a temporary neighbour
 * PATH.xxxxxxxx.tmp that fm_writer_commit syncs and renames, and fm_writer_abort deletes. So after
 * a crash or a power cut the name holds the old file or the new one, whole. A new file's mode is
 * 0666 less the umask, a replaced one's is kept. A path that names a device or a pipe is written
 * directly, and a symbolic link to a file stays one: its target is replaced.
 *
 * After a failed call the writer stays failed; commit and abort end it in every case, and nothing
 * of it is left then. Errors are FM_ERR_IO, and FM_ERR_MEMORY when it is opened. */
typedef struct fm_writer fm_writer;
fm_status fm_writer_open(const char *path, fm_writer **out, fm_error *err);
fm_status fm_writer_put(fm_writer *writer, const void *bytes, size_t n, fm_error *err);
fm_status fm_writer_commit(fm_writer *writer, fm_error *err);
void fm_writer_abort(fm_writer *writer);

/* Makes the folders that `path` is to lie in, as mkdir -p does; the last part is left to the caller. */
fm_status fm_folder_make_for(const char *path, fm_error *err);
bool fm_is_directory(const char *path);
bool fm_file_exists(const char *path);
/* "dir/name" in memory that the caller frees; NULL without memory. */
char *fm_path_join(const char *directory, const char *name);
