/* A check as tables and as JSON: see task_check.h. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab/json.h"
#include "lab/task_check.h"

static void format(char cell[32], double x) {
  if (isfinite(x))
    snprintf(cell, 32, "%.4g", x == 0 ? 0 : x);
  else
    snprintf(cell, 32, isnan(x) ? "-" : x > 0 ? "inf" : "-inf");
}

static int add_row(ml3_lab_table *table, const char *name, const ml3_lab_task_quantity *q) {
  char start[32], least[32], mean[32], most[32];
  format(start, q->start), format(least, q->least), format(mean, q->mean), format(most, q->most);
  return ml3_lab_table_row(table, (const char *[]){name, start, least, mean, most});
}

static ml3_lab_table *new_table(const char *first) {
  return ml3_lab_table_new((const char *[]){first, "start", "min", "mean", "max"}, 5);
}

ml3_lab_table *ml3_lab_task_check_rewards(const ml3_lab_task_check *c) {
  ml3_lab_table *table = new_table("reward");
  int code = table ? ML3_OK : ML3_ERR_MEMORY;
  for (int i = 0; i < c->spec->term_count && code == ML3_OK; i++) code = add_row(table, c->terms[i].name, &c->terms[i]);
  if (code == ML3_OK) code = add_row(table, c->spec->term_count ? "all" : "reward", &c->reward);
  if (code == ML3_OK) return table;
  ml3_lab_table_free(table);
  return NULL;
}

/* The length of a name without the number behind its last underscore; 0: it has none. */
static size_t base_length(const char *name) {
  const char *last = strrchr(name, '_');
  if (!last || !last[1]) return 0;
  for (const char *s = last + 1; *s; s++)
    if (!isdigit((unsigned char)*s)) return 0;
  return (size_t)(last - name);
}

/* How many entries from i on are one quantity. */
static int count_together(const ml3_lab_task_check *c, int i) {
  const size_t n = base_length(c->observation[i].name);
  int count = 1;
  for (; n && i + count < c->spec->obs_dim; count++) {
    const char *next = c->observation[i + count].name;
    if (base_length(next) != n || strncmp(next, c->observation[i].name, n) != 0) break;
  }
  return count;
}

static ml3_lab_task_quantity together(const ml3_lab_task_quantity *q, int count) {
  ml3_lab_task_quantity all = *q;
  for (int i = 1; i < count; i++) {
    all.least = fmin(all.least, q[i].least), all.most = fmax(all.most, q[i].most);
    all.mean += q[i].mean, all.start += q[i].start;
  }
  all.mean /= count, all.start /= count;
  return all;
}

ml3_lab_table *ml3_lab_task_check_observations(const ml3_lab_task_check *c) {
  ml3_lab_table *table = new_table("observation");
  int code = table ? ML3_OK : ML3_ERR_MEMORY;
  for (int i = 0; i < c->spec->obs_dim && code == ML3_OK;) {
    const int count = count_together(c, i);
    const ml3_lab_task_quantity all = together(&c->observation[i], count);
    char name[160];
    if (count > 1)
      snprintf(name, sizeof name, "%.*s, %d numbers", (int)base_length(all.name), all.name, count);
    else
      snprintf(name, sizeof name, "%s%s%s", all.name, strcmp(all.unit, "1") ? ", " : "",
               strcmp(all.unit, "1") ? all.unit : "");
    code = add_row(table, name, &all);
    i += count;
  }
  if (code == ML3_OK) return table;
  ml3_lab_table_free(table);
  return NULL;
}

ml3_lab_table *ml3_lab_task_check_ends(const ml3_lab_task_check *c) {
  ml3_lab_table *table = ml3_lab_table_new((const char *[]){"episodes ended by", "episodes"}, 2);
  int code = table ? ML3_OK : ML3_ERR_MEMORY;
  for (int i = 0; i < c->end_count && code == ML3_OK; i++) {
    char count[16];
    if (i >= c->spec->limit_count && !c->ends[i].count) continue; /* a condition that always held is worth knowing */
    snprintf(count, sizeof count, "%d", c->ends[i].count);
    code = ml3_lab_table_row(table, (const char *[]){c->ends[i].name, count});
  }
  if (code == ML3_OK) return table;
  ml3_lab_table_free(table);
  return NULL;
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------- */

static json_t *as_json(const ml3_lab_task_quantity *q) {
  json_t *json = json_pack("{s:s, s:s}", "name", q->name, "unit", q->unit);
  ml3_lab_json_add(json, "start", q->start);
  ml3_lab_json_add(json, "min", q->least);
  ml3_lab_json_add(json, "mean", q->mean);
  ml3_lab_json_add(json, "max", q->most);
  return json;
}

static json_t *list_of(const ml3_lab_task_quantity *q, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) json_array_append_new(list, as_json(&q[i]));
  return list;
}

json_t *ml3_lab_task_check_json(const ml3_lab_task_check *c) {
  char text[320];
  json_t *ends = json_object(), *warnings = json_object();
  for (int i = 0; i < c->end_count; i++) json_object_set_new(ends, c->ends[i].name, json_integer(c->ends[i].count));
  for (int k = 0; k < ML3_WARN_KINDS; k++)
    if (c->warnings.counts[k])
      json_object_set_new(warnings, ml3_env_warning_name((ml3_env_warning)k),
                          json_string(ml3_env_warning_tell(&c->warnings, (ml3_env_warning)k, text, sizeof text)));
  json_t *json =
      json_pack("{s:s, s:i, s:I, s:i, s:i}", "environment", c->spec->name, "steps", c->settings.steps, "seed",
                (json_int_t)c->settings.seed, "episodes", c->episodes, "actions", c->spec->action_dim);
  ml3_lab_json_add(json, "dt_s", c->spec->dt_s);
  ml3_lab_json_add(json, "return", c->return_);
  ml3_lab_json_add(json, "length", c->length);
  ml3_lab_json_add(json, "steps_per_second", c->steps_per_second);
  json_object_set_new(json, "reward", as_json(&c->reward));
  json_object_set_new(json, "terms", list_of(c->terms, c->spec->term_count));
  json_object_set_new(json, "observation", list_of(c->observation, c->spec->obs_dim));
  json_object_set_new(json, "ends", ends);
  json_object_set_new(json, "warnings", warnings);
  return json;
}
