/* Whose keys are in force: those of the lab itself, of the problem, of the method; of these each whose `when` holds. */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lab/config_internal.h"
#include "lab/learners.h"
#include "lab/methods.h"
#include "lab/problems.h"
#include "metaloss/options.h"

#define AT(field) offsetof(ml3_lab_config, field)
static const ml3_key own[] = {
    {"problem", ML3_KEY_TEXT, AT(problem), "model_based", 1, 0, NULL, NULL, "what is learned: a kind of `ml3 list`"},
    {"method", ML3_KEY_CHOICE, AT(method), "learned_loss", 0, 0, ML3_LAB_METHOD_CHOICES, NULL,
     "what is meta-learned: a loss; a start (MAML, exact or first order); a start and a step size a parameter "
     "(Meta-SGD); or one policy that learns by itself (learner.*)"},
    {"seed", ML3_KEY_INT, AT(seed), "0", 0, 9e15, NULL, NULL,
     "random seed; the same seed gives bit-identical results with the same build, MuJoCo and instruction set"},
    {"threads", ML3_KEY_INT, AT(threads), "0", 0, 1024, NULL, NULL,
     "number of threads; 0: all cores, or OMP_NUM_THREADS"},
    {"checkpoint.every", ML3_KEY_INT, AT(checkpoint_every), "500", 1, 1e9, NULL, NULL,
     "outer steps, or updates of a policy, between checkpoints; at least one a minute is written"},
};
static const ml3_keys own_keys = ML3_KEYS(own, ml3_lab_config);

static const ml3_key acting[] = {
    {"environment", ML3_KEY_TEXT, AT(environment), "mountain_car", 1, 0, NULL, NULL, "see `ml3 list`"},
    {"horizon", ML3_KEY_INT, AT(horizon), "0", 0, 10000, NULL, NULL, "steps of a rollout; 0: the environment's"},
};
const ml3_keys ml3_lab_acting_keys = ML3_KEYS(acting, ml3_lab_config);

static const ml3_keys *const always[] = {&own_keys, &ml3_test_keys, NULL};

/* ---- owners
   -------------------------------------------------------------------------------------------------------- */

/* Those of one more list, each once; they are in force, or there at all. */
static void add(ml3_lab_scope *s, const ml3_keys *const *list, bool force) {
  for (; list && *list; list++) {
    int i = 0;
    while (i < s->count && s->owners[i] != *list) i++;
    if (i == ML3_LAB_OWNERS_MAX) return;
    if (i == s->count) s->owners[s->count++] = *list, s->force[i] = false;
    s->force[i] = s->force[i] || force;
  }
}

static void set_places(ml3_lab_scope *s) {
  size_t place = offsetof(ml3_lab_config, options);
  for (int i = 0; i < s->count; i++) {
    const size_t size = s->owners[i]->size;
    s->place[i] =
        size == sizeof(ml3_lab_config) ? 0 : place; /* the lab's own keys are fields of the configuration itself */
    if (size != sizeof(ml3_lab_config)) place += (size + 15) & ~(size_t)15;
  }
}

void ml3_lab_scope_of(const ml3_lab_config *c, ml3_lab_scope *s) {
  const ml3_keys *learner[ML3_LAB_LEARNER_OWNERS];
  const ml3_keys *const first[] = {&own_keys, NULL};
  s->count = 0;
  add(s, first, true);
  for (int i = 0; ml3_lab_problem_kind_at(i); i++) {
    const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_at(i);
    add(s, kind->keys, c && !ml3_lab_trains_policy(c) && strcmp(kind->name, c->problem) == 0);
  }
  for (int i = 0; ml3_lab_meta_method_at(i); i++) add(s, ml3_lab_meta_method_at(i)->keys, c && i == c->method);
  for (int i = 0; ml3_lab_learner_owners(i, learner); i++) add(s, learner, c && i + ML3_LAB_META_METHODS == c->method);
  add(s, always, true);
  set_places(s);
}

