"""Our quantised linear beside other people's, measured in turns in one process: a table and a JSON document.

    make bench-peers && make bench-cpu BENCH='--m 1,16'
    python kernels/cpu/bench/peers/compare.py [--n N] [--k K] [--group G] [--m LIST] [--threads T] [--peers LIST] [--all-shapes]

All get the same float32 activations and threads, and weights of more than 400 MB that they go round in, so that weights come from
memory. Each result is checked against numpy first. For each m some rounds run: the machine's limits, ours, then each peer for a
slice of time; the median of an entry's runs counts, without slices that other processes disturbed. GB/s are of our bytes: 4 bits a
weight, 2.5 bytes a group. LIBAWQ_PATH measures another build of the library.
"""

import argparse
import datetime
import faulthandler
import importlib
import json
import os
import pathlib
import platform
import statistics
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
BUILD = ROOT / "build"
sys.path[:0] = [str(HERE), str(ROOT / "bindings/python")]

import machine  # noqa: E402
import report  # noqa: E402
from peer import Missing  # noqa: E402
from work import Weight, Work  # noqa: E402

MODULES = ("ours", "onnxruntime", "openvino", "ggml", "torch")
LLAMA3_8B = ((6144, 4096, 128), (4096, 4096, 128), (28672, 4096, 128), (4096, 14336, 128))
SMOLLM2 = ((1536, 576, 64), (576, 576, 64), (576, 1536, 64))
DISTURBED = 0.08  # of the processors: a slice in which other processes had more does not count if there is a better one
ROUNDED = 1e-3  # an error above that says that activations were rounded to int8
REST = 0.1  # seconds between two slices: onnxruntime's threads spin for some 40 ms after a run


def reason(e):
    text = " ".join(str(e).split())
    return text[:200] if isinstance(e, Missing) else f"{type(e).__name__}: {text[:200]}"


def find(chosen):
    """The peers that are here, what they call themselves, and a sentence for each that is not."""
    peers, versions, missing = [], [], []
    for module in MODULES:
        for peer in importlib.import_module(f"peer_{module}").peers():
            if chosen and not any(peer.name.lower().startswith(c) or module == c for c in chosen):
                continue
            try:
                version = peer.version()
            except Missing as e:
                if str(e) not in missing:
                    missing.append(str(e))
                continue
            peers.append(peer)
            if version not in versions:
                versions.append(version)
    return peers, versions, missing


def check(peer, work):
    """The relative L2 error of the first and of the last copy's result, the worse of the two."""
    worst = 0.0
    for copy in sorted({0, work.copies - 1}):
        work.y.fill(np.nan)
        peer.run(copy // work.per)
        x, y = work.x[copy % work.slots], work.y[copy % work.slots]
        want = x @ peer.reference(copy).T
        error = float(np.linalg.norm(y - want) / np.linalg.norm(want))
        worst = max(worst, error if error == error else float("inf"))
    return worst


def slice_of_runs(peer, work, budget, turn, call):
    """Times of single runs until the budget is spent, at least one, after one that does not count; also the next turn, and the
    share of the processors that other processes had meanwhile."""
    times = []
    time.sleep(REST)
    peer.begin()
    try:
        call(turn % work.turns)
        others = machine.Others()
        end = time.perf_counter() + budget
        while True:
            turn += 1
            start = time.perf_counter()
            call(turn % work.turns)
            now = time.perf_counter()
            times.append(now - start)
            if now >= end:
                return times, turn + 1, others.share()
    finally:
        peer.end()


class Entry:
    """A peer in one cell: its slices, those that other processes disturbed apart from those that they did not."""

    def __init__(self, peer, row):
        self.peer, self.row, self.turn = peer, row, 0
        self.quiet, self.disturbed = [], []

    def slice(self, work, budget, retries):
        for _ in range(retries + 1):
            times, self.turn, others = slice_of_runs(self.peer, work, budget, self.turn, self.peer.run)
            if others <= DISTURBED:
                self.quiet += times
                return
            self.disturbed += times
            time.sleep(10 * REST)

    def finish(self, work):
        times = self.quiet or self.disturbed
        self.row.update(
            seconds=statistics.median(times) / work.per, best=min(times) / work.per, runs=len(times), disturbed=not self.quiet
        )
        if self.peer.empty():
            idle = slice_of_runs(self.peer, work, 0.03, 0, lambda _: self.peer.empty())[0]
            self.row["overhead"] = statistics.median(idle) / work.per


def measure(peers, work, roof, options):
    """One cell of the table for every peer."""
    measured, entries = [], []
    for peer in peers:
        row = {"name": peer.name, "arithmetic": peer.arithmetic, "seconds": None, "error": None, "trouble": "", "note": ""}
        measured.append(row)
        processors = machine.threads()
        try:
            peer.setup(work)
            row["error"] = check(peer, work)
            row["arithmetic"] = peer.arithmetic or ("int8" if row["error"] > ROUNDED else "fp32")
            row["note"] = peer.note()
        except Exception as e:
            row["trouble"] = reason(e)
            continue
        if row["error"] > peer.tolerance:
            row["trouble"] = f"wrong result: relative error {row['error']:.1e}, more than {peer.tolerance:.0e}"
        elif machine.threads() != processors:
            row["trouble"] = "it has changed which processors this process may use"
        else:
            entries.append(Entry(peer, row))
    roofs = []
    for _ in range(options.rounds):
        roofs.append(roof.measure())
        for entry in entries:
            entry.slice(work, options.seconds / options.rounds, options.retries)
    for entry in entries:
        entry.finish(work)
    limits = report.roof_of(roofs)
    return report.rows(work, measured, limits), limits


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(word) for word in text.split(",") if word]
    parser.add_argument("--n", type=int, default=4096, help="outputs, a multiple of 8")
    parser.add_argument("--k", type=int, default=4096, help="inputs")
    parser.add_argument("--group", type=int, default=128, help="inputs that share a scale")
    parser.add_argument("--symmetric", action="store_true", help="no zero points")
    parser.add_argument("--m", type=numbers, default=[1, 2, 4, 8, 16, 32, 64, 128, 512], metavar="LIST", help="rows, e.g. 1,16,512")
    parser.add_argument("--all-shapes", action="store_true", help="the linears of Llama 3 8B and of SmolLM2 135M instead of one shape")
    parser.add_argument("--threads", type=int, default=machine.threads(), help="default: what this process may use")
    parser.add_argument("--peers", default="", metavar="LIST", help=f"of {', '.join(MODULES)}, or names of rows; default: all")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each cell of the table")
    parser.add_argument("--rounds", type=int, default=5, help="slices of that time")
    parser.add_argument("--retries", type=int, default=2, help="further tries of a slice that other processes disturbed")
    parser.add_argument("--megabytes", type=float, default=420, help="of weights to go round in")
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "bench-cpu", help="the two files, without .json and .txt")
    options = parser.parse_args()
    if options.rounds < 1 or options.threads < 1 or min(options.m, default=0) < 1:
        parser.error("--rounds, --threads and --m want at least 1")
    shapes = [*LLAMA3_8B, *SMOLLM2] if options.all_shapes else [(options.n, options.k, options.group)]
    for n, k, group in shapes:
        if n < 8 or n % 8 or group < 2 or k < group or k % group:
            parser.error(f"shape n={n} k={k} group={group}: n must be a multiple of 8 and k of the group")
    return options, shapes


