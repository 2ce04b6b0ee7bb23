/* What an environment makes of its state, as graphs and as numbers: the observation, and what is held against the goal.
   Rollouts through models need it, as those know states alone.

     usual    the observation is the state, with entries of the goal behind it where there is room for them; the goal is a
              state, and says where to be as far as its entries are no velocities
     pendulum the same, but its angle says where it is by cosine and sine: a turn further it is there again
     reacher_joints  the arm's angles, velocities and goal angles; the angles are held against the goal's
     reacher  cosines, sines, target, velocities, fingertip - target; the fingertip is held against the target

   Adding an environment of another kind: its functions and a line in geometry.c. */
#ifndef ML3_AGENTS_GEOMETRY_H
#define ML3_AGENTS_GEOMETRY_H

#include "envs/env.h"
#include "nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_geometry ml3_geometry;
/* How observations and distances come from a state, as graphs. */
struct ml3_geometry {
  const ml3_env_spec *env;
  bool goal_seen;           /* the observation tells the goal */
  int place_dim, *place;    /* entries of the outcome, and of the goal, that say where it is */
  bool on_circle;           /* place_dim is 2: cosine and sine of the entry place[0] */
  const char **place_names; /* [place_dim] */
  int velocity_dim, *velocity; /* entries of the state */
  int moving_dim, *moving;     /* entries of the state that a step changes, places before velocities */

  /* state [rows, n], goal [1, goal_dim] -> [rows, obs_dim] */
  ml3_node (*build_obs)(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state, ml3_node goal);
  /* state [rows, n] -> [rows, goal_dim] */
  ml3_node (*build_outcome)(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state);
  /* The same of one state: obs[obs_dim], outcome[goal_dim]. */
  void (*obs)(const ml3_geometry *geometry, const double *state, const double *goal, double *obs);
  void (*outcome)(const ml3_geometry *geometry, const double *state, double *outcome);
};

/* env is kept. ML3_ERR_UNAVAILABLE with a sentence when observation or goal do not follow from the state in a known way; there
   is nothing to free then. */
int ml3_geometry_init(ml3_geometry *geometry, const ml3_env_spec *env, ml3_error *error);
void ml3_geometry_free(ml3_geometry *geometry); /* what it has allocated; the struct is the caller's */

/* The place alone: outcome [rows, goal_dim] (or goal [1, goal_dim]) -> its columns [rows, place_dim]. */
ml3_node ml3_geometry_build_place(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node outcome);
/* Velocities of what moves: state [rows, n] -> [rows, velocity_dim]. */
ml3_node ml3_geometry_build_velocity(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state);

/* From a state's place to the goal: to_goal[place_dim]; returns the distance. */
double ml3_geometry_to_goal(const ml3_geometry *geometry, const double *state, const double *goal, double *to_goal);

#ifdef __cplusplus
}
#endif

#endif
