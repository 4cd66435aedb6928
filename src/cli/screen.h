/* screen.h: what is written for people: colours, widths, numbers with units, progress, Ctrl-C.
 *
 * Colours and progress appear on a terminal only, and colours never when NO_COLOR is set
 * (no-color.org) or the terminal is dumb. */
#pragma once

#include "base/buffer.h"

#include <stdio.h>

/* Escape sequences for a stream, or empty strings. */
typedef struct fm_ink {
    bool on;
    const char *bold, *dim, *accent, *good, *bad, *reset;
} fm_ink;

fm_ink fm_ink_for(FILE *stream);
bool fm_is_terminal(FILE *stream);
int fm_screen_width(FILE *stream);  /* columns; 80 when unknown */
int fm_screen_height(FILE *stream); /* rows; 0 when unknown */
/* Whether what was written can be taken back: a terminal, and not a dumb one. */
bool fm_screen_moves(FILE *stream);

/* Terminal cells of UTF-8 text without escapes. */
int fm_text_width(const char *s, size_t n);

/* Numbers for people; static storage, good until the eighth next call. */
const char *fm_human_bytes(double bytes);     /* "640 MiB": memory, files */
const char *fm_human_decimal(double bytes);   /* "70.3 kB": where papers count so */
const char *fm_human_flops(double flops);     /* "73.2 GFLOP" */
const char *fm_human_count(double count);     /* "671 B", "37.6 B", "812" */
const char *fm_human_integer(double integer); /* "671,026,419,200" */
const char *fm_human_seconds(double seconds); /* "4.2 s", "3 min 20 s", "2 h 5 min" */

/* A line on standard error that shows how far something is, for work of more than two seconds. */
typedef struct fm_progress {
    const char *what; /* "Loading" */
    double units;     /* what a fraction of 1 stands for */
    double before;    /* the fraction that was done when it began; set after fm_progress_begin */
    const char *unit; /* "B" for bytes, else a word: "tokens"; NULL: no rate */
    double started, shown;
    bool on, visible;
} fm_progress;

void fm_progress_begin(fm_progress *p, const char *what, double units, const char *unit);
void fm_progress_at(fm_progress *p, double fraction);
void fm_progress_end(fm_progress *p); /* removes the line */

/* From now on the first Ctrl-C sets a flag, for work that looks at it; the second ends the program
 * with exit code 130. Before, or after fm_interrupt_release, any Ctrl-C ends it so. */
void fm_interrupt_catch(void);
void fm_interrupt_catch_always(void); /* the same, but no number of them ends the program */
void fm_interrupt_obey(void);         /* the first one ends it: for work that cannot look */
void fm_interrupt_release(void);
bool fm_interrupted(void);
void fm_interrupt_clear(void);

/* Standard output for whatever is long: false as soon as a write failed (a full disk, a reader that
 * went away), so that nobody goes on computing for nobody. */
bool fm_output(const void *bytes, size_t n);
bool fm_output_text(const char *s);
bool fm_output_flush(void);
/* Writes and clears the buffer. */
fm_status fm_output_buffer(fm_buffer *text, fm_error *err);
/* Flushes; an error if anything written was lost. main calls it at the end of every command. */
fm_status fm_output_status(fm_error *err);

/* What the program exits with when nothing fails, for commands that find something out; 0 if never called. */
void fm_exit_with(int code);
int fm_exit_code(void);
