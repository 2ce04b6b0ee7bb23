/* What meta-training costs in steps of environment and model: a function of the settings and the number of outer steps, so that
   a run that was resumed, or spread over ranks, tells the same. */
#include "metaloss/trainer_internal.h"

/* Of theta_0 .. theta_K, after whole updates, how many have their loss taken; *last: does theta_K? */
static int count_judged(const ml3_meta_settings *s, int updates, bool *last) {
  int judged = 0;
  *last = s->weights != ML3_WEIGHTS_LIST || (s->weight_count > 0 && s->weight_list[s->weight_count - 1] > 0);
  if (s->weights == ML3_WEIGHTS_LAST) return 1;
  if (s->weights != ML3_WEIGHTS_LIST) return updates;
  for (int i = 0; i < s->weight_count && i < ML3_META_MAX_WEIGHTS; i++) judged += s->weight_list[i] > 0;
  return judged;
}

void ml3_trainer_count_steps(const ml3_problem *p, const ml3_trainer_settings *s, int64_t outer_steps,
                             double *environment, double *model) {
  const int updates = ml3_meta_updates(&s->meta);
  bool last;
  const int judged = count_judged(&s->meta, updates, &last);
  const bool evolution = s->gradient == ML3_GRADIENT_EVOLUTION;
  const double tasks = (double)outer_steps * s->tasks * (evolution ? 2 * s->evolution.pairs : 1);
  const double first =
      s->normalize != ML3_NORMALIZE_NONE && s->meta.loss.kind == ML3_LOSS_LEARNED ? ML3_TRAINER_FIRST_TASKS : 0;
  const double epochs = ml3_trainer_epochs(p, s->epochs); /* the environment is acted in once */
  /* With reuse the data of an update are those of the loss before it; after the last there are none. */
  const double losses = evolution && p->collect ? judged * p->steps.judge : (p->reuse ? last : judged) * p->steps.outer;
  *environment = p->steps.made + first * p->steps.inner + tasks * (updates * p->steps.inner + losses);
  *model = first * p->steps.model_inner +
           tasks * epochs * (s->meta.inner_steps * p->steps.model_inner + judged * p->steps.model_outer);
  if (!p->gather || s->gather_every <= 0 || outer_steps < 1) return;
  const int64_t rounds = (outer_steps - 1) / s->gather_every; /* before outer steps gather_every, 2 gather_every ... */
  const double updates_of_rounds = (double)rounds * s->gather_tasks;
  *environment += updates_of_rounds * (updates + 1) * p->steps.gather;
  *model += updates_of_rounds * s->meta.inner_steps * p->steps.model_inner;
}
