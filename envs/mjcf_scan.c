/* See mjcf_scan.h. */
#include "envs/mjcf_scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char BLANKS[] = " \t\r\n";

/* Behind the next `end`, or at the text's end. */
static const char *behind(const char *at, const char *end) {
  const char *found = strstr(at, end);
  return found ? found + strlen(end) : at + strlen(at);
}

/* name[ML3_MJCF_NAME_MAX] gets the word up to one of `ends`; false when it is too long. */
static bool read_name(const char **at, const char *ends, char *name) {
  const size_t n = strcspn(*at, ends);
  const bool fits = n < ML3_MJCF_NAME_MAX;
  memcpy(name, *at, fits ? n : 0);
  name[fits ? n : 0] = '\0';
  *at += n;
  return fits;
}

/* A code point as UTF-8. */
static size_t put_code(unsigned long code, char *to) {
  if (code < 0x80) return to[0] = (char)code, 1;
  if (code < 0x800) return to[0] = (char)(0xc0 | code >> 6), to[1] = (char)(0x80 | (code & 0x3f)), 2;
  if (code < 0x10000) {
    to[0] = (char)(0xe0 | code >> 12), to[1] = (char)(0x80 | (code >> 6 & 0x3f)), to[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  to[0] = (char)(0xf0 | (code >> 18 & 7)), to[1] = (char)(0x80 | (code >> 12 & 0x3f));
  to[2] = (char)(0x80 | (code >> 6 & 0x3f)), to[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* A reference such as &amp; or &#38; at from[length]: its characters into to; how much was read, 0 when it is none. */
static size_t resolve(const char *from, size_t length, char *to, size_t *written) {
  static const struct {
    const char *name;
    char is;
  } known[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    const size_t n = strlen(known[i].name);
    if (n <= length && strncmp(from, known[i].name, n) == 0) return to[0] = known[i].is, *written = 1, n;
  }
  if (length < 4 || from[1] != '#') return 0;
  char *end;
  const bool hex = from[2] == 'x';
  const unsigned long code = strtoul(from + (hex ? 3 : 2), &end, hex ? 16 : 10);
  if (*end != ';' || end >= from + length || code == 0 || code > 0x10ffff) return 0;
  *written = put_code(code, to);
  return (size_t)(end - from) + 1;
}

/* from[length] without references, into value[ML3_MJCF_VALUE_MAX]; false when it is too long. */
static bool read_value(const char *from, size_t length, char *value) {
  size_t used = 0;
  if (length >= ML3_MJCF_VALUE_MAX - 4) return false; /* a reference is never shorter than what it stands for */
  for (size_t i = 0; i < length;) {
    size_t written = 1, read = from[i] == '&' ? resolve(from + i, length - i, value + used, &written) : 0;
    if (!read) value[used] = from[i], read = written = 1;
    i += read, used += written;
  }
  value[used] = '\0';
  return true;
}

typedef struct scanner {
  const char *text;
  void (*visit)(void *user, const ml3_mjcf_attribute *attribute);
  void *user;
  char element[ML3_MJCF_NAME_MAX], name[ML3_MJCF_NAME_MAX], value[ML3_MJCF_VALUE_MAX];
} scanner;

/* The attributes of a tag whose name has been read; answers what is behind the tag. */
static const char *read_attributes(scanner *s, const char *at, bool element_fits) {
  for (;;) {
    at += strspn(at, BLANKS);
    if (*at == '/') at++;
    if (*at == '>') return at + 1;
    if (*at == '\0') return at;
    const char *before = at;
    const bool fits = read_name(&at, " \t\r\n=/>", s->name);
    at += strspn(at, BLANKS);
    if (*at != '=') { /* no value: MuJoCo would refuse it */
      if (at == before) at++;
      continue;
    }
    at++;
    at += strspn(at, BLANKS);
    const char quote = *at;
    if (quote != '"' && quote != '\'') continue;
    const char *begin = at + 1, *end = strchr(begin, quote);
    if (!end) return begin + strlen(begin);
    const ml3_mjcf_attribute attribute = {s->element, s->name, s->value, (size_t)(begin - s->text),
                                          (size_t)(end - s->text)};
    if (fits && element_fits && read_value(begin, (size_t)(end - begin), s->value)) s->visit(s->user, &attribute);
    at = end + 1;
  }
}

void ml3_mjcf_scan(const char *text, void (*visit)(void *user, const ml3_mjcf_attribute *attribute), void *user) {
  scanner s = {.text = text, .visit = visit, .user = user};
  for (const char *at = strchr(text, '<'); at; at = strchr(at, '<')) {
    if (strncmp(at, "<!--", 4) == 0) {
      at = behind(at + 4, "-->");
    } else if (strncmp(at, "<![CDATA[", 9) == 0) {
      at = behind(at + 9, "]]>");
    } else if (at[1] == '?') {
      at = behind(at + 2, "?>");
    } else if (at[1] == '!' || at[1] == '/') {
      at = behind(at + 2, ">");
    } else {
      at++;
      const bool fits = read_name(&at, " \t\r\n/>", s.element);
      at = read_attributes(&s, at, fits);
    }
  }
}
