/* Policies and losses through the command: what a file with bad numbers, a simulation that diverges, another number of episodes
   or an older file does. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "tests/command.h"

#include <ctype.h>

TestSuite(cli_learn, .init = make_folder, .fini = drop_folder);

static const char *const model_free =
    "problem: model_free\n"
    "environment: pointmass_goal\n"
    "rollout: {episodes: 4, outer_episodes: 4, judge_episodes: 2}\n"
    "policy: {hidden: [8], normalize: true}\n"
    "loss: {hidden: [8]}\n"
    "outer: {steps: 2, tasks: 2}\n"
    "validation: {every: 2, tasks: 2}\n";

/* The line of `ml3 adapt` before any update, without blanks; "" where there is none. */
static void first_row(char *row, size_t size) {
  const char *at = strstr(output, "\n0 ");
  size_t used = 0;
  for (at = at ? at + 1 : ""; *at && *at != '\n' && used + 1 < size; at++)
    if (!isspace((unsigned char)*at)) row[used++] = *at;
  row[used] = '\0';
}

/* An update's number of episodes does not change what initial policies see: their scaling is in the file. */
Test(cli_learn, a_model_free_loss_brings_its_policies_scaling) {
  char few[128], many[128];
  write_file("mine.yaml", model_free);
  cr_assert_eq(ml3("train mine.yaml -o run --quiet"), 0, "%s", output);
  cr_assert_eq(ml3("adapt run --updates 1 --output a.safetensors"), 0, "%s", output);
  first_row(few, sizeof few);
  cr_assert_eq(ml3("adapt run --updates 1 --output b.safetensors --set rollout.episodes=9"), 0, "%s", output);
  first_row(many, sizeof many);
  cr_expect(*few && strcmp(few, many) == 0, "'%s' and '%s'", few, many);
  cr_expect_null(strstr(output, "measured anew"), "%s", output);
}

/* Without its scaling, as files of earlier versions are. */
Test(cli_learn, tells_that_a_loss_of_before_has_no_scaling) {
  write_file("mine.yaml", model_free);
  cr_assert_eq(ml3("train mine.yaml -o run --quiet --set policy.normalize=false"), 0, "%s", output);
  cr_assert_eq(ml3("adapt run --updates 1 --output a.safetensors --set policy.normalize=true"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "measured anew"), "%s", output);
  cr_assert_eq(ml3("adapt run --updates 1 --output b.safetensors"), 0, "%s", output);
  cr_expect_null(strstr(output, "measured anew"), "%s", output);
}

/* The ratio of probabilities matters, and is clipped, where data serve several updates of the loss. */
Test(cli_learn, clips_the_ratio_where_data_serve_several_epochs) {
  write_file("mine.yaml", model_free);
  for (int epochs = 1; epochs <= 4; epochs += 3) {
    char line[256];
    for (int i = 0; i < 2; i++) {
      snprintf(line, sizeof line,
               "train mine.yaml -o run%d%d --quiet --set outer.rate=0.05 --set outer.epochs=%d --set outer.clip=%s",
               epochs, i, epochs, i ? "0.001" : "10");
      cr_assert_eq(ml3(line), 0, "%s", output);
    }
    snprintf(line, sizeof line, "cmp -s run%d0/loss.safetensors run%d1/loss.safetensors", epochs, epochs);
    cr_expect_eq(shell(line) == 0, epochs == 1, "%d epochs", epochs);
  }
}

