#include "hub/choose.h"

#include "base/buffer.h"
#include "hub/human.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool ends_with(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n > m && strcmp(s + n - m, suffix) == 0;
}

static bool is_gguf(const fm_hub_file *f) { return ends_with(f->name, ".gguf"); }

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- safetensors -----------------------------------------------------------------------------*/

static bool top_safetensors(const fm_hub_file *f) {
    return !strchr(f->name, '/') && ends_with(f->name, ".safetensors");
}

/* Weights are model*.safetensors; what lies beside them under other names (consolidated.safetensors,
 * adapters) is the same or something else. A repository without that name has its own. */
static size_t choose_weights(fm_listing *l) {
    bool usual = false;
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (top_safetensors(&l->files[i]) && strncmp(l->files[i].name, "model", 5) == 0) usual = true;
    for (size_t i = 0; i < l->n; i++) {
        fm_hub_file *f = &l->files[i];
        if (!top_safetensors(f) || (usual && strncmp(f->name, "model", 5) != 0)) continue;
        f->chosen = true;
        n++;
    }
    return n;
}

static fm_status choose_folder(fm_listing *l, const fm_pull_name *name, fm_error *err) {
    static const char *const beside[] = {"config.json", "generation_config.json", "tokenizer.json",
                                         "tokenizer_config.json", "chat_template.jinja",
                                         "model.safetensors.index.json"};
    if (!fm_listing_find(l, "config.json"))
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s has safetensors but no config.json: it is no "
                       "model by itself", name->repository);
    for (size_t i = 0; i < FM_COUNT(beside); i++) {
        fm_hub_file *f = fm_listing_find(l, beside[i]);
        if (f) f->chosen = true;
    }
    return FM_OK;
}

/* ---- GGUF ------------------------------------------------------------------------------------*/

/* "dir/model-Q4_K_M-00002-of-00005.gguf": 16 characters before the suffix say which part it is. */
typedef struct split_name {
    size_t stem; /* length of what all parts share */
    int part, parts;
} split_name;

static split_name split_of(const char *name) {
    enum { TAIL = sizeof "-00001-of-00005.gguf" - 1, SUFFIX = sizeof ".gguf" - 1 };
    size_t n = strlen(name);
    split_name s = {n - SUFFIX, 1, 1};
    int part, parts, end = 0;
    if (n > TAIL && sscanf(name + n - TAIL, "-%5d-of-%5d.gguf%n", &part, &parts, &end) == 2 &&
        end == TAIL && part >= 1 && part <= parts)
        s = (split_name){n - TAIL, part, parts};
    return s;
}

static bool same_model(const char *a, const char *b) {
    split_name x = split_of(a), y = split_of(b);
    return x.stem == y.stem && x.parts == y.parts && memcmp(a, b, x.stem) == 0;
}

/* Whether the file's own name, or the folder it lies in, carries `quantisation` as a whole word, so
 * that Q4_K does not find Q4_K_M. */
static bool carries(const char *name, const char *quantisation) {
    size_t n = strlen(quantisation);
    for (const char *s = name; *s; s++)
        if (strncasecmp(s, quantisation, n) == 0 && (s == name || !isalnum((unsigned char)s[-1])) &&
            !isalnum((unsigned char)s[n]) && s[n] != '_')
            return true;
    return false;
}

/* A projector for pictures or a file of statistics is no model. */
static bool by_itself(const char *name) {
    const char *base = base_name(name);
    return strncasecmp(base, "mmproj", 6) != 0 && !strstr(base, "imatrix");
}

static bool wanted(const fm_hub_file *f, const char *file) {
    if (!is_gguf(f)) return false;
    if (ends_with(file, ".gguf"))
        return strcmp(f->name, file) == 0 ||
               (!strchr(file, '/') && strcmp(base_name(f->name), file) == 0);
    return by_itself(f->name) && (!*file || carries(f->name, file));
}

/* "model-Q4_K_M.gguf (4.7 GiB), ...": one for each model among the files, as many as fit. */
static void list_models(const fm_listing *l, const char *file, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < l->n; i++) {
        const char *name = l->files[i].name;
        if (!wanted(&l->files[i], file) || split_of(name).part != 1) continue;
        double bytes = 0;
        for (size_t j = 0; j < l->n; j++)
            if (is_gguf(&l->files[j]) && same_model(name, l->files[j].name))
                bytes += (double)l->files[j].size;
        char text[FM_HUMAN];
        fm_human(text, bytes);
        if (used + strlen(name) + 32 > size) {
            snprintf(out + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s (%s)", used ? ", " : "", name, text);
    }
}

static fm_status choose_parts(fm_listing *l, const char *any, const char **open, fm_error *err) {
    split_name s = split_of(any);
    for (int part = 1; part <= s.parts; part++) {
        char name[1024];
        if (s.parts == 1)
            snprintf(name, sizeof name, "%s", any);
        else
            snprintf(name, sizeof name, "%.*s-%05d-of-%05d.gguf", (int)s.stem, any, part, s.parts);
        fm_hub_file *f = fm_listing_find(l, name);
        if (!f)
            return fm_fail(err, FM_ERR_FORMAT, "the repository lacks %s, part %d of %d", name, part,
                           s.parts);
        f->chosen = true;
        if (part == 1) *open = f->name;
    }
    return FM_OK;
}

static fm_status choose_gguf(fm_listing *l, const fm_pull_name *name, const char **open,
                             fm_error *err) {
    const char *found = NULL;
    char list[640];
    bool several = false;
    for (size_t i = 0; i < l->n; i++) {
        if (!wanted(&l->files[i], name->file)) continue;
        if (found && !same_model(found, l->files[i].name)) several = true;
        if (!found) found = l->files[i].name;
    }
    if (found && !several) return choose_parts(l, found, open, err);
    list_models(l, several ? name->file : "", list, sizeof list);
    if (several)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s holds several models%s%s: name one as %s:FILE or "
                       "%s:QUANTISATION; there are %s", name->repository, *name->file ? " for " : "",
                       name->file, name->repository, name->repository, list);
    return fm_fail(err, FM_ERR_ARGUMENT, "%s has no GGUF file %s%s%s", name->repository, name->file,
                   *list ? "; there are " : "", list);
}

fm_status fm_choose(fm_listing *l, const fm_pull_name *name, const char **open, fm_error *err) {
    *open = NULL;
    for (size_t i = 0; i < l->n; i++) l->files[i].chosen = false;
    if (*name->file) return choose_gguf(l, name, open, err);
    if (choose_weights(l) > 0) return choose_folder(l, name, err);
    for (size_t i = 0; i < l->n; i++)
        if (wanted(&l->files[i], "")) return choose_gguf(l, name, open, err);
    return fm_fail(err, FM_ERR_UNSUPPORTED, "%s holds neither safetensors nor GGUF files: there is "
                   "nothing in it that Fathom can run", name->repository);
}
