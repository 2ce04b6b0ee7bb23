/* See number.h. 15 digits come back from a double unchanged, and 17 tell any two doubles apart. */
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

const char *ml3_number_text(double x, char text[ML3_NUMBER_TEXT]) {
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, ML3_NUMBER_TEXT, "%.*g", digits, x);
    if (strtod(text, NULL) == x) break;
  }
  return text;
}
