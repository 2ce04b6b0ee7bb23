/* Tasks that have been read, and the library's own. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "envs/task/task.h"

/* Written by cmake/embed.cmake: every file of envs/tasks and envs/models. */
typedef struct builtin_file {
  const char *name, *text;
} builtin_file;
extern const builtin_file ml3_task_files[];

const char *ml3_task_builtin_file(const char *name) {
  for (const builtin_file *f = ml3_task_files; f->name; f++)
    if (strcmp(f->name, name) == 0) return f->text;
  return NULL;
}

int ml3_task_builtin_count(void) {
  int count = 0;
  for (const builtin_file *f = ml3_task_files; f->name; f++) count += ml3_file_ends_in(f->name, ".yaml");
  return count;
}

/* The names stay: the table's own, without their ending, made once. */
const char *ml3_task_builtin_name(int index) {
  enum { NAMES = 128, LENGTH = 64 };
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static char names[NAMES][LENGTH];
  const char *found = NULL;
  pthread_mutex_lock(&lock);
  for (const builtin_file *f = ml3_task_files; f->name && !found; f++) {
    if (!ml3_file_ends_in(f->name, ".yaml") || index-- > 0) continue;
    char *name = names[(f - ml3_task_files) % NAMES];
    snprintf(name, LENGTH, "%.*s", (int)strlen(f->name) - 5, f->name);
    found = name;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ml3_task *tasks; /* behind the lock; specs may be in use to the end of the process */

/* The split at the end of a name, cut off; 0: none. */
static int cut_split(char *name) {
  char *colon = strrchr(name, ':');
  for (int k = 1; colon && k < ML3_SPLITS; k++)
    if (strcmp(colon + 1, ml3_task_split_names[k]) == 0) {
      *colon = '\0';
      return k;
    }
  return 0;
}

const ml3_env_spec *ml3_task_find(const char *path, const char *name, ml3_error *error) {
  char where[2048], called[2048];
  snprintf(where, sizeof where, "%s", path);
  snprintf(called, sizeof called, "%s", name);
  const int split = cut_split(where);
  cut_split(called);
  const bool builtin = !strchr(where, '/') && !strchr(where, '.');
  const ml3_task *known = NULL;
  pthread_mutex_lock(&lock);
  if (builtin)
    for (known = tasks; known && strcmp(known->name, called) != 0; known = known->next) {}
  if (!known) {
    ml3_task *t = ml3_task_read(where, called, error);
    for (known = t ? tasks : NULL;
         known && (strcmp(known->name, called) != 0 || strcmp(known->signature, t->signature) != 0 ||
                   (t->xml_path && strcmp(t->xml_path, known->xml_path ? known->xml_path : "") != 0));
         known = known->next) {}
    if (t && !known) {
      t->next = tasks;
      known = tasks = t;
    } else {
      ml3_task_free(t);
    }
  }
  pthread_mutex_unlock(&lock);
  if (!known) return NULL;
  return &known->specs[split];
}
