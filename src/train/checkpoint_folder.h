/* checkpoint_folder.h: names and removal of checkpoint folders; for checkpoint.c and checkpoints.c. */
#pragma once

#include "train/checkpoint.h"

#define FM_CHECKPOINT_MANIFEST "manifest.json"

/* "step-000000001200", which sorts as the steps do. */
void fm_checkpoint_name(int64_t step, char name[FM_CHECKPOINT_NAME]);
/* The other way; -1 where `name` is no checkpoint's. */
int64_t fm_checkpoint_step_of(const char *name);
/* A folder of plain files and the files in it; one that is not there is fine. */
fm_status fm_folder_remove(const char *path, fm_error *err);
