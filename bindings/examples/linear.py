#!/usr/bin/env python3
"""linear.py DIR MODULE [M]: loads one quantised linear, runs M rows through it and compares with a plain dequantise-and-multiply.

    python linear.py SmolLM2-awq model.layers.0.mlp.down_proj

The C, C++ and Python versions print the same line. Needs no numpy; numpy arrays and torch tensors would do for x as well.
"""

import math
import struct
import sys
import zlib
from array import array
from operator import mul

import libawq

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # nibble i of a word holds column 8c + ORDER[i]


def sample(m: int, k: int) -> float:
    """A number in [-1, 1) made from the integer hash of (m, k): 24 bits, so exact in float32."""
    h = (m * 0x9E3779B1 + k * 0x85EBCA77 + 0x165667B1) & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 0x2C1B3C6D & 0xFFFFFFFF
    h ^= h >> 12
    h = h * 0x297A2D39 & 0xFFFFFFFF
    h ^= h >> 15
    return ((h >> 8) - 8388608) / 8388608


def read_floats(ckpt: libawq.Checkpoint, name: str) -> list:
    t = ckpt.read(name)
    if t.dtype == "BF16":
        return [struct.unpack("<f", b"\0\0" + bytes(t.data[i : i + 2]))[0] for i in range(0, t.nbytes, 2)]
    form = {"F16": "e", "F32": "f"}[t.dtype]
    return [v for (v,) in struct.iter_unpack("<" + form, t.data)]


def main() -> int:
    if len(sys.argv) not in (3, 4):
        print(f"usage: {sys.argv[0]} DIR MODULE [M]", file=sys.stderr)
        return 2
    folder, module = sys.argv[1:3]
    m = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    linear = libawq.Linear.load(folder, module)
    n, k, group = linear.n, linear.k, linear.group_size

    # y = x . W^T (+ bias), one call for all rows
    x = array("f", [sample(r, j) for r in range(m) for j in range(k)])
    y = linear(x)

    # The same in double from the file's arrays: w = (q - z) * s. Plain Python is slow: of a large layer only some outputs.
    with libawq.Checkpoint.open(folder) as ckpt:
        qweight, qzeros = array("I", ckpt.read_bytes(module + ".qweight")), array("I", ckpt.read_bytes(module + ".qzeros"))
        scales = read_floats(ckpt, module + ".scales")
        bias = read_floats(ckpt, module + ".bias") if module + ".bias" in ckpt else [0.0] * n
    words = n // 8
    step = max(1, n * k // 2_000_000)
    max_abs = error = norm = 0.0
    for c in range(0, words, step):
        for i, place in enumerate(ORDER):
            o = 8 * c + place
            w = []
            for g in range(k // group):
                z, s = qzeros[g * words + c] >> 4 * i & 15, scales[g * n + o]
                table = [(q - z) * s for q in range(16)]
                w += [table[word >> 4 * i & 15] for word in qweight[g * group * words + c : (g + 1) * group * words : words]]
            for r in range(m):
                total = bias[o] + sum(map(mul, w, x[r * k : r * k + k]))
                d = abs(y[r * n + o] - total)
                max_abs = max(max_abs, d)
                error += d * d
                norm += total * total
    relative = math.sqrt(error / norm) if norm > 0 else math.sqrt(error)
    print(f"linear {module} n={n} k={k} crc32={zlib.crc32(y):08x} max_abs_err={max_abs:.2e} rel_l2_err={relative:.2e}")
    return 0 if relative <= 1e-5 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except libawq.AwqError as e:
        sys.exit(f"{e.status_name}: {e}")
