#include "cli/complete.h"

#include "base/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 }; /* candidates: nobody reads more, and Tab answers at once */

typedef struct names {
    char **at;
    size_t n, capacity;
} names;

static void add(names *l, const char *name, const char *suffix) {
    if (l->n == MOST) return;
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 32;
        char **more = fm_realloc(l->at, capacity * sizeof *more, FM_MEM_OTHER);
        if (!more) return;
        l->at = more;
        l->capacity = capacity;
    }
    fm_buffer text = {0};
    fm_buffer_text(&text, name);
    fm_buffer_text(&text, suffix);
    if ((l->at[l->n] = fm_buffer_take(&text)) != NULL) l->n++;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void clear(names *l) {
    while (l->n > 0) fm_free(l->at[--l->n]);
    fm_free(l->at);
}

/* ---- paths -----------------------------------------------------------------------------------*/

char *fm_complete_unquote(const char *s, const char **rest) {
    fm_buffer out = {0};
    const char quote = *s == '"' || *s == '\'' ? *s++ : 0;
    if (!quote && s[0] == '~' && s[1] == '/' && getenv("HOME")) {
        fm_buffer_text(&out, getenv("HOME"));
        s++;
    }
    for (; *s && (quote ? *s != quote : *s != ' '); s++) {
        if (*s == '\\' && s[1] && !quote) s++;
        fm_buffer_put(&out, s, 1);
    }
    if (quote && *s) s++;
    *rest = s + strspn(s, " ");
    return fm_buffer_take(&out);
}

static void put_escaped(fm_buffer *out, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ' || s[i] == '\\' || s[i] == '"' || s[i] == '\'') fm_buffer_text(out, "\\");
        fm_buffer_put(out, s + i, 1);
    }
}

/* The entries of the word's folder that begin like its last part, which *part receives. */
static void find_files(names *l, const char *path, const char **part) {
    const char *slash = strrchr(path, '/');
    *part = slash ? slash + 1 : path;
    char *folder = slash ? fm_strndup(path, (size_t)(slash - path) + 1) : fm_strdup("./");
    DIR *dir = folder ? opendir(folder) : NULL;
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (strncmp(e->d_name, *part, strlen(*part)) != 0) continue;
        if (e->d_name[0] == '.' && **part != '.') continue;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *full = fm_path_join(folder, e->d_name);
        add(l, e->d_name, full && fm_is_directory(full) ? "/" : "");
        fm_free(full);
    }
    if (dir) closedir(dir);
    fm_free(folder);
}

/* ---- both ------------------------------------------------------------------------------------*/

/* Bytes that all have in common, never half a character. */
static size_t common(const names *l) {
    size_t n = l->n ? strlen(l->at[0]) : 0;
    for (size_t i = 1; i < l->n; i++) {
        size_t same = 0;
        while (same < n && l->at[i][same] == l->at[0][same]) same++;
        n = same;
    }
    while (l->n && n > 0 && ((uint8_t)l->at[0][n] & 0xc0) == 0x80) n--;
    return n;
}

/* `quote`: what the word began with, or 0; `files`: blanks are escaped. */
static void describe(names *l, size_t known, bool files, char quote, fm_completion *out) {
    if (l->n) qsort(l->at, l->n, sizeof *l->at, by_name);
    out->n = l->n;
    size_t same = common(l);
    if (same > known) {
        if (files && !quote)
            put_escaped(&out->insert, l->at[0] + known, same - known);
        else
            fm_buffer_put(&out->insert, l->at[0] + known, same - known);
    }
    if (l->n == 1 && l->at[0][same ? same - 1 : 0] != '/') {
        if (quote) fm_buffer_put(&out->insert, &quote, 1);
        fm_buffer_text(&out->insert, " ");
    }
    for (size_t i = 0; i < l->n; i++) {
        fm_buffer_text(&out->list, l->at[i]);
        fm_buffer_text(&out->list, "\n");
    }
}

void fm_complete(const fm_complete_place *place, const char *word, size_t size, fm_completion *out) {
    names found = {0};
    *out = (fm_completion){0};
    char *text = fm_strndup(word, size), *path = NULL;
    const char *part = text, *rest;
    if (text && place->kind == FM_COMPLETE_WORDS) {
        for (size_t i = 0; i < place->n_words; i++)
            if (strncmp(place->words[i], text, size) == 0) add(&found, place->words[i], "");
    } else if (text && place->kind == FM_COMPLETE_FILES) {
        if ((path = fm_complete_unquote(text, &rest)) != NULL) find_files(&found, path, &part);
    }
    bool files = place->kind == FM_COMPLETE_FILES;
    char quote = files && size > 0 && (*word == '"' || *word == '\'') ? *word : 0;
    if (text && part) describe(&found, strlen(part), files, quote, out);
    clear(&found);
    fm_free(path);
    fm_free(text);
}

void fm_completion_clear(fm_completion *c) {
    fm_buffer_clear(&c->insert);
    fm_buffer_clear(&c->list);
}
