/* The command as a user types it: what goes wrong is told in a sentence, with the right exit code, and leaves nothing. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>

#include "command.h"

TestSuite(cli, .init = make_folder, .fini = drop_folder, .timeout = 120);

Test(cli, mistakes_are_told_in_sentences) {
  expect("", 2, "usage: ml3 VERB");
  expect("tarin", 2, "did you mean 'train'?");
  expect("train mountian_car", 2, "did you mean 'mountain_car'?");
  expect("train --set problem=model_baesd", 2, "did you mean 'model_based'?");
  expect("train --set inner.rat=1", 2, "did you mean 'inner.rate'?");
  expect("train --set inner.rate=fast", 2, "inner.rate is 'fast'; expected a number");
  expect("train --set outer.steps=2.5", 2, "expected a whole number");
  expect("train --set outer.tasks=0", 2, "outer.tasks is '0'; expected a whole number from 1");
  expect("train --set horizon=-3", 2, "horizon is '-3'");
  expect("train --set policy.bias=maybe", 2, "expected true or false");
  expect("train --set loss.activation=gelu", 2, "expected one of identity|tanh");
  expect("train --set inner.rate", 2, "expected key=value");
  expect("train --set loss.inputs=[position,speed]", 2, "there is no feature 'speed'; problem 'mountain_car' has: position, velocity");
  expect("train --set method=maml --set inner.lifetime=3", 2, "inner.lifetime is 3, but the start is learned");
  expect("train --set inner.weights=list", 2, "the list of weights has 0 entries for 5 inner steps");
  expect("train --bogus", 2, "--bogus: unknown option");
  expect("train walker_goal --set problem=model_based", 1, "no differentiable model");
  expect("train missing.yaml", 1, "cannot read 'missing.yaml'");
  expect("train --resume nothing", 1, "not a run folder");
  expect("adapt", 2, "which run?");
  expect("adapt nothing", 1, "not a run folder");
  expect("plan nothing", 2, "unknown environment 'nothing'");
  expect("plan mountain_car --cost beauty", 2, "expected auto, goal or reward");
  expect("plan mountain_car --weights 1", 2, "expected 2 numbers");
  expect("plan reacher --cost goal", 2, "use --cost reward");
  expect("compare mountain_car --with runs/a", 2, "'mountain_car' is an environment");
  expect("compare zoo:nothing", 2, "the zoo has no loss 'nothing'");
  expect("compare nothing", 2, "unknown environment 'nothing'");
  expect("compare nothing/here", 1, "not a run folder");
  expect("compare mountain_car -m ilqrr", 2, "did you mean 'ilqr'?");
  expect("compare mountain_car -m learned_loss", 2, "needs a run");
  expect("compare mountain_car --error mass=2", 2, "expected parameter=share");
  expect("compare mountain_car --error colour=0.1 --quiet", 2, "no parameter 'colour'");
  expect("view nothing", 2, "unknown environment 'nothing'");
  expect("record nothing/here", 1, "not a run folder");
  expect("bench --problem x", 2, "mountain_car, reacher and sine can be timed");
  cr_expect(!exists("runs"), "a mistake left a run folder");
}

Test(cli, presets_are_listed_with_the_first_sentence_of_their_comment) {
  cr_assert_eq(ml3("list presets"), 0);
  cr_expect_not_null(strstr(output, "pairs of 0 to 5, meta-test on pairs of 6 to 9.\n"), "%s", output);
  cr_expect_not_null(strstr(output, "every 50 outer steps those of the current policies.\n"), "a sentence of two lines");
}

Test(cli, trains_adapts_and_compares) {
  cr_assert_eq(ml3("train mountain_car -o run " TINY "--set outer.steps=10 --set test.tasks=3"), 0, "%s", output);
  static const char *const files[] = {"config.yaml", "metrics.csv", "checkpoint", "loss.safetensors", "summary.json"};
  for (int i = 0; i < 5; i++) {
    char path[64];
    snprintf(path, sizeof path, "run/%s", files[i]);
    cr_expect(exists(path), "%s is missing", path);
  }
  cr_expect_eq(ml3("adapt run -n 2"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "learned loss: its value before the update"), "%s", output);
  cr_expect(exists("run/policy.safetensors"));
  cr_expect_eq(ml3("compare run --quiet"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "learned loss, 5 updates"), "%s", output);
  cr_expect_not_null(strstr(output, "iLQR"), "%s", output);
  cr_expect_not_null(strstr(output, "environment steps  meta-training steps"), "%s", output);
  cr_expect(strstr(output, "\n\nBest by ") || strstr(output, "\n\nNo method succeeds. Best by return: "), "%s", output);
  cr_expect_eq(shell("grep -q 'Best by ' run/comparison.md"), 0, "the conclusion is not kept");
  cr_expect(exists("run/comparison.csv") && exists("run/comparison.md") && exists("run/comparison.tex"));
  cr_expect(exists("run/comparison_success.png") && exists("run/comparison_return.svg"));
  cr_assert_eq(ml3("compare mountain_car -m random,ilqr -r random --seeds 2 -o plain --quiet --set test.tasks=2"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "reference"), "%s", output);
  cr_expect(exists("plain/comparison.csv"));
  expect("train mountain_car -o run " TINY, 1, "exists already");
}

Test(cli, trains_and_adapts_every_kind_of_supervised_problem) {
  write_file("table.csv", "a,b,y\n1,2,3\n2,1,3\n3,3,6\n4,1,5\n5,9,14\n6,2,8\n7,1,8\n8,8,16\n9,5,14\n2,2,4\n4,4,8\n1,7,8\n");
  static const char *const runs[][2] = {
      {"sine", "--set model.hidden=[4] --set samples.inner=10"},
      {"shaped_sine", "--set samples.inner=10"},
      {"digits", "--set model.hidden=[4] --set samples.inner=4 --set samples.outer=4"},
      {"table", "--set model.hidden=[4] --set data=table.csv --set table.targets=[y] --set samples.inner=1 --set samples.outer=1"}};
  for (int i = 0; i < 4; i++) {
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "train %s -o %s " TINY "--set outer.steps=3 %s", runs[i][0],
             runs[i][0], runs[i][1]);
    cr_assert_eq(ml3(arguments), 0, "%s: %s", arguments, output);
    snprintf(arguments, sizeof arguments, "adapt %s -n 2", runs[i][0]);
    cr_expect_eq(ml3(arguments), 0, "%s", output);
    char file[64];
    snprintf(file, sizeof file, "%s/model.safetensors", runs[i][0]);
    cr_expect(exists(file));
    snprintf(arguments, sizeof arguments, "compare %s --quiet --set test.tasks=3 --set test.steps=[1,2]", runs[i][0]);
    cr_expect_eq(ml3(arguments), 0, "%s", output);
    cr_expect_not_null(strstr(output, "best step size, 2 updates"), "%s", output);
    snprintf(file, sizeof file, "%s/comparison_tasks.csv", runs[i][0]);
    cr_expect(exists(file));
    snprintf(arguments, sizeof arguments, "view %s", runs[i][0]);
    expect(arguments, 2, "has no rollouts to look at");
  }
  write_file("own.yaml", "outer: {steps: 4}\ndata: table.csv\ntable: {targets: [y], inputs: [b]}\nproblem: table\n");
  cr_assert_eq(ml3("config own.yaml"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "inputs: [\"b\"]"), "%s", output);
  cr_expect_not_null(strstr(output, "steps: [1, 5, 20]"), "the kind's own defaults are missing: %s", output);
  cr_expect_not_null(strstr(output, "steps: 4  #"), "the file's own key is lost: %s", output);
}

Test(cli, compares_a_learned_loss_with_maml_on_digits) {
#define DIGITS "train digits " TINY_START "--set samples.inner=4 --set samples.outer=4 --set outer.steps=3 --set model.hidden=[4] "
  cr_assert_eq(ml3(DIGITS "-o loss --set loss.hidden=[8]"), 0, "%s", output);
  cr_assert_eq(ml3(DIGITS "-o maml --set method=maml"), 0, "%s", output);
  cr_expect_eq(ml3("compare loss --with maml --quiet --set test.tasks=3 --set test.steps=[1,2]"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "MAML, 2 updates"), "%s", output);
  cr_expect_not_null(strstr(output, "cross-entropy, best step size, 1 update "), "%s", output);
}

Test(cli, an_inner_loop_that_diverges_is_told) {
  expect("train sine -o run --quiet --set inner.rate=1e6 --set inner.steps=20 --set inner.learn_rate=none --set outer.steps=5 "
         "--set loss.base=loss",
         1, "not finite at inner step");
}

Test(cli, what_is_not_finite_is_treated_as_configured_and_counted) {
  const char *const diverging = "train sine --quiet --force --set inner.rate=1e6 --set inner.steps=20 --set inner.learn_rate=none "
                                "--set outer.steps=5 --set loss.base=loss -o run --set numerics=";
  char line[512];
  snprintf(line, sizeof line, "%sstop", diverging);
  expect(line, 1, "outer step 0, task 0: problem 'sine': ");
  expect(line, 1, "is not finite at inner step");
  snprintf(line, sizeof line, "%sgive_up", diverging);
  expect(line, 2, "expected one of skip|stop|reduce");
  expect("train shaped_sine " TINY "--set outer.steps=5 -o good", 0, "");
  cr_expect_eq(shell("grep -q '\"skipped_tasks\": 0' good/summary.json && head -1 good/metrics.csv | grep -q charts/reduced_tasks"), 0);
}

Test(cli, mistakes_in_data_are_told_and_leave_nothing) {
  write_file("ragged.csv", "a,b,y\n1,2,3\n2,1\n");
  write_file("nan.csv", "a,b,y\n1,2,3\n2,nan,3\n");
  write_file("empty.csv", "");
  write_file("bad.idx", "this is not IDX");
#define TABLE "train table -o run --quiet --set table.targets=[y] --set data="
  expect(TABLE "ragged.csv", 1, "ragged.csv:3: 2 cells; the first line names 3 columns");
  expect(TABLE "nan.csv", 1, "nan.csv:3: column 'b' is 'nan'; expected a finite number");
  expect(TABLE "empty.csv", 1, "'empty.csv' is empty");
  expect(TABLE "nowhere.csv", 1, "cannot read 'nowhere.csv'");
  expect("train table -o run", 2, "needs the key data");
  expect("train table -o run --set data=nan.csv", 2, "needs the key table.targets");
  expect("train table -o run --set data=nan.csv --set table.targets=[z]", 2, "has no column 'z'");
  expect("train idx -o run", 2, "needs the keys idx.images and idx.labels");
  expect("train idx -o run --set idx.images=bad.idx --set idx.labels=bad.idx", 1, "'bad.idx' is not an IDX file of images");
  expect("train digits -o run --set classes.test=[3,12]", 2, "there is no class 12; the data has 0 to 9");
  expect("train digits -o run --set samples.inner=4000", 2, "fewer samples.inner");
  expect("train sine -o run --set sine.train_x=[3]", 2, "sine.train_x has 1 entries; expected [from, to]");
  expect("train sine -o run --set sine.train_x=[3,1]", 2, "expected rising numbers");
  expect("train sine -o run --set extra.kind=exploration_goal", 2, "expected one of none|demonstration|physics");
  cr_expect(!exists("run"), "a mistake left a run folder");
}

Test(cli, trains_and_compares_maml_beside_a_learned_loss) {
  cr_assert_eq(ml3("train mountain_car -o loss " TINY "--set outer.steps=4 --set loss.weighting=softmax --set test.tasks=2"), 0, "%s",
               output);
  cr_assert_eq(ml3("train mountain_car -o maml " TINY_START "--set outer.steps=4 --set method=maml --set inner.rate=1e-3"), 0, "%s", output);
  cr_assert_eq(ml3("train mountain_car -o sgd " TINY_START "--set outer.steps=4 --set method=meta_sgd --set inner.rate=1e-3"), 0, "%s",
               output);
  cr_expect_eq(ml3("compare loss --with maml --quiet"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "MAML, 5 updates"), "%s", output);
  cr_expect_eq(ml3("compare sgd --quiet"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "Meta-SGD, 5 updates"), "%s", output);
  cr_expect_eq(ml3("adapt maml -n 2"), 0, "%s", output);
}

Test(cli, inspects_what_was_learned) {
  cr_assert_eq(ml3("train mountain_car -o run " TINY "--set outer.steps=2"), 0, "%s", output);
  cr_expect_eq(ml3("inspect run --points 7"), 0, "%s", output);
  static const char *const names[] = {"line", "plane", "features"}, *const endings[] = {"csv", "png", "svg"};
  for (int i = 0; i < 9; i++) {
    char path[64];
    snprintf(path, sizeof path, "run/landscape_%s.%s", names[i / 3], endings[i % 3]);
    cr_expect(exists(path), "%s is missing", path);
  }
  cr_expect_eq(ml3("inspect run --points 7 --directions random --features velocity,force"), 0, "%s", output);
  cr_assert_eq(ml3("train shaped_sine -o scalar --quiet --set loss.hidden=[8] --set outer.tasks=2 --set validation.tasks=2 --set outer.steps=2"),
               0, "%s", output);
  cr_expect_eq(ml3("inspect scalar --points 7"), 0, "%s", output);
  cr_expect(exists("scalar/landscape_scalar.csv") && exists("scalar/landscape_line.png"));
  cr_expect_eq(ml3("inspect scalar --points 7 --set inner.lifetime=7"), 0, "%s", output); /* what an optimizee lives through */
  char command[256];
  snprintf(command, sizeof command, "grep -q 'task 0, 7 updates' %s/scalar/landscape_line.svg", folder);
  cr_expect_eq(system(command), 0, "the lifetime is not shown");
  cr_assert_eq(ml3("train mountain_car -o maml " TINY_START "--set outer.steps=2 --set method=maml --set inner.rate=1e-3"), 0, "%s", output);
  cr_expect_eq(ml3("inspect maml --points 7"), 0, "%s", output);
  expect("inspect run --features velocity", 2, "expected two of: position, velocity, force, final_distance");
  expect("inspect run --directions up", 2, "updates and random are possible");
  expect("inspect run --points 2", 2, "--points 5 to 1000");
  expect("inspect nothing", 1, "not a run folder");
}