class Log:
    """Lines go to the screen at once and into a file in the end."""

    def __init__(self):
        self.lines = []

    def __call__(self, *lines):
        for line in lines:
            self.lines.append(line)
            print(line, flush=True)


def overheads(rows):
    """What calling costs, for each entry: the median of the cells."""
    costs = {}
    for r in rows:
        if r.get("overhead") is not None:
            costs.setdefault(r["name"], []).append(r["overhead"])
    return {name: statistics.median(times) for name, times in costs.items()}


def main():
    faulthandler.enable()  # a peer that crashes shall say where
    options, shapes = parse()
    chosen = [word.strip().lower() for word in options.peers.split(",") if word.strip()]
    peers, versions, missing = find([*chosen, "ours"] if chosen else [])
    log, document = Log(), {
        "processor": machine.processor(), "processors": machine.threads(), "threads": options.threads,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "python": platform.python_version(),
        "versions": versions, "missing": missing, "rows": [], "roofs": [],
    }  # fmt: skip
    log(f"{document['processor']}, {document['processors']} processors, {options.threads} threads, {document['date']}")
    log(", ".join([*versions, f"numpy {np.__version__}"]), *[f"not here: {m}" for m in missing])
    if not peers:
        sys.exit("there is nothing to measure: build the library with `make`")
    roof = machine.Roof(BUILD / "awq", options.threads)
    options.out.parent.mkdir(parents=True, exist_ok=True)

    for n, k, group in shapes:
        weight = Weight(n, k, group, options.symmetric)
        copies = int(-(-options.megabytes * 1e6 // weight.nbytes))
        kind = "symmetric" if options.symmetric else "with zero points"
        log("", f"N={n} K={k} groups of {group}, {kind}: {weight.nbytes / 1e6:.2f} MB, {copies} copies or a few more")
        shape_rows, limits = [], None
        for m in options.m:
            if sys.stderr.isatty():
                print(f"measuring m={m} ", end="\r", file=sys.stderr, flush=True)
            rows, limits = measure(peers, Work(weight, copies, m, options.threads), roof, options)
            shape_rows += rows
            document["rows"] += rows
            document["roofs"].append(limits and {"n": n, "k": k, "m": m, **limits})
            options.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
        for peer in peers:
            peer.close()
        log(report.table(shape_rows), "", report.roof_line(limits, roof.trouble))
        notes = {r["name"]: r["note"] for r in shape_rows if r["note"]}
        log(*[f"{name}: {note}" for name, note in notes.items()])
        cost = [f"{name} {1e6 * t:.1f} us" for name, t in overheads(shape_rows).items()]
        if any(r.get("disturbed") for r in shape_rows):
            log(f"~ other processes had more than {100 * DISTURBED:.0f} % of the processors in every slice")
        log("an empty call, in a linear's time above: " + (", ".join(cost) or "not measured"))
    options.out.with_suffix(".txt").write_text("\n".join(log.lines) + "\n")
    print(f"\n{os.path.relpath(options.out, ROOT)}.json and .txt")


if __name__ == "__main__":
    main()
