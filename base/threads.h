/* How many threads a parallel region takes. Every `#pragma omp parallel` of the library asks here. Internal. */
#ifndef ML3_BASE_THREADS_H
#define ML3_BASE_THREADS_H

/* `asked`, or with 0 (and less) what OpenMP has from OMP_NUM_THREADS or omp_set_num_threads, by default all cores that
   the process may use. 1 in a child of fork() whose parent had threads: those are gone, but OpenMP would wait for them
   for ever. Cheap enough for every step. */
int ml3_threads(int asked);

#endif
