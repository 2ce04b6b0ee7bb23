/* Looking at runs: list, plot, report. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>

#include "command.h"

TestSuite(cli_report, .init = make_folder, .fini = drop_folder, .timeout = 120);

/* Two seeds of one configuration and one run of another, below runs/. */
static void make_runs(void) {
  cr_assert_eq(ml3("train -o runs/a-seed1 " TINY "--set seed=1 --set outer.steps=10"), 0, "%s", output);
  cr_assert_eq(ml3("train -o runs/a-seed2 " TINY "--set seed=2 --set outer.steps=10"), 0, "%s", output);
  cr_assert_eq(ml3("train -o runs/b " TINY "--set outer.rate=1e-2 --set outer.steps=10"), 0, "%s", output);
}

Test(cli_report, lists_runs_with_what_they_achieved) {
  expect("list runs", 0, "none in runs/");
  make_runs();
  expect("list runs", 0, "runs/a-seed1  mountain_car  learned loss     1       10");
  cr_assert_eq(shell("rm runs/b/summary.json; echo 'seed: many' >runs/a-seed2/config.yaml"), 0);
  expect("list runs", 0, "unfinished");
  cr_expect_not_null(strstr(output, "runs/a-seed2/config.yaml:1: seed is 'many'"), "a broken run is told: %s", output);
  cr_expect_not_null(strstr(output, "runs/a-seed1"), "and hides no other: %s", output);
  expect("list", 0, "environments\n");
  expect("list runz", 2, "did you mean 'runs'?");
}

Test(cli_report, plots_in_the_terminal_and_into_files) {
  make_runs();
  expect("plot runs", 0, "a (2 seeds)");
  cr_expect_not_null(strstr(output, "validation/task_loss"), "%s", output);
  expect("plot runs --each", 0, "a-seed2");
  expect("plot runs/b -m losses/objective,gradient_norm -o b.png", 0, "b.png");
  expect("plot runs -o b.svg --smooth 3", 0, "b.svg");
  expect("plot runs -o b.pdf", 0, "b.pdf");
  cr_expect_eq(shell("head -c 8 b.png | grep -q PNG && grep -q '<svg' b.svg && head -c 5 b.pdf | grep -q %PDF"), 0);
  expect("plot runs/b -o '|touch oops; : .png'", 0, "oops"); /* a file's name, not gnuplot's command */
  cr_expect(exists("|touch oops; : .png") && !exists("oops"));
  expect("plot runs -o b.jpg", 2, "end in .png, .svg or .pdf");
  expect("plot runs -m succes", 2, "did you mean 'success'?");
  expect("plot nowhere", 1, "there is no folder 'nowhere'");
  cr_assert_eq(shell("mkdir empty"), 0);
  expect("plot empty", 1, "holds none");
  expect("plot runs -o nowhere/b.png", 1, "cannot write 'nowhere/b.png'");
  expect("plot", 2, "which runs?");
  cr_expect_eq(shell("rm -r b.png b.svg b.pdf empty '|touch oops; : .png' && ls | grep -qx runs && [ $(ls | wc -l) = 1 ]"), 0,
               "something was left behind");
}

Test(cli_report, reports_in_one_file_that_needs_no_other) {
  make_runs();
  cr_assert_eq(ml3("compare runs/b --quiet --set test.tasks=2"), 0, "%s", output);
  expect("report runs/b", 0, "runs/b/report.html");
  cr_expect_eq(shell("grep -q 'learned loss, 5 updates' runs/b/report.html && grep -q 'data:image/svg+xml;base64,' "
                     "runs/b/report.html"),
               0);
  cr_expect_neq(shell("grep -E 'src=\"[^d]|href=\"[^#]|https?://' runs/b/report.html"), 0,
                "it names something outside");
  expect("report runs -o all.html", 0, "all.html");
  cr_expect_eq(shell("grep -q '<h1>3 runs</h1>' all.html && grep -c '<h2 id=' all.html | grep -qx 3"), 0);
  cr_assert_eq(shell("printf 'x\\0y' >runs/b/rollouts.mp4 && cp -r runs/b 'runs/<b>&'"), 0);
  expect("report 'runs/<b>&'", 0, "report.html");
  cr_expect_eq(shell("grep -q 'runs/&lt;b&gt;&amp;' 'runs/<b>&/report.html' && grep -q 'data:video/mp4;base64,eAB5\"' "
                     "'runs/<b>&/report.html'"),
               0);
  expect("report", 2, "which runs?");
}

