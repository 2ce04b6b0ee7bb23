/* What keys and mouse do to rollouts, without a window. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/color.h"
#include "viewer/panel.h"
#include "viewer/session.h"

/* A policy that pushes with its gain times the velocity; a learner adds to its gain. */
typedef struct learning {
  const ml3_env_spec *spec;
  double gain[2];
  int goals_moved;
} learning;

static int start(void *user, int task, double *env_task, double *state, ml3_error *error) {
  const learning *s = user;
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, (uint32_t)task, 0);
  ml3_env *env = ml3_env_new(s->spec, error);
  ml3_env_sample_task(s->spec, &random, env_task);
  ml3_env_reset(env, env_task, &random);
  ml3_env_get_state(env, state);
  ml3_env_free(env);
  return ML3_OK;
}

static void act(void *user, int actor, int step, const double *obs, const double *state, double *action) {
  const learning *s = user;
  (void)step, (void)obs;
  action[0] = s->gain[actor] * state[1];
}

static int update(void *user, int learner, ml3_error *error) {
  (void)error;
  ((learning *)user)->gain[learner] += 1;
  return ML3_OK;
}

static void restart(void *user) {
  learning *s = user;
  s->gain[0] = s->gain[1] = 0;
}

static const char *rule(void *user, int number) {
  (void)user;
  return number ? "second" : "first";
}

static void goal_moved(void *user, const double *env_task, const double *state) {
  (void)env_task, (void)state;
  ((learning *)user)->goals_moved++;
}

static ml3_view_source source_of(learning *s) {
  s->spec = ml3_env_find("mountain_car", NULL);
  return (ml3_view_source){.spec = s->spec,
                           .actors = 2,
                           .user = s,
                           .start = start,
                           .act = act,
                           .goal_moved = goal_moved,
                           .learners = 2,
                           .rule = rule,
                           .update = update,
                           .restart = restart};
}

static void open_session(ml3_session *session, learning *s) {
  ml3_error error = {0};
  ml3_view_source source = source_of(s);
  cr_assert_eq(ml3_session_open(session, &source, 0, &error), 0, "%s", error.message);
}

static double position(const ml3_session *s, int actor) {
  return s->episode[actor]->states[2 * ml3_session_shown_step(s, actor)];
}

Test(session, plays_rests_and_begins_again) {
  learning s = {0};
  ml3_session session;
  open_session(&session, &s);
  ml3_session_advance(&session, 0.25);
  cr_expect_float_eq(session.step, 2.5, 1e-9);
  session.speed = 16;
  ml3_session_advance(&session, 0.2);
  cr_expect_float_eq(session.step, 34.5, 1e-9);
  session.speed = 1;
  ml3_session_advance(&session, 0.25);
  cr_expect_eq(ml3_session_shown_step(&session, 0), 35, "it does not rest at its end");
  ml3_session_advance(&session, 0.4);
  cr_expect_eq(session.step, 0, "it does not begin again");
  ml3_session_close(&session);
}

Test(session, a_step_back_is_the_past_and_a_step_on_the_same_again) {
  learning s = {.gain = {3, 0}};
  ml3_session session;
  open_session(&session, &s);
  double seen[6];
  for (int i = 0; i < 6; i++) {
    seen[i] = position(&session, 0);
    ml3_session_step(&session, 1);
  }
  cr_expect(session.paused);
  for (int i = 5; i >= 0; i--) {
    ml3_session_step(&session, -1);
    cr_expect_eq(position(&session, 0), seen[i], "step %d", i);
  }
  ml3_session_step(&session, -1);
  cr_expect_eq(session.step, 0);
  ml3_session_close(&session);
}

Test(session, a_moved_goal_changes_what_comes_and_not_what_was) {
  learning s = {0};
  ml3_session session;
  open_session(&session, &s);
  ml3_session_foresee(&session, INFINITY);
  ml3_session_step(&session, 10);
  const double early = session.episode[0]->rewards[5], late = session.episode[0]->rewards[20];
  cr_assert(ml3_session_move_goal(&session, (double[3]){0.1, 0, 0}));
  ml3_session_foresee(&session, INFINITY);
  cr_expect_eq(s.goals_moved, 1);
  cr_expect_eq(session.episode[0]->rewards[5], early);
  cr_expect_gt(session.episode[0]->rewards[20], late, "a nearer goal pays more");
  session.step = 5; /* the next time round has the goal from the start */
  ml3_session_restart(&session);
  ml3_session_foresee(&session, INFINITY);
  cr_expect_gt(session.episode[0]->rewards[5], early);
  ml3_session_close(&session);
}

