/* ml3 bench: the time of one outer step of meta-training (lab/bench.h). */
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/verb.h"
#include "lab/bench.h"

static void print_json(const ml3_lab_bench *t) {
  printf(
      "{\"engine\": \"%s\", \"problem\": \"%s\", \"tasks\": %d, \"threads\": %d, \"steps\": %d, \"batch\": "
      "%d, "
      "\"precision\": \"%s\", \"median_ms\": %.6g, \"min_ms\": %.6g, \"max_ms\": %.6g, \"repeats\": %d, "
      "\"compile_ms\": %.6g, \"products_ms\": %.6g, \"task_loss\": %.12g, \"meta_gradient_norm\": %.12g, "
      "\"meta_gradient_first\": [%.12g, %.12g, %.12g, %.12g, %.12g]}\n",
      t->fast ? "ml3 fast" : "ml3", t->what->name, t->tasks, t->threads, t->steps, t->batch,
      sizeof(ml3_real) == 4 ? "float32" : "float64", t->ms[t->repeats / 2], t->ms[0], t->ms[t->repeats - 1], t->repeats,
      t->compile_ms, t->products_ms, t->task_loss, t->norm, t->first[0], t->first[1], t->first[2], t->first[3],
      t->first[4]);
}

static void print_program(const char *name, const ml3_nn_program *p) {
  const ml3_nn_report r = ml3_nn_program_report(p);
  printf("  %s program  %d instructions, %d products, %.1f Mflop, %.1f kB of buffers\n", name, r.instructions,
         r.products, r.flops * 1e-6, (double)r.arena_bytes * 1e-3);
}

static void print_text(const ml3_lab_bench *t) {
  printf("%s, %d task%s in programs of %d, %d thread%s, %d inner step%s\n", t->what->name, t->tasks,
         t->tasks == 1 ? "" : "s", t->batch, t->threads, t->threads == 1 ? "" : "s", t->steps,
         t->steps == 1 ? "" : "s");
  printf("  an outer step  %.3f ms (%.3f - %.3f, %d repeats)\n", t->ms[t->repeats / 2], t->ms[0], t->ms[t->repeats - 1],
         t->repeats);
  printf("  products only  %.3f ms on one thread\n", t->products_ms);
  printf("  compiling      %.1f ms\n", t->compile_ms);
  print_program("inner", ml3_meta_inner_program(t->meta));
  print_program("outer", ml3_meta_outer_program(t->meta));
}

/* Time by kind of operation over some more outer steps. */
static void print_profile(ml3_lab_bench *t) {
  if (ml3_lab_bench_profile(t, 20, NULL) != ML3_OK) return;
  printf("inner program, 20 outer steps:\n");
  ml3_nn_profile(ml3_meta_inner_workspace(t->works[0]), stdout);
  printf("outer program, 20 outer steps:\n");
  ml3_nn_profile(ml3_meta_outer_workspace(t->works[0]), stdout);
}

/* The inner step's program for people; in place of timing it. */
static int show_program(const ml3_lab_bench *t, const char *form, ml3_error *error) {
  const ml3_nn_program *p = ml3_meta_inner_program(t->meta);
  if (strcmp(form, "text") == 0)
    ml3_nn_program_print(p, stdout);
  else if (strcmp(form, "dot") == 0)
    ml3_nn_program_graphviz(p, stdout);
  else
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--program is '%.40s'; expected text or dot", form);
  return ML3_OK;
}

int cli_bench(int argc, const char **argv) {
  const char *problem = "mountain_car";
  int tasks = 1, threads = 1, steps = 1, batch = 0, fast = 0, json = 0, profile = 0;
  double seconds = 2;
  const char *program = NULL;
  const struct poptOption own[] = {
      {"problem", '\0', POPT_ARG_STRING, &problem, 0, "mountain_car, reacher or sine, with the published networks", "NAME"},
      {"tasks", '\0', POPT_ARG_INT, &tasks, 0, "tasks of an outer step (1)", "N"},
      {"batch", '\0', POPT_ARG_INT, &batch, 0, "tasks that one program takes together (up to 4)", "N"},
      {"threads", '\0', POPT_ARG_INT, &threads, 0, "number of threads (1)", "N"},
      {"steps", '\0', POPT_ARG_INT, &steps, 0, "inner steps (1)", "N"},
      {"fast", '\0', POPT_ARG_NONE, &fast, 0, "large products to 1e-5 on a matrix unit (loss.products=fast)", NULL},
      {"seconds", '\0', POPT_ARG_DOUBLE, &seconds, 0, "measuring time (2)", "S"},
      {"json", '\0', POPT_ARG_NONE, &json, 0, "one line of JSON", NULL},
      {"profile", '\0', POPT_ARG_NONE, &profile, 0, "time by kind of operation", NULL},
      {"program", '\0', POPT_ARG_STRING, &program, 0,
       "print the inner step's program instead: text, or dot for Graphviz", "FORM"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "[OPTIONS]",
                                "Times one outer step: inner steps, task loss, meta-gradient, Adam. "
                                "scripts/bench/README.md defines the\n"
                                "numbers; scripts/bench/metagrad sets them beside PyTorch and JAX.",
                                NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  ml3_lab_bench *t = ml3_lab_bench_new(problem, tasks, batch, threads, steps, fast, &error);
  int code = t ? ML3_OK : error.code;
  if (code == ML3_OK) code = program ? show_program(t, program, &error) : ml3_lab_bench_run(t, seconds, &error);
  if (code == ML3_OK && !program) {
    if (json)
      print_json(t);
    else
      print_text(t);
    if (profile) print_profile(t);
  }
  ml3_lab_bench_free(t);
  return cli_end("bench", code, &error);
}
