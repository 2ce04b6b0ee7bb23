/* See expand.h. */
#include "envs/task/expand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf.h"
#include "envs/task/instance.h"

static const double STATE_STEP = 1e-6;    /* of differences, relative to 1 + |x| */
static const double REGISTER_STEP = 1e-4; /* of second ones, of a function of one or two numbers */
static const double SHORTEST = 1e-3;      /* a norm below it is as curved as there: at 0 it has no second derivative */

/* Working memory; allocated as one. */
struct ml3_task_expansion {
  const ml3_task *task;
  int n, m, past, columns;                   /* entries of state, action, what is kept; columns = n + m + n */
  double *plus, *minus;                      /* [size] registers */
  double *past_by_state;                     /* [n][past] */
  double *jacobian;                          /* [size][columns]: by s', by u, by s through what is kept */
  double *adjoint;                           /* [size] */
  double *first, *second, *both, *positions; /* [n + m] rows; [nq] */
};

static double *part(double **rest, size_t count) {
  double *begin = *rest;
  *rest += count;
  return begin;
}

ml3_task_expansion *ml3_task_expansion_new(const ml3_task *task) {
  ml3_task_expansion *x = calloc(1, sizeof *x);
  if (!x) return NULL;
  const mjModel *m = task->model;
  *x = (ml3_task_expansion){.task = task, .n = m->nq + m->nv + m->na, .m = task->action.n};
  for (int i = 0; i < task->latch_count; i++) x->past += task->latches[i].n;
  x->columns = x->n + x->m + (x->past ? x->n : 0);
  const size_t size = (size_t)task->step.size, n = (size_t)x->n, k = n + (size_t)x->m;
  double *rest =
      calloc(3 * size + n * (size_t)x->past + size * (size_t)x->columns + 3 * k + (size_t)m->nq + 1, sizeof *rest);
  if (!rest) {
    free(x);
    return NULL;
  }
  x->plus = part(&rest, size); /* the block's beginning */
  x->minus = part(&rest, size);
  x->adjoint = part(&rest, size);
  x->past_by_state = part(&rest, n * (size_t)x->past);
  x->jacobian = part(&rest, size * (size_t)x->columns);
  x->first = part(&rest, k);
  x->second = part(&rest, k);
  x->both = part(&rest, k);
  x->positions = part(&rest, (size_t)m->nq);
  return x;
}

void ml3_task_expansion_free(ml3_task_expansion *x) {
  if (x) free(x->plus);
  free(x);
}

/* ---- differences ---------------------------------------------------------------------------------------------------- */

static double *state_entry(const mjModel *m, mjData *d, int i) {
  return i < m->nq ? d->qpos + i : i < m->nq + m->nv ? d->qvel + i - m->nq : d->act + i - m->nq - m->nv;
}

/* The registers with a number of the state changed. (Older releases of MuJoCo make quaternions as long as 1 in place.) */
static void run_at(const ml3_task_expansion *x, const mjModel *m, mjData *d, double *entry, double value,
                   const double *r, double *out) {
  const double before = *entry;
  const ml3_program *p = &x->task->step;
  mju_copy(x->positions, d->qpos, m->nq);
  *entry = value;
  ml3_simulation_compute(m, d, p->needs & ~(ML3_NEEDS_FORCES | ML3_NEEDS_BODY_FORCES), false);
  memcpy(out, r, (size_t)p->size * sizeof *r);
  ml3_program_run(p, 0, m, d, NULL, out);
  *entry = before;
  mju_copy(d->qpos, x->positions, m->nq);
}

/* The derivative of what is kept, in the present state, whose registers are r. What MuJoCo has computed is another state's
   afterwards. */
