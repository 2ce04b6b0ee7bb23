/* Configurations in layers: whose keys are in force, what gives way to what, which layer gave a value (lab/config.h). */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lab/environments.h"
#include "lab/config_internal.h"
#include "lab/experiment.h"
#include "lab/learners.h"
#include "lab/policies.h"
#include "lab/presets.h"

static ml3_lab_config begin(const char *name, const char *const *settings, int count) {
  ml3_lab_config c;
  ml3_error error = {0};
  cr_assert_eq(ml3_lab_preset_begin(&c, name, settings, count, NULL, &error), ML3_OK, "%s", error.message);
  return c;
}

static void set(ml3_lab_config *c, const char *setting) {
  ml3_error error = {0};
  cr_assert_eq(ml3_lab_config_set(c, setting, &error), ML3_OK, "%s", error.message);
}

/* Does the configuration, as it is printed with help, have that line? */
static bool has(const ml3_lab_config *c, const char *line) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  ml3_lab_config_print(c, out, true);
  fclose(out);
  const bool found = strstr(text, line) != NULL;
  free(text);
  return found;
}

static void expect_refused(const char *setting, const char *name, const char *sentence) {
  ml3_lab_config c = begin(name, NULL, 0), before;
  memcpy(&before, &c, sizeof c);
  ml3_error error = {0};
  cr_expect_neq(ml3_lab_config_set(&c, setting, &error), ML3_OK, "%s", setting);
  cr_expect_not_null(strstr(error.message, sentence), "'%s' is not in: %s", sentence, error.message);
  cr_expect_eq(memcmp(&c, &before, sizeof c), 0, "%s changed something", setting);
}

Test(lab_config, has_room_for_the_options_of_all_owners) {
  ml3_lab_scope s;
  ml3_lab_slot slot;
  int keys = 0;
  ml3_lab_scope_of(NULL, &s);
  cr_assert_lt(s.count, ML3_LAB_OWNERS_MAX);
  for (int i = 0; i < s.count; i++) {
    keys += s.owners[i]->count;
    cr_expect_leq(s.place[i] + s.owners[i]->size, sizeof(ml3_lab_config), "owner %d has no room", i);
  }
  cr_expect_leq(keys, ML3_LAB_KEYS_MAX);
  for (int i = 0; ml3_lab_slot_at(&s, i, &slot); i++) cr_expect_leq(strlen(slot.key->name), ML3_KEY_NAME_MAX - 1);
}

/* What a table says must be a value of its key; what `when` names must be a key that is in force with it. */
Test(lab_config, tables_of_keys_are_sound) {
  const int methods = ML3_LAB_META_METHODS + 3;
  for (int p = 0; ml3_lab_problem_kind_at(p); p++)
    for (int m = 0; m < methods; m++) {
      ml3_lab_config c;
      ml3_lab_scope s;
      ml3_lab_slot slot, needed;
      ml3_lab_config_defaults(&c);
      snprintf(c.problem, sizeof c.problem, "%s", ml3_lab_problem_kind_at(p)->name);
      c.method = m;
      ml3_lab_scope_of(&c, &s);
      for (int i = 0; ml3_lab_slot_at(&s, i, &slot); i++) {
        char name[ML3_KEY_NAME_MAX];
        if (!slot.force) continue;
        cr_expect(ml3_lab_slot_find(&s, slot.key->name, &needed) && needed.number == i, "%s twice in problem %s",
                  slot.key->name, c.problem);
        ml3_error error = {0};
        cr_expect_eq(ml3_key_set(slot.key, ml3_lab_slot_edit(&c, &slot), slot.key->initial, "table", &error), ML3_OK,
                     "%s", error.message);
        for (const char *at = slot.key->when; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL) {
          snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "="), at);
          cr_expect(ml3_lab_slot_find(&s, name, &needed) && needed.force && needed.key->type == ML3_KEY_CHOICE,
                    "%s needs %s, which is no choice in force", slot.key->name, name);
        }
      }
    }
}

