/* cage.h: the moment in which a jail is built around a program. Private to src/jail.
 *
 * The tree is: this process -> bwrap, the monitor, outside -> bwrap again, process 1 of the jail, which sets up
 * the walls, then is a shell for one line, and then is the program. */
#pragma once

#include "jail/sandbox.h"

#include <sys/resource.h>
#include <sys/types.h>

typedef struct fm_cage {
    pid_t monitor;     /* a child of ours: to be waited for */
    pid_t first;       /* process 1 of the jail, by its number outside */
    int inside;        /* pidfd of `first`: killing it kills all of the jail */
    int output, error; /* our ends of its pipes, not blocking */
    int started;       /* says one byte just before the program runs; its end without: the walls failed */
    int status;        /* the monitor's words, open until it ends */
} fm_cage;

/* Starts job->argv behind all walls. `limits` has no zeros left. On failure nothing is left. */
fm_status fm_cage_start(const fm_sandbox_job *job, const fm_sandbox_limits *limits, fm_cage *out, fm_error *err);

/* Kills every process of the jail and waits for the monitor. *lost: it has been waited for already. */
int fm_cage_end(fm_cage *cage, struct rusage *usage, bool *lost);
