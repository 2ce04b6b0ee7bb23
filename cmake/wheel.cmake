# The library for a wheel of Python: libml3.so that needs nothing of the machine but glibc and zlib. OpenBLAS, HDF5 (without its
# drivers for networks), YAML and JSON are linked into it from Debian's archives; MuJoCo's library and OpenMP's lie beside it. EGL is
# loaded when a picture is asked for, where the machine has it (cmake/wheel.c).
# ML3_ARCHIVE: a libml3.a that is there already, so that nothing is compiled.
set(ML3_ARCHIVE "" CACHE FILEPATH "for ML3_WHEEL: a libml3.a of this source, built with the same MuJoCo; empty: it is built")

# An archive of the system. Those that were not compiled for shared libraries reach stdin, stdout and stderr directly, which a shared
# library cannot: they get names of our own (wheel.c).
function(ml3_wheel_archive result name)
  find_library(system_${name} NAMES lib${name}.a PATH_SUFFIXES ${ARGN} NO_CACHE REQUIRED)
  set(own ${CMAKE_CURRENT_BINARY_DIR}/lib${name}.a)
  add_custom_command(
    OUTPUT ${own}
    COMMAND ${CMAKE_OBJCOPY} --redefine-sym stdin=ml3_stdin --redefine-sym stdout=ml3_stdout
            --redefine-sym stderr=ml3_stderr ${system_${name}} ${own}
    DEPENDS ${system_${name}})
  set(${result} ${${result}} ${own} PARENT_SCOPE)
endfunction()

set(archives)
foreach(name yaml jansson)
  ml3_wheel_archive(archives ${name})
endforeach()
ml3_wheel_archive(archives hdf5 hdf5/serial)
foreach(name sz aec)
  ml3_wheel_archive(archives ${name})
endforeach()
find_library(openblas NAMES libopenblas.a PATH_SUFFIXES openblas-pthread NO_CACHE REQUIRED)
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libgomp.so.1 OUTPUT_VARIABLE gomp
                OUTPUT_STRIP_TRAILING_WHITESPACE)
get_filename_component(gomp ${gomp} REALPATH)

set(archive ${ML3_ARCHIVE})
if(NOT archive)
  set(archive $<TARGET_FILE:ml3>)
endif()
add_library(ml3_wheel SHARED EXCLUDE_FROM_ALL cmake/wheel.c ${archives})
set_target_properties(ml3_wheel PROPERTIES OUTPUT_NAME ml3 LIBRARY_OUTPUT_DIRECTORY wheel INSTALL_RPATH $ORIGIN
  LINK_DEPENDS "${CMAKE_CURRENT_BINARY_DIR}/libml3.map;${ML3_ARCHIVE}")
target_link_options(ml3_wheel PRIVATE LINKER:--version-script=${CMAKE_CURRENT_BINARY_DIR}/libml3.map
  LINKER:--disable-new-dtags LINKER:-z,defs) # RPATH, which holds for what MuJoCo's library needs too
target_link_libraries(ml3_wheel PRIVATE -Wl,--whole-archive ${archive} -Wl,--no-whole-archive ${archives} ${openblas}
  mujoco::mujoco z gomp pthread dl m)
if(NOT ML3_ARCHIVE)
  add_dependencies(ml3_wheel ml3)
endif()

set(lib ml3/lib)
install(TARGETS ml3_wheel LIBRARY DESTINATION ${lib} COMPONENT wheel)
install(FILES $<TARGET_FILE:mujoco::mujoco> DESTINATION ${lib} COMPONENT wheel)
install(FILES ${gomp} DESTINATION ${lib} COMPONENT wheel RENAME libgomp.so.1)
file(GLOB presets CONFIGURE_DEPENDS scripts/experiments/*.yaml)
install(FILES ${presets} DESTINATION ${lib}/share/ml3/experiments COMPONENT wheel)
install(DIRECTORY zoo DESTINATION ${lib}/share/ml3 COMPONENT wheel)
file(GLOB licences ${mujoco_folder}/LICENSE*)
install(FILES ${licences} DESTINATION ${lib}/licences/mujoco COMPONENT wheel)
foreach(package libopenblas0 libhdf5-103-1 libyaml-0-2 libjansson4 libaec0 libgomp1) # where Debian says their terms
  install(FILES /usr/share/doc/${package}/copyright DESTINATION ${lib}/licences COMPONENT wheel RENAME ${package} OPTIONAL)
endforeach()
