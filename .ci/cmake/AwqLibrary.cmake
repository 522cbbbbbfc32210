# The shared library libawq.so.1, built by Go from ./capi, and the command `awq` in front of it.
#
# `go build` runs at every build: Go alone knows whether a Go file, an embedded file or a module changed, and its answer costs a
# second. What Go does not see is a rebuilt archive or a changed header outside a package's folder; GoBuild.cmake hashes these
# into CGO_CFLAGS.

# A Go that .venv carries is taken when PATH has none, so that plain CMake works after the first `make`.
file(GLOB venv_go ${CMAKE_CURRENT_SOURCE_DIR}/.venv/lib/python3*/site-packages/go/bin)
find_program(GO_EXECUTABLE go HINTS ENV GOROOT PATH_SUFFIXES bin PATHS ${venv_go} /usr/local/go/bin
             DOC "Go 1.25 or newer")
if(NOT GO_EXECUTABLE)
  message(FATAL_ERROR "libawq: no Go: install Go 1.25 or newer, or run `make`, which puts one into .venv")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env GOTOOLCHAIN=local ${GO_EXECUTABLE} env GOVERSION
                OUTPUT_VARIABLE AWQ_GO_VERSION OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE go_result)
string(REGEX REPLACE "^go([0-9.]+).*" "\\1" AWQ_GO_VERSION "${AWQ_GO_VERSION}")
if(go_result OR AWQ_GO_VERSION VERSION_LESS 1.25)
  message(FATAL_ERROR "libawq: ${GO_EXECUTABLE} is Go ${AWQ_GO_VERSION}, 1.25 or newer is needed")
endif()

set(AWQ_GO_CC ${CMAKE_C_COMPILER})
if(AWQ_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL GNU)
  # `go build -asan` asks the compiler for its name, and /usr/bin/cc does not say "gcc".
  find_program(AWQ_GCC gcc REQUIRED)
  set(AWQ_GO_CC ${AWQ_GCC})
endif()

set(AWQ_GOARCH)
if(CMAKE_CROSSCOMPILING)
  set(AWQ_GOARCH ${CMAKE_SYSTEM_PROCESSOR})
  if(AWQ_GOARCH STREQUAL aarch64)
    set(AWQ_GOARCH arm64)
  endif()
endif()

set(AWQ_LIBRARY ${CMAKE_BINARY_DIR}/libawq.so.1)
add_custom_target(awq_go ALL
  COMMAND ${CMAKE_COMMAND}
    -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR} -DBINARY=${CMAKE_BINARY_DIR} -DOUT=${CMAKE_BINARY_DIR} -DARCHIVE=$<TARGET_FILE:awq_cpu>
    -DGO=${GO_EXECUTABLE} -DCC=${AWQ_GO_CC} -DGOARCH=${AWQ_GOARCH} -DSANITIZE=$<BOOL:${AWQ_SANITIZE}>
    -P ${CMAKE_CURRENT_SOURCE_DIR}/.ci/cmake/GoBuild.cmake
  BYPRODUCTS ${AWQ_LIBRARY} ${CMAKE_BINARY_DIR}/libawq.so
  COMMENT "Go: libawq.so.1"
  USES_TERMINAL VERBATIM)
add_dependencies(awq_go awq_cpu)

# build/include is what a consumer's include path sees, the same as after an install.
file(GLOB public_headers CONFIGURE_DEPENDS include/awq/*.h bindings/cpp/*.hpp include/dlpack/*.h)
set(copies)
foreach(header IN LISTS public_headers)
  get_filename_component(name ${header} NAME)
  set(folder awq)
  if(header MATCHES "/dlpack/")
    set(folder dlpack)
  endif()
  set(copy ${CMAKE_BINARY_DIR}/include/${folder}/${name})
  add_custom_command(OUTPUT ${copy} DEPENDS ${header} COMMAND ${CMAKE_COMMAND} -E copy ${header} ${copy} VERBATIM)
  list(APPEND copies ${copy})
endforeach()
add_custom_target(awq_headers ALL DEPENDS ${copies})

# For projects that add this tree as a subdirectory; find_package(awq) gives the same name.
add_library(awq SHARED IMPORTED GLOBAL)
set_target_properties(awq PROPERTIES IMPORTED_LOCATION ${AWQ_LIBRARY} IMPORTED_SONAME libawq.so.1)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
target_include_directories(awq INTERFACE ${CMAKE_BINARY_DIR}/include)
add_dependencies(awq awq_go awq_headers)
add_library(awq::awq ALIAS awq)

# The command: a C main of a few lines; the program itself lies in the library.
file(RELATIVE_PATH bin_to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
add_executable(awq_command bindings/cli/main.c)
target_compile_options(awq_command PRIVATE -Wall -Wextra -Wpedantic)
target_link_libraries(awq_command PRIVATE awq::awq)
set_target_properties(awq_command PROPERTIES
  OUTPUT_NAME awq
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
  BUILD_RPATH $ORIGIN
  BUILD_RPATH_USE_ORIGIN ON
  INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
