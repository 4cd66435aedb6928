/* Text to ids: the order of things is Hugging Face's. Added tokens that are sought in raw text are
 * cut out first; what is left is normalised; added tokens that are sought in normalised text are
 * cut out of that; and what is left then is cut into words and merged. */
#include "token/tokenizer_private.h"

#include "base/unicode.h"
#include "token/nfc.h"

#include <string.h>

enum { WORTH_REMEMBERING = 16 << 10 };

typedef struct encoder {
    const fm_tokenizer *t;
    fm_encode_mode mode;
    fm_bpe_scratch scratch;
    fm_buffer *out;
} encoder;

static fm_status encode_word(void *context, const char *word, size_t size, fm_error *err) {
    encoder *e = context;
    return fm_bpe_encode(&e->t->bpe, word, size, &e->scratch, e->out, err);
}

static fm_status encode_words(encoder *e, const char *text, size_t size, fm_error *err) {
    return fm_pretoken_run(e->t->pretoken, text, size, encode_word, e, err);
}

/* Calls `rest` on what lies between the added tokens of one set. */
static fm_status cut_added(encoder *e, const fm_added *set, const char *text, size_t size,
                           fm_status (*rest)(encoder *, const char *, size_t, fm_error *),
                           fm_error *err) {
    size_t at = 0;
    fm_added_match m;
    while (e->mode == FM_ENCODE_SPECIAL && fm_added_find(set, text, size, at, &m)) {
        if (m.start > at) FM_TRY(rest(e, text + at, m.start - at, err));
        fm_buffer_put(e->out, &m.id, sizeof m.id);
        at = m.end;
    }
    return at < size ? rest(e, text + at, size - at, err) : FM_OK;
}

static fm_status encode_normal(encoder *e, const char *text, size_t size, fm_error *err) {
    return cut_added(e, &e->t->normalized, text, size, encode_words, err);
}

static fm_status encode_segment(encoder *e, const char *text, size_t size, fm_error *err) {
    if (!e->t->nfc || !fm_nfc_may_change(text, size)) return encode_normal(e, text, size, err);
    fm_buffer composed = {0};
    fm_status status = fm_nfc(text, size, &composed, err);
    if (status == FM_OK) status = encode_normal(e, composed.data, composed.size, err);
    fm_buffer_clear(&composed);
    return status;
}

/* Three bytes of U+1000 to U+CFFF or U+E000 to U+FFFF, where no rule forbids any: most of Asia. */
static bool is_plain_three(const char *text, size_t size) {
    unsigned char first = (unsigned char)text[0];
    return first > 0xE0 && first < 0xF0 && first != 0xED && size >= 3 &&
           ((unsigned char)text[1] & 0xC0) == 0x80 && ((unsigned char)text[2] & 0xC0) == 0x80;
}

static fm_status check_utf8(const char *text, size_t size, fm_error *err) {
    if (size > INT32_MAX)
        return fm_fail(err, FM_ERR_LIMIT, "a text of %zu bytes is longer than 2 GiB; encode it in "
                       "parts", size);
    for (size_t i = 0; i < size;) {
        uint64_t word;
        uint32_t c;
        if (size - i >= sizeof word) {
            memcpy(&word, text + i, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                i += sizeof word;
                continue;
            }
        }
        if (is_plain_three(text + i, size - i)) {
            i += 3;
            continue;
        }
        int n = fm_utf8_decode(text + i, size - i, &c);
        if (n == 0)
            return fm_fail(err, FM_ERR_ARGUMENT, "the text is not UTF-8 at byte %zu (0x%02X)", i,
                           (unsigned)(unsigned char)text[i]);
        i += (size_t)n;
    }
    return FM_OK;
}

fm_status fm_tokenizer_encode(const fm_tokenizer *t, const char *text, size_t size,
                              fm_encode_mode mode, fm_buffer *out, fm_error *err) {
    FM_TRY(check_utf8(text, size, err));
    encoder e = {.t = t, .mode = mode, .out = out};
    e.scratch.unknown = mode == FM_ENCODE_SPECIAL ? t->unknown : -1;
    if (size >= WORTH_REMEMBERING) fm_bpe_scratch_remember(&e.scratch);
    size_t before = out->size;
    fm_status status = cut_added(&e, &t->raw, text, size, encode_segment, err);
    fm_bpe_scratch_clear(&e.scratch);
    if (status == FM_OK) status = fm_buffer_status(out, err);
    if (status != FM_OK) out->size = before;
    return status;
}
