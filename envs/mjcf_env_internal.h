/* What the files share that read an environment from its YAML: mjcf_env_values.c (values, mappings, names),
   mjcf_env_entries.c (actuators, observations, limits), mjcf_env_task.c (tasks), mjcf_env_read.c (the whole). Functions that
   return int complain and return ML3_ERR_FORMAT where what they find is wrong. */
#ifndef ML3_ENVS_MJCF_ENV_INTERNAL_H
#define ML3_ENVS_MJCF_ENV_INTERNAL_H

#include <yaml.h>

#include "envs/mjcf_env.h"

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { MJCF_WORDS_SIZE = 1 << 11 }; /* small texts fill it too, and it costs less time */
#else
enum { MJCF_WORDS_SIZE = 1 << 18 };
#endif

typedef struct ml3_mjcf_reader {
  mjcf_env_file *f;
  const mjModel *model;
  yaml_document_t document;
  char path[1024]; /* of the YAML */
  ml3_error *error;
} ml3_mjcf_reader;

/* ---- values: mjcf_env_values.c ------------------------------------------------------------------------------------ */

/* A complaint at that node's line. */
int ml3_mjcf_wrong(ml3_mjcf_reader *r, const yaml_node_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "; did you mean 'x'?" or nothing, into text. */
const char *ml3_mjcf_suggestion(const char *word, const char *const *names, int count, char text[96]);

const yaml_node_t *ml3_mjcf_node(ml3_mjcf_reader *r, int index);
const char *ml3_mjcf_text_of(const yaml_node_t *n); /* NULL of a list or a mapping */
int ml3_mjcf_read_number(ml3_mjcf_reader *r, const yaml_node_t *n, const char *what, double low, double high,
                         double *x);
int ml3_mjcf_read_whole(ml3_mjcf_reader *r, const yaml_node_t *n, const char *what, int low, int high, int *x);
/* [low, high]. */
int ml3_mjcf_read_range(ml3_mjcf_reader *r, const yaml_node_t *n, const char *what, double *low, double *high);
/* Text that stays with the environment. */
const char *ml3_mjcf_keep(ml3_mjcf_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct ml3_mjcf_section {
  const char *key;
  int (*read)(ml3_mjcf_reader *r, const yaml_node_t *value);
} ml3_mjcf_section;

/* The value of that key, or NULL. */
const yaml_node_t *ml3_mjcf_find(ml3_mjcf_reader *r, const yaml_node_t *map, const char *key);
/* Every pair of a mapping, in order; `expected` is the sentence when it is none. */
int ml3_mjcf_read_pairs(ml3_mjcf_reader *r, const yaml_node_t *map, const char *expected,
                        int (*read)(ml3_mjcf_reader *r, const yaml_node_t *key, const yaml_node_t *value));
/* A mapping with those keys, each at most once, read in the order of the table. */
int ml3_mjcf_read_sections(ml3_mjcf_reader *r, const yaml_node_t *map, const char *what,
                           const ml3_mjcf_section *sections, int count);

/* The object of that name, and the hinge or slide; -1 with a complaint. */
int ml3_mjcf_find_object(ml3_mjcf_reader *r, const yaml_node_t *at, int type, const char *name);
int ml3_mjcf_find_scalar_joint(ml3_mjcf_reader *r, const yaml_node_t *at, const char *name);
/* "kind name" into its two words; rest is "" where there is none. False when it is no text or too long. */
bool ml3_mjcf_split(const char *text, char kind[128], char rest[128]);
/* The word after the name: an axis, 0 .. 2; -1 where there is none. Cuts it off. */
int ml3_mjcf_cut_axis(char *name);

/* ---- entries: mjcf_env_entries.c ------------------------------------------------------------------------------------ */

int ml3_mjcf_read_actuators(ml3_mjcf_reader *r, const yaml_node_t *n);
int ml3_mjcf_read_observation(ml3_mjcf_reader *r, const yaml_node_t *n);
int ml3_mjcf_read_limits(ml3_mjcf_reader *r, const yaml_node_t *n);

/* An actuator of that name, or the one that drives the joint of that name; -1 with a complaint. */
int ml3_mjcf_find_actuator(ml3_mjcf_reader *r, const yaml_node_t *at, const char *name);
int ml3_mjcf_add_actuator(ml3_mjcf_reader *r, const yaml_node_t *at, int id);
/* Positions (or velocities) of a joint: their number, one as a field, all as observations. */
int ml3_mjcf_joint_width(const mjModel *m, int joint, bool velocity);
ml3_env_field ml3_mjcf_joint_field(ml3_mjcf_reader *r, int joint, int k, bool velocity);
int ml3_mjcf_add_joint(ml3_mjcf_reader *r, const yaml_node_t *at, int joint, bool velocity);
/* Three coordinates from `first` on. */
int ml3_mjcf_add_point(ml3_mjcf_reader *r, const yaml_node_t *at, mjcf_quantity quantity, int first, const char *name);

/* ---- tasks: mjcf_env_task.c ------------------------------------------------------------------------------------------- */

int ml3_mjcf_read_task(ml3_mjcf_reader *r, const yaml_node_t *n);

#endif
