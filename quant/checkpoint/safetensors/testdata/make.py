#!/usr/bin/env python3
"""Makes the golden files of this folder: python3 make.py, with

    safetensors==0.8.0  numpy==2.4.6

reference.safetensors is written by the PyPI package; verdicts.txt says for a list
of headers whether that package accepts them.
"""
import pathlib
import struct

import numpy as np
import safetensors
from safetensors.numpy import save_file

assert safetensors.__version__ == "0.8.0" and np.__version__ == "2.4.6"
here = pathlib.Path(__file__).parent

tensors = {}
for i, dtype in enumerate(["bool", "uint8", "int8", "int16", "uint16", "float16", "int32", "uint32", "float32", "float64", "int64", "uint64"]):
    tensors[f"layers.{i}.{dtype}"] = (np.arange(2 * (i + 1)) % 2 if dtype == "bool" else np.arange(2 * (i + 1)) * 3 + i).astype(dtype).reshape(2, i + 1)
tensors["scalar"] = np.array(1.5, np.float32)
tensors["empty"] = np.zeros((0, 3), np.float16)
tensors['naïve "quoted" \\ 😀'] = np.array([7, 8, 9], np.uint8)
save_file(tensors, here / "reference.safetensors", metadata={"format": "pt"})


def entry(dtype, shape, begin, end):
    return '{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}' % (dtype, shape, begin, end)


cases = [
    ("{}", 0), ("{} ", 0), (" {}", 0), ("null", 0), ("[]", 0), ("{}", 1),
    ('{"a":%s}' % entry("U8", "[1]", 0, 1), 1),
    ('{"a":%s}' % entry("U8", "[1]", 0, 1), 2),
    ('{"a":%s}' % entry("U8", "[2]", 0, 2), 1),
    ('{"a":%s}' % entry("U8", "[1]", 1, 2), 2),
    ('{"a":%s}' % entry("F32", "[]", 0, 4), 4),
    ('{"a":%s}' % entry("F32", "[0]", 0, 0), 0),
    ('{"a":%s}' % entry("F4", "[3]", 0, 2), 2),
    ('{"a":%s}' % entry("F4", "[4]", 0, 2), 2),
    ('{"a":%s}' % entry("F6_E2M3", "[4]", 0, 3), 3),
    ('{"a":%s}' % entry("F8_E8M0", "[3]", 0, 3), 3),
    ('{"a":%s}' % entry("C64", "[1]", 0, 8), 8),
    ('{"a":%s}' % entry("U8", "[4294967296,4294967296]", 0, 0), 0),
    ('{"a":%s}' % entry("U8", "[-1]", 0, 1), 1),
    ('{"a":%s}' % entry("U8", "[1.0]", 0, 1), 1),
    ('{"a":%s,"b":%s}' % (entry("U8", "[1]", 0, 1), entry("U8", "[1]", 1, 2)), 2),
    ('{"a":%s,"b":%s}' % (entry("U8", "[1]", 1, 2), entry("U8", "[1]", 0, 1)), 2),
    ('{"a":%s,"b":%s}' % (entry("U8", "[2]", 0, 2), entry("U8", "[2]", 1, 3)), 3),
    ('{"a":%s,"b":%s}' % (entry("U8", "[1]", 0, 1), entry("U8", "[1]", 2, 3)), 3),
    ('{"a":{"x":1,"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    ('{"__metadata__":{"format":"pt"}}', 0),
    ('{"__metadata__":{"format":1}}', 0),
    ('{"__metadata__":{"format":"pt"},"a":%s}' % entry("BF16", "[2,2]", 0, 8), 8),
    ('{"\\ud800":%s}' % entry("U8", "[1]", 0, 1), 1),
    ('{"\\ud83d\\ude00":%s}' % entry("U8", "[1]", 0, 1), 1),
]
with open(here / "verdicts.txt", "w", encoding="utf-8") as out:
    out.write("# made by make.py; verdict, bytes of data, header\n")
    for header, data in cases:
        raw = header.encode()
        try:
            safetensors.deserialize(struct.pack("<Q", len(raw)) + raw + bytes(data))
            verdict = "accepts"
        except safetensors.SafetensorError:
            verdict = "refuses"
        out.write(f"{verdict}\t{data}\t{header}\n")
