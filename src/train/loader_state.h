/* loader_state.h: the place in a stream as JSON, for checkpoints. */
#pragma once

#include "base/json.h"
#include "base/json_write.h"
#include "train/loader.h"

void fm_loader_state_put(const fm_loader_state *state, fm_json_writer *w, const char *key);
/* FM_ERR_FORMAT where a member is missing or no number of its kind. */
fm_status fm_loader_state_read(const fm_json *v, fm_loader_state *out, fm_error *err);
