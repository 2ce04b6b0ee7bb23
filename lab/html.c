/* HTML: see html.h. */
#define _DEFAULT_SOURCE /* strsep */
#include "lab/html.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1200px;margin:2rem auto;padding:0 "
    "1rem;color:#222;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.2rem;border-bottom:1px solid #ddd;padding-bottom:.2rem}"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}"
    "th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #e5e5e5;white-space:nowrap}"
    "th{border-bottom:2px solid #bbb;white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}"
    "figure{margin:1rem 0}img,video{max-width:100%;height:auto;border:1px solid #e5e5e5;border-radius:4px}"
    "figcaption{color:#666;font-size:.9rem}pre{background:#f6f6f6;padding:.8rem 1rem;overflow-x:auto;border-radius:4px;"
    "font-size:.85rem}summary{cursor:pointer}footer{margin-top:3rem;color:#777;font-size:.85rem}"
    "code{background:#f6f6f6;padding:.1rem .3rem;border-radius:3px}";

void ml3_lab_html_text(FILE *out, const char *text) {
  static const char special[] = "<>&\"", *const entities[] = {"&lt;", "&gt;", "&amp;", "&quot;"};
  for (; *text; text++) {
    const char *at = strchr(special, *text);
    if (at)
      fputs(entities[at - special], out);
    else
      fputc(*text, out);
  }
}

void ml3_lab_html_begin(FILE *out, const char *title, int refresh_s) {
  fprintf(out,
          "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  if (refresh_s > 0) fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", refresh_s);
  fprintf(out, "<title>");
  ml3_lab_html_text(out, title);
  fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
  ml3_lab_html_text(out, title);
  fprintf(out, "</h1>\n");
}

void ml3_lab_html_end(FILE *out) {
  fprintf(out, "<footer>ml3 " ML3_VERSION "</footer>\n</body>\n</html>\n");
}

/* The cells of a row of Markdown's, what follows its first bar. */
static void put_cells(FILE *out, char *row, const char *tag) {
  for (char *cell; (cell = strsep(&row, "|")) && row;) {
    cell += strspn(cell, " ");
    for (size_t n = strlen(cell); n > 0 && cell[n - 1] == ' ';) cell[--n] = '\0';
    fprintf(out, "<%s>", tag);
    ml3_lab_html_text(out, cell);
    fprintf(out, "</%s>", tag);
  }
}

bool ml3_lab_html_table(FILE *out, const char *path) {
  size_t size;
  char *text = ml3_file_read(path, 1 << 22, &size, NULL);
  if (!text) return false;
  fprintf(out, "<table>\n");
  bool heading = true;
  for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
    if (*line != '|' || strncmp(line, "|---", 4) == 0) continue;
    fprintf(out, "<tr>");
    put_cells(out, line + 1, heading ? "th" : "td");
    fprintf(out, "</tr>\n");
    heading = false;
  }
  fprintf(out, "</table>\n");
  free(text);
  return true;
}

static void put_base64(FILE *out, const unsigned char *data, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = size - i;
    const unsigned bits =
        (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
    fputc(digits[bits >> 18], out);
    fputc(digits[bits >> 12 & 63], out);
    fputc(left > 1 ? digits[bits >> 6 & 63] : '=', out);
    fputc(left > 2 ? digits[bits & 63] : '=', out);
  }
}

bool ml3_lab_html_media(FILE *out, const char *path, const char *about) {
  const char *ending = strrchr(path, '.');
  const bool video = ending && strcmp(ending, ".mp4") == 0, svg = ending && strcmp(ending, ".svg") == 0;
  size_t size;
  char *data = ml3_file_read(path, (size_t)1 << 28, &size, NULL);
  if (!data) return false;
  fprintf(out, "<figure>\n");
  fprintf(out, "<%s src=\"data:%s;base64,", video ? "video controls loop muted playsinline" : "img",
          video ? "video/mp4"
          : svg ? "image/svg+xml"
                : "image/png");
  put_base64(out, (const unsigned char *)data, size);
  fprintf(out, video ? "\"></video>\n<figcaption>" : "\" alt=\"");
  ml3_lab_html_text(out, about);
  fprintf(out, video ? "</figcaption>\n</figure>\n" : "\">\n</figure>\n");
  free(data);
  return true;
}

bool ml3_lab_html_details(FILE *out, const char *path, const char *heading) {
  size_t size;
  char *text = ml3_file_read(path, 1 << 22, &size, NULL);
  if (!text) return false;
  fprintf(out, "<details><summary>");
  ml3_lab_html_text(out, heading);
  fprintf(out, "</summary>\n<pre>");
  ml3_lab_html_text(out, text);
  fprintf(out, "</pre></details>\n");
  free(text);
  return true;
}
