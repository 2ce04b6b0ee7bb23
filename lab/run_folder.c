/* Run folders: see run_folder.h. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "lab/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "envs/gym.h"
#include "lab/environments.h"
#include "lab/experiment.h"
#include "lab/problems.h"
#include "lab/run_environment.h"
#include "nn/checkpoint.h"

void ml3_lab_run_path(const char *folder, const char *name, char *path) {
  snprintf(path, ML3_LAB_PATH_MAX, "%.900s/%.100s", folder, name);
}

bool ml3_lab_run_is(const char *folder) {
  char path[ML3_LAB_PATH_MAX];
  struct stat info;
  ml3_lab_run_path(folder, "config.yaml", path);
  return stat(path, &info) == 0;
}

static int no_folder(const char *folder, int reason, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s; choose another with --output", folder,
                       strerror(reason));
}

int ml3_lab_run_may_create(const char *name, bool force, ml3_error *error) {
  struct stat info;
  if (!name || stat(name, &info) != 0) return ML3_OK;
  if (!S_ISDIR(info.st_mode)) return ml3_error_set(error, ML3_ERR_IO, "'%s' is a file; a run needs a folder", name);
  if (!force)
    return ml3_error_set(error, ML3_ERR_IO, "the folder '%s' exists already; choose another --output, or --force",
                         name);
  return access(name, W_OK) == 0 ? ML3_OK : no_folder(name, errno, error);
}

/* What a folder is called by: of gym:NAMESPACE/ID?KEY=VALUE its ID. */
static void put_title(const ml3_lab_config *config, char title[200]) {
  const char *name = ml3_lab_problem_title(config), *slash;
  if (ml3_gym_is(name)) {
    const int n = (int)strcspn(name, "?#");
    snprintf(title, 200, "%.*s", n, name);
    while ((slash = strpbrk(title, ":/"))) memmove(title, slash + 1, strlen(slash));
  } else {
    snprintf(title, 200, "%.199s", name);
  }
}

int ml3_lab_run_create(const char *name, const ml3_lab_config *config, bool force, char *folder, ml3_error *error) {
  char date[32], title[200];
  time_t now = time(NULL);
  struct tm local;
  strftime(date, sizeof date, "%Y-%m-%d", localtime_r(&now, &local));

  const int code = ml3_lab_run_may_create(name, force, error);
  if (code != ML3_OK) return code;
  put_title(config, title);
  for (int number = 1; number < 10000; number++) {
    if (name)
      snprintf(folder, ML3_LAB_PATH_MAX, "%.900s", name);
    else if (number == 1)
      snprintf(folder, ML3_LAB_PATH_MAX, "runs/%s-%.200s-seed%lld", date, title,
               (long long)config->seed);
    else
      snprintf(folder, ML3_LAB_PATH_MAX, "runs/%s-%.200s-seed%lld-%d", date, title,
               (long long)config->seed, number);
    ml3_file_make_parents(folder, NULL); /* what fails here fails below with a message */
    if (mkdir(folder, 0755) == 0) return ML3_OK;
    if (errno != EEXIST || (name && !force)) return no_folder(folder, errno, error);
    if (name) return ML3_OK;
  }
  return ml3_error_set(error, ML3_ERR_IO, "there are too many runs of today; choose a name with --output");
}