static void fill_past(ml3_task_expansion *x, const mjModel *m, mjData *d, const double *r) {
  for (int j = 0; j < x->n && x->past; j++) {
    double *entry = state_entry(m, d, j), *out = x->past_by_state + (size_t)j * (size_t)x->past;
    const double at = *entry, h = STATE_STEP * (1 + fabs(at));
    run_at(x, m, d, entry, at + h, r, x->plus);
    run_at(x, m, d, entry, at - h, r, x->minus);
    for (int i = 0; i < x->task->latch_count; i++) {
      const ml3_latch *l = &x->task->latches[i];
      for (int k = 0; k < l->n; k++) *out++ = (x->plus[l->from + k] - x->minus[l->from + k]) / (2 * h);
    }
  }
}

/* A column of the Jacobian, from the registers at both sides. */
static void fill_column(const ml3_task_expansion *x, int column, double h) {
  for (int i = 0; i < x->task->step.size; i++)
    x->jacobian[(size_t)i * (size_t)x->columns + (size_t)column] = (x->plus[i] - x->minus[i]) / (2 * h);
}

/* Registers with that action entry, and the controls that it drives, moved by h. */
static void run_action(const ml3_task_expansion *x, const mjModel *m, mjData *d, int j, double h, const double *r,
                       double *out) {
  const ml3_task *t = x->task;
  memcpy(out, r, (size_t)t->step.size * sizeof *r);
  out[t->action.reg + j] += h;
  for (int i = 0; i < t->control_count; i++)
    if (t->controls[i].action == j) d->ctrl[t->controls[i].control] += h * t->controls[i].factor;
  ml3_program_run(&t->step, 0, m, d, NULL, out);
  for (int i = 0; i < t->control_count; i++)
    if (t->controls[i].action == j) d->ctrl[t->controls[i].control] -= h * t->controls[i].factor;
}

/* Registers with what is kept of the step before moved as the state's entry j moves it. */
static void run_past(const ml3_task_expansion *x, const mjModel *m, mjData *d, int j, double h, const double *r,
                     double *out) {
  const double *slope = x->past_by_state + (size_t)j * (size_t)x->past;
  memcpy(out, r, (size_t)x->task->step.size * sizeof *r);
  for (int i = 0; i < x->task->latch_count; i++)
    for (int k = 0; k < x->task->latches[i].n; k++) out[x->task->latches[i].to + k] += h * *slope++;
  ml3_program_run(&x->task->step, 0, m, d, NULL, out);
}

static void fill_jacobian(ml3_task_expansion *x, const mjModel *m, mjData *d, const double *r) {
  for (int j = 0; j < x->n; j++) {
    double *entry = state_entry(m, d, j);
    const double at = *entry, h = STATE_STEP * (1 + fabs(at));
    run_at(x, m, d, entry, at + h, r, x->plus);
    run_at(x, m, d, entry, at - h, r, x->minus);
    fill_column(x, j, h);
  }
  ml3_simulation_compute(m, d, x->task->step.needs & ~(ML3_NEEDS_FORCES | ML3_NEEDS_BODY_FORCES), false);
  for (int j = 0; j < x->m; j++) {
    const double h = STATE_STEP * (1 + fabs(r[x->task->action.reg + j]));
    run_action(x, m, d, j, h, r, x->plus);
    run_action(x, m, d, j, -h, r, x->minus);
    fill_column(x, x->n + j, h);
  }
  for (int j = 0; j < x->n && x->past; j++) {
    run_past(x, m, d, j, STATE_STEP, r, x->plus);
    run_past(x, m, d, j, -STATE_STEP, r, x->minus);
    fill_column(x, x->n + x->m + j, STATE_STEP);
  }
}

