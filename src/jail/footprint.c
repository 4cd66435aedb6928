#include "jail/footprint.h"

#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct process {
    pid_t pid, parent;
    size_t pages;
    unsigned long long ticks;
} process;

typedef struct table {
    process *list;
    size_t n, capacity;
    size_t n_ours; /* the first of the list, once they are known */
} table;

/* /proc/PID/stat: number, (name, which may hold anything), state, parent, ..., as fields 14 to 17 time of its own
 * and of its children, in user and system, ..., resident pages as field 24. */
static bool read_process(const char *name, process *out) {
    char path[300], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strrchr(text, ')');
    int parent;
    unsigned long long user, system, children_user, children_system;
    long pages;
    if (!at || sscanf(at + 1,
                      " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %*d %*d %*u %*u %ld",
                      &parent, &user, &system, &children_user, &children_system, &pages) != 6)
        return false;
    *out = (process){.pid = (pid_t)atoi(name),
                     .parent = parent,
                     .pages = pages > 0 ? (size_t)pages : 0,
                     .ticks = user + system + children_user + children_system};
    return true;
}

static void read_table(table *t) {
    DIR *d = opendir("/proc");
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9') continue;
        if (t->n == t->capacity) {
            size_t more = t->capacity ? 2 * t->capacity : 256;
            process *list = fm_realloc(t->list, more * sizeof *list, FM_MEM_OTHER);
            if (!list) break;
            t->list = list;
            t->capacity = more;
        }
        if (read_process(e->d_name, &t->list[t->n])) t->n++;
    }
    closedir(d);
}

static bool is_ours(const table *t, pid_t pid) {
    for (size_t i = 0; i < t->n_ours; i++)
        if (t->list[i].pid == pid) return true;
    return false;
}

/* Brings `first` and its descendants to the front. A child's number is mostly larger than its parent's, and /proc
 * is in order of numbers, so there are few rounds. */
static void gather(table *t, pid_t first) {
    for (bool more = true; more;) {
        more = false;
        for (size_t i = t->n_ours; i < t->n; i++) {
            process p = t->list[i];
            if (p.pid != first && !is_ours(t, p.parent)) continue;
            t->list[i] = t->list[t->n_ours];
            t->list[t->n_ours++] = p;
            more = true;
        }
    }
}

fm_footprint fm_footprint_of(pid_t first) {
    table t = {0};
    read_table(&t);
    gather(&t, first);
    fm_footprint sum = {0};
    for (size_t i = 0; i < t.n_ours; i++) {
        sum.bytes += t.list[i].pages * (size_t)sysconf(_SC_PAGESIZE);
        sum.cpu_seconds += (double)t.list[i].ticks / (double)sysconf(_SC_CLK_TCK);
    }
    fm_free(t.list);
    return sum;
}
