/* inputs.c: inputs of weights, for whoever asked to add them up (fm_record_options.watcher). */
#include "model/block/block.h"

void fm_watch_parts(const fm_recorder *r, fm_value x, fm_role role, int64_t parts, int64_t offset,
                    int64_t stride, int64_t columns) {
    const fm_watcher *w = r->options->watcher;
    fm_tally *tally = w ? w->tally(w->context, role, r->layer, parts, columns) : NULL;
    if (tally) fm_watch(r->plan, x, offset, stride, tally);
}

void fm_watch_input(const fm_recorder *r, fm_value x, fm_role role) {
    fm_watch_parts(r, x, role, 1, 0, 0, fm_plan_columns(r->plan, x));
}
