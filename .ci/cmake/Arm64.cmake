# Toolchain for 64-bit ARM Linux out of the Python package ziglang, which carries compiler, C library and linker for it:
#   cmake --toolchain .ci/cmake/Arm64.cmake -S . -B build/arm64
# What it builds runs on every glibc from 2.17 on, the first for this CPU.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AWQ_ZIG)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a program would first build the C++ library, which the tests alone need

get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
file(GLOB venv_zig ${root}/.venv/lib/python3*/site-packages/ziglang)
find_program(AWQ_ZIG zig HINTS ${venv_zig} REQUIRED)

# One word each, as Go and CMake like a compiler best.
set(tools ${root}/.cache/arm64)
set(caches ": \"\${ZIG_GLOBAL_CACHE_DIR:=${root}/.cache/zig}\" \"\${ZIG_LOCAL_CACHE_DIR:=${root}/.cache/zig}\"
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR")
foreach(tool cc c++ ar ranlib)
  set(target)
  if(tool MATCHES "^c")
    set(target "-target aarch64-linux-gnu.2.17 ")
  endif()
  file(CONFIGURE OUTPUT ${tools}/${tool} CONTENT "#!/bin/sh\n${caches}\nexec '${AWQ_ZIG}' ${tool} ${target}\"$@\"\n" @ONLY)
  file(CHMOD ${tools}/${tool} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endforeach()
set(CMAKE_C_COMPILER ${tools}/cc)
set(CMAKE_CXX_COMPILER ${tools}/c++)
set(CMAKE_AR ${tools}/ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${tools}/ranlib CACHE FILEPATH "")