Test(cli, several_seeds_at_once_are_each_as_if_alone) {
  cr_assert_eq(ml3("train mountain_car -o all --seeds 3 " TINY "--set outer.steps=10 --set seed=4"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "3 of 3 seeds"), "%s", output);
  cr_expect_not_null(strstr(output, "95 %, low"), "%s", output);
  cr_assert_eq(ml3("train mountain_car -o alone " TINY "--set outer.steps=10 --set seed=5"), 0, "%s", output);
  char command[512];
  snprintf(command, sizeof command,
           "cd %s && for f in checkpoint loss.safetensors config.yaml metrics.csv; do cmp alone/$f all/seed-5/$f || exit 1; "
           "done; for r in alone all/seed-5; do grep -v seconds $r/summary.json >$r.json; done; cmp alone.json all/seed-5.json && [ -s all/seeds.csv ] && [ -s all/seeds.md ] && [ ! -e all/seed-4.log ]",
           folder);
  cr_expect_eq(system(command), 0, "the files differ, or some are missing");
  cr_expect_eq(ml3("train --seeds 3 --resume all --quiet"), 0, "%s", output);
  expect("train --seeds 0x --quiet", 2, "expected a number");
  expect("train --seeds -2 --quiet", 2, "--seeds is -2");
  expect("train --seeds 2 --resume alone --quiet", 1, "not a folder of seeds");
  expect("train --seeds 2 -o bad --quiet --set inner.weights=list", 2, "the list of weights");
  cr_expect(!exists("bad"), "a mistake left a folder");
}

