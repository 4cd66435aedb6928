#include "base/sha256.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(((fm_sha256 *)0)->state), "room for the state");

static crypto_hash_sha256_state *state_of(fm_sha256 *s) { return (crypto_hash_sha256_state *)s->state; }

void fm_sha256_begin(fm_sha256 *s) { crypto_hash_sha256_init(state_of(s)); }

void fm_sha256_add(fm_sha256 *s, const void *bytes, size_t n) {
    crypto_hash_sha256_update(state_of(s), bytes, n);
}

void fm_sha256_end(fm_sha256 *s, char hex[FM_SHA256_HEX + 1]) {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(state_of(s), digest);
    sodium_bin2hex(hex, FM_SHA256_HEX + 1, digest, sizeof digest);
}

void fm_sha256_of(const void *bytes, size_t n, char hex[FM_SHA256_HEX + 1]) {
    fm_sha256 s;
    fm_sha256_begin(&s);
    fm_sha256_add(&s, bytes, n);
    fm_sha256_end(&s, hex);
}

static fm_status add_file(int fd, const char *path, fm_sha256 *s, fm_error *err) {
    enum { PIECE = 1 << 20 };
    unsigned char *piece = fm_alloc(PIECE, FM_MEM_OTHER);
    if (!piece) return fm_fail_memory(err, PIECE, path);
    fm_status status = FM_OK;
    for (ssize_t n; (n = read(fd, piece, PIECE)) != 0;) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = fm_fail(err, FM_ERR_IO, "cannot read %s: %s", path, strerror(errno));
            break;
        }
        fm_sha256_add(s, piece, (size_t)n);
    }
    fm_free(piece);
    return status;
}

fm_status fm_sha256_of_file(const char *path, char hex[FM_SHA256_HEX + 1], fm_error *err) {
    fm_sha256 s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fm_fail(err, FM_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    fm_sha256_begin(&s);
    fm_status status = add_file(fd, path, &s, err);
    close(fd);
    if (status == FM_OK) fm_sha256_end(&s, hex);
    return status;
}
