/* own_engine.h: a second engine over an open model, for measurements that must share nothing. */
#pragma once

#include "api/handles.h"

/* Started, with the model's options but its own `sequences`, `outputs` and `context`, prefixes shared or
 * not. What it needs, every sequence filled, is compared with what the machine has before it is
 * taken. Sessions of the model must rest while it works: both use the model's threads. */
fm_status fm_api_own_engine(const fathom_model *model, int64_t sequences, int64_t outputs,
                            int64_t context, bool share_prefixes, fm_engine **out, fm_error *err);