Test(cli_report, the_page_of_a_run_in_training_reloads_itself_until_it_is_finished) {
  make_runs();
  expect("report runs/b --follow", 0, "runs/b/report.html");
  cr_expect_neq(shell("grep -q 'http-equiv=\"refresh\"' runs/b/report.html"), 0, "a finished run reloads");
  cr_assert_eq(shell("mv runs/b/summary.json kept && (sleep 1; mv kept runs/b/summary.json) &"), 0);
  expect("report runs/b", 0, "runs/b/report.html");
  cr_expect_eq(shell("grep -q 'http-equiv=\"refresh\"' runs/b/report.html"), 0, "a run in training does not reload");
  expect("report runs/b --follow", 0, "runs/b/report.html");
  cr_expect_neq(shell("grep -q 'http-equiv=\"refresh\"' runs/b/report.html"), 0, "the last page still reloads");
}

/* Each line twice: the file as it was, then with --force. */
Test(cli_report, nothing_is_overwritten_unasked_but_what_a_verb_left_in_a_run) {
  static const char *const lines[][2] = {
      {"adapt runs/b -n 1 -o file", "'file' exists already; choose another --output, or --force"},
      {"plot runs -o file.svg", "'file.svg' exists already"},
      {"report runs/b --no-video -o file", "'file' exists already"},
      {"record runs/b --quiet --width 32 --height 32 -o file.png", "'file.png' exists already"},
      {"plan mountain_car --quiet --log file", "'file' exists already; choose another --log, or --force"},
      {"plan mountain_car --quiet --set horizon=2 --video file.mp4", "'file.mp4' exists already; choose another --video, or --force"},
      {"compare runs/b --quiet --set test.tasks=1 -m untrained -o tables", "'tables/comparison.csv' exists already"},
      {"adapt zoo:sine -n 1", "'./model.safetensors' exists already"},
      {"report runs --no-video", "'report.html' exists already"}};
  char forced[256];
  make_runs();
  cr_assert_eq(shell("mkdir tables; for i in file file.svg file.png file.mp4 tables/comparison.csv model.safetensors "
                     "report.html; do echo mine >$i; done"),
               0);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) expect(lines[i][0], 1, lines[i][1]);
  cr_expect_eq(shell("for i in file* tables/* *.*; do echo mine | cmp - $i || exit 1; done"), 0, "one is another");
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    snprintf(forced, sizeof forced, "%s --force", lines[i][0]);
    cr_expect_eq(ml3(forced), 0, "%s: %s", forced, output);
  }
  cr_expect_eq(shell("! grep -lx mine file* tables/* *.*"), 0, "one was left");
  for (int i = 0; i < 2; i++) {
    expect("adapt runs/b -n 1", 0, "runs/b/policy.safetensors");
    expect("report runs/b --no-video", 0, "runs/b/report.html");
    cr_expect_eq(ml3("compare runs/b --quiet --set test.tasks=1 -m untrained"), 0, "%s", output);
  }
  expect("plan mountain_car --quiet --log /dev/null", 0, "");
}

Test(cli_report, sweeps_over_combinations_with_one_table) {
  const char *const train = "train mountain_car -o sweep " TINY
                            "--set outer.steps=10 --sweep outer.rate=1e-3,1e-2 --sweep loss.hidden=[4],[4,4]";
  cr_assert_eq(ml3(train), 0, "%s", output);
  cr_expect_not_null(strstr(output, "4 combinations, 1 seed each"), "%s", output);
  cr_expect_eq(
      shell("[ $(ls sweep/*/seed-0/summary.json | wc -l) = 4 ] && grep -c '^1e-' sweep/sweep.csv | grep -qx 4"), 0);
  cr_expect_eq(shell("grep -q 'rate: 0.01' 'sweep/outer.rate=1e-2,loss.hidden=[4]/seed-0/config.yaml'"), 0);
  cr_assert_eq(
      ml3("train mountain_car -o one " TINY "--set outer.steps=10 --set outer.rate=1e-2 --set loss.hidden=[4,4]"), 0,
      "%s", output);
  cr_expect_eq(shell("cmp one/loss.safetensors 'sweep/outer.rate=1e-2,loss.hidden=[4,4]/seed-0/loss.safetensors'"), 0,
               "a run of a sweep has other bits than that run alone");
  expect("plot sweep -m success", 0, "outer.rate=1e-2,loss.hidden=[4,4]");
}