Test(session, a_push_moves_one_actor_until_it_is_released) {
  learning s = {0};
  ml3_session session;
  open_session(&session, &s);
  ml3_session_foresee(&session, INFINITY);
  const double stiffness = ml3_session_stiffness(&session, 1, (double[3]){0}, 1);
  cr_expect_gt(stiffness, 0.1);
  cr_expect_lt(stiffness, 100);
  for (int i = 0; i < 8; i++) {
    cr_assert(ml3_session_push(&session, 1, (double[3]){0}, (double[3]){0.5, 0, 0}));
    ml3_session_step(&session, 1);
  }
  cr_expect_eq(session.episode[0]->steps, 8, "it rolls ahead while it is held");
  cr_expect_gt(position(&session, 0), position(&session, 1) + 0.1);
  ml3_session_release(&session);
  ml3_session_foresee(&session, INFINITY);
  cr_expect_eq(session.episode[0]->steps, 35);
  session.paused = false;
  session.step = 100;
  ml3_session_advance(&session, 0.1); /* round again: as if nothing had been */
  ml3_session_foresee(&session, INFINITY);
  cr_expect_eq(session.episode[0]->states[20], session.episode[1]->states[20]);
  ml3_session_close(&session);
}

Test(session, a_learner_is_updated_and_the_return_is_noted) {
  learning s = {0};
  ml3_error error = {0};
  ml3_session session;
  open_session(&session, &s);
  const float untrained = session.curve[0][0];
  cr_assert_eq(ml3_session_update(&session, 0, &error), 0);
  cr_assert_eq(ml3_session_update(&session, 0, &error), 0);
  cr_assert_eq(ml3_session_update(&session, 1, &error), 0);
  cr_expect_eq(session.updates[0], 2);
  cr_expect_eq(session.updates[1], 1);
  cr_expect_eq(session.focus, 1);
  cr_expect_neq(session.curve[0][1], untrained);
  cr_expect_eq(session.curve[0][1], session.curve[1][1], "the same update");
  cr_expect_eq((float)session.episode[1]->episode_return, session.curve[1][1]);
  ml3_session_start_over(&session);
  cr_expect_eq(session.updates[0] + session.updates[1], 0);
  ml3_session_foresee(&session, INFINITY);
  cr_expect_eq((float)session.episode[0]->episode_return, untrained);
  ml3_session_close(&session);
}

Test(session, goes_on_beyond_the_horizon_when_asked) {
  learning s = {0};
  ml3_session session;
  open_session(&session, &s);
  session.endless = true;
  for (int i = 0; i < 20; i++) ml3_session_advance(&session, 0.25);
  cr_expect_float_eq(session.step, 50, 1e-9);
  cr_expect_eq(session.episode[0]->steps, 50);
  for (int i = 0; i < 2000; i++) ml3_session_advance(&session, 0.25); /* more than there is room for */
  cr_expect_leq(session.episode[0]->steps, session.episode[0]->capacity);
  ml3_session_close(&session);
}

Test(session, another_task_starts_elsewhere_and_takes_back_updates) {
  learning s = {0};
  ml3_error error = {0};
  ml3_session session;
  open_session(&session, &s);
  const double first = position(&session, 0);
  ml3_session_update(&session, 0, &error);
  cr_assert_eq(ml3_session_set_task(&session, 1, &error), 0);
  cr_expect_neq(position(&session, 0), first);
  cr_expect_eq(session.updates[0], 0);
  cr_assert_eq(ml3_session_set_task(&session, 0, &error), 0);
  cr_expect_eq(position(&session, 0), first);
  ml3_session_close(&session);
}

