#include "cli/making.h"

#include <sys/stat.h>

void fm_making_begin(fm_making *m, const char *what, const char *path) {
    struct stat st;
    double bytes = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (double)st.st_size : 0;
    m->what = what;
    m->path = path;
    fm_progress_begin(&m->bar, what, bytes, bytes > 0 ? "B" : NULL);
    fm_interrupt_catch();
}

void fm_making_end(fm_making *m) {
    fm_interrupt_release();
    fm_progress_end(&m->bar);
}

bool fm_making_progress(void *making, double fraction) {
    fm_making *m = making;
    fm_progress_at(&m->bar, fraction);
    return !fm_interrupted();
}

void fm_making_note(void *making, const char *sentence) {
    fm_making *m = making;
    fm_ink ink = fm_ink_for(stderr);
    if (m->bar.visible) { /* the note stands where the bar was */
        fputs("\r\033[K", stderr);
        m->bar.visible = false;
    }
    fprintf(stderr, "%snote: %s%s\n", ink.dim, sentence, ink.reset);
}
