"""Linear.load: folders that stay open between loads, and the cache of packed forms that processes share."""

import ctypes
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import zlib
from array import array
from pathlib import Path
from typing import List, Tuple

import support
from support import BIASED, CRC, EXACT, MODEL, SAMPLE, libawq

from libawq import _abi

LOAD = """
import os, sys, zlib
from array import array
import libawq
dir, cache, name = sys.argv[1:4]
lin = libawq.Linear.load(dir, name, cache=cache)
"""


def bits(lin: libawq.Linear) -> int:
    return zlib.crc32(lin(array("f", SAMPLE)))


class Folder(support.Case):
    """A copy of the model, a cache, and a context whose log is kept."""

    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="libawq-load-"))
        self.addCleanup(shutil.rmtree, self.root, True)
        self.dir, self.cache = self.root / "model", self.root / "cache"
        shutil.copytree(MODEL, self.dir)
        self.lines: List[Tuple[str, str]] = []
        self.ctx = libawq.Context(log=lambda level, line: self.lines.append((level, line)))
        self.addCleanup(self.ctx.close)

    def load(self, name: str = EXACT, compute: str = "exact") -> libawq.Linear:
        return libawq.Linear.load(self.dir, name, compute, cache=self.cache, ctx=self.ctx)

    def warnings(self) -> List[str]:
        out = [line for level, line in self.lines if level == "warning"]
        self.lines.clear()
        return out

    def shard(self) -> Path:
        return next(self.dir.glob("*.safetensors"))

    def other_weights(self, replace: bool) -> None:
        """Changes every code of the model; the header and the size stay."""
        path = self.shard()
        data = bytearray(path.read_bytes())
        start = 8 + struct.unpack("<Q", data[:8])[0]
        at = start + self.offset(EXACT + ".qweight")
        for i in range(at, at + 256 * 128):
            data[i] ^= 0x11
        if replace:
            new = path.with_suffix(".new")
            new.write_bytes(data)
            new.replace(path)
        else:
            st = path.stat()
            with open(path, "r+b") as f:
                f.write(data)
            os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))  # only the time that nobody can set tells

    def offset(self, name: str) -> int:
        data = self.shard().read_bytes()
        header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
        return int(header[name]["data_offsets"][0])


class Models(Folder):
    def test_replaced(self) -> None:
        for replace in (True, False):
            before = bits(libawq.Linear.load(self.dir, EXACT, ctx=self.ctx))
            self.other_weights(replace)
            after = bits(libawq.Linear.load(self.dir, EXACT, ctx=self.ctx))
            self.assertNotEqual(before, after)
            self.assertEqual(after, bits(libawq.Linear.load(self.dir, EXACT, ctx=libawq.Context())))

    def test_cut(self) -> None:
        libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)
        os.truncate(self.shard(), self.shard().stat().st_size - 1)
        with self.assertRaisesRegex(libawq.CorruptError, self.shard().name):
            libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)

    def test_removed_and_back(self) -> None:
        libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)
        self.dir.rename(self.root / "gone")
        with self.assertRaises(libawq.NotFound):
            libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)
        (self.root / "gone").rename(self.dir)
        self.assertEqual(bits(libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)), CRC)

    def test_many_folders(self) -> None:
        dirs = [self.root / str(i) for i in range(9)]
        for d in dirs:
            shutil.copytree(MODEL, d)
        count = len(os.listdir("/proc/self/fd"))
        for d in dirs * 2:
            self.assertEqual(bits(libawq.Linear.load(d, EXACT, ctx=self.ctx)), CRC)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), count + 4)
        self.ctx.close()
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), count)

    def test_threads(self) -> None:
        wrong: List[object] = []

        def work() -> None:
            try:
                for _ in range(20):
                    if bits(libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)) != CRC:
                        wrong.append("bits")
            except Exception as e:
                wrong.append(e)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for i in range(20):  # the same bytes under other stamps
            os.utime(self.shard(), ns=(i, i))
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])


