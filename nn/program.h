/* nn: tensor programs, part two: compile and run.

   A program is immutable and may be run by many threads, each with its own workspace. It has one or more
   *stages*: outputs carry a stage number, and running stage s computes what its outputs need and earlier
   stages have not computed. So a gradient that needs a number known only later reuses the forward values:

     run stage 0  ->  read its outputs, decide, bind the late input  ->  run stage 1

   Stages must be run in rising order; running stage 0 starts anew. Each later stage may run once after it. */
#ifndef ML3_NN_PROGRAM_H
#define ML3_NN_PROGRAM_H

#include "nn/graph.h"

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_nn_program ml3_nn_program; /* a compiled graph: immutable, shared by threads */
typedef struct ml3_nn_workspace ml3_nn_workspace; /* a program's numbers: one a thread */

/* A node that is asked for, and the stage of the run at which it is there. */
typedef struct ml3_nn_output {
  ml3_node node;
  int stage; /* 0 .. */
} ml3_nn_output;

/* What a program takes: operations, memory, arithmetic. */
typedef struct ml3_nn_report {
  int instructions, products, elementwise; /* all; matrix products; fused elementwise passes */
  int nodes;                               /* operations in those */
  size_t arena_bytes;                      /* a workspace's buffers */
  double flops;                            /* of one run of all stages: products (2mnk) and elementwise */
  double product_flops;
} ml3_nn_report;

/* Compiles the outputs. The graph may be freed afterwards. NULL with a message when the graph is sick or
   memory is short. */
ml3_nn_program *ml3_nn_compile(const ml3_nn_graph *g, const ml3_nn_output *outputs, int count,
                               ml3_error *error);
void ml3_nn_program_free(ml3_nn_program *p);
ml3_nn_report ml3_nn_program_report(const ml3_nn_program *p);
void ml3_nn_program_print(const ml3_nn_program *p, FILE *out);    /* text, an instruction a line */
void ml3_nn_program_graphviz(const ml3_nn_program *p, FILE *out); /* for `dot` */

/* Buffers for one thread. Outputs are bound to buffers of the workspace until bound elsewhere. */
ml3_nn_workspace *ml3_nn_workspace_new(const ml3_nn_program *p, ml3_error *error);
void ml3_nn_workspace_free(ml3_nn_workspace *w);

/* Binds an input node (as numbered in the graph) to memory, which must hold the input while the program
   runs and stay unchanged between its stages. An input that no output needs may be bound all the same. */
void ml3_nn_bind_input(ml3_nn_workspace *w, ml3_node input, const ml3_real *data);

/* Binds output i (its place in the list compiled; without effect where there is none) to memory of the caller's that it
   will be written to. */
void ml3_nn_bind_output(ml3_nn_workspace *w, int i, ml3_real *data);

/* Where output i is, NULL when there is none. Valid until the workspace runs again or is freed. */
const ml3_real *ml3_nn_output_at(const ml3_nn_workspace *w, int i);

/* Runs one stage. No allocation, no locks: all inputs it needs must be bound (an unbound one reads as zeros). 0, or
   ML3_ERR_ARGUMENT when an index of ml3_nn_gather_rows or of its derivative was none, in this stage or in one before it;
   only a program that gathers can fail. */
int ml3_nn_run(ml3_nn_workspace *w, int stage);

/* What ml3_nn_run answered last, with a sentence that names the index and what was possible. */
int ml3_nn_run_error(const ml3_nn_workspace *w, ml3_error *error);

/* A stage's matrix products alone, on whatever the buffers hold: the practical limit. */
void ml3_nn_run_products_only(ml3_nn_workspace *w, int stage);

/* Seconds, flops and share of the machine's peak by kind and shape of operation, over the runs since profiling was turned
   on. Turning it on (again) begins anew, and may fail for want of memory. */
int ml3_nn_profile_enable(ml3_nn_workspace *w, bool on);
void ml3_nn_profile(ml3_nn_workspace *w, FILE *out);

#ifdef __cplusplus
}
#endif

#endif
