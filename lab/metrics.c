/* Reading metrics.csv: see metrics.h. */
#include "lab/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

void ml3_lab_metrics_free(ml3_lab_metrics *m) {
  free(m->names);
  free(m->values);
  free(m->text);
  *m = (ml3_lab_metrics){0};
}

static int count_of(const char *text, char c) {
  int n = 0;
  for (; *text; text++) n += *text == c;
  return n;
}

/* One field; *at moves behind it and the comma or line end after it. */
static double read_field(char **at) {
  char *end;
  const double x = strtod(*at, &end);
  const double value = end == *at || (*end != ',' && *end != '\n' && *end != '\0') ? NAN : x;
  end = *at + strcspn(*at, ",\n");
  *at = *end == ',' ? end + 1 : end;
  return value;
}

static void read_rows(ml3_lab_metrics *m, char *at) {
  for (; *at; m->rows++) {
    for (int c = 0; c < m->columns; c++) m->values[(size_t)m->rows * (size_t)m->columns + (size_t)c] = read_field(&at);
    at += strcspn(at, "\n");
    if (*at == '\n') at++;
  }
}

int ml3_lab_metrics_read(ml3_lab_metrics *m, const char *folder, ml3_error *error) {
  char path[1024];
  size_t size;
  *m = (ml3_lab_metrics){0};
  snprintf(path, sizeof path, "%.1000s/metrics.csv", folder);
  if (!(m->text = ml3_file_read(path, (size_t)1 << 31, &size, error))) return error ? error->code : ML3_ERR_IO;
  char *body = strchr(m->text, '\n');
  if (!body || strncmp(m->text, "outer_step", 10) != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT,
                         "'%s' does not begin with the names of metrics; is it another program's?", path);
  *body++ = '\0';
  m->columns = count_of(m->text, ',') + 1;
  m->names = calloc((size_t)m->columns, sizeof *m->names);
  m->values = calloc((size_t)(count_of(body, '\n') + 1) * (size_t)m->columns, sizeof *m->values);
  if (!m->names || !m->values) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to read '%s'", path);
  char *name = m->text;
  for (int c = 0; c < m->columns; c++) {
    m->names[c] = name;
    name += strcspn(name, ",");
    if (*name) *name++ = '\0';
  }
  read_rows(m, body);
  return ML3_OK;
}

int ml3_lab_metrics_find(const ml3_lab_metrics *m, const char *name, ml3_error *error) {
  int found = -1, matches = 0;
  for (int c = 1; c < m->columns; c++) {
    const char *own = strrchr(m->names[c], '/');
    if (strcmp(m->names[c], name) == 0) return c;
    if (own && strcmp(own + 1, name) == 0) found = c, matches++;
  }
  if (matches == 1) return found;
  const char *nearest = ml3_error_nearest(name, (const char *const *)m->names + 1, m->columns - 1);
  for (int c = 1; c < m->columns && !nearest && !matches; c++) { /* without its section */
    const char *own = strrchr(m->names[c], '/');
    if (own) nearest = ml3_error_nearest(name, &(const char *){own + 1}, 1);
  }
  char all[400] = "";
  for (int c = 1; c < m->columns; c++) {
    if (strlen(all) + strlen(m->names[c]) + 3 > sizeof all) break;
    strcat(strcat(all, c > 1 ? ", " : ""), m->names[c]);
  }
  ml3_error_set(error, ML3_ERR_ARGUMENT, "%s metric '%s'%s%s%s; there are %s", matches ? "more than one" : "no", name,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", all);
  return -1;
}

int ml3_lab_metrics_points(const ml3_lab_metrics *m, int column, double *x, double *y) {
  int count = 0;
  for (int r = 0; r < m->rows; r++) {
    const double *row = m->values + (size_t)r * (size_t)m->columns;
    if (isnan(row[column])) continue;
    x[count] = row[0];
    y[count++] = row[column];
  }
  return count;
}
