#include "api/notes.h"

#include <string.h>

void fm_notes_add(void *notes, const char *sentence) {
    fm_notes *n = notes;
    fm_buffer_put(&n->kept, sentence, strlen(sentence) + 1);
    if (n->note) n->note(n->context, sentence);
}

bool fm_notes_progress(void *notes, double fraction) {
    const fm_notes *n = notes;
    return !n->progress || n->progress(n->context, fraction);
}

void fm_notes_put(const fm_notes *notes, fm_json_writer *w) {
    fm_json_open(w, "notes", '[');
    for (size_t at = 0; at < notes->kept.size; at += strlen(notes->kept.data + at) + 1)
        fm_json_put_text(w, NULL, notes->kept.data + at);
    fm_json_close(w, ']');
    if (notes->kept.failed) w->out->failed = true;
}

void fm_notes_clear(fm_notes *notes) { fm_buffer_clear(&notes->kept); }
