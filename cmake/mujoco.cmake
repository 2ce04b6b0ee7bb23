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