Test(cli_report, a_sweep_that_was_interrupted_goes_on_to_the_same_bits) {
  const char *const options =
      TINY "--set outer.steps=60 --set checkpoint.every=5 --seeds 2 --sweep outer.rate=1e-3,1e-2";
  char command[1024];
  snprintf(command, sizeof command, "train mountain_car -o whole %s", options);
  cr_assert_eq(ml3(command), 0, "%s", output);
  snprintf(command, sizeof command, "exec %s train mountain_car -o cut %s >log 2>&1", ML3_COMMAND, options);
  write_file("cut.sh", command);
  cr_assert_eq(shell("sh cut.sh & child=$!; for i in $(seq 400); do [ ! -e cut/outer.rate=1e-3/seed-0/checkpoint ] || "
                     "break; sleep 0.02; done; kill -INT $child; wait $child; echo $? >code"),
               0); /* as soon as its first run has a checkpoint */
  cr_expect_eq(shell("grep -qxE '130|0' code"), 0, "it ended otherwise than by the interruption");
  expect("train --resume cut --quiet --sweep outer.rate=1e-3,1e-2 --seeds 2", 0, "2 combinations, 2 seeds each");
  cr_expect_eq(shell("for f in $(cd whole && find . -name loss.safetensors); do cmp whole/$f cut/$f || exit 1; done"), 0);
  cr_expect_eq(shell("[ $(find cut -name summary.json | wc -l) = 4 ] && cmp whole/sweep.csv cut/sweep.csv"), 0);
}

Test(cli_report, the_zoo_has_losses_that_do_what_their_cards_say) {
  expect("list zoo", 0, "zoo:mountain_car");
  cr_assert_eq(ml3("compare zoo:mountain_car --quiet --set test.tasks=2 -m untrained,learned_loss"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "learned loss, 5 updates"), "%s", output);
  cr_assert_eq(ml3("compare zoo:sine --quiet --set test.tasks=2 --set validation.tasks=2"), 0, "%s", output);
  cr_assert_eq(ml3("record zoo:mountain_car --quiet --width 32 --height 32 --fps 1"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "mountain_car.mp4"), "not into the zoo: %s", output);
  cr_assert_eq(ml3("inspect zoo:mountain_car --quiet"), 0, "%s", output);
  expect("view zoo:sine", 2, "no rollouts to look at");
  cr_assert_eq(ml3("adapt mountain_car --loss zoo:mountain_car -o policy.safetensors"), 0, "%s", output);
  const char *last = strstr(output, "\n5 ");
  cr_expect(last && strstr(last, "100.0 %"), "the car is not at the flag after five updates: %s", output);
  cr_expect(exists("policy.safetensors"));
  make_runs();
  expect("adapt runs/b --loss runs/a-seed1", 0, "runs/b/policy.safetensors");
  expect("adapt mountain_car --loss runs/b/loss.safetensors --set policy.hidden=[4] -n 1 --force", 0,
         "policy: ./policy.safetensors");
}

#define SINE "--quiet --set outer.steps=2 --set outer.tasks=2 --set validation.tasks=2 --set loss.hidden=[4] --set inner.steps=2 "

