/* Files that are in memory alone, for the fuzzing targets: the linker gives ml3's readers the functions of
   memory_files.c where they ask for ml3_file_read and stat (--wrap in CMakeLists.txt), so that what is fuzzed is the very
   code that reads files, and no disk slows it down. */
#ifndef ML3_TESTS_MEMORY_FILES_H
#define ML3_TESTS_MEMORY_FILES_H

#include <stddef.h>
#include <stdint.h>

/* From now on `path` has that content, which must stay where it is. At most 4 paths, which are kept as pointers. */
void memory_file(const char *path, const void *bytes, size_t size);

/* What libFuzzer calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
