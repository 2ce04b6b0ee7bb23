/* What MuJoCo warns of, as the commands tell it. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

#include "envs/env.h"

#define MODEL(name) ML3_TEST_DATA "/data/mjcf/" name ".xml"

TestSuite(cli_simulation, .init = make_folder, .fini = drop_folder);

/* Up to MuJoCo 2 njmax says how much room there is for contacts, later memory. */
static const char *lost(void) {
  ml3_env *env = ml3_env_new(ml3_env_find(MODEL("lost"), NULL), NULL);
  const double none = 0;
  ml3_env_step(env, &none);
  const bool lost = ml3_env_step(env, &none).code == ML3_ENV_LOST_CONTACTS;
  ml3_env_free(env);
  return lost ? MODEL("lost") : MODEL("lost_memory");
}

static int ml3_with(const char *before, const char *model, const char *after) {
  char arguments[1024];
  snprintf(arguments, sizeof arguments, "%s %s %s", before, model, after);
  return ml3(arguments);
}

static int count(const char *words) {
  int n = 0;
  for (const char *at = output; (at = strstr(at, words)); at++) n++;
  return n;
}

Test(cli_simulation, collect_says_once_that_contacts_were_lost) {
  cr_assert_eq(ml3_with("collect", lost(), "--episodes 2 --quiet -o set"), 0, "%s", output);
  cr_expect_eq(count("warning: MuJoCo, "), 1, "%s", output);
  cr_expect(strstr(output, "Increase njmax above 10") || strstr(output, "above 10K bytes"), "%s", output);
  cr_expect(exists("set/data/main_data.hdf5"));
  cr_assert_eq(ml3("collect pointmass --episodes 1 --quiet -o good"), 0, "%s", output);
  cr_expect_eq(count("warning"), 0, "%s", output);
}

Test(cli_simulation, collect_says_what_mujoco_gave_up_at) {
  if (ml3_env_find(MODEL("delay"), NULL)) return; /* MuJoCo 4 knows no nstack */
  cr_expect_eq(ml3("collect " MODEL("little_stack") " --episodes 1 --quiet -o set"), 1);
  cr_expect_not_null(strstr(output, "Stack overflow: nstack is 3000, raise it"), "%s", output);
  cr_expect(!exists("set"));
}

Test(cli_simulation, training_says_once_that_contacts_were_lost_and_goes_on) {
  cr_assert_eq(ml3_with("train", lost(),
                        "-o ppo --quiet --set method=ppo --set policy.hidden=[4] --set learner.updates=3 --set "
                        "learner.envs=2 --set learner.steps=20 --set learner.minibatches=2"),
               0, "%s", output);
  cr_expect_eq(count("warning: MuJoCo, "), 1, "%s", output);
  char command[256];
  snprintf(command, sizeof command,
           "tr -d '\\n' <%s/ppo/summary.json | grep -q '\"warnings\": *{ *\"lost_constraints\": [1-9]'", folder);
  cr_expect_eq(system(command), 0);

  cr_assert_eq(ml3_with("train", lost(),
                        "-o free --set problem=model_free --set policy.hidden=[4] --set outer.steps=2 --set horizon=10 "
                        "--set outer.tasks=2 --set validation.tasks=2 --set loss.hidden=[4] --quiet"),
               0, "%s", output);
  cr_expect_eq(count("warning: MuJoCo, "), 1, "%s", output);
  snprintf(command, sizeof command,
           "tr -d '\\n' <%s/free/summary.json | grep -q '\"warnings\": *{ *\"lost_constraints\": [1-9]'", folder);
  cr_expect_eq(system(command), 0);
}

Test(cli_simulation, plan_says_in_mujocos_words_why_there_is_none) {
  if (ml3_env_find(MODEL("delay"), NULL)) {
    cr_expect_eq(ml3("plan " MODEL("delay") " --quiet --set horizon=3"), 1);
    cr_expect_not_null(strstr(output, "delays are not in the state"), "%s", output);
  } else {
    cr_expect_eq(ml3("plan " MODEL("stack") " --quiet --set horizon=3 --set threads=2"), 1);
    cr_expect_not_null(strstr(output, "the simulation says: Stack overflow: nstack is 16000, raise it"), "%s", output);
  }
}