Test(cli, trains_policies_by_themselves_and_model_free_losses) {
  cr_assert_eq(ml3("train reacher -o ppo --quiet --set method=ppo --set policy.hidden=[4] --set learner.updates=2 --set learner.envs=2 "
                   "--set learner.steps=50 --set learner.minibatches=2"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "after 2 updates, 200 environment steps"), "%s", output);
  cr_expect(exists("ppo/policy.safetensors") && exists("ppo/metrics.csv") && exists("ppo/summary.json"));
  cr_assert_eq(ml3("train model_free -o free --quiet --set environment=reacher --set loss.hidden=[4] --set policy.hidden=[4] --set outer.steps=2 "
                   "--set outer.tasks=2 --set validation.tasks=2 --set horizon=10"), 0, "%s", output);
  cr_expect_eq(ml3("adapt free -n 2"), 0, "%s", output);
  cr_assert_eq(ml3("train mountain_car -o goal --set environment=pointmass_goal --set rollout.fixed=[mass,damping] --set policy.obs_scale=[] "
                   "--set extra.kind=none --set cost.from_step=3 --set horizon=10 --set outer.steps=2 --set test.tasks=2 --set dynamics.kind=ensemble "
                   "--set dynamics.transitions=60 " TINY), 0, "%s", output);
  cr_expect_eq(ml3("adapt goal -n 2"), 0, "%s", output);
  expect("train mountain_car --set environment=pointmass_goal --set policy.obs_scale=[] --set extra.kind=none " TINY, 2, "name it in rollout.fixed");
  cr_expect_eq(ml3("record free --with ppo --quiet --width 64 --height 48 --layout tiles --set test.steps=[1] -o free.png"), 0, "%s", output);
  cr_expect_eq(ml3("record ppo --quiet --width 64 --height 48 --camera top --overlay none --fps 5 -o ppo.gif"), 0, "%s", output);
  cr_expect(exists("free.png") && exists("ppo.gif"));
  expect("train model_free --set environment=reacher --set extra.kind=physics", 2, "expected one of none|exploration_goal|energy|demonstration|advice");
}

