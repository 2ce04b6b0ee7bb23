/* The reward: terms, each weight * affine(shape(norm((of - target) * scale))), summed, multiplied or in stages. */
#include <math.h>
#include <string.h>

#include "envs/task/task.h"

static const ml3_value NOTHING = {0, 0};
static ml3_value read_terms(ml3_task_reader *r, const ml3_tree *at, ml3_op op, bool top);

/* ---- norms and shapes ----------------------------------------------------------------------------------------------- */

/* norm: NAME, or NAME: {p: ..}. */
static ml3_value apply_norm(ml3_task_reader *r, const ml3_tree *at, ml3_value x) {
  static const char *const names[] = {"l1", "l2", "squared", "smooth_abs", "cosh", "power"};
  ml3_compiler *c = &r->step;
  const char *name = ml3_tree_text(at);
  char hint[96];
  double p = 0;
  if (at->kind == ML3_TREE_MAP && at->count == 1) {
    static const char *const keys[] = {"p"};
    name = at->keys[0]->text;
    const ml3_tree *size = ml3_tree_find(at->items[0], "p");
    if (ml3_tree_keys(at->items[0], "norm", keys, 1, r->error) != ML3_OK ||
        (size && ml3_tree_number(size, "norm: p", 1e-9, 1e9, &p, r->error) != ML3_OK))
      return NOTHING;
  }
  int which = 0;
  while (name && which < 6 && strcmp(name, names[which]) != 0) which++;
  if (!name || which == 6)
    return ml3_refuse(c, "norm: unknown norm '%.60s'%s (l1, l2, squared, smooth_abs, cosh and power are possible)",
                      name ? name : "", ml3_tree_suggestion(name ? name : "", names, 6, hint));
  if (which < 3) return ml3_reduce(c, which == 0 ? ML3_OP_SUM_ABS : which == 1 ? ML3_OP_NORM : ML3_OP_SUM_SQUARES, x);
  if (!(p > 0)) return ml3_refuse(c, "norm: %s needs its size, such as {%s: {p: 0.1}}", name, name);
  const ml3_op op = which == 3 ? ML3_OP_SMOOTH_ABS : which == 4 ? ML3_OP_COSH : ML3_OP_ABS_POWER;
  return ml3_reduce(c, ML3_OP_SUM, ml3_combine(c, op, x, ml3_constant(c, p)));
}

/* tolerance: {bounds: [low, high], margin: QUANTITY, sigmoid: NAME, value_at_margin: v}. */
static ml3_value apply_tolerance(ml3_task_reader *r, const ml3_tree *at, ml3_value x) {
  static const char *const keys[] = {"bounds", "margin", "sigmoid", "value_at_margin"};
  static const char *const sigmoids[ML3_SIGMOIDS] = {"gaussian", "hyperbolic", "long_tail", "reciprocal",
                                                     "cosine",   "linear",     "quadratic", "tanh_squared"};
  ml3_compiler *c = &r->step;
  double bounds[2] = {0, 0}, value = 0.1;
  char hint[96];
  const ml3_tree *found;
  if (ml3_tree_keys(at, "tolerance", keys, 4, r->error) != ML3_OK) return NOTHING;
  if ((found = ml3_tree_find(at, "bounds")) &&
      ml3_tree_range(found, "tolerance: bounds", &bounds[0], &bounds[1], r->error) != ML3_OK)
    return NOTHING;
  if ((found = ml3_tree_find(at, "value_at_margin")) &&
      ml3_tree_number(found, "tolerance: value_at_margin", 0, 1, &value, r->error) != ML3_OK)
    return NOTHING;
  int kind = 0;
  if ((found = ml3_tree_find(at, "sigmoid"))) {
    const char *name = ml3_tree_text(found);
    while (name && kind < ML3_SIGMOIDS && strcmp(name, sigmoids[kind]) != 0) kind++;
    c->at = found;
    if (!name || kind == ML3_SIGMOIDS)
      return ml3_refuse(c, "tolerance: unknown sigmoid '%.60s'%s", name ? name : "",
                        ml3_tree_suggestion(name ? name : "", sigmoids, ML3_SIGMOIDS, hint));
  }
  const bool reaches_zero = kind == ML3_COSINE || kind == ML3_LINEAR || kind == ML3_QUADRATIC;
  if (value >= 1 || (value <= 0 && !reaches_zero)) {
    c->at = at;
    return ml3_refuse(c, "tolerance: value_at_margin is %g; %s needs one %s 0 and below 1", value, sigmoids[kind],
                      reaches_zero ? "from" : "above");
  }
  const ml3_tree *text = ml3_tree_find(at, "margin");
  const ml3_value margin = text ? ml3_compile_width(c, text, 1) : ml3_constant(c, 0);
  if (!margin.n) return NOTHING;
  const int range = ml3_program_registers(c->program, bounds, 2);
  const ml3_value pair[2] = {margin, ml3_constant(c, value)}, both = ml3_join(c, pair, 2);
  if (range < 0 || !both.n) return NOTHING;
  return ml3_emit(
      c,
      (ml3_instruction){
          .op = ML3_OP_TOLERANCE, .n = x.n, .a = x.reg, .a_step = 1, .b = range, .c = both.reg, .first = kind},
      x.n);
}

