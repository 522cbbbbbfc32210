"""Runs every generator of committed files, each with the packages that it names, and says what changed.

    .ci/tools.sh --need ... python .ci/gen.py

A generator that needs packages names them in a line `pip install NAME==VERSION ...` of its opening comment; it gets a venv of its
own under .cache.
"""

import hashlib
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def interpreter(packages):
    """A Python that has the packages."""
    if not packages:
        return sys.executable
    folder = ROOT / ".cache" / ("gen-" + hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12])
    python = folder / "bin/python"
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
        (folder / "done").touch()
    return python


def generators():
    """Scripts of testdata folders, and the ABI's; the latter first, since others may read its results."""
    yield [ROOT / "capi/abi/generate.py", "--write"]
    for pattern in ("generate.py", "make_*.py"):
        for place in ("quant", "kernels", "bindings"):
            for path in sorted((ROOT / place).glob(f"**/testdata/{pattern}")):
                yield [path]


def main():
    for command in generators():
        text = command[0].read_text("utf-8")
        packages = sorted(set(re.findall(r"\b[\w.-]+==[\w.]+", text.split('"""')[1] if '"""' in text else "")))
        print(command[0].relative_to(ROOT), *packages, flush=True)
        subprocess.run([interpreter(packages), *command], check=True, cwd=command[0].parent)
    changed = subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    print(changed or "nothing changed", end="" if changed else "\n")


if __name__ == "__main__":
    main()
