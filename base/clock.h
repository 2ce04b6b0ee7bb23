/* Seconds of a clock that only goes forward, from some moment on: for what takes how long. No result depends on it. */
#ifndef ML3_BASE_CLOCK_H
#define ML3_BASE_CLOCK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Now, in seconds. */
double ml3_clock_s(void);

#ifdef __cplusplus
}
#endif

#endif
