/* A file of panels as strangers may have left it. Bits of the first byte say what is put right first, so that what
 * lies behind is reached too: 0 the header's hash, 1 the directory's, 2 version and order of bytes. What opens can be
 * read to its end. */
#include "fuzz.h"
#include "fuzz_file.h"

#include "base/hash.h"
#include "pack/panel_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 64, AT_HASH = 56, BEGIN = 4096, ENTRY = 40 };

static uint64_t word(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void repair(uint8_t *bytes, size_t n, unsigned what) {
    const uint32_t front[] = {FM_PANEL_VERSION, 0x01020304};
    uint32_t version;
    uint64_t entries = word(bytes + 24), panels = word(bytes + 32), hash;
    if (what & 4) memcpy(bytes + 8, front, sizeof front);
    memcpy(&version, bytes + 8, sizeof version);
    hash = fm_hash(bytes, AT_HASH, version);
    if (what & 1) memcpy(bytes + AT_HASH, &hash, sizeof hash);
    if (!(what & 2) || panels > n || entries > n / ENTRY || BEGIN + panels + entries * ENTRY + 8 > n) return;
    uint8_t *directory = bytes + BEGIN + panels;
    hash = fm_hash(directory, entries * ENTRY, word(bytes + 16));
    memcpy(directory + entries * ENTRY, &hash, sizeof hash);
}

static void walk(const fm_panel_file *f) {
    fm_error err = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        const fm_panel_entry *e = &f->entries[i];
        const uint8_t *at = fm_panel_file_at(f, e);
        FUZZ_CHECK((uintptr_t)at % 64 == 0 && e->offset + e->bytes <= f->map.size);
        for (uint64_t b = 0; b < e->bytes; b++) sum += at[b];
    }
    fm_status status = fm_panel_file_check(f, NULL, NULL, NULL, &err);
    FUZZ_CHECK(status == FM_OK || (status == FM_ERR_FORMAT && err.message[0]));
    FUZZ_CHECK(sum <= 255 * (uint64_t)f->map.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + 1);
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, n);
    if (n >= HEADER) repair(bytes, n, data[0]);
    char path[FUZZ_PATH];
    int fd = fuzz_file(bytes, n, path);
    fm_error err = {0};
    fm_panel_file f;
    fm_status status = fm_panel_file_open(path, &f, &err);
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    if (status == FM_OK) walk(&f);
    fm_panel_file_close(&f);
    close(fd);
    free(bytes);
    return 0;
}
