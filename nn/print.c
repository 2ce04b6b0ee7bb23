/* A program for people: text, an instruction a line, and Graphviz. */
#include "nn/program_internal.h"

const char *const ml3_nn_kind_name[KIND_COUNT] = {"fused", "product", "pack", "tiles", "sum",  "sum_rows", "sum_cols",
                                                   "transpose", "fill", "copy", "gather",   "scatter"};

const char *const ml3_nn_product_by_name[3] = {"loops", "panels", "blas"};

static void print_slot(const ml3_nn_program *p, ml3_nn_slot_id slot, FILE *out) {
  const ml3_nn_slot *s = ml3_nn_slot_at(p, slot);
  fprintf(out, "%s%d[%dx%d]", p->roots[s->root].input >= 0 ? "in" : "t", slot.number - 1, s->rows, s->cols);
}

static void print_micros(const ml3_nn_program *p, const ml3_nn_group *g, FILE *out) {
  for (int i = 0; i < g->micros; i++) {
    const ml3_nn_micro *m = &p->micros[g->first_micro + i];
    fprintf(out, "      r%d = %s r%d", m->d, ml3_nn_op_name[m->op], m->a);
    if (m->op >= OP_ADD) fprintf(out, " r%d", m->b);
    if (m->op == OP_SELECT) fprintf(out, " r%d", m->c);
    fputc('\n', out);
  }
}

static void print_group(const ml3_nn_program *p, const ml3_nn_group *g, FILE *out) {
  static const char *const modes[] = {"", " scalar", " row", " column", ""};
  for (int i = 0; i < g->stores; i++) {
    print_slot(p, p->stores[g->first_store + i], out);
    fprintf(out, "=r%d ", g->loads + i);
  }
  fprintf(out, "<-");
  for (int i = 0; i < g->loads; i++) {
    const ml3_nn_load *l = &p->loads[g->first_load + i];
    fprintf(out, " r%d=", i);
    if (l->mode == LOAD_CONSTANT)
      fprintf(out, "%g", p->constants[l->constant]);
    else
      print_slot(p, l->slot, out);
    fprintf(out, "%s", modes[l->mode]);
  }
  fputc('\n', out);
  print_micros(p, g, out);
}

void ml3_nn_program_print(const ml3_nn_program *p, FILE *out) {
  ml3_nn_report report = ml3_nn_program_report(p);
  fprintf(out, "# %d instructions, %d products, %d fused passes, %.0f flops, %zu bytes of buffers, kernels %s\n",
          report.instructions, report.products, report.elementwise, report.flops, report.arena_bytes,
          p->kernels->name);
  for (int i = 0; i < p->count; i++) {
    const ml3_nn_instruction *in = &p->instructions[i];
    fprintf(out, "%4d stage %d  %-9s ", i, in->stage, ml3_nn_kind_name[in->kind]);
    if (in->kind == KIND_GROUP) {
      print_group(p, &p->groups[in->group], out);
      continue;
    }
    print_slot(p, in->dst, out);
    fprintf(out, " <- ");
    if (ml3_nn_is_slot(in->a)) print_slot(p, in->a, out);
    if (in->transpose_a) fputc('\'', out);
    if (ml3_nn_is_slot(in->b)) fputc(' ', out), print_slot(p, in->b, out);
    if (in->transpose_b) fputc('\'', out);
    if (in->kind == KIND_PRODUCT) fprintf(out, "  %s", ml3_nn_product_by_name[in->by]);
    fputc('\n', out);
  }
}

/* An arrow from whatever last wrote a slot's root, or from the input itself. */
static void print_edge(const ml3_nn_program *p, ml3_nn_slot_id slot, int to, FILE *out) {
  int root = ml3_nn_slot_at(p, slot)->root;
  if (p->roots[root].input >= 0)
    fprintf(out, "  in%d -> i%d;\n", root, to);
  else
    for (int i = to - 1; i >= 0; i--) {
      const ml3_nn_instruction *in = &p->instructions[i];
      bool writes = in->dst.number == slot.number;
      if (in->kind == KIND_GROUP)
        for (int j = 0; j < p->groups[in->group].stores && !writes; j++)
          writes = p->stores[p->groups[in->group].first_store + j].number == slot.number;
      if (!writes && !(ml3_nn_is_slot(in->dst) && ml3_nn_slot_at(p, in->dst)->root == root)) continue;
      fprintf(out, "  i%d -> i%d;\n", i, to);
      return;
    }
}

void ml3_nn_program_graphviz(const ml3_nn_program *p, FILE *out) {
  fprintf(out, "digraph program {\n  rankdir=TB; node [shape=box, fontname=\"sans\"];\n");
  for (int r = 0; r < p->root_count; r++)
    if (p->roots[r].input >= 0)
      fprintf(out, "  in%d [shape=ellipse, label=\"input %d\\n%d\"];\n", r, p->roots[r].input, p->roots[r].entries);
  for (int i = 0; i < p->count; i++) {
    const ml3_nn_instruction *in = &p->instructions[i];
    fprintf(out, "  i%d [label=\"%s\\n%d x %d\"%s];\n", i, ml3_nn_kind_name[in->kind], in->m, in->n,
            in->kind == KIND_PRODUCT || in->kind == KIND_TILES ? ", style=filled, fillcolor=lightblue" : "");
    if (ml3_nn_is_slot(in->a)) print_edge(p, in->a, i, out);
    if (ml3_nn_is_slot(in->b)) print_edge(p, in->b, i, out);
    if (in->kind != KIND_GROUP) continue;
    const ml3_nn_group *g = &p->groups[in->group];
    for (int j = 0; j < g->loads; j++)
      if (p->loads[g->first_load + j].mode != LOAD_CONSTANT) print_edge(p, p->loads[g->first_load + j].slot, i, out);
  }
  fprintf(out, "}\n");
}
