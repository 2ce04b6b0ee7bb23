/* Several seeds over the cores: see seeds.h. Each is `ml3 train` in a process of its own, so that nothing is shared and
   the bits are those of a seed trained alone. */
#define _DEFAULT_SOURCE /* setenv, usleep */
#include "cli/seeds.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "lab/experiment.h"
#include "lab/run_progress.h"
#include "lab/statistics.h"

typedef struct seed_run {
  char folder[ML3_LAB_PATH_MAX], log[ML3_LAB_PATH_MAX];
  pid_t child; /* 0: not started, -1: ended */
  int code;    /* its exit code */
} seed_run;

typedef struct crew {
  const cli_seeds *seeds;
  seed_run *runs;
  int threads; /* a process */
  int started, ended;
  long shown; /* outer steps in the last progress line */
} crew;

static long long seed_number(const crew *c, int i) {
  return (long long)c->seeds->config->seed + i;
}

/* ---- processes ------------------------------------------------------------------------------------------------ */

/* In the child: becomes `ml3 train` of that seed. A group of its own: the interrupt of a terminal reaches the parent, which
   passes it on once. */
static void become_training(const crew *c, int i) {
  const seed_run *r = &c->runs[i];
  char file[ML3_LAB_PATH_MAX], seed[64], threads[16];
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  int log = open(r->log, O_WRONLY | O_CREAT | O_TRUNC, 0644), null = open("/dev/null", O_RDWR);
  if (log < 0 || null < 0) _exit(1);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  snprintf(threads, sizeof threads, "%d", c->threads);
  setenv("OMP_NUM_THREADS", threads, 1);
  ml3_lab_run_path(c->seeds->folder, "seeds.yaml", file);
  snprintf(seed, sizeof seed, "seed=%lld", seed_number(c, i));
  const bool goes_on = c->seeds->resume && ml3_lab_run_is(r->folder);
  const cli_options *o = c->seeds->options;
  const char *arguments[2 * CLI_SETS_MAX + 16] = {"ml3", "train", "--quiet", "--log", c->seeds->log};
  int n = 5;
  if (goes_on) {
    arguments[n++] = "--resume", arguments[n++] = r->folder;
    for (int j = 0; o && j < o->set_count; j++)
      if (strncmp(o->sets[j], "seed=", 5) != 0) arguments[n++] = "--set", arguments[n++] = o->sets[j];
  } else { /* seeds.yaml has them already */
    arguments[n++] = file, arguments[n++] = "--output", arguments[n++] = r->folder, arguments[n++] = "--force";
    arguments[n++] = "--set", arguments[n++] = seed;
  }
  execv("/proc/self/exe", (char *const *)arguments);
  _exit(1);
}

/* Of a folder that goes on, a seed that is finished stays as it is. */
static bool is_finished(const crew *c, int i) {
  return c->seeds->resume && ml3_lab_run_is_finished(c->runs[i].folder, c->seeds->config);
}

static int start_one(crew *c, ml3_error *error) {
  seed_run *r = &c->runs[c->started];
  if (is_finished(c, c->started)) {
    r->child = -1;
    c->started++, c->ended++;
    return ML3_OK;
  }
  fflush(NULL);
  r->child = fork();
  if (r->child == 0) become_training(c, c->started);
  if (r->child < 0)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "cannot start the training of seed %lld: %s",
                         seed_number(c, c->started), strerror(errno));
  c->started++;
  return ML3_OK;
}

static void collect_ended(crew *c) {
  int status;
  for (int i = 0; i < c->started; i++) {
    seed_run *r = &c->runs[i];
    if (r->child <= 0 || waitpid(r->child, &status, WNOHANG) != r->child) continue;
    r->child = -1;
    r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    c->ended++;
  }
}

static void pass_on(crew *c, int signal_number) {
  for (int i = 0; i < c->started; i++)
    if (c->runs[i].child > 0) kill(c->runs[i].child, signal_number);
}

/* Outer steps done, from the last line of a run's metrics. */
static long steps_done(const seed_run *r, long all) {
  char path[ML3_LAB_PATH_MAX], tail[512];
  if (r->child < 0) return all;
  ml3_lab_run_path(r->folder, "metrics.csv", path);
  FILE *f = r->child > 0 ? fopen(path, "r") : NULL;
  if (!f) return 0;
  if (fseek(f, -(long)sizeof tail + 1, SEEK_END) != 0) rewind(f);
  size_t n = fread(tail, 1, sizeof tail - 1, f);
  fclose(f);
  tail[n] = '\0';
  char *end = strrchr(tail, '\n');
  if (!end) return 0;
  *end = '\0';
  const char *last = strrchr(tail, '\n');
  return strtol(last ? last + 1 : tail, NULL, 10);
}

