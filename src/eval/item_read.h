/* item_read.h: one line of a data set as an item: which fields hold what. */
#pragma once

#include "base/json.h"
#include "eval/items.h"

/* Texts go into the arena; `source` is the caller's to set. FM_ERR_FORMAT is a sentence without file and line. */
fm_status fm_item_read(const fm_json *root, fm_arena *arena, fm_eval_item *out, fm_error *err);