#define SUPERVISED "--quiet --set outer.steps=2 --set outer.tasks=2 --set validation.tasks=2 --set loss.hidden=[4] --set inner.steps=2 "

Test(cli, tables_over_seeds_call_numbers_what_the_problem_calls_them) {
  cr_assert_eq(ml3("train sine -o sine --seeds 2 --set validation.steps=2 " SUPERVISED), 0, "%s", output);
  cr_expect(strstr(output, "squared error") && !strstr(output, "success"), "%s", output);
  cr_assert_eq(ml3("train digits -o digits --seeds 2 --set inner.weights=last " SUPERVISED), 0, "%s", output);
  cr_expect(strstr(output, "accuracy %") && strstr(output, "cross-entropy"), "%s", output);
  cr_assert_eq(ml3("train sine -o sweep --sweep outer.rate=1e-3,1e-2 --set validation.steps=2 " SUPERVISED), 0, "%s", output);
  cr_expect(strstr(output, "squared error") && !strstr(output, "success"), "%s", output);
}

/* What a training into that folder says, in folder/log, and ends with when it gets a signal after its first lines; `before` is
   said to the shell. */
static int train_and_signal(const char *before, const char *run, const char *steps, const char *signal) {
  char command[1024];
  snprintf(command, sizeof command,
           "cd %s && (%s %s train -o %s " TINY "--set outer.steps=%s >log 2>&1 & pid=$!; "
           "for i in $(seq 200); do [ -s %s/metrics.csv ] && break; sleep 0.05; done; kill -%s $pid; wait $pid)",
           folder, before, ML3_COMMAND, run, steps, run, signal);
  return WEXITSTATUS(system(command));
}