Test(cli_report, searches_at_random_and_keeps_the_best_points_configuration) {
  const char *const search =
      "train mountain_car -o search " TINY
      "--set outer.steps=6 --search 4 --over outer.rate=log:1e-3..1e-2 --over loss.hidden=[4],[4,4]";
  cr_assert_eq(ml3(search), 0, "%s", output);
  cr_expect_not_null(strstr(output, "4 points, 1 seed each"), "%s", output);
  cr_expect_eq(shell("[ $(grep -c '^00' search/search.csv) = 4 ] && [ -s search/search.md ]"), 0);
  const char *best = strstr(output, "best on validation tasks: point ");
  char command[160];
  cr_assert_not_null(best, "%s", output);
  snprintf(command, sizeof command, "cmp search/best.yaml search/point-%.3s/seeds.yaml", best + 32);
  cr_expect_eq(shell(command), 0, "%s", output);
  /* One that was cut off goes on to the same numbers, and draws the same points. */
  cr_assert_eq(shell("cp search/search.csv before && rm -r search/point-002 search/point-003/seed-0/summary.json"), 0);
  cr_assert_eq(ml3("train --resume search -q --search 4 --over outer.rate=log:1e-3..1e-2 --over loss.hidden=[4],[4,4]"), 0,
               "%s", output);
  cr_expect_eq(shell("cmp before search/search.csv"), 0, "%s", output);
}

Test(cli_report, seeds_and_sweeps_of_policies_have_their_return) {
  cr_assert_eq(ml3("train pendulum -o seeds --seeds 2 -q --set method=ppo --set learner.updates=1 --set learner.steps=64"), 0,
               "%s", output);
  cr_expect_not_null(strstr(output, "return"), "%s", output);
  cr_expect_eq(shell("! grep -q nan, seeds/seeds.csv"), 0, "%s", output);
  cr_assert_eq(ml3("train pendulum -o sweep --sweep learner.rate=1e-3,1e-2 -q --set method=ppo --set learner.updates=1 "
                   "--set learner.steps=64"),
               0, "%s", output);
  cr_expect_eq(shell("[ $(grep -c '^1e-[23],1,-' sweep/sweep.csv) = 2 ]"), 0, "%s", output);
}

/* Of two seeds nearly nothing is known, but no squared error is negative and no success above 100 %. */
Test(cli_report, intervals_over_seeds_stay_within_what_a_quantity_can_be) {
  cr_assert_eq(ml3("train sine -o sine --seeds 2 --set validation.steps=2 " SINE), 0, "%s", output);
  cr_expect_eq(shell("! grep -E '(^|,)-' sine/seeds.csv"), 0, "a squared error or a step size below 0: %s", output);
  cr_assert_eq(ml3("compare sine --seeds 2 --quiet -o tables --set test.tasks=2 --set validation.tasks=2 --set test.steps=[1]"),
               0, "%s", output);
  cr_expect_eq(shell("! grep -E '(,|- )-[0-9]' tables/comparison.csv"), 0, "%s", output);
  cr_assert_eq(ml3("train mountain_car -o sweep " TINY "--set outer.steps=5 --seeds 2 --sweep outer.rate=1e-3"), 0, "%s", output);
  cr_expect_eq(shell("grep -q '^1e-3,2,0.0,0.0 - 49.0,' sweep/sweep.csv"), 0, "none of four tasks: Wilson's: %s", output);
}

Test(cli_report, tables_say_how_many_tasks_failed) {
  cr_assert_eq(ml3("train sine -o sine --set validation.steps=2 " SINE), 0, "%s", output);
  const char *const compare = "compare sine --quiet --force --set test.tasks=3 --set validation.tasks=2 --set test.steps=[1,20] -o ";
  char line[512];
  snprintf(line, sizeof line, "%stables", compare);
  cr_assert_eq(ml3(line), 0, "%s", output);
  cr_expect_null(strstr(output, "failed"), "none did: %s", output);
  snprintf(line, sizeof line, "%sdiverging --set test.rate=1e6", compare);
  cr_assert_eq(ml3(line), 0, "%s", output);
  cr_expect_not_null(strstr(output, "failed: tasks on which learning diverged"), "%s", output);
  cr_expect_eq(shell("grep -q '^\"squared error, 20 updates\",inf,-,inf,.*,3 of 3$' diverging/comparison.csv"), 0, "%s", output);
  cr_expect_eq(shell("grep -q '3 of 3' diverging/comparison.md && grep -q '^untrained,.*,0 of 3$' diverging/comparison.csv"), 0);
}