/* One number of a trained policy's parameters becomes NAN: the command says so, and writes nothing. */
Test(cli_learn, refuses_a_policy_whose_parameters_are_no_numbers) {
  cr_assert_eq(
      ml3("train pointmass --set method=ppo --set learner.updates=1 --set learner.envs=2 --set learner.steps=64 "
          "--set policy.hidden=[4] -o run --quiet"),
      0, "%s", output);
  cr_assert_eq(shell("python3 - <<'END'\n"
                     "import json, struct\n"
                     "raw = bytearray(open('run/policy.safetensors', 'rb').read())\n"
                     "begin = 8 + int.from_bytes(raw[:8], 'little')\n"
                     "theta = json.loads(raw[8:begin])['theta']\n"
                     "at = begin + theta['data_offsets'][0]\n"
                     "kind = {'F32': '<f', 'F64': '<d'}[theta['dtype']]\n"
                     "raw[at:at + struct.calcsize(kind)] = struct.pack(kind, float('nan'))\n"
                     "open('nan.safetensors', 'wb').write(raw)\n"
                     "END\n"),
               0);
  cr_expect_neq(ml3("collect pointmass --episodes 1 -p nan.safetensors -o data"), 0);
  cr_expect(strstr(output, "nan.safetensors") && strstr(output, "'theta'") && strstr(output, "nan"), "%s", output);
  cr_expect_not(exists("data"));
}

/* What PPO's run says of success, of passing, and of simulations that diverged. */
Test(cli_learn, tells_success_passing_and_divergence_apart) {
  cr_assert_eq(
      ml3("train pointmass --set method=ppo --set learner.updates=2 --set learner.envs=2 --set learner.steps=64 "
          "--set policy.hidden=[4] -o run --quiet"),
      0, "%s", output);
  cr_expect(strstr(output, ", success ") && strstr(output, " % at any step"), "%s", output);
  cr_expect_eq(
      shell("head -1 run/metrics.csv | grep -q 'charts/success,charts/passed,charts/distance,charts/diverged,'"), 0);
  cr_expect_eq(shell("grep -q '\"passed\": ' run/summary.json && grep -q '\"diverged_episodes\": 0,' run/summary.json"),
               0);
}

/* A run of before has no such columns: what it logged stays below its own names. */
Test(cli_learn, a_log_of_before_keeps_its_columns) {
  const char *const train =
      "train pointmass --set method=ppo --set learner.updates=%s --set learner.envs=2 --set learner.steps=64 "
      "--set policy.hidden=[4] --set checkpoint.every=1 -o run --quiet";
  char line[512];
  snprintf(line, sizeof line, train, "2");
  cr_assert_eq(ml3(line), 0, "%s", output);
  cr_assert_eq(
      shell("cut -d, -f1-5,7,9- run/metrics.csv >old.csv && cp run/metrics.csv new.csv && cp old.csv run/metrics.csv"),
      0);
  cr_assert_eq(ml3("train --resume run --quiet --set learner.updates=3"), 0, "%s", output);
  cr_expect_eq(shell("python3 - <<'END'\n"
                     "import csv\n"
                     "new, now = (list(csv.DictReader(open(f))) for f in ('new.csv', 'run/metrics.csv'))\n"
                     "assert len(now) == 3 and len(new) == 2, (len(now), len(new))\n"
                     "gone = ('charts/passed', 'charts/diverged')\n"
                     "for a, b in zip(new, now):\n"
                     "    assert None not in b\n"
                     "    assert all(b[k] == ('' if k in gone else a[k]) for k in a), (a, b)\n"
                     "assert now[2]['charts/diverged'] == '0'\n"
                     "END\n"),
               0);
}

/* Learned in one environment, it adapts policies of other sizes in others, with their own presets' settings. */
Test(cli_learn, a_loss_without_dimensions_fits_other_environments) {
  static const char *const others[] = {"reacher", "half_cheetah_vel", "pointmass_goal", "walker_goal"};
  cr_assert_eq(ml3("train hidden_goal -o any --quiet --log none --set outer.steps=2 --set outer.tasks=2 --set outer.warmup=0 "
                   "--set validation.tasks=2 --set validation.every=2 --set validation.steps=2"),
               0, "%s", output);
  for (int i = 0; i < 4; i++) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "adapt %s --loss any --updates 1 --output %s.safetensors --set rollout.judge_episodes=1",
             others[i], others[i]);
    cr_expect_eq(ml3(arguments), 0, "%s: %s", others[i], output);
  }
  cr_expect_neq(ml3("adapt any --loss zoo:walker_goal --updates 1"), 0); /* and one that sees states does not */
  cr_expect_not_null(strstr(output, "features"), "%s", output);
}
