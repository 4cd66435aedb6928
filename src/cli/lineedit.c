#include "cli/lineedit.h"

#include "base/buffer.h"
#include "cli/screen.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct fm_lineedit {
    EditLine *edit;
    History *history;
    const char *prompt, *continuation;
    bool continued;
    fm_buffer line;
};

enum { HISTORY_LINES = 1000 };

static const char *prompt_of(EditLine *edit) {
    fm_lineedit *e = NULL;
    el_get(edit, EL_CLIENTDATA, &e);
    return e->continued ? e->continuation : e->prompt;
}

/* One character from the keyboard: 1, 0 at the end of input, -1 after Ctrl-C. SIGINT is blocked while
 * a line is edited and let in only inside ppoll, so that one that comes between two reads is not
 * lost until the next key. */
static int next_character(EditLine *edit, wchar_t *out) {
    (void)edit;
    sigset_t open_to_interrupts;
    sigprocmask(SIG_BLOCK, NULL, &open_to_interrupts);
    sigdelset(&open_to_interrupts, SIGINT);
    mbstate_t partial = {0};
    for (;;) {
        struct pollfd keyboard = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = ppoll(&keyboard, 1, NULL, &open_to_interrupts);
        if (fm_interrupted()) return -1;
        if (ready < 0 && errno == EINTR) continue; /* the window changed its size */
        if (ready < 0) return -1;
        char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return (int)n;
        size_t length = mbrtowc(out, &byte, 1, &partial);
        if (length == (size_t)-2) continue; /* more bytes of it are to come */
        if (length != (size_t)-1) return 1;
        partial = (mbstate_t){0}; /* not UTF-8: dropped */
    }
}

fm_status fm_lineedit_new(const char *prompt, const char *continuation, fm_lineedit **out,
                          fm_error *err) {
    *out = NULL;
    fm_lineedit *e = fm_alloc_zero(sizeof *e, FM_MEM_OTHER);
    if (!e) return fm_fail_memory(err, sizeof *e, "the line editor");
    e->prompt = prompt;
    e->continuation = continuation;
    e->edit = el_init("fathom", stdin, stdout, stderr);
    e->history = history_init();
    if (!e->edit || !e->history) {
        fm_lineedit_free(e);
        return fm_fail(err, FM_ERR_IO, "cannot edit lines on this terminal");
    }
    HistEvent event;
    history(e->history, &event, H_SETSIZE, HISTORY_LINES);
    history(e->history, &event, H_SETUNIQUE, 1);
    el_set(e->edit, EL_CLIENTDATA, e);
    el_set(e->edit, EL_PROMPT_ESC, prompt_of, '\1');
    el_set(e->edit, EL_EDITOR, "emacs");
    el_set(e->edit, EL_HIST, history, e->history);
    el_set(e->edit, EL_SIGNAL, 0); /* ours: see screen.h */
    el_set(e->edit, EL_GETCFN, next_character);
    el_set(e->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(e->edit, NULL);
    *out = e;
    return FM_OK;
}

void fm_lineedit_free(fm_lineedit *e) {
    if (!e) return;
    if (e->edit) el_end(e->edit);
    if (e->history) history_end(e->history);
    fm_buffer_clear(&e->line);
    fm_free(e);
}

static fm_line interrupted(fm_lineedit *e) {
    el_reset(e->edit);
    e->continued = false;
    fm_interrupt_clear();
    return FM_LINE_INTERRUPTED;
}

/* el_gets with SIGINT blocked but where next_character waits. */
static const char *edit_line(EditLine *edit, int *n) {
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    const char *line = el_gets(edit, n);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return line;
}

fm_line fm_lineedit_read(fm_lineedit *e, const char **text) {
    e->line.size = 0;
    e->continued = false;
    for (;;) {
        int n = 0;
        errno = 0;
        const char *part = edit_line(e->edit, &n);
        if (fm_interrupted()) return interrupted(e);
        if (!part || n <= 0) return FM_LINE_END;
        size_t size = (size_t)n;
        while (size > 0 && (part[size - 1] == '\n' || part[size - 1] == '\r')) size--;
        bool more = size > 0 && part[size - 1] == '\\';
        fm_buffer_put(&e->line, part, more ? size - 1 : size);
        if (!more) break;
        fm_buffer_text(&e->line, "\n");
        e->continued = true;
    }
    *text = fm_buffer_string(&e->line);
    HistEvent event;
    if (strspn(*text, " ") < strlen(*text)) history(e->history, &event, H_ENTER, *text);
    return FM_LINE_TEXT;
}
