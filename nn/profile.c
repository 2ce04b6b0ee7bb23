/* Where a program's time goes: by kind of operation and shape. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "nn/program_internal.h"

void ml3_nn_run_profiled(ml3_nn_workspace *w, int number) {
  const double start = ml3_clock_s();
  ml3_nn_run_one(w, &w->p->instructions[number]);
  w->seconds[number] += ml3_clock_s() - start;
  w->calls[number]++;
}

int ml3_nn_profile_enable(ml3_nn_workspace *w, bool on) {
  const size_t n = (size_t)w->p->count + 1;
  free(w->seconds);
  free(w->calls);
  w->seconds = on ? calloc(n, sizeof *w->seconds) : NULL;
  w->calls = on ? calloc(n, sizeof *w->calls) : NULL;
  if (!on || (w->seconds && w->calls)) return ML3_OK;
  free(w->seconds);
  w->seconds = NULL;
  return ML3_ERR_MEMORY;
}

/* ---- the table --------------------------------------------------------------------------------------- */

static double flops_of(const ml3_nn_instruction *i) {
  const double entries = (double)i->m * i->n;
  switch (i->kind) {
    case KIND_PRODUCT:
    case KIND_TILES: return 2 * entries * i->k;
    case KIND_GROUP: return entries * i->k; /* k operations an entry */
    case KIND_SUM:
    case KIND_SUM_ROWS:
    case KIND_SUM_COLS: return entries;
    default: return 0;
  }
}

/* Instructions alike in everything that matters for time. */
typedef struct row {
  const ml3_nn_instruction *like;
  double seconds, flops;
  long calls;
} row;

static bool alike(const ml3_nn_instruction *a, const ml3_nn_instruction *b) {
  return a->kind == b->kind && a->m == b->m && a->n == b->n && a->k == b->k && a->transpose_a == b->transpose_a &&
         a->transpose_b == b->transpose_b && a->k_is_rows == b->k_is_rows && a->right == b->right;
}

static int compare_rows(const void *x, const void *y) {
  const row *a = x, *b = y;
  return (a->seconds < b->seconds) - (a->seconds > b->seconds);
}

static int gather(const ml3_nn_workspace *w, row *rows, double *total) {
  int count = 0;
  *total = 0;
  for (int i = 0; i < w->p->count; i++) {
    const ml3_nn_instruction *in = &w->p->instructions[i];
    int r = 0;
    while (r < count && !alike(rows[r].like, in)) r++;
    if (r == count) rows[count++] = (row){.like = in};
    rows[r].seconds += w->seconds[i];
    rows[r].calls += w->calls[i];
    rows[r].flops += (double)w->calls[i] * flops_of(in);
    *total += w->seconds[i];
  }
  qsort(rows, (size_t)count, sizeof *rows, compare_rows);
  return count;
}

static void print_shape(const ml3_nn_instruction *i, char *text, size_t size) {
  if (i->kind == KIND_PRODUCT)
    snprintf(text, size, "%d x %d x %d %s%s %s", i->m, i->n, i->k, i->transpose_a ? "t" : "n",
             i->transpose_b ? "t" : "n", ml3_nn_product_by_name[i->by]);
  else if (i->kind == KIND_TILES)
    snprintf(text, size, "%d x %d x %d", i->m, i->n, i->k);
  else if (i->kind == KIND_GROUP)
    snprintf(text, size, "%d x %d, %d op%s", i->m, i->n, i->k, i->k == 1 ? "" : "s");
  else
    snprintf(text, size, "%d x %d", i->m, i->n);
}

/* Rate of a large BLAS product on one core: what shares of peak refer to. The matrix unit may be above it. */
static double peak_flops(void) {
  enum { N = 512, REPEATS = 7 };
  ml3_real *a = calloc(3 * (size_t)N * N, sizeof *a);
  double best = INFINITY;
  if (!a) return NAN;
  for (int i = 0; i < 2 * N * N; i++) a[i] = (ml3_real)(i % 7) - 3;
  for (int r = 0; r < REPEATS; r++) {
    const double start = ml3_clock_s();
    ml3_nn_square_product(N, a, a + N * N, a + 2 * N * N);
    best = fmin(best, ml3_clock_s() - start);
  }
  free(a);
  return 2.0 * N * N * N / best;
}

void ml3_nn_profile(ml3_nn_workspace *w, FILE *out) {
  enum { SHOWN = 16 };
  if (!w->seconds) return;
  row *rows = calloc((size_t)w->p->count + 1, sizeof *rows);
  if (!rows) return;
  double total, rest = 0, peak = peak_flops();
  int count = gather(w, rows, &total);
  fprintf(out, "%-10s %-26s %9s %11s %7s %9s %8s\n", "operation", "shape", "calls", "seconds", "share", "Gflop/s",
          "of peak");
  for (int r = 0; r < count; r++) {
    char shape[64];
    if (r >= SHOWN) {
      rest += rows[r].seconds;
      continue;
    }
    const double rate = rows[r].flops / (rows[r].seconds > 0 ? rows[r].seconds : 1);
    print_shape(rows[r].like, shape, sizeof shape);
    fprintf(out, "%-10s %-26s %9ld %11.6f %6.1f%% %9.2f %7.1f%%\n", ml3_nn_kind_name[rows[r].like->kind], shape,
            rows[r].calls, rows[r].seconds, 100 * rows[r].seconds / total, rate * 1e-9, 100 * rate / peak);
  }
  if (count > SHOWN)
    fprintf(out, "%-10s %-26s %9s %11.6f %6.1f%%\n", "others", "", "", rest, 100 * rest / total);
  fprintf(out, "%-37s %9s %11.6f; peak: a product of 512 x 512 x 512 at %.1f Gflop/s\n", "all", "", total, peak * 1e-9);
  free(rows);
}

ml3_nn_report ml3_nn_program_report(const ml3_nn_program *p) {
  ml3_nn_report report = {.instructions = p->count, .arena_bytes = p->arena_entries * sizeof(ml3_real)};
  for (int i = 0; i < p->count; i++) {
    const ml3_nn_instruction *in = &p->instructions[i];
    double flops = flops_of(in);
    report.flops += flops;
    report.products += in->kind == KIND_PRODUCT || in->kind == KIND_TILES;
    report.elementwise += in->kind == KIND_GROUP;
    report.nodes += in->kind == KIND_GROUP ? in->k : 1;
    if (in->kind == KIND_PRODUCT || in->kind == KIND_TILES) report.product_flops += flops;
  }
  return report;
}
