"""Runs every test of the tree, or the steps that are named, and counts them.

    .ci/tools.sh --need ... python .ci/test.py [--fuzz-count N] [STEP...]

Each step prints one line with what it counted; the first failure stops the run and prints the failing tool's output. The last
line is "N passed, N failed". The numbers are those of the runners: Go tests, CTest programs, the checks that the ABI programs
print, Python tests, fuzz targets.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
WORK = BUILD / "test"
EXAMPLES = ROOT / "bindings/examples"
SOURCES = ("capi", "quant", "kernels", "bindings", "include")
TAIL = 120  # lines of a failing tool's output


class Failure(Exception):
    """A failed step: what was counted up to there, and what to show."""

    def __init__(self, text, passed=0, failed=1):
        super().__init__(text)
        self.passed, self.failed = passed, failed


def run(*command, cwd=ROOT, env=None, check=True, timeout=1500, stdin=None):
    """Runs a command quietly; its output comes back, and is shown when it fails."""
    words = [str(c) for c in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env={**os.environ, **(env or {})}, text=True, errors="replace", timeout=timeout,
            stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        raise Failure(f"{' '.join(words)}\n{output}\nstill running after {timeout} s") from None
    if check and done.returncode:
        raise Failure(f"{' '.join(words)}\n{done.stdout}\nexit code {done.returncode}")
    return done.stdout if check else done


def cgo(folder=BUILD):
    """Flags that the library was built with: Go's cache would not notice a new archive or header otherwise."""
    return dict(line.split("=", 1) for line in (folder / "go/cgo.env").read_text().splitlines())


def native(folder=BUILD):
    return {**cgo(folder), "CGO_ENABLED": "1"}


# ---- Go -------------------------------------------------------------------------------------------------------------------


def go_test(*arguments, env=None, timeout=1500):
    """(passed, skipped) of `go test -json`; tests that only hold subtests are not counted."""
    words = ["go", "test", "-json", *arguments]
    done = run(*words, env=env, check=False, timeout=timeout)
    state, output, build = {}, {}, []
    for line in done.stdout.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            build.append(line)
            continue
        key = (event.get("Package") or event.get("ImportPath", ""), event.get("Test", ""))
        if event["Action"] in ("output", "build-output"):
            output.setdefault(key, []).append(event["Output"])
        elif event["Action"] in ("pass", "fail", "skip", "build-fail"):
            state[key] = event["Action"]
    tests = {key: action for key, action in state.items() if key[1]}
    parents = {(package, name[: i.start()]) for package, name in tests for i in re.finditer("/", name)}
    leaves = {key: action for key, action in tests.items() if key not in parents}
    passed = sum(action == "pass" for action in leaves.values())
    failed = [key for key, action in state.items() if "fail" in action]
    if done.returncode or failed:
        shown = [key for key in failed if key[1]] or failed
        text = "".join(build_line + "\n" for build_line in build[-TAIL:])
        text += "".join(f"--- {package} {name}\n{''.join(output.get((package, name), []))}" for package, name in shown)
        raise Failure(f"{' '.join(words)}\n{text}", passed, max(1, sum(key in leaves for key in failed)))
    return passed, sum(action == "skip" for action in leaves.values())


def step_go(_):
    """Go tests without cgo: what a machine with Go alone runs"""
    return go_test("./...", env={"CGO_ENABLED": "0"})


def step_native(_):
    """Go tests with the native kernels"""
    return go_test("-tags", "native", "./...", env=native())


def step_race(_):
    """Go tests under the race detector"""
    return go_test("-race", "-tags", "native", "./...", env=native(), timeout=3600)


def instruction_sets():
    """What this machine can be forced to, worst first."""
    devices = json.loads(run(BUILD / "awq", "devices", "--json"))
    found = [d["name"][len("cpu/") :] for d in devices if d["name"].startswith("cpu/") and d["available"]][::-1]
    if found[:1] != ["scalar"]:
        raise Failure(f"awq devices lists no scalar kernels: {devices}")
    return found


def step_conformance(_):
    """Conformance of each instruction set, forced one by one"""
    passed = skipped = 0
    for isa in instruction_sets():
        p, s = go_test("-tags", "native", "-count=1", "-run", "Conformance", "./kernels/native", env={**native(), "AWQ_FORCE_ISA": isa})
        passed, skipped = passed + p, skipped + s
    return passed, skipped


