/* CSV files (RFC 4180, with the separator that the first line shows) as samples. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "metaloss/dataset.h"

enum { COLUMNS_MAX = 4096 };

/* A file's cells, as texts within its own buffer. */
typedef struct cells {
  const char *path;
  char *text;
  char **at; /* [rows + 1][columns], the names first */
  int *line; /* [rows + 1] where each row begins */
  int columns, rows, capacity;
} cells;

static void free_cells(cells *c) {
  free(c->text);
  free(c->at);
  free(c->line);
}

/* ---- cells ----------------------------------------------------------------------------------------------------- */

/* Reads one cell from *at into itself, without quotes and outer blanks; *at goes on behind its separator. Returns what
   ended it: the separator, '\n' or '\0'; or -1 for a quote that is not closed. */
static int read_cell(char **at, char separator, int *line, char **cell) {
  char *from = *at, *to;
  while (*from == ' ' || (*from == '\t' && separator != '\t')) from++;
  *cell = to = from;
  if (*from == '"') {
    for (from++; *from != '"' || from[1] == '"'; *to++ = *from++) {
      if (*from == '\0') return -1;
      if (*from == '\n') ++*line;
      if (*from == '"') from++;
    }
    from++;
    while (*from == ' ' || *from == '\r') from++;
  } else {
    while (*from && *from != separator && *from != '\n') *to++ = *from++;
    while (to > *cell && isspace((unsigned char)to[-1])) to--;
  }
  int end = *from;
  if (end != '\0' && end != '\n' && end != separator) return -1;
  *to = '\0';
  *at = end ? from + 1 : from;
  return end;
}

static bool make_room(cells *c) {
  if (c->rows + 1 < c->capacity) return true;
  int capacity = c->capacity ? 2 * c->capacity : 256;
  char **at = realloc(c->at, (size_t)capacity * (size_t)c->columns * sizeof *at);
  if (at) c->at = at;
  int *line = realloc(c->line, (size_t)capacity * sizeof *line);
  if (line) c->line = line;
  if (!at || !line) return false;
  c->capacity = capacity;
  return true;
}

static char find_separator(const char *text) {
  static const char candidates[] = {',', ';', '\t'};
  size_t end = strcspn(text, "\n");
  for (int i = 0; i < 3; i++)
    if (memchr(text, candidates[i], end)) return candidates[i];
  return ',';
}

static bool is_blank(const char *at) {
  while (*at == ' ' || *at == '\r' || *at == '\t') at++;
  return *at == '\n' || *at == '\0';
}

/* Cells of the row that begins at *at into row[columns]; returns how many there are, or -1. */
static int read_row(char **at, char separator, int *line, char **row, int columns) {
  int count = 0, end;
  do {
    char *cell;
    end = read_cell(at, separator, line, &cell);
    if (end < 0) return -1;
    if (count < columns) row[count] = cell;
    count++;
  } while (end == separator);
  if (end == '\n') ++*line;
  return count;
}

/* A name that stands twice could mean either; columns without a name are found by none. */
static int check_names(const cells *c, ml3_error *error) {
  for (int i = 0; i < c->columns; i++)
    for (int j = 0; j < i; j++)
      if (c->at[i][0] && strcmp(c->at[i], c->at[j]) == 0)
        return ml3_error_set(error, ML3_ERR_FORMAT, "%s:1: columns %d and %d are both named '%.60s'; give each a name of its own",
                             c->path, j + 1, i + 1, c->at[i]);
  return ML3_OK;
}

static int split(cells *c, ml3_error *error) {
  char *at = c->text, *names[COLUMNS_MAX];
  const char separator = find_separator(c->text);
  int line = 1;
  if (strncmp(at, "\xef\xbb\xbf", 3) == 0) at += 3; /* the byte order mark of some spreadsheets */
  if (is_blank(at))
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is empty; expected a line of column names", c->path);
  c->columns = read_row(&at, separator, &line, names, COLUMNS_MAX);
  if (c->columns < 0 || c->columns > COLUMNS_MAX)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%s:1: a quote is not closed, or there are more than %d columns",
                         c->path, COLUMNS_MAX);
  c->rows = -1;
  if (!make_room(c)) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", c->path);
  memcpy(c->at, names, (size_t)c->columns * sizeof *names);
  c->line[0] = 1;
  int code = check_names(c, error);
  if (code != ML3_OK) return code;
  for (c->rows = 0; *at;) {
    if (is_blank(at)) { /* also behind the last line */
      at += strcspn(at, "\n");
      if (*at) at++;
      line++;
      continue;
    }
    if (!make_room(c)) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", c->path);
    const int begins = line;
    int count = read_row(&at, separator, &line, c->at + (size_t)(c->rows + 1) * (size_t)c->columns, c->columns);
    if (count < 0) return ml3_error_set(error, ML3_ERR_FORMAT, "%s:%d: a quote is not closed", c->path, begins);
    if (count != c->columns)
      return ml3_error_set(error, ML3_ERR_FORMAT, "%s:%d: %d cells; the first line names %d columns", c->path, begins,
                           count, c->columns);
    c->line[++c->rows] = begins;
  }
  if (c->rows == 0)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' has column names and no rows below them", c->path);
  return ML3_OK;
}