/* The register's derivative by [s, u] into row[n + m]; false where it is 0. */
static bool fill_row(const ml3_task_expansion *x, const ml3_env_expansion *e, int reg, double *row) {
  const size_t n = (size_t)x->n, m = (size_t)x->m;
  const double *by = x->jacobian + (size_t)reg * (size_t)x->columns;
  bool any = false;
  for (size_t j = 0; j < n; j++) row[j] = x->past ? by[n + m + j] : 0;
  for (size_t j = 0; j < m; j++) row[n + j] = by[n + j];
  for (size_t i = 0; i < n; i++) {
    if (by[i] == 0) continue;
    for (size_t j = 0; j < n; j++) row[j] += by[i] * e->a[i * n + j];
    for (size_t j = 0; j < m; j++) row[n + j] += by[i] * e->b[i * m + j];
  }
  for (size_t j = 0; j < n + m; j++) any = any || row[j] != 0;
  return any;
}

/* ---- curvature ------------------------------------------------------------------------------------------------------ */

/* hessian += weight row row'. */
static void add_square(const ml3_task_expansion *x, ml3_env_expansion *e, double weight, const double *row) {
  const size_t k = (size_t)(x->n + x->m);
  for (size_t i = 0; i < k; i++) {
    if (row[i] == 0) continue;
    const double scaled = weight * row[i];
    for (size_t j = 0; j < k; j++) e->hessian[i * k + j] += scaled * row[j];
  }
}

static void add_curvature(ml3_task_expansion *x, ml3_env_expansion *e, double weight, int reg) {
  if (weight > 0 && isfinite(weight) && fill_row(x, e, reg, x->first)) add_square(x, e, weight, x->first);
}

/* Of a function of the registers a and b with second derivatives c = (aa, ab, bb): the part that is not negative, by the
   eigenvalues over unit vectors along both rows. */
static void add_pair(ml3_task_expansion *x, ml3_env_expansion *e, const double c[3], int a, int b) {
  const size_t k = (size_t)(x->n + x->m);
  fill_row(x, e, a, x->first);
  fill_row(x, e, b, x->second);
  double aa = 0, bb = 0;
  for (size_t i = 0; i < k; i++) aa += x->first[i] * x->first[i], bb += x->second[i] * x->second[i];
  if (aa == 0 || bb == 0) {
    if (c[0] > 0) add_square(x, e, c[0], x->first);
    if (c[2] > 0) add_square(x, e, c[2], x->second);
    return;
  }
  const double mean = (c[0] * aa + c[2] * bb) / 2, half = (c[0] * aa - c[2] * bb) / 2, mixed = c[1] * sqrt(aa * bb);
  const double root = hypot(half, mixed), angle = atan2(mixed, half) / 2;
  for (int which = 0; which < 2; which++) {
    const double value = which ? mean - root : mean + root;
    const double of_a = (which ? -sin(angle) : cos(angle)) / sqrt(aa),
                 of_b = (which ? cos(angle) : sin(angle)) / sqrt(bb);
    if (!(value > 0)) continue;
    for (size_t i = 0; i < k; i++) x->both[i] = of_a * x->first[i] + of_b * x->second[i];
    add_square(x, e, value, x->both);
  }
}

/* The norm of n registers: (1 - u u') / length, u its direction; the sum over rows less the row along it. */
static void add_norm(ml3_task_expansion *x, ml3_env_expansion *e, double weight, const ml3_instruction *k,
                     const double *r) {
  const size_t size = (size_t)(x->n + x->m);
  const double length = fmax(r[k->out], SHORTEST);
  memset(x->both, 0, size * sizeof *x->both);
  for (int i = 0; i < k->n; i++) {
    if (!fill_row(x, e, k->a + i, x->first)) continue;
    add_square(x, e, weight / length, x->first);
    for (size_t j = 0; j < size; j++) x->both[j] += r[k->a + i] / length * x->first[j];
  }
  add_square(x, e, -weight / length, x->both);
}

/* ---- backwards through the program ------------------------------------------------------------------------------------ */

/* Derivatives of an instruction of one or two numbers: slope by a and b, second ones aa, ab, bb. */
typedef struct local {
  double slope[2], second[3];
} local;

static double finite(double value) {
  return isfinite(value) ? value : 0;
}

