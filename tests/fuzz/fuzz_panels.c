/* A file of panels as strangers may have left it. Bits of the first byte say what is put right first, so that what
 * lies behind is reached too: 0 the header's hash, 1 the directory's, 2 version and order of bytes, 3 how many bytes
 * panels and directory have, 4 where the matrices lie, 5 their hashes. What opens can be read to its end, and is
 * whole where all of that was put right. */
#include "fuzz.h"
#include "fuzz_file.h"

#include "base/hash.h"
#include "pack/panel_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 64, AT_SOURCE = 16, AT_ENTRIES = 24, AT_PANELS = 32, AT_HASH = 56, BEGIN = 4096, ENTRY = 40 };
enum { HEADS_HASH = 1, DIRECTORYS_HASH = 2, VERSION = 4, SIZES = 8, PLACES = 16, PANELS_HASHES = 32, ALL = 63 };

static uint64_t word(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put(uint8_t *at, uint64_t value) { memcpy(at, &value, sizeof value); }

/* As many entries and panels as there is room for; returns the bytes that the file has then. */
static size_t fit(uint8_t *bytes, size_t n) {
    if (n < BEGIN + 8) return n;
    uint64_t room = n - BEGIN - 8, entries = word(bytes + AT_ENTRIES) % (room / ENTRY + 1);
    uint64_t panels = (room - entries * ENTRY) / 64 * 64;
    put(bytes + AT_ENTRIES, entries);
    put(bytes + AT_PANELS, panels);
    return BEGIN + panels + entries * ENTRY + 8;
}

/* One matrix behind the other, up to the end of the panels. */
static void place(uint8_t *directory, uint64_t entries, uint64_t panels) {
    uint64_t left = panels;
    for (uint64_t i = 0; i < entries; i++) {
        uint8_t *entry = directory + i * ENTRY;
        uint64_t size = i + 1 == entries ? left : word(entry + 16) % (left / 64 + 1) * 64;
        put(entry + 8, BEGIN + panels - left);
        put(entry + 16, size);
        left -= size;
    }
}

static void hash_panels(uint8_t *bytes, uint8_t *directory, uint64_t entries, uint64_t panels) {
    for (uint64_t i = 0; i < entries; i++) {
        uint8_t *entry = directory + i * ENTRY;
        uint64_t offset = word(entry + 8), size = word(entry + 16);
        if (offset < BEGIN || offset > BEGIN + panels || size > BEGIN + panels - offset) continue;
        put(entry + 24, fm_hash(bytes + offset, size, word(entry)));
    }
}

static void repair_directory(uint8_t *bytes, size_t n, unsigned what) {
    uint64_t entries = word(bytes + AT_ENTRIES), panels = word(bytes + AT_PANELS);
    if (panels > n || entries > n / ENTRY || BEGIN + panels + entries * ENTRY + 8 > n) return;
    uint8_t *directory = bytes + BEGIN + panels, *end = directory + entries * ENTRY;
    if (what & PLACES) place(directory, entries, panels);
    if (what & PANELS_HASHES) hash_panels(bytes, directory, entries, panels);
    if (what & DIRECTORYS_HASH) put(end, fm_hash(directory, entries * ENTRY, word(bytes + AT_SOURCE)));
}

/* Returns the bytes that the file has then. */
static size_t repair(uint8_t *bytes, size_t n, unsigned what) {
    const uint32_t front[] = {FM_PANEL_VERSION, 0x01020304};
    uint32_t version;
    if (what & VERSION) memcpy(bytes + 8, front, sizeof front);
    if (what & SIZES) n = fit(bytes, n);
    repair_directory(bytes, n, what);
    memcpy(&version, bytes + 8, sizeof version);
    if (what & HEADS_HASH) put(bytes + AT_HASH, fm_hash(bytes, AT_HASH, version));
    return n;
}

static void walk(const fm_panel_file *f, bool whole) {
    fm_error err = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        const fm_panel_entry *e = &f->entries[i];
        const uint8_t *at = fm_panel_file_at(f, e);
        FUZZ_CHECK((uintptr_t)at % 64 == 0 && e->offset + e->bytes <= f->map.size);
        for (uint64_t b = 0; b < e->bytes; b++) sum += at[b];
    }
    fm_status status = fm_panel_file_check(f, NULL, NULL, NULL, &err);
    FUZZ_CHECK(status == FM_OK || (!whole && status == FM_ERR_FORMAT && err.message[0]));
    FUZZ_CHECK(sum <= 255 * (uint64_t)f->map.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + 1);
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, n);
    if (n >= HEADER) n = repair(bytes, n, data[0]);
    char path[FUZZ_PATH];
    int fd = fuzz_file(bytes, n, path);
    fm_error err = {0};
    fm_panel_file f;
    fm_status status = fm_panel_file_open(path, &f, &err);
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    if (status == FM_OK) walk(&f, (data[0] & ALL) == ALL);
    fm_panel_file_close(&f);
    close(fd);
    free(bytes);
    return 0;
}