Test(lab_config, methods_are_the_choices_of_their_key) {
  ml3_lab_config c;
  ml3_lab_config_defaults(&c);
  for (int i = 0; ml3_lab_meta_method_at(i); i++) {
    char setting[64];
    snprintf(setting, sizeof setting, "method=%s", ml3_lab_meta_method_at(i)->name);
    set(&c, setting);
    cr_expect_eq(ml3_lab_meta_method_of(&c), ml3_lab_meta_method_at(i));
    cr_expect_str_eq(ml3_lab_method_name(&c), ml3_lab_meta_method_at(i)->name);
    cr_expect_null(ml3_lab_learner_kind(&c));
  }
  for (int i = 0; ml3_learner_at(i); i++) {
    char setting[64];
    snprintf(setting, sizeof setting, "method=%s", ml3_learner_at(i)->name);
    set(&c, setting);
    cr_expect_eq(ml3_lab_learner_kind(&c), ml3_learner_at(i));
    cr_expect_null(ml3_lab_meta_method_of(&c));
  }
}

Test(lab_config, shows_the_keys_in_force_alone) {
  const ml3_lab_config c = begin("model_free", NULL, 0);
  const char *const foreign[] = {"sine", "shaped_sine", "classes", "idx", "table", "model", "samples", "cost", "dynamics"};
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    char section[64];
    snprintf(section, sizeof section, "\n%s:\n", foreign[i]);
    cr_expect_not(has(&c, section), "%s", foreign[i]);
  }
  cr_expect(has(&c, "\npolicy:\n"));
  cr_expect(has(&c, "\nloss:\n"));
  cr_expect_not(has(&c, "target_weight: 1"));
  const char *const ppo[] = {"method=ppo"};
  const ml3_lab_config learner = begin("pointmass", ppo, 1);
  cr_expect(has(&learner, "\nlearner:\n"));
  cr_expect_not(has(&learner, "\nloss:\n"));
  cr_expect_not(has(&learner, "\nouter:\n"));
}

Test(lab_config, says_which_layer_gave_a_value) {
  const char *const settings[] = {"seed=7"};
  ml3_lab_config c = begin("pointmass_model_free", settings, 1);
  cr_expect(has(&c, "seed: 7  # [--set]"));
  cr_expect(has(&c, "threads: 0  # [default]"));
  cr_expect(has(&c, "problem: \"model_free\"  # [preset pointmass_model_free]"));
  cr_expect(has(&c, "tasks: 32  # [problem] number of "));
  const char *const ppo[] = {"method=ppo", "learner.updates=3"};
  c = begin("mountain_car", ppo, 2);
  cr_expect(has(&c, "updates: 3  # [--set]"));
  cr_expect(has(&c, "kind: gaussian  # [method]"));
  cr_expect(has(&c, "normalize_reward: true  # [environment]"));
  cr_expect(has(&c, "environment: \"mountain_car\"  # [environment mountain_car]"));
}

Test(lab_config, defaults_of_a_new_problem_replace_what_earlier_layers_gave) {
  ml3_lab_config c = begin("mountain_car", NULL, 0);
  set(&c, "validation.every=7");
  set(&c, "validation.patience=3");
  set(&c, "problem=model_free");
  cr_expect_eq(ML3_LAB_GET(&c, validation)->every, 25, "%d", (int)ML3_LAB_GET(&c, validation)->every);
  cr_expect_eq(ML3_LAB_GET(&c, validation)->patience, 3);
}

Test(lab_config, order_within_a_layer_does_not_matter) {
  const char *const one[] = {"validation.every=7", "extra.kind=energy", "problem=model_free"};
  const char *const other[] = {"problem=model_free", "extra.kind=energy", "validation.every=7"};
  const ml3_lab_config a = begin("mountain_car", one, 3), b = begin("mountain_car", other, 3);
  char *texts[] = {ml3_lab_config_text(&a), ml3_lab_config_text(&b)};
  cr_expect_str_eq(texts[0], texts[1]);
  cr_expect_eq(ML3_LAB_GET(&a, validation)->every, 7);
  cr_expect(ml3_lab_config_holds(&a, "extra.kind=energy"));
  free(texts[0]), free(texts[1]);
}

