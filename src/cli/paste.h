/* paste.h: pasted text on its way into a line. What is long stands there as "[paste 1: 120 lines]"
 * and becomes itself again when the line is done. */
#pragma once

#include "base/buffer.h"

typedef struct fm_pastes {
    char **texts;
    size_t n, capacity;
} fm_pastes;

/* As a terminal sends it -> as text: carriage returns are newlines, other control characters but
 * tabs go, and so do newlines at the end. */
void fm_paste_clean(fm_buffer *text);
/* Remembers the text; what stands for it is appended to *mark. */
void fm_pastes_keep(fm_pastes *p, fm_buffer *text, fm_buffer *mark);
/* The line with every mark replaced; returns how many there were. */
size_t fm_pastes_expand(const fm_pastes *p, const char *line, fm_buffer *out);
void fm_pastes_clear(fm_pastes *p);
