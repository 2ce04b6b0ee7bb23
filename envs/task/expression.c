/* Operators, functions and names of quantities: see compiler.h. Prefix functions bind tighter than operators:

     quantity   sum [`in` FRAME]
     sum        product {(+ | -) product}
     product    power {(* | /) power}
     power      unary [^ unary]
     unary      - unary | part
     part       (number | [list] | (quantity) | function operands | noun) {[slice] | axes} */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/task/compiler.h"

enum { DEPTH_MAX = 40, PARTS_MAX = 64 };
static const ml3_value NOTHING = {0, 0};

/* ---- functions ------------------------------------------------------------------------------------------------------ */

static ml3_value read_sum(ml3_compiler *c, ml3_words *w);
static ml3_value read_unary(ml3_compiler *c, ml3_words *w, bool axes);

typedef enum function_kind { EACH, FOLD, PAIR, OTHER } function_kind;

typedef struct function {
  const char *name;
  function_kind kind;
  ml3_op op;
  int operands; /* without parentheses; 0: as many as follow */
} function;

enum { MEAN = 1000, CLIP, DOT, DISTANCE, OFFSET, RATE, LAST, START, CONCAT, UNIFORM, NORMAL, RANDOM, SELECT };

static const function FUNCTIONS[] = {
    {"sin", EACH, ML3_OP_SIN, 1},
    {"cos", EACH, ML3_OP_COS, 1},
    {"abs", EACH, ML3_OP_ABS, 1},
    {"sqrt", EACH, ML3_OP_SQRT, 1},
    {"exp", EACH, ML3_OP_EXP, 1},
    {"log", EACH, ML3_OP_LOG, 1},
    {"log1p", EACH, ML3_OP_LOG1P, 1},
    {"tanh", EACH, ML3_OP_TANH, 1},
    {"acos", EACH, ML3_OP_ACOS, 1},
    {"square", EACH, ML3_OP_SQUARE, 1},
    {"round", EACH, ML3_OP_ROUND, 1},
    {"norm", FOLD, ML3_OP_NORM, 1},
    {"sum", FOLD, ML3_OP_SUM, 1},
    {"finite", FOLD, ML3_OP_FINITE, 1},
    {"atan2", PAIR, ML3_OP_ATAN2, 2},
    {"min", PAIR, ML3_OP_MIN, 2},
    {"max", PAIR, ML3_OP_MAX, 2},
    {"mean", OTHER, (ml3_op)MEAN, 0},
    {"clip", OTHER, (ml3_op)CLIP, 3},
    {"dot", OTHER, (ml3_op)DOT, 2},
    {"distance", OTHER, (ml3_op)DISTANCE, 2},
    {"offset", OTHER, (ml3_op)OFFSET, 2},
    {"rate", OTHER, (ml3_op)RATE, 1},
    {"last", OTHER, (ml3_op)LAST, 1},
    {"start", OTHER, (ml3_op)START, 1},
    {"concat", OTHER, (ml3_op)CONCAT, 0},
    {"select", OTHER, (ml3_op)SELECT, 3},
    {"uniform", OTHER, (ml3_op)UNIFORM, 1},
    {"normal", OTHER, (ml3_op)NORMAL, 1},
    {"random", OTHER, (ml3_op)RANDOM, 0},
};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS };

static ml3_value mean_of(ml3_compiler *c, const ml3_value *x, int count) {
  if (count == 1) return ml3_combine(c, ML3_OP_DIVIDE, ml3_reduce(c, ML3_OP_SUM, x[0]), ml3_constant(c, x[0].n));
  ml3_value sum = x[0];
  for (int i = 1; i < count; i++) sum = ml3_combine(c, ML3_OP_ADD, sum, x[i]);
  return ml3_combine(c, ML3_OP_DIVIDE, sum, ml3_constant(c, count));
}

