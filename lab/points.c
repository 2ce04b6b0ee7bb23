/* Grids and random points: see points.h. */
#include "lab/points.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* ---- axes --------------------------------------------------------------------------------------------------------- */

/* Where a value ends: at a comma outside brackets, or at the end. */
static size_t value_length(const char *text) {
  int depth = 0;
  size_t n = 0;
  for (; text[n] && !(text[n] == ',' && depth == 0); n++) depth += (text[n] == '[') - (text[n] == ']');
  return n;
}

static int read_values(ml3_lab_axis *axis, const char *values, const char *text, const char *where, ml3_error *error) {
  for (const char *at = values;; at++) {
    const size_t n = value_length(at);
    if (axis->count == ML3_LAB_AXIS_VALUES_MAX || n == 0 || n >= sizeof *axis->values)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s %.200s: expected 1 to %d values of at most %zu characters",
                           where, text, ML3_LAB_AXIS_VALUES_MAX, sizeof *axis->values - 1);
    snprintf(axis->values[axis->count++], sizeof *axis->values, "%.*s", (int)n, at);
    at += n;
    if (!*at) return ML3_OK;
  }
}

/* "1e-4..1e-2" */
static int read_range(ml3_lab_axis *axis, const char *range, const char *text, const char *where, ml3_error *error) {
  const char *dots = strstr(range, "..");
  char first[64], *end_low = first, *end_high = NULL;
  snprintf(first, sizeof first, "%.*s", dots ? (int)(dots - range) : 0, range);
  axis->low = strtod(first, &end_low);
  axis->high = dots ? strtod(dots + 2, &end_high) : 0;
  const bool numbers = dots && end_low != first && !*end_low && end_high != dots + 2 && !*end_high;
  if (!numbers || !isfinite(axis->low) || !isfinite(axis->high) || axis->low >= axis->high)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%s %.200s: expected a range LOW..HIGH with LOW below HIGH, such as log:1e-4..1e-2", where,
                         text);
  if (axis->kind == ML3_LAB_AXIS_LOG && axis->low <= 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s %.200s: a logarithmic range begins above 0", where, text);
  if (axis->kind == ML3_LAB_AXIS_INTEGER &&
      (axis->low != floor(axis->low) || axis->high != floor(axis->high) || axis->high - axis->low > 1e9))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s %.200s: integer: takes whole numbers", where, text);
  return ML3_OK;
}

static int read_axis(ml3_lab_axis *axis, const char *text, bool ranges, const char *where, ml3_error *error) {
  static const char *const kinds[] = {
      [ML3_LAB_AXIS_LINEAR] = "linear:", [ML3_LAB_AXIS_LOG] = "log:", [ML3_LAB_AXIS_INTEGER] = "integer:"};
  const char *equals = strchr(text, '=');
  if (!equals || equals == text || (size_t)(equals - text) >= sizeof axis->key || !equals[1])
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s %.200s: expected key=value,value%s", where, text,
                         ranges ? " or key=log:LOW..HIGH" : "");
  snprintf(axis->key, sizeof axis->key, "%.*s", (int)(equals - text), text);
  for (ml3_lab_axis_kind kind = ML3_LAB_AXIS_LINEAR; kind <= ML3_LAB_AXIS_INTEGER; kind++) {
    const size_t n = strlen(kinds[kind]);
    if (strncmp(equals + 1, kinds[kind], n) != 0) continue;
    if (!ranges)
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "%s %.200s: a range has no end of combinations; draw from it with --search N --over %.200s",
                           where, text, text);
    axis->kind = kind;
    return read_range(axis, equals + 1 + n, text, where, error);
  }
  return read_values(axis, equals + 1, text, where, error);
}

static int read_axes(ml3_lab_points *p, const char *const *texts, ml3_error *error) {
  for (; *texts; texts++) {
    if (p->axis_count == ML3_LAB_AXES_MAX)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "more than %d %s options", ML3_LAB_AXES_MAX, p->where);
    ml3_lab_axis *axis = &p->axes[p->axis_count++];
    const int code = read_axis(axis, *texts, p->drawn, p->where, error);
    if (code != ML3_OK) return code;
    if (strcmp(axis->key, "seed") == 0)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s seed: several seeds are what --seeds is for", p->where);
    for (int i = 0; i + 1 < p->axis_count; i++)
      if (strcmp(p->axes[i].key, axis->key) == 0)
        return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s %s: given twice", p->where, axis->key);
  }
  return ML3_OK;
}

