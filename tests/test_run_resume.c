/* What a run writes reads back as it was, and `ml3 train --resume` never rewrites a run that has nothing left to do. */
#define _GNU_SOURCE /* mkdtemp and the like */
#include "command.h"

TestSuite(run_resume, .init = make_folder, .fini = drop_folder, .timeout = 300);

#define POLICY                                                                                           \
  "-q --set method=reinforce --set policy.hidden=[4] --set learner.envs=2 --set learner.steps=20 --set " \
  "checkpoint.every=1 "

/* Bytes and times of all files of a folder, beside it. */
static void note(const char *run) {
  char line[256];
  snprintf(line, sizeof line,
           "cd %s && (find . -type f -printf '%%p %%T@\\n' | sort; find . -type f | sort | xargs sha256sum) "
           "| sed 's|  *| |' >../sums",
           run);
  cr_assert_eq(shell(line), 0);
}

static void expect_untouched(const char *run) {
  char line[256];
  snprintf(line, sizeof line,
           "cd %s && (find . -type f -printf '%%p %%T@\\n' | sort; find . -type f | sort | xargs sha256sum) "
           "| sed 's|  *| |' | diff ../sums -",
           run);
  cr_expect_eq(shell(line), 0, "'%s' was written to", run);
}

Test(run_resume, a_finished_run_is_refused_and_stays_as_it_is) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=6"), 0, "%s", output);
  note("run");
  expect("train --resume run -q", 2, "'run' is finished: it has made 6 of 6 outer steps; --set outer.steps=N");
  expect("train --resume run -q --set outer.steps=6", 2, "is finished");
  expect("train --resume run -q --set outer.steps=4", 2, "is at outer step 6 already, past outer.steps=4");
  expect_untouched("run");
  cr_expect_eq(ml3("train --resume run -q --set outer.steps=7"), 0, "%s", output);
}

Test(run_resume, so_is_a_finished_policy) {
  cr_assert_eq(ml3("train reacher -o run --set learner.updates=3 " POLICY), 0, "%s", output);
  note("run");
  expect("train --resume run -q", 2, "'run' is finished: it has made 3 of 3 updates; --set learner.updates=N");
  expect("train --resume run -q --set learner.updates=2", 2, "is at update 3 already, past learner.updates=2");
  expect_untouched("run");
  cr_expect_eq(ml3("train --resume run -q --set learner.updates=4"), 0, "%s", output);
}

Test(run_resume, one_that_patience_has_ended_goes_on_with_more_patience_alone) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=1000 --set outer.rate=1e-30 --set validation.patience=2"), 0,
               "%s", output);
  note("run");
  expect("train --resume run -q", 2, "it stopped at outer step 10 of 1000, since 2 validations brought nothing better");
  expect("train --resume run -q --set outer.steps=2000", 2, "a larger validation.patience lets it go on");
  expect_untouched("run");
  cr_expect_eq(ml3("train --resume run -q --set validation.patience=3"), 0, "%s", output);
  cr_expect_eq(shell("grep -q '\"outer_steps\": 15,' run/summary.json"), 0);
}

Test(run_resume, an_interrupted_run_does_not_go_on_to_less) {
  char command[1024];
  snprintf(command, sizeof command,
           "cd %s && (%s train -o run " TINY
           "--set outer.steps=1000000 2>log & pid=$!; for i in $(seq 400); do "
           "[ $(wc -l <run/metrics.csv || echo 0) -gt 20 ] && break; sleep 0.05; done 2>/dev/null; kill -INT $pid; "
           "wait $pid)",
           folder, ML3_COMMAND);
  cr_assert_eq(WEXITSTATUS(system(command)), 130);
  note("run");
  expect("train --resume run -q --set outer.steps=3", 2, "already, past outer.steps=3");
  expect_untouched("run");
}

Test(run_resume, a_run_that_lacks_its_summary_is_concluded) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=6"), 0, "%s", output);
  cr_assert_eq(shell("grep -v seconds run/summary.json >before && rm run/summary.json run/learning_curve.svg"), 0);
  cr_expect_eq(ml3("train --resume run -q"), 0, "%s", output);
  cr_expect_eq(shell("grep -v seconds run/summary.json | cmp - before && [ -e run/learning_curve.svg ]"), 0);
}

