"""Gets the peers: a virtual environment and a build of ggml under build/peers. Each that fails is told in a sentence, and the others go on.

    make bench-peers

ggml comes from the source tree in llama-cpp-python's own source package: only that part is unpacked, and only its CPU back end is
built, for this machine, with ggml/shim.c over it. torch is not installed; one that Python has already is seen.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
PEERS = ROOT / "build/peers"
PYTHON = PEERS / "venv/bin/python"
PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet")
INSIDE = "/vendor/llama.cpp/ggml/"  # of the source package


class Failed(Exception):
    pass


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower()] or lines or ["no output"]
        raise Failed(f"{os.path.basename(command[0])} {' '.join(map(str, command[1:3]))}: {telling[-1][:300]}")


def chosen(spec):
    """`a==1|3.13:a==2` as .ci/tools.sh reads it: a==2 from Python 3.13 on."""
    for alternative in reversed(spec.split("|")):
        since, _, package = alternative.rpartition(":")
        if not since or sys.version_info >= tuple(map(int, since.split("."))):
            return package
    raise Failed(f"{spec} has nothing for Python {sys.version_info[0]}.{sys.version_info[1]}")


def environment():
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", "--system-site-packages", PEERS / "venv")


def wheels(specs):
    run(*PIP, "install", "--only-binary", ":all:", *map(chosen, specs.split()))


def unpack(package, target):
    """ggml's folder of the source package `package`, which is downloaded, as `target`."""
    downloads = PEERS / "download"
    shutil.rmtree(downloads, ignore_errors=True)
    run(*PIP, "download", "--no-deps", "--no-binary", package.split("==")[0], "--dest", downloads, package)
    archives = sorted(downloads.glob("*.tar.gz"))
    if len(archives) != 1:
        raise Failed(f"{package} came as {[a.name for a in downloads.iterdir()]}, not as one .tar.gz")
    shutil.rmtree(target, ignore_errors=True)
    with tarfile.open(archives[0]) as archive:
        for member in archive:
            _, found, path = member.name.partition(INSIDE)
            if found and member.isfile() and ".." not in path.split("/"):
                file = target / path
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.extractfile(member) as source, open(file, "wb") as out:
                    shutil.copyfileobj(source, out)
    if not (target / "CMakeLists.txt").exists():
        raise Failed(f"{archives[0].name} has no ggml below {INSIDE}")
    shutil.rmtree(downloads)


def ggml(package):
    source, build, version = PEERS / "ggml-source", PEERS / "ggml", PEERS / "ggml/version.txt"
    if not version.exists() or version.read_text() != package:
        shutil.rmtree(build, ignore_errors=True)
        unpack(package, source)
        run("cmake", "-S", HERE / "ggml", "-B", build, "-G", "Ninja", f"-DGGML_SOURCE={source}")
    run("cmake", "--build", build)
    version.write_text(package)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, text in (
        ("numpy", "what compare.py itself needs"),
        ("onnxruntime", "packages, with onnx to write models"),
        ("openvino", "the package"),
        ("ggml", "llama-cpp-python, the source package that has ggml in it"),
    ):
        parser.add_argument(f"--{name}", required=True, metavar="NAME==VERSION", help=text)
    options = parser.parse_args()
    PEERS.mkdir(parents=True, exist_ok=True)
    try:
        environment()
        wheels(options.numpy)
    except Failed as e:
        sys.exit(f"no Python environment for the peers: {e}")
    got = 0
    for name, step, specs in (
        ("onnxruntime", wheels, options.onnxruntime),
        ("openvino", wheels, options.openvino),
        ("ggml", ggml, options.ggml),
    ):
        print(f"{name}: {specs} ...", flush=True)
        try:
            step(specs)
            got += 1
        except (Failed, OSError, tarfile.TarError) as e:
            print(f"{name} could not be set up: {e}", flush=True)
    print(f"{got} of 3 peers in {os.path.relpath(PEERS, ROOT)}; `make bench-cpu` measures them")


if __name__ == "__main__":
    main()
