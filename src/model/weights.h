/* weights.h: every weight of a model, one by one, with what it is. */
#pragma once

#include "model/model.h"

/* `w` may be changed; the name is the file's. Weights that a model does not have are left out; what shares
 * a tensor (a tied head, the heads' parts of kv_b_proj) comes one by one. expert: -1 unless routed. */
typedef fm_status (*fm_weight_visit)(void *context, fm_weight *w, fm_role role, int64_t layer, int64_t expert);
/* In the order of computation: embedding, layers, final norm, head, the MTP module where it is bound. The
 * first failure ends the walk and is returned. */
fm_status fm_model_each_weight(fm_model *model, fm_weight_visit visit, void *context);
