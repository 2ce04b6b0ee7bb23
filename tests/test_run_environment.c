/* A run keeps the environment that it was learned in: its copy is whole, is used from anywhere whatever became of the user's
   files, and what has changed is told. The model is tests/data/arm: an include in an include, a mesh in a meshdir. */
#define _GNU_SOURCE /* mkdtemp and the like */
#include "command.h"

TestSuite(run_environment, .init = make_folder, .fini = drop_folder, .timeout = 300);

#define MODEL_FREE                                                                                            \
  "-q --log none --set problem=model_free --set loss.hidden=[4] --set policy.hidden=[4] --set outer.tasks=2 " \
  "--set validation.tasks=2 --set validation.every=2 --set validation.steps=0 --set inner.steps=1 --set "     \
  "rollout.episodes=2 --set "                                                                                 \
  "outer.schedule=constant "
#define POLICY                                                                                                      \
  "-q --log none --set method=reinforce --set policy.hidden=[4] --set learner.envs=2 --set learner.steps=20 --set " \
  "learner.updates=1 "
#define CHANGED "has changed since"
#define GONE    "is gone since"

static void copy_model(void) {
  cr_assert_eq(shell("cp -r " ML3_TEST_DATA "/data/arm models && chmod -R u+w models && mkdir elsewhere"), 0);
}

/* The user goes on working on the task: another reward. */
static void change_reward(void) {
  cr_assert_eq(shell("sed -i 's/distance: -1/distance: -100/' models/arm.yaml"), 0);
}

/* What `ml3 adapt` prints of its task loss before any update, run in a sub-folder. */
static double task_loss(const char *from, const char *run) {
  char line[256];
  snprintf(line, sizeof line, "cd %s && " ML3_COMMAND " adapt %s -q -n 0 >out 2>said", from, run);
  cr_assert_eq(shell(line), 0, "%s", line);
  snprintf(line, sizeof line, "%s/%s/out", folder, from);
  FILE *in = fopen(line, "r");
  double loss = 0;
  char skipped[256];
  cr_assert(in && fgets(skipped, sizeof skipped, in) && fscanf(in, "0 %lf", &loss) == 1);
  fclose(in);
  return loss;
}

Test(run_environment, a_run_keeps_every_file_of_its_model_as_it_was) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_expect_eq(shell("cp -r run/environment kept && rm kept/manifest.json && diff -r models kept"), 0);
  cr_expect_eq(shell("python3 -c 'import json, os\n"
                     "m = json.load(open(\"run/environment/manifest.json\"))\n"
                     "assert m[\"environment\"] == \"models/arm.xml\", m\n"
                     "assert [f[\"file\"] for f in m[\"files\"]][:2] == [\"arm.xml\", \"arm.yaml\"], m\n"
                     "for f in m[\"files\"]:\n"
                     "  assert f[\"original\"] == os.path.realpath(\"models/\" + f[\"file\"]), f\n"
                     "  assert f[\"bytes\"] == os.path.getsize(\"models/\" + f[\"file\"]), f\n"
                     "'"),
               0);
  cr_assert_eq(ml3("train reacher -o other -q --log none --set method=random --set learner.updates=1"), 0, "%s",
               output);
  cr_expect(!exists("other/environment"), "an environment of ml3's own needs no copy");
}

Test(run_environment, another_working_folder_or_place_of_the_run_makes_no_difference) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  const double before = task_loss(".", "run");
  cr_expect_eq(task_loss("elsewhere", "../run"), before);
  cr_expect_eq(shell("! grep ml3: elsewhere/said"), 0, "nothing has changed, and that needs no word");
  cr_expect_eq(shell("mv run elsewhere/moved"), 0);
  cr_expect_eq(task_loss("elsewhere", "moved"), before);
}

Test(run_environment, a_changed_original_is_told_and_the_copy_used) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  const double before = task_loss(".", "run");
  change_reward();
  cr_expect_eq(task_loss("elsewhere", "../run"), before);
  cr_expect_eq(shell("[ $(wc -l <elsewhere/said) = 1 ] && grep -q 'models/arm.yaml. " CHANGED "' elsewhere/said"), 0);
  cr_expect_eq(
      shell("cp " ML3_TEST_DATA "/data/arm/arm.yaml models && echo '# a line more' >>models/assets/sub/tetra.obj"), 0);
  cr_expect_eq(task_loss(".", "run"), before);
  cr_expect_eq(shell("grep -q 'tetra.obj. " CHANGED "' said"), 0, "a mesh counts, too");
  cr_expect_eq(shell("cp -r run/environment kept && mv models gone"), 0);
  cr_expect_eq(task_loss(".", "run"), before);
  cr_expect_eq(shell("[ $(wc -l <said) = 1 ] && grep -q 'models/arm.xml. .* " GONE "' said"), 0);
  cr_expect_eq(ml3("compare run -q --methods random --set test.tasks=2"), 0, "%s", output);
  cr_expect_eq(ml3("inspect run -q --points 5"), 0, "%s", output);
  cr_expect_eq(ml3("record run -q --width 64 --height 48 --set test.steps=[1] -o run.png"), 0, "%s", output);
  cr_expect_eq(ml3("report run -q --no-video"), 0, "%s", output);
}

Test(run_environment, a_run_resumed_after_a_change_has_the_bits_of_one_that_was_not_stopped) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o whole " MODEL_FREE "--set outer.steps=4"), 0, "%s", output);
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=2"), 0, "%s", output);
  change_reward();
  cr_assert_eq(ml3("train --resume run -q --set outer.steps=4"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "models/arm.yaml' " CHANGED), "%s", output);
  cr_expect_eq(
      shell("for f in checkpoint loss.safetensors metrics.csv config.yaml; do cmp whole/$f run/$f || exit 1; done"), 0);
  expect("train --resume run -q --set outer.steps=5 --set environment=reacher", 2,
         "'run' learns in 'models/arm.xml' and keeps to it");
  cr_expect_eq(shell("cd elsewhere && " ML3_COMMAND " train ../whole/config.yaml -o again -q --log none 2>/dev/null && "
                     "cmp again/checkpoint ../whole/checkpoint"),
               0, "a run's config.yaml makes the same run again");
}

