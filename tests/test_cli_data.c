/* `ml3 collect` and `ml3 data` as a user types them. tests/python/check_minari.py has Minari read the sets. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

TestSuite(cli_data, .init = make_folder, .fini = drop_folder, .timeout = 120);

Test(cli_data, collects_and_tells_what_is_there) {
  expect("collect reacher --episodes 3 --quiet", 0, "data/reacher-random-v0: 3 episodes, 150 steps");
  cr_expect(exists("data/reacher-random-v0/data/main_data.hdf5") &&
            exists("data/reacher-random-v0/data/metadata.json"));
  expect("data data/reacher-random-v0", 0, "environment    reacher");
  expect("data data/reacher-random-v0/data/main_data.hdf5", 0, "steps          150, 50 to 50 an episode");
}

Test(cli_data, same_seed_same_data_and_another_seed_another) {
  expect("collect pointmass -n 2 -q -o a/one", 0, "2 episodes");
  cr_assert_eq(shell("sleep 1.1"), 0); /* no time is written down */
  expect("collect pointmass -n 2 -q -o a/two", 0, "2 episodes");
  expect("collect pointmass -n 2 -q -o a/other --seed 1", 0, "2 episodes");
  cr_expect_eq(shell("cmp a/one/data/main_data.hdf5 a/two/data/main_data.hdf5"), 0);
  cr_expect_neq(shell("cmp -s a/one/data/main_data.hdf5 a/other/data/main_data.hdf5"), 0);
}

Test(cli_data, a_trained_policy_acts) {
  cr_assert_eq(ml3("train mountain_car -o run " TINY "--set outer.steps=2"), 0, "%s", output);
  cr_assert_eq(ml3("adapt run -n 2"), 0, "%s", output);
  expect("collect mountain_car -n 2 -q --policy run/policy.safetensors", 0, "data/mountain_car-policy-v0: 2 episodes");
  expect("collect reacher -q --policy run/policy.safetensors", 1, "another shape");
  expect("collect reacher -q --policy run/loss.safetensors", 1, "it is not a policy");
  expect("collect reacher -q --policy nothing", 1, "cannot read 'nothing'");
}

Test(cli_data, takes_a_model_of_the_users_own) {
  expect("collect " ML3_TEST_DATA "/../scripts/examples/cart_pole.xml -n 2 -q", 0,
         "data/cart_pole-random-v0: 2 episodes");
  expect("data data/cart_pole-random-v0", 0, "environment    ");
  expect("data data/cart_pole-random-v0 -e " ML3_TEST_DATA "/../scripts/examples/cart_pole.xml", 0, "episodes       2");
  expect("data data/cart_pole-random-v0 -e pointmass", 2, "cart_pole.xml', not of 'pointmass'");
}

Test(cli_data, a_set_has_the_id_that_is_given) {
  expect("collect reacher -n 1 -q -o 'any name' --id arms/reacher/random-v3", 0, "any name: 1 episodes");
  expect("data 'any name'", 0, "id             arms/reacher/random-v3");
  expect("collect reacher -n 1 -q -o other --id reacher", 2, "the data set's name is 'reacher'; expected");
  expect("collect reacher -n 1 -q -o other --id a//b-v0", 2, "expected (namespace/)name-v0");
  cr_expect(!exists("other"));
}

Test(cli_data, a_tables_columns_without_a_name_are_left_out_and_told) {
  char text[2048] = ",x,who,y\n";
  for (int i = 0; i < 96; i++) sprintf(text + strlen(text), "%d,%d,t%d,%d\n", i, i * 7 % 11, i % 8, i % 5);
  write_file("t.csv", text);
  const char *const tasks[] = {"", "--set table.task=who "};
  for (int i = 0; i < 2; i++) {
    char command[512];
    snprintf(command, sizeof command, "train table -o run%d -q --set data=t.csv --set table.targets=[y] %s--set table.inputs=[%s] "
             "--set outer.steps=2 --set samples.inner=3 --set samples.outer=3", i, tasks[i], i ? "" : "x");
    cr_expect_eq(ml3(command), 0, "%s", output);
    cr_expect_eq(strstr(output, "ml3 train: 't.csv': 1 column without a name is left out") != NULL, i == 1, "%s", output);
  }
}

Test(cli_data, explains_itself) {
  expect("collect --help", 0, "usage: ml3 collect ENVIRONMENT");
  expect("data --help", 0, "usage: ml3 data FOLDER|FILE.hdf5");
}

Test(cli_data, mistakes_are_told_and_leave_nothing) {
  expect("collect", 2, "which environment?");
  expect("collect recher", 2, "did you mean 'reacher'?");
  expect("collect reacher --episodes 0", 2, "--episodes is 0; 1 to");
  expect("collect reacher --seed -1", 2, "--seed is -1");
  expect("collect reacher -q -o 'a name'", 2, "expected (namespace/)name-v0");
  expect("collect reacher -q -o /proc/none/set", 1, "cannot make the folder");
  expect("data", 2, "which data set?");
  expect("data nothing", 1, "there is no data set 'nothing'");
  expect("data .", 1, "is no data set");
  cr_expect_eq(shell("test -z \"$(ls -A)\""), 0, "a mistake left something");
}

Test(cli_data, an_interrupt_leaves_nothing) {
  const char *line = ML3_COMMAND
      " collect reacher -n 1000000 -o set >log 2>&1 & pid=$!; "
      "for i in $(seq 200); do [ -s log ] && break; sleep 0.05; done; kill -INT $pid; wait $pid";
  cr_expect_eq(shell(line), 130);
  cr_expect_eq(shell("grep -q 'nothing is left' log && test \"$(ls)\" = log"), 0);
}

Test(cli_data, a_full_disk_is_told_in_one_sentence_and_leaves_nothing) {
  char line[1024]; /* in blocks of 1024 bytes; what coverage counts is elsewhere */
  for (int most = 0; most < 300; most = 3 * most + 1) {
    snprintf(line, sizeof line,
             "(ulimit -f %d; GCOV_PREFIX=/dev/null %s collect reacher -n 2000 -q -o set 2>&1) | grep -v gcov >log; "
             "test $(wc -l <log) = 1 && grep -q \"'set.*File too large\" log || { cat log; exit 1; }",
             most, ML3_COMMAND);
    cr_expect_eq(shell(line), 0, "with %d kB", most);
    cr_expect_eq(shell("rm log; test -z \"$(ls -A)\""), 0, "something is left");
  }
}

Test(cli_data, a_set_that_is_there_is_not_overwritten) {
  expect("collect pointmass -n 1 -q -o set", 0, "1 episodes");
  expect("collect pointmass -n 2 -q -o set", 1, "'set' exists already; choose another --output, or --force");
  expect("data set -q", 0, "episodes       1,");
  cr_expect_eq(shell("echo mine >set/note && mkdir other"), 0);
  expect("collect pointmass -n 2 -q -o set --force", 0, "2 episodes");
  expect("data set -q", 0, "episodes       2,");
  cr_expect_eq(shell("test \"$(ls; ls set/data)\" = \"$(printf 'other\nset\nmain_data.hdf5\nmetadata.json')\" && "
                     "grep -qx mine set/note"),
               0, "something is left, or gone");
  expect("collect pointmass -n 2 -q -o other --force", 2, "'other' exists already and is no data set");
}