class Cache(Folder):
    def file(self) -> Path:
        (path,) = self.cache.iterdir()
        return path

    def check(self, warning: str = "") -> None:
        """A load gives the right bits and a shared weight, and so does the next, without a word."""
        for first in (True, False):
            lin = self.load()
            self.assertEqual((bits(lin), lin.shared), (CRC, True))
            lines = self.warnings()
            if first and warning:
                self.assertEqual(len(lines), 1, lines)
                self.assertRegex(lines[0], warning)
                self.assertIn(self.file().name, lines[0])
            else:
                self.assertEqual(lines, [])

    def test_same_bits(self) -> None:
        self.check()
        self.assertFalse(libawq.Linear.load(self.dir, EXACT, ctx=self.ctx).shared)
        self.assertEqual(self.file().stat().st_mode & 0o777, 0o600)
        for compute in ("exact", "int8"):
            plain = libawq.Linear.load(self.dir, BIASED, compute, ctx=self.ctx)
            for _ in range(2):
                lin = self.load(BIASED, compute)
                self.assertEqual((bits(lin), lin.shared, lin.has_bias, lin.compute), (bits(plain), True, True, compute))
        self.assertEqual(len(list(self.cache.iterdir())), 3)

    def test_instruction_sets_share(self) -> None:
        self.check()
        before = self.file().stat()
        for device in self.ctx.devices():
            if device.available and device.name.startswith("cpu/"):
                lin = libawq.Linear.load(self.dir, EXACT, cache=self.cache, ctx=libawq.Context(isa=device.name[4:]))
                self.assertEqual((bits(lin), lin.shared, lin.kernel), (CRC, True, device.name))
        self.assertEqual(self.file().stat(), before)

    def test_damage(self) -> None:
        self.check()
        size = self.file().stat().st_size
        for at in (0, 20000, size - 200, size - 100, size - 40, size - 1):  # bytes, key, digests
            data = bytearray(self.file().read_bytes())
            data[at] ^= 1
            self.file().write_bytes(data)
            self.check("SHA-256|trailer is damaged")

    def test_length(self) -> None:
        self.check()
        for cut in (lambda d: d[:-1], lambda d: d[:100], lambda d: b"", lambda d: d + b"x", lambda d: d[4096:]):
            self.file().write_bytes(cut(self.file().read_bytes()))
            self.check("untrusted")

    def test_other_version(self) -> None:
        self.check()
        data = bytearray(self.file().read_bytes())
        trailer = len(data) - 168
        data[trailer + 72] += 1  # the format, sealed by who knows how
        data[-32:] = hashlib.sha256(data[trailer:-32]).digest()
        self.file().write_bytes(data)
        inode = self.file().stat().st_ino
        self.check()
        self.assertNotEqual(self.file().stat().st_ino, inode)

    def test_other_source(self) -> None:
        for replace in (True, False):
            before = bits(self.load())
            self.other_weights(replace)
            lin, plain = self.load(), libawq.Linear.load(self.dir, EXACT, ctx=self.ctx)
            self.assertEqual((bits(lin), lin.shared), (bits(plain), True))
            self.assertNotEqual(before, bits(lin))
            self.assertEqual(len(list(self.cache.iterdir())), 1)

    def test_others_may_write(self) -> None:
        self.check()
        for mode in (0o660, 0o606):
            self.file().chmod(mode)
            self.check("others may write")
            self.assertEqual(self.file().stat().st_mode & 0o777, 0o600)

    def test_not_a_file(self) -> None:
        self.check()
        path = self.file()
        moved = self.root / "moved"
        path.rename(moved)
        path.symlink_to(moved)
        lin = self.load()
        self.assertEqual((bits(lin), lin.shared, path.is_symlink()), (CRC, True, False))
        self.assertEqual(len(self.warnings()), 1)
        path.unlink()
        os.mkfifo(path)
        self.assertEqual((bits(self.load()), path.is_fifo()), (CRC, False))

    def test_folder_that_cannot_be_written(self) -> None:
        self.cache.write_text("a file")
        for _ in range(3):
            lin = self.load()
            self.assertEqual((bits(lin), lin.shared), (CRC, False))
        (line,) = self.warnings()
        self.assertIn("not a directory", line)
        self.cache.unlink()
        self.check()
        self.cache = Path("/proc/self")  # a folder in which not even root makes files
        lin = self.load()
        self.assertEqual((bits(lin), lin.shared, len(self.warnings())), (CRC, False, 1))

    def test_options_of_before(self) -> None:
        options = _abi.awq_linear_options()
        options.struct_size = _abi.awq_linear_options.cache.offset  # whatever follows is not read
        options.cache = os.fsencode(self.cache)
        out = ctypes.c_void_p()
        with self.ctx.use() as handle:
            lib = libawq._library.library()
            status = lib.awq_linear_load(handle, os.fsencode(self.dir), EXACT.encode(), ctypes.byref(options), ctypes.byref(out))
        self.assertEqual(status, 0)
        self.assertFalse(libawq.Linear(out.value or 0).shared)
        self.assertFalse(self.cache.exists())

    def test_bad_module(self) -> None:
        with self.assertRaisesRegex(libawq.NotFound, "no_such"):
            self.load("no_such")
        self.assertFalse(self.cache.exists())

    def test_leftovers_are_swept(self) -> None:
        self.check()
        old, young = (self.file().with_name(f"{self.file().name}.{n}.tmp") for n in (1, 2))
        for path in (old, young):
            path.write_bytes(b"half")
        os.utime(old, (1, 1))
        next(p for p in self.cache.iterdir() if p.suffix == ".awqpack").unlink()
        self.load()
        self.assertEqual((old.exists(), young.exists()), (False, True))

    def test_at_once(self) -> None:
        code = LOAD + "print(zlib.crc32(lin(array('f', eval(sys.argv[4])))), lin.shared)"
        running = [support.python(code, str(self.dir), str(self.cache), EXACT, repr(SAMPLE)) for _ in range(4)]
        answers: List[object] = []
        threads = [threading.Thread(target=lambda: answers.append(bits(self.load()))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for p in running:
            out, err = p.communicate(timeout=60)
            self.assertEqual((p.returncode, out.decode().split()), (0, [str(CRC), "True"]), err.decode())
        self.assertEqual(answers, [CRC] * 4)
        self.assertEqual(self.warnings(), [])
        self.check()


SMAPS = """
def pages(text):
    out, found = {}, False
    for line in open("/proc/self/smaps"):
        words = line.split()
        if not words[0].endswith(":"):
            found = line.rstrip().endswith(text)
        elif found and words[-1] == "kB":
            out[words[0][:-1]] = out.get(words[0][:-1], 0) + int(words[1])
    return out
lin(array("f", [1.0] * lin.k))
print("ready", flush=True)
sys.stdin.readline()
p = pages(".awqpack")
print(p["Rss"], p["Pss"], p["Private_Dirty"] + p["Shared_Dirty"], p["Private_Clean"], lin.shared)
"""


@unittest.skipUnless(Path("/proc/self/smaps").exists(), "no /proc/self/smaps")
class Sharing(Folder):
    def test_two_processes_have_the_pages_once(self) -> None:
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
        command = [sys.executable, "-c", LOAD + SMAPS, str(self.dir), str(self.cache), EXACT]
        self.load()
        two = [subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for p in two:
            assert p.stdout
            self.assertEqual(p.stdout.readline(), "ready\n")
        for p in two:
            assert p.stdin
            p.stdin.write("\n")
            p.stdin.flush()
            rss, pss, dirty, private, shared = p.stdout.readline().split() if p.stdout else []
            self.assertEqual((shared, dirty, private), ("True", "0", "0"))
            self.assertGreaterEqual(int(rss), 256 * 256 // 2 // 1024)
            self.assertLessEqual(int(pss), int(rss) // 2 + 4)
        for p in two:
            p.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main()
