#!/usr/bin/env python3
"""Proves the ABI of a built library from C and C++: compiles the programs of this folder against it and runs them.

    capi/abi/run.py --build build [--cc gcc] [--cxx g++] [--asan] [--only NAME]

--asan compiles the programs with AddressSanitizer and UBSan (the library may be built so too). The last line is
"N passed, N failed", or "N passed, N failed, N skipped"; the exit code is 0 if nothing failed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import callgraph  # noqa: E402
import fixture  # noqa: E402
import generate  # noqa: E402
import header  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# name, source, more flags, seconds, loads the library itself
PROGRAMS = [
    ("check_header, C11", "check_header.c", [], 30, False),
    ("check_header, C++17", "check_header.cpp", [], 30, False),
    ("cases, C11", "cases.c", [], 300, False),
    ("cases, C++17", "cases.cpp", [], 300, False),
    ("hpp, C++17", "hpp.cpp", [], 120, False),
    ("hpp, C++17 without RTTI", "hpp.cpp", ["-fno-rtti"], 120, False),
    ("many", "many.c", [], 120, False),
    ("alloc", "alloc.c", [], 120, False),
    ("threads", "threads.c", [], 120, False),
    ("latency", "latency.c", [], 120, False),
    ("late", "late.c", [], 60, True),
    ("signals", "signals.c", [], 60, True),
    ("fork", "fork.c", [], 300, False),
]
NOT_ASAN = {
    "alloc": "it replaces malloc, and so does AddressSanitizer",
    "latency": "times mean nothing there",
}
STOPS = 3.0  # a second is promised on a machine that is not busy
NEEDED = re.compile(r"(libc|libm|libpthread|libdl|ld-linux[-\w]*)\.so\.\d+")


class Run:
    def __init__(self, args: argparse.Namespace, work: Path) -> None:
        self.build, self.work, self.asan = args.build.resolve(), work, args.asan
        self.cc, self.cxx, self.only = args.cc, args.cxx, args.only
        self.library = self.build / "libawq.so"
        self.fixture = work / "fixture"
        self.passed = self.failed = self.skipped = 0
        self.env = dict(os.environ, LD_LIBRARY_PATH=str(self.build), LIBAWQ_PATH=str(self.library))
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0")
        self.env["PYTHONPATH"] = str(header.ROOT / "bindings" / "python")

    def check(self, name: str, ok: bool, why: str = "") -> None:
        if ok:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {name}{': ' + why if why else ''}", flush=True)

    def skip(self, name: str, why: str) -> None:
        self.skipped += 1
        print(f"{name}: skipped: {why}", flush=True)

    def wanted(self, name: str) -> bool:
        return not self.only or self.only in name

    def compile(self, source: Path, out: Path, flags: List[str], link: bool = True) -> Optional[str]:
        """None, or why not."""
        cxx = source.suffix == ".cpp"
        command = [self.cxx, "-std=c++17"] if cxx else [self.cc, "-std=c11"]
        command += [*WARNINGS, "-O1", "-g", f"-I{self.build / 'include'}", *flags]
        if self.asan:
            command += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        command += [str(source), "-o", str(out)]
        if link:
            command += [f"-L{self.build}", "-lawq", f"-Wl,-rpath,{self.build}"]
        command += ["-lm", "-ldl", "-lpthread"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else done.stdout + done.stderr

    def execute(self, command: List[str], seconds: int) -> Tuple[int, str]:
        try:
            done = subprocess.run(command, env=self.env, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
        except subprocess.TimeoutExpired as e:
            return -1, f"no end after {seconds} s; {e.stdout or ''}"
        return done.returncode, done.stdout + ("\n" + done.stderr if done.returncode else "")

    def program(self, name: str, source: str, flags: List[str], seconds: int, itself: bool) -> None:
        if self.asan and name in NOT_ASAN:
            self.skip(name, NOT_ASAN[name])
            return
        scratch = self.work / "scratch"
        scratch.mkdir(exist_ok=True)
        out = self.work / re.sub(r"\W+", "_", name)
        why = self.compile(HERE / source, out, flags, link=not itself)
        if why is not None:
            self.check(name, False, why)
            return
        arguments = [str(self.library), str(self.fixture)] if itself else [str(self.fixture), str(scratch)]
        start = time.monotonic()
        code, text = self.execute([str(out), *arguments], seconds)
        counted = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
        passed, failed = (int(counted.group(1)), int(counted.group(2))) if counted else (0, 1)
        if code != 0 and not failed:
            failed = 1
        self.passed += passed
        self.failed += failed
        print(f"{name}: {passed} passed, {failed} failed ({time.monotonic() - start:.1f} s)", flush=True)
        if failed:
            print(f"  exit code {code}\n" + "\n".join("  " + line for line in text.splitlines()[-80:]), flush=True)
        shutil.rmtree(scratch)

    def generated(self) -> None:
        for path, text in generate.outputs(header.load()).items():
            self.check(f"{path.name} is up to date", path.read_text(encoding="utf-8") == text, f"run {generate.COMMAND}")

    def rule_of_additions(self) -> None:
        """The comparison of golden files itself: it must see what breaks callers and let pass what does not."""
        now = generate.golden(header.load())
        enum, member = "enum AWQ_ERR_IO 5\n", "member awq_quant_config.calib 64 8 const char *\n"
        grown = now.replace("struct awq_progress 48", "struct awq_progress 56")
        self.check("additions: the same", not generate.breaks(now, now))
        self.check("additions: a new function", not generate.breaks(now.replace("function awq_version uint32_t (void)\n", ""), now))
        self.check("additions: a longer struct", not generate.breaks(now, grown + "member awq_progress.more 48 8 double\n"))
        self.check("additions: removed", bool(generate.breaks(now, now.replace(enum, ""))))
        self.check("additions: renumbered", bool(generate.breaks(now, now.replace(enum, "enum AWQ_ERR_IO 6\n"))))
        self.check("additions: moved", bool(generate.breaks(now, now.replace(member, member.replace("64", "72")))))
        self.check("additions: into padding", bool(generate.breaks(now, now + "member awq_progress.more 44 4 int32_t\n")))
        self.check("additions: shrunk", bool(generate.breaks(grown, now)))

    def symbols(self) -> None:
        names = subprocess.run(["nm", "-D", "--defined-only", str(self.library)], capture_output=True, text=True, check=True).stdout
        found = {line.split()[2].split("@")[0] for line in names.splitlines() if len(line.split()) == 3 and line.split()[1] != "A"}
        golden = set(header.load().functions)
        self.check("nm -D shows what awq.abi lists", found == golden, f"missing {sorted(golden - found)}, foreign {sorted(found - golden)}")
        dynamic = subprocess.run(["readelf", "-dW", str(self.library)], capture_output=True, text=True, check=True).stdout
        soname = re.search(r"SONAME.*\[(.*)\]", dynamic)
        self.check("SONAME", soname is not None and soname.group(1) == f"libawq.so.{generate.soname(header.load())}", str(soname))
        needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
        foreign = [n for n in needed if not NEEDED.fullmatch(n) and not (self.asan and re.match(r"lib(asan|ubsan|stdc\+\+|gcc_s|resolv)\.", n))]
        self.check("NEEDED within libc, libm, libpthread, libdl", not foreign, str(foreign))
        segments = subprocess.run(["readelf", "-lW", str(self.library)], capture_output=True, text=True, check=True).stdout
        tls = re.search(r"^\s*TLS\s+\S+\s+\S+\s+\S+\s+\S+\s+(0x[0-9a-f]+)", segments, re.M)
        size = int(tls.group(1), 16) if tls else 0
        self.check("thread-local storage of at most 16 bytes", size <= 16 or self.asan, f"{size} bytes")

    def call_graph(self) -> None:
        """Calls of linears never enter Go, by themselves or in a kernel."""
        if not shutil.which("objdump"):
            self.skip("call graph", "there is no objdump to disassemble the library with")
            return
        if self.asan:
            self.skip("call graph", "the sanitizers put their own calls into the library; the plain one is checked")
            return
        graph = callgraph.CallGraph(self.library)
        for name in header.load().functions:
            if re.fullmatch(r"awq_linear_(forward\w*|info|destroy)", name):
                way = graph.way(graph.exported[name])
                self.check(f"call graph: {name} does not enter Go", not way, way)
        kernels = sorted({f for table in graph.tables for f in table})
        ways = [way for way in map(graph.way, kernels) if way]
        self.check("call graph: no kernel enters Go", not ways, "; ".join(ways))
        # the walk must see something: messages, the kernels' scratch and threads, and Go where it is entered
        self.check("call graph: awq_linear_forward_many writes messages", "snprintf" in graph.reached([graph.exported["awq_linear_forward_many"]]))
        found = graph.reached(kernels)
        self.check("call graph: there are kernels", len(graph.tables) > 0 and {"posix_memalign", "pthread_create"} <= found, str(graph.tables))
        self.check("call graph: awq_linear_create enters Go", bool(graph.way(graph.exported["awq_linear_create"])))

    def examples(self) -> None:
        folder = header.ROOT / "bindings" / "examples"
        for source in ("linear.c", "linear.cpp", "quantize.c"):
            why = self.compile(folder / source, self.work / source.replace(".", "_"), ["-O2"])
            self.check(f"examples/{source} compiles", why is None, why or "")
        model = str(self.fixture / "model")
        for module in ("self_attn.o_proj", "self_attn.k_proj", "mlp.down_proj"):
            for rows in ("1", "5"):
                lines: Dict[str, str] = {}
                commands = {
                    "linear.c": [str(self.work / "linear_c")],
                    "linear.cpp": [str(self.work / "linear_cpp")],
                    "linear.py": [sys.executable, str(folder / "linear.py")],
                }
                if self.asan:
                    del commands["linear.py"]
                for name, command in commands.items():
                    code, text = self.execute([*command, model, "model.layers.0." + module, rows], 60)
                    self.check(f"examples/{name} {module} {rows}", code == 0, text)
                    lines[name] = text.strip()
                same = len(set(lines.values())) == 1 and re.fullmatch(
                    r"linear \S+ n=256 k=256 crc32=[0-9a-f]{8} max_abs_err=\S+ rel_l2_err=\S+", lines["linear.c"]
                )
                self.check(f"examples agree on {module}, {rows} rows", bool(same), str(lines))
        code, text = self.execute([str(self.work / "linear_c"), model, "nothing"], 60)
        self.check("examples/linear.c without the module", code == 1 and "AWQ_ERR_NOT_FOUND" in text, text)
        code, text = self.execute([str(self.work / "quantize_c"), str(self.fixture / "model"), str(self.work / "no")], 60)
        self.check("examples/quantize.c says why not", code == 1 and "AWQ_ERR_UNSUPPORTED" in text, text)

    def command(self) -> None:
        """The program `awq`: exit codes, Ctrl-C, a reader that goes away."""
        awq = str(self.build / "awq")
        code, text = self.execute([awq, "version"], 30)
        self.check("awq version", code == 0 and re.search(r"\d+\.\d+\.\d+", text) is not None, text)
        code, text = self.execute([awq, "fly"], 30)
        self.check("awq fly", code == 2, f"exit code {code}: {text}")
        for number in (signal.SIGINT, signal.SIGTERM):
            dst = self.work / f"out-{number.name}"
            words = ["quantize", str(self.fixture / "float"), str(dst), "--group-size", "32", "--calib", str(self.fixture / "many.jsonl")]
            p = subprocess.Popen([awq, *words, "--seq-len", "64", "--samples", "100000"], env=self.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
            time.sleep(0.7)
            running = p.poll() is None
            p.send_signal(number)
            start = time.monotonic()
            try:
                err = p.communicate(timeout=10)[1].decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                p.kill()
                err = p.communicate()[1].decode("utf-8", "replace")
            seconds = time.monotonic() - start
            left = [f.name for f in self.work.iterdir() if dst.name in f.name]
            ok = running and p.returncode == 130 and seconds < STOPS and not left
            self.check(f"awq quantize, {number.name}", ok, f"running {running}, exit code {p.returncode} after {seconds:.2f} s, left {left}: {err[-300:]}")
        p = subprocess.Popen([awq, "help"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert p.stdout is not None and p.stderr is not None
        p.stdout.close()  # `awq help | true`
        err = p.stderr.read().decode("utf-8", "replace")
        code = p.wait(timeout=30)
        self.check("awq help | true ends quietly", code in (0, -signal.SIGPIPE) and "panic" not in err and not err, f"exit code {code}: {err}")

    def everything(self) -> None:
        fixture.write(self.fixture)
        (self.fixture / "many.jsonl").write_text((self.fixture / "text.jsonl").read_text(encoding="utf-8") * 250, encoding="utf-8")
        for step in (self.generated, self.rule_of_additions, self.symbols, self.call_graph):
            if self.wanted(step.__name__):
                step()
        for program in PROGRAMS:
            if self.wanted(program[0]):
                self.program(*program)
        for step in (self.examples, self.command):
            if self.wanted(step.__name__):
                step()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=header.ROOT / "build")
    parser.add_argument("--cc", default=os.environ.get("CC", "gcc"))
    parser.add_argument("--cxx", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--asan", action="store_true")
    parser.add_argument("--only", help="what has this in its name")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        run = Run(args, Path(work))
        if not run.library.exists():
            print(f"{run.library}: not there; build it first", file=sys.stderr)
            return 1
        run.everything()
    print(f"{run.passed} passed, {run.failed} failed" + (f", {run.skipped} skipped" if run.skipped else ""))
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