int ml3_lab_run_open(const char *folder, ml3_lab_config *config, ml3_loss **loss, const ml3_lab_callbacks *callbacks,
                     ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  *loss = NULL;
  if (!ml3_lab_run_is(folder))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder: it has no config.yaml; `ml3 train` makes runs",
                         folder);
  int code = ml3_lab_run_config(folder, config, callbacks, error);
  if (code != ML3_OK) return code;
  if (ml3_lab_trains_policy(config))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "'%s' has trained a policy by itself (%s) and has no learned loss; `ml3 view %s` and `ml3 record %s` play "
        "the policy, `ml3 collect %s --policy %s/policy.safetensors` writes episodes of it",
        folder, ml3_lab_method_label(config), folder, folder, config->environment, folder);
  ml3_lab_run_path(folder, "loss.safetensors", path);
  if (access(path, F_OK) != 0)
    return ml3_error_set(error, ML3_ERR_IO, "the run '%s' has no learned loss yet; go on with `ml3 train --resume %s`",
                         folder, folder);
  if (!(*loss = ml3_loss_load(path, error))) return error->code;
  ml3_lab_run_path(folder, ML3_LAB_ENSEMBLE, path); /* what was learned of the environment is not learned again */
  if (!ML3_LAB_GET(config, dynamics)->kind || access(path, F_OK) != 0) return ML3_OK;
  if (strlen(path) >= sizeof ML3_LAB_GET(config, dynamics)->file)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%s' is too long; at most %zu characters are possible",
                         path, sizeof ML3_LAB_GET(config, dynamics)->file - 1);
  strcpy(ML3_LAB_EDIT(config, dynamics)->file, path);
  ML3_LAB_EDIT(config, dynamics)->every = 0;
  return ML3_OK;
}

/* NAME.tmp-XXXXXX, NAME.tmp-XXXXXX~ (base/file.c) and NAME.tmp (cli/gnuplot.c). */
static bool is_left_over(const char *name) {
  const char *tail = strstr(name, ".tmp");
  while (tail && strstr(tail + 1, ".tmp")) tail = strstr(tail + 1, ".tmp");
  return tail &&
         (strcmp(tail, ".tmp") == 0 || (strncmp(tail, ".tmp-", 5) == 0 && strlen(tail) >= 11 && strlen(tail) <= 12));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)info, (void)type, (void)where;
  return remove(path);
}

/* Files; of folders those that an environment was being copied to. */
static void remove_left_overs(const char *folder) {
  char path[ML3_LAB_PATH_MAX];
  DIR *dir = opendir(folder);
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
    if (!is_left_over(e->d_name)) continue;
    ml3_lab_run_path(folder, e->d_name, path);
    if (unlink(path) != 0 && strncmp(e->d_name, "environment.tmp-", 16) == 0)
      nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  }
  if (dir) closedir(dir);
}

int ml3_lab_run_find_checkpoint(const char *folder, const ml3_lab_callbacks *callbacks, char *found, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX], damaged[ML3_LAB_PATH_MAX], previous[ML3_LAB_PATH_MAX];
  ml3_error damage = {0};
  remove_left_overs(folder);
  ml3_lab_run_path(folder, "checkpoint", path);
  ml3_lab_run_path(folder, "checkpoint.damaged", damaged);
  ml3_lab_run_path(folder, "checkpoint.previous", previous);
  found[0] = '\0';
  if (access(path, F_OK) != 0 && access(previous, F_OK) != 0) {
    ml3_lab_message(callbacks, "'%s' has no checkpoint yet; it begins at its first step", folder);
    return ML3_OK;
  }
  int code = ml3_nn_checkpoint_find(path, found, ML3_LAB_PATH_MAX, &damage, error);
  if (code != ML3_OK || damage.code == ML3_OK) return code;
  ml3_lab_message(callbacks, "%s; going on from the one before, '%s'", damage.message, found);
  rename(path, damaged); /* or the next checkpoint would push out the good one for it; there may be none */
  return ML3_OK;
}

void ml3_lab_run_clear(const char *folder) {
  static const char *const names[] = {"checkpoint",       "checkpoint.previous", "checkpoint.damaged",
                                      "loss.safetensors", "policy.safetensors",  "summary.json"};
  char path[ML3_LAB_PATH_MAX];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) ml3_lab_run_path(folder, names[i], path), unlink(path);
  remove_left_overs(folder);
}

bool ml3_lab_checkpoint_due(int64_t done, int64_t every, double *saved_s) {
  enum { LONGEST_S = 60 };
  const double now = ml3_clock_s();
  if (*saved_s == 0) *saved_s = now;
  if (done % every != 0 && now - *saved_s < LONGEST_S) return false;
  *saved_s = now;
  return true;
}
