"""What every peer multiplies with: one random weight, quantised, as many copies in memory as it takes, and rows of activations.

A copy is the weight with its rows and groups turned round, so that no two have the same bytes (a peer that keeps equal constants
once would read them from a cache) and each is as good as the other.
"""

import math
from functools import cached_property

import numpy as np

CHUNK = 32 << 20  # of weights in one run, less for many rows: a call then costs nothing, and a run does not take long
ROWS = 256 << 20  # activations and results take no more than that each


class Weight:
    """[n, k] normal floats and their 4-bit form: codes and zero points uint8 (one a byte), scales float16, groups along k."""

    def __init__(self, n, k, group, symmetric=False, seed=1):
        self.n, self.k, self.group, self.symmetric = n, k, group, symmetric
        self.groups = k // group
        self.float32 = np.random.default_rng(seed).standard_normal((n, k), np.float32) * np.float32(1 / math.sqrt(k))
        w = self.float32.reshape(n, self.groups, group)
        if symmetric:
            self.scales = (np.abs(w).max(2) / 7).astype(np.float16)
            self.zeros = np.full((n, self.groups), 8, np.uint8)
        else:
            low, high = np.minimum(w.min(2), 0), np.maximum(w.max(2), 0)
            self.scales = ((high - low) / 15).astype(np.float16)
            self.zeros = np.clip(np.rint(-low / self.scales.astype(np.float32)), 0, 15).astype(np.uint8)
        codes = np.rint(w / self.scales.astype(np.float32)[:, :, None])
        codes += self.zeros[:, :, None]
        self.codes = np.clip(codes, 0, 15, out=codes).astype(np.uint8)

    @property
    def nbytes(self):
        """Of one copy as we count it for everyone: 4 bits a weight, 2 bytes of scale and half a byte of zero point a group."""
        return self.n * self.k / 2 + 2.5 * self.n * self.groups

    def copy(self, i):
        """Codes [n, groups, group], zero points and scales [n, groups] of copy i."""
        turn = (i * 8 % self.n, i * 8 // self.n % self.groups)
        return tuple(np.roll(a, turn, (0, 1)) for a in (self.codes, self.zeros, self.scales))

    def dequantised(self, i):
        codes, zeros, scales = self.copy(i)
        w = codes.astype(np.float32)
        w -= zeros[:, :, None]
        w *= scales.astype(np.float32)[:, :, None]
        return w.reshape(self.n, self.k)


def nibbles(a):
    """Neighbours of the last axis in one byte, the first in its low half; an odd end is filled up with 0."""
    if a.shape[-1] % 2:
        a = np.concatenate([a, np.zeros((*a.shape[:-1], 1), np.uint8)], -1)
    return a[..., 0::2] | a[..., 1::2] << 4


def aligned(slots, rows, columns):
    """float32 [slots, rows, columns], each slot at a multiple of 64 bytes; also the slots' distance in bytes."""
    stride = -(-rows * columns * 4 // 64) * 64
    raw = np.zeros(slots * stride + 64, np.uint8)
    raw = raw[-raw.ctypes.data % 64 :][: slots * stride].reshape(slots, stride)
    return raw[:, : rows * columns * 4].view(np.float32).reshape(slots, rows, columns), stride


class Work:
    """One cell of the table: `copies` of a weight times m rows, `per` copies in one run of a peer, `turns` runs until the first
    copy's turn comes again. Copy i reads x[i % slots] and writes y[i % slots]."""

    def __init__(self, weight, copies, m, threads):
        self.weight, self.m, self.threads = weight, m, threads
        row_bytes = 4 * m * max(weight.n, weight.k)
        self.per = int(max(1, min(copies, CHUNK // (weight.nbytes * max(1, m // 16)), ROWS // row_bytes)))
        self.turns = -(-copies // self.per)
        self.copies = self.turns * self.per
        self.slots = int(max(self.per, min(self.copies, ROWS // row_bytes)))
        self.x, self.x_stride = aligned(self.slots, m, weight.k)
        self.y, self.y_stride = aligned(self.slots, m, weight.n)
        rng = np.random.default_rng(m)
        for x in self.x:
            rng.standard_normal(dtype=np.float32, out=x)

    def group_of(self, turn):
        """The copies of a run."""
        return range(turn * self.per, (turn + 1) * self.per)

    @cached_property
    def key(self):
        """What does not change from one m to the next may be kept as long as this stays the same."""
        return id(self.weight), self.per, self.copies
