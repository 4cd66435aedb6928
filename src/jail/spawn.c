#include "jail/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int fm_spawn_lift(int fd) {
    if (fd < 0) return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    int code = errno;
    close(fd);
    errno = code;
    return high;
}

bool fm_spawn_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return false;
    }
    ends[0] = fm_spawn_lift(ends[0]);
    ends[1] = fm_spawn_lift(ends[1]);
    return ends[0] >= 0 && ends[1] >= 0;
}

int fm_spawn_memory_file(const void *bytes, size_t n) {
    int fd = memfd_create("fathom-input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (size_t at = 0; fd >= 0 && at < n;) {
        ssize_t written = write(fd, (const char *)bytes + at, n - at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)written;
    }
    if (fd >= 0) {
        lseek(fd, 0, SEEK_SET);
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    }
    return fd;
}

void fm_spawn_close(const int *fds, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0) close(fds[i]);
}

bool fm_spawn_close_from(unsigned first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, ~0u, 0) == 0) return true;
#endif
    struct rlimit files; /* before Linux 5.9 */
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return false;
    rlim_t end = files.rlim_cur < (1u << 20) ? files.rlim_cur : (1u << 20);
    for (rlim_t fd = first; fd < end; fd++) close((int)fd);
    return true;
}

bool fm_spawn_limit(int resource, rlim_t value, rlim_t extra) {
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0) return false;
    struct rlimit wanted = {value, value + extra};
    if (now.rlim_max != RLIM_INFINITY) {
        if (wanted.rlim_max > now.rlim_max) wanted.rlim_max = now.rlim_max;
        if (wanted.rlim_cur > now.rlim_max) wanted.rlim_cur = now.rlim_max;
    }
    return setrlimit((__rlimit_resource_t)resource, &wanted) == 0;
}

void fm_spawn_reset_signals(void) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int s = 1; s < NSIG; s++) sigaction(s, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int fm_spawn_end_of(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

bool fm_spawn_has_ended(pid_t pid, bool *lost) {
    siginfo_t info = {0};
    int code = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    *lost = code != 0 && errno == ECHILD;
    return *lost || (code == 0 && info.si_pid == pid);
}

double fm_spawn_processor_seconds(const struct rusage *u) {
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           1e-6 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}
