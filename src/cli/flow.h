/* flow.h: text flowing onto a terminal, broken between words rather than inside them.
 *
 * Only the place of a line break changes: a break replaces the space where the terminal would have
 * broken a word. Scripts without spaces may break after any wide character. Control characters are
 * shown as pictures, never obeyed: a model cannot send escape sequences. */
#pragma once

#include "base/buffer.h"

typedef struct fm_flow {
    int width;  /* columns; 0: no breaking */
    int column; /* cells written on this line, at most `width` */
    int rows;   /* of the screen that lie above this line */
    bool unsure; /* the terminal broke something whose width it may see otherwise: rows may be wrong */
    fm_buffer word;
    int word_width;
} fm_flow;

void fm_flow_put(fm_flow *flow, const char *s, size_t n);
void fm_flow_flush(fm_flow *flow); /* writes the word that more might belong to */
void fm_flow_end(fm_flow *flow); /* writes the last word, frees, and is ready to begin again */
/* The window has `width` columns now; what stands on the line may have been broken. */
void fm_flow_resize(fm_flow *flow, int width);