Test(cli, an_interrupt_stops_all_seeds_and_they_go_on) {
  char command[1024];
  snprintf(command, sizeof command,
           "cd %s && (%s train -o all --seeds 2 --quiet " TINY "--set threads=2 --set outer.steps=1000000 >log 2>&1 & pid=$!; "
           "for i in $(seq 200); do [ -s all/seed-0/metrics.csv ] && [ -s all/seed-1/metrics.csv ] && break; sleep 0.05; done; "
           "sleep 0.3; kill -INT $pid; wait $pid)",
           folder, ML3_COMMAND);
  int status = system(command);
  cr_expect_eq(WEXITSTATUS(status), 130, "exit code %d", WEXITSTATUS(status));
  cr_expect(exists("all/seed-0/checkpoint") && exists("all/seed-1/checkpoint"));
  cr_expect_eq(ml3("train --seeds 2 --resume all --quiet --set outer.steps=$(($(tail -qn1 all/seed-?/metrics.csv | cut -d, -f1 | "
                   "sort -n | tail -1) + 1))"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "2 of 2 seeds"), "%s", output);
  snprintf(command, sizeof command, "grep -q 'go on with `ml3 train --seeds 2 --resume all`' %s/log", folder);
  cr_expect_eq(system(command), 0, "the log does not say how to go on");
}

