/* run_log.h: what happened in a run, as lines of JSON in RUN/log.jsonl: one object per event, "event" and
 * "step" in each. The report is made from it and from nothing else.
 *
 * A line is one write, so a kill leaves whole lines and at most a torn last one. When a run goes on from a
 * checkpoint, what was logged after that checkpoint is cut off: it will happen again. Lines that the disk does
 * not take wait in memory, in order, and are tried again with the next one. */
#pragma once

#include "base/json_write.h"

typedef struct fm_run_log {
    int fd;
    char *path;
    fm_buffer line;    /* the event that is being made */
    fm_buffer waiting; /* what the disk has not taken yet */
    fm_json_writer json;
} fm_run_log;

/* What a run had taken up to a line: its last "seconds" and "joules"; 0 and -1 where no line has them. */
typedef struct fm_run_spent {
    double seconds, joules;
} fm_run_spent;

/* Opens `path`, keeping the lines of steps up to `step`; a negative step: none. *spent: up to there. */
fm_status fm_run_log_open(const char *path, int64_t step, fm_run_log *out, fm_run_spent *spent, fm_error *err);
void fm_run_log_close(fm_run_log *log); /* a zeroed one is fine */

/* Begins an event; put what belongs to it into the writer that comes back, then end it. */
fm_json_writer *fm_run_log_event(fm_run_log *log, const char *event, int64_t step);
/* FM_ERR_IO: the disk does not take it. The line is not lost and counts as put: it waits. */
fm_status fm_run_log_end(fm_run_log *log, fm_error *err);
/* Everything so far, on the disk itself: what a checkpoint is about to follow. */
fm_status fm_run_log_sync(fm_run_log *log, fm_error *err);
