/* sandbox.h: runs a program that may be hostile, and takes only its output. child.h is the fence around honest
 * programs with bugs; this is the jail.
 *
 * The walls, each of which holds when the one before it has a hole (docs/jail.md):
 * - namespaces of bubblewrap's making: no network, process ids of its own, nobody else's messages or names;
 * - a file system of /usr, read-only, and an empty /tmp of limited size; no /proc, /sys, /etc, /home, no devices
 *   but null, zero and urandom;
 * - an allow-list of system calls (syscalls.def); whatever else it calls does not exist (ENOSYS), and calls of
 *   another architecture, x32 among them, kill it;
 * - no privileges, and none to be gained; run by root, it is nobody's;
 * - limits on processor and wall time, memory of one process and of all, files, processes and output;
 * - at its end, or at a limit, every process of it is killed before this returns.
 *
 * What it starts with is fixed: environment, locale, directory (/tmp), hash seed; its files lie in /box. It dies
 * with the calling thread. Any number of threads may run jails at the same time. The process must leave SIGCHLD at
 * its default or handled, and not wait for children that are not its own. Linux only. */
#pragma once

#include "base/buffer.h"

enum { FM_SANDBOX_FILES = 2 };

typedef struct fm_sandbox_limits {
    double wall_seconds;  /* from the program's start to its end */
    unsigned cpu_seconds; /* of all processes; this and the next but one are looked at every 10 ms, so met late */
    size_t memory_bytes;  /* of address space, each process */
    size_t total_bytes;   /* resident in all processes */
    size_t output_bytes;  /* on standard output */
    size_t file_bytes;    /* of any file it writes */
    size_t scratch_bytes; /* of /tmp */
    size_t scratch_files; /* and how many files and folders; looked at in the same way */
    unsigned processes;   /* and threads, the first included */
    unsigned open_files;
} fm_sandbox_limits;

/* 10 s, 2 s of processor, 256 MiB, 512 MiB in all, 64 KiB of output, 1 MiB files, 16 MiB and 4096 files in /tmp,
 * 16 processes, 32 open files. */
fm_sandbox_limits fm_sandbox_default_limits(void);

/* Lies in /box under this name (no slash), readable and executable. */
typedef struct fm_sandbox_file {
    const char *name;
    const void *data;
    size_t size; /* at most limits.file_bytes */
} fm_sandbox_file;

typedef struct fm_sandbox_job {
    const char *const *argv; /* NULL-terminated; argv[0] is a path inside: "/usr/bin/python3" */
    fm_sandbox_file files[FM_SANDBOX_FILES];
    size_t n_files;
    const void *input; /* standard input; empty when input_size is 0 */
    size_t input_size;
    fm_sandbox_limits limits; /* a zero means the default of that limit */
} fm_sandbox_job;

/* How it ended. */
typedef enum fm_sandbox_end {
    FM_SANDBOX_EXITED,  /* by itself, with exit_code */
    FM_SANDBOX_CRASHED, /* by `signal` */
    FM_SANDBOX_CPU,     /* it used up its processor time */
    FM_SANDBOX_WALL,    /* it did not end in time */
    FM_SANDBOX_MEMORY,  /* its processes together, or its files, took too much */
    FM_SANDBOX_OUTPUT,  /* it wrote too much */
    FM_SANDBOX_ENDS,
} fm_sandbox_end;

const char *fm_sandbox_end_name(fm_sandbox_end end); /* "exited", "crashed", "cpu", ... */

typedef struct fm_sandbox_result {
    fm_sandbox_end end;
    int exit_code, signal;
    fm_buffer output;    /* of standard output, at most limits.output_bytes; kept whatever the end */
    double cpu_seconds;  /* of all its processes that were waited for, and of setting up: 10 ms or so */
    double wall_seconds; /* from the program's start */
    size_t peak_bytes;   /* resident in its largest process */
    char complaint[256]; /* the last line of its standard error, printable; may be empty */
} fm_sandbox_result;

/* Runs it to its end; FM_OK however that was. Otherwise nothing is left running and `result` is empty:
 * FM_ERR_UNSUPPORTED, this machine has no jail (fm_sandbox_available); FM_ERR_IO, this once it could not be set
 * up; FM_ERR_ARGUMENT, a job that cannot be. */
fm_status fm_sandbox_run(const fm_sandbox_job *job, fm_sandbox_result *result, fm_error *err);
void fm_sandbox_result_clear(fm_sandbox_result *result);

/* Whether this machine can jail at all: a program is run once in a full jail, and the answer remembered.
 * FM_ERR_UNSUPPORTED says what is missing. Nothing runs with fewer walls. */
fm_status fm_sandbox_available(fm_error *err);
