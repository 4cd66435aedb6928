#include "cli/lineedit.h"

#include "base/unicode.h"
#include "cli/flow.h"
#include "cli/history.h"
#include "cli/paste.h"
#include "cli/screen.h"
#include "cli/tty.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct fm_lineedit {
    fm_lineedit_options o;
    EditLine *edit;
    History *history;
    bool continued;
    bool moves;                /* the terminal's cursor can be sent back */
    int columns;               /* for which the line is drawn */
    unsigned changes, returns; /* of the window, that are on the screen */
    fm_buffer line, message;
    fm_pastes pastes;
};

static const char *prompt_of(EditLine *edit) {
    fm_lineedit *e = NULL;
    el_get(edit, EL_CLIENTDATA, &e);
    return e->continued ? e->o.continuation : e->o.prompt;
}

/* ---- the screen ------------------------------------------------------------------------------*/

/* Cells of a prompt, whose escapes stand between \1 bytes. */
static int prompt_width(const char *prompt) {
    int width = 0;
    for (bool escape = false; *prompt; escape = !escape, prompt += *prompt == 1) {
        size_t n = strcspn(prompt, "\1");
        if (!escape) width += fm_text_width(prompt, n);
        prompt += n;
    }
    return width;
}

/* Rows that the text goes down from a line on which it begins at `column`. */
static int rows_of(const char *s, size_t n, int column, int columns) {
    int rows = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = fm_utf8_decode(s + i, n - i, &c);
        int width = c == '\t' ? 8 - column % 8 : c < 0x20 ? 2 : fm_unicode_width(c);
        if (c == '\n' || column + width > columns) rows++, column = 0;
        if (c != '\n') column += width;
        i += length > 0 ? (size_t)length : 1;
    }
    return rows + column / columns;
}

static int rows_before_cursor(const fm_lineedit *e, int columns) {
    const LineInfo *line = el_line(e->edit);
    return rows_of(line->buffer, (size_t)(line->cursor - line->buffer),
                   prompt_width(prompt_of(e->edit)), columns);
}

/* Draws the line again where it stands. Some terminals have broken it anew at their new width, others
 * leave it as it was: rather too little is taken back than what stands above. */
static void draw_again(fm_lineedit *e, bool here) {
    int before = e->columns, now = e->columns = fm_screen_width(stdout);
    int up = here ? 0 : rows_before_cursor(e, before), up_now = rows_before_cursor(e, now);
    if (up_now < up) up = up_now;
    if (e->moves) {
        char sequence[32];
        snprintf(sequence, sizeof sequence, "\033[%dA", up);
        fm_output_text("\r");
        if (up > 0) fm_output_text(sequence);
        fm_output_text("\033[J");
    }
    el_resize(e->edit);
    el_set(e->edit, EL_REFRESH);
    fm_output_flush();
}

static void bracket_pastes(const fm_lineedit *e, bool on) {
    if (!e->moves) return;
    fm_output_text(on ? "\033[?2004h" : "\033[?2004l");
    fm_output_flush();
}

static void follow_window(fm_lineedit *e) {
    if (e->changes == fm_tty_changes()) return;
    bool returned = e->returns != fm_tty_returns();
    e->changes = fm_tty_changes();
    e->returns = fm_tty_returns();
    if (returned) { /* the shell had the terminal: its modes, and whatever it wrote */
        el_set(e->edit, EL_PREP_TERM, 0);
        el_set(e->edit, EL_PREP_TERM, 1);
        bracket_pastes(e, true);
    }
    draw_again(e, returned);
}

/* ---- the keyboard ----------------------------------------------------------------------------*/

/* One character from the keyboard: 1, 0 at the end of input, -1 after Ctrl-C. Signals are blocked while
 * a line is edited and let in only inside ppoll, so that one that comes between two reads is not
 * lost until the next key. */