Test(cli, a_terminal_that_goes_away_leaves_a_checkpoint_unless_that_is_to_be_outlived) {
  int code = train_and_signal("", "run", "1000000", "HUP");
  cr_expect_eq(code, 130, "exit code %d", code);
  cr_expect(exists("run/checkpoint"));
  code = train_and_signal("trap '' HUP;", "other", "300", "HUP");
  cr_expect_eq(code, 0, "exit code %d", code);
}

Test(cli, stops_early_when_nothing_gets_better) {
  cr_assert_eq(ml3("train mountain_car -o run " TINY "--set outer.steps=1000 --set outer.rate=1e-30 --set validation.patience=2"), 0, "%s",
               output);
  char command[256];
  snprintf(command, sizeof command, "grep -q '\"outer_steps\": 10,' %s/run/summary.json", folder);
  cr_expect_eq(system(command), 0, "it went on");
}

Test(cli, plans_a_swing_up_and_tells_where_the_time_goes) {
  cr_assert_eq(ml3("plan pendulum_swing_up --quiet"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "success at the last step ("), "%s", output);
  cr_assert_eq(ml3("plan half_cheetah --quiet --set horizon=3"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "success n/a (the environment has no goal)"), "%s", output);
  cr_assert_eq(ml3("plan mountain_car --time 2 --json"), 0, "%s", output);
  long steps = 0, linearizations = 0;
  const char *at = strstr(output, "\"steps\": ");
  cr_assert(at && sscanf(at, "\"steps\": %ld, \"linearizations\": %ld", &steps, &linearizations) == 2, "%s", output);
  cr_assert_eq(ml3("plan mountain_car"), 0, "%s", output);
  char told[64];
  snprintf(told, sizeof told, "%ld model steps", steps + linearizations);
  cr_expect_not_null(strstr(output, told), "what is replayed is what is counted: '%s' in %s", told, output);
}

