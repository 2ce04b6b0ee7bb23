/* From a configuration to library objects, and the files of a run folder. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "cli/experiment.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/run_environment.h"
#include "cli/ranks.h"
#include "nn/checkpoint.h"

/* ---- settings -------------------------------------------------------------------------------- */

const char *cli_method_label(const cli_config *c) {
  static const char *const labels[] = {"learned loss", "MAML", "first-order MAML", "Meta-SGD", "PPO", "REINFORCE", "random"};
  return labels[c->method];
}

/* The column of that name, or a negative code with the names there are. */
static int find_feature(const ml3_problem *p, const char *key, const char *name, ml3_error *error) {
  char all[400] = "";
  for (int i = 0; i < p->features && p->feature_names; i++) {
    if (strcmp(p->feature_names[i], name) == 0) return i;
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", p->feature_names[i]);
  }
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: there is no feature '%s'; problem '%s' has: %s", key, name, p->name, all);
}

/* The columns of those names into columns[most]; "force*" names all that begin so. Their number, or a negative code. */
static int find_features(const ml3_problem *p, const char *key, const cli_texts *names, int *columns, int most,
                         ml3_error *error) {
  int count = 0;
  for (int i = 0; i < names->count; i++) {
    const char *name = names->values[i];
    const size_t length = strlen(name);
    const int before = count;
    if (length == 0 || name[length - 1] != '*' || !p->feature_names) {
      const int column = find_feature(p, key, name, error);
      if (column < 0) return column;
      if (count < most) columns[count] = column;
      count++;
    } else {
      for (int j = 0; j < p->features; j++)
        if (strncmp(p->feature_names[j], name, length - 1) == 0 && count++ < most) columns[count - 1] = j;
      if (count == before) return find_feature(p, key, name, error); /* tells the names there are */
    }
    if (count > most) return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s names more than %d features", key, most);
  }
  return count;
}

/* Which columns the loss sees, which it draws to targets, and which is added to its value, from their names. */
static int choose_inputs(const cli_config *c, const ml3_problem *p, ml3_loss_spec *spec, ml3_error *error) {
  spec->features = p->features;
  const int seen = find_features(p, "loss.inputs", &c->loss_inputs, spec->columns, ML3_LOSS_MAX_FEATURES, error);
  if (seen < 0) return seen;
  spec->net.inputs = seen ? seen : p->features;
  spec->target_count = find_features(p, "loss.targets", &c->loss_targets, spec->targets, ML3_LOSS_MAX_TARGETS, error);
  if (spec->target_count < 0) return spec->target_count;
  if (!*c->loss_base) return ML3_OK;
  const int base = find_feature(p, "loss.base", c->loss_base, error);
  spec->base = base + 1;
  return base < 0 ? base : ML3_OK;
}

static int make_loss(const cli_config *c, const ml3_problem *p, ml3_loss_spec *spec, ml3_error *error) {
  *spec = (ml3_loss_spec){.kind = c->method == METHOD_LEARNED_LOSS ? ML3_LOSS_LEARNED : ML3_LOSS_TASK,
                          .rate = c->inner_rate,
                          .learn_rate = c->method == METHOD_META_SGD ? ML3_RATE_SIGNED : (ml3_learn_rate)c->inner_learn_rate,
                          .newton = c->method == METHOD_LEARNED_LOSS ? (int)c->inner_newton : 0,
                          .momentum = c->inner_momentum,
                          .learn_start = c->inner_learn_start || c->method != METHOD_LEARNED_LOSS,
                          .theta_size = p->theta_size};
  if (spec->kind == ML3_LOSS_TASK) return ML3_OK;
  spec->weighting = (ml3_weighting)c->loss_weighting;
  spec->net = (ml3_mlp){.outputs = spec->weighting == ML3_WEIGHTING_NONE ? 1 : 2,
                        .depth = c->loss_hidden.count,
                        .activation = (ml3_activation)c->loss_activation,
                        .output = c->loss_output ? ML3_SOFTPLUS : ML3_IDENTITY,
                        .bias = c->loss_bias,
                        .start = (ml3_mlp_start)c->loss_start};
  int code = cli_copy_widths(&c->loss_hidden, spec->net.hidden, "loss.hidden", error);
  return code == ML3_OK ? choose_inputs(c, p, spec, error) : code;
}

int cli_threads(const cli_config *c) {
  return c->ranks && c->threads == 0 ? cli_ranks_threads(c->ranks) : (int)c->threads;
}

