"""quantize, plan, evaluate, checkpoints: results, progress, and every way to stop."""

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from array import array
from pathlib import Path
from typing import Any, List

import support
from support import EXACT, FIXTURE, FLOAT, MODEL, TEXT, fixture, libawq, python

OPTIONS = {"group_size": 32, "calib": TEXT, "samples": 8, "seq_len": 32}
STOPS = 3.0  # a second is promised on a machine that is not busy
LONG = {"group_size": 32, "samples": 100000, "seq_len": 64}


def many() -> Path:
    """A calibration text that keeps the library busy for longer than any test waits."""
    path = FIXTURE / "many.jsonl"
    if not path.exists():
        path.write_text(TEXT.read_text() * 250)
    return path


class Scratch(support.Case):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.dst = self.folder / "out"


class Quantize(Scratch):
    def test_report_and_result(self) -> None:
        report = libawq.quantize(FLOAT, self.dst, **OPTIONS)
        self.assertEqual((report["layers"], report["linears"]), (2, 14))
        self.assertGreater(report["bytes_in"], report["bytes_out"])
        with libawq.Checkpoint.open(self.dst) as c:
            self.assertIn("model.layers.1.mlp.down_proj.qweight", c)
            self.assertNotIn("lm_head.qweight", c)
        linear = libawq.Linear.load(self.dst, "model.layers.1.mlp.up_proj")
        self.assertEqual((linear.n, linear.k, linear.group_size), (96, 64, 32))
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["out"])

    def test_same_bytes_again(self) -> None:
        for name in ("a", "b"):
            libawq.quantize(FLOAT, self.folder / name, **OPTIONS)
        self.assertEqual((self.folder / "a/model.safetensors").read_bytes(), (self.folder / "b/model.safetensors").read_bytes())

    def test_refinement(self) -> None:
        report = libawq.quantize(FLOAT, self.dst, objective="linear", refine="fast", **OPTIONS)
        for linear in report["report"]["linears"]:
            self.assertLess(linear["loss_refined"], linear["loss_rounded"])
        self.assertEqual((report["report"]["objective"], report["report"]["refine"]), ("linear", "fast"))
        self.assertGreater(libawq.plan(FLOAT, refine="fast", group_size=32)["peak_memory_bytes"], libawq.plan(FLOAT, group_size=32)["peak_memory_bytes"])
        for wrong in ({"objective": "kl"}, {"refine": "best-ever"}):
            with self.assertRaises(ValueError):
                libawq.quantize(FLOAT, self.folder / "other", **wrong, **OPTIONS)

    def test_settings_reach_the_library(self) -> None:
        libawq.quantize(FLOAT, self.dst, **OPTIONS)
        plain = (self.dst / "model.safetensors").read_bytes()
        settings: List[Any] = [
            {"clip": False}, {"duo_scaling": False}, {"method": "rtn"}, {"zero_point": False}, {"group_size": -1},
            {"exclude": "*.o_proj"}, {"samples": 2}, {"seq_len": 16},
        ]  # fmt: skip
        for i, change in enumerate(settings):
            with self.subTest(change):
                libawq.quantize(FLOAT, self.folder / str(i), **{**OPTIONS, **change})
                self.assertNotEqual((self.folder / str(i) / "model.safetensors").read_bytes(), plain)

    def test_overwrite(self) -> None:
        libawq.quantize(FLOAT, self.dst, method="rtn", group_size=32)
        with self.assertRaisesRegex(libawq.AwqError, "exists"):
            libawq.quantize(FLOAT, self.dst, method="rtn", group_size=32)
        libawq.quantize(FLOAT, self.dst, method="rtn", group_size=32, overwrite=True)

    def test_errors(self) -> None:
        with self.assertRaisesRegex(FileNotFoundError, "nowhere"):
            libawq.quantize(FIXTURE / "nowhere", self.dst)
        with self.assertRaisesRegex(libawq.InvalidArgument, "100"):
            libawq.quantize(FLOAT, self.dst, group_size=100)
        with self.assertRaisesRegex(ValueError, "'awq', 'rtn'"):
            libawq.quantize(FLOAT, self.dst, method="gptq")
        with self.assertRaisesRegex(ValueError, "range"):
            libawq.quantize(FLOAT, self.dst, samples=2**40)
        with self.assertRaisesRegex(libawq.AwqError, "128"):
            libawq.quantize(FLOAT, self.dst, group_size=128, calib=TEXT)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_progress(self) -> None:
        seen: List[Any] = []
        me = threading.get_ident()
        options = {**OPTIONS, "calib": many(), "samples": 100}
        report = libawq.quantize(FLOAT, self.dst, progress=lambda p: seen.append((p, threading.get_ident())) or True, **options)
        self.assertGreater(len(seen), report["seconds"] * 5)
        self.assertEqual({t for _, t in seen}, {me})
        fractions = [p.fraction for p, _ in seen]
        self.assertEqual(fractions, sorted(fractions))
        self.assertTrue(all(0 <= f <= 1 for f in fractions))
        self.assertTrue(all(isinstance(p.stage, str) and (p.seconds_left is None or p.seconds_left >= 0) for p, _ in seen))

    def test_exceptions_of_progress(self) -> None:
        class Mine(Exception):
            pass

        for kind in (Mine, KeyboardInterrupt, SystemExit, libawq.Cancelled):
            calls = []

            def progress(p: libawq.Progress, kind: Any = kind, calls: List[int] = calls) -> None:
                calls.append(1)
                raise kind("stop")

            with self.assertRaises(kind):
                libawq.quantize(FLOAT, self.dst, progress=progress, calib=many(), **LONG)
            self.assertEqual(len(calls), 1)
            self.assertEqual(list(self.folder.iterdir()), [])

    def test_callback_must_not_use_its_context(self) -> None:
        with libawq.Context() as ctx, self.assertRaisesRegex(RuntimeError, "callback"):
            libawq.quantize(FLOAT, self.dst, ctx=ctx, progress=lambda p: ctx.devices(), **OPTIONS)

    def test_callback_may_use_others(self) -> None:
        loaded = []
        libawq.quantize(FLOAT, self.dst, progress=lambda p: loaded.append(libawq.Linear.load(MODEL, EXACT).n), **OPTIONS)
        self.assertEqual(set(loaded), {256})

    def test_other_threads_run(self) -> None:
        ticks, done = [], threading.Event()

        def tick() -> None:
            while not done.is_set():
                ticks.append(libawq.Linear.load(MODEL, EXACT)(array("f", support.SAMPLE))[0])
                time.sleep(0.001)

        t = threading.Thread(target=tick)
        t.start()
        libawq.quantize(FLOAT, self.dst, **OPTIONS)
        done.set()
        t.join()
        self.assertEqual(set(ticks), {support.FIRST[0]})

    def test_in_a_thread(self) -> None:
        out: List[Any] = []
        t = threading.Thread(target=lambda: out.append(libawq.quantize(FLOAT, self.dst, method="rtn", group_size=32)))
        t.start()
        t.join()
        self.assertEqual(out[0]["linears"], 14)


