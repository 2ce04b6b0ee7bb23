/* Defaults of environments: see environments.h. */
#include "cli/environments.h"

#include <stddef.h>
#include <string.h>

#include "cli/config.h"

static const struct {
  const char *environment, *preset;
} presets[] = {
    {"pendulum", "pendulum_model_based"},
    {"pointmass_goal", "pointmass_model_based"},
    {"reacher_joints", "reacher_model_based"},
    {"ant_goal", "ant_goal_model_free"},
};

/* What is meta-learned. */
static const struct {
  const char *environment, *problem, *settings;
} settings[] = {
    {"mountain_car", "model_based",
     "policy.hidden=[200] policy.activation=identity policy.bias=false policy.obs_scale=[0.2,1] cost.from_step=15 "
     "extra.kind=exploration_goal extra.goal=[-0.947,-0.0055]"},
};

/* A policy by itself: what PPO needs that its usual settings are not enough for. */
static const struct {
  const char *environment, *settings;
} learners[] = {
    {"mountain_car", "learner.rate=1e-3 learner.normalize_reward=true learner.updates=300"},
    {"pendulum", "learner.rate=1e-3 learner.normalize_reward=true learner.discount=0.97 learner.updates=300"},
};

#define COUNT(table) (sizeof table / sizeof *table)

const char *cli_environment_preset(const char *name) {
  for (size_t i = 0; i < COUNT(presets); i++)
    if (strcmp(presets[i].environment, name) == 0) return presets[i].preset;
  return NULL;
}

const char *cli_environment_settings(const char *name, const char *problem, int method) {
  for (size_t i = 0; i < COUNT(learners) && method >= METHOD_PPO; i++)
    if (strcmp(learners[i].environment, name) == 0) return learners[i].settings;
  for (size_t i = 0; i < COUNT(settings) && method < METHOD_PPO; i++)
    if (strcmp(settings[i].environment, name) == 0 && strcmp(settings[i].problem, problem) == 0)
      return settings[i].settings;
  return NULL;
}
