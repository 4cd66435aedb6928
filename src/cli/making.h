/* making.h: what convert and quantize share: notes and progress on standard error while a file is made,
 * Ctrl-C. */
#pragma once

#include "cli/screen.h"

typedef struct fm_making {
    fm_progress bar;
    const char *what; /* "Converting" */
    const char *path; /* of the source: its size gives the rate */
} fm_making;

void fm_making_begin(fm_making *m, const char *what, const char *path);
void fm_making_end(fm_making *m);
/* Callbacks of the library, with the fm_making as their context. */
bool fm_making_progress(void *making, double fraction);
void fm_making_note(void *making, const char *sentence);
