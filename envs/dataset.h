/* Episodes on disk in the layout of Minari (Farama's data sets for Gymnasium, version 0.5), so that `minari` and h5py read
   what ml3 writes, and ml3 what they wrote:

     NAME-v0/data/main_data.hdf5   a group a episode, "episode_0" ...:
                                     observations [T + 1][obs_dim], actions [T][action_dim], rewards [T],
                                     terminations [T], truncations [T], infos/state [T + 1][state_dim],
                                     attributes id, total_steps, options/task/<parameter>,
                                     ml3/success_step, ml3/success, ml3/final_distance
     NAME-v0/data/metadata.json    counts, spaces, Gymnasium's EnvSpec, who made it and how

   Everything is in double precision. HDF5 is not made for threads: calls take turns. */
#ifndef ML3_ENVS_DATASET_H
#define ML3_ENVS_DATASET_H

#include "envs/episode.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_DATASET_STEPS_MAX = 10000000, ML3_DATASET_EPISODES_MAX = 10000000 };

/* What a data set says of itself. All but id may be NULL. */
typedef struct ml3_dataset_info {
  const char *id;          /* "reacher/random-v0": (namespace/)name-vNUMBER, of letters, digits, - and _ */
  const char *algorithm;   /* "random" */
  const char *description; /* a sentence */
  const char *author;
  bool replace; /* a data set that is there already */
} ml3_dataset_info;

/* ---- writing ------------------------------------------------------------------------------------------------------ */

typedef struct ml3_dataset_writer ml3_dataset_writer; /* a data set that is being written */

/* A new data set in the folder `path`, which must not exist yet, or with info->replace be a data set; it appears when it is
   committed, whole. After success call exactly one of commit and abandon. */
ml3_dataset_writer *ml3_dataset_create(const char *path, const ml3_env_spec *spec, const ml3_dataset_info *info,
                                       ml3_error *error);

/* Adds an episode of at least one step of the same environment. One that the environment did not end counts as truncated. */
int ml3_dataset_append(ml3_dataset_writer *writer, const ml3_episode *episode, ml3_error *error);

/* Writes the metadata and lets the folder appear. Frees the writer, after a failure too; nothing is left then. */
int ml3_dataset_commit(ml3_dataset_writer *writer, ml3_error *error);
void ml3_dataset_abandon(ml3_dataset_writer *writer);

/* ---- reading ------------------------------------------------------------------------------------------------------ */

typedef struct ml3_dataset ml3_dataset;

/* Opens the folder, its data/ or its main_data.hdf5. spec: whose episodes these are, which the metadata may not contradict;
   NULL takes the environment that they name, which must be one of ml3's, or a FILE.xml that is still there. Metadata that
   count other episodes or steps than are there are refused. */
ml3_dataset *ml3_dataset_open(const char *path, const ml3_env_spec *spec, ml3_error *error);
void ml3_dataset_close(ml3_dataset *dataset);

const ml3_env_spec *ml3_dataset_spec(const ml3_dataset *dataset); /* what was recorded: owned by the dataset */
int ml3_dataset_count(const ml3_dataset *dataset); /* episodes */
const char *ml3_dataset_id(const ml3_dataset *dataset); /* "reacher/random-v0"; "" where it has none */

/* Episode number `index` in a new ml3_episode, which the caller frees. Where the file has no states (Minari does not ask
   for them) they are NAN, as final_distance is; a task parameter that is not there has its default value. */
ml3_episode *ml3_dataset_episode(ml3_dataset *dataset, int index, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
