#include "cli/history.h"

#include "base/buffer.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_LIMIT = 64 << 20 };

char *fm_history_path(void) {
    static const struct {
        const char *variable, *below;
    } places[] = {{"FATHOM_HOME", "history"},
                  {"XDG_STATE_HOME", "fathom/history"},
                  {"HOME", ".local/state/fathom/history"}};
    for (size_t i = 0; i < FM_COUNT(places); i++) {
        const char *folder = getenv(places[i].variable);
        if (folder && *folder) return fm_path_join(folder, places[i].below);
    }
    return NULL;
}

/* ---- lines -----------------------------------------------------------------------------------*/

static void escape(fm_buffer *out, const char *line) {
    for (; *line; line++) {
        if (*line == '\n')
            fm_buffer_text(out, "\\n");
        else if (*line == '\\')
            fm_buffer_text(out, "\\\\");
        else
            fm_buffer_put(out, line, 1);
    }
    fm_buffer_text(out, "\n");
}

static void unescape(fm_buffer *out, const char *s, size_t n) {
    out->size = 0;
    for (size_t i = 0; i < n; i++) {
        bool pair = s[i] == '\\' && i + 1 < n;
        if (pair) i++;
        fm_buffer_put(out, pair && s[i] == 'n' ? "\n" : s + i, 1);
    }
}

/* ---- the file --------------------------------------------------------------------------------*/

/* The last `lines` lines of a text begin here. */
static const char *tail(const char *text, size_t size, size_t lines) {
    const char *s = text + size;
    while (s > text && (s[-1] != '\n' || s == text + size || lines-- > 1)) s--;
    return s;
}

static size_t count_lines(const char *text, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++) n += text[i] == '\n';
    return n;
}

/* A replaced file keeps its mode. */
static void rewrite(const char *path, const char *text, size_t size) {
    fm_writer *writer;
    if (fm_writer_open(path, &writer, NULL) != FM_OK) return;
    fm_writer_put(writer, text, size, NULL);
    fm_writer_commit(writer, NULL);
}

void fm_history_load(const char *path, void (*each)(void *context, const char *line), void *context) {
    char *text;
    size_t size;
    if (!path || !fm_file_exists(path)) return;
    if (fm_file_read(path, FILE_LIMIT, &text, &size, NULL) != FM_OK) return;
    const char *s = tail(text, size, FM_HISTORY_LINES), *end = text + size;
    if (count_lines(text, size) > 2 * FM_HISTORY_LINES) rewrite(path, s, (size_t)(end - s));
    fm_buffer line = {0};
    while (s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((newline ? newline : end) - s);
        unescape(&line, s, n);
        if (n > 0) each(context, fm_buffer_string(&line));
        s += n + 1;
    }
    fm_buffer_clear(&line);
    fm_free(text);
}

static void make_folders(const char *path) {
    char *copy = fm_strdup(path);
    for (char *slash = copy; copy && (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = 0;
        mkdir(copy, 0700); /* as XDG wants it; one that is there stays as it is */
    }
    fm_free(copy);
}

void fm_history_append(const char *path, const char *line) {
    if (!path) return;
    make_folders(path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    fm_buffer text = {0};
    escape(&text, line);
    ssize_t written = text.failed ? 0 : write(fd, text.data, text.size); /* in one piece */
    (void)written;
    fm_buffer_clear(&text);
    close(fd);
}
