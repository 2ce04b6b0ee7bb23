/* See program.h. */
#include "envs/task/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

/* ---- making --------------------------------------------------------------------------------------------------------- */

/* Room for `more` behind `count` of elements of that size; NULL without memory. */
static void *grow(void *array, int count, int more, int *room, size_t size) {
  if (count + more <= *room) return array;
  const int wish = 2 * (count + more);
  void *grown = realloc(array, (size_t)wish * size);
  if (grown) *room = wish;
  return grown;
}

int ml3_program_registers(ml3_program *p, const double *values, int count) {
  double *grown = grow(p->initial, p->size, count > 0 ? count : 1, &p->size_room, sizeof *grown);
  if (!grown) return -1;
  p->initial = grown;
  for (int i = 0; i < count; i++) p->initial[p->size + i] = values ? values[i] : 0;
  p->size += count;
  return p->size - count;
}

static bool is_random(ml3_op op) {
  return op == ML3_OP_UNIFORM || op == ML3_OP_NORMAL || op == ML3_OP_QUATERNION;
}

static bool same(const ml3_instruction *x, const ml3_instruction *y) {
  return x->op == y->op && x->n == y->n && x->a == y->a && x->b == y->b && x->c == y->c && x->a_step == y->a_step &&
         x->b_step == y->b_step && x->c_step == y->c_step && x->array == y->array && x->first == y->first &&
         x->stride == y->stride;
}

int ml3_program_add(ml3_program *p, ml3_instruction instruction, int width) {
  for (int i = 0; i < p->count && !p->changes && !is_random(instruction.op) && instruction.op != ML3_OP_COPY; i++)
    if (same(&p->code[i], &instruction)) return p->code[i].out;
  ml3_instruction *grown = grow(p->code, p->count, 1, &p->room, sizeof *grown);
  if (!grown) return -1;
  p->code = grown;
  if (instruction.op != ML3_OP_COPY) instruction.out = ml3_program_registers(p, NULL, width);
  if (instruction.out < 0) return -1;
  p->code[p->count++] = instruction;
  return instruction.out;
}

void ml3_program_free(ml3_program *p) {
  free(p->code);
  free(p->initial);
  *p = (ml3_program){0};
}

int ml3_op_operands(ml3_op op) {
  if (op < ML3_OP_INTO_FRAME || op == ML3_OP_QUATERNION) return 0;
  if (op == ML3_OP_SELECT || op == ML3_OP_WITHIN || op == ML3_OP_TOLERANCE) return 3;
  const bool one =
      op == ML3_OP_INTO_FRAME || op == ML3_OP_COPY || op == ML3_OP_NORMAL || (op >= ML3_OP_NEGATE && op <= ML3_OP_AND);
  return one ? 1 : 2;
}

void ml3_program_spread(const ml3_program *p, bool *marked) {
  for (int i = 0; i < p->count; i++) {
    const ml3_instruction *k = &p->code[i];
    const int operands = ml3_op_operands(k->op);
    bool found = false;
    for (int j = 0; j < k->n && operands >= 1; j++) {
      found = found || marked[k->a + j * k->a_step];
      found =
          found || (operands >= 2 && marked[k->b + j * k->b_step]) || (operands >= 3 && marked[k->c + j * k->c_step]);
    }
    const bool one = k->op >= ML3_OP_SUM && k->op <= ML3_OP_AND;
    for (int j = 0; found && j < (one ? 1 : k->n); j++) marked[k->out + j] = true;
  }
}

/* ---- running -------------------------------------------------------------------------------------------------------- */

double ml3_sigmoid_of(ml3_sigmoid kind, double x, double value) {
  double scaled;
  switch (kind) {
    case ML3_GAUSSIAN:
      scaled = x * sqrt(-2 * log(value));
      return exp(-0.5 * scaled * scaled);
    case ML3_HYPERBOLIC:
      return 1 / cosh(x * acosh(1 / value));
    case ML3_LONG_TAIL:
      scaled = x * sqrt(1 / value - 1);
      return 1 / (scaled * scaled + 1);
    case ML3_RECIPROCAL:
      return 1 / (fabs(x) * (1 / value - 1) + 1);
    case ML3_COSINE:
      scaled = x * acos(2 * value - 1) / PI;
      return fabs(scaled) < 1 ? (1 + cos(PI * scaled)) / 2 : 0;
    case ML3_LINEAR:
      scaled = x * (1 - value);
      return fabs(scaled) < 1 ? 1 - scaled : 0;
    case ML3_QUADRATIC:
      scaled = x * sqrt(1 - value);
      return fabs(scaled) < 1 ? 1 - scaled * scaled : 0;
    case ML3_TANH_SQUARED:
      scaled = tanh(x * atanh(sqrt(1 - value)));
      return 1 - scaled * scaled;
    default:
      return 0;
  }
}

