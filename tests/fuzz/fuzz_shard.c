/* A shard of tokens as strangers may have left it. The lowest bit of the first byte says whether the
 * header's hash is put right first, so that what lies behind it is reached too. What opens can be walked
 * to its end. */
#include "fuzz.h"
#include "fuzz_file.h"

#include "base/hash.h"
#include "train/shard.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 128, AT_HASH = 120, VERSION = 1, MOST = 4096 };

static void walk(const fm_shard *s) {
    static int32_t ids[MOST];
    fm_error err;
    int64_t learnt = 0;
    for (int64_t d = 0; d < s->n_documents; d++) {
        int64_t n = s->index[d].length;
        for (int64_t from = 0; from < n; from += MOST) {
            int64_t count = n - from < MOST ? n - from : MOST;
            fm_status status = fm_shard_copy(s, d, from, count, ids, &err);
            FUZZ_CHECK(status == FM_OK || status == FM_ERR_FORMAT);
            for (int64_t i = 0; status == FM_OK && i < count; i++)
                {
                FUZZ_CHECK(ids[i] >= 0 && ids[i] < s->vocabulary);
                learnt += fm_shard_learnt(s, d, from + i);
            }
        }
    }
    FUZZ_CHECK(learnt <= s->n_tokens);
    FUZZ_CHECK(fm_shard_verify(s, &err) == FM_OK || (err.code == FM_ERR_FORMAT && err.message[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + 1);
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, n);
    if (n >= HEADER && (data[0] & 1)) {
        uint64_t hash = fm_hash(bytes, AT_HASH, VERSION);
        memcpy(bytes + AT_HASH, &hash, sizeof hash);
    }
    char path[FUZZ_PATH];
    int fd = fuzz_file(bytes, n, path);
    fm_error err = {0};
    fm_shard s;
    fm_status status = fm_shard_open(path, &s, &err);
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    if (status == FM_OK) walk(&s);
    fm_shard_close(&s);
    close(fd);
    free(bytes);
    return 0;
}