static local differentiate(const ml3_instruction *k, const double *r, double a, double b) {
  const double h = REGISTER_STEP * (1 + fabs(a)), g = REGISTER_STEP * (1 + fabs(b));
  const double here = ml3_op_of(k, r, a, b), up = ml3_op_of(k, r, a + h, b), down = ml3_op_of(k, r, a - h, b);
  local d = {{finite((up - down) / (2 * h))}, {finite((up - 2 * here + down) / (h * h))}};
  if (ml3_op_operands(k->op) != 2) return d;
  const double right = ml3_op_of(k, r, a, b + g), left = ml3_op_of(k, r, a, b - g);
  const double along = ml3_op_of(k, r, a + h, b + g) + ml3_op_of(k, r, a - h, b - g);
  d.slope[1] = finite((right - left) / (2 * g));
  d.second[1] = finite((along - up - down - left - right + 2 * here) / (2 * h * g));
  d.second[2] = finite((right - 2 * here + left) / (g * g));
  return d;
}

/* One that is known without differences; false: it is not. */
static bool know(const ml3_instruction *k, double a, double b, local *d) {
  switch (k->op) {
    case ML3_OP_COPY:
      *d = (local){{1, 0}, {0}};
      return true;
    case ML3_OP_ADD:
    case ML3_OP_SUBTRACT:
      *d = (local){{1, k->op == ML3_OP_ADD ? 1 : -1}, {0}};
      return true;
    case ML3_OP_MULTIPLY:
      *d = (local){{b, a}, {0, 1, 0}};
      return true;
    case ML3_OP_MIN:
    case ML3_OP_MAX:
      *d = (local){{(a < b) == (k->op == ML3_OP_MIN), 0}, {0}};
      d->slope[1] = 1 - d->slope[0];
      return true;
    case ML3_OP_NEGATE:
      *d = (local){{-1, 0}, {0}};
      return true;
    case ML3_OP_ABS:
      *d = (local){{(a > 0) - (a < 0), 0}, {0}};
      return true;
    case ML3_OP_ROUND:
      *d = (local){0};
      return true;
    default:
      return false;
  }
}

static void back_each(ml3_task_expansion *x, ml3_env_expansion *e, const ml3_instruction *k, const double *r) {
  const bool two = ml3_op_operands(k->op) == 2;
  for (int i = 0; i < k->n; i++) {
    const int a = k->a + i * k->a_step, b = two ? k->b + i * k->b_step : a;
    const double v = x->adjoint[k->out + i];
    local d;
    if (v == 0) continue;
    if (!know(k, r[a], r[b], &d)) d = differentiate(k, r, r[a], r[b]);
    const double second[3] = {v * d.second[0], v * d.second[1], v * d.second[2]};
    if (two && (second[0] != 0 || second[1] != 0 || second[2] != 0))
      add_pair(x, e, second, a, b);
    else
      add_curvature(x, e, second[0], a);
    x->adjoint[a] += v * d.slope[0];
    if (two) x->adjoint[b] += v * d.slope[1];
  }
}

/* Of n numbers one. */
static void back_reduced(ml3_task_expansion *x, ml3_env_expansion *e, const ml3_instruction *k, const double *r) {
  const double v = x->adjoint[k->out], *a = r + k->a;
  bool found = false;
  if (v > 0 && k->op == ML3_OP_NORM) add_norm(x, e, v, k, r);
  for (int i = 0; i < k->n; i++) {
    double slope = 0;
    if (k->op == ML3_OP_SUM) slope = 1;
    if (k->op == ML3_OP_SUM_ABS) slope = (a[i] > 0) - (a[i] < 0);
    if (k->op == ML3_OP_SUM_SQUARES) slope = 2 * a[i], add_curvature(x, e, 2 * v, k->a + i);
    if (k->op == ML3_OP_NORM) slope = r[k->out] > 0 ? a[i] / r[k->out] : 0;
    if ((k->op == ML3_OP_LEAST || k->op == ML3_OP_GREATEST) && !found) found = a[i] == r[k->out], slope = found;
    x->adjoint[k->a + i] += v * slope;
  }
}

