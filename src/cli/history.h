/* history.h: the lines that were typed in earlier chats, in a file that only its owner may read.
 *
 * $FATHOM_HOME/history, else $XDG_STATE_HOME/fathom/history, else ~/.local/state/fathom/history. One
 * line each, a newline inside written as \n and a backslash as \\. Every line is appended as it comes,
 * so that chats side by side do not overwrite each other. A history that cannot be kept is no reason
 * not to chat: nothing here fails. */
#pragma once

#include <stddef.h>

enum { FM_HISTORY_LINES = 1000 };

/* The file's path, to be freed with fm_free; NULL when there is no place for one. */
char *fm_history_path(void);
/* Calls `each` with the last FM_HISTORY_LINES lines, oldest first. A file that has grown to more than
 * twice that is cut to them. */
void fm_history_load(const char *path, void (*each)(void *context, const char *line), void *context);
/* Makes the file and its folders where they are missing. */
void fm_history_append(const char *path, const char *line);
