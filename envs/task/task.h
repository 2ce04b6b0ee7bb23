/* A task as data: a YAML over an MJCF, compiled once (docs/tasks.md says what it can hold). Internal.

   read.c makes it from its files, instance.c steps it. A task is immutable and shared by its instances on all threads; what
   changes is in an instance: a simulation, and registers. */
#ifndef ML3_ENVS_TASK_TASK_H
#define ML3_ENVS_TASK_TASK_H

#include "envs/env.h"
#include "envs/task/compiler.h"

enum { ML3_SPLITS = 4 }; /* train, validation, test, ood */
extern const char *const ml3_task_split_names[ML3_SPLITS];

/* A control of the model that an action drives: ctrl[control] = offset + factor action[action]; about an offset, the action is
   clipped to +-1 first. */
typedef struct ml3_task_control {
  int control, action;
  double factor, offset;
  bool about;
} ml3_task_control;

/* A mocap body that three actions move: its place += scale clip(action, -1, 1), within [low, high]. */
typedef struct ml3_task_mocap {
  int mocap, action;
  double scale, low[3], high[3];
} ml3_task_mocap;

/* A term of the reward: its weighted value, and the register of its weight. */
typedef struct ml3_task_term {
  const char *name;
  int weight, value;
} ml3_task_term;

/* A condition of `terminate` or `limits`: the register that is 1 while it holds. */
typedef struct ml3_task_limit {
  const char *name;
  int value;
} ml3_task_limit;

/* A number of the model that tasks set. */
typedef enum ml3_task_number {
  ML3_NUMBER_SITE,
  ML3_NUMBER_BODY,
  ML3_NUMBER_GEOM, /* a place: index 3 object + axis */
  ML3_NUMBER_MASS,
  ML3_NUMBER_INERTIA,
  ML3_NUMBER_DAMPING,
  ML3_NUMBER_ARMATURE,
  ML3_NUMBER_FRICTION,
  ML3_NUMBER_GEAR,
  ML3_NUMBER_GRAVITY,
  ML3_NUMBER_LENGTH, /* of a capsule or cylinder: of the geom */
  ML3_NUMBER_TENDON, /* a joint's coefficient in a fixed tendon: index into wrap_prm */
  ML3_NUMBER_START,
  ML3_NUMBER_START_VELOCITY,
  ML3_NUMBER_OWN
} ml3_task_number;

/* A register of the program `derive` that goes into the model. A mass takes the inertia along. */
typedef struct ml3_task_variable {
  ml3_task_number number;
  int index; /* of the object (dof, row of gears) or into the array */
  int reg;
  bool scale;   /* a factor on the model's own value */
  bool picture; /* of a body that is for pictures alone */
} ml3_task_variable;

/* A parameter that the hand in a window sets, and its register of the program `hand`. */
typedef struct ml3_task_hand {
  int parameter, reg;
} ml3_task_hand;

/* Where a parameter may be in a split: a union of intervals; points are intervals of no length. */
typedef struct ml3_task_region {
  int count;
  double (*intervals)[2];
} ml3_task_region;

typedef struct ml3_task {
  ml3_env_spec specs[ML3_SPLITS]; /* one a split; specs[i].own is this task */
  bool has_split[ML3_SPLITS];
  struct ml3_task *next;             /* of the files that have been read */
  char *name, *xml_path, *signature; /* what it is called; the MJCF's path, or NULL; all text it was read from */
  mjModel *model;
  int frame_skip, version;
  bool lagged, hides_goal;

  int task_dim;
  ml3_env_parameter *parameters;          /* [task_dim] of the split train */
  ml3_task_region (*regions)[ML3_SPLITS]; /* [task_dim] */

  /* Once a step, and once at the start of an episode (twice where something has a past). */
  ml3_program step;
  ml3_value parameter, action, last_action, observation, goal; /* registers of `step` */
  int distance, success, ended, reward;                        /* -1: none */
  ml3_task_term *terms;
  int term_count;
  ml3_task_limit *limits;
  int limit_count;
  ml3_latch *latches, *starts;
  int latch_count, start_count;
  ml3_placed *placed; /* sites that the task places, in the world */
  int placed_count;

  ml3_program derive; /* from parameters, its first registers, to the variables */
  ml3_task_variable *variables;
  int variable_count;
  ml3_program
      reset; /* its first registers: parameters, then qpos, qvel, act, mocap_pos[3 nmocap], mocap_quat[4 nmocap] */
  ml3_program hand; /* its first registers: parameters, then the point[3] */
  ml3_task_hand *hand_sets;
  int hand_count;
  int *followers, follower_count; /* entries of qpos, then qvel, that follow from parameters which the hand sets */
  int accepted;                   /* register of `reset`: 0 where it is to be drawn again; -1: never */
  int key;                        /* the keyframe an episode starts from, or -1 */
  bool apart;                     /* and it is drawn again where something touches */

  ml3_task_control *controls;
  int control_count;
  ml3_task_mocap *mocaps;
  int mocap_count;

  ml3_env_field *state, *obs, *actions, *goals;
  char summary[256];
  void **memory; /* all that was allocated for it, to be freed */
  int memory_count, memory_room;
} ml3_task;

/* From FILE.yaml, or FILE.xml with FILE.yaml beside it, or the name of a built-in task. NULL with a sentence. */
ml3_task *ml3_task_read(const char *path, const char *name, ml3_error *error);
void ml3_task_free(ml3_task *task);

