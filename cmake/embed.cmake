# Every envs/<name>.xml becomes a constant `const char ml3_<name>_xml[]` of the library (envs/scenes.h), so that
# scenes need no file at run time. Run as a script (cmake -P) this file converts one: INPUT, SYMBOL, OUTPUT.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${INPUT} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
                       "\\1\n" bytes "${bytes}")
  file(WRITE ${OUTPUT} "extern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = {\n${bytes}0};\n")
  return()
endif()

file(GLOB ML3_SCENES CONFIGURE_DEPENDS envs/*.xml)
foreach(scene ${ML3_SCENES})
  get_filename_component(name ${scene} NAME_WE)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/scenes/${name}_xml.c)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${scene} -DSYMBOL=ml3_${name}_xml -DOUTPUT=${source}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${scene} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding ${name}.xml")
  target_sources(ml3 PRIVATE ${source})
endforeach()