Test(cli, plans_and_logs_its_iterations) {
  cr_assert_eq(ml3("plan mountain_car --log plan.csv"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "success"), "%s", output);
  cr_assert_eq(ml3("plan mountain_car --receding --log plan.json --set threads=2"), 0, "%s", output);
  char command[256];
  snprintf(command, sizeof command, "cd %s && head -1 plan.csv | grep -q '^iteration,cost,expected_decrease,actual_decrease,reg' && "
           "python3 -c 'import json; [json.loads(l) for l in open(\"plan.json\")]'", folder);
  cr_expect_eq(system(command), 0, "the logs are not what they should be");
}

Test(cli, resuming_gives_the_same_bits_as_never_stopping) {
  cr_assert_eq(ml3("train -o whole " TINY "--set outer.steps=20 --set outer.schedule=constant"), 0, "%s", output);
  cr_assert_eq(ml3("train -o half " TINY "--set outer.steps=10 --set outer.schedule=constant"), 0, "%s", output);
  cr_assert_eq(ml3("train --resume half --quiet --set outer.steps=20"), 0, "%s", output);
  char command[256];
  snprintf(command, sizeof command, "cd %s && cmp whole/checkpoint half/checkpoint && cmp whole/loss.safetensors half/loss.safetensors",
           folder);
  cr_expect_eq(system(command), 0, "the files differ");
}

Test(cli, a_key_changed_on_resuming_is_in_the_runs_config) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=2"), 0, "%s", output);
  cr_assert_eq(ml3("train --resume run --quiet --set outer.steps=3"), 0, "%s", output);
  expect("train --resume run --quiet --set outer.steps=4 --set inner.steps=3", 1, "is of another run");
  cr_assert_eq(ml3("train mountain_car -o policy --quiet --set method=reinforce --set learner.updates=1"), 0, "%s", output);
  cr_assert_eq(ml3("train --resume policy --quiet --set learner.updates=2"), 0, "%s", output);
  char command[256];
  snprintf(command, sizeof command, "cd %s && grep -A9 '^outer:' run/config.yaml | grep -q ' steps: 3' && grep -q ' updates: 2' policy/config.yaml",
           folder);
  cr_expect_eq(system(command), 0, "the run's config.yaml is another than what it was trained with");
}

Test(cli, a_damaged_or_foreign_checkpoint_is_refused) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=5"), 0, "%s", output);
  write_file("run/checkpoint", "this is not a checkpoint at all");
  expect("train --resume run --quiet", 1, "run/checkpoint");
  cr_assert_eq(ml3("train -o other " TINY "--set outer.steps=5 --set seed=4"), 0, "%s", output);
  char command[256];
  snprintf(command, sizeof command, "cp %s/other/checkpoint %s/run/checkpoint", folder, folder);
  cr_assert_eq(system(command), 0);
  expect("train --resume run --quiet", 1, "is of another run");
  write_file("run/loss.safetensors", "nor is this a loss");
  expect("adapt run", 1, "run/loss.safetensors");
}

Test(cli, a_folder_that_cannot_be_written_is_told) {
  write_file("file", "in the way");
  expect("train -o file/run " TINY, 1, "cannot make the folder 'file/run'");
  expect("train -o file " TINY, 1, "'file' is a file");
  expect("train -o /proc/run " TINY, 1, "cannot make the folder '/proc/run'");
}

Test(cli, an_interrupt_keeps_the_checkpoint_and_says_so) {
  const int ended = train_and_signal("", "run", "1000000", "INT");
  cr_expect_eq(ended, 130, "exit code %d", ended);
  cr_expect(exists("run/checkpoint"));
  cr_expect_eq(ml3("train --resume run --quiet --set outer.steps=$(($(tail -n1 run/metrics.csv | cut -d, -f1) + 1))"), 0, "%s", output);
  char command[1024];
  snprintf(command, sizeof command, "grep -q 'go on with `ml3 train --resume run`' %s/log", folder);
  cr_expect_eq(system(command), 0, "the log does not say how to go on");
}

