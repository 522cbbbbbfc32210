"""Checks a built libawq.so.1: what it exports, names, needs and costs its host.

    python .ci/library.py build/libawq.so.1 [--floor 2.34] [--symbols capi/abi/awq.abi]

Prints one line of facts; every fault is a line on stderr and exit code 1.
"""

import argparse
import pathlib
import re
import subprocess
import sys

SONAME = "libawq.so.1"
NEEDED = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
TLS_LIMIT = 16  # bytes: more may not fit into what glibc keeps for libraries that are loaded late


def readelf(*arguments):
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    return subprocess.run(["readelf", "-W", *arguments], check=True, capture_output=True, text=True, env=environment).stdout


def glibc(path):
    """Highest version of a glibc symbol that the file asks for, as (major, minor)."""
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"\bGLIBC_([0-9.]+)", readelf("--version-info", str(path)))}
    return max(versions)[:2]


def exported(path):
    names = set()
    for line in readelf("--dyn-syms", str(path)).splitlines():
        field = line.split()
        if len(field) == 8 and field[4] in ("GLOBAL", "WEAK") and field[6] != "UND":
            names.add(field[7].split("@")[0])
    return names - {"AWQ_1"}


def faults(path, floor=None, symbols=None):
    found = []
    dynamic = readelf("--dynamic", str(path))
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    if needed - NEEDED:
        found.append(f"needs {', '.join(sorted(needed - NEEDED))}")
    soname = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
    if soname != [SONAME]:
        found.append(f"its SONAME is {soname}, not {SONAME}")
    if "BIND_NOW" not in dynamic and "NOW" not in dynamic:
        found.append("is not linked with -z now")
    if re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic):
        found.append("has an RPATH or text relocations")
    segments = readelf("--program-headers", str(path))
    if "GNU_RELRO" not in segments:
        found.append("is not linked with -z relro")
    if re.search(r"GNU_STACK .* RWE ", segments):
        found.append("asks for an executable stack")
    tls = sum(int(line.split()[5], 16) for line in segments.splitlines() if line.split()[:1] == ["TLS"])
    limit = TLS_LIMIT + (8 if "AArch64" in readelf("--file-header", str(path)) else 0)  # Go's runtime has two words there
    if tls > limit:
        found.append(f"{tls} bytes of thread-local storage, at most {limit} are allowed")
    names = exported(path)
    foreign = sorted(n for n in names if not n.startswith("awq_"))
    if foreign:
        found.append(f"exports {', '.join(foreign)}")
    version = glibc(path)
    if floor and version > floor:
        found.append(f"asks for glibc {version[0]}.{version[1]}, newer than {floor[0]}.{floor[1]}")
    if symbols:
        golden = set(re.findall(r"^(?:symbol|function) (awq_\w+)", pathlib.Path(symbols).read_text(), re.MULTILINE))
        if not golden:
            found.append(f"{symbols} lists no symbols")
        for name in sorted(golden - names):
            found.append(f"lacks {name}, which {symbols} promises")
        for name in sorted(names - golden):
            found.append(f"exports {name}, which {symbols} does not know")
    size = path.stat().st_size
    fact = (
        f"{path.name}: {size / 1e6:.1f} MB, {len(names)} symbols, glibc {version[0]}.{version[1]}, "
        f"{tls} bytes of TLS, needs {' '.join(sorted(needed))}"
    )
    return found, fact


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--floor", type=lambda v: tuple(map(int, v.split("."))), help="newest glibc that it may ask for")
    parser.add_argument("--symbols", help="golden file with the exported functions")
    arguments = parser.parse_args()
    found, fact = faults(arguments.library, arguments.floor, arguments.symbols)
    print(fact)
    for fault in found:
        print(f"{arguments.library.name} {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
