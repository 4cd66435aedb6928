/* A JSON schema of a stranger, compiled; what is written under it, choice by choice, must be JSON, and there
 * must always be a next byte.
 *
 * The input: the schema's text; after a zero byte, how to choose among the bytes that a mask allows. */
#include "fuzz.h"

#include "base/json.h"
#include "engine/grammar/constrain.h"

#include <string.h>

static fm_token_trie *trie_of_bytes(void) {
    static char bytes[256];
    static fm_token_text pieces[256];
    fm_token_trie *trie = NULL;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        pieces[i] = (fm_token_text){&bytes[i], 1};
    }
    FUZZ_CHECK(fm_token_trie_from_pieces(pieces, 256, NULL, 0, &trie, NULL) == FM_OK);
    return trie;
}

/* The n-th byte that is allowed, round and round; -1 where none is. */
static int choose(const uint64_t bits[4], unsigned n) {
    int allowed[256], count = 0;
    for (int b = 0; b < 256; b++)
        if (fm_token_mask_has(bits, b)) allowed[count++] = b;
    return count ? allowed[n % (unsigned)count] : -1;
}

/* An answer that is complete is JSON, in brackets so that any value may be a document. A zero in a member's
 * name is JSON that our parser does not take. */
static void check_answer(const fm_buffer *answer) {
    fm_buffer list = {0};
    fm_error err = {0};
    fm_json *root = NULL;
    fm_buffer_text(&list, "[");
    fm_buffer_put(&list, answer->data, answer->size);
    fm_buffer_text(&list, "]");
    fm_status status = fm_json_parse(list.data, list.size, &root, &err);
    FUZZ_CHECK(status == FM_OK || strstr(err.message, "NUL byte") || strstr(err.message, "duplicate"));
    fm_json_free(root);
    fm_buffer_clear(&list);
}

static void write_answer(fm_grammar *g, const uint8_t *choices, size_t n) {
    static fm_token_trie *trie;
    if (!trie) trie = trie_of_bytes();
    fm_constraint c;
    fm_buffer answer = {0};
    fm_constraint_init(&c, g);
    for (size_t i = 0; i < n && i < 2000; i++) {
        uint64_t bits[4];
        bool allowed;
        if (fm_constraint_can_end(&c)) check_answer(&answer);
        if (fm_constraint_mask(&c, trie, bits, NULL, NULL) != FM_OK) break; /* too many readings */
        int b = choose(bits, choices[i]);
        FUZZ_CHECK(b >= 0 || fm_constraint_can_end(&c));
        if (b < 0 || fm_constraint_accept(&c, &(char){(char)b}, 1, &allowed, NULL) != FM_OK) break;
        FUZZ_CHECK(allowed);
        fm_buffer_put(&answer, &(char){(char)b}, 1);
    }
    if (fm_constraint_can_end(&c)) check_answer(&answer);
    fm_constraint_clear(&c);
    fm_buffer_clear(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t n = zero ? (size_t)(zero - data) : size;
    fm_error err = {0};
    fm_grammar *g = NULL;
    fm_status status = fm_grammar_from_json_schema((const char *)data, n, n % 2 ? FM_JSON_PRETTY : FM_JSON_COMPACT,
                                                   &g, &err);
    FUZZ_CHECK((status == FM_OK) == (g != NULL) && (status == FM_OK || err.message[0]));
    if (g && zero) write_answer(g, zero + 1, size - n - 1);
    fm_grammar_free(g);
    return 0;
}