static void show(crew *c, cli_progress *progress) {
  const long each = (long)ML3_LAB_GET(c->seeds->config, outer)->steps, all = each * c->seeds->count;
  long done = 0;
  char note[64];
  for (int i = 0; i < c->started; i++) done += steps_done(&c->runs[i], each);
  if (done == all && c->ended < c->seeds->count) done--; /* the last line is for the end */
  if (done <= c->shown) return;
  c->shown = done;
  snprintf(note, sizeof note, "seeds done: %d of %d", c->ended, c->seeds->count);
  cli_progress_update(progress, done, note);
}

static int run_all(crew *c, ml3_error *error) {
  const cli_seeds *s = c->seeds;
  const int cores = s->config->threads > 0 ? (int)s->config->threads : omp_get_max_threads();
  const int at_once = s->count < cores ? s->count : cores;
  c->threads = cores / at_once > 1 ? cores / at_once : 1;
  cli_progress progress;
  int code = ML3_OK;
  bool stopping = false;
  cli_progress_begin(&progress, "meta-training", (long)(s->count * ML3_LAB_GET(s->config, outer)->steps), s->quiet);
  while (c->ended < c->started || (c->started < s->count && !stopping)) {
    while (!stopping && c->started < s->count && c->started - c->ended < at_once)
      if ((code = start_one(c, error)) != ML3_OK) stopping = true, pass_on(c, SIGINT);
    usleep(50000);
    collect_ended(c);
    if (cli_interrupted() && !stopping) stopping = true, pass_on(c, SIGINT);
    show(c, &progress);
  }
  cli_progress_end(&progress);
  if (code == ML3_OK && stopping)
    code = ml3_error_set(
        error, ML3_ERR_INTERRUPTED,
        "interrupted; what has begun has kept its checkpoint, go on with `ml3 train --seeds %d --resume %s`", s->count,
        s->folder);
  return code;
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

enum { NUMBERS = 5, SUCCESS = 1 };
static const char *const keys[NUMBERS] = {"best_outer_step", "best_success", "best_task_loss", "best_objective",
                                          "inner_rate"};

bool cli_words_read(cli_words *words, const char *folder) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(folder, "summary.json", path);
  json_t *json = json_load_file(path, 0, NULL);
  const char *success = json_string_value(json_object_get(json, "success_name"));
  const char *task_loss = json_string_value(json_object_get(json, "task_loss_name"));
  snprintf(words->success, sizeof words->success, "%s", success ? success : "");
  snprintf(words->task_loss, sizeof words->task_loss, "%s", task_loss ? task_loss : "task loss");
  json_decref(json);
  return json != NULL;
}

/* What summary.json of a run says; false when it has none. */
static bool read_summary(const seed_run *r, double *numbers) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(r->folder, "summary.json", path);
  json_t *json = json_load_file(path, 0, NULL);
  for (int i = 0; i < NUMBERS && json; i++) {
    const json_t *x = json_object_get(json, keys[i]);
    numbers[i] = x ? json_number_value(x) : NAN;
  }
  json_decref(json);
  return json != NULL;
}

static cli_table *make_table(const cli_words *words) {
  char success[80];
  const char *columns[NUMBERS + 1] = {"seed", "best outer step"};
  int count = 2;
  snprintf(success, sizeof success, "%s %%", words->success);
  if (*words->success) columns[count++] = success;
  columns[count++] = words->task_loss, columns[count++] = "objective", columns[count++] = "inner rate";
  return cli_table_new(columns, count);
}

static int add_row(cli_table *table, const cli_words *words, const char *name, const double *numbers) {
  char cells[NUMBERS][32];
  const char *row[NUMBERS + 1] = {name};
  int count = 1;
  for (int i = 0; i < NUMBERS; i++) {
    if (i == SUCCESS && !*words->success) continue;
    snprintf(cells[i], sizeof cells[i], i <= SUCCESS ? "%.1f" : "%.4g", numbers[i]);
    row[count++] = cells[i];
  }
  return cli_table_row(table, row);
}

