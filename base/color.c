/* Colours of methods: see color.h. */
#include "base/color.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  unsigned rgb;
} known[] = {{"learned loss", 0x0072b2},       {"task gradient", 0xe69f00}, {"iLQR", 0x009e73},
             {"untrained", 0x8c8c8c},          {"PPO", 0xd55e00},           {"SAC", 0x56b4e9},
             {"REINFORCE", 0xcc79a7},          {"MAML", 0x882255},          {"random actions", 0x999933},
             {"one update earlier", 0x7fb8d8}, {"no action", 0xb0b0b0}};
static const unsigned others[] = {0x56b4e9, 0xd55e00, 0xcc79a7, 0x882255, 0x44aa99, 0xaa4499, 0x332288, 0xe69f00};

enum { KNOWN = sizeof known / sizeof *known, OTHERS = sizeof others / sizeof *others };

static void unpack(unsigned packed, float *rgb) {
  for (int i = 0; i < 3; i++) rgb[i] = (float)(packed >> (16 - 8 * i) & 255) / 255;
}

/* A label without its number of updates, by its length; *updates: that number, or -1. */
static size_t name_of(const char *label, int *updates) {
  const char *comma = strrchr(label, ',');
  char *end;
  *updates = -1;
  if (!comma) return strlen(label);
  const long count = strtol(comma + 1, &end, 10);
  if (end == comma + 1 || strncmp(end, " update", 7) != 0) return strlen(label);
  *updates = (int)count;
  return (size_t)(comma - label);
}

static bool same_name(const char *a, const char *b) {
  int none;
  const size_t n = name_of(a, &none);
  return n == name_of(b, &none) && strncmp(a, b, n) == 0;
}

static int find_known(const char *label) {
  int none;
  const size_t n = name_of(label, &none);
  for (int i = 0; i < KNOWN; i++)
    if (strlen(known[i].name) == n && strncmp(known[i].name, label, n) == 0) return i;
  return -1;
}

/* Is that colour a known method's that is shown too? */
static bool is_taken(unsigned rgb, const char *const *labels, int count) {
  for (int i = 0; i < count; i++) {
    const int k = find_known(labels[i]);
    if (k >= 0 && known[k].rgb == rgb) return true;
  }
  return false;
}

/* How many rows of the same method have more updates, and how many rows it has. */
static void rank_of(const char *const *labels, int count, int row, int *more, int *all) {
  int mine, other;
  name_of(labels[row], &mine);
  *more = *all = 0;
  for (int i = 0; i < count; i++) {
    if (!same_name(labels[i], labels[row])) continue;
    name_of(labels[i], &other);
    *more += other > mine;
    ++*all;
  }
}

void ml3_color_methods(const char *const *labels, int count, float (*rgb)[3]) {
  int next = 0, more, all;
  unsigned packed[ML3_COLORS_MAX];
  for (int i = 0; i < count && i < ML3_COLORS_MAX; i++) {
    int k = find_known(labels[i]), first = 0;
    while (!same_name(labels[first], labels[i])) first++;
    if (k >= 0) {
      packed[i] = known[k].rgb;
    } else if (first < i) {
      packed[i] = packed[first];
    } else {
      for (int tries = 0; tries < OTHERS && is_taken(others[next % OTHERS], labels, count); tries++) next++;
      packed[i] = others[next++ % OTHERS];
    }
    unpack(packed[i], rgb[i]);
    rank_of(labels, count, i, &more, &all);
    const float white = 0.7f * (float)more / (float)all;
    for (int j = 0; j < 3; j++) rgb[i][j] += white * (1 - rgb[i][j]);
  }
}

void ml3_color_series(int i, float *rgb) {
  static const unsigned series[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9};
  unpack(series[i % 6], rgb);
}

void ml3_color_text(const float *rgb, char *text) {
  unsigned c[3];
  for (int i = 0; i < 3; i++) c[i] = (unsigned)(255 * rgb[i] + 0.5f) & 255;
  snprintf(text, 8, "#%02x%02x%02x", c[0], c[1], c[2]);
}
