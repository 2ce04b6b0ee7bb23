/* See version.h. */
#include "base/version.h"
#include "base/real.h"

const char *ml3_version(void) {
  return ML3_VERSION;
}

size_t ml3_real_size(void) {
  return sizeof(ml3_real);
}