int cli_trainer_settings(const cli_config *c, const ml3_problem *problem, ml3_trainer_settings *settings, ml3_error *error) {
  ml3_loss_spec loss;
  int code = make_loss(c, problem, &loss, error);
  if (code != ML3_OK) return code;
  *settings = (ml3_trainer_settings){
      .meta = {.loss = loss,
               .inner_steps = (int)(c->inner_steps * c->inner_passes),
               .passes = (int)c->inner_passes,
               .weights = (ml3_step_weights)c->inner_weights,
               .weight_count = c->inner_weight_list.count,
               .task_weight = c->outer_task_weight,
               .extra_weight = c->outer_extra_weight,
               .target_weight = c->outer_target_weight,
               .keep_bytes = ML3_META_KEEP_BYTES,
               .fast_products = c->loss_products != 0,
               .derivatives = c->method == METHOD_FOMAML ? ML3_DERIVATIVES_FIRST_ORDER : (ml3_derivatives)c->inner_derivatives},
      .optimizer = {.kind = (ml3_nn_optimizer_kind)c->outer_optimizer,
                    .rate = c->outer_rate,
                    .beta1 = 0.9,
                    .beta2 = 0.999,
                    .epsilon = 1e-8,
                    .clip_norm = c->outer_clip_norm,
                    .schedule = (ml3_nn_schedule)c->outer_schedule,
                    .final_rate = c->outer_final_rate,
                    .warmup_steps = c->outer_warmup,
                    .total_steps = c->outer_steps * ml3_trainer_epochs(problem, (int)c->outer_epochs)},
      .seed = (uint64_t)c->seed,
      .threads = cli_threads(c),
      .ranks = c->ranks,
      .tasks = (int)c->outer_tasks,
      .epochs = (int)c->outer_epochs,
      .task_clip_norm = c->outer_task_clip_norm,
      .normalize = (ml3_normalize)c->loss_normalize,
      .numerics = (ml3_numerics)c->numerics,
      .lifetime = (int)c->inner_lifetime,
      .validation_tasks = (int)c->validation_tasks,
      .validation_steps = (int)(c->validation_steps * c->inner_passes),
      .select = (ml3_select)c->validation_select,
      .gather_every = (int)c->dynamics_every,
      .gather_tasks = (int)c->dynamics_tasks,
      .patience = (int)c->validation_patience};
  for (int i = 0; i < c->inner_weight_list.count && i < ML3_META_MAX_WEIGHTS; i++)
    settings->meta.weight_list[i] = c->inner_weight_list.values[i];
  return ML3_OK;
}

ml3_compare_settings cli_compare_settings(const cli_config *c) {
  ml3_compare_settings s = {.seed = (uint64_t)c->seed,
                            .tasks = (int)c->test_tasks,
                            .step_count = c->test_steps.count < ML3_COMPARE_MAX_STEPS ? c->test_steps.count
                                                                                      : ML3_COMPARE_MAX_STEPS,
                            .threads = (int)c->threads,
                            .ilqr_restarts = (int)c->test_ilqr_restarts};
  for (int i = 0; i < s.step_count; i++) s.steps[i] = (int)c->test_steps.values[i];
  return s;
}

/* ---- run folders -------------------------------------------------------------------------------------------- */

void cli_run_path(const char *folder, const char *name, char *path) {
  snprintf(path, CLI_PATH_MAX, "%.900s/%.100s", folder, name);
}

bool cli_is_mjcf(const char *name) {
  const size_t length = strlen(name);
  return length > 4 && strcmp(name + length - 4, ".xml") == 0;
}

bool cli_run_is(const char *folder) {
  char path[CLI_PATH_MAX];
  struct stat info;
  cli_run_path(folder, "config.yaml", path);
  return stat(path, &info) == 0;
}

/* Makes the folders above the last part of a path, as far as they are missing. */
static void make_parents(const char *path) {
  char part[CLI_PATH_MAX];
  for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    mkdir(part, 0755); /* what fails here fails below with a message */
  }
}

static int tell_no_folder(const char *folder, int reason, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s; choose another with --output", folder,
                       strerror(reason));
}

int cli_run_may_create(const char *wanted, bool force, ml3_error *error) {
  struct stat info;
  if (!wanted || stat(wanted, &info) != 0) return ML3_OK;
  if (!S_ISDIR(info.st_mode))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is a file; a run needs a folder", wanted);
  if (!force)
    return ml3_error_set(error, ML3_ERR_IO, "the folder '%s' exists already; choose another --output, or --force", wanted);
  return access(wanted, W_OK) == 0 ? ML3_OK : tell_no_folder(wanted, errno, error);
}

int cli_run_create(const char *wanted, const cli_config *config, bool force, char *folder, ml3_error *error) {
  char date[32];
  time_t now = time(NULL);
  struct tm local;
  strftime(date, sizeof date, "%Y-%m-%d", localtime_r(&now, &local));

  const int code = cli_run_may_create(wanted, force, error);
  if (code != ML3_OK) return code;
  for (int number = 1; number < 10000; number++) {
    if (wanted)
      snprintf(folder, CLI_PATH_MAX, "%.900s", wanted);
    else if (number == 1)
      snprintf(folder, CLI_PATH_MAX, "runs/%s-%.200s-seed%lld", date, cli_problem_title(config), (long long)config->seed);
    else
      snprintf(folder, CLI_PATH_MAX, "runs/%s-%.200s-seed%lld-%d", date, cli_problem_title(config), (long long)config->seed,
               number);
    make_parents(folder);
    if (mkdir(folder, 0755) == 0) return ML3_OK;
    if (errno != EEXIST || (wanted && !force)) return tell_no_folder(folder, errno, error);
    if (wanted) return ML3_OK;
  }
  return ml3_error_set(error, ML3_ERR_IO, "there are too many runs of today; choose a name with --output");
}

