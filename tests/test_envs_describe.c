/* Environments as text. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "envs/describe.h"

static void expect_fields(const json_t *root, const char *key, const ml3_env_field *fields, int count) {
  const json_t *list = json_object_get(root, key);
  cr_assert_eq((int)json_array_size(list), count, "%s", key);
  for (int i = 0; i < count; i++) {
    const json_t *field = json_array_get(list, (size_t)i), *low = json_object_get(field, "low");
    cr_expect_str_eq(json_string_value(json_object_get(field, "name")), fields[i].name);
    cr_expect_str_eq(json_string_value(json_object_get(field, "unit")), fields[i].unit);
    if (isfinite(fields[i].low))
      cr_expect_eq(json_real_value(low), fields[i].low);
    else
      cr_expect(json_is_null(low), "%s is unbounded", fields[i].name);
  }
}

Test(describe, says_all_of_every_environment) {
  for (int i = 0; i < ml3_env_count(); i++) {
    const ml3_env_spec *spec = ml3_env_at(i);
    char *text = ml3_env_describe(spec);
    json_t *root = json_loads(text, 0, NULL);
    cr_assert_not_null(root, "%s: %s", spec->name, text);
    cr_expect_str_eq(json_string_value(json_object_get(root, "name")), spec->name);
    cr_expect_eq(json_real_value(json_object_get(root, "dt_s")), spec->dt_s);
    cr_expect_eq((int)json_integer_value(json_object_get(root, "horizon")), spec->horizon);
    expect_fields(root, "state", spec->state, spec->state_dim);
    expect_fields(root, "obs", spec->obs, spec->obs_dim);
    expect_fields(root, "action", spec->action, spec->action_dim);
    expect_fields(root, "goal", spec->goal, spec->goal_dim);
    cr_expect_eq((int)json_array_size(json_object_get(root, "task")), spec->task_dim);
    json_decref(root);
    free(text);
  }
}

Test(describe, names_environments_as_gymnasium_does) {
  char id[64];
  ml3_env_gymnasium_id(ml3_env_find("mountain_car", NULL), id, sizeof id);
  cr_expect_str_eq(id, "ml3/MountainCar-v0");
  ml3_env_gymnasium_id(ml3_env_find("reacher", NULL), id, sizeof id);
  cr_expect_str_eq(id, "ml3/Reacher-v0");
}
