/* task.c: the kinds there are. */
#include "rl/task/task.h"

#include "base/nearest.h"

#include <string.h>

static const struct listed {
    const fm_task_kind *kind;
    const char *help;
} listed[] = {
#define TASK(name, help) {&fm_task_##name, help},
#include "rl/task/tasks.def"
#undef TASK
};

const fm_task_kind *fm_task_at(size_t i) { return i < FM_COUNT(listed) ? listed[i].kind : NULL; }

const fm_task_kind *fm_task_find(const char *name) {
    for (size_t i = 0; i < FM_COUNT(listed); i++)
        if (!strcmp(listed[i].kind->name, name)) return listed[i].kind;
    return NULL;
}

const char *fm_task_help(const fm_task_kind *kind) {
    for (size_t i = 0; i < FM_COUNT(listed); i++)
        if (listed[i].kind == kind) return listed[i].help;
    return "";
}

fm_status fm_task_unknown(const char *name, fm_error *err) {
    const char *names[FM_COUNT(listed)];
    for (size_t i = 0; i < FM_COUNT(listed); i++) names[i] = listed[i].kind->name;
    const char *nearest = fm_nearest_word(name, names, FM_COUNT(listed));
    if (nearest)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no kind of problem \"%s\"; did you mean %s?", name, nearest);
    return fm_fail(err, FM_ERR_ARGUMENT, "there is no kind of problem \"%s\"; fathom tasks list shows them", name);
}
