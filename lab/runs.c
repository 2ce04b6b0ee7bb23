/* Folders of runs: see runs.h. */
#define _GNU_SOURCE /* strverscmp */
#include "lab/runs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 4 };

/* ---- finding ---------------------------------------------------------------------------------------------------- */

static int add_run(ml3_lab_runs *r, const char *folder, ml3_error *error) {
  if (r->count == ML3_LAB_RUNS_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "more than %d runs at once", ML3_LAB_RUNS_MAX);
  ml3_lab_run *grown = realloc(r->runs, (size_t)(r->count + 1) * sizeof *grown);
  if (!grown) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d runs", r->count + 1);
  r->runs = grown;
  ml3_lab_run *run = &r->runs[r->count++];
  char path[ML3_LAB_PATH_MAX];
  snprintf(run->folder, sizeof run->folder, "%s", folder);
  ml3_lab_config_defaults(&run->config);
  ml3_lab_run_path(folder, "config.yaml", path);
  return ml3_lab_config_read(&run->config, path, error);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *e) {
  return e->d_name[0] != '.';
}

static int find_runs(ml3_lab_runs *r, const char *folder, int depth, ml3_error *error) {
  struct dirent **entries;
  if (ml3_lab_run_is(folder)) return add_run(r, folder, error);
  int count = depth < DEPTH_MAX ? scandir(folder, &entries, is_visible, by_name) : -1, code = ML3_OK;
  for (int i = 0; i < count; i++) {
    char path[ML3_LAB_PATH_MAX];
    struct stat info;
    snprintf(path, sizeof path, "%.700s/%.255s", folder, entries[i]->d_name);
    if (code == ML3_OK && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) code = find_runs(r, path, depth + 1, error);
    free(entries[i]);
  }
  if (count >= 0) free(entries);
  return code;
}

/* ---- grouping ----------------------------------------------------------------------------------------------------- */

/* A configuration as text, without what may differ within a group. */
static char *text_of(const ml3_lab_config *config) {
  ml3_lab_config same = *config;
  same.seed = same.threads = 0;
  return ml3_lab_config_text(&same);
}

static int group(ml3_lab_runs *r, bool apart, ml3_error *error) {
  char **texts = calloc((size_t)r->count + 1, sizeof *texts);
  int code = texts ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to group runs");
  for (int i = 0; i < r->count && code == ML3_OK; i++) {
    int first = 0;
    if (!(texts[i] = text_of(&r->runs[i].config)))
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to group runs");
    while (code == ML3_OK && first < i && (apart || strcmp(texts[first], texts[i]) != 0)) first++;
    r->runs[i].group = first < i ? r->runs[first].group : r->groups++;
  }
  for (int i = 0; i < r->count && texts; i++) free(texts[i]);
  free(texts);
  return code;
}

int ml3_lab_runs_open(ml3_lab_runs *r, const char *const *folders, int count, bool apart, ml3_error *error) {
  *r = (ml3_lab_runs){0};
  for (int i = 0; i < count; i++) {
    const int before = r->count;
    struct stat info;
    int code = find_runs(r, folders[i], 0, error);
    if (code != ML3_OK) return code;
    if (r->count == before && stat(folders[i], &info) != 0)
      return ml3_error_set(error, ML3_ERR_IO, "there is no folder '%s'; `ml3 list runs` shows what there is",
                           folders[i]);
    if (r->count == before)
      return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder and holds none; `ml3 train` makes runs",
                           folders[i]);
  }
  return group(r, apart, error);
}

void ml3_lab_runs_free(ml3_lab_runs *r) {
  free(r->runs);
  *r = (ml3_lab_runs){0};
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

int ml3_lab_runs_size(const ml3_lab_runs *r, int number) {
  int count = 0;
  for (int i = 0; i < r->count; i++) count += r->runs[i].group == number;
  return count;
}

void ml3_lab_runs_label(const ml3_lab_runs *r, int number, char *label, size_t size) {
  const char *first = NULL;
  size_t common = 0, length;
  for (int i = 0; i < r->count; i++) {
    if (r->runs[i].group != number) continue;
    const char *folder = r->runs[i].folder;
    if (!first) common = strlen(first = folder);
    size_t same = 0;
    while (same < common && folder[same] == first[same]) same++;
    common = same;
  }
  length = common;
  const char *slash = first ? strrchr(first, '/') : NULL;
  const bool by_seed =
      ml3_lab_runs_size(r, number) > 1 || (slash && slash != first && strncmp(slash + 1, "seed-", 5) == 0);
  while (by_seed && length > 0 && strchr("-_/.0123456789", first[length - 1])) length--;
  if (by_seed && length > 4 && strncmp(first + length - 4, "seed", 4) == 0) length -= 4;
  while (length > 0 && strchr("-_/.", first[length - 1])) length--;
  if (length == 0) length = common;
  size_t begin = length;
  while (begin > 0 && first[begin - 1] != '/') begin--;
  snprintf(label, size, "%.*s", (int)(length - begin), first ? first + begin : "");
  if (ml3_lab_runs_size(r, number) > 1) {
    const size_t used = strlen(label);
    snprintf(label + used, size - used, " (%d seeds)", ml3_lab_runs_size(r, number));
  }
}
