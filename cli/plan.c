/* ml3 plan: iLQR on an environment (lab/plan.h), with a log of its iterations, a video, and where its time goes. */
#include <stdio.h>

#include "base/file.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "lab/plan.h"
#include "viewer/viewer.h"

/* Where the time of a solve goes, as JSON or as a sentence. */
static void print_time(const ml3_lab_plan *p, bool json) {
  const ml3_ilqr_time *t = &p->time;
  const double us = 1e6 / t->iterations, both = t->model_s + t->cost_s;
  if (json)
    printf(
        "{\"engine\": \"ml3\", \"problem\": \"%s\", \"horizon\": %d, \"cost\": %.12g, \"iterations\": %d, "
        "\"us_iteration\": %.3f, \"us_dynamics\": %.3f, \"us_cost\": %.3f, \"ratio\": %.4f, \"ratio_with_cost\": "
        "%.4f, \"steps\": %ld, \"linearizations\": %ld, \"costs\": %ld, \"expansions\": %ld}\n",
        p->spec->name, p->horizon, t->cost, t->iterations, us * t->solve_s, us * t->model_s, us * t->cost_s,
        t->solve_s / t->model_s, t->solve_s / both, t->steps, t->linearizations, t->costs, t->expansions);
  else
    printf(
        "an iteration takes %.3g us; its own steps and derivatives of the model, replayed, %.3g us, of the cost %.3g "
        "us: %.2f and %.2f times those\n",
        us * t->solve_s, us * t->model_s, us * t->cost_s, t->solve_s / t->model_s, t->solve_s / both);
}

/* How good it is, and why the search ended where that is not convergence. */
static void print_solution(const ml3_lab_plan *p) {
  const ml3_ilqr_report *r = &p->report;
  const ml3_episode *e = p->episode;
  printf("%s: cost %.8g after %d iteration%s, %ld model steps, ", p->spec->name, r->cost, r->iterations,
         r->iterations == 1 ? "" : "s", r->model_steps);
  if (r->converged)
    printf("converged\n");
  else
    printf("not converged: %s (a further decrease of %.3g is expected)\n", ml3_ilqr_end_text(r->end),
           r->expected_decrease);
  if (p->receding_steps) printf("receding horizon: %ld model steps\n", p->receding_steps);
  printf("executed: return %.6g, ", e->episode_return);
  if (p->spec->no_goal)
    printf("success n/a (the environment has no goal)\n");
  else if (e->success)
    printf("success at the last step (%d), by the environment's own criterion; final distance to the goal %.3g\n",
           e->steps, e->final_distance);
  else if (e->passed)
    printf("no success at the last step, %d, but at step %d; final distance to the goal %.3g\n", e->steps,
           e->success_step, e->final_distance);
  else
    printf("no success at any of %d steps; final distance to the goal %.3g\n", e->steps, e->final_distance);
}

static int on_frame(void *user, int done, int total) {
  (void)user, (void)done, (void)total;
  return cli_interrupted();
}

int cli_plan(int argc, const char **argv) {
  ml3_lab_plan_settings s = {.cost = "auto", .state_weight = 1, .action_weight = 1e-3, .final_weight = 100, .task = -1};
  const char *video = NULL;
  int receding = 0, json = 0, regularize_state = 0, force = 0;
  const struct poptOption table[] = {
      {"log", '\0', POPT_ARG_STRING, &s.log, 0,
       "log every iteration: FILE.csv, FILE.json (one JSON object per line), or text", "FILE"},
      {"receding", 'r', POPT_ARG_NONE, &receding, 0, "plan again at every step (receding horizon)", NULL},
      {"ahead", '\0', POPT_ARG_INT, &s.ahead, 0, "receding horizon, N steps long (to the end of the episode)", "N"},
      {"cost", '\0', POPT_ARG_STRING, &s.cost, 0, "goal, reward, or auto: goal where that is a state", "KIND"},
      {"weights", '\0', POPT_ARG_STRING, &s.weights, 0,
       "goal: a weight for each entry of the state (1; 0.1 for rates whose goal is 0)", "W,W,..."},
      {"state-weight", '\0', POPT_ARG_DOUBLE, &s.state_weight, 0, "goal: weight of the distance at each step (1)", "X"},
      {"final-weight", '\0', POPT_ARG_DOUBLE, &s.final_weight, 0,
       "goal: weight of the distance of the last state (100)", "X"},
      {"action-weight", '\0', POPT_ARG_DOUBLE, &s.action_weight, 0, "weight of the squared actions (0.001)", "X"},
      {"regularize-state", '\0', POPT_ARG_NONE, &regularize_state, 0,
       "add the regularization to the Hessian of the value, not of the action", NULL},
      {"task", 't', POPT_ARG_INT, &s.task, 0, "index of a task of the distribution (the default task)", "N"},
      {"video", '\0', POPT_ARG_STRING, &video, 0, "write a video of the executed plan", "FILE"},
      CLI_FORCE_OPTION(&force),
      {"time", '\0', POPT_ARG_INT, &s.repeat, 0, "solve N times and print where the time is spent", "N"},
      {"json", '\0', POPT_ARG_NONE, &json, 0, "print the times as JSON and nothing else", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  const int answer = cli_options_read(
      &options, argc, argv, table, "ENVIRONMENT [OPTIONS]",
      "Plans by control-limited iLQR from zero controls in the environment's own simulator and executes the plan.\n"
      "Set horizon or threads by --set; the result does not depend on the number of threads.",
      NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  ml3_lab_plan plan = {0};
  cli_console console;
  cli_console_open(&console, "plan", options.quiet || json);
  s.environment = options.argument, s.settings = options.sets, s.count = options.set_count;
  s.receding = receding, s.regularize_state = regularize_state, s.callbacks = &console.callbacks;
  int code = ml3_file_may_write(s.log, "--log", force, &error);
  if (code == ML3_OK) code = ml3_file_may_write(video, "--video", force, &error);
  if (code == ML3_OK) code = ml3_lab_plan_make(&s, &plan, &error);
  if (code == ML3_OK && !json) print_solution(&plan);
  if (code == ML3_OK && s.repeat > 0) print_time(&plan, json);
  if (code == ML3_OK && video) {
    const ml3_view_options view = {.plots = true, .labels = true};
    const ml3_view_source source = ml3_view_recorded(&plan.episode, 1);
    code = ml3_view_record(&source, video, &view, on_frame, NULL, NULL, &error);
  }
  ml3_lab_plan_free(&plan);
  return cli_end("plan", code, &error);
}
