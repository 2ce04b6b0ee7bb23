/* The YAML beside a user's MJCF. The model itself is MuJoCo's to read: every input gets a copy of the same one. Now and
   then the environment that was described is made and stepped. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf.h"
#include "envs/task/task.h"
#include "memory_files.h"

/* One of each kind of thing that the YAML can name. */
static const char MODEL[] =
    "<mujoco><compiler angle='radian'/><worldbody><site name='goal' pos='0 0 .6'/>"
    "<body name='cart'><joint name='slider' type='slide' axis='1 0 0'/><geom name='cart' size='.1' mass='1'/>"
    "<site name='on' pos='0 0 .1'/>"
    "<body name='pole'><joint name='hinge' type='hinge' axis='0 1 0'/><geom name='pole' size='.02' mass='.2'/>"
    "<site name='tip' pos='0 0 .6'/></body></body>"
    "<body name='ball' pos='1 0 0'><joint name='ball' type='ball'/><geom size='.1' mass='1'/></body>"
    "<body name='free' pos='2 0 0'><freejoint name='free'/><geom size='.1' mass='1'/></body></worldbody>"
    "<actuator><motor name='push' joint='slider' gear='10' ctrllimited='true' ctrlrange='-1 1'/>"
    "<motor name='turn' joint='hinge' ctrllimited='true' ctrlrange='-1 1'/></actuator></mujoco>";

struct mjModel_ *__real_ml3_mjcf_load(const char *xml, ml3_error *error);
struct mjModel_ *__wrap_ml3_mjcf_load(const char *xml, ml3_error *error);
void __real_mj_deleteModel(mjModel *model);
void __wrap_mj_deleteModel(mjModel *model);

static mjModel *spare; /* a copy that was given back: filled again it costs no memory */

struct mjModel_ *__wrap_ml3_mjcf_load(const char *xml, ml3_error *error) {
  static mjModel *model;
  (void)xml;
  if (!model) model = __real_ml3_mjcf_load(MODEL, error);
  if (!model) abort();
  mjModel *copy = mj_copyModel(spare, model);
  spare = NULL;
  return copy;
}

void __wrap_mj_deleteModel(mjModel *model) {
  if (spare) __real_mj_deleteModel(spare);
  spare = model;
}

static void step(const ml3_env_spec *spec) {
  ml3_error error = {0};
  double *obs = calloc((size_t)spec->obs_dim + 1, sizeof *obs), *task = calloc((size_t)spec->task_dim + 1, sizeof *task);
  double *action = calloc((size_t)spec->action_dim + 1, sizeof *action);
  ml3_env *env = ml3_env_new(spec, &error);
  if (env) {
    ml3_random random = ml3_random_stream(1, ML3_PURPOSE_TEST, 0, 0);
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(env, task, &random);
    ml3_env_observe(env, obs);
    ml3_env_step(env, action);
    ml3_env_observe(env, obs);
    ml3_env_free(env);
  }
  free(obs);
  free(action);
  free(task);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ml3_error error = {0};
  memory_file("fuzz.xml", MODEL, sizeof MODEL - 1);
  memory_file("fuzz.yaml", data, size);
  ml3_task *task = ml3_task_read("fuzz.xml", "fuzz.xml", &error);
  if (!task) {
    if (!error.message[0]) abort();
  } else if (size % 64 == 0) {
    step(&task->specs[0]);
  }
  ml3_task_free(task);
  return 0;
}
