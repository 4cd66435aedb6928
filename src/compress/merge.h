/* merge.h: an adapter becomes part of the weights that it is for.          Hu et al. 2021, section 4.1
 *
 *     W' = W + scale B A
 *
 * W is what its format's decode gives, in float32. The sum over the rank goes in order, in double, where each
 * product of two floats is exact; scale and W come in double too, and the whole is rounded to float32 once, and
 * from there as any weight to the type of the file. */
#pragma once

#include "compress/job.h"
#include "model/adapters.h"

/* Reads an adapter's folder (model/adapters.h says which are taken) onto the bound model of the job; for
 * fm_adapters_free before the job's end. */
fm_status fm_merge_open(fm_job *job, const char *folder, fm_adapters **out, fm_error *err);
/* Says of each part of the outline what is to be added. A weight with an adapter that the outline has not is
 * FM_ERR_UNSUPPORTED: what was learnt is not lost silently. */
fm_status fm_merge_mark(fm_job *job, fm_adapters *adapters, fm_error *err);
