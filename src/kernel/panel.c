/* panel.c: which layout a tensor gets, and how many bytes a panel of it takes. The drawings are in
 * layout.h. */
#include "kernel/panel.h"

#include "kernel/layout.h"

typedef struct layout_info {
    const char *name;
    int elements;      /* columns per block; the last block may be cut short by n_in */
    size_t bytes;      /* per block of 16 rows */
    size_t header;     /* before the first block */
} layout_info;

static const layout_info layouts[FM_LAYOUTS] = {
    [FM_LAYOUT_ROWS] = {"rows", 1, 0, 0},
    [FM_LAYOUT_F32] = {"f32", 1, 64, 0},
    [FM_LAYOUT_F16] = {"f16", 1, 32, 0},
    [FM_LAYOUT_BF16] = {"bf16", 2, 64, 0},
    [FM_LAYOUT_Q8_0] = {"q8_0", 32, sizeof(fm_panel_q8_0), 0},
    [FM_LAYOUT_Q4_0] = {"q4_0", 32, sizeof(fm_panel_q4_0), 0},
    [FM_LAYOUT_Q4_1] = {"q4_1", 32, sizeof(fm_panel_q4_1), 0},
    [FM_LAYOUT_Q5_0] = {"q5_0", 32, sizeof(fm_panel_q5_0), 0},
    [FM_LAYOUT_Q5_1] = {"q5_1", 32, sizeof(fm_panel_q5_1), 0},
    [FM_LAYOUT_Q2_K] = {"q2_k", 256, sizeof(fm_panel_q2_k), 0},
    [FM_LAYOUT_Q3_K] = {"q3_k", 256, sizeof(fm_panel_q3_k), 0},
    [FM_LAYOUT_Q4_K] = {"q4_k", 256, sizeof(fm_panel_q4_k), 0},
    [FM_LAYOUT_Q5_K] = {"q5_k", 256, sizeof(fm_panel_q5_k), 0},
    [FM_LAYOUT_Q6_K] = {"q6_k", 256, sizeof(fm_panel_q6_k), 0},
    [FM_LAYOUT_IQ4_NL] = {"iq4_nl", 32, sizeof(fm_panel_iq4_nl), 0},
    [FM_LAYOUT_IQ4_XS] = {"iq4_xs", 256, sizeof(fm_panel_iq4_xs), 0},
    [FM_LAYOUT_MXFP4] = {"mxfp4", 32, sizeof(fm_panel_mxfp4), 0},
    [FM_LAYOUT_TCQ4] = {"tcq4", 32, sizeof(fm_panel_tcq4), 0},
    [FM_LAYOUT_TQ2_0] = {"tq2_0", 256, sizeof(fm_panel_tq2_0), 0},
    [FM_LAYOUT_IQ1_S] = {"iq1_s", 256, sizeof(fm_panel_iq1_s), 0},
    [FM_LAYOUT_IQ1_M] = {"iq1_m", 256, sizeof(fm_panel_iq1_m), 0},
    [FM_LAYOUT_IQ2_XXS] = {"iq2_xxs", 256, sizeof(fm_panel_iq2_xxs), 0},
    [FM_LAYOUT_IQ2_S] = {"iq2_s", 256, sizeof(fm_panel_iq2_s), 0},
    [FM_LAYOUT_IQ3_XXS] = {"iq3_xxs", 256, sizeof(fm_panel_iq3), 0},
    [FM_LAYOUT_IQ3_S] = {"iq3_s", 256, sizeof(fm_panel_iq3), 0},
    [FM_LAYOUT_F8] = {"f8", 128, sizeof(fm_panel_f8), sizeof(fm_panel_f8_header)},
};

const char *fm_layout_name(fm_layout layout) { return layouts[layout].name; }

fm_layout fm_layout_for(const fm_tensor *t) {
    switch (t->dtype) {
    case FM_DTYPE_F32: return FM_LAYOUT_F32;
    case FM_DTYPE_F16: return FM_LAYOUT_F16;
    case FM_DTYPE_BF16: return FM_LAYOUT_BF16;
    case FM_DTYPE_Q8_0: return FM_LAYOUT_Q8_0;
    case FM_DTYPE_Q4_0: return FM_LAYOUT_Q4_0;
    case FM_DTYPE_Q4_1: return FM_LAYOUT_Q4_1;
    case FM_DTYPE_Q5_0: return FM_LAYOUT_Q5_0;
    case FM_DTYPE_Q5_1: return FM_LAYOUT_Q5_1;
    case FM_DTYPE_Q2_K: return FM_LAYOUT_Q2_K;
    case FM_DTYPE_Q3_K: return FM_LAYOUT_Q3_K;
    case FM_DTYPE_Q4_K: return FM_LAYOUT_Q4_K;
    case FM_DTYPE_Q5_K: return FM_LAYOUT_Q5_K;
    case FM_DTYPE_Q6_K: return FM_LAYOUT_Q6_K;
    case FM_DTYPE_IQ4_NL: return FM_LAYOUT_IQ4_NL;
    case FM_DTYPE_IQ4_XS: return FM_LAYOUT_IQ4_XS;
    case FM_DTYPE_MXFP4: return FM_LAYOUT_MXFP4;
    case FM_DTYPE_TCQ4: return FM_LAYOUT_TCQ4;
    case FM_DTYPE_TQ1_0:
    case FM_DTYPE_TQ2_0: return FM_LAYOUT_TQ2_0;
    case FM_DTYPE_IQ1_S: return FM_LAYOUT_IQ1_S;
    case FM_DTYPE_IQ1_M: return FM_LAYOUT_IQ1_M;
    case FM_DTYPE_IQ2_XXS: return FM_LAYOUT_IQ2_XXS;
    case FM_DTYPE_IQ2_XS:
    case FM_DTYPE_IQ2_S: return FM_LAYOUT_IQ2_S;
    case FM_DTYPE_IQ3_XXS: return FM_LAYOUT_IQ3_XXS;
    case FM_DTYPE_IQ3_S: return FM_LAYOUT_IQ3_S;
    case FM_DTYPE_F8_E4M3: /* one scale per row and block: theirs must not change inside */
        return !t->scales || t->scale_block[1] % 128 == 0 ? FM_LAYOUT_F8 : FM_LAYOUT_ROWS;
    default: return FM_LAYOUT_ROWS;
    }
}

size_t fm_layout_panel_bytes(fm_layout layout, int64_t n_in) {
    const layout_info *l = &layouts[layout];
    size_t blocks = (size_t)((n_in + l->elements - 1) / l->elements);
    size_t bytes = l->bytes ? l->header + blocks * l->bytes : 0;
    return (bytes + 63) / 64 * 64;
}