Test(run_resume, seeds_that_are_finished_stay_and_none_goes_on_to_less) {
  cr_assert_eq(ml3("train -o all --seeds 2 " TINY "--set outer.steps=6"), 0, "%s", output);
  note("all/seed-0");
  cr_assert_eq(shell("cp all/seeds.yaml before"), 0);
  cr_expect_eq(ml3("train --resume all --seeds 3 -q"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "3 of 3 seeds"), "%s", output);
  expect_untouched("all/seed-0");
  expect("train --resume all --seeds 2 -q --set outer.steps=4", 2, "'all/seed-0' is at outer step 6 already");
  expect_untouched("all/seed-0");
  cr_expect_eq(shell("cmp before all/seeds.yaml"), 0, "what was refused was written");
  cr_assert_eq(ml3("train -o sweep --sweep inner.rate=0.1,0.2 " TINY "--set outer.steps=6"), 0, "%s", output);
  cr_assert_eq(shell("cp sweep/sweep.yaml before"), 0);
  expect("train --resume sweep --sweep inner.rate=0.1,0.2 -q --set outer.steps=4", 2, "is at outer step 6 already");
  cr_expect_eq(shell("cmp before sweep/sweep.yaml"), 0, "what was refused was written");
  cr_expect_eq(ml3("train --resume sweep --sweep inner.rate=0.1,0.2 -q --set outer.steps=7"), 0, "%s", output);
  cr_expect_eq(shell("grep -q '\"outer_steps\": 7,' sweep/inner.rate=0.2/seed-0/summary.json"), 0);
}

Test(run_resume, a_seed_that_patience_has_ended_is_finished_too) {
  cr_assert_eq(
      ml3("train -o all --seeds 1 " TINY "--set outer.steps=1000 --set outer.rate=1e-30 --set validation.patience=1"),
      0, "%s", output);
  note("all/seed-0");
  cr_expect_eq(ml3("train --resume all --seeds 1 -q"), 0, "%s", output);
  expect_untouched("all/seed-0");
}

/* ---- reals -------------------------------------------------------------------------------------------------------- */

Test(run_resume, reals_read_back_as_they_were) {
  write_file("a.yaml",
             "inner: {rate: 0.10000000521540742}\n"
             "outer: {rate: 1.2345678901234567e-3, final_rate: 0.1}\n"
             "policy: {obs_scale: [0.3333333333333333, 1e-30]}\n");
  cr_assert_eq(ml3("config a.yaml"), 0, "%s", output);
  static const char *const lines[] = {" rate: 0.10000000521540742 ", " rate: 0.0012345678901234567 ",
                                      " final_rate: 0.1", " obs_scale: [0.3333333333333333, 1e-30] "};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    cr_expect_not_null(strstr(output, lines[i]), "'%s' is not in: %s", lines[i], output);
  cr_assert_eq(ml3("train -o whole " TINY
                   "--set outer.schedule=constant --set inner.rate=0.10000000521540742 --set outer.steps=10"),
               0, "%s", output);
  cr_assert_eq(ml3("train -o run " TINY
                   "--set outer.schedule=constant --set inner.rate=0.10000000521540742 --set outer.steps=5"),
               0, "%s", output);
  cr_assert_eq(ml3("train --resume run -q --set outer.steps=10"), 0, "%s", output);
  cr_expect_eq(shell("cmp whole/checkpoint run/checkpoint && cmp whole/metrics.csv run/metrics.csv"), 0);
  cr_expect_eq(shell("python3 -c '\n"
                     "import csv, json\n"
                     "best = json.load(open(\"run/summary.json\"))\n"
                     "rows = [r for r in csv.DictReader(open(\"run/metrics.csv\")) if r[\"validation/objective\"]]\n"
                     "row = [r for r in rows if int(r[\"outer_step\"]) == best[\"best_outer_step\"]][0]\n"
                     "assert float(row[\"validation/objective\"]) == best[\"best_objective\"], row\n"
                     "assert float(row[\"validation/task_loss\"]) == best[\"best_task_loss\"], row\n"
                     "'"),
               0, "metrics.csv has the numbers of summary.json to the last digit");
}

