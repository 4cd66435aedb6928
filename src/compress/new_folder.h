/* new_folder.h: a folder of several files that appears under its name only when it is complete.
 *
 * Files are written to a neighbour PATH.xxxxxx.tmp, which then takes the name; a kill leaves that
 * neighbour and nothing else. An existing folder is replaced only on request, only if it holds nothing
 * but a model's files, and in one step. */
#pragma once

#include "base/status.h"

typedef struct fm_new_folder {
    char *path, *temporary;
    bool replaces;
} fm_new_folder;

fm_status fm_new_folder_begin(const char *path, bool force, fm_new_folder *out, fm_error *err);
/* Both end it; abort removes what was written, and is fine after a commit. */
fm_status fm_new_folder_commit(fm_new_folder *folder, fm_error *err);
void fm_new_folder_abort(fm_new_folder *folder);
