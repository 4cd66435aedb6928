/* help.h: the option tables as text: for the screen, and as manual pages. */
#pragma once

#include "base/buffer.h"
#include "cli/args.h"

/* The commands in the order of commands.def. */
typedef struct fm_command_entry {
    const fm_command *command;
    const char *help; /* one line */
} fm_command_entry;

extern const fm_command_entry fm_commands[];
extern const size_t fm_n_commands;

/* The command that the first word names, or the first two ("data build"); *used receives how many those
 * are. NULL if there is none. */
const fm_command_entry *fm_command_find(int argc, char *const *argv, int *used);

/* The list of all commands: one screen of 80 x 24. */
void fm_help_overview(fm_buffer *out, bool colour);
void fm_help_command(fm_buffer *out, const fm_command_entry *entry, bool colour);
/* roff, with the man macros; `entry` NULL is fathom(1) itself. */
void fm_help_man(fm_buffer *out, const fm_command_entry *entry);
