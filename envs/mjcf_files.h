/* The files that a user's environment is made of: FILE.xml and FILE.yaml beside it, or FILE.yaml and the model that it names, the
   YAMLs that it extends, what the model includes (nested, too), meshes,
   textures, height fields, skins and models in it. Internal.

   MuJoCo looks for a file beside the model, in the compiler's meshdir, texturedir or assetdir, and some versions
   beside the file that names it; strippath leaves the name alone. All of these places are tried, and what is there
   is listed: a file too many does no harm, one too few would. */
#ifndef ML3_ENVS_MJCF_FILES_H
#define ML3_ENVS_MJCF_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* One of them. */
typedef struct ml3_mjcf_file {
  char *source; /* where it is read from */
  char *path;   /* the same, absolute, without "." and ".." */
  bool is_xml;
  int owner; /* of XML: the number of the model that its references are relative to */
} ml3_mjcf_file;

typedef struct ml3_mjcf_files {
  ml3_mjcf_file *files; /* [count]; the first is what the environment is opened by */
  int count;
  char *root; /* the deepest folder that holds all, "" for "/" */
} ml3_mjcf_files;

/* Lists them; to be freed whatever comes back. The model must be one that MuJoCo can load. */
int ml3_mjcf_files_find(ml3_mjcf_files *files, const char *model, ml3_error *error);
void ml3_mjcf_files_free(ml3_mjcf_files *files);

/* File i without `root`: where it is in a copy. */
const char *ml3_mjcf_files_relative(const ml3_mjcf_files *files, int i);

/* The text of XML file i for a copy of all below another folder: references by absolute paths to what is below
   `root` become relative. Freed by the caller; NULL without memory. */
char *ml3_mjcf_files_relocate(const ml3_mjcf_files *files, int i, const char *text);

#endif
