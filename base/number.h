/* Numbers as texts that read back as what they were. */
#ifndef ML3_BASE_NUMBER_H
#define ML3_BASE_NUMBER_H

#include <stddef.h>

enum { ML3_NUMBER_TEXT = 32 }; /* room for any of them */

/* x in the fewest digits (of 15 to 17) that strtod reads back as x: 0.1, 0.10000000000000002. Infinities and NaN as
   strtod takes them. Returns text. */
const char *ml3_number_text(double x, char text[ML3_NUMBER_TEXT]);

#endif
