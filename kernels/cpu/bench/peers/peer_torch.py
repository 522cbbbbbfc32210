"""PyTorch's int4 product for the CPU, float32 activations, if a torch is there; `make bench-peers` installs none."""

import numpy as np
from peer import Missing, Peer

try:
    import torch
except ImportError as e:
    torch, trouble = None, e


class Torch(Peer):
    name = "torch int4pack"
    tolerance = 2e-2  # scales and zero points are bfloat16 unless the op takes float32

    def __init__(self):
        self.key, self.weights = None, []

    def version(self):
        if torch is None:
            raise Missing(f"torch: {trouble}")
        if not hasattr(torch.ops.aten, "_weight_int4pack_mm_for_cpu"):
            raise Missing(f"torch {torch.__version__} has no _weight_int4pack_mm_for_cpu")
        return f"torch {torch.__version__}"

    def packed(self, i):
        codes, zeros, scales = self.work.weight.copy(i)
        n, k = self.work.weight.n, self.work.weight.k
        w = torch.ops.aten._convert_weight_to_int4pack_for_cpu(torch.from_numpy(codes.reshape(n, k).astype(np.int32)), 1)
        s = scales.astype(np.float32).T
        shift = (8 - zeros.T.astype(np.float32)) * s  # there a weight is (code - 8) * scale + shift
        return w, torch.from_numpy(np.ascontiguousarray(np.stack([s, shift], 2)))

    def setup(self, work):
        self.work = work
        torch.set_num_threads(work.threads)
        if self.key != work.key:
            self.close()
            self.weights = [self.packed(i) for i in range(work.copies)]
            self.key = work.key
        self.inputs = [torch.from_numpy(x) for x in work.x]
        self.one = torch.ones(1)

    def run(self, turn):
        mm, slots, group = torch.ops.aten._weight_int4pack_mm_for_cpu, self.work.slots, self.work.weight.group
        for i in self.work.group_of(turn):
            self.last = mm(self.inputs[i % slots], self.weights[i][0], group, self.weights[i][1])
            if self.keep:
                self.work.y[i % slots][:] = self.last.numpy()

    keep = True  # results are copied to work.y until the first slice begins

    def begin(self):
        self.keep = False

    def end(self):
        self.keep = True

    def empty(self):
        for _ in range(self.work.per):
            torch.neg(self.one)
        return True

    def close(self):
        self.key, self.weights = None, []


def peers():
    return [Torch()]
