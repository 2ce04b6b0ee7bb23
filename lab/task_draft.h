/* A first task for a user's own model: FILE.yaml for FILE.xml (envs/task/draft.h says what is in it). */
#ifndef ML3_LAB_TASK_DRAFT_H
#define ML3_LAB_TASK_DRAFT_H

#include <stdbool.h>

#include "lab/run_folder.h"

/* Writes it to `yaml`, or beside the model where that is NULL, once it has been loaded and an instance was made; path[ML3_LAB_PATH_MAX] is
   where. What is there is replaced by force alone. */
int ml3_lab_task_draft(const char *xml, const char *yaml, bool force, char *path, ml3_error *error);

#endif
