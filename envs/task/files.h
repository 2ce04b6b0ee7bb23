/* The files of a task: its YAML, those it extends, its MJCF; from the disk or the library's own. Internal. */
#ifndef ML3_ENVS_TASK_FILES_H
#define ML3_ENVS_TASK_FILES_H

#include "envs/task/task.h"

/* Reads all files of `path` (FILE.yaml, FILE.xml, or a built-in name) into t->model, t->xml_path and t->signature. The merged YAML,
   to be freed; NULL with a sentence. */
ml3_tree *ml3_task_open_files(ml3_task *t, const char *path, ml3_error *error);

#endif
