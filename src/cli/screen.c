#include "cli/screen.h"

#include "base/clock.h"
#include "base/unicode.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- terminal --------------------------------------------------------------------------------*/

bool fm_is_terminal(FILE *stream) { return isatty(fileno(stream)) != 0; }

bool fm_screen_moves(FILE *stream) {
    const char *term = getenv("TERM");
    return term && *term && strcmp(term, "dumb") != 0 && fm_is_terminal(stream);
}

fm_ink fm_ink_for(FILE *stream) {
    const char *no_color = getenv("NO_COLOR");
    if (!fm_screen_moves(stream) || (no_color && *no_color))
        return (fm_ink){false, "", "", "", "", "", ""};
    return (fm_ink){true,       "\033[1m",  "\033[2m", "\033[36m",
                    "\033[32m", "\033[31m", "\033[0m"};
}

int fm_screen_width(FILE *stream) {
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
    return 80;
}

int fm_screen_height(FILE *stream) {
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

int fm_text_width(const char *s, size_t n) {
    int width = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = fm_utf8_decode(s + i, n - i, &c);
        width += fm_unicode_width(c);
        i += length > 0 ? (size_t)length : 1;
    }
    return width;
}

/* ---- numbers ---------------------------------------------------------------------------------*/

static char *slot(void) {
    static char slots[8][48];
    static int next;
    return slots[next++ & 7];
}

/* Three significant digits: 1.23, 12.3, 123. */
static void three_digits(char *out, size_t size, double v) {
    int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    snprintf(out, size, "%.*f", decimals, v);
}

static const char *scaled(double v, double step, const char *const *units, int n_units) {
    int unit = 0;
    while (unit + 1 < n_units && v >= 999.5) v /= step, unit++;
    char *out = slot(), digits[32];
    if (unit == 0)
        snprintf(digits, sizeof digits, "%.0f", v);
    else
        three_digits(digits, sizeof digits, v);
    snprintf(out, 48, "%s%s%s", digits, *units[unit] ? " " : "", units[unit]);
    return out;
}

const char *fm_human_bytes(double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    return scaled(bytes, 1024, units, FM_COUNT(units));
}

const char *fm_human_decimal(double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    return scaled(bytes, 1000, units, FM_COUNT(units));
}

const char *fm_human_flops(double flops) {
    static const char *const units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"};
    return scaled(flops, 1000, units, FM_COUNT(units));
}

const char *fm_human_count(double count) {
    static const char *const units[] = {"", "k", "M", "B", "T"};
    return scaled(count, 1000, units, FM_COUNT(units));
}

const char *fm_human_integer(double integer) {
    char digits[32], *out = slot();
    int n = snprintf(digits, sizeof digits, "%.0f", fmin(fabs(integer), 1e18)), used = 0;
    if (integer < 0) out[used++] = '-';
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = 0;
    return out;
}

const char *fm_human_seconds(double s) {
    char *out = slot();
    if (s < 9.95)
        snprintf(out, 48, "%.1f s", s);
    else if (s < 99.5)
        snprintf(out, 48, "%.0f s", s);
    else if (s < 3600)
        snprintf(out, 48, "%d min %02d s", (int)s / 60, (int)s % 60);
    else
        snprintf(out, 48, "%.0f h %02d min", floor(s / 3600), (int)fmod(s / 60, 60));
    return out;
}

/* ---- progress --------------------------------------------------------------------------------*/

void fm_progress_begin(fm_progress *p, const char *what, double units, const char *unit) {
    *p = (fm_progress){.what = what, .units = units, .unit = unit, .started = fm_clock_seconds(),
                       .on = fm_screen_moves(stderr)};
}

static void put_bar(fm_buffer *line, double fraction, int cells, fm_ink ink) {
    int full = (int)(fraction * cells + 0.5);
    fm_buffer_text(line, ink.accent);
    for (int i = 0; i < cells; i++) {
        if (i == full) fm_buffer_format(line, "%s%s", ink.reset, ink.dim);
        fm_buffer_text(line, i < full ? "━" : "─");
    }
    fm_buffer_format(line, "%s ", ink.reset);
}

static void put_rate(fm_buffer *line, const char *unit, double rate) {
    bool bytes = strcmp(unit, "B") == 0;
    fm_buffer_format(line, "  %s%s%s/s", bytes ? fm_human_bytes(rate) : fm_human_count(rate),
                     bytes ? "" : " ", bytes ? "" : unit);
}

/* Takes the room that the text needs; false, and none, when there is too little. */
static bool fits(int *room, const fm_buffer *text, int more) {
    int width = fm_text_width(text->data, text->size) + more;
    if (width > *room) return false;
    *room -= width;
    return true;
}