static void back(ml3_task_expansion *x, ml3_env_expansion *e, const ml3_instruction *k, const double *r) {
  const bool reduced = k->op >= ML3_OP_SUM && k->op <= ML3_OP_AND;
  bool reached = false;
  for (int i = 0; i < (reduced ? 1 : k->n); i++) reached = reached || x->adjoint[k->out + i] != 0;
  if (!reached || k->op <= ML3_OP_INTO_FRAME) return; /* of what is seen from a frame no curvature is known */
  if (reduced) {
    back_reduced(x, e, k, r);
  } else if (k->op == ML3_OP_SELECT) {
    const bool first = r[k->a] != 0;
    for (int i = 0; i < k->n; i++)
      x->adjoint[first ? k->b + i * k->b_step : k->c + i * k->c_step] += x->adjoint[k->out + i];
  } else {
    back_each(x, e, k, r);
  }
}

/* After the step, with its registers r, before anything is kept. */
static void fill(ml3_task_expansion *x, const mjModel *m, mjData *d, const double *r, ml3_env_expansion *e) {
  const ml3_task *t = x->task;
  const size_t k = (size_t)(x->n + x->m);
  e->reward = r[t->reward];
  fill_jacobian(x, m, d, r);
  fill_row(x, e, t->reward, e->gradient);
  for (size_t i = 0; i < k; i++) e->gradient[i] = -e->gradient[i];
  memset(e->hessian, 0, k * k * sizeof *e->hessian);
  memset(x->adjoint, 0, (size_t)t->step.size * sizeof *x->adjoint);
  x->adjoint[t->reward] = -1;
  for (int i = t->step.count - 1; i >= 0; i--) back(x, e, &t->step.code[i], r);
}

/* ---- of an instance ------------------------------------------------------------------------------------------------- */

typedef struct filling {
  const ml3_env *env;
  ml3_env_expansion *e; /* NULL: what is kept */
} filling;

static void fill_part(void *user) {
  const filling *f = user;
  const ml3_task_instance *s = f->env->data;
  if (f->e)
    fill(s->expansion, s->simulation.model, s->simulation.data, s->r, f->e);
  else
    fill_past(s->expansion, s->simulation.model, s->simulation.data, s->r);
}

/* False where MuJoCo gave up. */
static bool try_part(ml3_env *env, ml3_env_expansion *e) {
  ml3_task_instance *s = env->data;
  ml3_mjcf_said said;
  if (ml3_mjcf_try(fill_part, &(filling){env, e}, &said)) return true;
  ml3_simulation_recover(&s->simulation, &said);
  return false;
}

void ml3_task_expand(ml3_env *env, const double *action, ml3_env_expansion *e) {
  const ml3_env_spec *spec = env->spec;
  ml3_task_instance *s = env->data;
  const size_t k = (size_t)(spec->state_dim + spec->action_dim);
  double state[spec->state_dim];
  if (!s->expansion) s->expansion = ml3_task_expansion_new(spec->own);
  if (!s->expansion) ml3_env_warn(env, ML3_WARN_ERROR, 1, "there is no memory for the expansion of a reward");
  bool good = s->expansion != NULL;
  if (good && s->expansion->past) {
    ml3_task_see(env);
    ml3_simulation_get_state(&s->simulation, state);
    good = try_part(env, NULL);
    ml3_simulation_set_state(&s->simulation, state);
  }
  if (good && ml3_task_advance(env, action) >= 0 && try_part(env, e)) return;
  e->reward = NAN;
  for (size_t i = 0; i < k; i++) e->gradient[i] = NAN;
  for (size_t i = 0; i < k * k; i++) e->hessian[i] = NAN;
}
