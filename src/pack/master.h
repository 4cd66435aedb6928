/* master.h: the copies of a weight that learns, as the products of learning read them (kernel/words.h).
 *
 * What is trained is the float32 master. Products read panels of it, y = x W^T, and panels of its
 * transpose, dx += dy W, as floats or rounded to BF16. Whoever changes masters makes the copies anew. */
#pragma once

#include "kernel/words.h"
#include "pack/pack.h"

/* Bytes of both copies, a multiple of 64; SIZE_MAX where no memory is that large. */
size_t fm_weight_copies_bytes(const fm_weight *w, fm_word_form form);
/* From now on w's panels and their transpose (`turned`) are in `memory` of that size, 64-byte aligned and
 * the caller's. They hold nothing before fm_weights_refresh. */
void fm_weight_use_copies(fm_weight *w, fm_word_form form, void *memory);
/* Makes the copies of n weights from their masters and raises the versions. */
void fm_weights_refresh(const fm_kernels *k, fm_weight *const *weights, size_t n, fm_pool *pool);