static int next_character(EditLine *edit, wchar_t *out) {
    fm_lineedit *e = NULL;
    el_get(edit, EL_CLIENTDATA, &e);
    sigset_t open_to_signals;
    sigprocmask(SIG_BLOCK, NULL, &open_to_signals);
    sigdelset(&open_to_signals, SIGINT);
    sigdelset(&open_to_signals, SIGWINCH);
    sigdelset(&open_to_signals, SIGCONT);
    mbstate_t partial = {0};
    while (!fm_interrupted()) {
        struct pollfd keyboard = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = ppoll(&keyboard, 1, NULL, &open_to_signals);
        int code = errno;
        if (fm_interrupted()) break;
        follow_window(e);
        if (ready < 0 && code == EINTR) continue;
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
    return -1;
}

/* Reads up to the end of a bracketed paste; false after Ctrl-C or the end of input. */
static bool read_paste(EditLine *edit, fm_buffer *text) {
    static const char end[] = "\033[201~";
    const size_t n = sizeof end - 1;
    wchar_t c;
    while (next_character(edit, &c) == 1) {
        char bytes[4];
        fm_buffer_put(text, bytes, (size_t)fm_utf8_encode((uint32_t)c, bytes));
        if (text->failed) continue; /* to the end all the same: it is no typing */
        if (text->size >= n && memcmp(text->data + text->size - n, end, n) == 0) {
            text->size -= n;
            return true;
        }
    }
    return false;
}

/* What fits on half of the screen, together with the line that is there, is shown as it is. */
static bool fits(const fm_lineedit *e, const char *text, size_t size) {
    int columns = fm_screen_width(stdout), height = fm_screen_height(stdout);
    int rows = rows_before_cursor(e, columns) + rows_of(text, size, columns / 2, columns);
    return e->moves && rows < height / 2;
}

static unsigned char on_paste(EditLine *edit, int key) {
    (void)key;
    fm_lineedit *e = NULL;
    el_get(edit, EL_CLIENTDATA, &e);
    fm_buffer text = {0}, mark = {0};
    bool whole = read_paste(edit, &text);
    fm_paste_clean(&text);
    if (whole && !text.failed && !fits(e, fm_buffer_string(&text), text.size))
        fm_pastes_keep(&e->pastes, &text, &mark);
    else
        fm_buffer_put(&mark, text.data, text.size);
    bool inserted = whole && !mark.failed && (mark.size == 0 ||
                                              el_insertstr(edit, fm_buffer_string(&mark)) == 0);
    fm_buffer_clear(&text);
    fm_buffer_clear(&mark);
    return inserted ? CC_REFRESH : CC_REFRESH_BEEP;
}

/* The candidates below the line, side by side, and the line once more below them. */
static void show_list(fm_lineedit *e, const fm_completion *found) {
    fm_flow flow = {.width = fm_screen_width(stdout)};
    fm_output_text("\n");
    for (const char *s = found->list.data, *end = s + found->list.size; s < end;) {
        size_t n = (size_t)((const char *)memchr(s, '\n', (size_t)(end - s)) - s); /* each ends with one */
        fm_flow_put(&flow, s, n);
        fm_flow_put(&flow, "  ", s + n + 1 < end ? 2 : 0);
        s += n + 1;
    }
    fm_flow_end(&flow);
    fm_output_text("\n");
    if (e->moves) fm_output_text("\r\033[J");
    el_set(e->edit, EL_REFRESH);
    fm_output_flush();
}

static unsigned char on_tab(EditLine *edit, int key) {
    (void)key;
    fm_lineedit *e = NULL;
    el_get(edit, EL_CLIENTDATA, &e);
    const LineInfo *info = el_line(edit);
    size_t n = (size_t)(info->cursor - info->buffer);
    char *line = fm_strndup(info->buffer, n);
    if (!line) return CC_ERROR;
    fm_complete_place place = {0};
    if (e->o.place && !e->continued) place = e->o.place(line);
    fm_completion found = {0};
    if (place.kind != FM_COMPLETE_NOTHING)
        fm_complete(&place, line + place.start, n - place.start, &found);
    bool inserted = found.insert.size > 0 && el_insertstr(edit, fm_buffer_string(&found.insert)) == 0;
    bool listed = !inserted && found.n > 1 && !found.list.failed;
    if (listed) show_list(e, &found);
    fm_completion_clear(&found);
    fm_free(line);
    return inserted ? CC_REFRESH : listed ? CC_NORM : CC_ERROR;
}

/* ---- its life --------------------------------------------------------------------------------*/

static void remember(void *context, const char *line) {
    fm_lineedit *e = context;
    HistEvent event;
    if (strspn(line, " ") < strlen(line)) history(e->history, &event, H_ENTER, line);
}

static void set_up(fm_lineedit *e) {
    HistEvent event;
    history(e->history, &event, H_SETSIZE, FM_HISTORY_LINES);
    history(e->history, &event, H_SETUNIQUE, 1);
    fm_history_load(e->o.history, remember, e);
    el_set(e->edit, EL_CLIENTDATA, e);
    el_set(e->edit, EL_PROMPT_ESC, prompt_of, '\1');
    el_set(e->edit, EL_EDITOR, "emacs");
    el_set(e->edit, EL_HIST, history, e->history);
    el_set(e->edit, EL_SIGNAL, 0); /* ours: see screen.h and tty.h */
    el_set(e->edit, EL_GETCFN, next_character);
    el_set(e->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_wset(e->edit, EL_ADDFN, L"fathom-paste", L"insert what is pasted", on_paste);
    el_set(e->edit, EL_BIND, "\\e[200~", "fathom-paste", NULL);
    el_wset(e->edit, EL_ADDFN, L"fathom-complete", L"complete the word", on_tab);
    el_set(e->edit, EL_BIND, "^I", "fathom-complete", NULL);
    /* Home, End, Delete and words, as xterm's kin send them. */
    static const char *const keys[][2] = {
        {"\\e[1~", "ed-move-to-beg"}, {"\\e[4~", "ed-move-to-end"}, {"\\e[3~", "ed-delete-next-char"},
        {"\\e[H", "ed-move-to-beg"},  {"\\e[F", "ed-move-to-end"},  {"\\e[1;5C", "em-next-word"},
        {"\\e[1;5D", "ed-prev-word"}, {"\\e[1;3C", "em-next-word"}, {"\\e[1;3D", "ed-prev-word"}};
    for (size_t i = 0; i < FM_COUNT(keys); i++)
        el_set(e->edit, EL_BIND, keys[i][0], keys[i][1], NULL);
    el_source(e->edit, NULL);
}

fm_status fm_lineedit_new(const fm_lineedit_options *options, fm_lineedit **out, fm_error *err) {
    *out = NULL;
    fm_lineedit *e = fm_alloc_zero(sizeof *e, FM_MEM_OTHER);
    if (!e) return fm_fail_memory(err, sizeof *e, "the line editor");
    e->o = *options;
    e->moves = fm_screen_moves(stdout);
    e->edit = el_init("fathom", stdin, stdout, stderr);
    e->history = history_init();
    if (!e->edit || !e->history) {
        fm_lineedit_free(e);
        return fm_fail(err, FM_ERR_IO, "cannot edit lines on this terminal");
    }
    set_up(e);
    *out = e;
    return FM_OK;
}

void fm_lineedit_free(fm_lineedit *e) {
    if (!e) return;
    if (e->edit) el_end(e->edit);
    if (e->history) history_end(e->history);
    fm_buffer_clear(&e->line);
    fm_buffer_clear(&e->message);
    fm_pastes_clear(&e->pastes);
    fm_free(e);
}

/* ---- a message -------------------------------------------------------------------------------*/

/* el_gets with signals blocked but where next_character waits. */
static const char *edit_line(fm_lineedit *e, int *n) {
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGWINCH);
    sigaddset(&signals, SIGCONT);
    sigprocmask(SIG_BLOCK, &signals, &before);
    e->changes = fm_tty_changes();
    e->returns = fm_tty_returns();
    e->columns = fm_screen_width(stdout);
    el_resize(e->edit);
    bracket_pastes(e, true);
    const char *line = el_gets(e->edit, n);
    bracket_pastes(e, false);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return line;
}

/* What was typed stays on the screen; the message begins anew. */
static fm_line interrupted(fm_lineedit *e, const char **text) {
    const LineInfo *line = el_line(e->edit);
    fm_buffer_put(&e->line, line->buffer, (size_t)(line->lastchar - line->buffer));
    *text = fm_buffer_string(&e->line);
    el_reset(e->edit);
    fm_interrupt_clear();
    return FM_LINE_INTERRUPTED;
}

static bool take_suffix(fm_buffer *line, const char *suffix) {
    size_t n = strlen(suffix);
    bool has = line->size >= n && memcmp(line->data + line->size - n, suffix, n) == 0;
    if (has) line->size -= n;
    return has;
}

/* Adds a line; true when the message goes on behind it. */
static bool add_line(fm_lineedit *e, const char *part, size_t size, bool *quoted) {
    while (size > 0 && (part[size - 1] == '\n' || part[size - 1] == '\r')) size--;
    if (!e->continued && size >= 3 && memcmp(part, "\"\"\"", 3) == 0) {
        *quoted = true;
        part += 3, size -= 3;
    }
    fm_buffer_put(&e->line, part, size);
    bool more = *quoted ? !take_suffix(&e->line, "\"\"\"") : take_suffix(&e->line, "\\");
    bool quote_alone = *quoted && !e->continued && size == 0;
    if (more && !quote_alone) fm_buffer_text(&e->line, "\n");
    return more;
}

fm_line fm_lineedit_read(fm_lineedit *e, const char **text) {
    bool quoted = false;
    e->line.size = e->message.size = 0;
    e->continued = false;
    for (;;) {
        int n = 0;
        errno = 0;
        const char *part = edit_line(e, &n);
        if (fm_interrupted()) return interrupted(e, text);
        bool end = !part || n <= 0;
        if (end && !e->continued) return FM_LINE_END;
        if (end || !add_line(e, part, (size_t)n, &quoted)) break;
        e->continued = true;
    }
    const char *line = fm_buffer_string(&e->line);
    remember(e, line);
    size_t pastes = fm_pastes_expand(&e->pastes, line, &e->message);
    if (pastes == 0 && strspn(line, " ") < strlen(line)) fm_history_append(e->o.history, line);
    *text = fm_buffer_string(&e->message);
    return FM_LINE_TEXT;
}