class Interrupt(Scratch):
    CODE = """
import signal, sys, libawq
{setup}
try:
    print("start", flush=True)
    libawq.quantize(sys.argv[1], sys.argv[2], calib=sys.argv[3], group_size=32, samples=100000, seq_len=64{more})
    print("done")
except {error} as e:
    print("caught", type(e).__name__, flush=True)
print("handler", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""

    def interrupt(self, number: int = signal.SIGINT, setup: str = "", error: str = "KeyboardInterrupt", more: str = "") -> str:
        p = python(self.CODE.format(setup=setup, error=error, more=more), str(FLOAT), str(self.dst), str(many()))
        assert p.stdout is not None
        p.stdout.readline()
        time.sleep(0.7)
        self.assertIsNone(p.poll())
        start = time.monotonic()
        p.send_signal(number)
        try:
            out, err = p.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
        self.assertLess(time.monotonic() - start, STOPS, err)
        self.assertEqual(p.returncode, 0, err)
        self.assertEqual(err, b"")
        self.assertEqual(list(self.folder.iterdir()), [])
        return out.decode()

    def test_ctrl_c(self) -> None:
        self.assertEqual(self.interrupt(), "caught KeyboardInterrupt\nhandler True\n")

    def test_ctrl_c_with_progress(self) -> None:
        self.assertIn("caught KeyboardInterrupt", self.interrupt(more=", progress=lambda p: None"))

    def test_sigterm_handler_that_raises(self) -> None:
        setup = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
        self.assertIn("caught SystemExit", self.interrupt(signal.SIGTERM, setup, "SystemExit"))

    def test_alarm(self) -> None:
        setup = "def late(*_): raise TimeoutError\nsignal.signal(signal.SIGALRM, late)"
        self.assertIn("caught TimeoutError", self.interrupt(signal.SIGALRM, setup, "TimeoutError"))

    def test_faulthandler_enabled(self) -> None:
        setup = "import faulthandler; libawq.devices(); faulthandler.enable()"
        self.assertIn("caught KeyboardInterrupt", self.interrupt(setup=setup))


class Plan(support.Case):
    def test_plan(self) -> None:
        self.assertIsInstance(libawq.plan(FLOAT, group_size=32), dict)
        self.assertEqual(libawq.plan(FLOAT, group_size=32)["linears"], 14)
        self.assertEqual(libawq.plan(FLOAT, group_size=32, exclude=["lm_head", "*.mlp.*"])["linears"], 8)
        with self.assertRaises(FileNotFoundError):
            libawq.plan(FIXTURE / "nowhere")


class Evaluate(support.Case):
    def test_float_and_quantised(self) -> None:
        for folder in (FLOAT, MODEL):
            r = libawq.evaluate(folder, TEXT, context=32)
            self.assertGreater(r.tokens, 100)
            self.assertAlmostEqual(r.perplexity, math.exp(r.nll), delta=1e-6 * r.perplexity)
            self.assertIsNone(r.kl)

    def test_against_itself(self) -> None:
        r = libawq.evaluate(MODEL, TEXT, against=MODEL, tokens=64)
        self.assertLess(abs(r.kl), 1e-9)
        self.assertEqual(r.top1_agreement, 1)
        self.assertLessEqual(r.tokens, 64)

    def test_stopped_by_progress(self) -> None:
        def stop(p: libawq.Progress) -> None:
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            libawq.evaluate(FLOAT, many(), context=32, progress=stop)

    def test_errors(self) -> None:
        with self.assertRaisesRegex(FileNotFoundError, "nothing.txt"):
            libawq.evaluate(MODEL, FIXTURE / "nothing.txt")


class Checkpoints(support.Case):
    def test_tensors(self) -> None:
        with libawq.Checkpoint.open(MODEL) as c:
            names = [t.name for t in c.tensors()]
            self.assertEqual(names, sorted(fixture.quantised()))
            self.assertEqual(len(c), len(names))
            for name, (dtype, shape, data) in fixture.quantised().items():
                info = c.info(name)
                self.assertEqual((info.dtype, list(info.shape), info.nbytes), (dtype, shape, len(data)))
                self.assertEqual(c.read_bytes(name), data)
                self.assertEqual(c.read(name).tobytes(), data)

    def test_bfloat16(self) -> None:
        with libawq.Checkpoint.open(FLOAT) as c:
            t = c.read("model.norm.weight")
        self.assertEqual((t.dtype, t.shape, t.tobytes()[:2]), ("BF16", (64,), b"\x80\x3f"))

    def test_inspect(self) -> None:
        with libawq.Checkpoint.open(MODEL) as c:
            self.assertIn("Qwen2ForCausalLM", str(c.inspect()))

    def test_errors(self) -> None:
        with self.assertRaisesRegex(FileNotFoundError, "nowhere"):
            libawq.Checkpoint.open(FIXTURE / "nowhere")
        with self.assertRaises(libawq.CorruptError):
            libawq.Checkpoint.open(FIXTURE / "truncated")
        c = libawq.Checkpoint.open(MODEL)
        with self.assertRaisesRegex(libawq.NotFound, "nothing"):
            c.read("nothing")
        c.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            c.inspect()
        c.close()


class Command(Scratch):
    def run_command(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
        return subprocess.run([sys.executable, "-m", "libawq", *words], env=env, capture_output=True, timeout=60, check=False)

    def test_version(self) -> None:
        done = self.run_command("version")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(libawq.version().encode(), done.stdout)

    def test_wrong_use(self) -> None:
        self.assertEqual(self.run_command("fly").returncode, 2)
        self.assertEqual(self.run_command("inspect", str(FIXTURE / "nowhere")).returncode, 1)

    def test_main_in_process(self) -> None:
        from libawq.__main__ import main

        before = signal.getsignal(signal.SIGINT)
        self.assertEqual(main(["fly"]), 2)
        self.assertIs(signal.getsignal(signal.SIGINT), before)

    def test_ctrl_c(self) -> None:
        words = ["quantize", str(FLOAT), str(self.dst), "--group-size", "32", "--calib", str(many()), "--samples", "100000", "--seq-len", "64"]
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
        p = subprocess.Popen([sys.executable, "-m", "libawq", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1.2)
        self.assertIsNone(p.poll(), p.stderr)
        start = time.monotonic()
        p.send_signal(signal.SIGINT)
        err = p.communicate(timeout=10)[1]
        self.assertEqual(p.returncode, 130, err)
        self.assertLess(time.monotonic() - start, STOPS)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertNotIn(b"Traceback", err)


if __name__ == "__main__":
    unittest.main()
