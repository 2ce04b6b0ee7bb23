/* The command for someone who begins: every environment by its name, keys that are its own, runs of policies. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>

#include "command.h"
#include "envs/env.h"

TestSuite(cli_users, .init = make_folder, .fini = drop_folder, .timeout = 240);

#define SMALL                                                                                             \
  "--quiet --log none --set outer.steps=2 --set outer.tasks=2 --set outer.epochs=1 --set outer.warmup=0 " \
  "--set validation.tasks=2 --set validation.every=2 --set loss.hidden=[4] --set policy.hidden=[4] "
#define LEARNER "--quiet --log none --set learner.updates=1 --set learner.envs=2 --set learner.steps=16 "

static void expect_none(const char *arguments, const char *text) {
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  cr_expect_null(strstr(output, text), "ml3 %s: '%s' is in the answer", arguments, text);
}

/* ---- environments ------------------------------------------------------------------------------------------------- */

/* Tasks as data differ by their files alone: one without a goal, one that hides it, one that has it. */
static bool is_one_of_many(const ml3_env_spec *spec) {
  static const char *const kept[] = {"hopper", "pointmass_hidden", "reacher"};
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    if (strcmp(spec->name, kept[i]) == 0) return false;
  return spec->term_count > 0;
}

Test(cli_users, every_environment_is_trained_by_its_name) {
  for (int i = 0; i < ml3_env_count(); i++) {
    if (is_one_of_many(ml3_env_at(i))) continue;
    const char *name = ml3_env_at(i)->name;
    const bool expert =
        strcmp(name, "walker_goal") == 0 || strcmp(name, "reacher") == 0 || strcmp(name, "reacher_goal") == 0;
    char arguments[1024], file[128];
    snprintf(arguments, sizeof arguments, "train %s -o %s " SMALL "%s", name, name,
             expert ? "--set horizon=10 --set extra.expert_updates=1 --set learner.steps=16" /* it learns first */
             : ml3_env_at(i)->term_count ? "--set horizon=10"
                                         : "");
    cr_expect_eq(ml3(arguments), 0, "ml3 %s: %s", arguments, output);
    snprintf(file, sizeof file, "%s/loss.safetensors", name);
    cr_expect(exists(file), "%s is missing", file);
    snprintf(arguments, sizeof arguments, "adapt %s -n 1 --quiet", name);
    cr_expect_eq(ml3(arguments), 0, "ml3 %s: %s", arguments, output);
  }
}

Test(cli_users, a_policy_learns_by_itself_in_every_environment) {
  for (int i = 0; i < ml3_env_count(); i++) {
    const char *name = ml3_env_at(i)->name, *method = i % 2 ? "reinforce" : "ppo";
    char arguments[1024], file[128];
    snprintf(arguments, sizeof arguments, "train %s -o %s --set method=%s --set horizon=10 " LEARNER "%s", name, name,
             method, i % 2 ? "" : "--set learner.minibatches=2");
    cr_expect_eq(ml3(arguments), 0, "ml3 %s: %s", arguments, output);
    snprintf(file, sizeof file, "%s/policy.safetensors", name);
    cr_expect(exists(file), "%s is missing", file);
  }
}

