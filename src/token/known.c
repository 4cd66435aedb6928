#include "token/known.h"

#include <string.h>

/* Patterns as the families' own tokenizer.json files have them. llama.cpp's differ in spelling, and
 * here and there in meaning: [sS] does not match U+017F as (?i:s) does, and deepseek-llm's digits
 * are taken one by one. */

#define GPT2                                                                                       \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

#define LLAMA3(digits)                                                                             \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                           \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define DEEPSEEK_V3_CJK "[\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF]+"
#define DEEPSEEK_V3_WORDS                                                                          \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"                                       \
    "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|"                      \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Cased letters, as DeepSeek-LLM's file lists them: not all of \p{L}. */
#define DEEPSEEK_LLM_LETTERS                                                                       \
    "\\s?[A-Za-z\\u00B5\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u01BA\\u01BC-\\u01BF\\u01C4-\\u0293"\
    "\\u0295-\\u02AF\\u0370-\\u0373\\u0376\\u0377\\u037B-\\u037D\\u037F\\u0386\\u0388-\\u038A"     \
    "\\u038C\\u038E-\\u03A1\\u03A3-\\u03F5\\u03F7-\\u0481\\u048A-\\u052F\\u0531-\\u0556"           \
    "\\u10A0-\\u10C5\\u13A0-\\u13F5\\u13F8-\\u13FD\\u1C90-\\u1CBA\\u1CBD-\\u1CBF"                  \
    "\\u1D00-\\u1D2B\\u1D6B-\\u1D77\\u1D79-\\u1D9A\\u1E00-\\u1F15\\u1F18-\\u1F1D"                  \
    "\\u1F20-\\u1F45\\u1F48-\\u1F4D\\u1F50-\\u1F57\\u1F59\\u1F5B\\u1F5D\\u1F5F-\\u1F7D"            \
    "\\u1F80-\\u1FB4\\u1FB6-\\u1FBC\\u1FBE\\u1FC2-\\u1FC4\\u1FC6-\\u1FCC\\u1FD0-\\u1FD3"           \
    "\\u1FD6-\\u1FDB\\u1FE0-\\u1FEC\\u1FF2-\\u1FF4\\u1FF6-\\u1FFC\\u2102\\u2107"                   \
    "\\u210A-\\u2113\\u2115\\u2119-\\u211D\\u2124\\u2126\\u2128\\u212A-\\u212D\\u212F-\\u2134"     \
    "\\u2139\\u213C-\\u213F\\u2145-\\u2149\\u214E\\u2183\\u2184\\u2C00-\\u2C7B\\u2C7E-\\u2CE4"     \
    "\\u2CEB-\\u2CEE\\u2CF2\\u2CF3\\uA640-\\uA66D\\uA680-\\uA69B\\uA722-\\uA76F"                   \
    "\\uA771-\\uA787\\uA78B-\\uA78E\\uAB70-\\uABBF\\uFB00-\\uFB06\\uFB13-\\uFB17"                  \
    "\\uFF21-\\uFF3A\\uFF41-\\uFF5A\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}"                     \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"         \
    "\\x{1E900}-\\x{1E943}]+"

/* Its range 3A-7E holds the ASCII letters too, so a word is cut again around other letters. */
#define DEEPSEEK_LLM_PUNCTUATION                                                                   \
    "\\s?[!-/:-~\\uFF01-\\uFF0F\\uFF1A-\\uFF5E\\u2018-\\u201F\\u3000-\\u3002]+"
#define DEEPSEEK_LLM_CJK "[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+"

