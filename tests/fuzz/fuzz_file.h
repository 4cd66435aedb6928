/* fuzz_file.h: a fuzzer's bytes as a file that has a path, for what opens files by name. */
#pragma once

#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FUZZ_PATH = 64 };

/* Writes where it lies to `path`; the file goes with the descriptor, which the caller closes. */
static inline int fuzz_file(const void *bytes, size_t n, char path[FUZZ_PATH]) {
    int fd = memfd_create("fuzz", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    snprintf(path, FUZZ_PATH, "/proc/self/fd/%d", fd);
    return fd;
}
