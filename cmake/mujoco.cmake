# MuJoCo of the system, or the one that scripts/setup has fetched for ML3_MUJOCO. find_package keeps in the cache
# what it has found; that must not outlive another choice.
set(folder ${CMAKE_CURRENT_SOURCE_DIR}/build/mujoco-${ML3_MUJOCO}/lib/cmake/mujoco)
if(NOT ML3_MUJOCO STREQUAL "")
  if(NOT EXISTS ${folder})
    message(FATAL_ERROR "MuJoCo ${ML3_MUJOCO} is not there yet: run scripts/setup --mujoco ${ML3_MUJOCO}")
  endif()
  set(mujoco_DIR ${folder} CACHE PATH "" FORCE)
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON) # what is installed finds it too
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
