#include "jail/syscalls.h"

#include "jail/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const allowed[] = {
#define FM_SYSCALL(name) #name,
#include "jail/syscalls.def"
#undef FM_SYSCALL
};

/* A call with a condition on one argument. */
typedef struct conditional {
    const char *name;
    struct scmp_arg_cmp argument;
} conditional;

#define ONLY(index, ...) {index, __VA_ARGS__}

/* Children yes, namespaces and children that are traced or are somebody else's no. */
enum {
    FORBIDDEN_CLONE = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                      CLONE_NEWNET | CLONE_PTRACE | CLONE_UNTRACED | CLONE_PARENT | CLONE_IO,
};

static const conditional conditionals[] = {
    {"clone", ONLY(0, SCMP_CMP_MASKED_EQ, (uint32_t)FORBIDDEN_CLONE, 0)},
    {"prctl", ONLY(0, SCMP_CMP_EQ, PR_SET_NAME)},
    {"prctl", ONLY(0, SCMP_CMP_EQ, PR_GET_NAME)},
    {"socketpair", ONLY(0, SCMP_CMP_EQ, AF_UNIX)}, /* event loops wake themselves with one */
    {"ioctl", ONLY(1, SCMP_CMP_EQ, TCGETS)},       /* isatty; not TIOCSTI and the like */
    {"ioctl", ONLY(1, SCMP_CMP_EQ, TIOCGWINSZ)},
    {"ioctl", ONLY(1, SCMP_CMP_EQ, FIONREAD)},
    {"ioctl", ONLY(1, SCMP_CMP_EQ, FIONBIO)},
    {"ioctl", ONLY(1, SCMP_CMP_EQ, FIOCLEX)},
    {"ioctl", ONLY(1, SCMP_CMP_EQ, FIONCLEX)},
};

/* Names that this architecture has not (fork on aarch64) are passed over. */
static int add_rules(scmp_filter_ctx filter) {
    for (size_t i = 0; i < FM_COUNT(allowed); i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);
        if (number < 0) continue;
        int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        if (code != 0) return code;
    }
    for (size_t i = 0; i < FM_COUNT(conditionals); i++) {
        int number = seccomp_syscall_resolve_name(conditionals[i].name);
        if (number < 0) continue;
        int code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &conditionals[i].argument);
        if (code != 0) return code;
    }
    return 0;
}

/* The filter holds the native architecture alone. The kernel tells x32 by a bit of the number and not by the
 * architecture; libseccomp rejects that bit itself where x32 has not been added. */
static int build(int fd) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter) return -ENOMEM;
    int code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (code == 0) code = add_rules(filter);
    if (code == 0) code = seccomp_export_bpf(filter, fd);
    seccomp_release(filter);
    return code;
}

fm_status fm_syscalls_filter(int *fd, fm_error *err) {
    *fd = fm_spawn_lift(memfd_create("fathom-syscalls", MFD_CLOEXEC));
    if (*fd < 0) return fm_fail(err, FM_ERR_IO, "cannot make a file in memory: %s", strerror(errno));
    int code = build(*fd);
    if (code == 0 && lseek(*fd, 0, SEEK_SET) == 0) return FM_OK;
    close(*fd);
    *fd = -1;
    return fm_fail(err, FM_ERR_UNSUPPORTED, "libseccomp cannot make the jail's list of system calls: %s",
                   strerror(code < 0 ? -code : EIO));
}
