/* mla_unfold.h: latents unfolded to the keys and values that they stand for, in BF16, for who reads a long
 * prompt (mla_naive_words.c).                                    DeepSeek-V2, section 2.1, (10) and (11)
 *
 *     k_h(j) = W_UK,h c(j),  v_h(j) = W_UV,h c(j)
 *
 * as products of words (kernel/words.h): latents as the cache gives them and weights as their type decodes
 * them, both rounded to BF16, summed in float32 along the latent and rounded to BF16. So what a position is
 * unfolded to depends on its latent and the weights alone.
 *
 * A layer's block holds FM_ATTENTION_BLOCK positions, panels being those of kernel/words.h:
 *
 *     | rotated keys, of all heads | head 0: keys | head 0: values | head 1: keys | ...
 *
 *   keys     16 positions side by side, words along k: what scores are multiplied with
 *   values   16 columns side by side, words along the positions: what weights are multiplied with */
#pragma once

#include "kernel/words.h"
#include "op/attention.h"
#include "op/op.h"

/* Bytes of a layer's block of all heads. */
size_t fm_unfold_block_bytes(const fm_mla_shape *s);

/* Where a head's part of a block lies. */
typedef struct fm_unfolded_head {
    uint32_t *rotated, *keys, *values;
} fm_unfolded_head;
fm_unfolded_head fm_unfolded_head_at(const fm_mla_shape *s, void *block, int64_t head);

/* From panel to panel, in words. */
static inline int64_t fm_unfold_key_step(int64_t columns) {
    return fm_words_count(FM_WORDS_BF16, columns) * FM_PANEL;
}
enum { FM_UNFOLD_VALUE_STEP = FM_ATTENTION_BLOCK / 2 * FM_PANEL };

/* One head that is being unfolded. `scratch` holds fm_unfold_scratch words, 64-byte aligned. */
typedef struct fm_unfold {
    const fm_kernels *k;
    const fm_mla_shape *shape;
    fm_words uk, uv; /* panels whose lanes are the columns of keys and values */
    uint32_t *scratch;
} fm_unfold;
int64_t fm_unfold_scratch(const fm_mla_shape *s);
/* Makes words of a head's weights. */
fm_unfold fm_unfold_begin(const fm_kernels *k, const fm_mla_shape *s, const fm_weight *uk,
                          const fm_weight *uv, uint32_t *scratch);
/* Unfolds `count` positions from `position` on, a multiple of 16, all of one block. What lies behind them in
 * their last panel becomes zero. `rotated`: also what the heads share. */
void fm_unfold_positions(const fm_unfold *u, const fm_attention_rows *latents, int64_t position,
                         int64_t count, bool rotated, const fm_unfolded_head *to);
