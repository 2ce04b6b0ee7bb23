# libml3.so beside the archive: what is installed, and what other languages (python/) load. Of its symbols only those that the public headers
# declare can be seen: a header is public when it is ready for C++ (extern "C").
set(names)
file(GLOB headers CONFIGURE_DEPENDS base/*.h nn/*.h envs/*.h metaloss/*.h agents/*/*.h lab/*.h viewer/*.h)
foreach(header ${headers})
  file(READ ${header} text)
  if(text MATCHES "extern \"C\"" OR header MATCHES "/base/real\\.h$")
    string(REGEX MATCHALL "ml3_[a-z0-9_]+\\(" found "${text}")
    list(APPEND names ${found})
    list(APPEND ML3_PUBLIC_HEADERS ${header})
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
endforeach()
list(REMOVE_DUPLICATES names)
list(SORT names)
set(exports "")
foreach(name ${names})
  string(REPLACE "(" "" name ${name})
  string(APPEND exports "    ${name};\n")
endforeach()
file(CONFIGURE OUTPUT libml3.map CONTENT "{\n  global:\n@exports@  local: *;\n};\n" @ONLY)

file(CONFIGURE OUTPUT shared.c CONTENT "typedef int ml3_all_is_in_the_archive;\n") # CMake asks for a source
add_library(ml3_shared SHARED ${CMAKE_CURRENT_BINARY_DIR}/shared.c)
set_target_properties(ml3_shared PROPERTIES
  OUTPUT_NAME ml3
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/libml3.map)
target_link_options(ml3_shared PRIVATE LINKER:--version-script=${CMAKE_CURRENT_BINARY_DIR}/libml3.map)
target_link_libraries(ml3_shared PRIVATE ml3_flags -Wl,--whole-archive $<TARGET_FILE:ml3> -Wl,--no-whole-archive ml3)
add_dependencies(ml3_shared ml3)
