/* syscalls.h: the jail's list of system calls as the kernel reads it. Private to src/jail. */
#pragma once

#include "base/status.h"

/* A BPF program in a file in memory, for bwrap --seccomp; the caller closes it. */
fm_status fm_syscalls_filter(int *fd, fm_error *err);