/* ---- terms ---------------------------------------------------------------------------------------------------------- */

/* All numbers of a term as one. */
static ml3_value as_one(ml3_task_reader *r, ml3_value x) {
  return x.n > 1 ? ml3_reduce(&r->step, ML3_OP_SUM, x) : x;
}

/* A condition, or the name of one of `terminate`. */
static ml3_value read_while(ml3_task_reader *r, const ml3_tree *at) {
  ml3_compiler *c = &r->step;
  if (at->kind != ML3_TREE_TEXT) return ml3_compile_condition(c, at);
  const ml3_value x = ml3_compile_width(c, at, 1);
  return x;
}

/* stages: [{until: CONDITION, sum: {..}}, ..., {sum: {..}}]: the first one whose condition does not hold yet. */
static ml3_value read_stages(ml3_task_reader *r, const ml3_tree *at) {
  static const char *const keys[] = {"until", "sum", "product"};
  ml3_compiler *c = &r->step;
  c->at = at;
  if (at->kind != ML3_TREE_LIST || at->count < 2)
    return ml3_refuse(c, "stages: expected a list such as [{until: CONDITION, sum: {..}}, {sum: {..}}]");
  ml3_value reward = NOTHING;
  for (int i = at->count - 1; i >= 0; i--) {
    const ml3_tree *stage = at->items[i], *until = ml3_tree_find(stage, "until"), *sum = ml3_tree_find(stage, "sum");
    const ml3_tree *product = ml3_tree_find(stage, "product");
    if (ml3_tree_keys(stage, "stages", keys, 3, r->error) != ML3_OK) return NOTHING;
    c->at = stage;
    if ((!sum && !product) || (sum && product)) return ml3_refuse(c, "stages: each has `sum` or `product`");
    if ((until != NULL) != (i + 1 < at->count)) return ml3_refuse(c, "stages: each but the last one has `until`");
    const ml3_value value = read_terms(r, sum ? sum : product, sum ? ML3_OP_ADD : ML3_OP_MULTIPLY, false);
    const ml3_value done = until && value.n ? ml3_compile_condition(c, until) : value;
    if (!value.n || !done.n) return NOTHING;
    reward =
        until
            ? ml3_emit(
                  c, (ml3_instruction){.op = ML3_OP_SELECT, .n = 1, .a = done.reg, .b = reward.reg, .c = value.reg}, 1)
            : value;
  }
  return reward;
}

static ml3_value read_affine(ml3_task_reader *r, const ml3_tree *at, ml3_value x) {
  ml3_compiler *c = &r->step;
  double a, b;
  c->at = at;
  if (at->kind != ML3_TREE_LIST || at->count != 2) return ml3_refuse(c, "affine: expected [a, b], which make a + b x");
  if (ml3_tree_number(at->items[0], "affine", -1e300, 1e300, &a, r->error) != ML3_OK ||
      ml3_tree_number(at->items[1], "affine", -1e300, 1e300, &b, r->error) != ML3_OK)
    return NOTHING;
  return ml3_combine(c, ML3_OP_ADD, ml3_constant(c, a), ml3_combine(c, ML3_OP_MULTIPLY, x, ml3_constant(c, b)));
}

static const char *const TERM_KEYS[] = {"of",     "target", "scale", "norm", "tolerance", "exp",     "min",   "max",
                                        "affine", "weight", "while", "each", "sum",       "product", "stages"};