Test(session, recorded_rollouts_play_and_cannot_be_touched) {
  ml3_error error = {0};
  ml3_session session;
  const ml3_env_spec *spec = ml3_env_find("mountain_car", NULL);
  ml3_episode *episode = ml3_episode_new(spec, 10, &error);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_episode_begin(episode, env);
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  cr_assert_eq(ml3_session_open(&session, &source, 0, &error), 0);
  cr_expect_not(ml3_session_move_goal(&session, (double[3]){0}));
  cr_expect_not(ml3_session_push(&session, 1, (double[3]){0}, (double[3]){1}));
  cr_expect_eq(ml3_session_update(&session, 0, &error), ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "open a run"), "%s", error.message);
  ml3_session_close(&session);
  ml3_episode_free(episode);
  ml3_env_free(env);
}

/* ---- the panel beside the scene ------------------------------------------------------------------------------------ */

static void expect_apart(mjrRect scene, mjrRect dock, mjrRect all) {
  const bool beside = scene.left + scene.width <= dock.left, above = scene.bottom + scene.height <= dock.bottom;
  cr_expect(dock.width == 0 || beside || above, "the panel covers the scene");
  cr_expect(scene.width <= all.width && scene.height <= all.height);
  cr_expect(scene.width >= all.width / 3 || scene.width >= scene.height * 16 / 9, "the scene has too little room");
  cr_expect_leq(dock.left + dock.width, all.left + all.width);
}

Test(panel, docks_beside_the_scene_or_folds_away_and_never_covers_it) {
  static const struct {
    int width, height, columns;
  } cases[] = {{1280, 720, 1}, {640, 360, 0}, {1200, 98, 3}, {64, 64, 0}, {3000, 200, 4}};
  mjrContext *context = calloc(1, sizeof *context); /* of the letters alone */
  context->charHeight = 18;
  for (int i = 0; i < 127; i++) context->charWidth[i] = 9;
  ml3_episode *episode = ml3_episode_new(ml3_env_find("mountain_car", NULL), 5, NULL);
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  ml3_session s;
  cr_assert_eq(ml3_session_open(&s, &source, 0, NULL), 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const mjrRect all = {0, 10, cases[i].width, cases[i].height};
    mjrRect dock;
    int columns;
    const mjrRect scene = ml3_panel_place(&s, all, context, &dock, &columns);
    cr_expect_eq(columns, cases[i].columns, "%d x %d: %d columns", all.width, all.height, columns);
    expect_apart(scene, dock, all);
  }
  ml3_session_close(&s);
  ml3_episode_free(episode);
  free(context);
}

Test(panel, a_method_has_the_same_colour_in_every_list) {
  static const char *const few[] = {"iLQR", "learned loss, 5 updates"};
  static const char *const many[] = {"untrained", "learned loss, 1 update", "learned loss, 5 updates", "iLQR",
                                     "natural gradient", "iLQR, restarts"};
  float a[2][3], b[6][3];
  char text[8];
  ml3_color_methods(few, 2, a);
  ml3_color_methods(many, 6, b);
  cr_expect_eq(memcmp(a[0], b[3], sizeof a[0]), 0);
  cr_expect_eq(memcmp(a[1], b[2], sizeof a[1]), 0);
  cr_expect(b[1][0] > b[2][0] && b[1][1] > b[2][1] && b[1][2] > b[2][2], "fewer updates are paler");
  ml3_color_text(a[1], text);
  cr_expect_str_eq(text, "#0072b2");
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < i; j++) cr_expect_neq(memcmp(b[i], b[j], sizeof b[i]), 0, "%s and %s", many[i], many[j]);
}

/* ---- a training that goes on --------------------------------------------------------------------------------------- */

static bool learned_elsewhere(void *user) {
  ((learning *)user)->gain[0] += 1;
  return ((learning *)user)->gain[0] > 1;
}

Test(session, rolls_out_again_when_a_training_that_is_followed_has_something_new) {
  learning s = {0};
  ml3_session session;
  ml3_error error = {0};
  ml3_view_source source = source_of(&s);
  source.refresh = learned_elsewhere;
  cr_assert_eq(ml3_session_open(&session, &source, 0, &error), 0, "%s", error.message);
  ml3_session_step(&session, 20);
  const double before = position(&session, 0);
  cr_expect(!ml3_session_refresh(&session, &error), "nothing is new");
  cr_expect_eq(session.step, 20);
  cr_expect(ml3_session_refresh(&session, &error), "%s", error.message);
  cr_expect_eq(session.step, 0, "it begins again");
  ml3_session_step(&session, 20);
  cr_expect_neq(position(&session, 0), before, "by the new policy");
  ml3_session_close(&session);
}
