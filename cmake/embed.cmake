# Every envs/<name>.xml becomes a constant `const char ml3_<name>_xml[]` of the library (envs/scenes.h), every
# envs/models/<name>.xml and envs/tasks/<name>.yaml one with the folder in its name, and every metaloss/data/<name>.idx one
# of its name, so that scenes and data need no file at run time; ..._size is its bytes. The same for the worker of other
# people's environments, ml3_worker_py.
# Run as a script (cmake -P) this file converts one: INPUT, SYMBOL, OUTPUT.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${INPUT} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
                       "\\1\n" bytes "${bytes}")
  file(WRITE ${OUTPUT} "extern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = {\n${bytes}0};\n"
       "extern const unsigned long ${SYMBOL}_size;\nconst unsigned long ${SYMBOL}_size = sizeof ${SYMBOL} - 1;\n")
  return()
endif()

file(GLOB ML3_TASK_FILES CONFIGURE_DEPENDS envs/models/*.xml envs/tasks/*.yaml)
file(GLOB ML3_EMBEDDED CONFIGURE_DEPENDS envs/*.xml metaloss/data/*.idx python/ml3/worker.py)
list(APPEND ML3_EMBEDDED ${ML3_TASK_FILES})
function(ml3_embedded_symbol file result)
  get_filename_component(name ${file} NAME)
  get_filename_component(folder ${file} DIRECTORY)
  get_filename_component(folder ${folder} NAME)
  if(folder STREQUAL "models" OR folder STREQUAL "tasks")
    string(PREPEND name ${folder}_)
  endif()
  string(MAKE_C_IDENTIFIER ${name} symbol)
  set(${result} ${symbol} PARENT_SCOPE)
endfunction()

foreach(file ${ML3_EMBEDDED})
  get_filename_component(name ${file} NAME)
  ml3_embedded_symbol(${file} symbol)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.c)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${file} -DSYMBOL=ml3_${symbol} -DOUTPUT=${source}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${file} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding ${name}")
  target_sources(ml3 PRIVATE ${source})
endforeach()

# The table of tasks' files by name, which envs/task/find.c reads.
set(declarations "")
set(rows "")
foreach(file ${ML3_TASK_FILES})
  get_filename_component(name ${file} NAME)
  ml3_embedded_symbol(${file} symbol)
  string(APPEND declarations "extern const char ml3_${symbol}[];\n")
  string(APPEND rows "  {\"${name}\", ml3_${symbol}},\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/embedded/task_files.c @ONLY CONTENT
"struct builtin_file { const char *name, *text; };
extern const struct builtin_file ml3_task_files[];
@declarations@const struct builtin_file ml3_task_files[] = {
@rows@  {0, 0},
};
")
target_sources(ml3 PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embedded/task_files.c)
