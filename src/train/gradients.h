/* gradients.h: what is done with all gradients before a step: their norm, clipping, and looking for what
 * is no number. */
#pragma once

#include "base/pool.h"
#include "train/stretches.h"

/* L2 norm over all gradients (Pascanu et al. 2013). Squares are added up in double, in four lanes within a
 * stretch and then stretch by stretch in order, whoever computes them. `sums` holds stretches->n doubles. */
double fm_gradient_norm(const fm_learned_list *learned, const fm_stretches *stretches, double *sums,
                        fm_pool *pool);

/* What gradients are multiplied with so that their norm is at most `limit`; 1 where it is, and where
 * the limit is 0 (no clipping). */
double fm_clip_factor(double norm, double limit);

void fm_gradients_clear(const fm_learned_list *learned, const fm_stretches *stretches, fm_pool *pool);

/* Which part of a tensor is looked at. */
typedef enum fm_learned_part { FM_LEARNED_VALUE, FM_LEARNED_GRAD } fm_learned_part;
/* The first tensor of the list that holds a NaN or an infinity; learned->n: none does. `sums` as above. */
size_t fm_learned_not_finite(const fm_learned_list *learned, fm_learned_part part,
                             const fm_stretches *stretches, double *sums, fm_pool *pool);