def fuzz_targets():
    listing = run("go", "test", "-list", "^Fuzz", "./...", env={"CGO_ENABLED": "0"})
    names = []
    for line in listing.splitlines():
        if line.startswith("Fuzz"):
            names.append(line.strip())
        elif line.startswith("ok"):
            package = line.split()[1]
            yield from ((package, name) for name in names)
            names = []


def step_fuzz(options):
    """Fuzz targets, by count"""
    passed = 0
    for package, name in list(fuzz_targets()):
        with counted(passed):
            run("go", "test", "-run", "^$", "-fuzz", f"^{name}$", "-fuzztime", f"{options.fuzz_count}x", "-parallel", "2", package, timeout=900)
        passed += 1
    if not passed:
        raise Failure("no fuzz target was found")
    return passed, 0


@contextlib.contextmanager
def counted(passed):
    """Adds what has passed so far to a failure."""
    try:
        yield
    except Failure as f:
        f.passed += passed
        raise


# ---- lint -----------------------------------------------------------------------------------------------------------------


def files(*patterns):
    out = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns).split("\n")
    return [name for name in out if name and (ROOT / name).is_file()]


def staticcheck():
    """The pinned linter, built once into .cache."""
    pinned = os.environ["STATICCHECK"]
    folder = ROOT / ".cache" / ("staticcheck-" + pinned.rpartition("@")[2])
    program = folder / "staticcheck"
    if not program.exists():
        run("go", "install", pinned, cwd="/", env={"GOBIN": str(folder), "GOFLAGS": "", "CGO_ENABLED": "0"})
    return program


def step_lint(_):
    """gofmt, vet, staticcheck, ruff, clang-format"""
    unformatted = run("gofmt", "-l", "capi", "quant", "kernels", "bindings")
    if unformatted:
        raise Failure(f"gofmt would change:\n{unformatted}")
    passed = 1
    with counted(passed):
        run("go", "vet", "./...", env={"CGO_ENABLED": "0"})
        run("go", "vet", "-tags", "native", "./...", env=native())
    passed += 2
    with counted(passed):
        run(staticcheck(), "./...", env={"CGO_ENABLED": "0"})
        run(staticcheck(), "-tags", "native", "./...", env=native())
    passed += 2
    with counted(passed):
        run("ruff", "check", "--no-cache", "--config", ".ci/ruff.toml", *files("*.py"))
    passed += 1
    with counted(passed):
        run("clang-format", "--dry-run", "-Werror", *files("*.c", "*.h", "*.cpp", "*.hpp"))
    passed += 1
    return passed, 0


# ---- C and C++ --------------------------------------------------------------------------------------------------------------


def configure(folder, **options):
    definitions = [f"-D{name}={value}" for name, value in options.items()]
    run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *definitions)


def ctest(folder):
    done = run("ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error", check=False)
    found = re.search(r"(\d+)% tests passed, (\d+) tests failed out of (\d+)", done.stdout)
    if done.returncode or not found:
        failed = int(found.group(2)) if found else 1
        raise Failure(done.stdout, int(found.group(3)) - failed if found else 0, max(1, failed))
    return int(found.group(3))


def step_kernels(_):
    """Kernel tests in C++ (CTest)"""
    configure(BUILD, AWQ_TESTS="ON")
    try:
        run("cmake", "--build", BUILD)
        return ctest(BUILD), 0
    finally:
        configure(BUILD, AWQ_TESTS="OFF")  # so that a plain `make` builds the library alone again


def step_library(_):
    """What the library exports and needs; the header as C11 and C++17"""
    print("  " + run(sys.executable, ".ci/library.py", "build/libawq.so.1", "--symbols", "capi/abi/awq.abi").strip())
    passed = 1
    WORK.mkdir(parents=True, exist_ok=True)
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", BUILD / "include"]
    for name, compiler in (("twice.c", ["cc", "-std=c11"]), ("twice.cpp", ["c++", "-std=c++17"])):
        source = WORK / name
        source.write_text('#include "awq/awq.h"\n#include "awq/awq.h"\n' + ('#include "awq/awq.hpp"\n' * 2 if "cpp" in name else ""))
        with counted(passed):
            run(*compiler, *strict, source)
        passed += 1
    return passed, 0


def closing_line(output):
    """The sum of the "N passed, N failed" lines of a program."""
    lines = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", output, re.MULTILINE)
    if not lines:
        raise Failure(f"no closing line:\n{output}")
    return tuple(sum(int(line[i] or 0) for line in lines) for i in range(3))


