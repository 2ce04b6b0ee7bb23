/* Ctrl-C and its kin. */
#ifndef ML3_CLI_INTERRUPT_H
#define ML3_CLI_INTERRUPT_H

#include <stdbool.h>

/* SIGINT and SIGTERM set a flag instead of ending the process; a second one ends it. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);

#endif
