/* pack_panels.c: from the rows of a tensor to panels, by the packer of the layout. */
#include "pack/pack_panels.h"

#include "pack/pack.h"

#include <string.h>

static const fm_panel_packer packers[FM_LAYOUTS] = {
    [FM_LAYOUT_F32] = fm_pack_f32,       [FM_LAYOUT_F16] = fm_pack_f16,
    [FM_LAYOUT_BF16] = fm_pack_bf16,     [FM_LAYOUT_Q8_0] = fm_pack_q8_0,
    [FM_LAYOUT_Q4_0] = fm_pack_q4_0,     [FM_LAYOUT_Q4_1] = fm_pack_q4_1,
    [FM_LAYOUT_Q5_0] = fm_pack_q5_0,     [FM_LAYOUT_Q5_1] = fm_pack_q5_1,
    [FM_LAYOUT_Q2_K] = fm_pack_q2_k,     [FM_LAYOUT_Q3_K] = fm_pack_q3_k,
    [FM_LAYOUT_Q4_K] = fm_pack_q4_k,     [FM_LAYOUT_Q5_K] = fm_pack_q5_k,
    [FM_LAYOUT_Q6_K] = fm_pack_q6_k,     [FM_LAYOUT_IQ4_NL] = fm_pack_iq4_nl,
    [FM_LAYOUT_IQ4_XS] = fm_pack_iq4_xs, [FM_LAYOUT_MXFP4] = fm_pack_mxfp4,
    [FM_LAYOUT_F8] = fm_pack_f8,         [FM_LAYOUT_TCQ4] = fm_pack_tcq4,
    [FM_LAYOUT_TQ2_0] = fm_pack_tq2_0,   [FM_LAYOUT_IQ1_S] = fm_pack_iq1_s,
    [FM_LAYOUT_IQ1_M] = fm_pack_iq1_m,   [FM_LAYOUT_IQ2_XXS] = fm_pack_iq2_xxs,
    [FM_LAYOUT_IQ2_S] = fm_pack_iq2_s,   [FM_LAYOUT_IQ3_XXS] = fm_pack_iq3_xxs,
    [FM_LAYOUT_IQ3_S] = fm_pack_iq3_s,
};

static fm_panel_source source_of(const fm_tensor *t, int64_t panel) {
    int64_t first = panel * FM_PANEL, left = fm_tensor_rows(t) - first;
    fm_panel_source s = {.dtype = t->dtype,
                         .n_in = fm_tensor_columns(t),
                         .lanes = left < FM_PANEL ? (int)left : FM_PANEL};
    s.scale_width = t->scales ? t->scale_block[1] : 1;
    for (int r = 0; r < s.lanes; r++) {
        s.rows[r] = (const uint8_t *)t->data + (size_t)(first + r) * t->row_bytes;
        if (t->scales)
            s.scales[r] =
                t->scales + (t->scale_row + first + r) / t->scale_block[0] * t->scale_columns;
    }
    return s;
}

void fm_pack_panels(fm_layout layout, const fm_tensor *t, int64_t begin, int64_t end, void *dst) {
    size_t bytes = fm_layout_panel_bytes(layout, fm_tensor_columns(t));
    for (int64_t panel = begin; panel < end; panel++) {
        fm_panel_source s = source_of(t, panel);
        char *out = (char *)dst + (size_t)(panel - begin) * bytes;
        memset(out + bytes - 64, 0, 64); /* the padding lies in the last line */
        packers[layout](&s, out);
    }
}