static const fm_known known[] = {
    {.names = "deepseek-v3",
     .adds_bos = true,
     .stages = {"\\p{N}{1,3}", DEEPSEEK_V3_CJK, DEEPSEEK_V3_WORDS}},
    {.names = "deepseek-llm",
     .adds_bos = true,
     .stages = {"[\\r\\n]", DEEPSEEK_LLM_LETTERS, DEEPSEEK_LLM_PUNCTUATION, "\\s+$",
                DEEPSEEK_LLM_CJK, "\\p{N}"}},
    {.names = "deepseek-coder",
     .adds_bos = true,
     .stages = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_LLM_CJK, "\\p{N}"}},
    {.names = "deepseek-r1-qwen", .nfc = true, .adds_bos = true, .stages = {LLAMA3("\\p{N}")}},
    {.names = "qwen2", .nfc = true, .stages = {LLAMA3("\\p{N}")}},
    {.names = "llama-bpe llama3 llama-v3",
     .ignore_merges = true,
     .adds_bos = true,
     .stages = {LLAMA3("\\p{N}{1,3}")}},
    {.names = "smollm", .stages = {"\\p{N}", GPT2}},
    {.names = "gpt-2 gpt2", .stages = {GPT2}},
    /* What llama.cpp does with files that do not say: a guess, and the file's fault. */
    {.names = "default",
     .stages = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

static size_t stages_of(const fm_known *k) {
    size_t n = 0;
    while (n < FM_KNOWN_STAGES && k->stages[n]) n++;
    return n;
}

const fm_known *fm_known_find(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || strchr(name, ' ')) return NULL;
    for (size_t i = 0; i < FM_COUNT(known); i++)
        for (const char *at = known[i].names; at; at = strchr(at, ' ')) {
            at += *at == ' ';
            if (strncmp(at, name, length) == 0 && (at[length] == ' ' || at[length] == 0))
                return &known[i];
        }
    return NULL;
}

const fm_known *fm_known_of(const fm_pretoken *p, bool nfc, bool ignore_merges, bool adds_bos) {
    const fm_known *found = NULL;
    for (size_t i = 0; i < FM_COUNT(known); i++) {
        const fm_known *k = &known[i];
        if (k->nfc != nfc || k->ignore_merges != ignore_merges ||
            !fm_pretoken_is(p, k->stages, stages_of(k)))
            continue;
        if (k->adds_bos == adds_bos) return k;
        if (!found) found = k;
    }
    return found;
}

void fm_known_names(fm_buffer *out) {
    for (size_t i = 0; i < FM_COUNT(known); i++)
        fm_buffer_format(out, "%s%s", i ? ", " : "", known[i].names);
}

fm_status fm_known_add_stages(const fm_known *k, fm_pretoken *out, fm_error *err) {
    for (size_t i = 0; i < stages_of(k); i++)
        FM_TRY(fm_pretoken_add_pattern(out, k->stages[i], strlen(k->stages[i]), FM_SPLIT_ISOLATED,
                                       false, err));
    return FM_OK;
}

fm_status fm_known_add_gpt2(fm_pretoken *out, fm_error *err) {
    return fm_pretoken_add_pattern(out, GPT2, strlen(GPT2), FM_SPLIT_ISOLATED, false, err);
}

void fm_known_use_scanner(fm_pretoken *p) {
    static const struct {
        const char *name;
        fm_scanner scanner;
    } scanners[] = {
        {"deepseek-v3", {.scan = fm_scan_deepseek_v3}},
        {"deepseek-llm", {.scan = fm_scan_deepseek_llm, .letters = DEEPSEEK_LLM_LETTERS,
                          .punctuation = DEEPSEEK_LLM_PUNCTUATION, .cjk = DEEPSEEK_LLM_CJK}},
        {"deepseek-coder", {.scan = fm_scan_deepseek_coder, .cjk = DEEPSEEK_LLM_CJK}},
        {"qwen2", {.scan = fm_scan_qwen2}},
        {"llama3", {.scan = fm_scan_llama3}},
        {"smollm", {.scan = fm_scan_smollm}},
        {"gpt-2", {.scan = fm_scan_gpt2}},
    };
    for (size_t i = 0; i < FM_COUNT(scanners); i++) {
        const fm_known *k = fm_known_find(scanners[i].name);
        if (fm_pretoken_is(p, k->stages, stages_of(k)))
            fm_pretoken_set_scanner(p, &scanners[i].scanner);
    }
}
