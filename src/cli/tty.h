/* tty.h: the terminal while a conversation owns it: keys that are typed during an answer wait unseen
 * for the next line, and whatever happens to the window is noticed. */
#pragma once

#include <stdbool.h>

/* From now on keys are neither shown nor gathered into lines by the terminal (Ctrl-C and Ctrl-Z stay
 * what they are), and changes of the window are counted. Nothing where standard input is no terminal. */
void fm_tty_take(void);
void fm_tty_give_back(void);

/* How often the window has changed its size or the program came back from Ctrl-Z: when the number
 * moves, nobody knows any more where on the screen something stands. */
unsigned fm_tty_changes(void);
/* How often it came back: the terminal's modes are then the shell's. */
unsigned fm_tty_returns(void);
