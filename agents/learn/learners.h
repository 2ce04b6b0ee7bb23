/* The learners there are. Adding one: a file with its `const ml3_learner_kind`, and its name here. */
#ifndef ML3_AGENTS_LEARNERS_H
#define ML3_AGENTS_LEARNERS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(name) stands for ml3_learner_NAME, whose name is "name". */
#define ML3_LEARNERS(X) ML3_LEARNERS_THAT_COLLECT(X) X(random)
#define ML3_LEARNERS_THAT_COLLECT(X) \
  X(ppo)                             \
  X(reinforce)                       \
  X(sac)

/* "|ppo|reinforce ...": for the choices of a key. */
#define ML3_LEARNER_CHOICE(name) "|" #name
#define ML3_LEARNER_CHOICES      ML3_LEARNERS(ML3_LEARNER_CHOICE)

/* ML3_LEARNER_AT_ppo ...: their places in that list; ML3_LEARNER_COUNT of them. */
#define ML3_LEARNER_PLACE(name) ML3_LEARNER_AT_##name,
enum { ML3_LEARNERS(ML3_LEARNER_PLACE) ML3_LEARNER_COUNT };

#ifdef __cplusplus
}
#endif

#endif
