/* journal.h: a file of lines that only grows, for results that must outlive the process.
 *
 * A line is written by one call and synced before fm_journal_append returns: whoever is killed loses
 * the line in the making and none before it. What a crash leaves behind the last newline is cut off
 * when the file is opened again. One process at a time: the second is told so. */
#pragma once

#include "base/status.h"

typedef struct fm_journal fm_journal;

/* Opens, or makes, a regular file and reads the lines that are in it. */
fm_status fm_journal_open(const char *path, fm_journal **out, fm_error *err);
void fm_journal_close(fm_journal *journal);

/* Lines that were there when it was opened. */
size_t fm_journal_count(const fm_journal *journal);
/* The i-th, without its newline; lives as long as the journal. */
const char *fm_journal_line(const fm_journal *journal, size_t i, size_t *size);

/* Appends a line (which holds no newline). When the disk is full, what was written of it is taken back. */
fm_status fm_journal_append(fm_journal *journal, const char *line, size_t size, fm_error *err);
