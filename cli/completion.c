/* Shell completion: `ml3 completion SHELL` prints a script that asks `ml3 complete WORD...` for candidates, which come from
   the tables of verbs, options, keys and environments, and from the folders that are there.

   A candidate a line, with a tab and its meaning behind it where there is one; ":files" asks the shell for file names. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/verb.h"
#include "lab/experiment.h"
#include "lab/presets.h"
#include "lab/zoo.h"

static void offer(const char *word, const char *candidate, const char *meaning) {
  if (strncmp(candidate, word, strlen(word)) != 0) return;
  printf("%s%s%s\n", candidate, meaning && *meaning ? "\t" : "", meaning ? meaning : "");
}

/* ---- what can stand for a word of a usage ------------------------------------------------------------------------ */

static void offer_environments(const char *word) {
  for (int i = 0; i < ml3_env_count(); i++)
    if (strncmp(ml3_env_name(i), word, strlen(word)) == 0) { /* a task as data is read for its summary */
      const ml3_env_spec *spec = ml3_env_at(i);
      offer(word, ml3_env_name(i), spec ? spec->summary : NULL);
    }
}

static void offer_problems(const char *word) {
  for (int i = 0; ml3_lab_problem_kind_at(i); i++)
    offer(word, ml3_lab_problem_kind_at(i)->name, ml3_lab_problem_kind_at(i)->summary);
}

static void offer_presets(const char *word) {
  char names[ML3_LAB_PRESETS_MAX][ML3_LAB_PRESET_NAME], line[300];
  const int count = ml3_lab_preset_names(names);
  for (int i = 0; i < count; i++) offer(word, names[i], ml3_lab_preset_summary(names[i], line, sizeof line));
}

static void offer_runs(const char *word) {
  DIR *dir = opendir("runs");
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
    char path[ML3_LAB_PATH_MAX];
    ml3_lab_run_path("runs", e->d_name, path);
    if (e->d_name[0] != '.' && ml3_lab_run_is(path)) offer(word, path, "run");
  }
  if (dir) closedir(dir);
  puts(":files");
}

static void offer_zoo(const char *word) {
  char names[ML3_LAB_PRESETS_MAX][ML3_LAB_PRESET_NAME], line[160], candidate[ML3_LAB_PRESET_NAME + 4];
  const int count = ml3_lab_zoo_names(names);
  for (int i = 0; i < count; i++) {
    snprintf(candidate, sizeof candidate, "zoo:%.127s", names[i]);
    offer(word, candidate, ml3_lab_zoo_summary(names[i], line, sizeof line));
  }
}

static void offer_losses(const char *word) {
  offer_zoo(word);
  offer_runs(word);
}

static void offer_verbs(const char *word) {
  for (int i = 0; cli_verb_at(i); i++)
    if (cli_verb_at(i)->summary) offer(word, cli_verb_at(i)->name, cli_verb_at(i)->summary);
}

static void offer_shells(const char *word) {
  offer(word, "bash", NULL);
  offer(word, "zsh", NULL);
}

static void offer_lists(const char *word) {
  offer(word, "environments", NULL);
  offer(word, "problems", NULL);
  offer(word, "learners", NULL);
  offer(word, "presets", NULL);
  offer(word, "zoo", NULL);
  offer(word, "runs", NULL);
}

static void offer_files(const char *word) {
  (void)word;
  puts(":files");
}

/* KEY=VALUE: first the key, then its choices. */
static void offer_settings(const char *word) {
  const char *equals = strchr(word, '=');
  ml3_lab_key_texts k;
  for (int i = 0; ml3_lab_config_key(i, &k); i++) {
    char candidate[256], text[512], *save = NULL;
    snprintf(candidate, sizeof candidate, "%.200s=", k.name);
    if (!equals) offer(word, candidate, k.help);
    if (!equals || strncmp(word, candidate, strlen(candidate)) != 0 || !k.choices) continue;
    snprintf(text, sizeof text, "%s", k.choices);
    for (char *choice = strtok_r(text, "|", &save); choice; choice = strtok_r(NULL, "|", &save)) {
      snprintf(candidate, sizeof candidate, "%.100s=%.100s", k.name, choice);
      offer(word, candidate, NULL);
    }
  }
}

static const struct {
  const char *name; /* as usages and options write it */
  void (*offer)(const char *word);
} kinds[] = {
    {"ENVIRONMENT", offer_environments},
    {"PROBLEM", offer_problems},
    {"PRESET", offer_presets},
    {"RUN", offer_runs},
    {"zoo:NAME", offer_zoo},
    {"LOSS", offer_losses},
    {"VERB", offer_verbs},
    {"SHELL", offer_shells},
    {"LIST", offer_lists},
    {"KEY=VALUE", offer_settings},
    {"KEY=VALUES", offer_settings},
    {"FILE", offer_files},
    {"FOLDER", offer_files},
    {"PATH", offer_files},
};

/* All kinds whose name is a word of `usage`. */
static void offer_usage(const char *usage, const char *word) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const size_t n = strlen(kinds[i].name);
    for (const char *at = strstr(usage, kinds[i].name); at; at = strstr(at + 1, kinds[i].name)) {
      const bool whole = (at == usage || strchr("[|. ", at[-1])) && (at[n] == '\0' || strchr("]|. ", at[n]));
      if (whole) {
        kinds[i].offer(word);
        break;
      }
    }
  }
}

