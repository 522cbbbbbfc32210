"""The library inside a Python process: loading, fork, contexts, threads."""

import multiprocessing
import os
import signal
import time
import unittest
from typing import Any, Callable

import support
from support import EXACT, MODEL, SAMPLE, libawq


def forked(work: Callable[[], Any], seconds: float = 1.0) -> str:
    """What work() gives in a child made by os.fork(), as text; "hung" after `seconds`."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                text = repr(work())
            except BaseException as e:
                text = f"{type(e).__name__}: {e}"
            os.write(write, text.encode())
        finally:
            os._exit(0)
    os.close(write)
    limit = time.monotonic() + seconds
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(read)
            return "hung"
        time.sleep(0.002)
    text = os.read(read, 65536).decode()
    os.close(read)
    return text


def load_and_run(_: int = 0) -> float:
    from array import array

    return libawq.Linear.load(MODEL, EXACT)(array("f", SAMPLE))[0]


class Loading(support.Case):
    def test_import_loads_nothing(self) -> None:
        out = self.run_python(
            "import sys, libawq; print('numpy' in sys.modules, 'torch' in sys.modules, any('libawq.so' in l for l in open('/proc/self/maps')))"
        )
        self.assertEqual(out, "False False False\n")

    def test_works_without_numpy(self) -> None:
        code = "import sys; sys.modules['numpy'] = None\nfrom array import array\nimport libawq\n"
        code += "print(libawq.Linear.load(sys.argv[1], sys.argv[2])(array('f', [1.0] * 256)).typecode)"
        self.assertEqual(self.run_python(code, str(MODEL), EXACT), "f\n")

    def test_path_that_is_not_there(self) -> None:
        code = "import os; os.environ['LIBAWQ_PATH'] = '/nowhere/libawq.so'\nimport libawq\n"
        code += "try:\n    libawq.version()\nexcept FileNotFoundError as e:\n    print('LIBAWQ_PATH' in str(e) and '/nowhere' in str(e))"
        self.assertEqual(self.run_python(code), "True\n")

    def test_two_threads_load_at_once(self) -> None:
        code = "import threading, libawq\nout = []\n"
        code += "ts = [threading.Thread(target=lambda: out.append(libawq.version())) for _ in range(8)]\n"
        code += "[t.start() for t in ts]; [t.join() for t in ts]\nprint(len(out), len(set(out)))"
        self.assertEqual(self.run_python(code), "8 1\n")

    def test_faulthandler_after_loading(self) -> None:
        code = "import faulthandler, sys, libawq\nlibawq.devices(); faulthandler.enable()\n"
        code += "try:\n    libawq.Linear.load(sys.argv[1], 'nothing')\nexcept libawq.NotFound:\n    print('fine')"
        self.assertEqual(self.run_python(code, str(MODEL)), "fine\n")

    def test_exit_with_everything_open(self) -> None:
        code = "import sys, libawq\nc = libawq.Checkpoint.open(sys.argv[1]); l = libawq.Linear.load(sys.argv[1], sys.argv[2]); x = libawq.Context()"
        self.assertEqual(self.run_python(code, str(MODEL), EXACT), "")


class Fork(support.Case):
    def test_forward_works(self) -> None:
        from array import array

        linear = libawq.Linear.load(MODEL, EXACT)
        want = linear(array("f", SAMPLE * 64))[0]
        self.assertEqual(forked(lambda: linear(array("f", SAMPLE))[0]), repr(want))
        self.assertEqual(forked(lambda: linear(array("f", SAMPLE * 64))[0]), repr(want))
        self.assertEqual(forked(lambda: (linear.n, linear.close())), "(256, None)")

    def test_everything_else_says_so(self) -> None:
        ckpt, ctx = libawq.Checkpoint.open(MODEL), libawq.Context()
        self.addCleanup(ckpt.close)
        self.addCleanup(ctx.close)
        for work in (
            load_and_run,
            libawq.Context,
            libawq.devices,
            ctx.devices,
            ckpt.inspect,
            lambda: ckpt.read("model.norm.weight"),
            lambda: libawq.Checkpoint.open(MODEL),
            lambda: libawq.plan(support.FLOAT),
            lambda: libawq.quantize(support.FLOAT, support.FIXTURE / "never"),
            lambda: libawq.evaluate(MODEL, support.TEXT),
        ):
            text = forked(work)
            self.assertTrue(text.startswith("ForkedError: ") and "spawn" in text, text)

    def test_closing_in_the_child(self) -> None:
        ckpt, ctx = libawq.Checkpoint.open(MODEL), libawq.Context()
        self.assertEqual(forked(lambda: (ckpt.close(), ctx.close())), "(None, None)")
        self.assertGreater(len(ckpt), 1)
        self.assertGreater(len(ctx.devices()), 0)

    def test_while_a_context_is_in_use(self) -> None:
        answers = []
        ctx = libawq.Context()
        folder = support.FIXTURE / "while"

        def progress(p: libawq.Progress) -> None:
            answers.append(forked(ctx.devices))
            answers.append(forked(load_and_run))
            raise libawq.Cancelled

        with self.assertRaises(libawq.Cancelled):
            libawq.quantize(support.FLOAT, folder, group_size=32, calib=support.TEXT, ctx=ctx, progress=progress)
        self.assertEqual([a.split(":")[0] for a in answers], ["ForkedError", "ForkedError"])

    def test_spawn_works(self) -> None:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            self.assertEqual(pool.apply_async(load_and_run, (0,)).get(60), support.FIRST[0])


class Contexts(support.Case):
    def test_devices(self) -> None:
        devices = libawq.devices()
        self.assertTrue(any(d.device_type == 1 and d.available and d.name.startswith("cpu/") for d in devices), devices)

    def test_version(self) -> None:
        self.assertRegex(libawq.version(), r"^\d+\.\d+\.\d+$")
        self.assertEqual(libawq.version().split(".")[0], libawq.__version__.split(".")[0])

    def test_errors(self) -> None:
        with self.assertRaisesRegex(libawq.Unsupported, "sse9"):
            libawq.Context(isa="sse9")
        with self.assertRaisesRegex(libawq.InvalidArgument, "-1"):
            libawq.Context(threads=-1)

    def test_closed(self) -> None:
        ctx = libawq.Context()
        ctx.close()
        ctx.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            ctx.devices()

    def test_log_is_kept_alive(self) -> None:
        lines = []
        with libawq.Context(log=lambda level, text: lines.append((level, text))) as ctx:
            libawq.Checkpoint.open(MODEL, ctx=ctx).close()
            libawq.plan(support.FLOAT, group_size=32, ctx=ctx)
        self.assertTrue(all(level in ("info", "warning") and "\n" not in text for level, text in lines))


if __name__ == "__main__":
    unittest.main()
