/* hostile.c: attacks on the jail, one a name; compiled and run inside it by test_escape.c, never outside.
 * Prints "held" when nothing gave way, "ESCAPED ..." when something did; what must not come back at all says
 * nothing. An attack that the machine's own limits stop is "held" as well. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int escapes;

static void escaped(const char *what) {
    printf("ESCAPED: %s\n", what);
    escapes++;
}

static void must_fail(const char *what, long result) {
    if (result >= 0) escaped(what);
}

/* ---- more than one's share --------------------------------------------------------------------*/

static void fork_bomb(int argc, char **argv) {
    (void)argc, (void)argv;
    int n = 0;
    for (int failures = 0; failures < 1000;) {
        pid_t pid = fork();
        if (pid == 0) for (;;) pause();
        if (pid > 0) n++;
        else failures++;
    }
    if (n > 15) escaped("more processes than allowed");
}

static void *sleep_long(void *p) {
    pause();
    return p;
}

static void thread_bomb(int argc, char **argv) {
    (void)argc, (void)argv;
    int n = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < 1000; i++) {
        pthread_t t;
        if (pthread_create(&t, &small, sleep_long, NULL) == 0) n++;
    }
    if (n > 15) escaped("more threads than allowed");
}

/* Never ends and never waits for anything: only the jail's owner can stop it. */
static void fork_storm(int argc, char **argv) {
    (void)argc, (void)argv;
    puts("held");
    fflush(stdout);
    for (;;) fork();
}

static size_t fill(const char *folder, int files) {
    size_t total = 0;
    static char block[1 << 16];
    memset(block, 7, sizeof block);
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < files; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/fill-%d", folder, i);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        if (fd < 0) break;
        for (ssize_t n; (n = write(fd, block, sizeof block)) > 0;) total += (size_t)n;
        close(fd);
    }
    return total;
}

static void disk_fill(int argc, char **argv) {
    (void)argc, (void)argv;
    static const char *const closed[] = {"/", "/box", "/dev", "/dev/shm", "/run", "/var/tmp", "/usr", "/etc", "/home"};
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (fill(closed[i], 1) > 0) escaped(closed[i]);
    size_t total = fill("/tmp", 1000);
    if (total > (size_t)16 << 20) escaped("more of /tmp than allowed");
    int fd = open("/tmp/large", O_WRONLY | O_CREAT, 0600);
    if (fd >= 0) {
        must_fail("a larger file than allowed", ftruncate(fd, 2 << 20));
        must_fail("a larger file than allowed, by fallocate", fallocate(fd, 0, 0, 2 << 20));
    }
}

/* Files without a byte: they cost the kernel memory. */
static void file_crowd(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int i = 0; i < 7; i++)
        if (fork() == 0) break;
    char folder[64];
    snprintf(folder, sizeof folder, "/tmp/%d", (int)getpid());
    mkdir(folder, 0700);
    for (int i = 0; chdir(folder) == 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (i == 400000) escaped("hundreds of thousands of files");
        close(fd);
    }
}

static void memory_bomb(int argc, char **argv) {
    (void)argc, (void)argv;
    size_t total = 0, block = 16 << 20;
    for (char *p; (p = mmap(NULL, block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED;) {
        memset(p, 1, block);
        total += block;
    }
    if (total > (size_t)256 << 20) escaped("more memory than allowed");
}

/* Each process keeps to its limit, and all together do not. */
static void memory_crowd(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int i = 0; i < 14; i++)
        if (fork() == 0) break;
    size_t size = (size_t)180 << 20;
    volatile char *p = malloc(size);
    for (size_t i = 0; p && i < size; i += 4096) p[i] = 1;
    for (;;) pause();
}

static void memory_elsewhere(int argc, char **argv) {
    (void)argc, (void)argv;
    must_fail("memfd_create", syscall(SYS_memfd_create, "x", 0));
    must_fail("shmget", shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600));
    must_fail("msgget", msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    must_fail("mq_open", syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, NULL));
    must_fail("memfd_secret", syscall(447, 0));
}

static void limits_up(int argc, char **argv) {
    (void)argc, (void)argv;
    static const int all[] = {RLIMIT_AS, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_CORE};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct rlimit more;
        getrlimit(all[i], &more);
        if (more.rlim_cur == RLIM_INFINITY) escaped("no limit");
        more.rlim_cur++;
        more.rlim_max++;
        must_fail("a limit raised", setrlimit(all[i], &more));
    }
}

