/* A flat program over registers: what the quantities, rewards and conditions of a task compile to. Internal.

   Registers are doubles, those of a program numbered from 0 and its initial values shared; every instance works in a copy. An
   instruction reads a block of registers or of MuJoCo's data and writes a block of its own, so that a program runs from top to
   bottom without a branch. Equal instructions are made once. */
#ifndef ML3_ENVS_TASK_PROGRAM_H
#define ML3_ENVS_TASK_PROGRAM_H

#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/random.h"
#include "envs/simulation.h"

typedef enum ml3_op {
  /* of MuJoCo's data */
  ML3_OP_READ, /* out[i] = array[first + i stride]; array: offset of a pointer in mjData */
  ML3_OP_TIME, /* out = time, s */
  ML3_OP_VELOCITY, /* out[3] = of object `first` of type `stride`; linear (b = 3) or angular (b = 0), in its own frame (c = 1) or not */
  ML3_OP_MATRIX_QUATERNION,   /* out[4] of the rotation matrix array[first ..] */
  ML3_OP_INERTIAL_QUATERNION, /* out[4] of the inertial frame of body `first` */
  ML3_OP_INTO_FRAME,          /* out[3] = R^T a; R: array[first ..], row-major */
  /* of registers; operands of one number are used for all */
  ML3_OP_COPY,
  ML3_OP_ADD,
  ML3_OP_SUBTRACT,
  ML3_OP_MULTIPLY,
  ML3_OP_DIVIDE,
  ML3_OP_POWER,
  ML3_OP_MIN,
  ML3_OP_MAX,
  ML3_OP_ATAN2,
  ML3_OP_NEGATE,
  ML3_OP_SIN,
  ML3_OP_COS,
  ML3_OP_ABS,
  ML3_OP_SQRT,
  ML3_OP_EXP,
  ML3_OP_LOG,
  ML3_OP_LOG1P,
  ML3_OP_TANH,
  ML3_OP_ACOS,
  ML3_OP_SQUARE,
  ML3_OP_ROUND,
  /* n numbers into one */
  ML3_OP_SUM,
  ML3_OP_NORM,
  ML3_OP_SUM_ABS,
  ML3_OP_SUM_SQUARES,
  ML3_OP_LEAST,
  ML3_OP_GREATEST,
  ML3_OP_WITHIN,    /* out = 1 where all a[i] are in [b[i], c[i]], 0 else */
  ML3_OP_FINITE,    /* out = 1 where all a[i] are finite */
  ML3_OP_AND,       /* out = 1 where all a[i] are not 0 */
  ML3_OP_SELECT,    /* out[i] = a != 0 ? b[i] : c[i] */
  ML3_OP_TOLERANCE, /* dm_control's rewards.tolerance of each a[i]: bounds b, b + 1; margin c, value at the margin c + 1; `first`: sigmoid */
  ML3_OP_SMOOTH_ABS, /* of each: sqrt(x^2 + p^2) - p; p: b */
  ML3_OP_COSH,       /* of each: p^2 (cosh(x / p) - 1) */
  ML3_OP_ABS_POWER,  /* of each: |x|^p */
  /* random numbers, in a reset alone */
  ML3_OP_UNIFORM,    /* out[i] in [a, b) */
  ML3_OP_NORMAL,     /* out[i] = a x */
  ML3_OP_QUATERNION, /* out[4], uniform over rotations */
} ml3_op;

typedef enum ml3_sigmoid {
  ML3_GAUSSIAN,
  ML3_HYPERBOLIC,
  ML3_LONG_TAIL,
  ML3_RECIPROCAL,
  ML3_COSINE,
  ML3_LINEAR,
  ML3_QUADRATIC,
  ML3_TANH_SQUARED,
  ML3_SIGMOIDS
} ml3_sigmoid;

typedef struct ml3_instruction {
  ml3_op op;
  int n;                      /* numbers of a, and of out unless n are made one */
  int out, a, b, c;           /* first registers */
  int a_step, b_step, c_step; /* 0 where one number serves for all */
  size_t array;               /* offsetof a mjtNum pointer in mjData */
  int first, stride;
} ml3_instruction;

/* A program: immutable once it is made, shared. */
typedef struct ml3_program {
  ml3_instruction *code;
  int count, room;
  double *initial; /* [size] of all registers */
  int size, size_room;
  int needs;    /* of MuJoCo for the present state: ML3_NEEDS_* */
  bool changes; /* registers are written more than once (a reset): no instruction stands for another */
} ml3_program;

/* How many of a, b and c are registers that it reads. */
int ml3_op_operands(ml3_op op);

/* `count` new registers with those values (NULL: 0); the first, or -1 without memory. Zero-initialise a program to begin. */
int ml3_program_registers(ml3_program *p, const double *values, int count);

/* Appends an instruction; `out` is made here, of `width` registers, unless the same instruction is there already. The first
   register of its result, or -1 without memory. */
int ml3_program_add(ml3_program *p, ml3_instruction instruction, int width);

/* Marks, of marked[size], what depends on marked registers; a pass is enough, since what is read was made before. */
void ml3_program_spread(const ml3_program *p, bool *marked);

void ml3_program_free(ml3_program *p);

/* Runs instructions from .. count - 1 over r[size]. random may be NULL where nothing is random. Calls of MuJoCo may fail: within
   ml3_mjcf_try. */
void ml3_program_run(const ml3_program *p, int from, const mjModel *m, const mjData *d, ml3_random *random, double *r);

/* What the instruction makes of one number a, or of a and b: operations of each number alone, among them tolerance. */
double ml3_op_of(const ml3_instruction *k, const double *r, double a, double b);

/* A sigmoid of `x` (a distance in margins) that is `value` at 1: dm_control, utils/rewards.py. */
double ml3_sigmoid_of(ml3_sigmoid kind, double x, double value);

#endif