enum { TERM_KEY_COUNT = sizeof TERM_KEYS / sizeof *TERM_KEYS };

/* What a term is about: `of`, a sum or product of terms, stages, or 1. */
static ml3_value read_subject(ml3_task_reader *r, const ml3_tree *at) {
  ml3_compiler *c = &r->step;
  const ml3_tree *of = ml3_tree_find(at, "of"), *sum = ml3_tree_find(at, "sum");
  const ml3_tree *product = ml3_tree_find(at, "product"), *stages = ml3_tree_find(at, "stages");
  c->at = at;
  if ((of != NULL) + (sum != NULL) + (product != NULL) + (stages != NULL) > 1)
    return ml3_refuse(c, "a term has one of `of`, `sum`, `product` and `stages`");
  if (stages) return read_stages(r, stages);
  if (sum || product) return read_terms(r, sum ? sum : product, sum ? ML3_OP_ADD : ML3_OP_MULTIPLY, false);
  return of ? ml3_compile(c, of) : ml3_constant(c, 1);
}

/* Everything of a term but its weight. */
static ml3_value read_shape(ml3_task_reader *r, const ml3_tree *at) {
  ml3_compiler *c = &r->step;
  const ml3_tree *found;
  bool each = false;
  if (ml3_tree_keys(at, "reward", TERM_KEYS, TERM_KEY_COUNT, r->error) != ML3_OK) return NOTHING;
  ml3_value x = read_subject(r, at);
  if (x.n && (found = ml3_tree_find(at, "target"))) x = ml3_combine(c, ML3_OP_SUBTRACT, x, ml3_compile(c, found));
  if (x.n && (found = ml3_tree_find(at, "scale"))) x = ml3_combine(c, ML3_OP_MULTIPLY, x, ml3_compile(c, found));
  if (x.n && (found = ml3_tree_find(at, "norm"))) c->at = found, x = apply_norm(r, found, x);
  if ((found = ml3_tree_find(at, "each")) && ml3_tree_boolean(found, "each", &each, r->error) != ML3_OK) return NOTHING;
  if (x.n > 1 && !each && (ml3_tree_find(at, "tolerance") || ml3_tree_find(at, "exp"))) {
    c->at = at;
    return ml3_refuse(c, "%d numbers have no shape; give `norm`, or `each: true` for the mean over them", x.n);
  }
  if (x.n && (found = ml3_tree_find(at, "tolerance"))) x = apply_tolerance(r, found, x);
  if (x.n && (found = ml3_tree_find(at, "exp")))
    x = ml3_apply(c, ML3_OP_EXP, ml3_combine(c, ML3_OP_MULTIPLY, x, ml3_compile_width(c, found, 1)));
  if (x.n && (found = ml3_tree_find(at, "min"))) x = ml3_combine(c, ML3_OP_MAX, x, ml3_compile_width(c, found, 1));
  if (x.n && (found = ml3_tree_find(at, "max"))) x = ml3_combine(c, ML3_OP_MIN, x, ml3_compile_width(c, found, 1));
  if (x.n > 1 && each) x = ml3_combine(c, ML3_OP_DIVIDE, ml3_reduce(c, ML3_OP_SUM, x), ml3_constant(c, x.n));
  x = as_one(r, x);
  return x.n && (found = ml3_tree_find(at, "affine")) ? read_affine(r, found, x) : x;
}

/* Terms that go by a weight alone: numbers of the goal, of the action and of the joints. */
static ml3_value known_term(ml3_task_reader *r, const ml3_tree *key) {
  static const char *const names[] = {"distance", "control", "velocity", "alive", "success"};
  ml3_compiler *c = &r->step;
  ml3_task *t = r->task;
  char hint[96];
  int which = 0;
  while (which < 5 && strcmp(key->text, names[which]) != 0) which++;
  c->at = key;
  if (which == 5)
    return ml3_refuse(c, "reward: unknown key '%.60s'%s (a term of another name needs `of`)", key->text,
                      ml3_tree_suggestion(key->text, names, 5, hint));
  if ((which == 0 || which == 4) && t->distance < 0)
    return ml3_refuse(c, "reward: %s is of a `goal`, and there is none", names[which]);
  if (which == 0) return (ml3_value){t->distance, 1};
  if (which == 1) return ml3_reduce(c, ML3_OP_SUM_SQUARES, t->action);
  if (which == 2) {
    const ml3_tree all = {.kind = ML3_TREE_TEXT, .file = key->file, .line = key->line, .text = "qvel"};
    return ml3_reduce(c, ML3_OP_SUM_SQUARES, ml3_compile(c, &all));
  }
  return which == 3 ? ml3_constant(c, 1) : (ml3_value){t->success, 1};
}

