/* See tangent.h. */
#include "envs/tangent.h"

#include <stdbool.h>
#include <string.h>

/* D[4][3] of a quaternion. */
static void derive(const double *quaternion, double d[4][3]) {
  for (int k = 0; k < 3; k++) {
    const double direction[3] = {k == 0, k == 1, k == 2};
    double column[4];
    mju_mulQuatAxis(column, quaternion, direction);
    for (int i = 0; i < 4; i++) d[i][k] = column[i] / 2;
  }
}

/* A joint's numbers that are a quaternion begin at *number of qpos, its directions at *direction; the numbers before them are
   as many as the directions before them. */
static bool has_quaternion(const mjModel *m, int joint, int *number, int *direction) {
  const int type = m->jnt_type[joint], before = type == mjJNT_FREE ? 3 : 0;
  *number = m->jnt_qposadr[joint] + before;
  *direction = m->jnt_dofadr[joint] + before;
  return type == mjJNT_FREE || type == mjJNT_BALL;
}

void ml3_tangent_to_numbers(const mjModel *m, const double *qpos, int columns, const double *x, double *out) {
  const size_t row = (size_t)columns;
  int q = 0, v = 0, number, direction;
  for (int j = 0; j <= m->njnt; j++) { /* joints, and what follows the last one */
    const bool turns = j < m->njnt && has_quaternion(m, j, &number, &direction);
    if (j < m->njnt && !turns) continue;
    const int plain = turns ? direction - v : 2 * m->nv + m->na - v;
    memcpy(out + (size_t)q * row, x + (size_t)v * row, (size_t)plain * row * sizeof *x);
    q += plain, v += plain;
    if (!turns) return;
    double d[4][3];
    derive(qpos + number, d);
    for (int i = 0; i < 4; i++)
      for (size_t c = 0; c < row; c++) {
        double sum = 0;
        for (size_t k = 0; k < 3; k++) sum += d[i][k] * x[((size_t)v + k) * row + c];
        out[((size_t)q + (size_t)i) * row + c] = sum;
      }
    q += 4, v += 3;
  }
}

void ml3_tangent_by_numbers(const mjModel *m, const double *qpos, int rows, const double *x, double *out) {
  const size_t n = (size_t)(2 * m->nv + m->na), size = (size_t)(m->nq + m->nv + m->na);
  int q = 0, v = 0, number, direction;
  for (int j = 0; j <= m->njnt; j++) {
    const bool turns = j < m->njnt && has_quaternion(m, j, &number, &direction);
    if (j < m->njnt && !turns) continue;
    const size_t plain = (size_t)(turns ? direction - v : 2 * m->nv + m->na - v);
    for (size_t r = 0; r < (size_t)rows; r++) memcpy(out + r * size + q, x + r * n + v, plain * sizeof *x);
    q += (int)plain, v += (int)plain;
    if (!turns) return;
    double d[4][3];
    derive(qpos + number, d);
    for (size_t r = 0; r < (size_t)rows; r++)
      for (int i = 0; i < 4; i++) {
        double sum = 0;
        for (int k = 0; k < 3; k++) sum += x[r * n + (size_t)(v + k)] * 4 * d[i][k];
        out[r * size + (size_t)(q + i)] = sum;
      }
    q += 4, v += 3;
  }
}