/* A preset for a model and linear policies has the name of the environment. */
Test(cli_users, a_policy_by_itself_has_settings_of_its_own_whatever_preset_has_that_name) {
  expect("config mountain_car_continuous", 0, "horizon: 200");
  static const char *const methods[] = {"ppo", "reinforce", "random"};
  for (int i = 0; i < 3; i++) {
    char arguments[128];
    snprintf(arguments, sizeof arguments, "config mountain_car_continuous --set method=%s", methods[i]);
    expect(arguments, 0, "horizon: 0");
    cr_expect(
        strstr(output, "problem: \"model_free\"") && strstr(output, "obs_scale: []") && strstr(output, "squash: clamp"),
        "%s", output);
  }
  expect("config mountain_car --set method=ppo", 0, "hidden: [64, 64]");
  expect("config pendulum_swing_up --set method=ppo", 0, "normalize_reward: true");
  expect("config mountain_car_continuous --set method=maml", 0, "obs_scale: [0.1, 40]");
  expect("config pendulum_swing_up --set problem=model_free", 0, "kind: gaussian");
  expect("config cart_pole --set method=ppo", 0, "kind: categorical"); /* its actions are discrete */
  expect("config acrobot --set method=maml", 0, "kind: categorical");
  expect("config pendulum_swing_up", 0, "obs_scale: [1, 0.5]"); /* its preset's */
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

Test(cli_users, a_configuration_shows_the_keys_in_force_alone) {
  expect_none("config pendulum_swing_up", "goal: [");
  expect_none("config pendulum_swing_up", "0.947");
  expect_none("config pendulum_swing_up", "sine:");
  expect_none("config reacher_model_free", "sine:");
  expect_none("config reacher_model_free", "from_step");
  expect_none("config reacher", "table:");
  expect_none("config sine", "policy:");
  expect_none("config sine", "environment");
  expect_none("config digits_maml", "activation: elu");
  expect_none("config pendulum_swing_up --set method=ppo", "inner:");
  expect_none("config pointmass_model_based", "\n  transitions:");
  expect("config pointmass_ensemble", 0, "\n  transitions:");
  expect("config mountain_car", 0, "goal: [-0.947, -0.0055]");
}

Test(cli_users, a_key_of_another_problem_is_told_with_whose_it_is) {
  expect("config reacher_model_free --set sine.grid=false", 2,
         "sine.grid is a key of problem 'sine', and the problem is 'model_free'");
  expect("config sine --set outer.clip=0.1", 2, "did you mean 'outer.clip_norm'?");
  expect("config pointmass_model_free --set cost.kind=final", 2, "a key of problem 'model_based'");
  expect("config pendulum_swing_up --set classes.ways=2", 2, "a key of problem 'digits' or 'idx'");
  expect("config pendulum_swing_up --set sine.gird=1", 2,
         "did you mean 'sine.grid'? But sine.grid is a key of problem 'sine'");
  write_file("a.yaml", "problem: sine\nrollout: {starts: 2}\nouter: {steps: 1}\n"); /* short, were it taken */
  expect("train a.yaml -o new", 2,
         "a.yaml:2: rollout.starts is a key of problem 'model_based', and the problem is 'sine'");
  expect("train sine -o new --set method=ppo", 2, "problem 'sine' has none");
  write_file("b.yaml", "method: ppo\nproblem: digits\n");
  expect("train b.yaml -o new", 2, "problem 'digits' has none");
  cr_expect(!exists("new"));
}

Test(cli_users, a_key_of_another_method_is_an_error_that_says_whose_it_is) {
  expect("config pendulum_swing_up --set method=ppo --set inner.rate=1", 2,
         "inner.rate is a key of method 'learned_loss', 'maml', 'fomaml' or 'meta_sgd', and the method is 'ppo'");
  expect("config pendulum --set method=ppo --set learner.tau=0.01", 2,
         "learner.tau is a key of method 'sac', and the method is 'ppo'");
  expect("config pendulum --set learner.tau=0.01 --set method=sac", 0, "tau: 0.01  # [--set]");
  expect("config sine --set method=maml --set loss.hidden=[3]", 2, "did you mean 'model.hidden'?");
  cr_assert_eq(shell("printf 'problem: sine\\nmethod: maml\\nloss:\\n  hidden: [3]\\n' > m.yaml"), 0);
  expect("config m.yaml", 2, "m.yaml:4: loss.hidden is a key of method 'learned_loss', and the method is 'maml'");
  expect("config sine > whole.yaml && sed -i 's/^method: .*/method: maml/' whole.yaml", 0,
         ""); /* as runs of older versions */
  expect("config whole.yaml", 0, "method: maml");
}

Test(cli_users, a_comparison_takes_keys_of_the_learners_that_it_compares) {
#define RANDOM "compare cart_pole --methods random --set test.tasks=1 -o r --force "
  expect(RANDOM "--set learner.tau=0.02", 0, "random actions");
  expect(RANDOM "--set learner.tau=-2", 2, "learner.tau is '-2'; expected a number from 0 to 1");
  expect(RANDOM "--set learner.tua=1", 2, "unknown key 'learner.tua'");
}

Test(cli_users, a_setting_that_another_one_takes_its_effect_is_said_to_have_none) {
  expect("config mountain_car --set extra.points=3", 2, "a key of problem 'sine', 'digits', 'idx' or 'table'");
  expect("config mountain_car --set extra.kind=none --set extra.goal=[1,2]", 0,
         "--set has no effect on extra.goal, which needs extra.kind=exploration_goal");
  expect_none("config mountain_car --set extra.kind=none", "no effect");
  expect_none("config mountain_car --quiet --set extra.kind=none --set extra.goal=[1,2]", "no effect");
#define COMPARE \
  "compare zoo:mountain_car --methods untrained --set test.tasks=1 --set cost.kind=final --set cost.from_step=3 -o c "
  expect(COMPARE, 0, "--set has no effect on cost.from_step, which needs cost.kind=trajectory|reach");
  expect_none(COMPARE "--force --quiet", "no effect");
}

Test(cli_users, settings_mean_the_same_in_any_order) {
  expect("config reacher --set policy.hidden=[4] --set method=ppo > one.yaml", 0, "");
  expect("config reacher --set method=ppo --set policy.hidden=[4] > two.yaml", 0, "");
  cr_expect_eq(shell("cmp one.yaml two.yaml && grep -q 'hidden: .4.' one.yaml"), 0);
  expect("config --set sine.grid=false --set problem=sine > one.yaml", 0, "");
  expect("config --set problem=sine --set sine.grid=false > two.yaml", 0, "");
  cr_expect_eq(shell("cmp one.yaml two.yaml && grep -q 'grid: false' one.yaml"), 0);
  /* what a preset says of the policy gives way to a method by which it learns by itself, what is set does not */
  expect("config pointmass_model_based --set method=ppo", 0, "hidden: [64, 64]");
  expect("config pointmass_model_based --set policy.hidden=[8] --set method=ppo", 0, "hidden: [8]");
}

/* As versions wrote it that gave every run the keys of all problems. */
Test(cli_users, a_configuration_of_every_key_is_read_as_it_was) {
  expect("config " ML3_TEST_DATA "/data/config_of_every_key.yaml > old.yaml", 0, "");
  expect("config reacher_model_free > new.yaml", 0, "");
  cr_expect_eq(shell("sed -i 's/  #.*//' old.yaml new.yaml && cmp old.yaml new.yaml"), 0);
  cr_assert_eq(shell("sed '/obs_scale/d; s/reacher_joints/mountain_car/; s/model_free/model_based/; /^  "
                     "*relative/d' " ML3_TEST_DATA "/data/config_of_every_key.yaml > car.yaml"),
               0);
  expect("config car.yaml", 0, "obs_scale: []"); /* what a run's file lacks is not the environment's */
}

/* A key that is gone may stand in a run's file with the value at which it did nothing; another value says so. */
Test(cli_users, a_key_that_is_gone_is_read_where_it_did_nothing) {
  cr_assert_eq(shell("sed 's/guided: 0/guided: 2/' " ML3_TEST_DATA "/data/config_of_every_key.yaml > guided.yaml"), 0);
  expect("config guided.yaml", 2, "guided.yaml:74: the key 'extra.guided' is gone; leave it out");
  expect("config reacher_model_free --set extra.guided=0", 2, "the key 'extra.guided' is gone; leave it out");
}

/* ---- runs of policies ------------------------------------------------------------------------------------------------ */

static void make_policies(void) {
  cr_assert_eq(ml3("train pointmass -o runs/ppo --set method=ppo --set policy.hidden=[4] --set learner.updates=3 "
                   "--quiet --log none "
                   "--set learner.envs=2 --set learner.steps=50 --set learner.minibatches=2"),
               0, "%s", output);
  cr_assert_eq(ml3("train pointmass -o runs/reinforce --set method=reinforce --set policy.hidden=[4] --set "
                   "learner.updates=3 --quiet "
                   "--log none --set learner.envs=2 --set learner.steps=50"),
               0, "%s", output);
}

Test(cli_users, policies_are_listed_plotted_and_reported) {
  make_policies();
  expect("list runs", 0, "runs/ppo        pointmass        PPO     0        3");
  cr_expect(strstr(output, "REINFORCE") && strstr(output, "return") && strstr(output, "  300\n"), "%s", output);
  cr_expect_eq(
      shell("r=$(printf %.4g $(sed -n 's/.*\"return\": \\(.*\\),/\\1/p' runs/ppo/summary.json)) && " ML3_COMMAND
            " list runs | grep -q \"runs/ppo .* $r  *300$\""),
      0, "its return is not listed");
  expect("plot runs", 0, "charts/episodic_return");
  cr_expect_not_null(strstr(output, "environment steps"), "%s", output);
  cr_assert_eq(ml3("train mountain_car -o runs/loss " TINY "--set outer.steps=5"), 0, "%s", output);
  expect("plot runs", 0, "validation/task_loss");
  expect("plot runs -m validation/success", 2, "runs/ppo: no metric 'validation/success'");
  expect("plot runs -o all.svg", 0, "all.svg");
  cr_expect_eq(
      shell("grep -q 'charts/success' all.svg && grep -q 'environment steps' all.svg && grep -q 'outer steps' all.svg"),
      0);
  cr_assert_eq(ml3("record runs/ppo --quiet --width 64 --height 48 --fps 2"), 0, "%s", output);
  expect("report runs/ppo", 0, "runs/ppo/report.html");
  cr_expect_eq(
      shell("grep -q '<h2>Training</h2>' runs/ppo/report.html && grep -q '<td>PPO</td>' runs/ppo/report.html && "
            "grep -q 'data:video/mp4' runs/ppo/report.html && grep -q 'on 100 episodes' runs/ppo/report.html && "
            "grep -q 'data:image/svg+xml' runs/ppo/report.html && grep -q 'method: ppo' runs/ppo/report.html"),
      0);
}

Test(cli_users, what_needs_a_learned_loss_says_what_a_policy_is_for) {
  make_policies();
  static const char *const verbs[] = {"adapt", "compare", "inspect"};
  for (int i = 0; i < 3; i++) {
    char arguments[64];
    snprintf(arguments, sizeof arguments, "%s runs/ppo --quiet", verbs[i]);
    expect(arguments, 2,
           "'runs/ppo' has trained a policy by itself (PPO) and has no learned loss; `ml3 view runs/ppo`");
  }
  expect("record runs/reinforce --quiet --width 64 --height 48 --task 3 -o frame.png", 0, "4 rollouts");
}