static double tolerance(ml3_sigmoid kind, double x, double low, double high, double margin, double value) {
  if (x >= low && x <= high) return 1;
  if (!(margin > 0)) return isnan(x) ? x : 0;
  return ml3_sigmoid_of(kind, (x < low ? low - x : x - high) / margin, value);
}

static double unary(ml3_op op, double x) {
  switch (op) {
    case ML3_OP_NEGATE:
      return -x;
    case ML3_OP_SIN:
      return sin(x);
    case ML3_OP_COS:
      return cos(x);
    case ML3_OP_ABS:
      return fabs(x);
    case ML3_OP_SQRT:
      return sqrt(x);
    case ML3_OP_EXP:
      return exp(x);
    case ML3_OP_LOG:
      return log(x);
    case ML3_OP_LOG1P:
      return log1p(x);
    case ML3_OP_TANH:
      return tanh(x);
    case ML3_OP_ACOS:
      return acos(x);
    case ML3_OP_SQUARE:
      return x * x;
    case ML3_OP_ROUND:
      return rint(x);
    default:
      return x;
  }
}

static double binary(ml3_op op, double a, double b) {
  switch (op) {
    case ML3_OP_ADD:
      return a + b;
    case ML3_OP_SUBTRACT:
      return a - b;
    case ML3_OP_MULTIPLY:
      return a * b;
    case ML3_OP_DIVIDE:
      return a / b;
    case ML3_OP_POWER:
      return pow(a, b);
    case ML3_OP_MIN:
      return isnan(a) ? a : fmin(a, b);
    case ML3_OP_MAX:
      return isnan(a) ? a : fmax(a, b);
    case ML3_OP_ATAN2:
      return atan2(a, b);
    case ML3_OP_SMOOTH_ABS:
      return sqrt(a * a + b * b) - b;
    case ML3_OP_COSH:
      return b * b * (cosh(a / b) - 1);
    case ML3_OP_ABS_POWER:
      return pow(fabs(a), b);
    default:
      return a;
  }
}

double ml3_op_of(const ml3_instruction *k, const double *r, double a, double b) {
  if (k->op == ML3_OP_TOLERANCE) return tolerance((ml3_sigmoid)k->first, a, r[k->b], r[k->b + 1], r[k->c], r[k->c + 1]);
  return ml3_op_operands(k->op) == 1 ? unary(k->op, a) : binary(k->op, a, b);
}

static double reduce(const ml3_instruction *k, const double *r) {
  const double *a = r + k->a, *b = r + k->b, *c = r + k->c;
  double squares = 0;
  if (k->op == ML3_OP_SUM_SQUARES || k->op == ML3_OP_NORM) {
    for (int i = 0; i < k->n; i++) squares += a[i] * a[i];
    return k->op == ML3_OP_NORM ? sqrt(squares) : squares;
  }
  if (k->op == ML3_OP_WITHIN) {
    for (int i = 0; i < k->n; i++)
      if (!(a[i] >= b[i * k->b_step] && a[i] <= c[i * k->c_step])) return 0;
    return 1;
  }
  double x = k->op == ML3_OP_LEAST || k->op == ML3_OP_GREATEST ? a[0] : 0;
  bool all = true;
  for (int i = 0; i < k->n; i++) {
    switch (k->op) {
      case ML3_OP_SUM:
        x += a[i];
        break;
      case ML3_OP_SUM_ABS:
        x += fabs(a[i]);
        break;
      case ML3_OP_LEAST:
        x = isnan(a[i]) ? a[i] : fmin(x, a[i]);
        break;
      case ML3_OP_GREATEST:
        x = isnan(a[i]) ? a[i] : fmax(x, a[i]);
        break;
      case ML3_OP_FINITE:
        all = all && isfinite(a[i]);
        break;
      default: /* ML3_OP_AND */
        all = all && a[i] != 0;
        break;
    }
  }
  return k->op == ML3_OP_FINITE || k->op == ML3_OP_AND ? all : x;
}

static const mjtNum *array_of(const mjData *d, size_t offset) {
  return *(mjtNum *const *)(const void *)((const char *)d + offset);
}

