/* What is written and plotted beside a picture, never over it: the numbers, a line for each actor, plots with a cursor. */
#ifndef ML3_VIEWER_PANEL_H
#define ML3_VIEWER_PANEL_H

#include <mujoco/mujoco.h>

#include "viewer/session.h"

/* The plots. */
typedef struct ml3_panel {
  mjvFigure training[ML3_VIEW_CURVES], updates, reward, loss, action;
} ml3_panel;

/* What is shown: environment, task and step with a line for each actor (name, return, end of its episode); plots; of all actors,
   or of the one alone. */
typedef struct ml3_panel_parts {
  bool numbers, plots, all;
} ml3_panel_parts;

/* A panel is large: it belongs on the heap. */
void ml3_panel_init(ml3_panel *panel);

/* The part of the viewport that is left for the scene. *dock: the part of the panel, along the right side in so many
   columns; with 0 columns it is folded away into one line above the scene, or, in a very low viewport, of no width. */
mjrRect ml3_panel_place(const ml3_session *session, mjrRect viewport, const mjrContext *context, mjrRect *dock,
                        int *columns);
/* Draws the panel where it was placed: what has no room is left out, plots first. */
void ml3_panel_draw(ml3_panel *panel, const ml3_session *session, const ml3_panel_parts *parts, mjrRect dock,
                    int columns, const mjrContext *context);
/* One actor's line, in a strip above its tile. */
void ml3_panel_caption(const ml3_session *session, int actor, mjrRect strip, const mjrContext *context);
/* A line of text over a strip, cut off where it is too long. */
void ml3_panel_strip(const char *text, mjrRect strip, const mjrContext *context);
/* The height of a line of text, in pixels. */
int ml3_panel_line(const mjrContext *context);

#endif