static ml3_value draw(ml3_compiler *c, ml3_op op, ml3_value a, ml3_value b) {
  if (!c->may_draw)
    return ml3_refuse(c, "random numbers are for `reset` alone; elsewhere a task is a function of its state");
  if (!a.n || !b.n) return NOTHING;
  int n = a.n > b.n ? a.n : b.n;
  if (n == 1 && c->draw_width > 1) n = c->draw_width;
  return ml3_emit(c, (ml3_instruction){.op = op, .n = n, .a = a.reg, .b = b.reg, .a_step = a.n > 1, .b_step = b.n > 1},
                  n);
}

static ml3_value call(ml3_compiler *c, const function *f, const ml3_value *x, int count) {
  switch ((int)f->op) {
    case MEAN:
      return mean_of(c, x, count);
    case CLIP:
      return ml3_combine(c, ML3_OP_MIN, ml3_combine(c, ML3_OP_MAX, x[0], x[1]), x[2]);
    case DOT:
      return ml3_reduce(c, ML3_OP_SUM, ml3_combine(c, ML3_OP_MULTIPLY, x[0], x[1]));
    case DISTANCE:
      return ml3_reduce(c, ML3_OP_NORM, ml3_combine(c, ML3_OP_SUBTRACT, x[0], x[1]));
    case OFFSET:
      return ml3_combine(c, ML3_OP_SUBTRACT, x[1], x[0]);
    case RATE:
      return ml3_combine(c, ML3_OP_DIVIDE,
                         ml3_combine(c, ML3_OP_SUBTRACT, x[0], ml3_remember(c, c->latches, &c->latch_count, x[0])),
                         ml3_constant(c, c->dt_s));
    case LAST:
      return ml3_remember(c, c->latches, &c->latch_count, x[0]);
    case START:
      return ml3_remember(c, c->starts, &c->start_count, x[0]);
    case SELECT:
      return ml3_compile_select(c, x[0], x[1], x[2]);
    case CONCAT:
      return ml3_join(c, x, count);
    case UNIFORM:
      return count == 1 ? draw(c, ML3_OP_UNIFORM, ml3_apply(c, ML3_OP_NEGATE, x[0]), x[0])
                        : draw(c, ML3_OP_UNIFORM, x[0], x[1]);
    case NORMAL:
      return draw(c, ML3_OP_NORMAL, x[0], x[0]);
    default:
      break;
  }
  if (f->kind == EACH) return ml3_apply(c, f->op, x[0]);
  return f->kind == FOLD ? ml3_reduce(c, f->op, x[0]) : ml3_combine(c, f->op, x[0], x[1]);
}

static bool begins_operand(const ml3_words *w) {
  return w->kind == ML3_QUOTED || w->kind == ML3_NUMBER || (w->kind == ML3_WORD && strcmp(w->text, "in") != 0) ||
         ml3_words_are(w, "(");
}