static void output_flood(int argc, char **argv) {
    (void)argc, (void)argv;
    for (;;) puts("flood flood flood flood flood flood flood flood flood flood");
}

static void survivor(int argc, char **argv) {
    (void)argc, (void)argv;
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            signal(SIGHUP, SIG_IGN);
            signal(SIGTERM, SIG_IGN);
            prctl(PR_SET_NAME, "fathom-survivor");
            for (;;) pause();
        }
        _exit(0);
    }
    usleep(50000);
}

/* ---- out --------------------------------------------------------------------------------------*/

static void network(int argc, char **argv) { /* port name: both are listened on outside */
    uint16_t port = argc > 2 ? (uint16_t)atoi(argv[2]) : 80;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
    must_fail("TCP to this machine", connect(tcp, (struct sockaddr *)&to, sizeof to));
    must_fail("UDP to this machine", sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    to.sin_addr.s_addr = htonl(0x08080808);
    must_fail("UDP to elsewhere", sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t n = argc > 3 ? strlen(argv[3]) : 0;
    if (n) memcpy(name.sun_path + 1, argv[3], n);
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    must_fail("an abstract name", connect(local, (struct sockaddr *)&name,
                                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)));
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK, AF_BLUETOOTH};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        must_fail("a stream socket", socket(families[i], SOCK_STREAM, 0));
        must_fail("a raw socket", socket(families[i], SOCK_RAW, 0));
        int pair[2];
        if (families[i] != AF_UNIX) must_fail("a socket pair", socketpair(families[i], SOCK_STREAM, 0, pair));
    }
}

static void proc(int argc, char **argv) {
    (void)argc, (void)argv;
    static const char *const paths[] = {"/proc/self/environ", "/proc/1/environ", "/proc/1/root", "/proc/self/mem",
                                        "/proc/sys/kernel/hostname", "/proc/mounts", "/sys/kernel", "/proc/2/cmdline"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) must_fail(paths[i], open(paths[i], O_RDONLY));
    must_fail("mounting proc", mount("proc", "/tmp", "proc", 0, NULL));
}

static void signals(int argc, char **argv) { /* the number of a process outside */
    pid_t other = argc > 2 ? atoi(argv[2]) : 2;
    if (getppid() != 0) escaped("it sees its parent");
    must_fail("a signal to a process outside", kill(other, SIGKILL));
    must_fail("a signal to its parent", syscall(SYS_tgkill, other, other, SIGKILL));
    must_fail("pidfd_open", syscall(SYS_pidfd_open, other, 0));
    for (pid_t p = 2; p < 70000; p++)
        if (p != getpid() && kill(p, 0) == 0) escaped("a process that it did not make");
}

