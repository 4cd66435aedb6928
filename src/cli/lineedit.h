/* lineedit.h: a message from the keyboard: edited, with completion and the lines of earlier days within
 * reach (libedit). Many pasted lines are one message. */
#pragma once

#include "base/status.h"
#include "cli/complete.h"

typedef struct fm_lineedit fm_lineedit;

/* What the strings point to must outlive the editor. */
typedef struct fm_lineedit_options {
    const char *prompt;       /* before a message */
    const char *continuation; /* before its further lines; both may hold escapes between \1 bytes */
    const char *history;      /* a file (history.h); NULL: lines are remembered until the end only */
    /* What Tab completes, `line` being what stands before the cursor; NULL: nothing. */
    fm_complete_place (*place)(const char *line);
} fm_lineedit_options;

fm_status fm_lineedit_new(const fm_lineedit_options *options, fm_lineedit **out, fm_error *err);
void fm_lineedit_free(fm_lineedit *editor);

typedef enum fm_line { FM_LINE_TEXT, FM_LINE_INTERRUPTED, FM_LINE_END } fm_line;

/* The next message without its last newline, borrowed until the next call. A backslash at the end of a
 * line continues it on the next; what begins with """ goes on until a line ends so. Ctrl-C (caught, see
 * screen.h) is INTERRUPTED, *text then being what it put an end to; Ctrl-D on an empty line is END, and
 * in the middle of a message the end of that. */
fm_line fm_lineedit_read(fm_lineedit *editor, const char **text);