/* ---- a verb's words ------------------------------------------------------------------------------------------------ */

/* The option that a word names and whose value comes in the next word; NULL when there is none. */
static const struct poptOption *awaits_value(const cli_verb_texts *t, const char *word) {
  const struct poptOption *const tables[] = {t->own, t->common};
  for (int i = 0; i < 2; i++)
    for (const struct poptOption *o = tables[i]; o->longName; o++) {
      const bool named = (strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->longName) == 0) ||
                         (word[0] == '-' && word[1] == o->shortName && o->shortName && word[2] == '\0');
      if (named) return o->argDescrip ? o : NULL;
    }
  return NULL;
}

void cli_complete_words(const cli_verb_texts *t, int count, const char **words) {
  const char *word = count > 0 ? words[count - 1] : "";
  const struct poptOption *option = count > 1 ? awaits_value(t, words[count - 2]) : NULL;
  const struct poptOption *const tables[] = {t->own, t->common};
  if (option) {
    offer_usage(option->argDescrip, word);
  } else if (word[0] == '-') {
    for (int i = 0; i < 2; i++)
      for (const struct poptOption *o = tables[i]; o->longName; o++) {
        char candidate[80];
        snprintf(candidate, sizeof candidate, "--%s", o->longName);
        offer(word, candidate, o->descrip);
      }
  } else {
    offer_usage(t->usage, word);
  }
}

int cli_complete(int argc, const char **argv) {
  if (argc <= 2) return offer_verbs(argc == 2 ? argv[1] : ""), CLI_DONE;
  for (int i = 0; cli_verb_at(i); i++) {
    const cli_verb *verb = cli_verb_at(i);
    if (strcmp(verb->name, argv[1]) != 0) continue;
    argv[0] = verb->name;
    argv[1] = CLI_ASK_COMPLETION;
    return verb->run(argc, argv);
  }
  if (argc == 3 && strcmp(argv[1], "help") == 0) offer_verbs(argv[2]);
  return CLI_DONE;
}

/* ---- the scripts ---------------------------------------------------------------------------------------------------- */

/* Bash takes '=' and ':' for the end of a word: candidates lose what stands before the last of them. */
static const char bash[] =
    "# ml3 for bash: eval \"$(ml3 completion bash)\"\n"
    "_ml3() {\n"
    "  local line=${COMP_LINE:0:COMP_POINT} word kept candidate\n"
    "  local -a words\n"
    "  IFS=' ' read -ra words <<<\"$line\"\n"
    "  [[ $line == *' ' ]] && words+=('')\n"
    "  word=${words[${#words[@]}-1]}\n"
    "  [[ $word =~ ^.*[=:] ]] && kept=${BASH_REMATCH[0]}\n"
    "  COMPREPLY=()\n"
    "  while IFS= read -r candidate; do\n"
    "    if [[ $candidate == :files ]]; then\n"
    "      compopt -o filenames\n"
    "      while IFS= read -r candidate; do\n"
    "        COMPREPLY+=(\"${candidate#\"${kept##*=}\"}\")\n"
    "      done < <(compgen -f -- \"${word##*=}\")\n"
    "      continue\n"
    "    fi\n"
    "    candidate=${candidate%%$'\\t'*}\n"
    "    [[ $candidate == *= ]] && compopt -o nospace\n"
    "    COMPREPLY+=(\"${candidate#\"$kept\"}\")\n"
    "  done < <(\"${words[0]}\" complete \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _ml3 ml3\n";

static const char zsh[] =
    "#compdef ml3\n"
    "# ml3 for zsh: source <(ml3 completion zsh), or as _ml3 in a folder of $fpath\n"
    "_ml3() {\n"
    "  local line\n"
    "  local -a plain keys\n"
    "  for line in \"${(@f)$(${words[1]} complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "    case $line in\n"
    "      :files) _files ;;\n"
    "      '') ;;\n"
    "      *=|*=$'\\t'*) keys+=(\"${line%%$'\\t'*}\") ;;\n"
    "      *$'\\t'*) plain+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "      *) plain+=(\"${line//:/\\\\:}\") ;;\n"
    "    esac\n"
    "  done\n"
    "  (( ${#keys} )) && compadd -S '' -- \"${keys[@]}\"\n"
    "  (( ${#plain} )) && _describe -t values 'ml3' plain\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _ml3 ]; then _ml3 \"$@\"; else compdef _ml3 ml3; fi\n";

int cli_completion(int argc, const char **argv) {
  const struct poptOption own[] = {POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "SHELL",
      "Prints the script that lets a shell, bash or zsh, complete verbs, options, keys, presets, environments and\n"
      "runs.",
      "The lines below load it in the present session. An installed ml3 has its scripts where the shells look for them.");
  if (answer >= 0) return answer;
  if (options.argument && strcmp(options.argument, "bash") == 0) return fputs(bash, stdout), CLI_DONE;
  if (options.argument && strcmp(options.argument, "zsh") == 0) return fputs(zsh, stdout), CLI_DONE;
  fprintf(stderr, "ml3 completion: %s%s; there are scripts for bash and zsh\n",
          options.argument ? "no script for " : "for which shell?", options.argument ? options.argument : "");
  return CLI_USAGE;
}
