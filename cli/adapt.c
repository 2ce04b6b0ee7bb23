/* ml3 adapt: trains a fresh policy or model with the learned loss of a run, on a held-out task, without the task loss.

   Prints what each update did and writes it as safetensors. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "lab/adapt_internal.h"

/* The columns that say something for this kind of problem. */
static ml3_lab_table *make_table(const ml3_lab_problem_kind *kind, const ml3_problem *p, const ml3_loss *loss) {
  const bool learned = loss->spec.kind == ML3_LOSS_LEARNED;
  const char *columns[7] = {"updates", learned ? "learned loss" : "own loss", "task loss"};
  int count = 3;
  if (p->distance_name) columns[count++] = p->distance_name;
  if (kind->rollouts) columns[count++] = "return";
  if (p->success_name) columns[count++] = ml3_lab_problem_acts(kind) ? "success at end" : p->success_name;
  if (p->success_name && ml3_lab_problem_acts(kind)) columns[count++] = "at any step";
  return ml3_lab_table_new(columns, count);
}

static int add_row(ml3_lab_adapting *a, ml3_lab_table *table, int updates, double value, ml3_error *error) {
  ml3_outcome o;
  char cells[7][32];
  int count = 3, code = ml3_lab_adapting_judge(a, &o, error);
  if (code != ML3_OK) return code;
  snprintf(cells[0], sizeof cells[0], "%d", updates);
  snprintf(cells[1], sizeof cells[1], "%.5g", value);
  snprintf(cells[2], sizeof cells[2], "%.4f", o.task_loss);
  if (a->problem->distance_name) snprintf(cells[count++], sizeof cells[0], "%.4f", o.distance);
  if (a->kind->rollouts) snprintf(cells[count++], sizeof cells[0], "%.3f", o.episode_return);
  if (a->problem->success_name) snprintf(cells[count++], sizeof cells[0], "%.1f %%", 100 * o.success);
  if (a->problem->success_name && ml3_lab_problem_acts(a->kind))
    snprintf(cells[count++], sizeof cells[0], "%.1f %%", 100 * o.passed);
  const char *row[7] = {cells[0], updates ? cells[1] : "", cells[2], cells[3], cells[4], cells[5], cells[6]};
  if (ml3_lab_table_row(table, row) == ML3_OK) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
}

/* What the column of the loss means. */
static void print_legend(const ml3_lab_adapting *a) {
  if (a->loss->spec.kind != ML3_LOSS_LEARNED) return;
  printf(
      "learned loss: its value before the update, on the data of that update. It may rise while the task loss falls:\n"
      "a learned loss is trained for the direction of its gradient, and its values at different updates have no common "
      "scale.\n");
}

static int adapt(ml3_lab_adapting *a, int task, int updates, ml3_error *error) {
  int code = ml3_lab_adapting_begin(a, task, error);
  if (code != ML3_OK) return code;
  ml3_lab_table *table = make_table(a->kind, a->problem, a->loss);
  code = table ? add_row(a, table, 0, 0, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  for (int k = 1; k <= updates && code == ML3_OK; k++) {
    double value;
    code = ml3_lab_adapting_step(a, &value, error);
    if (code == ML3_OK) code = add_row(a, table, k, value, error);
  }
  if (table) cli_table_print(table, stdout);
  if (code == ML3_OK && updates > 0) print_legend(a);
  ml3_lab_table_free(table);
  return code;
}

/* RUN/policy.safetensors, which an earlier adapting has left there, or a file beside where it is started; a run of PPO's has
   a policy of its own. */
static int choose_output(const ml3_lab_adapting *a, const char *argument, int force, char *path, ml3_error *error) {
  const bool in_run = argument && ml3_lab_run_is(argument);
  ml3_lab_run_path(in_run ? argument : ".", a->kind->rollouts ? "policy.safetensors" : "model.safetensors", path);
  return in_run && !ml3_lab_trains_policy(&a->config) ? ML3_OK : ml3_file_may_write(path, "--output", force, error);
}

int cli_adapt(int argc, const char **argv) {
  int task = 0, updates = 5, force = 0;
  const char *output = NULL, *loss = NULL;
  const struct poptOption own[] = {
      {"task", 't', POPT_ARG_INT, &task, 0, "index of the held-out task (0)", "N"},
      {"updates", 'n', POPT_ARG_INT, &updates, 0, "number of updates with the learned loss (5)", "N"},
      {"loss", 'l', POPT_ARG_STRING, &loss, 0,
       "use this loss instead of the run's own: RUN, FILE.safetensors, or zoo:NAME", "LOSS"},
      {"output", 'o', POPT_ARG_STRING, &output, 0,
       "file for the trained policy or model (RUN/policy.safetensors or RUN/model.safetensors)", "FILE"},
      CLI_FORCE_OPTION(&force),
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "RUN|zoo:NAME|PRESET|ENVIRONMENT [OPTIONS]",
                                "Trains a freshly initialized policy or model on one held-out task with the "
                                "learned loss of a run. Only the\n"
                                "learned loss is used, neither the task loss nor extra information.",
                                NULL);
  if (answer >= 0) return answer;
  if (task < 0 || updates < 0 || updates > 100000) {
    fprintf(stderr, "ml3 adapt: --task must not be negative and --updates must be 0 to 100000\n");
    return CLI_USAGE;
  }
  ml3_lab_adapting a = {0};
  ml3_error error = {0};
  char path[ML3_LAB_PATH_MAX];
  int code = ml3_file_may_write(output, "--output", force, &error);
  if (code == ML3_OK) code = ml3_lab_adapting_open(&a, options.argument, loss, &cli_messages, &error);
  if (code == ML3_OK) code = cli_options_apply(&options, &a.config, &error);
  if (code == ML3_OK) code = ml3_lab_adapting_make(&a, &error);
  if (code == ML3_OK && !output) code = choose_output(&a, options.argument, force, path, &error);
  if (code == ML3_OK) code = adapt(&a, task, updates, &error);
  if (code == ML3_OK) {
    const char *to = output ? output : path;
    code = a.problem->save(a.problem, a.theta, to, &error);
    if (code == ML3_OK) printf("%s: %s\n", a.kind->rollouts ? "policy" : "model", to);
  }
  ml3_lab_adapting_close(&a);
  return cli_end("adapt", code, &error);
}