static size_t place_of(const ml3_keys *owner) {
  ml3_lab_scope s;
  int i = 0;
  ml3_lab_scope_of(NULL, &s);
  while (i < s.count && s.owners[i] != owner) i++;
  return s.place[i];
}

const void *ml3_lab_config_get(const ml3_lab_config *config, const ml3_keys *owner) {
  return (const char *)config + place_of(owner);
}

void *ml3_lab_config_edit(ml3_lab_config *config, const ml3_keys *owner) {
  return (char *)config + place_of(owner);
}

bool ml3_lab_slot_at(const ml3_lab_scope *s, int number, ml3_lab_slot *slot) {
  int i = 0, k = number;
  while (i < s->count && k >= s->owners[i]->count) k -= s->owners[i++]->count;
  if (i == s->count) return false;
  *slot = (ml3_lab_slot){&s->owners[i]->table[k], number, s->place[i], s->force[i]};
  return true;
}

bool ml3_lab_slot_find(const ml3_lab_scope *s, const char *name, ml3_lab_slot *slot) {
  ml3_lab_slot at;
  bool found = false;
  for (int i = 0; ml3_lab_slot_at(s, i, &at); i++) {
    if (strcmp(at.key->name, name) != 0 || (found && !at.force)) continue;
    *slot = at;
    found = true;
    if (at.force) break;
  }
  return found;
}

/* ---- keys in force
   ---------------------------------------------------------------------------------------------------- */

/* Is `name` one of "a|b|c"? */
static bool among(const char *words, size_t length, const char *name) {
  const size_t n = strlen(name);
  for (const char *at = words, *end = words + length; at <= end; at += strcspn(at, "| ") + 1)
    if (strncmp(at, name, n) == 0 && (at + n == end || at[n] == '|')) return true;
  return false;
}

static bool holds(const ml3_lab_config *c, const ml3_lab_scope *s, const char *when) {
  for (const char *at = when; at && *at; at += strspn(at, " ")) {
    char name[ML3_KEY_NAME_MAX], now[ML3_KEY_NAME_MAX];
    const size_t equals = strcspn(at, "="), end = strcspn(at, " ");
    ml3_lab_slot slot;
    snprintf(name, sizeof name, "%.*s", (int)equals, at);
    if (!ml3_lab_slot_find(s, name, &slot) || !slot.force) return false;
    ml3_key_choice(slot.key, ml3_lab_slot_get(c, &slot), now, sizeof now);
    if (!among(at + equals + 1, end - equals - 1, now)) return false;
    at += end;
  }
  return true;
}

bool ml3_lab_config_holds(const ml3_lab_config *c, const char *when) {
  ml3_lab_scope s;
  ml3_lab_scope_of(c, &s);
  return holds(c, &s, when);
}

bool ml3_lab_slot_in_force(const ml3_lab_config *c, const ml3_lab_scope *s, const ml3_lab_slot *slot) {
  return slot->force && holds(c, s, slot->key->when);
}

bool ml3_lab_config_idle(const ml3_lab_config *c, int i, char *text, size_t size) {
  ml3_lab_scope s;
  ml3_lab_slot slot;
  ml3_lab_scope_of(c, &s);
  for (int n = 0; ml3_lab_slot_at(&s, n, &slot); n++) {
    if (!c->layer || c->source[n] != ML3_LAB_FROM_LAYER + c->layer) continue;
    if (!slot.force || holds(c, &s, slot.key->when) || i-- > 0) continue;
    snprintf(text, size, "%s, which needs %s", slot.key->name, slot.key->when);
    return true;
  }
  return false;
}

/* ---- whose a key is
   --------------------------------------------------------------------------------------------------- */

static bool lists(const ml3_keys *const *owners, const char *name) {
  for (; owners && *owners; owners++)
    if (ml3_keys_find(*owners, name)) return true;
  return false;
}