Test(run_environment, policies_act_in_what_they_were_learned_in) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o run " POLICY), 0, "%s", output);
  cr_assert_eq(ml3("collect models/arm.xml -p run/policy.safetensors -n 1 -q -o before"), 0, "%s", output);
  cr_expect_null(strstr(output, CHANGED), "%s", output);
  cr_expect_not_null(strstr(output, "return -20 "), "%s", output);
  change_reward();
  expect("collect run -p run/policy.safetensors -n 1 -q -o own", 0, "return -20 ");
  cr_expect_not_null(strstr(output, CHANGED), "%s", output);
  expect("collect models/arm.xml -p run/policy.safetensors -n 1 -q -o changed", 0,
         "name the run in place of the model");
  cr_expect_not_null(strstr(output, "return -2000 "), "%s", output);
  expect("record run -q --width 64 --height 48 -o run.png", 0, CHANGED);
  expect("train --resume run -q --set learner.updates=2", 0, "return -20.00");
}

Test(run_environment, seeds_and_sweeps_keep_one_for_all) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o seeds --seeds 1 " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_assert_eq(ml3("train models/arm.xml -o sweep --sweep inner.rate=0.1 " MODEL_FREE "--set outer.steps=1"), 0, "%s",
               output);
  change_reward();
  cr_expect_eq(shell("cd elsewhere && " ML3_COMMAND
                     " train --resume ../seeds --seeds 2 -q >/dev/null 2>said && grep -q '" CHANGED "' said"),
               0);
  cr_expect_eq(
      shell("for k in seeds seeds/seed-0 seeds/seed-1 sweep sweep/inner.rate=0.1 sweep/inner.rate=0.1/seed-0; do "
            "cmp $k/environment/arm.yaml " ML3_TEST_DATA "/data/arm/arm.yaml || exit 1; "
            "cmp $k/environment/manifest.json seeds/environment/manifest.json || exit 1; done"),
      0, "each has the files, and says where they came from at first");
}

Test(run_environment, absolute_paths_in_a_model_become_relative_in_the_copy) {
  copy_model();
  cr_assert_eq(shell("mv models/assets meshes && sed -i \"s|meshdir=\\\"assets\\\"|meshdir='$PWD/meshes'|\" "
                     "models/arm.xml && sed -i "
                     "\"s|sub/tetra.obj|$PWD/meshes/sub/tetra.obj|\" models/parts/world.xml"),
               0);
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_expect_eq(shell("! grep -r \"$PWD\" run/environment/models run/environment/meshes"), 0);
  cr_assert_eq(shell("mv models m && mv meshes n"), 0);
  cr_expect_eq(task_loss(".", "run"), task_loss("elsewhere", "../run"));
}

Test(run_environment, a_damaged_copy_is_refused) {
  copy_model();
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_assert_eq(
      shell(
          "cp -r run damaged && cp -r run lacking && cp -r run empty && echo >>damaged/environment/parts/world.xml && "
          "rm lacking/environment/assets/sub/tetra.obj && echo nonsense >empty/environment/manifest.json"),
      0);
  expect("adapt damaged -q", 1, "'damaged/environment/parts/world.xml' was changed");
  expect("train --resume lacking -q --set outer.steps=2", 1, "'lacking/environment/assets/sub/tetra.obj' is missing");
  expect("adapt empty -q", 1, "'empty/environment/manifest.json' is damaged");
  cr_assert_eq(shell("sed -i 's|\"parts/world.xml\"|\"../../models/arm.xml\"|' empty/environment/manifest.json; "
                     "sed 's|\"parts/world.xml\"|\"../../models/arm.xml\"|' run/environment/manifest.json "
                     ">empty/environment/manifest.json"),
               0);
  expect("adapt empty -q", 1, "is damaged");
}

Test(run_environment, what_is_in_the_way_of_a_copy_stays_and_nothing_is_half_written) {
  copy_model();
  cr_assert_eq(shell("mkdir -p mine/environment && echo hello >mine/environment/notes"), 0);
  expect("train models/arm.xml -o mine --force " MODEL_FREE "--set outer.steps=1", 2, "holds something else");
  cr_expect_eq(shell("[ \"$(ls -A mine)\" = environment ] && [ \"$(cat mine/environment/notes)\" = hello ]"), 0);
  cr_assert_eq(ml3("train models/arm.xml -o run " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_expect_eq(shell("find run -type f | sort | xargs sha256sum >sums"), 0);
  expect("train run/environment/arm.xml -o run --force " MODEL_FREE "--set outer.steps=1", 2, "itself is in it");
  cr_expect_eq(shell("find run -type f | sort | xargs sha256sum | cmp - sums"), 0);
  change_reward();
  cr_assert_eq(shell("mkdir run/environment.tmp-ab3XYz && touch run/environment.tmp-ab3XYz/half"), 0);
  cr_assert_eq(ml3("train models/arm.xml -o run --force " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_expect_eq(shell("cmp run/environment/arm.yaml models/arm.yaml"), 0, "another run in the folder, another copy");
  cr_expect(!exists("run/environment.tmp-ab3XYz"), "what a killed process left goes");
  cr_assert_eq(ml3("train reacher -o run --force " MODEL_FREE "--set outer.steps=1"), 0, "%s", output);
  cr_expect(!exists("run/environment"), "the new run has no copy to keep");
}
