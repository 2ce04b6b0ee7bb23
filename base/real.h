/* The scalar type of every tensor: float, or double when the build sets ML3_DOUBLE (gradient tests).
   Physics (envs) is always double. */
#ifndef ML3_BASE_REAL_H
#define ML3_BASE_REAL_H

#ifdef ML3_DOUBLE
typedef double ml3_real;
#define ML3_REAL_NAME "double"
#else
typedef float ml3_real;
#define ML3_REAL_NAME "float"
#endif

#endif
