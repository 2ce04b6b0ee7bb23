/* From the text of a quantity to instructions. Internal.

   expression.c reads operators and functions, quantities.c what MuJoCo computes, by MuJoCo's own names. Whatever is wrong is said with
   file and line, and the nearest name. */
#ifndef ML3_ENVS_TASK_COMPILER_H
#define ML3_ENVS_TASK_COMPILER_H

#include "envs/task/program.h"
#include "envs/task/tree.h"

/* Registers reg .. reg + n - 1; n is 0 where something was wrong, which has been said. */
typedef struct ml3_value {
  int reg, n;
} ml3_value;

/* A number kept from one step to the next: `to` is `from` of the step before, or of the start of the episode. */
typedef struct ml3_latch {
  int from, to, n;
} ml3_latch;

enum { ML3_LATCHES_MAX = 256, ML3_NAMES_MAX = 1024, ML3_CONSTANTS_MAX = 128 };

/* A name of the task's own: a point, whose text is compiled where it is used; a parameter, or what has been compiled. */
typedef struct ml3_named {
  const char *name;
  const ml3_tree *text; /* NULL: value */
  ml3_value value;      /* n 0: not compiled yet */
  bool open;            /* is being compiled: it may not use itself */
} ml3_named;

/* A site that the task places: its number and where it is. */
typedef struct ml3_placed {
  int site;
  ml3_value value;
} ml3_placed;

/* What a program is compiled with. */
typedef struct ml3_compiler {
  ml3_program *program;
  const mjModel *model;
  ml3_error *error;
  const ml3_tree *at; /* what is being read: complaints name its line */
  double dt_s;
  int state;                   /* of a reset: the first register of the state, which its lines change */
  bool may_draw, may_remember; /* random numbers; `rate of`, `last`, `start`, `action` */
  ml3_value action, last_action;
  ml3_named *names; /* [name_count] */
  int name_count;
  const ml3_placed *placed; /* [placed_count] */
  int placed_count;
  int draw_width;                                   /* numbers that a noise of one number is drawn for */
  int constants[ML3_CONSTANTS_MAX], constant_count; /* registers, each number once */
  ml3_latch *latches, *starts;                      /* [ML3_LATCHES_MAX] */
  int latch_count, start_count;
  int depth;
} ml3_compiler;

/* The quantity of a text, or of a list of numbers. n is 0 with a sentence where it is wrong. */
ml3_value ml3_compile(ml3_compiler *c, const ml3_tree *at);
/* The same, which must be of n numbers. */
ml3_value ml3_compile_width(ml3_compiler *c, const ml3_tree *at, int n);
/* All entries of each quantity within its range: {QUANTITY: [low, high]}. */
ml3_value ml3_compile_condition(ml3_compiler *c, const ml3_tree *at);

/* Constants; an instruction of one and two operands, of which one number serves for all. */
ml3_value ml3_constant(ml3_compiler *c, double x);
ml3_value ml3_apply(ml3_compiler *c, ml3_op op, ml3_value a);
ml3_value ml3_combine(ml3_compiler *c, ml3_op op, ml3_value a, ml3_value b);
ml3_value ml3_reduce(ml3_compiler *c, ml3_op op, ml3_value a);
/* What `a` was at the step before, or as the episode began, by the list of latches that it goes to. */
ml3_value ml3_remember(ml3_compiler *c, ml3_latch *latches, int *count, ml3_value a);
/* a where x, one number, is above 0, else b. */
ml3_value ml3_compile_select(ml3_compiler *c, ml3_value x, ml3_value a, ml3_value b);
/* Several behind one another. */
ml3_value ml3_join(ml3_compiler *c, const ml3_value *parts, int count);
/* An instruction as it is; the result has `width` numbers. */
ml3_value ml3_emit(ml3_compiler *c, ml3_instruction instruction, int width);
/* A sentence at the line that is being read; the value is nothing. */
ml3_value ml3_refuse(ml3_compiler *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- words: values.c ------------------------------------------------------------------------------------------------ */

typedef enum ml3_token_kind { ML3_END, ML3_NUMBER, ML3_WORD, ML3_QUOTED, ML3_MARK } ml3_token_kind;

/* A token of a text, and where the next one begins. */
typedef struct ml3_words {
  const char *rest;
  ml3_token_kind kind;
  char text[128];
  double number;
} ml3_words;

void ml3_words_next(ml3_words *w);
bool ml3_words_are(const ml3_words *w, const char *word); /* a word or a mark, not quoted */
bool ml3_words_take(ml3_words *w, const char *word);      /* and then the next one */

/* ---- MuJoCo's: quantities.c ------------------------------------------------------------------------------------------------ */

/* What the words begin with, as far as it belongs to it (its object's name too); `known` is false where the word is none of
   MuJoCo's, and nothing is read then. */
ml3_value ml3_compile_quantity(ml3_compiler *c, ml3_words *w, bool *known);
/* A bare name: sensor, site, body, geom, joint; known is false where there is none. */
ml3_value ml3_compile_name(ml3_compiler *c, const char *name, bool *known);
/* All joints drawn: within their ranges, angles without one anywhere, rotations uniform; what else there is stays. */
ml3_value ml3_compile_random_joints(ml3_compiler *c);
/* Q in FRAME: the words behind `in`. */
ml3_value ml3_compile_into_frame(ml3_compiler *c, ml3_words *w, ml3_value q);
/* The object of that name; -1 with a complaint that names the nearest one. */
int ml3_compile_object(ml3_compiler *c, int type, const char *name);
/* The same of the next word, which is taken; the kind that the word is, or -1; how many of a kind there are. */
int ml3_compile_take_object(ml3_compiler *c, ml3_words *w, int type);
int ml3_compile_object_type(const ml3_words *w);
int ml3_compile_count(const mjModel *m, int type);

#endif
