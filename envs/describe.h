/* What an environment is, as text: for other languages and for data sets. */
#ifndef ML3_ENVS_DESCRIBE_H
#define ML3_ENVS_DESCRIBE_H

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The spec as one JSON object:

     {"name": "reacher", "summary": "...", "dt_s": 0.02, "horizon": 50, "choices": 0, "scene": true,
      "state": [{"name": "shoulder_angle", "unit": "rad", "low": null, "high": null}, ...],
      "obs": [...], "action": [...], "goal": [...],
      "task": [{"name": "goal_angle", "unit": "rad", "value": 0.785, "low": -3.14, "high": 3.14}, ...]}

   A bound that is not there is null. The caller frees the text with free(); NULL when there is no memory. */
char *ml3_env_describe(const ml3_env_spec *spec);

/* The environment's name in Gymnasium's registry, as python/ registers it: "mountain_car" is "ml3/MountainCar-v0".
   Returns the length as snprintf does. */
int ml3_env_gymnasium_id(const ml3_env_spec *spec, char *id, int size);

#ifdef __cplusplus
}
#endif

#endif
