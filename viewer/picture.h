/* A whole picture of a session: its scene by layout, the learned loss beneath, plots and texts over it. For window and
   recording alike. */
#ifndef ML3_VIEWER_PICTURE_H
#define ML3_VIEWER_PICTURE_H

#include "viewer/map.h"
#include "viewer/panel.h"

/* A session drawn into frames. */
typedef struct ml3_picture {
  ml3_scene scene;
  ml3_map heat;
  ml3_panel panel;
  ml3_view_layout layout;
  bool plots, labels, map;
  bool pulling; /* a hand pulls: a line from where it holds to where it is */
  double pull_from[3], pull_to[3];
} ml3_picture;

/* NULL with a sentence. Freed by ml3_picture_free, while the OpenGL context is still there. */
ml3_picture *ml3_picture_new(const ml3_session *session, const ml3_scene_settings *settings,
                             const ml3_view_options *options, ml3_error *error);
void ml3_picture_free(ml3_picture *picture);

/* Draws the session at the time it shows. map_s: for how long the heat map may be worked on (s). */
void ml3_picture_draw(ml3_picture *picture, ml3_session *session, mjrRect viewport, double map_s);

/* The same in parts: the scene, and the panels beside it (the dock, or a caption for each tile). */
typedef struct ml3_picture_panels {
  mjrRect rects[ML3_VIEW_ACTORS];
  int actors[ML3_VIEW_ACTORS]; /* of captions */
  int count, columns;          /* columns: of the dock */
} ml3_picture_panels;
void ml3_picture_draw_scene(ml3_picture *picture, ml3_session *session, mjrRect viewport, double map_s);
void ml3_picture_place(const ml3_picture *picture, const ml3_session *session, mjrRect viewport,
                       ml3_picture_panels *panels);
/* Number `number` of them, into `where`. */
void ml3_picture_draw_panel(ml3_picture *picture, const ml3_session *session, const ml3_picture_panels *panels,
                            int number, mjrRect where);

/* Shows or hides the heat map; false where there is none. A fixed camera named "map" is taken while it is shown. */
bool ml3_picture_show_map(ml3_picture *picture, const ml3_session *session, bool shown);

/* The part of the viewport in which an actor is drawn. */
mjrRect ml3_picture_tile(const ml3_picture *picture, const ml3_session *session, int actor, mjrRect viewport);

#endif