/* Is it a key of this kind of problem, with whatever method? */
static bool belongs(const ml3_lab_problem_kind *kind, const char *name) {
  const ml3_keys *learner[ML3_LAB_LEARNER_OWNERS];
  bool found = lists(always, name) || lists(kind->keys, name);
  for (int i = 0; ml3_lab_meta_method_at(i); i++) found = found || lists(ml3_lab_meta_method_at(i)->keys, name);
  for (int i = 0; ml3_lab_problem_acts(kind) && ml3_lab_learner_owners(i, learner); i++)
    found = found || lists(learner, name);
  return found;
}

/* A list "'a', 'b' or 'c'" that grows name by name; the last one is put when there is no other. */
typedef struct names {
  char *text;
  size_t size, used;
  const char *last;
} names;

static void put_name(names *n, const char *name) {
  const char *before = !n->used ? "" : name ? ", " : " or ";
  if (n->last && n->used < n->size)
    n->used += (size_t)snprintf(n->text + n->used, n->size - n->used, "%s'%s'", before, n->last);
  n->last = name;
}

/* The kinds of problem that have the key. */
static void put_problems(const char *name, char *text, size_t size) {
  names n = {text, size, 0, NULL};
  *text = '\0';
  for (int i = 0; ml3_lab_problem_kind_at(i); i++)
    if (belongs(ml3_lab_problem_kind_at(i), name)) put_name(&n, ml3_lab_problem_kind_at(i)->name);
  put_name(&n, NULL);
}

/* The methods that have it, on this kind of problem: all of meta-training have the keys of the problem. */
static void put_methods(const ml3_lab_problem_kind *kind, const char *name, char *text, size_t size) {
  const ml3_keys *learner[ML3_LAB_LEARNER_OWNERS];
  names n = {text, size, 0, NULL};
  *text = '\0';
  for (int i = 0; ml3_lab_meta_method_at(i); i++)
    if (lists(ml3_lab_meta_method_at(i)->keys, name) || lists(kind->keys, name))
      put_name(&n, ml3_lab_meta_method_at(i)->name);
  for (int i = 0; ml3_lab_learner_owners(i, learner); i++)
    if (lists(learner, name)) put_name(&n, ml3_learner_at(i)->name);
  put_name(&n, NULL);
}

/* The nearest key by its name: of those in force, or of all; NULL: none is near. */
static const char *nearest_key(const ml3_lab_config *c, const ml3_lab_scope *s, const char *name, bool all) {
  const char *names[ML3_LAB_KEYS_MAX], *last = strrchr(name, '.');
  ml3_lab_slot slot;
  int count = 0;
  for (int i = 0; ml3_lab_slot_at(s, i, &slot); i++)
    if ((all || ml3_lab_slot_in_force(c, s, &slot)) && strcmp(slot.key->name, name) != 0)
      names[count++] = slot.key->name;
  const char *nearest = ml3_error_nearest(name, names, count);
  for (int i = 0; i < count && !nearest; i++) { /* the right word in the wrong section */
    const char *word = strrchr(names[i], '.');
    if (strcmp(word ? word + 1 : names[i], last ? last + 1 : name) == 0) nearest = names[i];
  }
  return nearest;
}

bool ml3_lab_key_foreign(const ml3_lab_scope *s, const char *name) {
  ml3_lab_slot slot;
  return ml3_lab_slot_find(s, name, &slot) && !slot.force;
}

