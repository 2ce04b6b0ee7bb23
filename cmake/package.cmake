# `cpack` in the build folder: a Debian package of what `cmake --install` installs.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "ml3 maintainers <ml3@localhost>")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "reinforcement learning with learned losses")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "A small network takes the place of a hand-written loss: a policy or model\n\
descends it, and the network is trained by differentiating the task's outcome\n\
through that descent. The command ml3 trains, uses, compares and shows learned\n\
losses; the library does the same from C.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gnuplot-nox | gnuplot, ffmpeg, libegl-mesa0") # plots, video, frames without a display
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_CURRENT_SOURCE_DIR}/LICENSE)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/ml3 RENAME copyright)
include(CPack)
