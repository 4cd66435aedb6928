/* Lines of JSON that are to be learnt from, as strangers write them. A document that comes out of one lies inside
 * its own text. */
#include "fuzz.h"

#include "train/jsonl.h"

#include <string.h>

static void check(const fm_document *d) {
    size_t from = 0;
    FUZZ_CHECK(d->text && d->line > 0);
    for (size_t i = 0; i < d->n_turns; i++) {
        const fm_turn *t = &d->turns[i];
        FUZZ_CHECK(t->role && t->at >= from && t->size <= d->size && t->at <= d->size - t->size);
        from = t->at + t->size;
    }
    fm_document_is_text(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fm_jsonl j = {.path = "stranger.jsonl"};
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at)), *next = feed ? feed : end;
        fm_error err = {0};
        fm_document d;
        bool any;
        fm_status status = fm_jsonl_line(&j, at, (size_t)(next - at), &d, &any, &err);
        FUZZ_CHECK(status == FM_OK || (status == FM_ERR_FORMAT && strstr(err.message, "stranger.jsonl, line ")));
        if (status == FM_OK && any) check(&d);
        at = feed ? feed + 1 : end;
    }
    fm_jsonl_clear(&j);
    return 0;
}
