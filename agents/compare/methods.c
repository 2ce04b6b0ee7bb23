/* The table of methods to compare, one line each. */
#include <string.h>

#include "agents/compare/method.h"

extern const ml3_method ml3_method_untrained, ml3_method_random, ml3_method_learned_loss, ml3_method_learned_loss_world,
    ml3_method_untrained_loss, ml3_method_argmin, ml3_method_ppo_all, ml3_method_expert, ml3_method_task_gradient,
    ml3_method_task_gradient_momentum, ml3_method_natural, ml3_method_surrogate, ml3_method_drift, ml3_method_ilqr,
    ml3_method_ilqr_feedback, ml3_method_ilqr_random, ml3_method_ilqr_restarts, ml3_method_ilqr_mpc,
    ml3_method_ilqr_learned, ml3_method_ilqr_learned_random, ml3_method_ilqr_learned_restarts,
    ml3_method_ilqr_learned_mpc, ml3_method_ilqr_true;

#define DECLARE(name) extern const ml3_method ml3_method_##name;
#define ADDRESS(name) &ml3_method_##name,
ML3_LEARNERS_THAT_COLLECT(DECLARE)

static const ml3_method *const methods[] = {
    &ml3_method_untrained,
    &ml3_method_random,
    &ml3_method_learned_loss,
    &ml3_method_learned_loss_world,
    &ml3_method_untrained_loss,
    &ml3_method_argmin,
    &ml3_method_ppo_all,
    &ml3_method_expert,
    &ml3_method_task_gradient,
    &ml3_method_task_gradient_momentum,
    &ml3_method_natural,
    &ml3_method_surrogate,
    &ml3_method_drift,
    ML3_LEARNERS_THAT_COLLECT(ADDRESS) & ml3_method_ilqr,
    &ml3_method_ilqr_feedback,
    &ml3_method_ilqr_random,
    &ml3_method_ilqr_restarts,
    &ml3_method_ilqr_mpc,
    &ml3_method_ilqr_learned,
    &ml3_method_ilqr_learned_random,
    &ml3_method_ilqr_learned_restarts,
    &ml3_method_ilqr_learned_mpc,
    &ml3_method_ilqr_true,
};

enum { COUNT = sizeof methods / sizeof *methods };

const char *ml3_method_label(const ml3_method *m) {
  return m->learner ? m->learner->label : m->label;
}

const char *ml3_method_summary(const ml3_method *m) {
  return m->learner ? m->learner->summary : m->summary;
}

int ml3_method_count(void) {
  return COUNT;
}

const ml3_method *ml3_method_at(int index) {
  return index >= 0 && index < COUNT ? methods[index] : NULL;
}

const ml3_method *ml3_method_find(const char *name, ml3_error *error) {
  const char *names[COUNT];
  for (int i = 0; i < COUNT; i++) {
    if (strcmp(name, methods[i]->name) == 0) return methods[i];
    names[i] = methods[i]->name;
  }
  const char *nearest = ml3_error_nearest(name, names, COUNT);
  ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown method '%s'%s%s%s; `ml3 compare --help` names them", name,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  return NULL;
}
