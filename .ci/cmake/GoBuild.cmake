# Runs `go build` for libawq.so.1: a script that AwqLibrary.cmake and .ci/wheel.py call. Inputs: SOURCE (the tree), BINARY (the
# build folder), ARCHIVE (the kernels), OUT (where the library goes), GO, CC, SANITIZE (0 or 1), GOARCH (of another machine) and
# LINKER (what links in CC's place), if not empty. The library is replaced only when its bytes changed, so nothing behind it is rebuilt for nothing.
include(${CMAKE_CURRENT_LIST_DIR}/NativeHash.cmake)
awq_native_hash(${SOURCE} ${ARCHIVE} hash)

set(ENV{GOTOOLCHAIN} local)
set(ENV{CGO_ENABLED} 1)
set(ENV{CC} ${CC})
set(go_env "")
if(GOARCH)
  set(ENV{GOOS} linux)
  set(ENV{GOARCH} ${GOARCH})
  set(go_env "CC=${CC}\nGOOS=linux\nGOARCH=${GOARCH}\n")
endif()
set(ENV{CGO_CFLAGS} "-O2 -g -DAWQ_NATIVE_SHA=0x${hash}")
# The archive of this build folder comes before the one in build/lib that the package itself names.
set(ENV{CGO_LDFLAGS} "-O2 -g \"-L${BINARY}/lib\"")

set(link "-Wl,--version-script=${SOURCE}/capi/awq.map" -Wl,-soname,libawq.so.1 -Wl,-z,relro,-z,now -Wl,--no-undefined)
if(SANITIZE)
  set(ENV{CGO_CFLAGS} "$ENV{CGO_CFLAGS} -fsanitize=undefined -fno-sanitize-recover=all")
  set(ENV{CGO_LDFLAGS} "$ENV{CGO_LDFLAGS} -fsanitize=address,undefined")
  set(mode -asan)
  # The sanitizer's runtime comes with the program that loads the library.
  list(REMOVE_ITEM link -Wl,--no-undefined)
  set(strip "")
else()
  set(mode)
  set(strip "-s -w ")
endif()
list(JOIN link "\" \"" link)
set(ldflags "${strip}-extldflags '\"${link}\"'")
if(LINKER)
  string(PREPEND ldflags "-extld='${LINKER}' ")
endif()

execute_process(
  COMMAND ${GO} build -tags native -buildmode=c-shared -trimpath -buildvcs=false ${mode} -ldflags=${ldflags}
          -o ${OUT}/go/libawq.so.1 ./capi
  WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "go build ./capi failed")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}/go/libawq.so.1 ${OUT}/libawq.so.1 COMMAND_ERROR_IS_FATAL ANY)
if(NOT IS_SYMLINK ${OUT}/libawq.so)
  file(CREATE_LINK libawq.so.1 ${OUT}/libawq.so SYMBOLIC)
endif()
# Tests of native packages need the same flags.
file(WRITE ${BINARY}/go/cgo.env "CGO_CFLAGS=$ENV{CGO_CFLAGS}\nCGO_LDFLAGS=$ENV{CGO_LDFLAGS}\n${go_env}")
