/* What this build of the library is, for programs that meet it at run time. */
#ifndef ML3_BASE_VERSION_H
#define ML3_BASE_VERSION_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0" */
const char *ml3_version(void);

/* Bytes of an ml3_real: 4, or 8 in a build with ML3_DOUBLE. */
size_t ml3_real_size(void);

#ifdef __cplusplus
}
#endif

#endif
