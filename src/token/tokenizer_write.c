#include "token/tokenizer_write.h"

#include "base/json_write.h"
#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

#define BYTE_LEVEL(space, offsets, regex)                                                          \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":" space ",\"trim_offsets\":" offsets             \
    ",\"use_regex\":" regex "}"

/* ---- pieces --------------------------------------------------------------------------------------*/

/* vocab.c, byte_of, the other way. */
uint32_t fm_alphabet_char(unsigned char byte) {
    if (byte < 33) return 0x100u + byte;
    if (byte >= 127 && byte <= 160) return 0x100u + 33 + (byte - 127u);
    return byte == 173 ? 0x100u + 67 : byte;
}

void fm_put_piece(fm_buffer *out, const char *bytes, size_t size) {
    fm_buffer text = {0};
    for (size_t i = 0; i < size; i++) {
        char utf8[4];
        fm_buffer_put(&text, utf8, (size_t)fm_utf8_encode(fm_alphabet_char((unsigned char)bytes[i]), utf8));
    }
    if (text.failed) out->failed = true;
    fm_json_quote(out, fm_buffer_string(&text), text.size);
    fm_buffer_clear(&text);
}

/* ---- the file ------------------------------------------------------------------------------------*/

void fm_put_tokenizer_begin(fm_buffer *out) {
    fm_buffer_text(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n\"added_tokens\":[");
}

void fm_put_added_token(fm_buffer *out, bool first, int64_t id, const char *text, size_t size, bool special) {
    fm_buffer_format(out, "%s\n{\"id\":%lld,\"content\":", first ? "" : ",", (long long)id);
    fm_json_quote(out, text, size);
    fm_buffer_format(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                     "\"special\":%s}", special ? "true" : "false");
}

/* A pattern with its \uXXXX and \x{...} as the characters themselves, as Hugging Face's files have them. */
static void put_pattern(fm_buffer *out, const char *pattern) {
    fm_buffer text = {0};
    for (const char *p = pattern; *p;) {
        char *end = NULL, utf8[4];
        bool braces = p[0] == '\\' && p[1] == 'x' && p[2] == '{';
        if (braces || (p[0] == '\\' && p[1] == 'u')) {
            char digits[9] = {0};
            size_t n = braces ? strcspn(p + 3, "}") : 4;
            memcpy(digits, p + (braces ? 3 : 2), n < 8 ? n : 8);
            uint32_t c = (uint32_t)strtoul(digits, &end, 16);
            fm_buffer_put(&text, utf8, (size_t)fm_utf8_encode(c, utf8));
            p += braces ? 4 + n : 6;
        } else if (p[0] == '\\' && p[1]) {
            fm_buffer_put(&text, p, 2);
            p += 2;
        } else {
            fm_buffer_put(&text, p++, 1);
        }
    }
    fm_json_quote(out, fm_buffer_string(&text), text.size);
    if (text.failed) out->failed = true;
    fm_buffer_clear(&text);
}

void fm_put_stages(fm_buffer *out, const fm_known *known) {
    fm_buffer_text(out, "],\n\"normalizer\":");
    fm_buffer_text(out, known->nfc ? "{\"type\":\"NFC\"}" : "null");
    fm_buffer_text(out, ",\n\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[\n");
    for (int i = 0; i < FM_KNOWN_STAGES && known->stages[i]; i++) {
        fm_buffer_text(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
        put_pattern(out, known->stages[i]);
        fm_buffer_text(out, "},\"behavior\":\"Isolated\",\"invert\":false},\n");
    }
    fm_buffer_text(out, BYTE_LEVEL("false", "true", "false") "]},\n");
}

/* BOS is put in front by a template, which is where newer versions of Hugging Face's engine look. */
static void put_template(fm_buffer *out, const char *bos, size_t size, int64_t id) {
    fm_buffer quoted = {0};
    fm_json_quote(&quoted, bos, size);
    const char *b = fm_buffer_string(&quoted);
    fm_buffer_format(out, "{\"type\":\"Sequence\",\"processors\":[" BYTE_LEVEL("true", "false", "true") ",\n"
                     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":%s,"
                     "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\n\"pair\":["
                     "{\"SpecialToken\":{\"id\":%s,\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
                     "\"type_id\":0}},{\"SpecialToken\":{\"id\":%s,\"type_id\":1}},{\"Sequence\":"
                     "{\"id\":\"B\",\"type_id\":1}}],\n\"special_tokens\":{%s:{\"id\":%s,\"ids\":[%lld],"
                     "\"tokens\":[%s]}}}]}", b, b, b, b, b, (long long)id, b);
    if (quoted.failed) out->failed = true;
    fm_buffer_clear(&quoted);
}

void fm_put_processor(fm_buffer *out, const char *bos, size_t size, int64_t id) {
    fm_buffer_text(out, "\"post_processor\":");
    if (bos)
        put_template(out, bos, size, id);
    else
        fm_buffer_text(out, BYTE_LEVEL("true", "false", "true"));
    fm_buffer_text(out, ",\n\"decoder\":" BYTE_LEVEL("true", "true", "true") ",\n");
}

void fm_put_model(fm_buffer *out, bool ignore_merges) {
    fm_buffer_format(out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                     "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
                     "\"byte_fallback\":false,\"ignore_merges\":%s,\n", ignore_merges ? "true" : "false");
}