def program(*command, **options):
    """A test program that prints its own closing line."""
    done = run(*command, check=False, **options)
    passed, failed, skipped = closing_line(done.stdout) if "passed" in done.stdout else (0, 1, 0)
    if done.returncode or failed:
        raise Failure(f"{' '.join(map(str, command))}\n{done.stdout}\nexit code {done.returncode}", passed, max(1, failed))
    return passed, skipped


PYTHONPATH = {"PYTHONPATH": str(ROOT / "bindings/python")}


def step_abi(_):
    """ABI: golden file, and programs in C and C++; the shared cases with each instruction set"""
    run(sys.executable, "capi/abi/generate.py")
    with counted(1):
        passed, skipped = program(sys.executable, "capi/abi/run.py", "--build", BUILD)
    passed += 1
    for isa in instruction_sets()[:-1]:
        with counted(passed):
            p, s = program(sys.executable, "capi/abi/run.py", "--build", BUILD, "--only", "cases, C11", env={"AWQ_FORCE_ISA": isa})
        passed, skipped = passed + p, skipped + s
    return passed, skipped


def unittests(folder, env=None):
    """(passed, skipped) of a folder of test_*.py files, run by Python's own unittest."""
    done = run(sys.executable, "-m", "unittest", "discover", "-s", folder, "-t", folder, env=env, check=False)
    ran = re.search(r"^Ran (\d+) tests? in", done.stdout, re.MULTILINE)
    count = {what: int(number) for what, number in re.findall(r"(failures|errors|skipped)=(\d+)", done.stdout.strip().splitlines()[-1])}
    bad, skipped = count.get("failures", 0) + count.get("errors", 0), count.get("skipped", 0)
    tests = int(ran.group(1)) if ran else 0
    if done.returncode or not tests:
        raise Failure(done.stdout, max(0, tests - bad - skipped), max(1, bad))
    return tests - skipped, skipped


def step_python(_):
    """Python binding"""
    return unittests("bindings/python/tests", env=PYTHONPATH)


def step_command(_):
    """The command line"""
    return unittests("capi/command/tests", env={"AWQ": str(BUILD / "awq")})


# ---- consumers --------------------------------------------------------------------------------------------------------------


def fixture():
    """Tiny model folders: a quantised one in model/, a float one in float/."""
    folder = WORK / "fixture"
    if not (folder / "text.jsonl").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(sys.executable, ROOT / "capi/abi/fixture.py", folder)
    return folder


MODULE = "model.layers.0.self_attn.o_proj"


def same_lines(outputs):
    """All programs print the same line and call it good."""
    if len(set(outputs.values())) != 1:
        raise Failure("the programs differ:\n" + "\n".join(f"{who}: {line}" for who, line in outputs.items()))


