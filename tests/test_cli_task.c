/* `ml3 task` as a user types it: a first task for a model, and what a task is worth. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <jansson.h>

#include "command.h"

TestSuite(cli_task, .init = make_folder, .fini = drop_folder, .timeout = 120);

#define QUADRUPED ML3_TEST_DATA "/../scripts/examples/quadruped"

Test(cli_task, a_model_gets_a_task_that_every_verb_takes) {
  cr_assert_eq(shell("cp " QUADRUPED ".xml robot.xml"), 0);
  expect("task robot.xml", 0, "robot.yaml: 8 actions, 34 observations, 3 terms of reward");
  expect("task robot.xml", 1, "'robot.yaml' exists already; choose another --output, or --force");
  expect("task robot.xml --force", 0, "ml3 task --check robot.yaml");
  cr_assert_eq(shell("sed -i 's/^horizon: 1000/horizon: 20/' robot.yaml"), 0);
  expect("task --check robot.xml -n 20", 0, "steps a second on one thread");
  expect("collect robot.yaml -n 1 -q -o set", 0, "set: 1 episodes");
  expect("record robot.yaml -q -o robot.png --width 64 --height 64", 0, "robot.png: 1 frames");
  expect(
      "train robot.yaml -o run -q --log none --set method=ppo --set learner.updates=1 --set learner.steps=16 --set "
      "learner.minibatches=2",
      0, "after 1 updates");
}

Test(cli_task, an_output_elsewhere_names_the_model_by_its_whole_path) {
  expect("task " QUADRUPED ".xml -o tasks/mine.yaml", 0, "tasks/mine.yaml: 8 actions");
  cr_expect_eq(
      shell("grep -q '^model: .*/scripts/examples/quadruped.xml' tasks/mine.yaml && ls tasks | wc -l | grep -qx 1"), 0);
  expect("task --check tasks/mine.yaml -n 10", 0, "upright");
}

Test(cli_task, a_check_tells_terms_observations_and_ends) {
  expect("task --check " QUADRUPED ".yaml --steps 200", 0, "forward");
  cr_expect(strstr(output, "smooth") && strstr(output, "front_left_hip, rad") && strstr(output, "root, 5 numbers"),
            "%s", output);
  cr_expect(strstr(output, "episodes ended by") && strstr(output, "upright") && strstr(output, "over 200 steps"), "%s",
            output);
  expect("task --check mountain_car_discrete", 0, "the time limit");
}

Test(cli_task, a_check_as_json_is_the_same_for_the_same_seed) {
  char first[sizeof output];
  cr_assert_eq(ml3("task --check --json --steps 300 --seed 4 " QUADRUPED ".yaml"), 0, "%s", output);
  json_t *json = json_loads(output, 0, NULL);
  cr_assert_not_null(json, "%s", output);
  cr_expect_eq(json_integer_value(json_object_get(json, "steps")), 300);
  cr_expect_eq(json_array_size(json_object_get(json, "terms")), 5);
  cr_expect_eq(json_array_size(json_object_get(json, "observation")), 35);
  const json_t *reward = json_object_get(json, "reward");
  cr_expect_leq(json_number_value(json_object_get(reward, "min")), json_number_value(json_object_get(reward, "mean")));
  cr_expect_not_null(json_object_get(json_object_get(json, "ends"), "upright"));
  json_object_del(json, "steps_per_second");
  char *text = json_dumps(json, 0);
  snprintf(first, sizeof first, "%s", text);
  free(text);
  json_decref(json);
  cr_assert_eq(ml3("task --check --json --steps 300 --seed 4 " QUADRUPED ".yaml"), 0);
  json = json_loads(output, 0, NULL);
  json_object_del(json, "steps_per_second");
  text = json_dumps(json, 0);
  cr_expect_str_eq(text, first);
  free(text);
  json_decref(json);
}

Test(cli_task, a_check_draws_the_scene) {
  expect("task --check " QUADRUPED ".yaml -n 5 --picture a.png", 0, "upright");
  cr_expect(exists("a.png"));
  expect("task --check " QUADRUPED ".yaml -n 5 --picture a.png", 1, "'a.png' exists already");
  expect("task --check " QUADRUPED ".yaml -n 5 --picture a.jpg", 2, "expected a FILE.png");
  expect("task --check " QUADRUPED ".yaml -n 5 --picture a.png.jpg", 2, "expected a FILE.png");
}

Test(cli_task, mistakes_are_told) {
  expect("task", 2, "which model?");
  expect("task nothing.xml", 1, "nothing.xml");
  expect("task reacher", 2, "'reacher' is no FILE.xml to write a task for");
  expect("task --check recher", 2, "did you mean 'reacher'?");
  expect("task --check reacher --steps 0", 2, "--steps is 0");
  expect("task --check reacher --seed -1", 2, "--seed is -1");
  expect("task --check reacher -o x.yaml", 2, "--output is of a new task");
  expect("task a.xml --json", 2, "--json goes with --check");
  expect("task " QUADRUPED ".xml -o x.txt", 2, "expected a FILE.yaml");
  write_file("empty.xml", "<mujoco/>");
  expect("task empty.xml", 1, "the model has no joints");
  cr_expect_not(exists("empty.yaml"));
  expect("task --help", 0, "usage: ml3 task FILE.xml|FILE.yaml|ENVIRONMENT");
  expect("complete task --ch", 0, "--check");
  expect("complete task rea", 0, "reacher");
  expect("complete ta", 0, "task");
  expect("man task", 0, "ml3 task");
}