/* Only what fits on one line, and best the time that is left: a longer line could not be taken back. */
static void show_progress(fm_progress *p, double fraction, double rate, double seconds_left) {
    enum { BAR = 24 };
    fm_ink ink = fm_ink_for(stderr);
    fm_buffer line = {0}, speed = {0}, left = {0}, nothing = {0};
    int room = fm_screen_width(stderr) - 1 - fm_text_width(p->what, strlen(p->what)) - 6;
    if (p->unit) put_rate(&speed, p->unit, rate);
    fm_buffer_format(&left, "  %s left", fm_human_seconds(seconds_left));
    bool with_left = fits(&room, &left, 0), with_bar = fits(&room, &nothing, BAR + 1);
    fm_buffer_format(&line, "\r%s%s ", ink.reset, p->what);
    if (with_bar) put_bar(&line, fraction, BAR, ink);
    fm_buffer_format(&line, "%3.0f %%", fraction * 100);
    if (fits(&room, &speed, 0)) fm_buffer_put(&line, speed.data, speed.size);
    if (with_left) fm_buffer_put(&line, left.data, left.size);
    fm_buffer_text(&line, "\033[K");
    if (!line.failed) fwrite(line.data, 1, line.size, stderr);
    fflush(stderr);
    fm_buffer_clear(&line);
    fm_buffer_clear(&speed);
    fm_buffer_clear(&left);
}

void fm_progress_at(fm_progress *p, double fraction) {
    double now = fm_clock_seconds(), elapsed = now - p->started;
    double fresh = fraction - p->before, left = fresh > 0 ? elapsed * (1 - fraction) / fresh : 0;
    if (!p->on || fresh <= 0 || elapsed < 0.3) return;
    if (p->visible ? now - p->shown < 0.1 : elapsed + left < 2) return;
    show_progress(p, fraction < 1 ? fraction : 1, p->units * fresh / elapsed, left);
    p->shown = now;
    p->visible = true;
}

void fm_progress_end(fm_progress *p) {
    if (p->visible) fputs("\r\033[K", stderr);
    fflush(stderr);
    p->visible = p->on = false;
}

/* ---- Ctrl-C ----------------------------------------------------------------------------------*/

static volatile sig_atomic_t interrupts;
static volatile sig_atomic_t last_straw; /* the interrupt that ends the program; 0: none does */

static void on_interrupt(int signal_number) {
    (void)signal_number;
    if (interrupts < 2) interrupts++;
    if (!last_straw || interrupts < last_straw) return;
    static const char reset[] = "\033[0m\n";
    if (isatty(STDERR_FILENO)) {
        ssize_t ignored = write(STDERR_FILENO, reset, sizeof reset - 1);
        (void)ignored;
    }
    _exit(130);
}

/* Without SA_RESTART, so that a read from the keyboard returns. */
static void catch(int ends_at) {
    interrupts = 0;
    last_straw = ends_at;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
}

void fm_interrupt_catch(void) { catch(2); }
void fm_interrupt_catch_always(void) { catch(0); }
void fm_interrupt_obey(void) { catch(1); }

void fm_interrupt_release(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGINT, &action, NULL);
}

bool fm_interrupted(void) { return interrupts > 0; }
void fm_interrupt_clear(void) { interrupts = 0; }

/* ---- output ----------------------------------------------------------------------------------*/

static int output_errno; /* of the first write that failed: stdio remembers only that one did */

static bool kept(bool ok) {
    if (!ok && !output_errno) output_errno = errno ? errno : EIO;
    return !output_errno;
}

bool fm_output(const void *bytes, size_t n) {
    errno = 0;
    return kept(n == 0 || fwrite(bytes, 1, n, stdout) == n);
}

bool fm_output_text(const char *s) { return fm_output(s, strlen(s)); }

bool fm_output_flush(void) {
    errno = 0;
    return kept(fflush(stdout) == 0);
}

fm_status fm_output_buffer(fm_buffer *text, fm_error *err) {
    fm_status status = fm_buffer_status(text, err);
    if (status == FM_OK) fm_output(text->data, text->size);
    fm_buffer_clear(text);
    return status == FM_OK && output_errno ? fm_output_status(err) : status;
}

fm_status fm_output_status(fm_error *err) {
    if (fm_output_flush()) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "cannot write to standard output: %s", strerror(output_errno));
}

static int exit_code;

void fm_exit_with(int code) { exit_code = code; }
int fm_exit_code(void) { return exit_code; }
