#include "compress/merge.h"

fm_status fm_merge_open(fm_job *job, const char *folder, fm_adapters **out, fm_error *err) {
    return fm_adapters_open(job->model, folder, out, err);
}

/* Both are views of the same bytes of the store. */
static bool is_of(const fm_part *part, const fm_weight *w) {
    return part->entry->tensor.data == w->source.data;
}

static size_t mark(fm_outline *o, const fm_weight *w, const fm_adapter *adapter) {
    size_t found = 0;
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; k < o->items[i].n_parts; k++) {
            fm_part *part = &o->items[i].parts[k];
            if (!is_of(part, w)) continue;
            part->adapter = adapter;
            found++;
        }
    return found;
}

fm_status fm_merge_mark(fm_job *job, fm_adapters *adapters, fm_error *err) {
    size_t n = fm_adapters_count(adapters);
    for (size_t i = 0; i < n; i++) {
        const fm_weight *w = fm_adapters_base(adapters, i);
        if (mark(&job->outline, w, fm_adapters_at(adapters, i)) == 0)
            return fm_fail(err, FM_ERR_UNSUPPORTED, "the adapter changes %s, which would not be in the result; the "
                           "module that guesses tokens is kept with mtp", w->name);
    }
    fm_job_say(job, "the adapter was added to %zu weight%s", n, n == 1 ? "" : "s");
    return FM_OK;
}
