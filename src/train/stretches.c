#include "train/stretches.h"

fm_status fm_stretches_cut(const fm_learned_list *learned, fm_stretches *out, fm_error *err) {
    *out = (fm_stretches){0};
    size_t n = 0;
    for (size_t i = 0; i < learned->n; i++)
        n += (size_t)((fm_learned_elements(&learned->at[i]) + FM_STRETCH - 1) / FM_STRETCH);
    out->at = fm_alloc_array(n + 1, sizeof *out->at, FM_MEM_OTHER);
    if (!out->at) return fm_fail_memory(err, n * sizeof *out->at, "a list of stretches");
    for (size_t i = 0; i < learned->n; i++) {
        int64_t total = learned->at[i].grad ? fm_learned_elements(&learned->at[i]) : 0;
        for (int64_t at = 0; at < total; at += FM_STRETCH)
            out->at[out->n++] =
                (fm_stretch){i, at, total - at < FM_STRETCH ? total - at : FM_STRETCH};
    }
    return FM_OK;
}

void fm_stretches_clear(fm_stretches *s) {
    fm_free(s->at);
    *s = (fm_stretches){0};
}
