/* pack_panels.h: packing one panel, per layout. Between the files of pack/ only.
 *
 * A packer reads up to 16 rows of the file and writes one panel, all but the padding at its end. In
 * place of a row that does not exist it reads a blank block of its format, whose panel bytes are
 * zero. The drawings: kernel/layout.h and tensor/quant/. */
#pragma once

#include "kernel/layout.h"

typedef struct fm_panel_source {
    fm_dtype dtype;
    const uint8_t *rows[FM_PANEL];
    int64_t n_in;
    int lanes;                     /* rows that exist */
    const float *scales[FM_PANEL]; /* F8: of the row, one per scale_width columns; NULL: all 1 */
    int64_t scale_width;
} fm_panel_source;

static inline const void *fm_source_at(const fm_panel_source *s, int lane, size_t offset,
                                       const void *blank) {
    return lane < s->lanes ? s->rows[lane] + offset : (const uint8_t *)blank;
}

typedef void (*fm_panel_packer)(const fm_panel_source *s, void *panel);

void fm_pack_f32(const fm_panel_source *s, void *panel);
void fm_pack_f16(const fm_panel_source *s, void *panel);
void fm_pack_bf16(const fm_panel_source *s, void *panel);
void fm_pack_f8(const fm_panel_source *s, void *panel);
void fm_pack_q8_0(const fm_panel_source *s, void *panel);
void fm_pack_q4_0(const fm_panel_source *s, void *panel);
void fm_pack_q4_1(const fm_panel_source *s, void *panel);
void fm_pack_q5_0(const fm_panel_source *s, void *panel);
void fm_pack_q5_1(const fm_panel_source *s, void *panel);
void fm_pack_q2_k(const fm_panel_source *s, void *panel);
void fm_pack_q3_k(const fm_panel_source *s, void *panel);
void fm_pack_q4_k(const fm_panel_source *s, void *panel);
void fm_pack_q5_k(const fm_panel_source *s, void *panel);
void fm_pack_q6_k(const fm_panel_source *s, void *panel);
void fm_pack_iq4_nl(const fm_panel_source *s, void *panel);
void fm_pack_iq4_xs(const fm_panel_source *s, void *panel);
void fm_pack_mxfp4(const fm_panel_source *s, void *panel);
void fm_pack_tcq4(const fm_panel_source *s, void *panel);
void fm_pack_tq2_0(const fm_panel_source *s, void *panel);
void fm_pack_iq1_s(const fm_panel_source *s, void *panel);
void fm_pack_iq1_m(const fm_panel_source *s, void *panel);
void fm_pack_iq2_xxs(const fm_panel_source *s, void *panel);
void fm_pack_iq2_s(const fm_panel_source *s, void *panel);
void fm_pack_iq3_xxs(const fm_panel_source *s, void *panel);
void fm_pack_iq3_s(const fm_panel_source *s, void *panel);
