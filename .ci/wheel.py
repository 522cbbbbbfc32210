"""Writes dist/libawq-VERSION-py3-none-manylinux_2_XX_ARCH.whl, for this machine and for aarch64: the Python package with the
shared library in it.

The kernels and the C and Go code are those of the ordinary build; only the last link is done against the symbol versions of an
older glibc, which `zig cc` carries. For aarch64 it compiles everything (cmake/Arm64.cmake). The tag is what the linked file really
asks for. The same inputs give the same bytes.
"""

import base64
import hashlib
import importlib.util
import os
import pathlib
import platform
import re
import stat
import subprocess
import sys
import zipfile

import library

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OUT = BUILD / "wheel"
FLOOR = (2, 28)
LIMIT = 20_000_000
DATE = (1980, 1, 1, 0, 0, 0)


def version():
    text = (ROOT / "include/awq/awq.h").read_text()
    return ".".join(re.search(rf"#define AWQ_VERSION_{part} +(\d+)", text).group(1) for part in ("MAJOR", "MINOR", "PATCH"))


def cache_value(name):
    """A variable of the CMake build, so that both links use the same tools."""
    return re.search(rf"^{name}:[A-Z]+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE).group(1)


def zig():
    spec = importlib.util.find_spec("ziglang")
    if spec is None:
        sys.exit("the Python package ziglang is missing: run `make wheel`")
    return pathlib.Path(spec.origin).parent / "zig"


def linker():
    """A compiler driver that links against glibc FLOOR."""
    OUT.mkdir(parents=True, exist_ok=True)
    script = OUT / "link"
    target = f"{platform.machine()}-linux-gnu.{FLOOR[0]}.{FLOOR[1]}"
    script.write_text(f'#!/bin/sh\nexec "{zig()}" cc -target {target} "$@"\n')
    script.chmod(0o755)
    return script


def link():
    environment = dict(os.environ)
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", str(ROOT / ".cache/zig"))
    environment.setdefault("ZIG_LOCAL_CACHE_DIR", str(ROOT / ".cache/zig"))
    values = {
        "SOURCE": ROOT, "BINARY": BUILD, "OUT": OUT, "ARCHIVE": BUILD / "lib/libawq_cpu.a", "GO": cache_value("GO_EXECUTABLE"),
        "CC": cache_value("CMAKE_C_COMPILER"), "LINKER": linker(), "SANITIZE": 0,
    }  # fmt: skip
    definitions = [f"-D{name}={value}" for name, value in values.items()]
    subprocess.run(["cmake", *definitions, "-P", str(ROOT / ".ci/cmake/GoBuild.cmake")], check=True, env=environment)
    return checked(OUT / "libawq.so.1")


def cross():
    """The library for aarch64."""
    folder = BUILD / "arm64"
    options = ["-S", ROOT, "-B", folder, "-G", "Ninja", "--toolchain", ROOT / ".ci/cmake/Arm64.cmake", f"-DAWQ_ZIG={zig()}"]
    subprocess.run(["cmake", *options, "--log-level=WARNING"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "--target", "awq_go"], check=True, stdout=subprocess.DEVNULL)
    return checked(folder / "libawq.so.1")


def checked(path):
    found, fact = library.faults(path, FLOOR, ROOT / "capi/abi/awq.abi")
    print(fact)
    for fault in found:
        print(f"{path.name} {fault}", file=sys.stderr)
    if found:
        sys.exit(1)
    return path


def metadata(name):
    return f"""Metadata-Version: 2.4
Name: libawq
Version: {name}
Summary: 4-bit Activation-aware Weight Quantization (AWQ) and quantised linear layers on CPUs
License-Expression: Apache-2.0
License-File: LICENSE
License-File: NOTICE
Requires-Python: >=3.9
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: C++
Classifier: Programming Language :: Python :: 3
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

""" + (ROOT / "README.md").read_text("utf-8")


def write(shared, machine):
    name = version()
    major, minor = library.glibc(shared)
    tag = f"py3-none-manylinux_{major}_{minor}_{machine}"
    info = f"libawq-{name}.dist-info"
    content = {}
    package = ROOT / "bindings/python/libawq"
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".pyi") or path.name == "py.typed":
            content[f"libawq/{path.relative_to(package).as_posix()}"] = path.read_bytes()
    content["libawq/libawq.so.1"] = shared.read_bytes()
    for header in ("awq/awq.h", "dlpack/dlpack.h"):
        content[f"libawq/include/{header}"] = (ROOT / "include" / header).read_bytes()
    content[f"{info}/METADATA"] = metadata(name).encode()
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: libawq\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    content[f"{info}/entry_points.txt"] = b"[console_scripts]\nawq = libawq.__main__:main\n"
    content[f"{info}/top_level.txt"] = b"libawq\n"
    for text in ("LICENSE", "NOTICE"):
        content[f"{info}/licenses/{text}"] = (ROOT / text).read_bytes()

    def digest(data):
        return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

    record = [f"{path},sha256={digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()

    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    for old in dist.glob(f"libawq-{name}-*_{machine}.whl"):
        old.unlink()
    wheel = dist / f"libawq-{name}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, data in content.items():
            entry = zipfile.ZipInfo(path, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if path.endswith(".so.1") else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, data)
    size = wheel.stat().st_size
    print(f"dist/{wheel.name}: {size / 1e6:.1f} MB")
    if size > LIMIT:
        sys.exit(f"{wheel.name} has {size} bytes, at most {LIMIT} are allowed")


if __name__ == "__main__":
    write(link(), platform.machine())
    if platform.machine() != "aarch64":
        write(cross(), "aarch64")