/* Memory and texts that go with the task; NULL with a sentence. */
void *ml3_task_allocate(ml3_task *task, size_t count, size_t size, ml3_error *error);
const char *ml3_task_text(ml3_task *task, ml3_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Of an instance: what is seen of the present state, which has no past; the model of its task; a start; a task of the split. */
void ml3_task_begin(const ml3_env *env);
void ml3_task_change(ml3_env *env);
void ml3_task_reset(ml3_env *env, ml3_random *random);
/* state[nq + nv + na]: where the next episode of this task begins, by random numbers of a stream of its own. */
void ml3_task_start_state(const ml3_env *env, double *state);
void ml3_task_draw_any(const ml3_env_spec *spec, ml3_random *random, double *task);

/* Fills in the functions of the specs. */
void ml3_task_functions(ml3_task *task);

/* The spec of a built-in task or a file, read once (again when a file has changed) and kept to the end of the process.
   A name may end in :validation, :test or :ood. */
const ml3_env_spec *ml3_task_find(const char *path, const char *name, ml3_error *error);

/* Is the file a YAML with keys that only tasks have? */
bool ml3_task_is(const char *path);

/* Built-in tasks: their names, and texts of the library's files (NULL: none of that name). */
int ml3_task_builtin_count(void);
const char *ml3_task_builtin_name(int index);
const char *ml3_task_builtin_file(const char *name);

/* ---- while reading ------------------------------------------------------------------------------------------------------ */

typedef struct ml3_task_reader {
  ml3_task *task;
  const mjModel *model;
  const ml3_tree *root;
  ml3_compiler step, derive, reset, hand;
  ml3_value healthy; /* all conditions of `terminate`, n 0: none */
  ml3_value goal_of; /* what should get to the goal */
  ml3_error *error;
} ml3_task_reader;

int ml3_task_read_parameters(ml3_task_reader *r, const ml3_tree *at); /* parameters.c; at NULL: none */
int ml3_task_finish_parameters(ml3_task_reader *r, const ml3_tree *at);
int ml3_task_read_reward(ml3_task_reader *r, const ml3_tree *at);      /* reward.c */
int ml3_task_read_reset(ml3_task_reader *r, const ml3_tree *at);       /* reset.c */
int ml3_task_read_actions(ml3_task_reader *r, const ml3_tree *at);     /* actions.c; at NULL: all actuators */
int ml3_task_read_observation(ml3_task_reader *r, const ml3_tree *at); /* observation.c; at NULL: qpos, qvel */
int ml3_task_fill_state(ml3_task_reader *r);
/* A list of quantities, or lines NAME: QUANTITY: all behind one another, and a field each, of the task's memory. */
int ml3_task_read_list(ml3_task_reader *r, const ml3_tree *at, ml3_value *value, ml3_env_field **fields);

/* goal.c; `ends`: does success end the episode. */
int ml3_task_read_goal(ml3_task_reader *r, bool *ends);
int ml3_task_read_success(ml3_task_reader *r, bool *ends);
int ml3_task_read_terminate(ml3_task_reader *r);
int ml3_task_finish_end(ml3_task_reader *r, bool ends);

int ml3_task_read_pictures(ml3_task_reader *r); /* picture.c: `plane` and `hand` */

/* Where a parameter may be, by split; those that are not given are as `train`: regions.c. */
int ml3_task_read_regions(ml3_task_reader *r, const ml3_tree *at, const char *name,
                          ml3_task_region regions[ML3_SPLITS]);
int ml3_task_read_hidden(ml3_task_reader *r); /* hidden.c */

/* ---- numbers.c ---------------------------------------------------------------------------------------------------------- */

enum { ML3_NUMBER_KINDS = 15 };
/* A kind of number, by the word in `task`. */
typedef struct ml3_number_kind {
  const char *name, *unit;
  ml3_task_number number;
  int object; /* what it is of: mjtObj; -1: nothing */
  bool axis;
} ml3_number_kind;

extern const ml3_number_kind ml3_task_numbers[ML3_NUMBER_KINDS];

/* What the model says; is the number of object i anything that can be scaled; where it is. */
double ml3_task_number_value(const mjModel *m, int key, const ml3_task_variable *v);
bool ml3_task_number_counts(const mjModel *m, ml3_task_number number, int i);
/* Is the geom a capsule or a cylinder, and all of its body's mass, so that the body's inertia follows from its length? */
bool ml3_task_has_length(const mjModel *m, int geom);
int ml3_task_number_index(const mjModel *m, const ml3_number_kind *k, int object);

/* ---- numbers.c and regions.c, for instances -------------------------------------------------------------------------------------------- */

/* Is that another value than the model's own, so that the model must be changed? */
bool ml3_task_departs(const ml3_task *task, const ml3_task_variable *variable, double value);
/* Writes it into a model. */
void ml3_task_set_number(mjModel *model, const ml3_task_variable *variable, double value);
/* Is it in the region; a number drawn from it (from [low, high] where it is one interval). */
bool ml3_task_inside(const ml3_task_region *region, double value);
double ml3_task_draw(const ml3_task_region *region, double low, double high, ml3_random *random);

/* Adds a name of the task's own; taken ones are refused. */
int ml3_task_add_name(ml3_task_reader *r, const ml3_tree *at, const char *name, const ml3_tree *text, ml3_value value);

#endif