static void trace(int argc, char **argv) {
    pid_t other = argc > 2 ? atoi(argv[2]) : 2;
    must_fail("ptrace attach", ptrace(PTRACE_ATTACH, other, 0, 0));
    must_fail("ptrace traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
    must_fail("ptrace seize of its own", ptrace(PTRACE_SEIZE, getpid(), 0, 0));
    char byte;
    struct {
        void *base;
        size_t n;
    } at = {&byte, 1};
    must_fail("process_vm_readv", syscall(SYS_process_vm_readv, getpid(), &at, 1, &at, 1, 0));
    must_fail("process_vm_writev", syscall(SYS_process_vm_writev, getpid(), &at, 1, &at, 1, 0));
    must_fail("kcmp", syscall(SYS_kcmp, 1, 1, 0, 0, 0));
}

static void links(int argc, char **argv) { /* a path outside that exists */
    const char *secret = argc > 2 ? argv[2] : "/etc/passwd";
    static const char *const targets[] = {"/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/self/root", "/root",
                                          "/home", "/var", "/oldroot", "/newroot", "../../../../etc/passwd"};
    for (size_t i = 0; i <= sizeof targets / sizeof *targets; i++) {
        const char *target = i ? targets[i - 1] : secret;
        unlink("/tmp/link");
        if (symlink(target, "/tmp/link") != 0) continue;
        must_fail(target, open("/tmp/link", O_RDONLY));
        must_fail(target, open(target, O_RDONLY));
    }
    must_fail("a link into /usr", link("/usr/bin/env", "/tmp/hard"));
    must_fail("a handle", syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
}

static void root_tricks(int argc, char **argv) {
    (void)argc, (void)argv;
    must_fail("chroot", chroot("/tmp"));
    must_fail("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    must_fail("unshare user", unshare(CLONE_NEWUSER));
    must_fail("unshare mount", unshare(CLONE_NEWNS));
    must_fail("clone into a namespace", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    must_fail("clone into namespaces",
              syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
    uint64_t clone3[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    if (syscall(SYS_clone3, clone3, sizeof clone3) != -1 || errno != ENOSYS) escaped("clone3");
    must_fail("setns", setns(0, 0));
    must_fail("setuid", setuid(0) == 0 && getuid() == 0 ? 0 : -1);
    must_fail("setgroups", syscall(SYS_setgroups, (size_t)0, NULL));
    must_fail("capset", syscall(SYS_capset, NULL, NULL));
    if (getuid() == 0 || geteuid() == 0) escaped("it is root");
    if (chdir("..") == 0 && chdir("..") == 0 && access("etc/passwd", F_OK) == 0) escaped("above the root");
}

static void mounts(int argc, char **argv) {
    (void)argc, (void)argv;
    must_fail("tmpfs", mount("none", "/tmp", "tmpfs", 0, NULL));
    must_fail("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    must_fail("bind", mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
    must_fail("umount", umount2("/tmp", MNT_DETACH));
    must_fail("umount /usr", umount2("/usr", MNT_DETACH));
    must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 0));
    must_fail("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/tmp", 0));
    must_fail("mount_setattr", syscall(442, AT_FDCWD, "/", 0, NULL, 0));
}

static void devices(int argc, char **argv) {
    (void)argc, (void)argv;
    static const char *const paths[] = {"/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/sda", "/dev/vda", "/dev/kvm",
                                        "/dev/fuse", "/dev/net/tun", "/dev/ptmx", "/dev/shm", "/dev/pts/0"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) must_fail(paths[i], open(paths[i], O_RDONLY));
    must_fail("a device made", syscall(SYS_mknodat, AT_FDCWD, "/tmp/sda", S_IFBLK | 0600, 8 << 8));
    must_fail("a character device made", syscall(SYS_mknodat, AT_FDCWD, "/tmp/mem", S_IFCHR | 0600, 1 << 8 | 1));
    char c = '\n';
    must_fail("TIOCSTI", ioctl(0, TIOCSTI, &c));
    must_fail("the mode of /dev/null", chmod("/dev/null", 0));
    must_fail("a file in /dev", open("/dev/x", O_WRONLY | O_CREAT, 0600));
}

static void kernel(int argc, char **argv) {
    (void)argc, (void)argv;
    static char zeros[256];
    must_fail("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
    must_fail("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    must_fail("request_key", syscall(SYS_request_key, "user", "x", NULL, -3));
    must_fail("io_uring_setup", syscall(425, 8, zeros));
    must_fail("io_uring_enter", syscall(426, 0, 0, 0, 0, NULL, 0));
    must_fail("io_uring_register", syscall(427, 0, 0, NULL, 0));
    must_fail("bpf", syscall(SYS_bpf, 0, zeros, sizeof zeros));
    must_fail("userfaultfd", syscall(SYS_userfaultfd, 0));
    must_fail("perf_event_open", syscall(SYS_perf_event_open, zeros, 0, -1, -1, 0));
    must_fail("seccomp", syscall(SYS_seccomp, 0, 0, NULL));
    must_fail("init_module", syscall(SYS_init_module, zeros, 1, ""));
    must_fail("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    must_fail("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
    must_fail("settimeofday", syscall(SYS_settimeofday, zeros, NULL));
    must_fail("sethostname", syscall(SYS_sethostname, "x", 1));
    must_fail("swapon", syscall(SYS_swapon, "/tmp/x", 0));
    must_fail("personality", syscall(SYS_personality, 0x0040000));
    must_fail("prctl dumpable", prctl(PR_SET_DUMPABLE, 0));
    must_fail("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    must_fail("landlock", syscall(444, NULL, 0, 1));
    must_fail("syslog", syscall(SYS_syslog, 3, zeros, sizeof zeros));
    must_fail("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
    must_fail("acct", syscall(SYS_acct, "/tmp/x"));
    must_fail("vmsplice", syscall(SYS_vmsplice, 1, NULL, 0, 0));
#ifdef __x86_64__
    must_fail("iopl", syscall(SYS_iopl, 3));
    must_fail("modify_ldt", syscall(SYS_modify_ldt, 0, zeros, sizeof zeros));
#endif
}

static void other_numbers(int argc, char **argv) {
    (void)argc, (void)argv;
    /* Whatever the kernel will call new: nothing above the list answers. */
    for (long n = 424; n < 1024; n++) {
        if (n == 436 || n == 437 || n == 439) continue; /* close_range, openat2, faccessat2 */
        errno = 0;
        if (syscall(n, -1, -1, -1, -1, -1, -1) != -1 || errno != ENOSYS) escaped("a new system call");
    }
}

static void descriptors(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int fd = 3; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0) escaped("an inherited descriptor");
    must_fail("writing to its input", write(0, "x", 1));
    must_fail("growing its input", ftruncate(0, 1 << 20));
    struct stat st;
    if (fstat(2, &st) == 0 && !S_ISFIFO(st.st_mode)) escaped("standard error is no pipe");
}

static void usr(int argc, char **argv) {
    (void)argc, (void)argv;
    must_fail("a file in /usr", open("/usr/x", O_WRONLY | O_CREAT, 0600));
    must_fail("a file in /usr/bin", open("/usr/bin/x", O_WRONLY | O_CREAT, 0600));
    must_fail("writing a program", open("/usr/bin/env", O_WRONLY));
    must_fail("removing a program", unlink("/usr/bin/env"));
    must_fail("renaming a program", rename("/usr/bin/env", "/usr/bin/env2"));
    must_fail("writing itself", open("/box/program", O_WRONLY));
    must_fail("removing itself", unlink("/box/program"));
    must_fail("a folder at the root", mkdir("/x", 0700));
    must_fail("the mode of a program", chmod("/usr/bin/env", 0777));
}

static void secrets(int argc, char **argv) { /* a word that must be nowhere */
    extern char **environ;
    const char *word = argc > 2 ? argv[2] : "hunter2";
    for (char **e = environ; *e; e++)
        if (strstr(*e, word) || strncmp(*e, "FATHOM", 6) == 0) escaped(*e);
    static const char *const folders[] = {"/", "/dev", "/tmp", "/box"};
    static const char *const expected[] = {" bin lib lib32 lib64 libx32 sbin usr dev tmp box ", " null zero urandom ",
                                           " ", " program "};
    for (int i = 0; i < 4; i++) {
        DIR *d = opendir(folders[i]);
        for (struct dirent *e; d && (e = readdir(d));) {
            char name[300];
            snprintf(name, sizeof name, " %s ", e->d_name);
            if (e->d_name[0] != '.' && !strstr(expected[i], name)) escaped(e->d_name);
            if (e->d_name[0] == '.' && strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) escaped(e->d_name);
        }
        if (d) closedir(d);
    }
    char name[256];
    gethostname(name, sizeof name);
    if (strcmp(name, "jail") != 0) escaped("the name of the machine");
}

/* ---- calls of another architecture: each must kill ----*/

static void x32(int argc, char **argv) {
    (void)argc, (void)argv;
#ifdef __x86_64__
    long result;
    register long number __asm__("rax") = 0x40000000 | 39; /* getpid */
    __asm__ volatile("syscall" : "=r"(result) : "0"(number) : "rcx", "r11", "memory");
    if (result != -ENOSYS) escaped("an x32 call");
    else escaped("an x32 call came back");
#endif
}

static void i386(int argc, char **argv) {
    (void)argc, (void)argv;
#ifdef __x86_64__
    long result = 20; /* getpid */
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    escaped("a call of i386 came back");
#endif
}

static const struct {
    const char *name;
    void (*attack)(int argc, char **argv);
} attacks[] = {
    {"fork_bomb", fork_bomb},     {"thread_bomb", thread_bomb},   {"fork_storm", fork_storm},
    {"disk_fill", disk_fill},     {"memory_bomb", memory_bomb},   {"memory_crowd", memory_crowd},
    {"file_crowd", file_crowd},   {"memory_elsewhere", memory_elsewhere}, {"limits_up", limits_up},
    {"output_flood", output_flood}, {"survivor", survivor},       {"network", network},
    {"proc", proc},               {"signals", signals},           {"trace", trace},
    {"links", links},             {"root_tricks", root_tricks},   {"mounts", mounts},
    {"devices", devices},         {"kernel", kernel},             {"other_numbers", other_numbers},
    {"descriptors", descriptors}, {"usr", usr},                   {"secrets", secrets},
    {"x32", x32},                 {"i386", i386},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof attacks / sizeof *attacks; i++) {
        if (strcmp(attacks[i].name, argv[1]) != 0) continue;
        attacks[i].attack(argc, argv);
        if (!escapes) puts("held");
        fflush(stdout);
        _exit(0);
    }
    puts("no such attack");
    return 2;
}
