/* Running a program: instructions one after the other over one arena. No allocation, no locks. */
#include "nn/program_internal.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- workspaces ------------------------------------------------------------------------------------- */

static ml3_real *at(const ml3_nn_workspace *w, ml3_nn_slot_id slot) {
  return w->at[slot.number];
}

static void point(ml3_nn_workspace *w, int root, ml3_real *data) {
  const ml3_nn_root *r = &w->p->roots[root];
  for (int i = 0; i < r->slots; i++) {
    int slot = w->p->slots_of_root[r->first_slot + i];
    w->at[slot] = data + w->p->slots[slot].offset;
  }
}

static ml3_real *aligned(size_t entries) {
  size_t bytes = (entries * sizeof(ml3_real) + 127) / 64 * 64;
  ml3_real *memory = aligned_alloc(64, bytes);
  if (memory) memset(memory, 0, bytes);
  return memory;
}

ml3_nn_workspace *ml3_nn_workspace_new(const ml3_nn_program *p, ml3_error *error) {
  ml3_nn_workspace *w = calloc(1, sizeof *w);
  if (w) {
    w->p = p;
    w->arena = aligned(p->arena_entries);
    w->scratch = aligned((size_t)p->max_temporaries * ML3_NN_TILE);
    w->constants = aligned((size_t)p->constant_count * ML3_NN_TILE);
    w->zeros = aligned((size_t)p->largest_input);
    w->at = calloc((size_t)p->slot_count + 1, sizeof *w->at);
    w->registers = calloc((size_t)p->max_registers + 1, sizeof *w->registers);
  }
  if (!w || !w->arena || !w->scratch || !w->constants || !w->zeros || !w->at || !w->registers) {
    ml3_nn_workspace_free(w);
    ml3_error_set(error, ML3_ERR_MEMORY, "ml3_nn_workspace_new: no memory for %zu bytes of buffers",
                  p->arena_entries * sizeof(ml3_real));
    return NULL;
  }
  for (int i = 0; i < p->constant_count; i++)
    p->kernels->fill(ML3_NN_TILE, w->constants + (size_t)i * ML3_NN_TILE, (ml3_real)p->constants[i]);
  for (int r = 0; r < p->root_count; r++)
    point(w, r, p->roots[r].input >= 0 ? w->zeros : w->arena + p->roots[r].at);
  return w;
}

void ml3_nn_workspace_free(ml3_nn_workspace *w) {
  if (!w) return;
  free(w->arena);
  free(w->scratch);
  free(w->constants);
  free(w->zeros);
  free(w->at);
  free(w->registers);
  free(w->seconds);
  free(w->calls);
  free(w);
}

void ml3_nn_bind_input(ml3_nn_workspace *w, ml3_node input, const ml3_real *data) {
  for (int r = 0; r < w->p->root_count; r++)
    if (w->p->roots[r].input >= 0 && w->p->roots[r].input == input) {
      point(w, r, (ml3_real *)data); /* inputs are never written */
      return;
    }
}

void ml3_nn_bind_output(ml3_nn_workspace *w, int i, ml3_real *data) {
  if (i >= 0 && i < w->p->outputs) point(w, ml3_nn_slot_at(w->p, w->p->output_slot[i])->root, data);
}

const ml3_real *ml3_nn_output_at(const ml3_nn_workspace *w, int i) {
  return i >= 0 && i < w->p->outputs ? at(w, w->p->output_slot[i]) : NULL;
}

/* ---- fused passes ------------------------------------------------------------------------------------ */

/* A row of cols entries repeated rows times. */
static void repeat_row(int rows, int cols, ml3_real *d, const ml3_real *row) {
  for (int i = 0; i < rows; i++) memcpy(d + (size_t)i * cols, row, (size_t)cols * sizeof *d);
}

/* Points the pass's load registers at a tile: `rows` rows of `width` entries from (row, col). `first` tiles also
   lay out what stays the same for all tiles. */
