/* notes.h: what is said while model files are made: passed on as it comes, and kept for the document
 * about the result. */
#pragma once

#include "base/json_write.h"

typedef struct fm_notes {
    fm_buffer kept; /* sentences, each with a zero behind it */
    bool (*progress)(void *context, double fraction);
    void (*note)(void *context, const char *sentence);
    void *context;
} fm_notes;

void fm_notes_add(void *notes, const char *sentence);
bool fm_notes_progress(void *notes, double fraction);
void fm_notes_put(const fm_notes *notes, fm_json_writer *w); /* "notes": [...] */
void fm_notes_clear(fm_notes *notes);
