/* What is written and plotted over a picture: plots with a cursor, the legend, the table of numbers. */
#ifndef ML3_VIEWER_PANEL_H
#define ML3_VIEWER_PANEL_H

#include <mujoco/mujoco.h>

#include "viewer/session.h"

/* A colour for each actor, readable for colour-blind eyes on light and dark. */
extern const float ml3_actor_colours[ML3_VIEW_ACTORS][4];

/* Plots and texts over a picture. */
typedef struct ml3_panel {
  mjvFigure reward, loss, action, updates;
} ml3_panel;

/* A panel is large: it belongs on the heap. */
void ml3_panel_init(ml3_panel *panel);

/* Along the right side: the return over updates (when there is a learner), action, learned loss, reward; all actors shown, or the one
   alone. */
void ml3_panel_plots(ml3_panel *panel, const ml3_session *session, bool all, mjrRect viewport,
                     const mjrContext *context);
/* Top left: environment, policy, step, time, return, result, updates. */
void ml3_panel_numbers(const ml3_session *session, mjrRect viewport, const mjrContext *context);
/* Above the bottom left: one line for each actor, with its colour, name and return. */
void ml3_panel_legend(const ml3_session *session, mjrRect viewport, const mjrContext *context);
/* One actor's line of the legend at the top of a tile. */
void ml3_panel_caption(const ml3_session *session, int actor, mjrRect viewport, const mjrContext *context);

#endif
