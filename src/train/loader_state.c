#include "train/loader_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fm_loader_state_put(const fm_loader_state *s, fm_json_writer *w, const char *key) {
    char stream[17];
    snprintf(stream, sizeof stream, "%016llx", (unsigned long long)s->stream);
    fm_json_open(w, key, '{');
    fm_json_put_text(w, "stream", stream);
    fm_json_put_integer(w, "steps", s->steps);
    fm_json_put_integer(w, "window", s->window);
    fm_json_put_integer(w, "taken", s->taken);
    fm_json_open(w, "sources", '[');
    for (int64_t i = 0; i < s->n_sources; i++) {
        fm_json_open(w, NULL, '{');
        fm_json_put_integer(w, "documents", (int64_t)s->sources[i].documents);
        fm_json_put_integer(w, "tokens", (int64_t)s->sources[i].tokens);
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
    fm_json_close(w, '}');
}

static fm_status count_of(const fm_json *v, const char *key, int64_t *out, fm_error *err) {
    *out = fm_json_integer(fm_json_get(v, key), -1);
    if (*out >= 0) return FM_OK;
    return fm_fail(err, FM_ERR_FORMAT, "the state of the loader has no '%s' that is a count", key);
}

fm_status fm_loader_state_read(const fm_json *v, fm_loader_state *out, fm_error *err) {
    const char *stream = fm_json_string(fm_json_get(v, "stream"), "");
    const fm_json *sources = fm_json_get(v, "sources");
    *out = (fm_loader_state){.n_sources = (int64_t)fm_json_length(sources)};
    if (strlen(stream) != 16 || strspn(stream, "0123456789abcdef") != 16 || out->n_sources > FM_SOURCES_MAX)
        return fm_fail(err, FM_ERR_FORMAT, "the state of the loader does not say which stream it is of");
    out->stream = strtoull(stream, NULL, 16);
    FM_TRY(count_of(v, "steps", &out->steps, err));
    FM_TRY(count_of(v, "window", &out->window, err));
    FM_TRY(count_of(v, "taken", &out->taken, err));
    for (int64_t i = 0; i < out->n_sources; i++) {
        const fm_json *source = fm_json_at(sources, (size_t)i);
        int64_t documents, tokens;
        FM_TRY(count_of(source, "documents", &documents, err));
        FM_TRY(count_of(source, "tokens", &tokens, err));
        out->sources[i] = (fm_loader_source_state){(uint64_t)documents, (uint64_t)tokens};
    }
    return FM_OK;
}