def build_examples(folder, prefix):
    """Builds bindings/examples as a stranger would, against an installed or built library; returns the folder of programs."""
    shutil.rmtree(folder, ignore_errors=True)
    run("cmake", "-S", EXAMPLES, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", folder)
    return folder


def step_examples(_):
    """Installed, moved, and used from C (CMake, pkg-config), C++ and Python"""
    model = fixture() / "model"
    prefix, moved = WORK / "prefix", WORK / "moved"
    shutil.rmtree(prefix, ignore_errors=True)
    shutil.rmtree(moved, ignore_errors=True)
    run("cmake", "--install", BUILD, "--prefix", prefix)
    prefix.rename(moved)
    outputs = {"awq": None}
    run(moved / "bin/awq", "version")
    del outputs["awq"]
    passed, skipped = 1, 0
    for name, root in (("installed", moved), ("built", BUILD)):
        with counted(passed):
            programs = build_examples(WORK / f"examples-{name}", root)
            for language in ("c", "cpp"):
                outputs[f"{name}, {language}"] = run(programs / f"linear_{language}", model, MODULE)
        passed += 2
    if shutil.which("pkg-config"):
        with counted(passed):
            search = {"PKG_CONFIG_PATH": str(next(moved.glob("lib*/**/pkgconfig")))}
            flags = run("pkg-config", "--cflags", "--libs", "awq", env=search).split()
            out = WORK / "linear-pkg-config"
            run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", EXAMPLES / "linear.c", *flags, "-lm", "-o", out)
            library = next(moved.glob("lib*/**/libawq.so.1")).parent
            outputs["pkg-config, c"] = run(out, model, MODULE, env={"LD_LIBRARY_PATH": str(library)})
        passed += 1
    else:
        skipped += 1
    with counted(passed):
        outputs["python"] = run(sys.executable, EXAMPLES / "linear.py", model, MODULE, env=PYTHONPATH)
        same_lines(outputs)
    return passed + 1, skipped


def step_wheel(_):
    """The wheel, installed into an empty venv and used"""
    print("  " + run(sys.executable, ".ci/wheel.py").strip().replace("\n", "\n  "))
    machine = platform.machine()
    (wheel,) = (ROOT / "dist").glob(f"libawq-*_{machine}.whl")
    venv = WORK / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", wheel)
    passed = 1
    home = WORK / "elsewhere"
    home.mkdir(exist_ok=True)
    clean = {"PYTHONPATH": "", "LIBAWQ_PATH": "", "LD_LIBRARY_PATH": "", "cwd": home}
    clean.pop("cwd")
    with counted(passed):
        where = run(venv / "bin/python", "-I", "-c", "import libawq; print(libawq.__file__)", cwd=home, env=clean)
        if str(venv) not in where:
            raise Failure(f"libawq was imported from {where}")
        listed = run(venv / "bin/python", "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check", cwd=home, env=clean)
        extra = {line.split("==")[0] for line in listed.splitlines()} - {"pip", "setuptools", "libawq"}
        if extra:
            raise Failure(f"the wheel brought {extra}")
    passed += 2
    with counted(passed):
        command = run(venv / "bin/awq", "version", cwd=home, env=clean)
        if command != run(venv / "bin/python", "-m", "libawq", "version", cwd=home, env=clean) or command != run(BUILD / "awq", "version"):
            raise Failure(f"the wheel's awq says {command}")
    passed += 1
    with counted(passed):
        model = fixture() / "model"
        ours = run(sys.executable, EXAMPLES / "linear.py", model, MODULE, env=PYTHONPATH)
        theirs = run(venv / "bin/python", EXAMPLES / "linear.py", model, MODULE, cwd=home, env=clean)
        same_lines({"built": ours, "wheel": theirs})
        quantised = WORK / "wheel-quantised"
        shutil.rmtree(quantised, ignore_errors=True)
        run(venv / "bin/awq", "quantize", fixture() / "float", quantised, "--group-size", "32", "--method", "rtn", cwd=home, env=clean)
        if not (quantised / "config.json").exists():
            raise Failure("the wheel's awq quantize wrote nothing")
    passed += 2
    for foreign in (ROOT / "dist").glob("libawq-*.whl"):  # another machine's unpacks there
        if foreign == wheel:
            continue
        target = WORK / "wheel-foreign"
        shutil.rmtree(target, ignore_errors=True)
        tag = foreign.stem.rpartition("-")[2]
        with counted(passed):
            pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
            run(*pip, "--only-binary", ":all:", "--platform", tag, "--target", target, foreign)
            if not (target / "libawq/libawq.so.1").exists():
                raise Failure(f"{foreign.name} holds no library")
        passed += 1
    return passed, 0


def step_readme(_):
    """The README's programs, compiled and run as they stand"""
    return program(sys.executable, ".ci/readme.py", "--model", fixture())


# ---- another machine --------------------------------------------------------------------------------------------------------

ARM64 = BUILD / "arm64"
# Emulated CPUs and the instruction sets that are tested there, the first of which each must offer as its best.
ARM64_CPUS = {"cortex-a53": ["neon"], "cortex-a76": ["neondot"], "max": ["neonbf16", "neoni8mm"]}


def emulator():
    """The words before an arm64 program, or nothing and a sentence."""
    program = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if not program:
        return None, "no qemu-aarch64: nothing was run (Debian, Ubuntu: apt-get install qemu-user-static)"
    for root in (os.environ.get("QEMU_LD_PREFIX"), "/usr/aarch64-linux-gnu", "/"):
        if root and pathlib.Path(root, "lib/ld-linux-aarch64.so.1").exists():
            return [program, "-L", root], ""
    return None, "no C library of arm64: nothing was run (Debian, Ubuntu: apt-get install libc6-arm64-cross)"


def step_arm64(_):
    """64-bit ARM: cross-compiled; kernels, conformance and command under qemu's CPUs"""
    zig = pathlib.Path(importlib.util.find_spec("ziglang").origin).parent / "zig"
    run("cmake", "--toolchain", ".ci/cmake/Arm64.cmake", "-S", ROOT, "-B", ARM64, "-G", "Ninja", f"-DAWQ_ZIG={zig}", "-DAWQ_TESTS=ON")
    run("cmake", "--build", ARM64)
    with counted(1):
        print("  " + run(sys.executable, ".ci/library.py", ARM64 / "libawq.so.1", "--floor", "2.17", "--symbols", "capi/abi/awq.abi").strip())
    passed = 2
    words, why = emulator()
    if not words:
        print(f"  {why}")
        return passed, sum(1 + 2 * len(isas) for isas in ARM64_CPUS.values()) + 3
    tests = ARM64 / "kernels/cpu/test"
    skipped, what = 0, ""
    for cpu, isas in ARM64_CPUS.items():
        on = [*words, "-cpu", cpu]
        with counted(passed):
            devices = json.loads(run(*on, ARM64 / "awq", "devices", "--json"))
            best = next(d["name"] for d in devices if d["available"])
            if best != f"cpu/{isas[0]}":
                raise Failure(f"the best of {cpu} is {best}, not cpu/{isas[0]}")
        passed += 1
        for isa in isas:
            with counted(passed):
                print(f"  {cpu}, {isa}: {run(*on, tests / 'ops_test', isa).splitlines()[-1]}", flush=True)
            passed += 1
            with counted(passed):
                only = f"Conformance/isa={isa}/threads=2$" + what
                p, s = go_test("-tags", "native", "-vet=off", "-exec", " ".join(on), "-run", only, "./kernels/native", env=native(ARM64))
            passed, skipped, what = passed + p, skipped + s, "/linear$"  # the sets differ in the linear alone
    for test in ("check_test", "pool_test"):
        with counted(passed):
            run(*on, tests / test)
        passed += 1
    with counted(passed):
        made = {}
        for who, command in (("native", [BUILD / "awq"]), ("arm64", [*on, ARM64 / "awq"])):
            out = WORK / f"quantised-{who}"
            shutil.rmtree(out, ignore_errors=True)
            run(*command, "quantize", fixture() / "float", out, "--group-size", "32", "--method", "rtn")
            made[who] = {path.name: path.read_bytes() for path in out.iterdir()}
        if made["native"] != made["arm64"]:
            raise Failure("a model quantised under qemu has other bytes")
    return passed + 1, skipped


# ---- sanitizers -------------------------------------------------------------------------------------------------------------


def step_asan(_):
    """C parts and library under AddressSanitizer and UBSan"""
    folder = BUILD / "asan"
    configure(folder, AWQ_SANITIZE="ON", AWQ_TESTS="ON", CMAKE_BUILD_TYPE="RelWithDebInfo")
    run("cmake", "--build", folder)
    passed = ctest(folder)
    with counted(passed):
        more, skipped = program(sys.executable, "capi/abi/run.py", "--build", folder, "--asan")
    return passed + more, skipped


ALL = ("lint", "go", "native", "kernels", "conformance", "library", "abi", "python", "command", "examples", "wheel", "arm64", "readme", "asan", "fuzz")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzz-count", type=int, default=3000, help="inputs for each fuzz target")
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join((*ALL, 'race'))}; default: all but race")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores Ctrl-C, and the tests would inherit that
    WORK.mkdir(parents=True, exist_ok=True)
    passed = failed = skipped = 0
    begin = time.monotonic()
    for name in options.steps or ALL:
        step = globals().get(f"step_{name}")
        if step is None:
            parser.error(f"no step {name}")
        print(f"{name}: {step.__doc__}", flush=True)
        start = time.monotonic()
        try:
            p, s = step(options)
        except Failure as failure:
            lines = str(failure).splitlines()
            print("\n".join(lines[:20] + ["..."] + lines[-TAIL:] if len(lines) > TAIL + 20 else lines))
            passed, failed = passed + failure.passed, failed + failure.failed
            print(f"{name}: FAILED after {time.monotonic() - start:.0f} s")
            break
        passed, skipped = passed + p, skipped + s
        print(f"  {p} passed{f', {s} skipped' if s else ''} in {time.monotonic() - start:.0f} s", flush=True)
    print(f"{time.monotonic() - begin:.0f} s in all{f', {skipped} skipped' if skipped else ''}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