static void read_data(const ml3_instruction *k, const mjModel *m, const mjData *d, double *r) {
  const mjtNum *x = k->array ? array_of(d, k->array) + k->first : NULL;
  double *out = r + k->out, velocity[6];
  switch (k->op) {
    case ML3_OP_READ:
      if (k->stride == 1)
        memcpy(out, x, (size_t)k->n * sizeof *out);
      else
        for (int i = 0; i < k->n; i++) out[i] = x[(size_t)i * (size_t)k->stride];
      break;
    case ML3_OP_TIME:
      out[0] = d->time;
      break;
    case ML3_OP_VELOCITY:
      mj_objectVelocity(m, (mjData *)d, k->stride, k->first, velocity, k->c);
      memcpy(out, velocity + k->b, 3 * sizeof *out);
      break;
    case ML3_OP_MATRIX_QUATERNION:
      mju_mat2Quat(out, x);
      break;
    case ML3_OP_INERTIAL_QUATERNION:
      mju_mulQuat(out, d->xquat + 4 * k->first, m->body_iquat + 4 * k->first);
      break;
    default: { /* ML3_OP_INTO_FRAME; out may not be a */
      const double *a = r + k->a;
      for (int i = 0; i < 3; i++) out[i] = x[i] * a[0] + x[3 + i] * a[1] + x[6 + i] * a[2];
    }
  }
}

static void draw(const ml3_instruction *k, ml3_random *random, double *r) {
  double *out = r + k->out, norm = 0;
  const double *a = r + k->a, *b = r + k->b;
  for (int i = 0; i < k->n; i++)
    out[i] = k->op == ML3_OP_UNIFORM  ? ml3_random_uniform(random, a[i * k->a_step], b[i * k->b_step])
             : k->op == ML3_OP_NORMAL ? a[i * k->a_step] * ml3_random_normal(random)
                                      : ml3_random_normal(random);
  if (k->op != ML3_OP_QUATERNION) return;
  for (int i = 0; i < 4; i++) norm += out[i] * out[i];
  for (int i = 0; i < 4; i++) out[i] = norm > 0 ? out[i] / sqrt(norm) : i == 0;
}

/* The usual ones in loops of their own. */
static void pairs(const ml3_instruction *k, double *r) {
  const double *a = r + k->a, *b = r + k->b;
  double *out = r + k->out;
  const int n = k->n, p = k->a_step, q = k->b_step;
  switch (k->op) {
    case ML3_OP_ADD:
      for (int i = 0; i < n; i++) out[i] = a[i * p] + b[i * q];
      break;
    case ML3_OP_SUBTRACT:
      for (int i = 0; i < n; i++) out[i] = a[i * p] - b[i * q];
      break;
    case ML3_OP_MULTIPLY:
      for (int i = 0; i < n; i++) out[i] = a[i * p] * b[i * q];
      break;
    case ML3_OP_MIN: /* no number stays none */
      for (int i = 0; i < n; i++) out[i] = a[i * p] > b[i * q] ? b[i * q] : a[i * p];
      break;
    case ML3_OP_MAX:
      for (int i = 0; i < n; i++) out[i] = a[i * p] < b[i * q] ? b[i * q] : a[i * p];
      break;
    default:
      for (int i = 0; i < n; i++) out[i] = binary(k->op, a[i * p], b[i * q]);
  }
}

static void run_one(const ml3_instruction *k, const mjModel *m, const mjData *d, ml3_random *random, double *r) {
  double *out = r + k->out;
  const double *a = r + k->a, *b = r + k->b, *c = r + k->c;
  if (k->op <= ML3_OP_INTO_FRAME) {
    read_data(k, m, d, r);
  } else if (k->op >= ML3_OP_UNIFORM) {
    draw(k, random, r);
  } else if (k->op >= ML3_OP_SUM && k->op <= ML3_OP_AND) {
    out[0] = reduce(k, r);
  } else if (k->op == ML3_OP_SELECT) {
    for (int i = 0; i < k->n; i++) out[i] = a[0] != 0 ? b[i * k->b_step] : c[i * k->c_step];
  } else if (k->op == ML3_OP_TOLERANCE) {
    for (int i = 0; i < k->n; i++) out[i] = tolerance((ml3_sigmoid)k->first, a[i], b[0], b[1], c[0], c[1]);
  } else if (k->op == ML3_OP_COPY) {
    for (int i = 0; i < k->n; i++) out[i] = a[i * k->a_step];
  } else if (k->op >= ML3_OP_NEGATE && k->op <= ML3_OP_ROUND) {
    for (int i = 0; i < k->n; i++) out[i] = unary(k->op, a[i * k->a_step]);
  } else {
    pairs(k, r);
  }
}

void ml3_program_run(const ml3_program *p, int from, const mjModel *m, const mjData *d, ml3_random *random, double *r) {
  for (int i = from; i < p->count; i++) run_one(&p->code[i], m, d, random, r);
}
