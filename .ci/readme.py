"""Compiles and runs the README's programs as they stand there.

    python .ci/readme.py --model DIR

Every fenced block marked c, cpp, python or go must be a whole program. It runs in a folder where `model` is a float model,
`model-awq` a quantised one with the linear model.layers.0.self_attn.o_proj, and text.jsonl a calibration text. Blocks marked
console hold shell lines behind `$ ` that run there, too, with awq on PATH. Other blocks (sh, text, none) are not run.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


def blocks(text):
    for found in re.finditer(r"^```(\w+)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: found.start()].count("\n") + 1, found.group(1), found.group(2)


def cgo_flags():
    return dict(line.split("=", 1) for line in (BUILD / "go/cgo.env").read_text().splitlines())


def commands(language, source, folder):
    """What compiles and runs a block; None if its kind is not run."""
    include, link = ["-I", str(BUILD / "include")], ["-L", str(BUILD), "-lawq", f"-Wl,-rpath,{BUILD}", "-lm"]
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    name = {"c": "main.c", "cpp": "main.cpp", "python": "main.py", "go": "main.go"}.get(language)
    if language == "console":
        return [["sh", "-ec", line[2:]] for line in source.splitlines() if line.startswith("$ ")]
    if name is None:
        return None
    path = folder / name
    path.write_text(source)
    if language == "c":
        return [["cc", "-std=c11", *strict, *include, str(path), *link, "-o", str(folder / "main-c")], [str(folder / "main-c")]]
    if language == "cpp":
        return [["c++", "-std=c++17", *strict, *include, str(path), *link, "-o", str(folder / "main-cpp")], [str(folder / "main-cpp")]]
    if language == "python":
        return [[sys.executable, str(path)]]
    out = str(folder / "main-go")
    return [["go", "build", "-C", str(ROOT), "-tags", "native", "-o", out, str(path)], [out]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="folder made by capi/abi/fixture.py")
    arguments = parser.parse_args()
    readme = next(p for p in (ROOT / "README.md", ROOT / "README") if p.exists())
    environment = {**os.environ, **cgo_flags(), "CGO_ENABLED": "1", "PYTHONPATH": str(ROOT / "bindings/python")}
    environment["PATH"] = f"{BUILD}:{environment['PATH']}"
    passed = failed = 0
    for line, language, source in blocks(readme.read_text("utf-8")):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            shutil.copytree(arguments.model / "float", folder / "model")
            shutil.copytree(arguments.model / "model", folder / "model-awq")
            shutil.copy(arguments.model / "text.jsonl", folder / "text.jsonl")
            todo = commands(language, source, folder)
            if todo is None:
                continue
            for command in todo:
                done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
                if done.returncode:
                    print(f"{readme.name}:{line}: {language}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
                    failed += 1
                    break
            else:
                passed += 1
    if not passed + failed:
        print(f"{readme.name} holds no program")
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