static const char *cell(const cells *c, int row, int column) {
  return c->at[(size_t)(row + 1) * (size_t)c->columns + column];
}

/* ---- columns ------------------------------------------------------------------------------------------------------ */

static int find_column(const cells *c, const char *name, ml3_error *error) {
  for (int i = 0; i < c->columns; i++)
    if (strcmp(c->at[i], name) == 0) return i;
  const char *nearest = ml3_error_nearest(name, (const char *const *)c->at, c->columns);
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' has no column '%s'%s%s%s", c->path, name,
                       nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static int read_number(const cells *c, int row, int column, ml3_real *x, ml3_error *error) {
  const char *text = cell(c, row, column);
  char *end;
  errno = 0;
  const double value = strtod(text, &end);
  *x = (ml3_real)value;
  if (end != text && *end == '\0' && isfinite(*x)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_FORMAT, "%s:%d: column '%s' is '%.60s'; expected a finite number", c->path,
                       c->line[row + 1], c->at[column], text);
}

/* Columns as numbers into x[rows][count]. */
static int read_numbers(const cells *c, const int *columns, int count, ml3_real *x, ml3_error *error) {
  for (int r = 0; r < c->rows; r++)
    for (int i = 0; i < count; i++) {
      int code = read_number(c, r, columns[i], x++, error);
      if (code != ML3_OK) return code;
    }
  return ML3_OK;
}

static bool is_number(const char *text, double *x) {
  char *end;
  *x = strtod(text, &end);
  return end != text && *end == '\0' && !isnan(*x);
}

/* Numbers by size and before other texts. */
static int by_text(const void *a, const void *b) {
  const char *x = *(const char *const *)a, *y = *(const char *const *)b;
  double u, v;
  bool first = is_number(x, &u), second = is_number(y, &v);
  if (first != second) return first ? -1 : 1;
  if (first && u != v) return u < v ? -1 : 1;
  return strcmp(x, y);
}

/* Numbers the distinct texts of a column in order: number[rows]. Returns how many there are, or a negative code. */
static int number_texts(const cells *c, int column, int *number, ml3_error *error) {
  const char **texts = malloc((size_t)c->rows * sizeof *texts);
  if (!texts) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", c->path);
  for (int r = 0; r < c->rows; r++) texts[r] = cell(c, r, column);
  qsort(texts, (size_t)c->rows, sizeof *texts, by_text);
  int count = 0, code = ML3_OK;
  for (int r = 0; r < c->rows; r++)
    if (r == 0 || strcmp(texts[r], texts[count - 1]) != 0) texts[count++] = texts[r];
  for (int r = 0; r < c->rows; r++) {
    const char *text = cell(c, r, column), **found = bsearch(&text, texts, (size_t)count, sizeof *texts, by_text);
    if (*text == '\0' && code == ML3_OK)
      code =
          ml3_error_set(error, ML3_ERR_FORMAT, "%s:%d: column '%s' is empty", c->path, c->line[r + 1], c->at[column]);
    number[r] = found ? (int)(found - texts) : 0;
  }
  free(texts);
  return code == ML3_OK ? count : code;
}

/* ---- classes and tasks --------------------------------------------------------------------------------------------- */

static int read_classes(const cells *c, int column, int classes, ml3_dataset *d, ml3_error *error) {
  int *number = malloc((size_t)c->rows * sizeof *number), code = ML3_OK;
  if (!number) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", c->path);
  int found = number_texts(c, column, number, error);
  if (found < 0) code = found;
  for (int r = 0; r < c->rows && code == ML3_OK; r++) {
    d->y[r] = (ml3_real)number[r];
    if (classes) code = read_number(c, r, column, &d->y[r], error);
    if (code == ML3_OK && classes && (d->y[r] < 0 || d->y[r] >= classes || d->y[r] != floor((double)d->y[r])))
      code = ml3_error_set(error, ML3_ERR_FORMAT, "%s:%d: label '%s' is %s; 0 to %d are possible with %d classes",
                           c->path, c->line[r + 1], c->at[column], cell(c, r, column), classes - 1, classes);
  }
  free(number);
  d->classes = classes ? classes : found;
  if (code == ML3_OK && (d->classes < 2 || d->classes > 1000))
    code = ml3_error_set(error, ML3_ERR_FORMAT, "'%s': column '%s' tells %d class%s apart; 2 to 1000 are possible%s",
                         c->path, c->at[column], d->classes, d->classes == 1 ? "" : "es",
                         d->classes > 1000 ? " (is it a number to predict? table.kind: regression)" : "");
  return code;
}

static int read_groups(const cells *c, const char *name, ml3_dataset *d, ml3_error *error) {
  if (!name || !*name) return ML3_OK;
  int column = find_column(c, name, error);
  if (column < 0) return column;
  if (!(d->group = malloc((size_t)c->rows * sizeof *d->group)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", c->path);
  d->groups = number_texts(c, column, d->group, error);
  return d->groups < 0 ? d->groups : ML3_OK;
}

static bool is_among(const int *list, int count, int column) {
  for (int i = 0; i < count; i++)
    if (list[i] == column) return true;
  return false;
}

/* Numbers of the columns named into list[count]: each once, and none of those that are taken already. */
static int choose_named(const cells *c, const char *const *names, int count, const int *taken, int taken_count, int *list,
                        ml3_error *error) {
  for (int i = 0; i < count; i++) {
    if ((list[i] = find_column(c, names[i], error)) < 0) return list[i];
    if (is_among(list, i, list[i]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': column '%s' is named twice as an input or a target", c->path,
                           names[i]);
    if (is_among(taken, taken_count, list[i]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': column '%s' is a target; it cannot be an input as well", c->path,
                           names[i]);
  }
  return ML3_OK;
}

/* Numbers of the columns named, or of all that have a name and are not taken: into list. *unnamed: how many have none. */
static int choose_inputs(const cells *c, const ml3_csv_columns *want, const int *targets, int *list, int *unnamed,
                         ml3_error *error) {
  int count = want->input_count;
  int code = choose_named(c, want->inputs, count, targets, want->target_count, list, error);
  if (code != ML3_OK) return code;
  *unnamed = 0;
  for (int i = 0; i < c->columns && !want->input_count; i++) {
    const bool taken = (want->task && strcmp(c->at[i], want->task) == 0) || is_among(targets, want->target_count, i);
    *unnamed += !c->at[i][0] && !is_among(targets, want->target_count, i);
    if (!taken && c->at[i][0]) list[count++] = i;
  }
  if (count == 0) return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' has no column left for inputs", c->path);
  return count;
}

static int fill(const cells *c, const ml3_csv_columns *want, ml3_dataset *d, ml3_error *error) {
  int inputs[COLUMNS_MAX], targets[COLUMNS_MAX];
  if (want->target_count < 1 || want->target_count > (want->classification ? 1 : COLUMNS_MAX))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': %d target columns; expected %s", c->path, want->target_count,
                         want->classification ? "one, the class" : "at least one");
  if (want->input_count < 0 || want->input_count > COLUMNS_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': %d input columns; 0 (all others) to %d are possible", c->path,
                         want->input_count, COLUMNS_MAX);
  int code = choose_named(c, want->targets, want->target_count, NULL, 0, targets, error), unnamed = 0;
  if (code != ML3_OK) return code;
  const int count = choose_inputs(c, want, targets, inputs, &unnamed, error);
  if (count < 0) return count;

  *d = (ml3_dataset){.rows = c->rows, .inputs = count, .outputs = want->target_count, .unnamed = unnamed};
  d->x = malloc((size_t)c->rows * (size_t)count * sizeof *d->x);
  d->y = malloc((size_t)c->rows * (size_t)want->target_count * sizeof *d->y);
  if (!d->x || !d->y) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", c->path);
  code = read_numbers(c, inputs, count, d->x, error);
  if (code == ML3_OK)
    code = want->classification ? read_classes(c, targets[0], want->classes, d, error)
                                : read_numbers(c, targets, want->target_count, d->y, error);
  return code == ML3_OK ? read_groups(c, want->task, d, error) : code;
}

ml3_dataset *ml3_csv_read(const char *path, const ml3_csv_columns *columns, ml3_error *error) {
  size_t size;
  cells c = {.path = path, .text = ml3_file_read(path, (size_t)1 << 30, &size, error)};
  if (!c.text) return NULL;
  int code = ML3_OK;
  if (strlen(c.text) != size)
    code = ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a text: it has a zero byte", path);
  if (code == ML3_OK) code = split(&c, error);
  ml3_dataset *d = code == ML3_OK ? calloc(1, sizeof *d) : NULL;
  if (code == ML3_OK && !d) code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  if (code == ML3_OK) code = fill(&c, columns, d, error);
  free_cells(&c);
  if (code == ML3_OK) return d;
  ml3_dataset_free(d);
  return NULL;
}
