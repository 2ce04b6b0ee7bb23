#include "recipe.h"

#include <math.h>
#include <string.h>

typedef struct source {
  const uint8_t *at, *end;
} source;

static unsigned take(source *s) {
  return s->at < s->end ? *s->at++ : 0;
}

/* Short, or longer than any reader takes: what is between takes gigabytes and says nothing new. */
static unsigned long long length(source *s, bool shifted) {
  const unsigned digits = take(s) % 16, shift = shifted ? take(s) % 16 : 0;
  return (unsigned long long)digits << 4 * (shift < 3 ? shift : shift + 3) % 64;
}

/* An array [rows] or, with cols, [rows][cols], unless the bytes want another one. */
static recipe_item array(source *s, const char *name, bool truth, unsigned rows, unsigned cols) {
  const unsigned what = take(s);
  recipe_item a = {name, RECIPE_ARRAY, RECIPE_SOUND, truth, false, cols ? 2 : 1, {rows, cols, 1, 1}, 0, 0};
  if (what == 1 || what == 2) {
    a.kind = what == 1 ? RECIPE_MISSING : RECIPE_GROUP;
    return a;
  }
  if (what >= 3 && what < 16) a.type = (recipe_type)(take(s) % 8);
  if (what >= 8 && what < 32) {
    a.rank = (int)(take(s) % 5);
    for (int i = 0; i < a.rank; i++) a.dims[i] = length(s, what % 2);
  }
  a.chunked = what >= 32 || what % 2;
  const long long count = recipe_count(&a);
  if (count > 0 && count <= RECIPE_VALUES_MAX) a.how = take(s), a.where = take(s);
  return a;
}

static recipe_item attribute(source *s, const char *name) {
  const unsigned what = take(s);
  recipe_item a = {.name = name, .kind = what ? RECIPE_ARRAY : RECIPE_MISSING};
  if (!what) return a;
  a.how = take(s), a.where = take(s);
  a.type = (recipe_type)(what % 8);
  a.rank = what >= 16;
  a.dims[0] = what % 4;
  return a;
}

void recipe_read(recipe *r, const uint8_t *bytes, size_t size, const ml3_env_spec *spec) {
  source s = {bytes, bytes + size};
  const unsigned steps = 1 + take(&s) % 4, infos = take(&s);
  recipe_item *a = r->arrays;
  r->infos = infos != 1;
  *a++ = array(&s, "rewards", false, steps, 0);
  *a++ = array(&s, "observations", false, steps + 1, (unsigned)spec->obs_dim);
  *a++ = array(&s, "actions", false, steps, (unsigned)spec->action_dim);
  *a++ = array(&s, "terminations", true, steps, 0);
  *a++ = array(&s, "truncations", true, steps, 0);
  a[0] = a[1] = (recipe_item){.name = "infos/task", .kind = RECIPE_MISSING};
  if (!r->infos) {
    *a++ = array(&s, "infos", false, steps, 0);
  } else {
    *a++ = array(&s, "infos/state", false, steps + 1, (unsigned)spec->state_dim);
    if (infos % 2 == 0) *a = array(&s, "infos/task", false, steps + 1, (unsigned)spec->task_dim);
  }
  r->attributes[0] = attribute(&s, "options/task/mass");
  r->attributes[1] = attribute(&s, "ml3/final_distance");
  r->attributes[2] = attribute(&s, "ml3/success_step");
}

long long recipe_count(const recipe_item *item) {
  unsigned long long count = 1;
  for (int i = 0; i < item->rank; i++) {
    if (item->dims[i] && count > (1ULL << 62) / item->dims[i]) return -1;
    count *= item->dims[i];
  }
  return (long long)count;
}

void recipe_values(const recipe_item *item, double *values) {
  static const double odd[8] = {-0.5, NAN, INFINITY, -INFINITY, 1e308, 5e-324, 0, 1e17};
  const long long count = recipe_count(item);
  for (long long i = 0; i < count; i++) values[i] = -0.5;
  if (count > 0) values[item->where % (unsigned)count] = odd[item->how % 8];
}

void recipe_truths(const recipe_item *item, signed char *values) {
  const long long count = recipe_count(item);
  memset(values, 0, (size_t)count);
  if (item->how) values[item->where % (unsigned)count] = (signed char)item->how;
}
