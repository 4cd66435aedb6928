/* words_avx512bf16.c: products of pairs of BF16 on processors that have an instruction for them, and one
 * that rounds floats to pairs. Contracts: words.h, kernel.h. */
#include "kernel/x86/words_round_avx512bf16.h"

#define DOT(y, x, w) dot_pairs(y, x, w)
#include "kernel/x86/words_tile_avx512.h"
#define ROUND_PAIRS(a, b) round_pairs(a, b)
#define ROUND_ROW(a, b) round_row(a, b)
#include "kernel/x86/words_pack_avx512.h"

void fm_words_product_bf16_avx512bf16(const fm_words_block *b) { words_panels(b, false); }

DEFINE_WORDS_OF_ROWS(bf16_avx512bf16, ROW_WORDS_BF16, 2)
DEFINE_WORDS_OF_ROW_BF16(bf16_avx512bf16)
DEFINE_WORDS_OF_COLUMNS_BF16(bf16_avx512bf16)
