/* Gauss-Newton steps for losses with targets (`newton` of ml3_loss_spec).

   With a(theta) the targeted features, n rows, J = da/dtheta, and the optimizee taken as linear, the loss 1/(2n) sum ||a - h||^2
   is least at theta - d,  (J'J/n + damping) d = grad.  d is approximated by some iterations of conjugate gradients (Hestenes
   and Stiefel 1952; truncated Newton methods: Nocedal and Wright 2006, ch. 7.1; for networks: Martens 2010), of which the
   first alone is the Cauchy step: the gradient, as long as is best. The damping bounds d where nothing is seen of a
   parameter, as with a saturated policy. What the loss's network adds to its targets is in the gradient alone.

   J p is the derivative by w of < J' w, p >, at no particular w: J' w is linear in it. J'J p is the derivative of 1/2 ||J p||^2
   by p. */
#include "metaloss/meta_internal.h"

static const double DAMPING = 1e-3;
static const double TINY = 1e-30; /* against 0/0 */
static const double SOLVED =
    1e-8; /* of the squared residual: what is left below this is rounding, and so are its derivatives */

/* Everything is [1, batch * size], a task's numbers one behind the other; its matrix is its own. */
typedef struct system {
  const ml3_meta *meta;
  ml3_nn_graph *g;
  ml3_node w, back; /* [batch * n, targets]; J' w */
  int rows;         /* n */
} system;

/* <x, y> of each task, under each of its parameters. */
static ml3_node dots(const system *s, ml3_node x, ml3_node y) {
  const int size = s->meta->problem->theta_size, batch = s->meta->batch;
  ml3_node parts[ML3_META_MAX_BATCH];
  for (int i = 0; i < batch; i++) {
    ml3_node a = ml3_nn_view(s->g, x, i * size, 1, size), b = ml3_nn_view(s->g, y, i * size, 1, size);
    parts[i] = ml3_nn_broadcast(s->g, ml3_nn_dot(s->g, a, b), 1, size);
  }
  return ml3_nn_view(s->g, ml3_nn_concat_rows(s->g, parts, batch), 0, 1, batch * size);
}

static ml3_node ratio(const system *s, ml3_node x, ml3_node y) {
  return ml3_nn_div(s->g, x, ml3_nn_shift(s->g, y, TINY));
}

/* (J'J/n + damping) p */
static ml3_node apply(const system *s, ml3_node p) {
  ml3_node change, product;
  p = ml3_nn_straight_through(s->g, p, p); /* a node of its own, or what is built of it would be built of its parts */
  ml3_nn_gradient(s->g, ml3_nn_dot(s->g, s->back, p), &s->w, 1, &change);
  ml3_node half = ml3_nn_scale(s->g, ml3_nn_sum(s->g, ml3_nn_square(s->g, change)), 0.5 / s->rows);
  ml3_nn_gradient(s->g, half, &p, 1, &product);
  return ml3_nn_add(s->g, product, ml3_nn_scale(s->g, p, DAMPING));
}

/* What the targets are held against, and J' w at some w of its shape. */
static system make_system(const ml3_meta *m, ml3_nn_graph *g, ml3_node rows) {
  ml3_node a = ml3_loss_build_targets(g, &m->settings.loss, rows);
  system s = {.meta = m, .g = g, .w = ml3_nn_stop_gradient(g, a), .rows = ml3_nn_rows(g, rows) / m->batch};
  ml3_nn_gradient(g, ml3_nn_dot(g, a, s.w), &m->in_theta, 1, &s.back);
  return s;
}

ml3_node ml3_meta_build_newton(const ml3_meta *m, ml3_nn_graph *g, ml3_node rows, ml3_node gradient) {
  const system s = make_system(m, g, rows);
  ml3_node left = gradient, p = gradient, squares = dots(&s, left, left), step = ML3_NN_NONE;
  const ml3_node enough = ml3_nn_scale(g, squares, SOLVED);
  for (int i = 0; i < m->settings.loss.newton; i++) {
    ml3_node image = apply(&s, p), size = ratio(&s, squares, dots(&s, p, image));
    if (i) size = ml3_nn_select(g, ml3_nn_greater(g, squares, enough), size, ml3_nn_constant(g, 1, 1, 0));
    ml3_node part = ml3_nn_mul(g, size, p);
    step = i ? ml3_nn_add(g, step, part) : part;
    if (i + 1 == m->settings.loss.newton) break;
    left = ml3_nn_sub(g, left, ml3_nn_mul(g, size, image));
    ml3_node squares_left = dots(&s, left, left);
    p = ml3_nn_add(g, left, ml3_nn_mul(g, ratio(&s, squares_left, squares), p));
    squares = squares_left;
  }
  return step;
}
