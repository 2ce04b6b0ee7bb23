# MuJoCo from build/mujoco-VERSION, where scripts/setup has put it, or the system's. By default the release that ml3 is
# tested with, where it is there. find_package keeps in the cache what it has found; that must not outlive another choice.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/scripts/setup)
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/scripts/setup mujoco_release REGEX "^tested=")
string(REPLACE "tested=" "" mujoco_release "${mujoco_release}")
set(mujoco_folder ${CMAKE_CURRENT_SOURCE_DIR}/build/mujoco-)
if(NOT ML3_MUJOCO STREQUAL "")
  set(mujoco_release ${ML3_MUJOCO})
elseif(NOT EXISTS ${mujoco_folder}${mujoco_release})
  message(STATUS "MuJoCo ${mujoco_release} is not in build/ (scripts/setup fetches it): the system's")
  set(mujoco_release debian)
endif()
string(APPEND mujoco_folder ${mujoco_release})

if(NOT mujoco_release STREQUAL "debian")
  if(NOT EXISTS ${mujoco_folder})
    message(FATAL_ERROR "MuJoCo ${mujoco_release} is not there yet: run scripts/setup --mujoco ${mujoco_release}")
  endif()
  set(mujoco_DIR ${mujoco_folder}/lib/cmake/mujoco CACHE PATH "" FORCE)
elseif(mujoco_DIR MATCHES "^${CMAKE_CURRENT_SOURCE_DIR}/build/mujoco-")
  unset(mujoco_DIR CACHE)
endif()
find_package(mujoco CONFIG REQUIRED)
message(STATUS "MuJoCo ${mujoco_VERSION} from ${mujoco_DIR}")

# Debian's package names header folders of libraries that only its own build needed; CMake refuses those that are
# not there.
get_target_property(folders mujoco::mujoco INTERFACE_INCLUDE_DIRECTORIES)
set(existing)
foreach(folder IN LISTS folders)
  if(EXISTS "${folder}")
    list(APPEND existing "${folder}")
  endif()
endforeach()
set_target_properties(mujoco::mujoco PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}"
                                                INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${existing}")
