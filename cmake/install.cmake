# `cmake --install`: the shared library with its public headers under include/ml3, find_package(ml3) and ml3.pc; the
# command with manual pages, completions and presets. Everything finds its own by relative paths: a prefix can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# ---- library ---------------------------------------------------------------------------------------
# One header with all, as the rooms' headers are included: #include <ml3/ml3.h>, or one by one: #include "nn/mlp.h".
set(includes "")
foreach(header ${ML3_PUBLIC_HEADERS})
  file(RELATIVE_PATH name ${CMAKE_CURRENT_SOURCE_DIR} ${header})
  get_filename_component(room ${name} DIRECTORY)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ml3/${room})
  string(APPEND includes "#include \"${name}\"\n")
endforeach()
if(ML3_DOUBLE)
  set(defines "#ifndef ML3_DOUBLE\n#define ML3_DOUBLE /* as this library was built */\n#endif\n\n")
endif()
file(CONFIGURE OUTPUT ml3.h @ONLY CONTENT
  "/* All of ml3. */\n#ifndef ML3_H\n#define ML3_H\n\n@defines@@includes@\n#endif\n")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ml3.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ml3)

target_include_directories(ml3_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/ml3>)
if(ML3_DOUBLE)
  target_compile_definitions(ml3_shared INTERFACE $<INSTALL_INTERFACE:ML3_DOUBLE>)
endif()
set_target_properties(ml3_shared PROPERTIES EXPORT_NAME ml3)
install(TARGETS ml3_shared EXPORT ml3)
install(EXPORT ml3 NAMESPACE ml3:: FILE ml3Config.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ml3)
write_basic_package_version_file(ml3ConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ml3ConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ml3)

file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(flags "-I\${includedir} -I\${includedir}/ml3")
if(ML3_DOUBLE)
  string(APPEND flags " -DML3_DOUBLE")
endif()
file(CONFIGURE OUTPUT ml3.pc @ONLY CONTENT [[
prefix=${pcfiledir}/@up@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@
libdir=${prefix}/@CMAKE_INSTALL_LIBDIR@

Name: ml3
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Cflags: @flags@
Libs: -L${libdir} -lml3
]])
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ml3.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- MuJoCo, where it is not the system's: in a folder of ours beside the library ----------------------
if(NOT mujoco_release STREQUAL "debian")
  set(private ${CMAKE_INSTALL_LIBDIR}/ml3)
  install(FILES $<TARGET_FILE:mujoco::mujoco> DESTINATION ${private})
  file(GLOB licences ${mujoco_folder}/LICENSE*)
  install(FILES ${licences} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/ml3/mujoco)
  file(RELATIVE_PATH up /${CMAKE_INSTALL_BINDIR} /${private})
  set_target_properties(ml3_shared PROPERTIES INSTALL_RPATH $ORIGIN/ml3)
  if(TARGET ml3_command)
    set_target_properties(ml3_command PROPERTIES INSTALL_RPATH $ORIGIN/${up})
  endif()
endif()

# ---- command ---------------------------------------------------------------------------------------
if(TARGET ml3_command)
  install(TARGETS ml3_command)
  file(GLOB presets CONFIGURE_DEPENDS scripts/experiments/*.yaml)
  install(FILES ${presets} DESTINATION ${CMAKE_INSTALL_DATADIR}/ml3/experiments)
  install(DIRECTORY zoo DESTINATION ${CMAKE_INSTALL_DATADIR}/ml3)

  if(NOT CMAKE_CROSSCOMPILING) # the command writes them itself
    set(pages ${CMAKE_CURRENT_BINARY_DIR}/pages)
    add_custom_command(
      OUTPUT ${pages}/complete
      COMMAND ${CMAKE_COMMAND} -DCOMMAND=$<TARGET_FILE:ml3_command> -DFOLDER=${pages}
              -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/pages.cmake
      DEPENDS ml3_command ${CMAKE_CURRENT_SOURCE_DIR}/cmake/pages.cmake
      COMMENT "Writing manual pages and completions")
    add_custom_target(ml3_pages ALL DEPENDS ${pages}/complete)
    install(DIRECTORY ${pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
    install(FILES ${pages}/ml3.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ml3)
    install(FILES ${pages}/_ml3 DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  endif()
endif()
