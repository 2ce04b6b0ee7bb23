/* What MuJoCo warned of: counted by instance, and over all instances of a spec that has a tally. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "envs/env.h"

static pthread_mutex_t tally_lock = PTHREAD_MUTEX_INITIALIZER; /* of every spec's tally: warnings are rare */

const char *ml3_env_warning_name(ml3_env_warning kind) {
  static const char *const names[ML3_WARN_KINDS] = {[ML3_WARN_INERTIA] = "singular_inertia",
                                                    [ML3_WARN_CONTACTS] = "lost_contacts",
                                                    [ML3_WARN_CONSTRAINTS] = "lost_constraints",
                                                    [ML3_WARN_CONTROL] = "bad_controls",
                                                    [ML3_WARN_DIVERGED] = "diverged",
                                                    [ML3_WARN_ERROR] = "errors",
                                                    [ML3_WARN_OTHER] = "other_warnings"};
  return kind >= 0 && kind < ML3_WARN_KINDS ? names[kind] : "";
}

/* What it means for a result, and what is to be done; what to raise is in MuJoCo's own words. */
static const char *const meanings[ML3_WARN_KINDS] = {
    [ML3_WARN_INERTIA] = "accelerations may be wrong: give bodies more mass, or joints an armature",
    [ML3_WARN_CONTACTS] =
        "contacts were left out, and bodies may pass through each other: give the model more room in "
        "the <size> of its MJCF",
    [ML3_WARN_CONSTRAINTS] =
        "contacts or limits were left out, and bodies may pass through each other: give the model "
        "more room in the <size> of its MJCF",
    [ML3_WARN_CONTROL] = "all controls were 0 in that step",
    [ML3_WARN_DIVERGED] = "those episodes ended there; a smaller timestep, or more damping, may help",
    [ML3_WARN_ERROR] = "nothing came of those steps or derivatives",
    [ML3_WARN_OTHER] = "see there",
};

const char *ml3_env_warning_tell(const ml3_env_warnings *w, ml3_env_warning kind, char *text, size_t size) {
  if (!size) return text;
  *text = '\0';
  if (kind < 0 || kind >= ML3_WARN_KINDS || w->counts[kind] == 0) return text;
  snprintf(text, size, "MuJoCo, %lld time%s (%s): %s%s%s", w->counts[kind], w->counts[kind] == 1 ? "" : "s",
           ml3_env_warning_name(kind), w->texts[kind], *w->texts[kind] ? "; " : "", meanings[kind]);
  return text;
}

/* MuJoCo's sentences end with a full stop; here more follows. */
static void keep(char *to, size_t size, const char *text) {
  snprintf(to, size, "%s", text);
  const size_t length = strlen(to);
  if (length && to[length - 1] == '.') to[length - 1] = '\0';
}

static void add(ml3_env_warnings *sum, ml3_env_warning kind, long long count, const char *text) {
  if (sum->counts[kind] == 0) keep(sum->texts[kind], sizeof sum->texts[kind], text);
  sum->counts[kind] += count;
}

static bool is_failure(ml3_env_warning kind) {
  return kind == ML3_WARN_DIVERGED || kind == ML3_WARN_ERROR;
}

void ml3_env_warnings_add(ml3_env_warnings *sum, const ml3_env_warnings *more) {
  for (int k = 0; k < ML3_WARN_KINDS; k++)
    if (more->counts[k]) add(sum, (ml3_env_warning)k, more->counts[k], more->texts[k]);
  if (*more->failure) memcpy(sum->failure, more->failure, sizeof sum->failure);
}

ml3_env_warnings ml3_env_tally(const ml3_env_spec *spec) {
  ml3_env_warnings now = {0};
  if (!spec || !spec->tally) return now;
  pthread_mutex_lock(&tally_lock);
  now = *spec->tally;
  pthread_mutex_unlock(&tally_lock);
  return now;
}

void ml3_env_warn(ml3_env *env, ml3_env_warning kind, int count, const char *text) {
  add(&env->warnings, kind, count, text);
  if (is_failure(kind)) keep(env->warnings.failure, sizeof env->warnings.failure, text);
  if (!env->spec->tally) return;
  pthread_mutex_lock(&tally_lock);
  add(env->spec->tally, kind, count, text);
  if (is_failure(kind)) keep(env->spec->tally->failure, sizeof env->spec->tally->failure, text);
  pthread_mutex_unlock(&tally_lock);
}
