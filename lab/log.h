/* What a run tells while it goes on: metrics.csv always; on demand a TensorBoard event file and JSON lines
   (metrics.jsonl). Names are as CleanRL has them: charts/..., losses/... Logging draws no random numbers and changes none:
   same bits with and without it, and metrics.csv holds nothing that depends on the clock. Event file and JSON lines have
   charts/SPS, steps of environment and model (global_step, charts/model_steps) a second, outer steps where there are neither. */
#ifndef ML3_LAB_LOG_H
#define ML3_LAB_LOG_H

#include <stdint.h>

#include "lab/config.h"

enum { ML3_LAB_LOG_TENSORBOARD = 1, ML3_LAB_LOG_JSON = 2 };
enum { ML3_LAB_LOG_NAMES_MAX = 64 };

typedef struct ml3_lab_log ml3_lab_log;

/* "tensorboard,json", "json" or "none" as flags. */
int ml3_lab_log_formats(const char *text, int *formats, ml3_error *error);

/* The formats that a run's folder has files of; *formats stays as it is where nothing has been logged yet. */
void ml3_lab_log_formats_of(const char *folder, int *formats);

/* Opens the files of a run's folder for the metrics names[count], whose pointers are kept. With keep > 0 the run is
   resumed from that step: what the files say of later steps is cut off, and they go on as if it had never stopped (but for
   the clock: `time`, charts/SPS); otherwise they begin anew. */
ml3_lab_log *ml3_lab_log_open(const char *folder, const char *const *names, int count, int formats, int64_t keep,
                              ml3_error *error);
void ml3_lab_log_close(ml3_lab_log *log); /* log may be NULL */

/* values[count]: a NaN is left out. */
int ml3_lab_log_write(ml3_lab_log *log, int64_t step, const double *values, ml3_error *error);

/* The configuration, for TensorBoard, as dashboards show it; not again in a file that goes on. */
int ml3_lab_log_config(ml3_lab_log *log, const ml3_lab_config *config, ml3_error *error);

/* Makes sure that all is in the files, on the disk: before a checkpoint. */
int ml3_lab_log_flush(ml3_lab_log *log, ml3_error *error);

#endif
