/* The hub's listing of a repository, what is chosen from it, and names as people write them. */
#include "fuzz.h"
#include "touch.h"

#include "base/mem.h"
#include "hub/choose.h"

#include <string.h>

static void see_listing(fm_listing *l, const fm_pull_name *name) {
    fm_error err = {0};
    const char *open = NULL;
    fm_status status = fm_choose(l, name, &open, &err);
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    size_t chosen = 0;
    for (size_t i = 0; i < l->n; i++) {
        FUZZ_CHECK(fm_safe_path(l->files[i].name) && l->files[i].size >= -1);
        touch_bytes(l->files[i].id, strlen(l->files[i].id));
        chosen += l->files[i].chosen;
    }
    FUZZ_CHECK(status != FM_OK || chosen > 0);
    FUZZ_CHECK(status != FM_OK || !open || fm_listing_find(l, open)->chosen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const wanted[] = {"a/b", "a/b:Q4_K_M", "a/b:x.gguf"};
    fm_listing l;
    fm_pull_name name;
    fm_error err = {0};
    fm_status status = fm_listing_parse((const char *)data, size, &l, &err);
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    for (size_t i = 0; status == FM_OK && i < FM_COUNT(wanted); i++) {
        FUZZ_CHECK(fm_pull_name_parse(wanted[i], &name, &err) == FM_OK);
        see_listing(&l, &name);
    }
    fm_listing_clear(&l);
    char *text = fm_strndup((const char *)data, size);
    if (text && fm_pull_name_parse(text, &name, &err) == FM_OK) {
        FUZZ_CHECK(fm_safe_path(name.repository) && fm_safe_path(name.revision));
        FUZZ_CHECK(!name.file[0] || fm_safe_path(name.file));
    }
    fm_free(text);
    return 0;
}
