#include "cli/lengths.h"

fm_status fm_lengths_parse(const char *option, const char *text, fm_lengths *out, fm_error *err) {
    const int64_t most = 1000000000;
    const char *s = text;
    out->n = 0;
    for (;; s++) {
        int64_t value = 0;
        bool digits = *s >= '0' && *s <= '9';
        for (; *s >= '0' && *s <= '9' && value <= most; s++) value = value * 10 + (*s - '0');
        if (!digits || value > most || (*s && *s != ',') || out->n == FM_LENGTHS_MAX)
            return fm_fail(err, FM_ERR_ARGUMENT,
                           "--%s must be at most %d whole numbers with commas between them, as in 128,512, "
                           "not '%s'", option, FM_LENGTHS_MAX, text);
        out->values[out->n++] = value;
        if (!*s) return FM_OK;
    }
}
