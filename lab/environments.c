/* Defaults of environments: see environments.h. */
#include "lab/environments.h"

#include <stddef.h>
#include <string.h>

#include "base/file.h"
#include "envs/foreign.h"
#include "envs/gym.h"
#include "lab/config.h"

static const struct {
  const char *environment, *preset;
} presets[] = {
    {"pendulum_hanging", "pendulum_model_based"},
    {"pointmass_goal", "pointmass_model_based"},
    {"pointmass_hidden", "hidden_goal"},
    {"reacher_joints", "reacher_model_based"},
    {"walker_goal", "walker_goal_model_free"},
};

/* Rollouts in the simulator, where the model's equations do not know all that tasks draw, or see the state otherwise: a loss that
   draws the policy's mean to what it has learned, by Gauss-Newton steps. */
#define TARGETS                                                                                              \
  "problem=model_free loss.inputs=[state*,mean*] loss.targets=[mean*] inner.rate=0.7 inner.learn_rate=none " \
  "inner.weights=last policy.hidden=[32,32] rollout.episodes=4 "
/* PPO learns all targets first and demonstrates some, as in the preset reacher_model_free. */
#define DEMONSTRATED                                                                                                      \
  "policy.normalize=false policy.output_gain=0.3 policy.log_std=-2 inner.newton=8 outer.steps=16 outer.epochs=20 " \
  "outer.rate=3e-3 outer.warmup=5 outer.extra_weight=200 extra.kind=demonstration extra.demonstrations=200 "       \
  "extra.expert=ppo extra.expert_updates=200 learner.rate=1e-3 learner.discount=0.95 validation.every=8"

/* Where what a task asks for is hidden: a loss that learns from reward, as in the preset hidden_goal. */
#define DRIVEN                                                                                                             \
  "problem=model_free policy.hidden=[32,32] policy.output_gain=0.1 policy.log_std=-0.5 rollout.episodes=4 "                \
  "rollout.outer_episodes=4 rollout.reuse=true loss.rows=entry loss.normalize=none loss.targets=[shift] "                  \
  "loss.target_base=[score] loss.target_factor=[noise] loss.only_targets=true loss.hidden=[16] "                           \
  "loss.inputs=[shift,noise,advantage,td,advantage_short,advantage_long,time,log_std,updates] inner.newton=5 "             \
  "inner.rate=0.7 inner.learn_rate=scalar inner.weights=all inner.steps=5 inner.lifetime=10 outer.steps=100 "              \
  "outer.tasks=32 outer.rate=5e-3 outer.warmup=10 outer.task_clip_norm=0.5 validation.every=20 validation.steps=20"

static const struct {
  const char *environment, *settings;
} own[] = {
    {"mountain_car_goal", TARGETS "policy.normalize=false inner.newton=5 outer.steps=40 outer.epochs=5 outer.rate=2e-3 "
                                  "outer.warmup=5 validation.every=10"},
    /* By what is there for discrete actions: how likely the choice was, and its advantage. */
    {"cart_pole", "problem=model_free horizon=200 policy.hidden=[32] loss.inputs=[log_prob,credit] loss.hidden=[32,32] "
                  "inner.rate=1 rollout.episodes=4 rollout.outer_episodes=4 rollout.discount=0.99 outer.steps=60 "
                  "outer.tasks=8 outer.rate=3e-3 validation.every=10 validation.tasks=16"},
    {"pendulum_swing_up", /* as the preset pendulum_model_based */
     "problem=model_based policy.hidden=[64] policy.bias=false policy.obs_scale=[1,0.5] inner.steps=10 inner.rate=0.3 "
     "inner.weights=last outer.steps=500 cost.kind=reach cost.from_step=40 validation.every=40 validation.tasks=32 "
     "validation.select=task_loss"},
    {"pointmass",
     TARGETS "policy.output_gain=0.1 rollout.outer_episodes=24 inner.newton=5 outer.steps=50 outer.epochs=5 "
             "outer.rate=2e-3 outer.warmup=10 validation.every=10"},
    {"reacher", TARGETS DEMONSTRATED},
    {"reacher_hidden", DRIVEN},
    {"half_cheetah_vel", DRIVEN},
    {"half_cheetah_dir", DRIVEN},
    {"ant_dir", DRIVEN},
    {"pointmass_params", DRIVEN},
    {"hopper_params", DRIVEN},
    {"walker2d_params", DRIVEN},
    {"reacher_goal", TARGETS DEMONSTRATED},
};

