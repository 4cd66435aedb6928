/* drawn.h: one document as the loader uses it: as it lies in its shard, or in the order of
 * fill-in-the-middle:
 *
 *   BOS prefix middle suffix EOS   ->   BOS <fim_begin> prefix <fim_hole> suffix <fim_end> middle EOS
 */
#pragma once

#include "train/dataset.h"

typedef struct fm_drawn {
    const fm_shard *shard;
    int64_t document; /* in the shard */
    int64_t length;   /* tokens, with those of fill-in-the-middle */
    bool fim;
    int64_t head, tail;     /* tokens before and behind the body: BOS, EOS */
    int64_t middle, suffix; /* fim: where they begin, in tokens of the shard's document */
} fm_drawn;

/* `random` decides: words 0 and 1 whether (below `fim_rate`), 2 and 3 where it is cut, each place between
 * two tokens of the body being as likely as another. Documents with a mask stay as they are, and so does
 * everything in a vocabulary without the three tokens. */
fm_status fm_drawn_init(const fm_shard *shard, int64_t document, const fm_roles *roles, double fim_rate,
                        const uint32_t random[4], fm_drawn *out, fm_error *err);

/* Ids [from, from + count) of the document as drawn, and whether each is to be learnt. */
fm_status fm_drawn_copy(const fm_drawn *d, const fm_roles *roles, int64_t from, int64_t count, int32_t *ids,
                        uint8_t *learn, fm_error *err);