static void load_tile(ml3_nn_workspace *w, const ml3_nn_group *g, int cols, int row, int col, int rows, int width,
                      bool first) {
  const ml3_nn_program *p = w->p;
  ml3_real *scratch = w->scratch + (size_t)g->temporaries * ML3_NN_TILE;
  for (int i = 0; i < g->loads; i++, scratch += ML3_NN_TILE) {
    const ml3_nn_load *l = &p->loads[g->first_load + i];
    const ml3_real *from = at(w, l->slot);
    switch (l->mode) {
      case LOAD_FULL: w->registers[i] = (ml3_real *)from + (size_t)row * cols + col; break;
      case LOAD_CONSTANT: w->registers[i] = w->constants + (size_t)l->constant * ML3_NN_TILE; break;
      case LOAD_SCALAR:
        if (first) p->kernels->fill(rows * width, scratch, from[0]);
        w->registers[i] = scratch;
        break;
      case LOAD_ROW:
        if (rows == 1) {
          w->registers[i] = (ml3_real *)from + col;
        } else {
          if (first) repeat_row(rows, width, scratch, from);
          w->registers[i] = scratch;
        }
        break;
      case LOAD_COL:
        for (int j = 0; j < rows; j++) p->kernels->fill(width, scratch + (size_t)j * width, from[row + j]);
        w->registers[i] = scratch;
        break;
    }
  }
}

static void run_group(ml3_nn_workspace *w, const ml3_nn_group *g) {
  const ml3_nn_program *p = w->p;
  const int rows = g->flat ? 1 : g->rows, cols = g->flat ? g->rows * g->cols : g->cols;
  const int width = cols < ML3_NN_TILE ? cols : ML3_NN_TILE;
  const int tall = cols < ML3_NN_TILE ? ML3_NN_TILE / cols : 1; /* rows a tile */
  ml3_real **const r = w->registers;

  for (int i = 0; i < g->temporaries; i++) r[g->loads + g->stores + i] = w->scratch + (size_t)i * ML3_NN_TILE;

  for (int row = 0; row < rows; row += tall)
    for (int col = 0; col < cols; col += width) {
      const int h = row + tall <= rows ? tall : rows - row, v = col + width <= cols ? width : cols - col;
      load_tile(w, g, cols, row, col, h, v, row == 0 && col == 0);
      for (int i = 0; i < g->stores; i++)
        r[g->loads + i] = at(w, p->stores[g->first_store + i]) + (size_t)row * cols + col;

      const ml3_nn_micro *m = p->micros + g->first_micro, *end = m + g->micros;
      for (; m < end; m++) p->kernels->elementwise[m->op](h * v, r[m->d], r[m->a], r[m->b], r[m->c]);
    }
}

/* ---- products and moves -------------------------------------------------------------------------------- */

static void blas_product(bool transpose_a, bool transpose_b, int m, int n, int k, const ml3_real *a, const ml3_real *b,
                         ml3_real *c) {
  const CBLAS_TRANSPOSE ta = transpose_a ? CblasTrans : CblasNoTrans, tb = transpose_b ? CblasTrans : CblasNoTrans;
  const int lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
#ifdef ML3_DOUBLE
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, 0, c, n);
#else
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, 0, c, n);
#endif
}

void ml3_nn_square_product(int n, const ml3_real *a, const ml3_real *b, ml3_real *c) {
  blas_product(false, false, n, n, n, a, b, c);
}

static void run_product(const ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  const ml3_nn_kernels *k = w->p->kernels;
  const ml3_real *a = at(w, i->a), *b = at(w, i->b);
  ml3_real *c = at(w, i->dst);
  if (i->by == BY_BLAS)
    blas_product(i->transpose_a, i->transpose_b, i->m, i->n, i->k, a, b, c);
  else if (i->by == BY_PANELS)
    k->product_panels(i->transpose_a, i->transpose_b, i->m, i->n, i->k, a, b, c);
  else if (i->transpose_a)
    k->product_tn(i->m, i->n, i->k, a, b, c);
  else if (i->transpose_b)
    k->product_nt(i->m, i->n, i->k, a, b, c);
  else
    k->product_nn(i->m, i->n, i->k, a, b, c);
}

#ifndef ML3_DOUBLE
static void run_pack(const ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  const ml3_nn_packing packing = {i->m, i->n, i->k_is_rows, i->right, w->p->parts};
  w->p->tiles->pack(&packing, at(w, i->a), at(w, i->dst));
}

static void run_tiles(const ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  w->p->tiles->product(i->m, i->n, i->k, w->p->parts, at(w, i->a), at(w, i->b), at(w, i->dst));
}
#else /* the matrix unit sums in float32 */
static void run_pack(const ml3_nn_workspace *w, const ml3_nn_instruction *i) { (void)w, (void)i; }
static void run_tiles(const ml3_nn_workspace *w, const ml3_nn_instruction *i) { (void)w, (void)i; }
#endif

static void run_block(const ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  const ml3_real *from = at(w, i->a) + i->from.offset;
  ml3_real *to = at(w, i->dst) + i->to.offset;
  for (int j = 0; j < i->m; j++) {
    if (i->n == 1)
      *to = *from;
    else
      memcpy(to, from, (size_t)i->n * sizeof *to);
    from += i->from.stride;
    to += i->to.stride;
  }
}