int ml3_lab_key_check(const ml3_lab_config *c, const ml3_lab_scope *s, const char *where, const char *name,
                      ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, error);
  char owners[160];
  if (!kind) return ML3_ERR_ARGUMENT;
  const bool of_problem = belongs(kind, name);
  if (of_problem && !ml3_lab_key_foreign(s, name)) return ML3_OK;
  if (of_problem)
    put_methods(kind, name, owners, sizeof owners);
  else
    put_problems(name, owners, sizeof owners);
  const char *nearest = nearest_key(c, s, name, false), *what = of_problem ? "method" : "problem";
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "%s: %s is a key of %s %s, and the %s is '%s'%s%s%s; `ml3 config %s%s%s` lists the keys in force", where, name,
      what, owners, what, of_problem ? ml3_lab_method_name(c) : c->problem, nearest ? "; did you mean '" : "",
      nearest ? nearest : "", nearest ? "'?" : "", c->problem, of_problem ? " --set method=" : "",
      of_problem ? ml3_lab_method_name(c) : "");
}

/* Keys that are gone, with the value at which they did nothing: so they stand in files of runs from before. */
static const struct { const char *name, *idle; } retired[] = {{"extra.guided", "0"}};

const char *ml3_lab_key_retired(const char *name) {
  for (size_t i = 0; i < sizeof retired / sizeof *retired; i++)
    if (strcmp(retired[i].name, name) == 0) return retired[i].idle;
  return NULL;
}

int ml3_lab_key_find(const ml3_lab_config *c, const ml3_lab_scope *s, const char *where, const char *name,
                     ml3_lab_slot *slot, ml3_error *error) {
  if (ml3_lab_slot_find(s, name, slot)) return ML3_OK;
  if (ml3_lab_key_retired(name))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%s: the key '%s' is gone; leave it out (a file may still say %s, at which it did nothing)",
                         where, name, ml3_lab_key_retired(name));
  const char *nearest = nearest_key(c, s, name, false);
  if (!nearest) nearest = nearest_key(c, s, name, true);
  ml3_error foreign = {0};
  if (nearest && ml3_lab_key_check(c, s, where, nearest, &foreign) != ML3_OK)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: unknown key '%s'; did you mean '%s'? But %s", where, name,
                         nearest, foreign.message + strlen(where) + 2);
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: unknown key '%s'%s%s%s; `ml3 config %s` lists all keys", where,
                       name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "",
                       c->problem);
}

/* ---- for help
   ----------------------------------------------------------------------------------------------------------- */

bool ml3_lab_config_key(int i, ml3_lab_key_texts *texts) {
  ml3_lab_scope s;
  ml3_lab_slot slot;
  int owner = 0;
  ml3_lab_scope_of(NULL, &s);
  if (!ml3_lab_slot_at(&s, i, &slot)) return false;
  while (i >= s.owners[owner]->count) i -= s.owners[owner++]->count;
  *texts = (ml3_lab_key_texts){slot.key->name, slot.key->initial,
                               slot.key->type == ML3_KEY_BOOL ? "true|false" : slot.key->choices, slot.key->help,
                               s.owners[owner]};
  return true;
}

static bool has(const ml3_keys *const *owners, const ml3_keys *owner) {
  while (owners && *owners && *owners != owner) owners++;
  return owners && *owners;
}

void ml3_lab_config_owner_title(const ml3_keys *owner, char *text, size_t size) {
  const ml3_keys *learner[ML3_LAB_LEARNER_OWNERS];
  size_t used = 0;
  if (has(always, owner)) used = (size_t)snprintf(text, size, "every configuration");
  for (int i = 0; ml3_lab_problem_kind_at(i); i++)
    if (has(ml3_lab_problem_kind_at(i)->keys, owner))
      used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "problem ",
                               ml3_lab_problem_kind_at(i)->name);
  const char *first = used ? "; method " : "method ";
  for (int i = 0; ml3_lab_meta_method_at(i); i++)
    if (has(ml3_lab_meta_method_at(i)->keys, owner))
      used += (size_t)snprintf(text + used, size - used, "%s%s", first, ml3_lab_meta_method_at(i)->name), first = ", ";
  for (int i = 0; ml3_lab_learner_owners(i, learner); i++)
    if (has(learner, owner))
      used += (size_t)snprintf(text + used, size - used, "%s%s", first, ml3_learner_at(i)->name), first = ", ";
}