static ml3_value call_with_operands(ml3_compiler *c, ml3_words *w, const function *f) {
  ml3_value x[PARTS_MAX] = {{0, 0}};
  int count = 0;
  const bool axes = f->op != (ml3_op)DISTANCE && f->op != (ml3_op)OFFSET && f->op != (ml3_op)MEAN;
  ml3_words_take(w, "of");
  if (f->op == (ml3_op)RANDOM) {
    const bool joints = ml3_words_take(w, "joints");
    if (!joints && !ml3_words_take(w, "quaternion"))
      return ml3_refuse(c, "expected `random quaternion` or `random joints`");
    if (!c->may_draw) return ml3_refuse(c, "random numbers are for `reset` alone");
    if (joints) return ml3_compile_random_joints(c);
    return ml3_emit(c, (ml3_instruction){.op = ML3_OP_QUATERNION, .n = 4}, 4);
  }
  if (ml3_words_take(w, "(")) {
    do {
      if (count == PARTS_MAX) return ml3_refuse(c, "%s: more than %d operands", f->name, PARTS_MAX);
      x[count] = read_sum(c, w);
      if (!x[count++].n) return NOTHING;
    } while (ml3_words_take(w, ","));
    if (!ml3_words_take(w, ")")) return ml3_refuse(c, "%s: expected ')' where '%.40s' is", f->name, w->text);
  } else {
    while (count < PARTS_MAX && (f->operands ? count < f->operands : begins_operand(w))) {
      x[count] = read_unary(c, w, axes);
      if (!x[count++].n) return NOTHING;
    }
  }
  const bool fits = f->operands ? count == f->operands || (f->op == (ml3_op)UNIFORM && count == 2) : count > 0;
  if (!fits)
    return ml3_refuse(c, "%s takes %d operand%s, and %d are there", f->name, f->operands ? f->operands : 1,
                      f->operands > 1 ? "s"
                      : f->operands   ? ""
                                      : " or more",
                      count);
  return call(c, f, x, count);
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

static ml3_value read_named(ml3_compiler *c, ml3_named *named) {
  if (!named->text || named->value.n) return named->value;
  if (named->open) return ml3_refuse(c, "'%.60s' is made of itself", named->name);
  const ml3_tree *here = c->at;
  named->open = true;
  const ml3_value value = ml3_compile(c, named->text);
  named->open = false;
  c->at = here;
  return c->program->changes ? value : (named->value = value);
}

static ml3_value unknown(ml3_compiler *c, const char *name) {
  enum { CANDIDATES = 2048 };
  const char *names[CANDIDATES];
  static const int types[] = {mjOBJ_SENSOR, mjOBJ_SITE, mjOBJ_BODY, mjOBJ_GEOM, mjOBJ_JOINT};
  const int counts[] = {c->model->nsensor, c->model->nsite, c->model->nbody, c->model->ngeom, c->model->njnt};
  char hint[96];
  int count = 0;
  for (int i = 0; i < c->name_count && count < CANDIDATES; i++) names[count++] = c->names[i].name;
  for (int i = 0; i < FUNCTION_COUNT; i++) names[count < CANDIDATES ? count++ : 0] = FUNCTIONS[i].name;
  for (int t = 0; t < 5; t++)
    for (int i = 0; i < counts[t] && count < CANDIDATES; i++) {
      const char *one = mj_id2name(c->model, types[t], i);
      if (one && *one) names[count++] = one;
    }
  return ml3_refuse(c, "unknown quantity '%.60s'%s", name, ml3_tree_suggestion(name, names, count, hint));
}

/* Functions, MuJoCo's quantities, then names: own ones before those of the model. */
static ml3_value read_noun(ml3_compiler *c, ml3_words *w) {
  const ml3_words word = *w;
  bool known = false;
  if (word.kind == ML3_WORD) {
    for (int i = 0; i < c->name_count; i++)
      if (strcmp(c->names[i].name, word.text) == 0) {
        ml3_words_next(w);
        return read_named(c, &c->names[i]);
      }
    for (int i = 0; i < FUNCTION_COUNT; i++)
      if (strcmp(FUNCTIONS[i].name, word.text) == 0) {
        ml3_words_next(w);
        return call_with_operands(c, w, &FUNCTIONS[i]);
      }
    if (ml3_words_take(w, "pi")) return ml3_constant(c, 3.14159265358979323846);
    if (ml3_words_take(w, "dt")) return ml3_constant(c, c->dt_s);
    if (strcmp(word.text, "action") == 0 || strcmp(word.text, "last_action") == 0) {
      ml3_words_next(w);
      if (!c->may_remember) return ml3_refuse(c, "'%s' is of steps; here there is none", word.text);
      return word.text[0] == 'a' ? c->action : c->last_action;
    }
    const ml3_value value = ml3_compile_quantity(c, w, &known);
    if (known) return value;
    *w = word;
  }
  const ml3_value value = ml3_compile_name(c, word.text, &known);
  if (!known) return unknown(c, word.text);
  ml3_words_next(w);
  return value;
}

/* ---- slices --------------------------------------------------------------------------------------------------------- */

static bool read_whole(ml3_words *w, int *x) {
  const ml3_words before = *w;
  const bool negative = ml3_words_take(w, "-");
  if (w->kind != ML3_NUMBER || w->number != floor(w->number) || fabs(w->number) > 1e9) {
    *w = before;
    return false;
  }
  *x = negative ? -(int)w->number : (int)w->number;
  ml3_words_next(w);
  return true;
}

/* [k], [from:to] as in Python, over single numbers. A number before the colon is read with it: "1:" is no word. */
static ml3_value read_slice(ml3_compiler *c, ml3_words *w, ml3_value x) {
  int from = 0, to = x.n;
  const bool given = read_whole(w, &from), range = ml3_words_take(w, ":");
  if (from < 0) from += x.n;
  if (range) {
    if (read_whole(w, &to) && to < 0) to += x.n;
  } else {
    to = from + 1;
  }
  if ((!given && !range) || !ml3_words_take(w, "]")) return ml3_refuse(c, "expected a slice such as [0], [1:] or [:2]");
  if (from < 0 || to > x.n || from >= to)
    return ml3_refuse(c, "the slice takes numbers %d to %d, of %d", from, to - 1, x.n);
  return (ml3_value){x.reg + from, to - from};
}

static bool is_axes(const ml3_words *w) {
  static const char *const axes[] = {"x", "y", "z", "xy", "xz", "yz", "xyz"};
  for (int i = 0; w->kind == ML3_WORD && i < 7; i++)
    if (strcmp(w->text, axes[i]) == 0) return true;
  return false;
}

static ml3_value take_axes(ml3_compiler *c, ml3_words *w, ml3_value x) {
  ml3_value parts[3] = {{0, 0}};
  const int count = (int)strlen(w->text);
  if (strcmp(w->text, "xyz") == 0 || strcmp(w->text, "xy") == 0 || strcmp(w->text, "yz") == 0)
    x = (ml3_value){x.reg + (w->text[0] - 'x'), count}; /* side by side */
  else {
    for (int i = 0; i < count; i++) parts[i] = (ml3_value){x.reg + (w->text[i] - 'x'), 1};
    x = ml3_join(c, parts, count);
  }
  ml3_words_next(w);
  return x;
}

/* ---- grammar -------------------------------------------------------------------------------------------------------- */

static ml3_value read_list(ml3_compiler *c, ml3_words *w) {
  ml3_value x[PARTS_MAX];
  int count = 0;
  do {
    if (count == PARTS_MAX) return ml3_refuse(c, "a list of more than %d quantities", PARTS_MAX);
    x[count] = read_sum(c, w);
    if (!x[count++].n) return NOTHING;
  } while (ml3_words_take(w, ","));
  if (!ml3_words_take(w, "]")) return ml3_refuse(c, "expected ']' where '%.40s' is", w->text);
  return ml3_join(c, x, count);
}

static ml3_value read_part(ml3_compiler *c, ml3_words *w, bool axes) {
  ml3_value x;
  if (w->kind == ML3_NUMBER) {
    x = ml3_constant(c, w->number);
    ml3_words_next(w);
  } else if (ml3_words_take(w, "(")) {
    x = read_sum(c, w);
    if (x.n && !ml3_words_take(w, ")")) return ml3_refuse(c, "expected ')' where '%.40s' is", w->text);
  } else if (ml3_words_take(w, "[")) {
    x = read_list(c, w);
  } else if (w->kind == ML3_WORD || w->kind == ML3_QUOTED) {
    x = read_noun(c, w);
  } else {
    return ml3_refuse(c, w->kind == ML3_END ? "a quantity is missing at the end%s" : "unexpected '%s'", w->text);
  }
  while (x.n && (ml3_words_are(w, "[") || (axes && x.n == 3 && is_axes(w))))
    x = ml3_words_take(w, "[") ? read_slice(c, w, x) : take_axes(c, w, x);
  return x;
}

static ml3_value read_unary(ml3_compiler *c, ml3_words *w, bool axes) {
  if (c->depth > DEPTH_MAX) return ml3_refuse(c, "nested more than %d deep", DEPTH_MAX);
  c->depth++;
  const ml3_value x =
      ml3_words_take(w, "-") ? ml3_apply(c, ML3_OP_NEGATE, read_unary(c, w, axes)) : read_part(c, w, axes);
  c->depth--;
  return x;
}

static ml3_value read_power(ml3_compiler *c, ml3_words *w) {
  ml3_value x = read_unary(c, w, true);
  if (x.n && ml3_words_take(w, "^")) x = ml3_combine(c, ML3_OP_POWER, x, read_unary(c, w, true));
  return x;
}

static ml3_value read_product(ml3_compiler *c, ml3_words *w) {
  ml3_value x = read_power(c, w);
  while (x.n && (ml3_words_are(w, "*") || ml3_words_are(w, "/"))) {
    const ml3_op op = w->text[0] == '*' ? ML3_OP_MULTIPLY : ML3_OP_DIVIDE;
    ml3_words_next(w);
    x = ml3_combine(c, op, x, read_power(c, w));
  }
  return x;
}

static ml3_value read_sum(ml3_compiler *c, ml3_words *w) {
  ml3_value x = read_product(c, w);
  while (x.n && (ml3_words_are(w, "+") || ml3_words_are(w, "-"))) {
    const ml3_op op = w->text[0] == '+' ? ML3_OP_ADD : ML3_OP_SUBTRACT;
    ml3_words_next(w);
    x = ml3_combine(c, op, x, read_product(c, w));
  }
  if (x.n && ml3_words_take(w, "in")) x = ml3_compile_into_frame(c, w, x);
  return x;
}

static ml3_value compile_text(ml3_compiler *c, const char *text) {
  ml3_words w = {.rest = text};
  ml3_words_next(&w);
  const ml3_value x = read_sum(c, &w);
  if (x.n && w.kind != ML3_END)
    return ml3_refuse(c, "'%.100s' goes on with '%.40s', which has no place there", text, w.text);
  return x;
}

ml3_value ml3_compile(ml3_compiler *c, const ml3_tree *at) {
  ml3_value parts[PARTS_MAX];
  c->at = at;
  if (at->kind == ML3_TREE_TEXT) return compile_text(c, at->text);
  if (at->kind != ML3_TREE_LIST || at->count < 1 || at->count > PARTS_MAX)
    return ml3_refuse(c, "expected a quantity such as `qpos hinge`, or a list of them");
  if (c->depth > DEPTH_MAX) return ml3_refuse(c, "nested more than %d deep", DEPTH_MAX);
  c->depth++;
  for (int i = 0; i < at->count; i++) {
    parts[i] = ml3_compile(c, at->items[i]);
    if (!parts[i].n) return NOTHING;
  }
  c->depth--;
  return ml3_join(c, parts, at->count);
}

ml3_value ml3_compile_width(ml3_compiler *c, const ml3_tree *at, int n) {
  const ml3_value x = ml3_compile(c, at);
  if (!x.n || x.n == n) return x;
  return ml3_refuse(c, "%d numbers, where %d %s expected", x.n, n, n == 1 ? "is" : "are");
}

ml3_value ml3_compile_condition(ml3_compiler *c, const ml3_tree *at) {
  if (at->kind != ML3_TREE_MAP || at->count == 0) {
    c->at = at;
    return ml3_refuse(c, "expected a condition such as {body torso z: [0.2, 1]}");
  }
  ml3_value all = {0, 0};
  for (int i = 0; i < at->count; i++) {
    double low, high;
    const ml3_value x = ml3_compile(c, at->keys[i]);
    if (!x.n || ml3_tree_range(at->items[i], at->keys[i]->text, &low, &high, c->error) != ML3_OK) return NOTHING;
    const ml3_value from = ml3_constant(c, low), to = ml3_constant(c, high);
    const ml3_value one = ml3_emit(
        c, (ml3_instruction){.op = ML3_OP_WITHIN, .n = x.n, .a = x.reg, .b = from.reg, .c = to.reg, .a_step = 1}, 1);
    if (!from.n || !to.n || !one.n) return NOTHING;
    all = i == 0 ? one : ml3_combine(c, ML3_OP_MULTIPLY, all, one);
  }
  return all;
}
