/* Colours of methods, the same in the viewer, in videos, in plots and in reports: by Okabe and Ito's palette, which the
   colour-blind can tell apart. */
#ifndef ML3_BASE_COLOR_H
#define ML3_BASE_COLOR_H

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_COLORS_MAX = 64 }; /* labels of one picture */

/* rgb[count][3], 0 to 1, of methods by their labels ("learned loss, 5 updates"; count at most ML3_COLORS_MAX). A method that is
   known by name has its own colour wherever it is shown; others get the colours that are left, in order. Of rows of one method
   that differ in their number of updates, the one of the most updates has the full colour, and the others paler ones. */
void ml3_color_methods(const char *const *labels, int count, float (*rgb)[3]);

/* rgb[3] of number i of several quantities that are no methods, such as the entries of an action. */
void ml3_color_series(int i, float *rgb);

/* "#0072b2", into text[8]. */
void ml3_color_text(const float *rgb, char *text);

#ifdef __cplusplus
}
#endif

#endif
