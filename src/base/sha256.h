/* sha256.h: SHA-256 of bytes and of files, for manifests that people and other programs can check; a thin
 * adapter around libsodium. */
#pragma once

#include "base/status.h"

enum { FM_SHA256_HEX = 64 };

typedef struct fm_sha256 {
    _Alignas(16) unsigned char state[128]; /* libsodium's own */
} fm_sha256;

void fm_sha256_begin(fm_sha256 *s);
void fm_sha256_add(fm_sha256 *s, const void *bytes, size_t n);
/* In small hexadecimal digits with a zero behind them; ends it. */
void fm_sha256_end(fm_sha256 *s, char hex[FM_SHA256_HEX + 1]);

void fm_sha256_of(const void *bytes, size_t n, char hex[FM_SHA256_HEX + 1]);
fm_status fm_sha256_of_file(const char *path, char hex[FM_SHA256_HEX + 1], fm_error *err);