/* A term's value; *weight is the register of its weight. */
static ml3_value read_term(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *at, int *weight) {
  ml3_compiler *c = &r->step;
  double w = 1;
  ml3_error unused;
  ml3_value x;
  const ml3_tree *found = NULL;
  if (ml3_tree_text(at) && ml3_tree_number(at, "reward", -1e300, 1e300, &w, &unused) == ML3_OK) {
    x = known_term(r, key);
  } else if (at->kind == ML3_TREE_TEXT) {
    w = 1;
    x = as_one(r, ml3_compile(c, at));
  } else {
    if (at->kind == ML3_TREE_MAP && (found = ml3_tree_find(at, "weight")) &&
        ml3_tree_number(found, "reward: a weight", -1e300, 1e300, &w, r->error) != ML3_OK)
      return NOTHING;
    x = strcmp(key->text, "stages") == 0 ? read_stages(r, at) : read_shape(r, at);
  }
  if (!x.n) return NOTHING;
  /* A register of its own, which re-weighting changes. */
  *weight = ml3_program_registers(c->program, &w, 1);
  if (*weight < 0) return NOTHING;
  x = ml3_combine(c, ML3_OP_MULTIPLY, x, (ml3_value){*weight, 1});
  if (at->kind == ML3_TREE_MAP && (found = ml3_tree_find(at, "while"))) {
    const ml3_value holds = read_while(r, found);
    const ml3_value zero = ml3_constant(c, 0);
    if (!x.n || !holds.n || !zero.n) return NOTHING;
    x = ml3_emit(c, (ml3_instruction){.op = ML3_OP_SELECT, .n = 1, .a = holds.reg, .b = x.reg, .c = zero.reg}, 1);
  }
  return x;
}

/* The product of terms as a term. */
static ml3_value read_product(ml3_task_reader *r, const ml3_tree *at, int *weight) {
  const double one = 1;
  const ml3_value x = read_terms(r, at, ML3_OP_MULTIPLY, false);
  *weight = ml3_program_registers(r->step.program, &one, 1);
  return *weight < 0 ? NOTHING : ml3_combine(&r->step, ML3_OP_MULTIPLY, x, (ml3_value){*weight, 1});
}

/* Terms summed or multiplied; of the top ones each is known by name. */
static ml3_value read_terms(ml3_task_reader *r, const ml3_tree *at, ml3_op op, bool top) {
  ml3_compiler *c = &r->step;
  ml3_task *t = r->task;
  ml3_value all = NOTHING;
  c->at = at;
  if (at->kind != ML3_TREE_MAP || at->count == 0)
    return ml3_refuse(c, "reward: expected terms such as `forward: {of: rate of qpos rootx, weight: 1}`");
  if (c->depth > 30) return ml3_refuse(c, "reward: terms are nested more than 30 deep");
  c->depth++;
  for (int i = 0; i < at->count; i++) {
    const ml3_tree *key = at->keys[i], *item = at->items[i];
    const bool product = top && strcmp(key->text, "product") == 0;
    int weight = -1;
    const ml3_value x = product ? read_product(r, item, &weight) : read_term(r, key, item, &weight);
    if (!x.n) return NOTHING;
    if (top) t->terms[t->term_count++] = (ml3_task_term){ml3_task_text(t, r->error, "%s", key->text), weight, x.reg};
    all = i == 0 ? x : ml3_combine(c, op, all, x);
  }
  c->depth--;
  return all;
}

int ml3_task_read_reward(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  t->terms = ml3_task_allocate(t, (size_t)(at->kind == ML3_TREE_MAP ? at->count : 0) + 1, sizeof *t->terms, r->error);
  if (!t->terms) return ML3_ERR_MEMORY;
  const ml3_value reward = read_terms(r, at, ML3_OP_ADD, true);
  t->reward = reward.reg;
  return reward.n ? ML3_OK : r->error->code;
}
