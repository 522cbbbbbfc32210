"""libawq's linears, called as C functions with DLTensors made beforehand."""

import ctypes

import numpy as np
from peer import Missing, Peer

try:
    import libawq
    from libawq._tensor import F32, make
except (ImportError, OSError) as e:
    libawq, trouble = None, e

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # AutoAWQ's nibbles in a word


def gemm_layout(codes):
    """[n, rows] codes, one a byte, as int32 [rows, n/8]."""
    n, rows = codes.shape
    words = np.zeros((n // 8, rows), np.uint32)
    for place, channel in enumerate(ORDER):
        words |= codes[channel::8].astype(np.uint32) << np.uint32(4 * place)
    return np.ascontiguousarray(words.T).view(np.int32)


class Ours(Peer):
    def __init__(self, compute):
        self.compute = compute
        self.name = f"libawq {compute}"
        self.arithmetic = "int8" if compute == "int8" else "fp32"
        self.tolerance = 2e-2 if compute == "int8" else 1e-5
        self.key, self.linears = None, []

    def version(self):
        if libawq is None:
            raise Missing(f"the package libawq: {trouble}")
        try:
            return f"libawq {libawq.version()}"
        except libawq.Error as e:
            raise Missing(str(e)) from None

    def setup(self, work):
        self.work = work
        weight = work.weight
        if self.key != work.key:
            self.close()
            with libawq.Context(threads=work.threads) as ctx:
                for i in range(work.copies):
                    codes, zeros, scales = weight.copy(i)
                    arrays = (
                        gemm_layout(codes.reshape(weight.n, weight.k)),
                        None if weight.symmetric else gemm_layout(zeros),
                        np.ascontiguousarray(scales.T),
                    )
                    self.linears.append(libawq.Linear.from_arrays(*arrays, group_size=weight.group, compute=self.compute, ctx=ctx))
            self.key = work.key
        self.tensors = [(make(x.ctypes.data, F32, x.shape), make(y.ctypes.data, F32, y.shape)) for x, y in zip(work.x, work.y)]
        self.forward = self.linears[0]._forward
        self.runs = [[self.arguments(i) for i in work.group_of(turn)] for turn in range(work.turns)]
        # the same call with no rows
        self.nothing = make(0, F32, (0, weight.k)), make(0, F32, (0, weight.n))
        handle, nothing = self.linears[0]._handle, [ctypes.addressof(t) for t in self.nothing]
        self.idle = [(handle, *nothing)] * work.per

    def arguments(self, i):
        return (self.linears[i]._handle, *map(ctypes.addressof, self.tensors[i % self.work.slots]))

    def run(self, turn):
        self.all(self.runs[turn])

    def all(self, calls):
        forward = self.forward
        for handle, x, y in calls:
            if forward(handle, x, y, None):
                raise RuntimeError(ctypes.string_at(libawq._library.library().awq_last_error_message()).decode())

    def empty(self):
        try:
            self.all(self.idle)
        except RuntimeError:
            return False
        return True

    def note(self):
        one = self.linears[0]
        return f"kernel {one.kernel}, {one.nbytes / 1e6:.2f} MB a copy"

    def close(self):
        for linear in self.linears:
            linear.close()
        self.key, self.linears = None, []


def peers():
    return [Ours("exact"), Ours("int8")]
