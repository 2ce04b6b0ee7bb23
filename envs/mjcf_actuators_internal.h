/* Actuators and their controls. Up to MuJoCo 3 they are the same thing; in MuJoCo 4 an actuator has any number of controls,
   none as well, and of force outputs. Internal. */
#ifndef ML3_ENVS_MJCF_ACTUATORS_INTERNAL_H
#define ML3_ENVS_MJCF_ACTUATORS_INTERNAL_H

#include <mujoco/mujoco.h>

#if mjVERSION_HEADER >= 4000000
static inline int ml3_actuators(const mjModel *m) {
  return (int)m->nactuator;
}
/* How many, and the first of them: an index into ctrl. */
static inline int ml3_controls(const mjModel *m, int actuator, int *first) {
  *first = m->actuator_ctrladr[actuator];
  return m->actuator_ctrlnum[actuator];
}
/* The first one: a row of actuator_gear. */
static inline int ml3_force_output(const mjModel *m, int actuator) {
  return m->actuator_outadr[actuator];
}
#else
static inline int ml3_actuators(const mjModel *m) {
  return m->nu;
}
static inline int ml3_controls(const mjModel *m, int actuator, int *first) {
  (void)m;
  *first = actuator;
  return 1;
}
static inline int ml3_force_output(const mjModel *m, int actuator) {
  (void)m;
  return actuator;
}
#endif

#endif