Test(cli, an_expert_that_learns_first_tells_of_it_and_can_be_interrupted) {
  const char *line = ML3_COMMAND
      " train pointmass_model_free -o run --set extra.kind=demonstration --set extra.expert=ppo "
      "--set extra.expert_updates=1000000 --set learner.envs=2 >log 2>&1 & pid=$!; "
      "for i in $(seq 200); do [ -s log ] && break; sleep 0.05; done; kill -TERM $pid; wait $pid";
  cr_expect_eq(shell(line), 130);
  cr_expect_eq(shell("grep -q '^expert by PPO .* 1/1000000 ' log && grep -q 'nothing of it is kept' log"), 0);
  cr_expect_not(exists("run"));
}

Test(cli, an_experts_deviation_begins_where_it_is_told) {
  cr_assert_eq(ml3("train pointmass_model_free -o run " TINY "--set extra.kind=advice --set extra.expert=ppo --set extra.expert_updates=1 "
                   "--set extra.expert_log_std=0.5 --set learner.envs=2 --set learner.steps=20 --set outer.warmup=0 --set outer.steps=1"), 0, "%s", output);
  write_file("last.py", "import json, struct\n"
                        "data = open('run/checkpoint', 'rb').read()\n"
                        "start = 8 + int.from_bytes(data[:8], 'little')\n"
                        "theta = json.loads(data[8:start])['problem.expert_theta']\n"
                        "end, kind = start + theta['data_offsets'][1], {'F32': 'f', 'F64': 'd'}[theta['dtype']]\n"
                        "log_std = struct.unpack('<2' + kind, data[end - 2 * struct.calcsize(kind):end])\n"
                        "assert all(abs(s - 0.5) < 0.05 for s in log_std), log_std\n");
  cr_expect_eq(shell("python3 last.py"), 0);
}

/* An expert from a file tells the loss's targets what they should be; resumed the bits are the same, and at meta-test it is gone. */
Test(cli, an_expert_teaches_the_targets_of_a_loss) {
  cr_assert_eq(ml3("train pointmass_model_free -o expert --quiet --set method=ppo --set policy.hidden=[4] --set learner.updates=1 "
                   "--set learner.envs=2 --set learner.steps=20"), 0, "%s", output);
  const char *taught = "pointmass_model_free " TINY "--set policy.hidden=[4] --set extra.kind=advice --set extra.file=expert/policy.safetensors --set "
                       "loss.inputs=[state*,mean*] --set loss.targets=[mean*] --set inner.newton=2 --set inner.learn_rate=none "
                       "--set outer.target_weight=3 --set outer.epochs=2 --set outer.schedule=constant ";
  char arguments[1024];
  snprintf(arguments, sizeof arguments, "train %s -o whole --set outer.steps=4", taught);
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  snprintf(arguments, sizeof arguments, "train %s -o half --set outer.steps=2", taught);
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  cr_assert_eq(ml3("train --resume half --quiet --set outer.steps=4"), 0, "%s", output);
  snprintf(arguments, sizeof arguments, "train %s -o untaught --set outer.steps=4 --set outer.target_weight=0", taught);
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  cr_expect_eq(shell("cmp whole/checkpoint half/checkpoint && ! cmp -s whole/loss.safetensors untaught/loss.safetensors && rm -r expert"), 0);
  cr_expect_eq(ml3("adapt whole -n 1"), 0, "%s", output);
}

Test(cli, without_a_display_the_window_says_what_to_do_instead) {
  unsetenv("DISPLAY");
  unsetenv("WAYLAND_DISPLAY");
  expect("view mountain_car", 1, "ml3 record");
}

Test(cli, every_verb_explains_itself) {
  static const char *const verbs[] = {"train", "adapt", "compare", "plan", "inspect", "view", "record", "config", "list", "task", "bench"};
  for (int i = 0; i < 11; i++) {
    char arguments[64];
    snprintf(arguments, sizeof arguments, "%s --help", verbs[i]);
    expect(arguments, 0, "usage: ml3");
  }
}
