/* Comparisons without an environment: see compare_supervised.h. */
#include "lab/compare_supervised.h"

#include <stdlib.h>
#include <string.h>

#include "lab/compare_open.h"
#include "lab/experiment.h"
#include "lab/zoo.h"

/* ---- a run ------------------------------------------------------------------------------------------------------- */

int ml3_lab_run_find_supervised(const char *folder, bool *supervised, ml3_error *error) {
  ml3_lab_config config;
  char path[ML3_LAB_PATH_MAX];
  *supervised = false;
  if (!ml3_lab_run_is(folder)) return ML3_OK;
  ml3_lab_config_defaults(&config);
  ml3_lab_run_path(folder, "config.yaml", path);
  const int code = ml3_lab_config_read(&config, path, error);
  const ml3_lab_problem_kind *kind = code == ML3_OK ? ml3_lab_problem_kind_find(config.problem, NULL) : NULL;
  *supervised = kind && !ml3_lab_problem_acts(kind);
  return code;
}

static ml3_meta_test_settings meta_test_settings(const ml3_lab_config *c) {
  const ml3_test_options *test = ML3_LAB_GET(c, test);
  const ml3_validation_options *validation = ML3_LAB_GET(c, validation);
  const ml3_meta_test_options *meta_test = ML3_LAB_GET(c, meta_test);
  ml3_meta_test_settings s = {
      .seed = (uint64_t)c->seed,
      .tasks = (int)test->tasks,
      .rate_tasks = validation->tasks < 64 ? (int)validation->tasks : 64,
      .step_count = test->steps.count < ML3_META_TEST_MAX_STEPS ? test->steps.count : ML3_META_TEST_MAX_STEPS,
      .rate = meta_test->rate > 0 ? meta_test->rate : ML3_LAB_GET(c, inner)->rate,
      .threads = (int)c->threads};
  for (int i = 0; i < s.step_count; i++) s.steps[i] = (int)test->steps.values[i];
  return s;
}

/* Appends the tasks of `more`, whose rows are the same. */
static int append(ml3_lab_supervised *s, ml3_meta_test *more, ml3_error *error) {
  if (!s->all) {
    s->all = more;
    return ML3_OK;
  }
  int code = s->all->count == more->count
                 ? ML3_OK
                 : ml3_error_set(error, ML3_ERR_ARGUMENT, "the seeds' runs differ in their test.steps");
  for (int i = 0; i < more->count && code == ML3_OK; i++) {
    ml3_meta_test_row *r = &s->all->rows[i];
    ml3_outcome *grown = realloc(r->outcome, (size_t)(s->all->tasks + more->tasks) * sizeof *grown);
    if (!grown) {
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the tasks of another seed");
      break;
    }
    memcpy(grown + s->all->tasks, more->rows[i].outcome, (size_t)more->tasks * sizeof *grown);
    r->outcome = grown;
  }
  if (code == ML3_OK) s->all->tasks += more->tasks;
  ml3_meta_test_free(more);
  return code;
}

typedef struct opened {
  ml3_lab_config config;
  ml3_problem *problem;
  ml3_meta *metas[ML3_META_TEST_MAX_RULES];
  ml3_loss *losses[ML3_META_TEST_MAX_RULES];
  ml3_rule rules[ML3_META_TEST_MAX_RULES];
} opened;

/* The runs to compare: the first, and the others; patterns where each seed has one of its own. */
typedef struct entries {
  const char *runs[ML3_META_TEST_MAX_RULES], *labels[ML3_META_TEST_MAX_RULES]; /* labels[i] NULL: the method's name */
  int count;
  char with[2 * ML3_LAB_PATH_MAX], label[1024];
} entries;

static int read_entries(const ml3_lab_compare_settings *own, entries *e, ml3_error *error) {
  const int most = ML3_META_TEST_MAX_RULES - 1;
  *e = (entries){.runs = {own->name}};
  snprintf(e->with, sizeof e->with, "%s", own->with ? own->with : "");
  snprintf(e->label, sizeof e->label, "%s", own->label ? own->label : "");
  const int others = own->with ? ml3_lab_split(e->with, ",", e->runs + 1, most, "--with", error) : 0;
  const int labels = own->label ? ml3_lab_split(e->label, ",", e->labels + 1, most, "--label", error) : 0;
  e->count = others + 1;
  return others < 0 ? others : labels < 0 ? labels : ML3_OK;
}

