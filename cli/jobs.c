/* Processes of `ml3 train`: see jobs.h. */
#define _DEFAULT_SOURCE /* setenv, usleep */
#include "cli/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "lab/learners.h"
#include "lab/run_progress.h"

/* Jobs at work. */
typedef struct pool {
  cli_jobs *jobs;
  int threads; /* a process */
  int started, ended;
  long shown; /* steps in the last progress line */
} pool;

cli_job *cli_jobs_add(cli_jobs *jobs, ml3_error *error) {
  if (jobs->count == jobs->capacity) {
    const int capacity = jobs->capacity ? 2 * jobs->capacity : 16;
    cli_job *grown = realloc(jobs->list, (size_t)capacity * sizeof *grown);
    if (!grown) {
      ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d runs", capacity);
      return NULL;
    }
    jobs->list = grown, jobs->capacity = capacity;
  }
  cli_job *job = &jobs->list[jobs->count++];
  *job = (cli_job){0};
  return job;
}

void cli_jobs_free(cli_jobs *jobs) {
  free(jobs->list);
}

/* ---- processes ------------------------------------------------------------------------------------------------ */

/* In the child: becomes `ml3 train`. A group of its own: the interrupt of a terminal reaches the parent, which passes it on
   once. */
static void become_training(const pool *p, const cli_job *job) {
  char seed[64], threads[16];
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  int log = open(job->log, O_WRONLY | O_CREAT | O_TRUNC, 0644), null = open("/dev/null", O_RDWR);
  if (log < 0 || null < 0) _exit(1);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  snprintf(threads, sizeof threads, "%d", p->threads);
  setenv("OMP_NUM_THREADS", threads, 1);
  snprintf(seed, sizeof seed, "seed=%lld", job->seed);
  const char *arguments[2 * CLI_SETS_MAX + 16] = {"ml3", "train", "--quiet", "--log", p->jobs->log_formats};
  int n = 5;
  if (job->resume && ml3_lab_run_is(job->folder)) {
    arguments[n++] = "--resume", arguments[n++] = job->folder;
    for (int j = 0; j < job->set_count; j++)
      if (strncmp(job->sets[j], "seed=", 5) != 0) arguments[n++] = "--set", arguments[n++] = job->sets[j];
  } else { /* the file has them already */
    arguments[n++] = job->file, arguments[n++] = "--output", arguments[n++] = job->folder, arguments[n++] = "--force";
    arguments[n++] = "--set", arguments[n++] = seed;
  }
  execv("/proc/self/exe", (char *const *)arguments);
  _exit(1);
}

static int start_one(pool *p, ml3_error *error) {
  cli_job *job = &p->jobs->list[p->started];
  if (job->resume && ml3_lab_run_is_finished(job->folder, job->config)) {
    job->child = -1;
    p->started++, p->ended++;
    return ML3_OK;
  }
  fflush(NULL);
  job->child = fork();
  if (job->child == 0) become_training(p, job);
  if (job->child < 0)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "cannot start the training of '%s': %s", job->folder,
                         strerror(errno));
  p->started++;
  return ML3_OK;
}

static void collect_ended(pool *p) {
  int status;
  for (int i = 0; i < p->started; i++) {
    cli_job *job = &p->jobs->list[i];
    if (job->child <= 0 || waitpid(job->child, &status, WNOHANG) != job->child) continue;
    job->child = -1;
    job->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    p->ended++;
  }
}

static void pass_on(pool *p, int signal_number) {
  for (int i = 0; i < p->started; i++)
    if (p->jobs->list[i].child > 0) kill(p->jobs->list[i].child, signal_number);
}

/* ---- progress ------------------------------------------------------------------------------------------------- */

/* Steps that a run has made, from the last line of its metrics: a learner's first column counts environment steps. */
static long steps_done(const cli_job *job) {
  char path[ML3_LAB_PATH_MAX], tail[1024];
  if (job->child < 0) return (long)ml3_lab_run_steps(job->config);
  ml3_lab_run_path(job->folder, "metrics.csv", path);
  FILE *f = job->child > 0 ? fopen(path, "r") : NULL;
  if (!f) return 0;
  if (fseek(f, -(long)sizeof tail + 1, SEEK_END) != 0) rewind(f);
  const size_t n = fread(tail, 1, sizeof tail - 1, f);
  fclose(f);
  tail[n] = '\0';
  char *end = strrchr(tail, '\n');
  if (!end) return 0;
  *end = '\0';
  const char *last = strrchr(tail, '\n');
  last = last ? last + 1 : tail;
  const char *second = ml3_lab_learner_kind(job->config) ? strchr(last, ',') : NULL;
  return strtol(second ? second + 1 : last, NULL, 10);
}

static void show(pool *p, cli_progress *progress, long all) {
  long done = 0;
  char note[64];
  for (int i = 0; i < p->started; i++) done += steps_done(&p->jobs->list[i]);
  if (done == all && p->ended < p->jobs->count) done--; /* the last line is for the end */
  if (done <= p->shown) return;
  p->shown = done;
  snprintf(note, sizeof note, "runs done: %d of %d", p->ended, p->jobs->count);
  cli_progress_update(progress, done, note);
}

int cli_jobs_run(cli_jobs *jobs, ml3_error *error) {
  const int cores = jobs->cores > 0 ? jobs->cores : omp_get_max_threads();
  const int at_once = jobs->count < cores ? jobs->count : cores;
  pool p = {.jobs = jobs, .threads = at_once > 0 && cores / at_once > 1 ? cores / at_once : 1};
  cli_progress progress;
  long all = 0;
  int code = ML3_OK;
  bool stopping = false;
  for (int i = 0; i < jobs->count; i++) all += (long)ml3_lab_run_steps(jobs->list[i].config);
  cli_progress_begin(&progress, jobs->what, all, jobs->quiet);
  while (p.ended < p.started || (p.started < jobs->count && !stopping)) {
    while (!stopping && p.started < jobs->count && p.started - p.ended < at_once)
      if ((code = start_one(&p, error)) != ML3_OK) stopping = true, pass_on(&p, SIGINT);
    usleep(50000);
    collect_ended(&p);
    if (cli_interrupted() && !stopping) stopping = true, pass_on(&p, SIGINT);
    show(&p, &progress, all);
  }
  cli_progress_end(&progress);
  if (code == ML3_OK && stopping)
    code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted; what has begun has kept its checkpoint");
  return code;
}

int cli_jobs_check(const cli_job *jobs, int count, ml3_error *error) {
  int failed = 0, first = -1;
  for (int i = 0; i < count; i++) {
    if (jobs[i].code == 0) {
      unlink(jobs[i].log);
      continue;
    }
    if (failed++ == 0) first = i;
  }
  if (failed == 0) return ML3_OK;
  size_t size = 0;
  char *text = ml3_file_read(jobs[first].log, 1 << 20, &size, NULL);
  const int length = text ? (int)strcspn(text, "\n") : 0;
  const int code =
      ml3_error_set(error, ML3_ERR_NUMERIC, "%d of %d seeds failed; seed %lld: %.*s; see %s", failed, count,
                    jobs[first].seed, length > 400 ? 400 : length, text ? text : "", jobs[first].log);
  free(text);
  return code;
}
