# What a consumer finds: CMake package `awq`, pkg-config `awq`, the same in the build folder and after an install. Both kinds of
# file locate their prefix from where they lie, so a moved tree still works.

# awq_package_files: writes awqConfig.cmake, its version file and awq.pc for a tree with these folders under its prefix, which
# lies prefix_from_cmake and prefix_from_pc above the two kinds of file.
include(CMakePackageConfigHelpers)
function(awq_package_files cmake_dir pc_dir libdir includedir prefix_from_cmake prefix_from_pc)
  set(AWQ_LIBDIR ${libdir})
  set(AWQ_INCLUDEDIR ${includedir})
  set(AWQ_PREFIX_FROM_CMAKE ${prefix_from_cmake})
  set(AWQ_PREFIX_FROM_PC ${prefix_from_pc})
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/.ci/cmake/awqConfig.cmake.in ${cmake_dir}/awqConfig.cmake @ONLY)
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/.ci/cmake/awq.pc.in ${pc_dir}/awq.pc @ONLY)
  write_basic_package_version_file(${cmake_dir}/awqConfigVersion.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMajorVersion)
endfunction()

awq_package_files(${CMAKE_BINARY_DIR}/lib/cmake/awq ${CMAKE_BINARY_DIR}/lib/pkgconfig . include ../../.. ../..)

set(installed ${CMAKE_BINARY_DIR}/installed)
file(RELATIVE_PATH from_cmake /${CMAKE_INSTALL_LIBDIR}/cmake/awq /)
file(RELATIVE_PATH from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
awq_package_files(${installed} ${installed} ${CMAKE_INSTALL_LIBDIR} ${CMAKE_INSTALL_INCLUDEDIR}
  ${from_cmake} ${from_pc})

install(TARGETS awq_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${AWQ_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR}
        PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(FILES ${CMAKE_BINARY_DIR}/libawq.so DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_BINARY_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${installed}/awqConfig.cmake ${installed}/awqConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/awq)
install(FILES ${installed}/awq.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
