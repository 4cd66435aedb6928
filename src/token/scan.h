/* scan.h: the pre-tokenizers of the families that Fathom exists for, written out by hand.
 *
 * Each does in one pass what a list of patterns says, several times faster than a general matcher.
 * The patterns stay the definition: they are in known.c, run through PCRE2 for every other
 * tokenizer, and a test compares both on random text. */
#pragma once

#include "base/status.h"

/* The end of the first piece of s[0..n), n > 0, which is valid UTF-8 and reaches to the end of the
 * text; `classes` is from charclass.h. */
typedef size_t (*fm_scan_fn)(const uint8_t *classes, const unsigned char *s, size_t n);

typedef struct fm_scanner {
    fm_scan_fn scan;
    /* Patterns whose sets stand for \\p{L}, \\p{P} and FM_CHAR_CJK in `classes`; NULL: those do. */
    const char *letters, *punctuation, *cjk;
} fm_scanner;

size_t fm_scan_gpt2(const uint8_t *classes, const unsigned char *s, size_t n);
size_t fm_scan_smollm(const uint8_t *classes, const unsigned char *s, size_t n);
size_t fm_scan_qwen2(const uint8_t *classes, const unsigned char *s, size_t n);
size_t fm_scan_llama3(const uint8_t *classes, const unsigned char *s, size_t n);
size_t fm_scan_deepseek_v3(const uint8_t *classes, const unsigned char *s, size_t n);
/* In scan_stages.c. */
size_t fm_scan_deepseek_llm(const uint8_t *classes, const unsigned char *s, size_t n);
size_t fm_scan_deepseek_coder(const uint8_t *classes, const unsigned char *s, size_t n);