/* Number i of the runs, for that seed. */
static int open_one(opened *c, const ml3_lab_compare_settings *own, const entries *e, int i, int seed,
                    ml3_error *error) {
  char pattern[ML3_LAB_PATH_MAX], path[ML3_LAB_PATH_MAX], folder[ML3_LAB_PATH_MAX];
  ml3_lab_config other, *config = i ? &other : &c->config;
  ml3_trainer_settings settings;
  ml3_lab_names_each_seed(e->runs[i], pattern, sizeof pattern);
  ml3_lab_put_seed(pattern, seed, path);
  const char *run = ml3_lab_zoo_folder(path, folder, error);
  if (!run) return error->code;
  int code = ml3_lab_run_open(run, config, &c->losses[i], own->callbacks, error);
  if (code == ML3_OK && i == 0)
    code = ml3_lab_config_override(config, own->sets, own->set_count, own->callbacks, error);
  if (code == ML3_OK && i == 0 && !(c->problem = ml3_lab_problem_new(config, error))) code = error->code;
  if (code == ML3_OK) code = ml3_lab_trainer_settings(config, c->problem, c->losses[i], &settings, error);
  if (code != ML3_OK) return code;
  if (!(c->metas[i] = ml3_meta_new(c->problem, &settings.meta, error))) return ml3_error_prefix(error, "%s", run);
  c->rules[i] = (ml3_rule){e->labels[i] ? e->labels[i] : ml3_lab_method_label(config), c->metas[i], c->losses[i]};
  return ML3_OK;
}

static int compare_seed(ml3_lab_supervised *s, const ml3_lab_compare_settings *own, const entries *e, int seed,
                        ml3_error *error) {
  opened *c = calloc(1, sizeof *c);
  int code = c ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare");
  for (int i = 0; i < e->count && code == ML3_OK; i++) code = open_one(c, own, e, i, seed, error);
  if (code == ML3_OK) {
    ml3_meta_test_settings settings = meta_test_settings(&c->config);
    if (!s->runs_differ) settings.seed += (uint64_t)seed;
    ml3_lab_begin(own->callbacks, "comparing", settings.tasks + settings.rate_tasks);
    ml3_meta_test *one =
        ml3_meta_test_run(c->problem, c->rules, e->count, &settings, ml3_lab_work, (void *)own->callbacks, error);
    ml3_lab_end(own->callbacks);
    code = one ? append(s, one, error) : error->code;
    s->step_count = settings.step_count;
    s->problem = *c->problem;
  }
  if (code == ML3_OK) s->seeds++;
  for (int i = 0; i < e->count && c; i++) ml3_meta_free(c->metas[i]), ml3_loss_free(c->losses[i]);
  if (c && c->problem) c->problem->free(c->problem);
  free(c);
  return code;
}

ml3_lab_supervised *ml3_lab_compare_supervised(const ml3_lab_compare_settings *own, ml3_error *error) {
  char pattern[ML3_LAB_PATH_MAX];
  ml3_lab_supervised *s = calloc(1, sizeof *s);
  entries *e = malloc(sizeof *e);
  int code = s && e ? read_entries(own, e, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare");
  if (code == ML3_OK) s->runs_differ = ml3_lab_names_each_seed(own->name, pattern, sizeof pattern);
  for (int seed = 0; seed < (own->seeds ? own->seeds : 1) && code == ML3_OK; seed++)
    code = compare_seed(s, own, e, seed, error);
  free(e);
  if (code == ML3_OK) return s;
  ml3_lab_supervised_free(s);
  return NULL;
}

void ml3_lab_supervised_free(ml3_lab_supervised *s) {
  if (s) ml3_meta_test_free(s->all);
  free(s);
}
