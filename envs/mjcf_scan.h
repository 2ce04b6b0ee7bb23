/* The attributes of an XML text, one after the other. A lenient reader, as MuJoCo's is: of people's models many are not
   well-formed to the letter (two hyphens in a comment, Latin-1 in another), and a strict parser would refuse them.
   Internal. */
#ifndef ML3_ENVS_MJCF_SCAN_H
#define ML3_ENVS_MJCF_SCAN_H

#include <stddef.h>

/* One attribute: its element's and its own name, its value with references (&amp;) resolved, and where the value
   stands in the text, without its quotes. */
typedef struct ml3_mjcf_attribute {
  const char *element, *name, *value;
  size_t begin, end;
} ml3_mjcf_attribute;

enum { ML3_MJCF_NAME_MAX = 64, ML3_MJCF_VALUE_MAX = 4096 }; /* longer ones are passed over */

/* Calls visit for every attribute in order. Comments, CDATA, declarations and processing instructions are passed
   over. */
void ml3_mjcf_scan(const char *text, void (*visit)(void *user, const ml3_mjcf_attribute *attribute), void *user);

#endif