/* A row a seed, then mean and ends of the interval. Returns the number of seeds that are done. */
static int fill_table(const crew *c, const cli_words *words, cli_table *table) {
  const int count = c->seeds->count;
  double *values = calloc((size_t)count * NUMBERS, sizeof *values), numbers[NUMBERS]; /* [NUMBERS][count] */
  double mean[NUMBERS], low[NUMBERS], high[NUMBERS];
  int done = 0;
  for (int i = 0; i < count && values; i++) {
    char name[32];
    if (c->runs[i].code != 0 || !read_summary(&c->runs[i], numbers)) continue;
    for (int j = 0; j < NUMBERS; j++) values[j * count + done] = numbers[j];
    snprintf(name, sizeof name, "%lld", seed_number(c, i));
    numbers[SUCCESS] *= 100;
    add_row(table, words, name, numbers);
    done++;
  }
  for (int j = 0; j < NUMBERS && values; j++) {
    const double *x = values + j * count, scale = j == SUCCESS ? 100 : 1;
    const ml3_lab_interval in =
        j == SUCCESS ? ml3_lab_share_interval(x, done, (int)ML3_LAB_GET(c->seeds->config, validation)->tasks)
                     : ml3_lab_sample_interval(x, done, ml3_lab_range_of(x, done));
    mean[j] = scale * in.mean, low[j] = scale * in.low, high[j] = scale * in.high;
  }
  char name[48] = "mean";
  if (done < count) snprintf(name, sizeof name, "mean of %d of %d seeds", done, count);
  if (done > 0) add_row(table, words, name, mean);
  if (done > 1) add_row(table, words, "95 %, low", low);
  if (done > 1) add_row(table, words, "95 %, high", high);
  free(values);
  return done;
}

static int report(const crew *c, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  cli_words words = {"success", "task loss"};
  for (int i = 0; i < c->seeds->count; i++)
    if (cli_words_read(&words, c->runs[i].folder)) break;
  cli_table *table = make_table(&words);
  if (!table) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  const int done = fill_table(c, &words, table);
  if (!c->seeds->silent) cli_table_print(table, stdout);
  if (!c->seeds->silent)
    printf(
        "%d of %d seeds, judged on validation tasks; intervals by Student's t over seeds, within what a quantity "
        "can be\n",
        done, c->seeds->count);
  ml3_lab_run_path(c->seeds->folder, "seeds.csv", path);
  int code = cli_table_save_csv(table, path, error);
  ml3_lab_run_path(c->seeds->folder, "seeds.md", path);
  if (code == ML3_OK) code = cli_table_save_markdown(table, path, error);
  cli_table_free(table);
  return code;
}

/* Logs of seeds that went well hold nothing; the first that failed speaks for all. */
static int check_ends(const crew *c, ml3_error *error) {
  int failed = 0, first = -1;
  for (int i = 0; i < c->started; i++) {
    if (c->runs[i].code == 0) {
      unlink(c->runs[i].log);
      continue;
    }
    if (failed++ == 0) first = i;
  }
  if (failed == 0) return ML3_OK;
  size_t size = 0;
  char *text = ml3_file_read(c->runs[first].log, 1 << 20, &size, NULL);
  const int length = text ? (int)strcspn(text, "\n") : 0;
  int code =
      ml3_error_set(error, ML3_ERR_NUMERIC, "%d of %d seeds failed; seed %lld: %.*s; see %s", failed, c->seeds->count,
                    seed_number(c, first), length > 400 ? 400 : length, text ? text : "", c->runs[first].log);
  free(text);
  return code;
}

int cli_seeds_check(const cli_seeds *seeds, ml3_error *error) {
  for (int i = 0; seeds->resume && i < seeds->count; i++) {
    char run[ML3_LAB_PATH_MAX];
    snprintf(run, sizeof run, "%.900s/seed-%lld", seeds->folder, (long long)seeds->config->seed + i);
    const ml3_lab_run_progress progress = {.done = ml3_lab_run_steps_done(run)};
    const int code = ml3_lab_run_is_finished(run, seeds->config)
                         ? ML3_OK
                         : ml3_lab_run_may_resume(run, seeds->config, &progress, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

int cli_seeds_train(const cli_seeds *seeds, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  int code = cli_seeds_check(seeds, error);
  if (code != ML3_OK) return code;
  crew c = {.seeds = seeds, .runs = calloc((size_t)seeds->count, sizeof *c.runs)};
  if (!c.runs) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d seeds", seeds->count);
  for (int i = 0; i < seeds->count; i++) {
    char name[64];
    snprintf(name, sizeof name, "seed-%lld", seed_number(&c, i));
    ml3_lab_run_path(seeds->folder, name, c.runs[i].folder);
    snprintf(name, sizeof name, "seed-%lld.log", seed_number(&c, i));
    ml3_lab_run_path(seeds->folder, name, c.runs[i].log);
  }
  ml3_lab_run_path(seeds->folder, "seeds.yaml", path);
  code = ml3_lab_config_write(seeds->config, path, error);
  if (code == ML3_OK) code = run_all(&c, error);
  if (code == ML3_OK) code = report(&c, error);
  if (code == ML3_OK) code = check_ends(&c, error);
  free(c.runs);
  return code;
}
