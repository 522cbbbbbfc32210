"""Several linears in one call, parts and act-order: against single calls, and against the arithmetic written out in numpy."""

import struct
import threading
import unittest
from array import array
from typing import Any, List

import support
from support import BIASED, EXACT, MODEL, SAMPLE, fixture, floats, libawq, optional

numpy = optional("numpy")
torch = optional("torch")

LAYER = "model.layers.0."
ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # nibble i of a word holds column 8c + ORDER[i]


def setUpModule() -> None:
    global exact, qkv, gate, up
    exact = libawq.Linear.load(MODEL, EXACT)
    qkv = [libawq.Linear.load(MODEL, f"{LAYER}self_attn.{name}_proj") for name in "qkv"]
    gate, up = (libawq.Linear.load(MODEL, f"{LAYER}mlp.{name}_proj") for name in ("gate", "up"))


def samples(rows: int) -> "array[float]":
    return array("f", [fixture.sample_x(k + 1000 * r) for r in range(rows) for k in range(256)])


class Buffers(support.Case):
    def test_many(self) -> None:
        for rows in (1, 5):
            x = samples(rows)
            self.assertEqual(libawq.forward_many(qkv, x), [lin(x) for lin in qkv])

    def test_many_out(self) -> None:
        x, outs = samples(3), [array("f", bytes(3 * 1024)) for _ in qkv]
        got = libawq.forward_many(qkv, x, outs)
        self.assertTrue(all(a is b for a, b in zip(got, outs)))
        self.assertEqual(outs, [lin(x) for lin in qkv])
        outs[0].append(0.0), x.append(0.0)  # BufferError if an export were still held

    def test_glu(self) -> None:
        x = samples(4)
        y, a, b = libawq.forward_glu(gate, up, x), gate(x), up(x)
        for got, g, u in zip(y, a, b):
            want = g / (1 + 2.718281828459045 ** -g) * u
            self.assertLessEqual(abs(got - want), 2e-6 * abs(want) + 1e-30)

    def test_grouped(self) -> None:
        x, rows, offsets = samples(4), [3, 0, 2, 2, 1, 0], [0, 2, 2, 6]
        y = libawq.forward_grouped(qkv, x, offsets, rows)
        self.assertEqual((type(y), len(y)), (array, 6 * 256))
        want = array("f")
        for lin, start, end in zip(qkv, offsets, offsets[1:]):
            picked = array("f")
            for r in rows[start:end]:
                picked += x[256 * r : 256 * r + 256]
            want += lin(picked)
        self.assertEqual(y, want)
        y2 = array("f", bytes(6 * 1024))
        self.assertIs(libawq.forward_grouped(qkv, x, array("i", offsets), array("i", rows), out=y2), y2)
        self.assertEqual(y2, want)

    def test_grouped_without_rows(self) -> None:
        x = memoryview(samples(5)).cast("B").cast("f", [5, 256])
        y = libawq.forward_grouped([gate, up], x, (0, 3, 5), gates=[up, gate])
        self.assertEqual(y.shape, (5, 256))
        want = floats(libawq.forward_glu(up, gate, samples(5)[: 3 * 256])) + floats(libawq.forward_glu(gate, up, samples(5)[3 * 256 :]))
        self.assertEqual(floats(y), want)

    def test_nothing_routed(self) -> None:
        self.assertEqual(len(libawq.forward_grouped(qkv, samples(2), [0, 0, 0, 0], [])), 0)
        self.assertEqual([len(y) for y in libawq.forward_many(qkv, array("f"))], [0, 0, 0])
        self.assertEqual(len(libawq.forward_glu(gate, up, array("f"))), 0)

    def test_part(self) -> None:
        x = samples(3)
        for parts in (1, 2, 7, 1000):
            y = array("f", bytes(3 * 1024))
            for part in reversed(range(parts)):
                self.assertIsNone(exact.forward_part(x, y, part, parts))
            self.assertEqual(y, exact(x))

    def test_part_from_threads(self) -> None:
        x, y = samples(9), array("f", bytes(9 * 1024))
        threads = [threading.Thread(target=exact.forward_part, args=(x, y, i, 4)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(y, exact(x))


class Errors(support.Case):
    def test_many(self) -> None:
        x = samples(2)
        with self.assertRaisesRegex(libawq.InvalidArgument, "no linears"):
            libawq.forward_many([], x)
        with self.assertRaisesRegex(TypeError, "lins holds a NoneType"):
            libawq.forward_many([exact, None], x)
        with self.assertRaisesRegex(libawq.InvalidArgument, "outs holds 1 arrays for 3"):
            libawq.forward_many(qkv, x, [array("f", bytes(2048))])
        with self.assertRaisesRegex(libawq.InvalidArgument, r"65 linears"):
            libawq.forward_many([exact] * 65, x)
        with self.assertRaisesRegex(libawq.InvalidArgument, r"outs\[1\] is read-only"):
            libawq.forward_many(qkv[:2], x, [array("f", bytes(2048)), memoryview(bytes(2048)).cast("f")])
        y = array("f", bytes(2048))
        with self.assertRaisesRegex(libawq.InvalidArgument, r"ys\[1\] overlaps ys\[0\]"):
            libawq.forward_many(qkv[:2], x, [y, y])
        with self.assertRaisesRegex(libawq.InvalidArgument, "255.*k=256"):
            libawq.forward_many(qkv, x[:255])
        with libawq.Context() as ctx, libawq.Linear.load(MODEL, EXACT, ctx=ctx) as foreign:
            with self.assertRaisesRegex(libawq.InvalidArgument, r"lins\[1\] was made with another context"):
                libawq.forward_many([exact, foreign], x)
        with self.assertRaisesRegex(ValueError, "closed"):
            libawq.forward_many([exact, foreign], x)

    def test_glu(self) -> None:
        with libawq.Linear.load(MODEL, BIASED, compute="int8") as int8:
            with self.assertRaisesRegex(libawq.InvalidArgument, "gate has .*compute=2"):
                libawq.forward_glu(int8, up, samples(1))
        with self.assertRaisesRegex(libawq.InvalidArgument, "overlap"):
            x = samples(1)
            libawq.forward_glu(gate, up, x, out=x)
        with self.assertRaises(TypeError):
            libawq.forward_glu(gate, None, samples(1))

    def test_grouped(self) -> None:
        x = samples(2)
        for offsets, rows, words in (
            ([0, 2], None, "offsets holds 2 values; want 4"),
            ([0, 1, 1, 1], None, "0 to 1; want 0 to 2"),
            ([0, 2, 1, 2], None, r"offsets\[2\] is 1 after 2"),
            ([0, 1, 1, 2], [0, 2], r"rows\[1\] is 2; x has 2 rows"),
            ([0, 1, 1, 2], array("q", [0, 1]), "rows has .*int32"),
            (array("f", [0, 1, 1, 2]), None, "offsets has .*int32"),
        ):
            with self.assertRaisesRegex(libawq.InvalidArgument, words):
                libawq.forward_grouped(qkv, x, offsets, rows)
        with self.assertRaises(OverflowError):
            libawq.forward_grouped(qkv, x, [0, 1, 1, 2**32 + 2])
        with self.assertRaisesRegex(libawq.InvalidArgument, "gates holds 1 linears for 3"):
            libawq.forward_grouped(qkv, x, [0, 1, 1, 2], gates=[gate])
        with self.assertRaisesRegex(libawq.InvalidArgument, "y has 1 rows; want 2"):
            libawq.forward_grouped(qkv, x, [0, 1, 1, 2], out=memoryview(array("f", bytes(1024))).cast("B").cast("f", [1, 256]))

    def test_part(self) -> None:
        x, y = samples(1), array("f", bytes(1024))
        for part, parts in ((-1, 2), (2, 2), (0, 0)):
            with self.assertRaisesRegex(libawq.InvalidArgument, f"part {part} of {parts}"):
                exact.forward_part(x, y, part, parts)
        with self.assertRaisesRegex(ValueError, "range"):
            exact.forward_part(x, y, 2**32, 2**33)
        with self.assertRaisesRegex(TypeError, "out is None"):
            exact.forward_part(x, None, 0, 1)


class Quantised:
    """A random weight, the arrays that the library takes, and the products that it should give, in float64."""

    def __init__(self, n: int, k: int, group: int, seed: int, g_idx: Any = None, bias: bool = False) -> None:
        rng = numpy.random.default_rng(seed)
        q, z = rng.integers(0, 16, (n, k)), rng.integers(0, 16, (n, k // group))
        s = (rng.random((n, k // group)) * 0.01 + 0.001).astype(numpy.float16)
        b = rng.standard_normal(n).astype(numpy.float32) if bias else None
        groups = numpy.arange(k) // group if g_idx is None else g_idx
        self.weight = (q - z[:, groups]) * s.astype(numpy.float64)[:, groups]
        self.bias = 0 if b is None else b.astype(numpy.float64)
        self.linear = libawq.Linear.from_arrays(self.pack(q), self.pack(z), s.T.copy(), b, group_size=group, g_idx=g_idx)

    @staticmethod
    def pack(codes: Any) -> Any:  # [n, rows] -> int32 [rows, n/8]
        nibbles = codes.T.reshape(-1, codes.shape[0] // 8, 8)[:, :, ORDER].astype(numpy.uint32)
        words = (nibbles << numpy.arange(0, 32, 4, dtype=numpy.uint32)).sum(-1, dtype=numpy.uint32)
        return numpy.ascontiguousarray(words).view(numpy.int32)

    def __call__(self, x: Any) -> Any:
        return x.astype(numpy.float64) @ self.weight.T + self.bias


def silu(a: Any) -> Any:
    return a / (1 + numpy.exp(-a))


@unittest.skipUnless(numpy, "numpy is not installed")
class NumPy(support.Case):
    def near(self, got: Any, want: Any, limit: float = 1e-5) -> None:
        self.assertEqual(got.shape, want.shape)
        self.assertLess(numpy.linalg.norm(got - want), limit * numpy.linalg.norm(want))

    def test_many(self) -> None:
        weights = [Quantised(n, 192, 64, seed, bias=seed == 2) for seed, n in enumerate((120, 8, 264))]
        x = numpy.random.default_rng(9).standard_normal((2, 3, 192)).astype(numpy.float32)
        ys = libawq.forward_many([w.linear for w in weights], x)
        for y, w in zip(ys, weights):
            self.assertEqual(y.dtype, numpy.float32)
            self.near(y, w(x))
            self.assertTrue((y == w.linear(x)).all())

    def test_many_into_one_buffer(self) -> None:
        x = numpy.array([SAMPLE] * 3, numpy.float16)
        wide = numpy.zeros((3, 800), numpy.float32)
        libawq.forward_many(qkv, x, [wide[:, 256 * i : 256 * i + 256] for i in range(3)])
        for i, lin in enumerate(qkv):
            self.assertTrue((wide[:, 256 * i : 256 * i + 256] == lin(x.astype(numpy.float32))).all())
        self.assertTrue((wide[:, 768:] == 0).all())

    def test_views_of_x(self) -> None:
        wide = numpy.random.default_rng(0).standard_normal((6, 4, 300)).astype(numpy.float32)
        for x in (wide[:, 0, :256], wide[::-1, 0, :256], wide[:, :, :256], wide[0, 0, :512:2][:128].repeat(2), wide[0, 0, :256]):
            copy = numpy.array(x, order="C")
            self.assertTrue((libawq.forward_many(qkv, x)[1] == qkv[1](copy)).all())
            self.assertTrue((libawq.forward_glu(gate, up, x) == libawq.forward_glu(gate, up, copy)).all())
            y = numpy.empty((*x.shape[:-1], 256), numpy.float32)
            for part in range(3):
                exact.forward_part(x, y, part, 3)
            self.assertTrue((y == exact(copy)).all())

    def test_remembered_calls(self) -> None:
        experts, x = [*qkv, exact], numpy.array([SAMPLE] * 4, numpy.float32)
        rows, offsets = numpy.arange(4, dtype=numpy.int32), numpy.array([0, 1, 2, 3, 4], numpy.int32)
        for _ in range(3):
            x = x + 1
            for got, lin in zip(libawq.forward_many(experts, x), experts):
                self.assertTrue((got == lin(x)).all())
            self.assertTrue((libawq.forward_glu(gate, up, x) == libawq.forward_glu(gate, up, x.copy())).all())
            y = libawq.forward_grouped(experts, x, offsets, rows)
            self.assertTrue((y == numpy.stack([lin(x[i : i + 1])[0] for i, lin in enumerate(experts)])).all())
            # the same linears and shapes, but two of them as gates
            with self.assertRaisesRegex(libawq.InvalidArgument, "offsets holds 5 values; want 3"):
                libawq.forward_grouped(experts[:2], x, offsets, rows, gates=experts[2:])
        locked = numpy.zeros((4, 256), numpy.float32)
        libawq.forward_glu(gate, up, x, out=locked)
        locked.flags.writeable = False
        with self.assertRaisesRegex(libawq.InvalidArgument, "out is read-only"):
            libawq.forward_glu(gate, up, x, out=locked)
        with self.assertRaisesRegex(libawq.InvalidArgument, r"outs\[1\] is read-only"):
            libawq.forward_many(qkv[:2], x, [numpy.empty_like(locked), locked])
        x.flags.writeable = False
        self.assertTrue((libawq.forward_many(qkv, x)[2] == qkv[2](x)).all())

    def test_any_alignment(self) -> None:
        for shift in (1, 2, 3):
            x = numpy.frombuffer(bytes(shift) + struct.pack("256f", *SAMPLE), numpy.float32, 256, shift)
            y = numpy.frombuffer(bytearray(1024 + shift), numpy.float32, 256, shift)
            self.assertIs(exact(x, out=y), y)
            self.assertEqual(y.tolist(), list(exact(array("f", SAMPLE))))

    def test_glu(self) -> None:
        a, b = Quantised(136, 256, 32, 3, bias=True), Quantised(136, 256, 32, 4)
        for rows in (1, 6):
            x = numpy.random.default_rng(rows).standard_normal((rows, 256)).astype(numpy.float32)
            self.near(libawq.forward_glu(a.linear, b.linear, x), silu(a(x)) * b(x))
        half = numpy.empty((6, 136), numpy.float16)
        self.assertIs(libawq.forward_glu(a.linear, b.linear, x, out=half), half)
        self.near(half, silu(a(x)) * b(x), 1e-3)

    def test_grouped(self) -> None:
        experts = [Quantised(72, 128, 64, 10 + e, bias=e == 1) for e in range(4)]
        gates = [Quantised(72, 128, 64, 20 + e) for e in range(4)]
        rng = numpy.random.default_rng(5)
        x = rng.standard_normal((9, 128)).astype(numpy.float32)
        for counts in ([0, 1, 0, 0], [1, 1, 1, 1], [0, 17, 1, 3]):
            offsets = numpy.concatenate([[0], numpy.cumsum(counts)]).astype(numpy.int32)
            rows = rng.integers(0, 9, sum(counts)).astype(numpy.int32)
            for gated in (False, True):
                y = libawq.forward_grouped(
                    [w.linear for w in experts], x, offsets, rows, gates=[w.linear for w in gates] if gated else None
                )
                want: List[Any] = []
                for e in range(4):
                    picked = x[rows[offsets[e] : offsets[e + 1]]]
                    want.append(silu(gates[e](picked)) * experts[e](picked) if gated else experts[e](picked))
                self.near(y, numpy.concatenate(want))
        twice = numpy.stack([rows, rows], 1)
        self.assertEqual(libawq.forward_grouped([w.linear for w in experts], x, offsets, twice[:, 0]).shape, (21, 72))
        with self.assertRaisesRegex(libawq.InvalidArgument, "rows has 2 dimensions"):
            libawq.forward_grouped([w.linear for w in experts], x, offsets, twice)

    def test_act_order(self) -> None:
        rng = numpy.random.default_rng(6)
        for group in (32, 64):
            g_idx = rng.permutation(numpy.arange(192) // group).astype(numpy.int32)
            w = Quantised(40, 192, group, 7, g_idx=g_idx, bias=True)
            for rows in (1, 5):
                x = rng.standard_normal((rows, 192)).astype(numpy.float32)
                self.near(w.linear(x), w(x))
                self.near(libawq.forward_many([w.linear], x)[0], w(x))
                y = numpy.empty((rows, 40), numpy.float32)
                for part in range(2):
                    w.linear.forward_part(x, y, part, 2)
                self.assertTrue((y == w.linear(x)).all())
        plain = Quantised(40, 192, 64, 7, bias=True)
        with self.assertRaisesRegex(libawq.InvalidArgument, r"lins\[1\] has another g_idx than lins\[0\]"):
            libawq.forward_many([plain.linear, w.linear], x)
        sorted_ = Quantised(40, 192, 64, 7, g_idx=(numpy.arange(192) // 64).astype(numpy.int32), bias=True)
        self.assertTrue((libawq.forward_many([plain.linear, sorted_.linear], x)[1] == plain.linear(x)).all())

    def test_act_order_wrong(self) -> None:
        for g_idx, words in (
            (numpy.zeros(192, numpy.int64), "g_idx.*I32"),
            (numpy.zeros(191, numpy.int32), "g_idx.*191.*192"),
            (numpy.zeros(192, numpy.int32), "g_idx: group 0 has more than"),
            (numpy.full(192, -1, numpy.int32), "g_idx: group -1 at 0"),
        ):
            with self.assertRaisesRegex(libawq.InvalidArgument, words):
                codes = Quantised.pack(numpy.zeros((40, 192), int))
                libawq.Linear.from_arrays(codes, None, numpy.ones((3, 40), numpy.float16), group_size=64, g_idx=g_idx)


@unittest.skipUnless(torch, "torch is not installed")
class Torch(support.Case):
    def test_all(self) -> None:
        x = torch.randn(5, 256)
        for y, lin in zip(libawq.forward_many(qkv, x.half()), qkv):
            self.assertEqual((y.dtype, tuple(y.shape)), (torch.float16, (5, 256)))
            self.assertTrue((y == lin(x.half())).all())
        y = libawq.forward_glu(gate, up, x)
        self.assertTrue(torch.allclose(y, torch.nn.functional.silu(gate(x)) * up(x), rtol=1e-5, atol=1e-6))
        routes = torch.tensor([0, 4, 4, 1], dtype=torch.int32)
        y = libawq.forward_grouped([gate, up], x, torch.tensor([0, 2, 4], dtype=torch.int32), routes)
        self.assertTrue((y == torch.cat([gate(x[[0, 4]]), up(x[[4, 1]])])).all())
        out = torch.empty(5, 256)
        exact.forward_part(x, out, 0, 1)
        self.assertTrue((out == exact(x)).all())


if __name__ == "__main__":
    unittest.main()
