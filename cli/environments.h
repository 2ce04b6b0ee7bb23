/* What is trained in an environment when its name is all that is given: a preset, or settings of its own. */
#ifndef ML3_CLI_ENVIRONMENTS_H
#define ML3_CLI_ENVIRONMENTS_H

/* The preset that `ml3 train NAME` stands for; NULL: none, but its own settings. */
const char *cli_environment_preset(const char *name);

/* Defaults of an environment with that kind of problem and method, "key=value key=value"; NULL: the general ones. */
const char *cli_environment_settings(const char *name, const char *problem, int method);

#endif
