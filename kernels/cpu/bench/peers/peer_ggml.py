"""ggml's CPU back end through ggml/shim.c: the same float weights in ggml's own 4-bit types, activations rounded to int8."""

import ctypes
import pathlib

import numpy as np
from peer import Missing, Peer

LIBRARY = pathlib.Path(__file__).resolve().parents[4] / "build/peers/ggml/libawq_peer_ggml.so"


def load(path):
    lib = ctypes.CDLL(str(path))
    p, i, n = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    for name, result, *arguments in (
        ("version", ctypes.c_char_p),
        ("open", p, ctypes.c_char_p, i, n, n, p, i, i),
        ("close", None, p),
        ("dequantised", None, p, p),
        ("storage", ctypes.c_char_p, p),
        ("bytes", n, p),
        ("rows", i, p, n, i, i, p, ctypes.c_size_t, p, ctypes.c_size_t),
        ("wake", None, p, i),
        ("run", i, p, i),
    ):
        function = getattr(lib, "peer_ggml_" + name)
        function.restype, function.argtypes = result, arguments
    return lib


class Ggml(Peer):
    arithmetic, tolerance = "int8", 2e-2

    def __init__(self, type_name, special=True):
        self.type, self.special = type_name, special
        self.name = f"ggml {type_name.upper()}" + ("" if special else " plain")
        self.key = self.handle = None
        self.tiny = None

    def version(self):
        if not LIBRARY.exists():
            raise Missing("ggml: build/peers/ggml holds no library")
        try:
            self.lib = load(LIBRARY)
        except OSError as e:
            raise Missing(f"ggml: {e}") from None
        package = LIBRARY.with_name("version.txt")
        origin = f" of {package.read_text().strip()}" if package.exists() else ""
        return f"ggml {self.lib.peer_ggml_version().decode()}{origin}"

    def open(self, w, copies, threads):
        w = np.ascontiguousarray(w)
        handle = self.lib.peer_ggml_open(self.type.encode(), int(self.special), *w.shape, w.ctypes.data, copies, threads)
        if not handle:
            raise Missing(f"{self.name}: no linear of {w.shape[0]} x {w.shape[1]} (type, k or memory)")
        return handle

    def setup(self, work):
        self.work = work
        if self.key != work.key:
            self.close()
            self.handle, self.key = self.open(work.weight.float32, work.copies, work.threads), work.key
            self.tiny = self.open(np.ones((32, 256), np.float32), 1, work.threads)
            self.tiny_x, self.tiny_y = np.ones(80 * 4, np.float32), np.ones(80 * 4, np.float32)
        x, y = work.x.ctypes.data, work.y.ctypes.data
        if self.lib.peer_ggml_rows(self.handle, work.m, work.per, work.slots, x, work.x_stride, y, work.y_stride) != work.turns:
            raise MemoryError(self.name)
        at = [a.ctypes.data + -a.ctypes.data % 64 for a in (self.tiny_x, self.tiny_y)]
        self.lib.peer_ggml_rows(self.tiny, 1, 1, 1, at[0], 1024, at[1], 1024)

    def begin(self):
        self.lib.peer_ggml_wake(self.handle, 1)

    def end(self):
        for handle in (self.handle, self.tiny):
            self.lib.peer_ggml_wake(handle, 0)

    def run(self, turn):
        if self.lib.peer_ggml_run(self.handle, turn):
            raise RuntimeError(self.name)

    def empty(self):
        return self.lib.peer_ggml_run(self.tiny, 0) == 0

    def reference(self, copy):
        w = np.empty((self.work.weight.n, self.work.weight.k), np.float32)
        self.lib.peer_ggml_dequantised(self.handle, w.ctypes.data)
        return w

    def note(self):
        place, size = self.lib.peer_ggml_storage(self.handle).decode(), self.lib.peer_ggml_bytes(self.handle)
        bits = 8 * size / (self.work.weight.n * self.work.weight.k)
        return f"buffer {place}, {bits:g} bits a weight"

    def close(self):
        for handle in (self.handle, self.tiny):
            if handle:
                self.lib.peer_ggml_close(handle)
        self.key = self.handle = self.tiny = None


def peers():
    return [Ggml("q4_0"), Ggml("q4_1")]
