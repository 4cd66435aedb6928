/* spawn.h: what starting and watching any child takes. Private to src/jail.
 *
 * Between fork and exec a process of several threads may only make system calls, for another thread may hold any
 * lock, malloc's included: the second group keeps to that. */
#pragma once

#include "base/status.h"

#include <sys/resource.h>
#include <sys/types.h>

/* ---- in the parent, before the fork ----*/

/* The same file above 9, so that moving it to a low number never lands on one that is still needed; closes the
 * one given. Negative, with errno, when there is none. */
int fm_spawn_lift(int fd);
/* A pipe with both ends lifted and closed on exec. */
bool fm_spawn_pipe(int ends[2]);
/* The bytes as a file in memory that nobody can change any more: no pipe to feed, so no deadlock and no SIGPIPE. */
int fm_spawn_memory_file(const void *bytes, size_t n);
void fm_spawn_close(const int *fds, size_t n); /* negative ones are skipped */

/* ---- in the child: system calls only ----*/

bool fm_spawn_close_from(unsigned first);
/* Sets a limit whose hard one is `extra` above; never more than what we have ourselves. */
bool fm_spawn_limit(int resource, rlim_t value, rlim_t extra);
void fm_spawn_reset_signals(void);

/* ---- in the parent, after the fork ----*/

/* A descriptor that becomes readable when the process ends; -1 before Linux 5.3. */
int fm_spawn_end_of(pid_t pid);
/* Not reaped by this, so that its number stays its own and can be killed safely. *lost: somebody else has reaped
 * it, in a program that ignores SIGCHLD or waits for whatever ends. */
bool fm_spawn_has_ended(pid_t pid, bool *lost);
double fm_spawn_processor_seconds(const struct rusage *usage);
