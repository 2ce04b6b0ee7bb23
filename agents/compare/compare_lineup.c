/* Who takes part in a comparison: whether they can, and what they prepare before all tasks. See compare.h. */
#include <stdio.h>
#include <string.h>

#include "agents/compare/compare_internal.h"

/* ---- whether they can -------------------------------------------------------------------------------------------- */

static int check(const ml3_arena *arena, ml3_error *error) {
  const ml3_compare_settings *s = &arena->settings;
  if (s->tasks < 1) return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.tasks is %d; at least 1 is needed", s->tasks);
  if (s->step_count < 1 || s->step_count > ML3_COMPARE_MAX_STEPS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.steps has %d entries; 1 to %d are possible", s->step_count,
                         ML3_COMPARE_MAX_STEPS);
  for (int i = 0; i < s->step_count; i++)
    if (s->steps[i] < 1 || (i && s->steps[i] <= s->steps[i - 1]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.steps must be positive and rising; entry %d is %d", i + 1,
                           s->steps[i]);
  if (arena->loss_count > ML3_COMPARE_MAX_LOSSES)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%d losses to compare; at most %d are possible", arena->loss_count,
                         ML3_COMPARE_MAX_LOSSES);
  for (int l = 0; l < arena->loss_count; l++) {
    const ml3_env_spec *own = arena->losses[l].play.env;
    if (own && (strcmp(own->name, arena->env->name) != 0 || own->task_dim != arena->env->task_dim))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s is for '%s', which cannot be compared with others in '%s'",
                           arena->losses[l].label, own->name, arena->env->name);
    if (ml3_meta_fits(arena->losses[l].meta ? arena->losses[l].meta : arena->meta, arena->losses[l].loss, error) !=
        ML3_OK)
      return ml3_error_prefix(error, "%s", arena->losses[l].label);
  }
  for (int i = 0; i < s->error_count; i++)
    if (ml3_env_task_index(arena->env, s->errors[i].parameter) < 0)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s' has no parameter '%s' to be wrong in",
                           arena->env->name, s->errors[i].parameter);
  return ML3_OK;
}

static int check_needs(const ml3_arena *arena, const ml3_method *m, ml3_error *error) {
  const bool has_loss = arena->loss_count > 0, has_problem = arena->play.problem != NULL;
  if (!(m->needs & ML3_NEEDS_LOSS && !has_loss) && !(m->needs & ML3_NEEDS_PROBLEM && !has_problem)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "method '%s' needs a run, with its problem and its learned loss",
                       m->name);
}

int ml3_compare_check(const ml3_arena *arena, const char *const *methods, int method_count, ml3_error *error) {
  int code = check(arena, error);
  for (int i = 0; i < method_count && code == ML3_OK; i++) {
    const ml3_method *m = ml3_method_find(methods[i], error);
    code = m ? check_needs(arena, m, error) : ML3_ERR_ARGUMENT;
  }
  return code;
}

/* ---- what they prepare ------------------------------------------------------------------------------------------- */

void ml3_compare_release(lineup *l) {
  for (int i = 0; i < l->count; i++)
    if (l->entries[i].method->release && l->entries[i].shared && !l->entries[i].borrowed)
      l->entries[i].method->release(l->entries[i].shared);
}

/* An entry before whose preparation serves this method too, or NULL. */
static const entry *find_prepared(const lineup *l, const ml3_method *method, const ml3_compare_loss *loss) {
  for (int i = 0; i < l->count && method->shares; i++) {
    const entry *e = &l->entries[i];
    if (e->method->shares && strcmp(e->method->shares, method->shares) == 0 && e->loss == loss) return e;
  }
  return NULL;
}

static int prepare(lineup *l, const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss,
                   ml3_error *error) {
  if (l->count == ML3_COMPARE_MAX_ENTRIES)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "more than %d methods to compare", ML3_COMPARE_MAX_ENTRIES);
  entry *e = &l->entries[l->count];
  char note[256] = "";
  *e = (entry){.method = method, .loss = loss, .play = loss && loss->play.problem ? &loss->play : &arena->play};
  const char *label = ml3_method_label(method), *gap = strstr(label, "%s");
  if (gap && loss)
    snprintf(e->label, sizeof e->label, "%.*s%.30s%.30s", (int)(gap - label), label, loss->label, gap + 2);
  else
    snprintf(e->label, sizeof e->label, "%s", label);
  if (method->needs & ML3_NEEDS_LOSS) e->once_steps = loss->meta_steps;
  const entry *before = find_prepared(l, method, loss);
  if (before) {
    e->shared = before->shared;
    e->borrowed = true;
    e->once_steps = before->once_steps;
  } else if (method->prepare) {
    double steps = 0;
    const int code = method->prepare(method, arena, loss, &e->shared, &steps, note, sizeof note, error);
    if (code != ML3_OK) return ml3_error_prefix(error, "%s", e->label);
    e->once_steps += steps;
  }
  const size_t used = strlen(l->notes);
  if (note[0]) snprintf(l->notes + used, sizeof l->notes - used, "%s%s", used ? "; " : "", note);
  l->count++;
  return ML3_OK;
}

int ml3_compare_line_up(lineup *l, const ml3_arena *arena, const char *const *methods, int count, ml3_error *error) {
  *l = (lineup){0};
  int code = ML3_OK;
  for (int i = 0; i < count && code == ML3_OK; i++) {
    const ml3_method *m = ml3_method_find(methods[i], error);
    if (!(m->needs & ML3_NEEDS_LOSS)) code = prepare(l, m, arena, NULL, error);
    for (int j = 0; m->needs & ML3_NEEDS_LOSS && j < arena->loss_count && code == ML3_OK; j++)
      code = prepare(l, m, arena, &arena->losses[j], error);
  }
  return code;
}