int cli_run_open(const char *folder, cli_config *config, ml3_loss **loss, ml3_error *error) {
  char path[CLI_PATH_MAX];
  *loss = NULL;
  if (!cli_run_is(folder))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder: it has no config.yaml; `ml3 train` makes runs", folder);
  int code = cli_run_config(folder, config, error);
  if (code != ML3_OK) return code;
  if (config->method >= METHOD_PPO)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%s' has trained a policy by itself (%s) and has no learned loss; `ml3 view %s` and `ml3 record %s` play "
                         "the policy, `ml3 collect %s --policy %s/policy.safetensors` writes episodes of it",
                         folder, cli_method_label(config), folder, folder, config->environment, folder);
  cli_run_path(folder, "loss.safetensors", path);
  if (access(path, F_OK) != 0)
    return ml3_error_set(error, ML3_ERR_IO, "the run '%s' has no learned loss yet; go on with `ml3 train --resume %s`", folder,
                         folder);
  if (!(*loss = ml3_loss_load(path, error))) return error->code;
  cli_run_path(folder, CLI_ENSEMBLE, path); /* what was learned of the environment is not learned again */
  if (!config->dynamics_kind || access(path, F_OK) != 0) return ML3_OK;
  if (strlen(path) >= sizeof config->dynamics_file)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%s' is too long; at most %zu characters are possible", path,
                         sizeof config->dynamics_file - 1);
  strcpy(config->dynamics_file, path);
  config->dynamics_every = 0;
  return ML3_OK;
}

/* NAME.tmp-XXXXXX, NAME.tmp-XXXXXX~ (base/file.c) and NAME.tmp (cli/gnuplot.c). */
static bool is_left_over(const char *name) {
  const char *tail = strstr(name, ".tmp");
  while (tail && strstr(tail + 1, ".tmp")) tail = strstr(tail + 1, ".tmp");
  return tail && (strcmp(tail, ".tmp") == 0 || (strncmp(tail, ".tmp-", 5) == 0 && strlen(tail) >= 11 && strlen(tail) <= 12));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)info, (void)type, (void)where;
  return remove(path);
}

/* Files; of folders those that an environment was being copied to. */
static void remove_left_overs(const char *folder) {
  char path[CLI_PATH_MAX];
  DIR *dir = opendir(folder);
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
    if (!is_left_over(e->d_name)) continue;
    cli_run_path(folder, e->d_name, path);
    if (unlink(path) != 0 && strncmp(e->d_name, "environment.tmp-", 16) == 0)
      nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  }
  if (dir) closedir(dir);
}

int cli_run_find_checkpoint(const char *folder, char *found, ml3_error *error) {
  char path[CLI_PATH_MAX], damaged[CLI_PATH_MAX], previous[CLI_PATH_MAX];
  ml3_error damage = {0};
  remove_left_overs(folder);
  cli_run_path(folder, "checkpoint", path);
  cli_run_path(folder, "checkpoint.damaged", damaged);
  cli_run_path(folder, "checkpoint.previous", previous);
  found[0] = '\0';
  if (access(path, F_OK) != 0 && access(previous, F_OK) != 0) {
    fprintf(stderr, "ml3 train: '%s' has no checkpoint yet; it begins at its first step\n", folder);
    return ML3_OK;
  }
  int code = ml3_nn_checkpoint_find(path, found, CLI_PATH_MAX, &damage, error);
  if (code != ML3_OK || damage.code == ML3_OK) return code;
  fprintf(stderr, "ml3 train: %s; going on from the one before, '%s'\n", damage.message, found);
  rename(path, damaged); /* or the next checkpoint would push out the good one for it; there may be none */
  return ML3_OK;
}

void cli_run_clear(const char *folder) {
  static const char *const names[] = {"checkpoint",       "checkpoint.previous", "checkpoint.damaged",
                                      "loss.safetensors", "policy.safetensors",  "summary.json"};
  char path[CLI_PATH_MAX];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) cli_run_path(folder, names[i], path), unlink(path);
  remove_left_overs(folder);
}

bool cli_checkpoint_due(int64_t done, int64_t every, double *saved_s) {
  enum { LONGEST_S = 60 };
  const double now = ml3_clock_s();
  if (*saved_s == 0) *saved_s = now;
  if (done % every != 0 && now - *saved_s < LONGEST_S) return false;
  *saved_s = now;
  return true;
}

/* ---- interruption --------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted; /* a signal handler can reach nothing else */

static void on_signal(int number) {
  if (interrupted) {
    signal(number, SIG_DFL);
    raise(number);
  }
  interrupted = 1;
}

void cli_catch_interrupts(void) {
  struct sigaction action = {.sa_handler = on_signal};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  struct sigaction before; /* a terminal that goes away, unless `nohup` is to outlive it */
  if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file that may grow no further is a write error, told as such */
}

bool cli_interrupted(void) { return interrupted != 0; }
