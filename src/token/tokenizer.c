#include "token/tokenizer_private.h"

#include "base/hash.h"

#include <string.h>

fm_status fm_tokenizer_build(fm_tokenizer *t, const fm_vocab_builder *b, fm_error *err) {
    FM_TRY(fm_vocab_build(b, &t->vocab, err));
    FM_TRY(fm_added_build(&t->vocab, false, &t->raw, err));
    return fm_added_build(&t->vocab, true, &t->normalized, err);
}

void fm_tokenizer_free(fm_tokenizer *t) {
    if (!t) return;
    fm_bpe_clear(&t->bpe);
    fm_added_clear(&t->raw);
    fm_added_clear(&t->normalized);
    fm_vocab_clear(&t->vocab);
    fm_pretoken_free(t->pretoken);
    fm_free(t->chat_template);
    fm_free(t);
}

/* ---- the roles of some tokens --------------------------------------------------------------*/

#define BAR "\xEF\xBD\x9C"   /* U+FF5C, DeepSeek's bar */
#define SPACE "\xE2\x96\x81" /* U+2581, DeepSeek's space */

static fm_token find_added(const fm_tokenizer *t, const char *text, size_t size) {
    fm_token id = fm_added_exact(&t->raw, text, size);
    return id >= 0 ? id : fm_added_exact(&t->normalized, text, size);
}

static fm_token first_added(const fm_tokenizer *t, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        fm_token id = find_added(t, names[i], strlen(names[i]));
        if (id >= 0) return id;
    }
    return -1;
}

fm_token fm_tokenizer_well_known_bos(const fm_tokenizer *t) {
    static const char *const names[] = {"<" BAR "begin" SPACE "of" SPACE "sentence" BAR ">",
                                        "<|begin_of_text|>"};
    return first_added(t, names, FM_COUNT(names));
}

/* All of these end a turn; the first that exists is the EOS of a file that names none. */
static const char *const turn_ends[] = {
    "<" BAR "end" SPACE "of" SPACE "sentence" BAR ">",
    "<|eot_id|>",
    "<|im_end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|EOT|>",
    "<|eom_id|>",
};

fm_token fm_tokenizer_well_known_eos(const fm_tokenizer *t) {
    return first_added(t, turn_ends, FM_COUNT(turn_ends));
}

static void mark_turn_end(fm_tokenizer *t, fm_token id) {
    if (id >= 0 && (size_t)id < t->vocab.size) t->vocab.flags[id] |= FM_PIECE_TURN_END;
}

void fm_tokenizer_mark_turn_ends(fm_tokenizer *t, fm_token eot) {
    mark_turn_end(t, t->eos);
    mark_turn_end(t, eot);
    for (size_t i = 0; i < FM_COUNT(turn_ends); i++)
        mark_turn_end(t, find_added(t, turn_ends[i], strlen(turn_ends[i])));
}

/* ---- questions -----------------------------------------------------------------------------*/

const char *fm_tokenizer_piece(const fm_tokenizer *t, fm_token id, size_t *size) {
    return fm_vocab_piece(&t->vocab, id, size);
}

fm_token fm_tokenizer_find(const fm_tokenizer *t, const char *text) {
    size_t n = strlen(text);
    fm_token id = find_added(t, text, n);
    return id >= 0 ? id : fm_vocab_find(&t->vocab, text, n);
}

static bool has(const fm_tokenizer *t, fm_token id, unsigned flag) {
    return fm_vocab_flags(&t->vocab, id) & flag;
}

bool fm_tokenizer_is_added(const fm_tokenizer *t, fm_token id) {
    return has(t, id, FM_PIECE_ADDED);
}
bool fm_tokenizer_is_special(const fm_tokenizer *t, fm_token id) {
    return has(t, id, FM_PIECE_SPECIAL);
}
bool fm_tokenizer_is_end_of_turn(const fm_tokenizer *t, fm_token id) {
    return has(t, id, FM_PIECE_TURN_END);
}
int64_t fm_tokenizer_size(const fm_tokenizer *t) { return (int64_t)t->vocab.size; }

uint64_t fm_tokenizer_fingerprint(const fm_tokenizer *t) {
    uint64_t hash = t->vocab.size;
    for (size_t id = 0; id < t->vocab.size; id++) {
        size_t n;
        const char *piece = fm_vocab_piece(&t->vocab, (fm_token)id, &n);
        bool added = has(t, (fm_token)id, FM_PIECE_ADDED);
        hash = fm_hash(piece, n, hash + added);
    }
    return hash;
}

fm_token fm_tokenizer_bos(const fm_tokenizer *t) { return t->bos; }
fm_token fm_tokenizer_eos(const fm_tokenizer *t) { return t->eos; }
bool fm_tokenizer_adds_bos(const fm_tokenizer *t) { return t->adds_bos; }
const char *fm_tokenizer_chat_template(const fm_tokenizer *t) { return t->chat_template; }
const char *fm_tokenizer_pre(const fm_tokenizer *t) {
    const fm_known *known = fm_known_of(t->pretoken, t->nfc, t->bpe.ignore_merges, t->adds_bos);
    return known ? known->names : NULL;
}
