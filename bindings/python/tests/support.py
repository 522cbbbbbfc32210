"""What the tests share: the package, the tiny model folders, a line of numbers that has one right answer."""

import atexit
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, List

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "bindings" / "python"
ABI = ROOT / "capi" / "abi"

try:
    import libawq
except ImportError:
    sys.path.insert(0, str(PACKAGE))
    import libawq

sys.path.insert(0, str(ABI))
import fixture  # noqa: E402

FIXTURE = Path(tempfile.mkdtemp(prefix="libawq-test-"))
_PID = os.getpid()
atexit.register(lambda: shutil.rmtree(FIXTURE, ignore_errors=True) if os.getpid() == _PID else None)
fixture.write(FIXTURE)
MODEL, FLOAT, TEXT = FIXTURE / "model", FIXTURE / "float", FIXTURE / "text.jsonl"
EXACT = "model.layers.0.self_attn.o_proj"  # y = W x without rounding
BIASED = "model.layers.0.self_attn.k_proj"

SAMPLE = [fixture.sample_x(k) for k in range(256)]
# The first outputs for SAMPLE, and the CRC-32 of all 256 as float32.
FIRST = [0.45098876953125, 0.478179931640625, 0.048065185546875, 0.33624267578125, 0.002197265625, -0.325927734375]
CRC = 0x19CA04A1


def floats(data: Any) -> List[float]:
    raw = bytes(data)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def optional(name: str) -> Any:
    """A package that a test would like to have, None without it."""
    try:
        return __import__(name)
    except Exception:  # torch without its libraries raises all sorts of things
        return None


def python(code: str, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p), PYTHONDONTWRITEBYTECODE="1")
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


class Case(unittest.TestCase):
    def run_python(self, code: str, *arguments: str, seconds: float = 60) -> str:
        """Runs code in another process, which must succeed; its output."""
        p = python(code, *arguments)
        try:
            out, err = p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            p.kill()
            self.fail(f"no end after {seconds} s: {p.communicate()[1].decode(errors='replace')}")
        self.assertEqual(p.returncode, 0, err.decode(errors="replace"))
        return out.decode()


__all__ = ["ABI", "BIASED", "CRC", "Case", "EXACT", "FIRST", "FIXTURE", "FLOAT", "MODEL", "ROOT", "SAMPLE", "TEXT", "fixture", "floats", "libawq", "optional", "python"]