/* ---- YAML ---------------------------------------------------------------------------------------------------------- */

Test(run_resume, a_file_is_one_yaml_document) {
  cr_assert_eq(shell("cp " ML3_TEST_DATA "/data/*.yaml . && cp " ML3_TEST_DATA "/../scripts/examples/cart_pole.* ."),
               0);
  expect("train second_document.yaml", 1, "second_document.yaml:2: a second YAML document begins here");
  expect("train junk_behind.yaml", 1, "junk_behind.yaml:3: not YAML");
  write_file("empty.yaml", "seed: 1\n---\n");
  expect("config empty.yaml", 1, "empty.yaml:2: a second YAML document begins here");
  write_file("ends.yaml", "# one\n---\nseed: 1\n...\n# that was it\n");
  expect("config ends.yaml", 0, "seed: 1 ");
  cr_assert_eq(shell("cp cart_pole.yaml kept && printf -- '---\\nhorizon: 3\\n' >>cart_pole.yaml"), 0);
  expect("plan cart_pole.xml -q", 2, ": a second YAML document begins here; an environment is one");
  cr_assert_eq(shell("cp kept cart_pole.yaml && printf -- '...\\nfoo: [bar\\n' >>cart_pole.yaml"), 0);
  expect("plan cart_pole.xml -q", 2, ": not YAML");
  cr_assert_eq(shell("cp kept cart_pole.yaml && printf -- '...\\n' >>cart_pole.yaml"), 0);
  cr_expect_eq(ml3("plan cart_pole.xml -q --set horizon=2"), 0, "%s", output);
}

/* ---- ranks ---------------------------------------------------------------------------------------------------------- */

Test(run_resume, of_several_ranks_one_does_what_is_not_shared_out) {
  static const char *const settings =
      "OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=%d " ML3_COMMAND " list problems >out 2>said";
  char line[512];
  for (int rank = 0; rank < 3; rank++) {
    snprintf(line, sizeof line, settings, rank);
    cr_expect_eq(shell(line), 0);
    cr_expect_eq(shell("[ -s out ]") == 0, rank == 0, "rank %d", rank);
    cr_expect_eq(shell("grep -q 'of 3, rank 0 works alone' said") == 0, rank == 0, "rank %d", rank);
  }
  cr_expect_eq(shell("OMPI_COMM_WORLD_SIZE=3 " ML3_COMMAND " list 2>said"), 2);
  cr_expect_eq(shell("grep -q '3 processes were started, and each would do the same; start one' said"), 0);
}

/* ---- what it was trained by ---------------------------------------------------------------------------------------- */

Test(run_resume, another_build_or_instruction_set_is_told) {
  cr_assert_eq(ml3("--version"), 0);
  cr_expect(strstr(output, "\nbuild ") && strstr(output, "MuJoCo ") && strstr(output, "OpenBLAS for ") &&
                strstr(output, "instruction set "),
            "%s", output);
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=2"), 0, "%s", output);
  cr_assert_eq(ml3("train --resume run -q --set outer.steps=3"), 0, "%s", output);
  cr_expect_null(strstr(output, "goes on from"), "%s", output);
  cr_assert_eq(shell("sed -i 's/\"mujoco\": \"[^\"]*\"/\"mujoco\": \"1.5\"/' run/build.json"), 0);
  expect("train --resume run -q --set outer.steps=4", 0,
         "'run' goes on from step 3 by something else than it was trained by (mujoco was 1.5 and is ");
  cr_expect_eq(shell("python3 -c '\n"
                     "import json\n"
                     "b = json.load(open(\"run/build.json\"))\n"
                     "assert [x[\"from_step\"] for x in b] == [0, 3] and b[1][\"mujoco\"] != \"1.5\", b\n"
                     "assert set(b[0]) == {\"from_step\", \"ml3\", \"precision\", \"build\", \"compiler\", \"mujoco\", "
                     "\"openblas\", "
                     "\"instruction_set\"}, b\n'"),
               0);
  cr_assert_eq(ml3("train --resume run -q --set outer.steps=5"), 0, "%s", output);
  cr_expect_null(strstr(output, "goes on from"), "told once: %s", output);
}
