#include "format/item_sink.h"

fm_status fm_item_put(fm_item_sink *sink, const void *bytes, size_t n, fm_error *err) {
    if (n > sink->left)
        return fm_fail(err, FM_ERR_ARGUMENT, "tensor %s: %zu bytes more than its shape takes",
                       sink->name, n - sink->left);
    sink->left -= n;
    return fm_writer_put(sink->writer, bytes, n, err);
}

fm_status fm_item_write(fm_writer *writer, const char *name, size_t bytes, fm_item_fn fn,
                        void *context, size_t i, fm_error *err) {
    fm_item_sink sink = {.writer = writer, .name = name, .left = bytes};
    FM_TRY(fn(context, i, &sink, err));
    if (sink.left == 0) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "tensor %s: %zu bytes less than its shape takes", name,
                   sink.left);
}