/* extra.kind of the one problem is another key than that of the other. */
Test(lab_config, a_key_of_the_same_name_in_another_table_has_its_own_choices) {
  expect_refused("extra.kind=advice", "pointmass_model_based", "expected one of none|exploration_goal|energy|demonstration");
  expect_refused("extra.kind=energy", "sine", "expected one of none|demonstration|physics");
  expect_refused("extra.kind=physics", "shaped_sine", "expected one of none|known_parameters");
  ml3_lab_config c = begin("pointmass_model_free", NULL, 0);
  set(&c, "extra.kind=energy");
  set(&c, "problem=model_based"); /* which has that too */
  cr_expect(ml3_lab_config_holds(&c, "extra.kind=energy"));
}

Test(lab_config, an_unknown_key_names_the_nearest_in_force_and_whose_it_is) {
  expect_refused("inner.rat=1", "pointmass_model_free", "did you mean 'inner.rate'?");
  expect_refused("sine.grid=true", "pointmass_model_free",
                 "sine.grid is a key of problem 'sine', and the problem is 'model_free'");
  expect_refused("classes.ways=3", "sine", "classes.ways is a key of problem 'digits' or 'idx'");
  expect_refused("policy.hiden=[4]", "sine", "did you mean 'policy.hidden'? But policy.hidden is a key of problem");
  expect_refused("learner.tau=0.1", "pointmass_model_free", "learner.tau is a key of method 'sac', and the method is 'learned_loss'");
  expect_refused("method=ppo", "digits", "learns in an environment, and problem 'digits' has none");
}

Test(lab_config, says_what_has_no_effect) {
  ml3_lab_config c = begin("pointmass_model_free", NULL, 0);
  char text[160];
  const char *const settings[] = {"method=maml", "extra.demonstrations=3", "inner.rate=0.5"};
  ml3_error error = {0};
  cr_assert_eq(ml3_lab_config_set_all(&c, settings, 3, &error), ML3_OK, "%s", error.message);
  char all[400] = "";
  for (int i = 0; ml3_lab_config_idle(&c, i, text, sizeof text); i++) strcat(strcat(all, text), "; ");
  cr_expect_not_null(strstr(all, "extra.demonstrations, which needs extra.kind=demonstration; "), "%s", all);
  cr_expect_null(strstr(all, "inner.rate"), "%s", all);
}

Test(lab_config, is_copied_as_a_value) {
  ml3_lab_config c = begin("pointmass_model_free", NULL, 0), copy = c;
  ML3_LAB_EDIT(&copy, inner)->rate = 0.125;
  cr_expect_neq(ML3_LAB_GET(&c, inner)->rate, 0.125);
  cr_expect_eq(ML3_LAB_GET(&copy, inner)->rate, 0.125);
}

Test(lab_config, every_key_has_a_home_in_the_help) {
  ml3_lab_key_texts k;
  char title[256];
  bool sine = false, ppo = false;
  for (int i = 0; ml3_lab_config_key(i, &k); i++) {
    ml3_lab_config_owner_title(k.owner, title, sizeof title);
    cr_expect_gt(strlen(title), 0, "%s", k.name);
    if (strcmp(k.name, "sine.grid") == 0) sine = strcmp(title, "problem sine") == 0;
    if (strcmp(k.name, "loss.hidden") == 0) ppo = strcmp(title, "method learned_loss") == 0;
  }
  cr_expect(sine);
  cr_expect(ppo);
}

/* By rollouts alone, and to learned targets. */
Test(lab_config, an_environment_without_a_preset_has_settings_of_its_own) {
  const char *settings = ml3_lab_environment_settings("reacher_goal");
  cr_assert_not_null(settings);
  cr_expect_not_null(strstr(settings, "loss.targets=[mean*]"), "%s", settings);
}
