/* YAML as a tree whose every node knows its file and line, so that documents can be merged (`extends`) and complaints say where.
   Internal. */
#ifndef ML3_ENVS_TASK_TREE_H
#define ML3_ENVS_TASK_TREE_H

#include <stdbool.h>

#include "base/error.h"

typedef enum ml3_tree_kind { ML3_TREE_TEXT, ML3_TREE_LIST, ML3_TREE_MAP } ml3_tree_kind;

/* A text, a list of `count` items, or `count` pairs of keys (texts) and items. */
typedef struct ml3_tree {
  ml3_tree_kind kind;
  const char *file; /* as given to ml3_tree_parse, which must stay */
  int line;
  char *text;  /* of a text */
  bool quoted; /* of a text: it is no number and no null */
  int count;
  struct ml3_tree **keys, **items;
} ml3_tree;

/* The document of that text, a mapping; `file` is what complaints call it. NULL with a sentence. Freed by ml3_tree_free. */
ml3_tree *ml3_tree_parse(const char *file, const char *text, ml3_error *error);
void ml3_tree_free(ml3_tree *tree);

/* Mappings key by key, `over` above `base`; a key that is null in `over` is gone, all else of `over` replaces. Both are consumed,
   after a failure too. */
ml3_tree *ml3_tree_merge(ml3_tree *base, ml3_tree *over, ml3_error *error);

/* The value of that key of a mapping, or NULL; its index, or -1. */
const ml3_tree *ml3_tree_find(const ml3_tree *map, const char *key);
int ml3_tree_index(const ml3_tree *map, const char *key);

/* The text of a text, NULL of anything else. */
const char *ml3_tree_text(const ml3_tree *tree);

/* ML3_ERR_FORMAT with "FILE:LINE: ..." */
int ml3_tree_wrong(const ml3_tree *at, ml3_error *error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "; did you mean 'x'?" or nothing, into text. */
const char *ml3_tree_suggestion(const char *word, const char *const *names, int count, char text[96]);

/* A number within [low, high]; a whole one; `what` names it in complaints. */
int ml3_tree_number(const ml3_tree *at, const char *what, double low, double high, double *x, ml3_error *error);
int ml3_tree_whole(const ml3_tree *at, const char *what, int low, int high, int *x, ml3_error *error);
/* [low, high], ends may be infinite. */
int ml3_tree_range(const ml3_tree *at, const char *what, double *low, double *high, ml3_error *error);
int ml3_tree_boolean(const ml3_tree *at, const char *what, bool *x, ml3_error *error);

/* Complains of a key of a mapping that is none of names[count], or of what is no mapping. */
int ml3_tree_keys(const ml3_tree *map, const char *what, const char *const *names, int count, ml3_error *error);

#endif
