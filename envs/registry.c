/* The environments there are, one line each; and those of a user's own files. */
#include "envs/foreign.h"
#include "envs/gym.h"
#include "envs/task/task.h"

#include <mujoco/mujoco.h>
#include <string.h>

extern const ml3_env_spec ml3_acrobot, ml3_cart_pole, ml3_mountain_car, ml3_mountain_car_goal,
    ml3_mountain_car_continuous, ml3_mountain_car_discrete, ml3_pendulum, ml3_pendulum_swing_up, ml3_pendulum_hanging;

static const ml3_env_spec *const environments[] = {
    &ml3_mountain_car, &ml3_mountain_car_goal, &ml3_mountain_car_continuous, &ml3_mountain_car_discrete, &ml3_cart_pole,
    &ml3_acrobot,      &ml3_pendulum,          &ml3_pendulum_swing_up,       &ml3_pendulum_hanging,
};

enum { COUNT = sizeof environments / sizeof environments[0] };

int ml3_env_count(void) {
  return COUNT + ml3_task_builtin_count();
}

const char *ml3_env_name(int index) {
  if (index < 0 || index >= ml3_env_count()) return NULL;
  return index < COUNT ? environments[index]->name : ml3_task_builtin_name(index - COUNT);
}

const ml3_env_spec *ml3_env_at(int index) {
  const char *name = ml3_env_name(index);
  return index >= 0 && index < COUNT ? environments[index] : name ? ml3_task_find(name, name, NULL) : NULL;
}

const ml3_env_spec *ml3_env_open(const char *path, const char *name, ml3_error *error) {
  return ml3_task_find(path, name, error);
}

const char *ml3_env_simulator(void) {
  return mj_versionString();
}

/* The ending of a file's name, before the split behind it. */
static bool is_named(const char *name, const char *ending) {
  const char *dot = strrchr(name, '.');
  const size_t n = strlen(ending);
  return dot && dot > name && strncmp(dot, ending, n) == 0 && (dot[n] == '\0' || dot[n] == ':');
}

bool ml3_env_is_file(const char *name) {
  if (ml3_gym_is(name)) return false;
  return is_named(name, ".xml") || (is_named(name, ".yaml") && ml3_task_is(name));
}

const ml3_env_spec *ml3_env_find(const char *name, ml3_error *error) {
  enum { NAMES_MAX = 512 };
  const char *names[NAMES_MAX];
  const size_t length = strcspn(name, ":");
  const ml3_env_spec *foreign = ml3_foreign_find(name);
  if (foreign) return foreign;
  if (ml3_gym_is(name)) return ml3_gym_find(name, error);
  if (is_named(name, ".xml") || is_named(name, ".yaml")) return ml3_task_find(name, name, error);
  const int count = ml3_env_count() < NAMES_MAX ? ml3_env_count() : NAMES_MAX;
  for (int i = 0; i < count; i++) {
    names[i] = ml3_env_name(i);
    if (i < COUNT && strcmp(name, names[i]) == 0) return environments[i];
    if (i >= COUNT && strncmp(name, names[i], length) == 0 && names[i][length] == '\0')
      return ml3_task_find(name, name, error);
  }

  const char *nearest = ml3_error_nearest(name, names, count);
  if (nearest)
    ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown environment '%s'; did you mean '%s'? ml3 list shows all", name,
                  nearest);
  else
    ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown environment '%s'; ml3 list shows all", name);
  return NULL;
}