int ml3_lab_points_grid(ml3_lab_points *p, const char *const *texts, const char *where, ml3_error *error) {
  *p = (ml3_lab_points){.count = 1, .where = where};
  const int code = read_axes(p, texts, error);
  if (code != ML3_OK) return code;
  for (int a = 0; a < p->axis_count; a++) {
    p->count *= p->axes[a].count;
    if (p->count > ML3_LAB_POINTS_MAX)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "the sweep has more than %d combinations", ML3_LAB_POINTS_MAX);
  }
  return ML3_OK;
}

int ml3_lab_points_draw(ml3_lab_points *p, const char *const *texts, int count, uint64_t seed, const char *where,
                        ml3_error *error) {
  *p = (ml3_lab_points){.count = count, .where = where, .drawn = true, .seed = seed};
  if (count < 1 || count > ML3_LAB_POINTS_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a search of %d points; 1 to %d are possible", count,
                         ML3_LAB_POINTS_MAX);
  return read_axes(p, texts, error);
}

/* ---- points ------------------------------------------------------------------------------------------------------- */

/* Which entry of each list point i of a grid has. */
static int index_of(const ml3_lab_points *p, int i, int axis) {
  for (int a = p->axis_count - 1; a > axis; a--) i /= p->axes[a].count;
  return i % p->axes[axis].count;
}

/* Three digits say enough of where in a range a point is, and can be typed. */
static void draw_value(const ml3_lab_axis *a, ml3_random *random, char *value) {
  switch (a->kind) {
    case ML3_LAB_AXIS_VALUES:
      snprintf(value, 64, "%s", a->values[ml3_random_below(random, (uint32_t)a->count)]);
      break;
    case ML3_LAB_AXIS_LINEAR:
      snprintf(value, 64, "%.3g", ml3_random_uniform(random, a->low, a->high));
      break;
    case ML3_LAB_AXIS_LOG:
      snprintf(value, 64, "%.3g", exp(ml3_random_uniform(random, log(a->low), log(a->high))));
      break;
    case ML3_LAB_AXIS_INTEGER:
      snprintf(value, 64, "%.0f", a->low + ml3_random_below(random, (uint32_t)(a->high - a->low) + 1));
      break;
  }
}

void ml3_lab_points_value(const ml3_lab_points *p, int i, int axis, char *value) {
  const ml3_lab_axis *a = &p->axes[axis];
  if (p->drawn) {
    ml3_random random = ml3_random_stream(p->seed, ML3_PURPOSE_SEARCH, (uint32_t)i, (uint32_t)axis);
    draw_value(a, &random, value);
  } else {
    snprintf(value, 64, "%s", a->values[index_of(p, i, axis)]);
  }
}

/* What ml3_lab_config_set says of --set, said of this. */
static void say_where(const ml3_lab_points *p, ml3_error *error) {
  if (error && strncmp(error->message, "--set", 5) == 0) {
    const ml3_error said = *error;
    ml3_error_set(error, said.code, "%s%.600s", p->where, said.message + 5);
  }
}

int ml3_lab_points_apply(const ml3_lab_points *p, int i, ml3_lab_config *config, char *name, ml3_error *error) {
  char texts[ML3_LAB_AXES_MAX][160], value[64];
  const char *assignments[ML3_LAB_AXES_MAX];
  size_t used = 0;
  for (int a = 0; a < p->axis_count; a++) {
    ml3_lab_points_value(p, i, a, value);
    snprintf(texts[a], sizeof *texts, "%s=%s", p->axes[a].key, value);
    assignments[a] = texts[a];
    if (name && used < ML3_LAB_POINT_NAME)
      used += (size_t)snprintf(name + used, ML3_LAB_POINT_NAME - used, "%s%s", a ? "," : "", texts[a]);
  }
  if (name && p->drawn) snprintf(name, ML3_LAB_POINT_NAME, "point-%03d", i);
  for (char *c = name; c && *c; c++)
    if (*c == '/') *c = '_';
  const int code = ml3_lab_config_set_all(config, assignments, p->axis_count, error);
  if (code != ML3_OK) say_where(p, error);
  return code;
}
