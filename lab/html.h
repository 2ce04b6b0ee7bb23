/* Pieces of a self-contained HTML page. */
#ifndef ML3_LAB_HTML_H
#define ML3_LAB_HTML_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

void ml3_lab_html_begin(FILE *out, const char *title, int refresh_s); /* the page reloads itself so often; 0: never */
void ml3_lab_html_end(FILE *out);

/* A text with what HTML would read as its own written out. */
void ml3_lab_html_text(FILE *out, const char *text);

/* The tables of a Markdown file as one, the first line its heading. False when there is none. */
bool ml3_lab_html_table(FILE *out, const char *path);

/* A file within the page, as base64: a picture (.png, .svg) or a video (.mp4). False when there is none. */
bool ml3_lab_html_media(FILE *out, const char *path, const char *about);

/* A text file behind a heading that opens it. False when there is none. */
bool ml3_lab_html_details(FILE *out, const char *path, const char *heading);

#endif