/* Entry j of an index as the number of a row, or -1, noted, when no row has it. NaN fails the comparisons. */
static int row_number(ml3_nn_workspace *w, const ml3_real *index, int j, int rows) {
  const double x = (double)index[j];
  if (x >= 0 && x < rows && x == (int)x) return (int)x;
  if (!w->bad_index.seen) w->bad_index = (ml3_nn_bad_index){.seen = true, .value = x, .entry = j, .rows = rows};
  return -1;
}

static void run_gather(ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  const ml3_real *a = at(w, i->a), *index = at(w, i->b);
  ml3_real *d = at(w, i->dst);
  for (int j = 0; j < i->m; j++) {
    ml3_real *row = d + (size_t)j * i->n;
    const int from = row_number(w, index, j, i->k);
    if (from >= 0)
      memcpy(row, a + (size_t)from * i->n, (size_t)i->n * sizeof *d);
    else
      for (int l = 0; l < i->n; l++) row[l] = (ml3_real)NAN;
  }
}

/* A row whose index is none goes nowhere: the run has failed where it was gathered. */
static void run_scatter(ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  const ml3_real *a = at(w, i->a), *index = at(w, i->b);
  ml3_real *d = at(w, i->dst);
  memset(d, 0, (size_t)i->k * i->n * sizeof *d);
  for (int j = 0; j < i->m; j++) {
    const int to = row_number(w, index, j, i->k);
    for (int l = 0; l < i->n && to >= 0; l++) d[(size_t)to * i->n + l] += a[(size_t)j * i->n + l];
  }
}

void ml3_nn_run_one(ml3_nn_workspace *w, const ml3_nn_instruction *i) {
  const ml3_nn_kernels *k = w->p->kernels;
  switch (i->kind) {
    case KIND_GROUP: run_group(w, &w->p->groups[i->group]); break;
    case KIND_PRODUCT: run_product(w, i); break;
    case KIND_PACK: run_pack(w, i); break;
    case KIND_TILES: run_tiles(w, i); break;
    case KIND_SUM: at(w, i->dst)[0] = k->sum(i->n, at(w, i->a)); break;
    case KIND_SUM_ROWS: k->sum_rows(i->m, i->n, at(w, i->a), at(w, i->dst)); break;
    case KIND_SUM_COLS: k->sum_cols(i->m, i->n, at(w, i->a), at(w, i->dst)); break;
    case KIND_TRANSPOSE: k->transpose(i->m, i->n, at(w, i->a), at(w, i->dst)); break;
    case KIND_FILL: memset(at(w, i->dst) + i->to.offset, 0, (size_t)i->n * sizeof(ml3_real)); break;
    case KIND_BLOCK: run_block(w, i); break;
    case KIND_GATHER: run_gather(w, i); break;
    case KIND_SCATTER: run_scatter(w, i); break;
    case KIND_COUNT: break;
  }
}

/* ---- running ------------------------------------------------------------------------------------------- */

int ml3_nn_run(ml3_nn_workspace *w, int stage) {
  const ml3_nn_program *p = w->p;
  if (stage < 0 || stage >= p->stages) return ML3_OK;
  if (stage == 0) w->bad_index.seen = false;
  for (int i = p->stage_begin[stage]; i < p->stage_begin[stage + 1]; i++) {
    if (w->seconds)
      ml3_nn_run_profiled(w, i);
    else
      ml3_nn_run_one(w, &p->instructions[i]);
  }
  return w->bad_index.seen ? ML3_ERR_ARGUMENT : ML3_OK;
}

int ml3_nn_run_error(const ml3_nn_workspace *w, ml3_error *error) {
  const ml3_nn_bad_index *bad = &w->bad_index;
  if (!bad->seen) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "gather_rows: entry %d of the index is %.9g; expected a whole number from 0 to %d, as there are %d rows",
                       bad->entry, bad->value, bad->rows - 1, bad->rows);
}

void ml3_nn_run_products_only(ml3_nn_workspace *w, int stage) {
  const ml3_nn_program *p = w->p;
  if (stage < 0 || stage >= p->stages) return;
  for (int i = p->stage_begin[stage]; i < p->stage_begin[stage + 1]; i++) {
    const ml3_nn_kind kind = p->instructions[i].kind;
    if (kind == KIND_PRODUCT || kind == KIND_PACK || kind == KIND_TILES) ml3_nn_run_one(w, &p->instructions[i]);
  }
}