/* What files that name the environment alone have always meant. */
static const char *const mountain_car =
    "policy.hidden=[200] policy.activation=identity policy.bias=false policy.obs_scale=[0.2,1] cost.from_step=15 "
    "extra.kind=exploration_goal extra.goal=[-0.947,-0.0055]";

/* Where reward tells nothing before the goal is reached for the first time: many environments, and some entropy. */
#define PATIENT                                                                                               \
  "learner.envs=16 learner.entropy_weight=0.01 learner.normalize_reward=true learner.epochs=4 "               \
  "learner.minibatches=16 learner.rate=1e-3 "

/* A policy by itself: what PPO needs that its usual settings are not enough for. */
static const struct {
  const char *environment, *settings;
} learners[] = {
    {"mountain_car", "learner.rate=1e-3 learner.normalize_reward=true learner.updates=300"},
    {"walker_goal", "policy.log_std=-1 learner.rate=1e-3 learner.discount=0.95 learner.updates=400"},
    {"pendulum_swing_up", "learner.rate=1e-3 learner.normalize_reward=true learner.discount=0.97 learner.updates=500"},
    {"acrobot", PATIENT "learner.updates=60"},
    {"pendulum", "learner.envs=4 learner.steps=1024 learner.epochs=2 learner.minibatches=16 learner.rate=3e-3 "
                 "learner.discount=0.95 learner.normalize_reward=true learner.updates=75"},
    {"mountain_car_discrete", PATIENT "learner.lambda=0.98 learner.updates=150"},
};

/* Environments of others, of which nothing is known but their spaces. */
static const char *const foreign_settings =
    DRIVEN " outer.steps=60 outer.tasks=8 validation.tasks=16";
static const char *const foreign_discrete =
    "problem=model_free policy.hidden=[32] loss.inputs=[log_prob,credit] loss.hidden=[32,32] inner.rate=1 "
    "rollout.episodes=4 rollout.outer_episodes=4 rollout.discount=0.99 outer.steps=60 outer.tasks=8 outer.rate=3e-3 "
    "validation.every=10 validation.tasks=16";
static const char *const foreign_learner = "learner.rate=1e-3 learner.normalize_reward=true learner.updates=100";

static const ml3_env_spec *foreign_of(const char *name) {
  return ml3_gym_is(name) ? ml3_gym_find(name, NULL) : ml3_foreign_find(name);
}

#define COUNT(table) (sizeof table / sizeof *table)

const char *ml3_lab_environment_preset(const char *name) {
  for (size_t i = 0; i < COUNT(presets); i++)
    if (strcmp(presets[i].environment, name) == 0) return presets[i].preset;
  return NULL;
}

const char *ml3_lab_environment_settings(const char *name) {
  for (size_t i = 0; i < COUNT(own); i++)
    if (strcmp(own[i].environment, name) == 0) return own[i].settings;
  const ml3_env_spec *foreign = foreign_of(name);
  return !foreign ? NULL : foreign->choices ? foreign_discrete : foreign_settings;
}

const char *ml3_lab_environment_defaults(const char *name, const char *problem, const ml3_learner_kind *learner) {
  for (size_t i = 0; i < COUNT(learners) && learner && !learner->stepwise; i++)
    if (strcmp(learners[i].environment, name) == 0) return learners[i].settings;
  if (learner && !learner->stepwise && foreign_of(name)) return foreign_learner;
  const bool car = strcmp(name, "mountain_car") == 0 && strcmp(problem, "model_based") == 0;
  return car && !learner ? mountain_car : NULL;
}

bool ml3_lab_is_own_environment(const char *name) {
  return !ml3_gym_is(name) && (ml3_file_ends_in(name, ".xml") || ml3_file_ends_in(name, ".yaml"));
}
