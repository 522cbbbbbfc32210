"""Linear: every kind of array, shapes and dtypes, errors, threads."""

import ctypes
import gc
import struct
import threading
import unittest
import weakref
import zlib
from array import array
from typing import Any

import support
from support import BIASED, CRC, EXACT, FIRST, MODEL, SAMPLE, fixture, floats, libawq, optional

from libawq import _tensor

numpy = optional("numpy")
ml_dtypes = optional("ml_dtypes")
torch = optional("torch")


def setUpModule() -> None:
    global exact, biased
    exact, biased = libawq.Linear.load(MODEL, EXACT), libawq.Linear.load(MODEL, BIASED)


class Buffers(support.Case):
    def test_array(self) -> None:
        y = exact(array("f", SAMPLE))
        self.assertIsInstance(y, array)
        self.assertEqual((y.typecode, len(y), zlib.crc32(y)), ("f", 256, CRC))
        self.assertEqual(list(y[:6]), FIRST)

    def test_rows_in_a_row(self) -> None:
        y = exact(array("f", SAMPLE * 3))
        self.assertEqual(len(y), 768)
        self.assertEqual({zlib.crc32(y[i * 256 : i * 256 + 256]) for i in range(3)}, {CRC})

    def test_memoryview_keeps_its_shape(self) -> None:
        x = memoryview(array("f", SAMPLE * 6)).cast("B").cast("f", [2, 3, 256])
        y = exact(x)
        self.assertEqual((type(y), y.format, y.shape), (memoryview, "f", (2, 3, 256)))
        self.assertEqual(zlib.crc32(y), zlib.crc32(exact(array("f", SAMPLE * 6))))

    def test_read_only_x(self) -> None:
        x = memoryview(struct.pack("256f", *SAMPLE)).cast("f")
        self.assertTrue(x.readonly)
        self.assertEqual(zlib.crc32(exact(x)), CRC)

    def test_out(self) -> None:
        y = array("f", bytes(1024))
        self.assertIs(exact(array("f", SAMPLE), out=y), y)
        self.assertEqual(zlib.crc32(y), CRC)

    def test_out_read_only(self) -> None:
        with self.assertRaisesRegex(ValueError, "read-only"):
            exact(array("f", SAMPLE), out=memoryview(bytes(1024)).cast("f"))

    def test_no_rows(self) -> None:
        self.assertEqual(len(exact(array("f"))), 0)

    def test_buffer_is_given_back(self) -> None:
        x, y = array("f", SAMPLE), array("f", bytes(1024))
        exact(x, out=y)
        x.append(1.0), y.append(1.0)  # BufferError if an export were still held

    def test_wrong_length(self) -> None:
        with self.assertRaisesRegex(libawq.InvalidArgument, "255.*k=256"):
            exact(array("f", SAMPLE[:255]))

    def test_wrong_format(self) -> None:
        for x in (array("d", SAMPLE), array("i", range(256)), bytes(256)):
            with self.assertRaises(libawq.InvalidArgument):
                exact(x)

    def test_not_an_array(self) -> None:
        for x in (SAMPLE, "text", None, 3, object()):
            with self.assertRaises(TypeError):
                exact(x)


class Attributes(support.Case):
    def test_values(self) -> None:
        self.assertEqual((exact.n, exact.k, exact.group_size, exact.has_bias), (256, 256, 128, False))
        self.assertTrue(biased.has_bias)
        self.assertTrue(exact.kernel.startswith("cpu/"), exact.kernel)
        self.assertGreaterEqual(exact.nbytes, 256 * 256 // 2)
        self.assertEqual(exact.compute, "exact")
        self.assertIn("256", repr(exact))

    def test_int8(self) -> None:
        linear = libawq.Linear.load(MODEL, EXACT, compute="int8")
        self.assertEqual(linear.compute, "int8")
        y, e = linear(array("f", SAMPLE)), exact(array("f", SAMPLE))
        self.assertLess(sum((a - b) ** 2 for a, b in zip(y, e)) ** 0.5, 0.02 * sum(b * b for b in e) ** 0.5)

    def test_bias(self) -> None:
        y = biased(array("f", bytes(1024)))
        with libawq.Checkpoint.open(MODEL) as c:
            bias = [v for (v,) in struct.iter_unpack("<e", c.read_bytes(BIASED + ".bias"))]
        self.assertEqual(list(y), bias)

    def test_errors(self) -> None:
        with self.assertRaisesRegex(libawq.NotFound, "nothing.here"):
            libawq.Linear.load(MODEL, "nothing.here")
        with self.assertRaises(FileNotFoundError):
            libawq.Linear.load(MODEL / "nowhere", EXACT)
        with self.assertRaises(libawq.Unsupported):
            libawq.Linear.load(MODEL, "lm_head")
        with self.assertRaisesRegex(ValueError, "'exact', 'int8'"):
            libawq.Linear.load(MODEL, EXACT, compute="fast")

    def test_close(self) -> None:
        with libawq.Linear.load(MODEL, EXACT) as linear:
            linear(array("f", SAMPLE))
        with self.assertRaisesRegex(ValueError, "closed"):
            linear(array("f", SAMPLE))
        linear.close()

    def test_collected(self) -> None:
        linear = libawq.Linear.load(MODEL, EXACT)
        seen = weakref.ref(linear)
        alive = linear._finalizer
        del linear
        gc.collect()
        self.assertIsNone(seen())
        self.assertFalse(alive.alive)

    def test_outlives_its_context(self) -> None:
        with libawq.Context(threads=1) as ctx:
            linear = libawq.Linear.load(MODEL, EXACT, ctx=ctx)
        self.assertEqual(zlib.crc32(linear(array("f", SAMPLE))), CRC)

    def test_every_isa(self) -> None:
        for isa in ("scalar", "avx2", "avx512", "avx512vnni"):
            with self.subTest(isa=isa):
                try:
                    ctx = libawq.Context(isa=isa)
                except libawq.Unsupported as e:
                    self.assertIn(isa, str(e))
                    continue
                with ctx, libawq.Linear.load(MODEL, EXACT, ctx=ctx) as linear:
                    self.assertIn(isa, linear.kernel)
                    self.assertEqual(zlib.crc32(linear(array("f", SAMPLE))), CRC)


class Threads(support.Case):
    def test_one_linear_many_threads(self) -> None:
        bad = []

        def work(rows: int) -> None:
            for i in range(100):
                y = exact(array("f", SAMPLE * (1 + (i + rows) % 4)))
                if zlib.crc32(y[-256:]) != CRC:
                    bad.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])

    def test_each_thread_reads_its_own_message(self) -> None:
        barrier, bad = threading.Barrier(4), []

        def work(i: int) -> None:
            for _ in range(50):
                barrier.wait()
                try:
                    exact(memoryview(bytes(4 * (300 + i))).cast("f", [1, 300 + i]))
                    bad.append("no error")
                except libawq.InvalidArgument as e:
                    if str(300 + i) not in str(e):
                        bad.append(str(e))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])


class FromArrays(support.Case):
    def arrays(self) -> Any:
        with libawq.Checkpoint.open(MODEL) as c:
            return [c.read(f"{EXACT}.{part}") for part in ("qweight", "qzeros", "scales")]

    def test_tensors(self) -> None:
        linear = libawq.Linear.from_arrays(*self.arrays(), group_size=128)
        self.assertEqual(zlib.crc32(linear(array("f", SAMPLE))), CRC)

    def test_bias(self) -> None:
        bias = array("f", range(256))
        linear = libawq.Linear.from_arrays(*self.arrays(), bias, group_size=128)
        self.assertTrue(linear.has_bias)
        self.assertEqual(list(linear(array("f", bytes(1024)))), list(range(256)))
        bias.append(0)  # it was copied and given back

    def test_symmetric(self) -> None:
        qweight, _, scales = self.arrays()
        linear = libawq.Linear.from_arrays(qweight, None, scales, group_size=128)
        want = sum((fixture.code(3, k) - 8) * fixture.scale(3, k // 128) * SAMPLE[k] for k in range(256))
        self.assertEqual(linear(array("f", SAMPLE))[3], want)

    def test_other_group_sizes(self) -> None:
        for group in (32, 64, 256):
            parts = fixture.gemm(256, 256, group)
            tensors = [libawq.Tensor(dtype, shape, data) for dtype, shape, data in parts.values()]
            linear = libawq.Linear.from_arrays(*tensors, group_size=-1 if group == 256 else group)
            self.assertEqual(linear.group_size, group)
            y = linear(array("f", SAMPLE))
            self.assertEqual(y[1], sum(fixture.weight(1, k, group) * SAMPLE[k] for k in range(256)))

    def test_errors(self) -> None:
        qweight, qzeros, scales = self.arrays()
        with self.assertRaisesRegex(libawq.InvalidArgument, "group_size"):
            libawq.Linear.from_arrays(qweight, qzeros, scales, group_size=100)
        with self.assertRaisesRegex(libawq.InvalidArgument, "qweight"):
            libawq.Linear.from_arrays(array("i", bytes(64)), qzeros, scales, group_size=128)
        with self.assertRaisesRegex(libawq.InvalidArgument, "scales"):
            libawq.Linear.from_arrays(qweight, qzeros, qzeros, group_size=128)
        with self.assertRaisesRegex(ValueError, "'gemm'"):
            libawq.Linear.from_arrays(qweight, qzeros, scales, group_size=128, layout="marlin")
        with self.assertRaisesRegex(ValueError, "range"):
            libawq.Linear.from_arrays(qweight, qzeros, scales, group_size=2**32 + 128)


@unittest.skipUnless(numpy, "numpy is not installed")
class NumPy(support.Case):
    def test_float32(self) -> None:
        y = exact(numpy.array(SAMPLE, numpy.float32))
        self.assertEqual((type(y), y.dtype, y.shape), (numpy.ndarray, numpy.float32, (256,)))
        self.assertEqual(zlib.crc32(y), CRC)

    def test_float16(self) -> None:
        y = exact(numpy.array([SAMPLE] * 2, numpy.float16))
        self.assertEqual((y.dtype, y.shape), (numpy.float16, (2, 256)))
        self.assertTrue((y[0] == exact(numpy.array(SAMPLE, numpy.float32)).astype(numpy.float16)).all())

    @unittest.skipUnless(ml_dtypes, "ml_dtypes is not installed")
    def test_bfloat16(self) -> None:
        x = numpy.array([SAMPLE] * 2).astype(ml_dtypes.bfloat16)
        y = exact(x)
        self.assertEqual((y.dtype, y.shape), (x.dtype, (2, 256)))
        self.assertTrue((y[0] == exact(numpy.array(SAMPLE, numpy.float32)).astype(ml_dtypes.bfloat16)).all())

    def test_leading_dimensions(self) -> None:
        for shape in ((1,), (5,), (2, 3), (2, 1, 3), (0,), (3, 0, 2)):
            x = numpy.broadcast_to(numpy.array(SAMPLE, numpy.float32), (*shape, 256))
            y = exact(x)
            self.assertEqual(y.shape, (*shape, 256))
            self.assertTrue(all(zlib.crc32(row) == CRC for row in y.reshape(-1, 256)))

    def test_views(self) -> None:
        wide = numpy.random.default_rng(0).standard_normal((6, 4, 300)).astype(numpy.float32)
        views = [wide[:, 0, :256], wide[::2, 1, 40:296], wide[::-1, 0, :256], wide[0, 0, ::-1][:256], wide[:, :, :256], wide.T[:256, 0], wide[0, 0, :256]]
        views += [numpy.asfortranarray(wide[:, 0, :256]), numpy.moveaxis(numpy.ascontiguousarray(wide[:, :, :256]), 0, 1)]
        for v in views:
            v = v if v.shape[-1] == 256 else numpy.swapaxes(v, 0, -1)
            y = exact(v)
            self.assertEqual(y.shape, v.shape[:-1] + (256,))
            self.assertTrue((y == exact(numpy.array(v, order="C"))).all())

    def test_out(self) -> None:
        x = numpy.array([SAMPLE] * 3, numpy.float32)
        wide = numpy.zeros((3, 300), numpy.float32)
        self.assertEqual(zlib.crc32(exact(x, out=wide[:, 10:266])[2].copy()), CRC)
        self.assertTrue((wide[:, :10] == 0).all() and (wide[:, 266:] == 0).all())
        half = numpy.zeros((3, 256), numpy.float16)
        self.assertIs(exact(x, out=half), half)
        self.assertEqual(half[1, 0], numpy.float16(FIRST[0]))

    def test_out_wrong(self) -> None:
        x = numpy.array([SAMPLE] * 3, numpy.float32)
        with self.assertRaises(libawq.InvalidArgument):
            exact(x, out=numpy.zeros((2, 256), numpy.float32))
        with self.assertRaisesRegex(libawq.InvalidArgument, "overlap"):
            exact(x, out=x)
        locked = numpy.zeros((3, 256), numpy.float32)
        locked.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "read-only"):
            exact(x, out=locked)

    def test_wrong_dtype(self) -> None:
        for dtype in ("float64", "int32", "complex64"):
            with self.assertRaises(libawq.InvalidArgument):
                exact(numpy.zeros(256, dtype))
        for x in (numpy.zeros(256, ">f4"), numpy.array([None] * 256), numpy.array(["x"] * 256)):
            with self.assertRaises(TypeError):
                exact(x)
        self.assertEqual(zlib.crc32(exact(numpy.array(SAMPLE, numpy.float32))), CRC)

    def test_wrong_shape(self) -> None:
        with self.assertRaisesRegex(libawq.InvalidArgument, "255"):
            exact(numpy.zeros((2, 255), numpy.float32))
        with self.assertRaises(libawq.InvalidArgument):
            exact(numpy.float32(1) * numpy.ones((), numpy.float32).reshape(()))

    def test_read_only_and_subclass(self) -> None:
        x = numpy.array(SAMPLE, numpy.float32)
        x.flags.writeable = False
        self.assertEqual(zlib.crc32(exact(x)), CRC)
        self.assertEqual(zlib.crc32(numpy.ascontiguousarray(exact(numpy.array([SAMPLE], numpy.float32).view(numpy.recarray)))), CRC)

    def test_many_shapes(self) -> None:
        for rows in range(1, 200):
            self.assertEqual(exact(numpy.zeros((rows, 256), numpy.float32)).shape, (rows, 256))

    def test_from_arrays(self) -> None:
        with libawq.Checkpoint.open(MODEL) as c:
            arrays = [c.read(f"{EXACT}.{part}").numpy() for part in ("qweight", "qzeros", "scales")]
        linear = libawq.Linear.from_arrays(*arrays, group_size=128)
        self.assertEqual(zlib.crc32(linear(numpy.array(SAMPLE, numpy.float32))), CRC)
        with self.assertRaisesRegex(libawq.InvalidArgument, "qweight"):
            libawq.Linear.from_arrays(arrays[0][:, ::2], *arrays[1:], group_size=128)
        with self.assertRaisesRegex(libawq.InvalidArgument, "qweight"):
            libawq.Linear.from_arrays(arrays[0].astype(numpy.int64), *arrays[1:], group_size=128)

    def test_against_plain_numpy(self) -> None:
        rng = numpy.random.default_rng(1)
        n, k, group = 120, 192, 64
        q, z = rng.integers(0, 16, (n, k)), rng.integers(0, 16, (n, k // group))
        s = (rng.random((n, k // group)) * 0.01 + 0.001).astype(numpy.float16)
        order = [0, 2, 4, 6, 1, 3, 5, 7]

        def pack(codes: Any) -> Any:  # [n, rows] -> int32 [rows, n/8]
            nibbles = codes.T.reshape(-1, n // 8, 8)[:, :, order].astype(numpy.uint32)
            words = sum(nibbles[:, :, i] << numpy.uint32(4 * i) for i in range(8))
            return numpy.ascontiguousarray(words.astype(numpy.uint32).view(numpy.int32))

        bias = rng.standard_normal(n).astype(numpy.float32)
        linear = libawq.Linear.from_arrays(pack(q), pack(z), numpy.ascontiguousarray(s.T), bias, group_size=group)
        x = rng.standard_normal((7, k)).astype(numpy.float32)
        w = (q - numpy.repeat(z, group, 1)) * numpy.repeat(s.astype(numpy.float64), group, 1)
        want = x.astype(numpy.float64) @ w.T + bias
        self.assertLess(numpy.linalg.norm(linear(x) - want), 1e-5 * numpy.linalg.norm(want))


class Producer:
    """A foreign array: hands out DLPack capsules like torch (old protocol) or like numpy 2 (versioned)."""

    def __init__(self, tensor: Any, versioned: bool, flags: int = 0, major: int = 1) -> None:
        self.tensor, self.versioned, self.flags, self.major = tensor, versioned, flags, major
        self.deleted = 0
        self.capsules = []

        def delete(address: int) -> None:
            self.deleted += 1

        self._deleter = _tensor.DELETER(delete)

    def __dlpack__(self, **options: Any) -> Any:
        if not self.versioned and options:
            raise TypeError("unexpected keyword argument 'max_version'")
        kind = _tensor.DLManagedTensorVersioned if self.versioned else _tensor.DLManagedTensor
        self.managed = kind()
        if self.versioned:
            self.managed.major, self.managed.flags = self.major, self.flags
        self.managed.dl_tensor, self.managed.deleter = self.tensor, self._deleter
        name = _tensor._VERSIONED if self.versioned else _tensor._TENSOR
        capsule = _tensor._capsule_new(ctypes.addressof(self.managed), name, None)
        self.capsules.append(capsule)
        return capsule


class DLPack(support.Case):
    def producer(self, **options: Any) -> Any:
        self.memory = (ctypes.c_float * 512)(*SAMPLE, *SAMPLE)
        return Producer(_tensor.make(ctypes.addressof(self.memory), _tensor.F32, (2, 256)), **options)

    def test_both_protocols(self) -> None:
        for versioned in (False, True):
            x = self.producer(versioned=versioned)
            y = exact(x)
            self.assertEqual((type(y), y.dtype, y.shape), (libawq.Tensor, "F32", (2, 256)))
            self.assertEqual(zlib.crc32(y.data[:1024]), CRC)
            self.assertEqual(x.deleted, 1)
            used = _tensor._VERSIONED_USED if versioned else _tensor._TENSOR_USED
            self.assertTrue(_tensor._capsule_valid(x.capsules[0], used))

    def test_deleted_after_an_error(self) -> None:
        x = self.producer(versioned=False)
        x.tensor.device.device_type = 2
        with self.assertRaises(libawq.InvalidArgument):
            exact(x, out=array("f", bytes(2048)))
        self.assertEqual(x.deleted, 1)

    def test_read_only(self) -> None:
        x = self.producer(versioned=True, flags=1)
        self.assertEqual(zlib.crc32(exact(x).data[:1024]), CRC)
        with self.assertRaisesRegex(libawq.InvalidArgument, "read-only"):
            exact(array("f", SAMPLE * 2), out=self.producer(versioned=True, flags=1))

    def test_newer_major(self) -> None:
        x = self.producer(versioned=True, major=2)
        with self.assertRaisesRegex(TypeError, "DLPack 2"):
            exact(x)
        self.assertEqual(x.deleted, 1)

    def test_used_capsule(self) -> None:
        x = self.producer(versioned=False)
        capsule = x.__dlpack__()
        _tensor._capsule_rename(capsule, _tensor._TENSOR_USED)
        x.__dlpack__ = lambda: capsule

        class Twice:
            def __dlpack__(self) -> Any:
                return capsule

        with self.assertRaisesRegex(TypeError, "unused"):
            exact(Twice())

    def test_own_tensor(self) -> None:
        x = libawq.Tensor("F32", (1, 256), struct.pack("256f", *SAMPLE))
        y = exact(x)
        self.assertIsInstance(y, libawq.Tensor)
        self.assertEqual(floats(y)[:6], FIRST)
        self.assertEqual(_tensor._exported, {})

    def test_unused_capsule_is_collected(self) -> None:
        x = libawq.Tensor("F32", (256,))
        for version in (None, (1, 0)):
            capsule = x.__dlpack__(max_version=version)
            self.assertEqual(len(_tensor._exported), 1)
            del capsule
            gc.collect()
            self.assertEqual(len(_tensor._exported), 0)

    @unittest.skipUnless(numpy and hasattr(numpy, "from_dlpack"), "numpy >= 1.23 is not installed")
    def test_numpy_takes_our_tensor(self) -> None:
        t = libawq.Tensor("F32", (2, 128), struct.pack("256f", *SAMPLE))
        a = numpy.from_dlpack(t)
        self.assertEqual((a.shape, a.tolist()[0]), ((2, 128), SAMPLE[:128]))
        del a
        gc.collect()
        self.assertEqual(_tensor._exported, {})


@unittest.skipUnless(torch, "torch is not installed")
class Torch(support.Case):
    def test_float32(self) -> None:
        y = exact(torch.tensor([SAMPLE, SAMPLE]))
        self.assertEqual((type(y), y.dtype, tuple(y.shape)), (torch.Tensor, torch.float32, (2, 256)))
        self.assertEqual(y[1, :6].tolist(), FIRST)

    def test_half_and_bfloat16(self) -> None:
        for dtype in (torch.float16, torch.bfloat16):
            y = exact(torch.tensor([[SAMPLE] * 2] * 3, dtype=dtype))
            self.assertEqual((y.dtype, tuple(y.shape)), (dtype, (3, 2, 256)))
            self.assertTrue((y == exact(torch.tensor(SAMPLE)).to(dtype)).all())

    def test_views(self) -> None:
        x = torch.randn(6, 300)
        self.assertTrue((exact(x[::2, 20:276]) == exact(x[::2, 20:276].contiguous())).all())

    def test_out(self) -> None:
        y = torch.zeros(256, dtype=torch.bfloat16)
        self.assertIs(exact(torch.tensor(SAMPLE), out=y), y)
        self.assertEqual(y[0].item(), torch.tensor(FIRST[0]).to(torch.bfloat16).item())

    def test_gradient(self) -> None:
        with self.assertRaises((RuntimeError, BufferError)):
            exact(torch.zeros(256, requires_grad=True))
        self.assertEqual(exact(torch.zeros(256, requires_grad=True).detach()).abs().sum().item(), 0)

    def test_from_arrays(self) -> None:
        with libawq.Checkpoint.open(MODEL) as c:
            arrays = [torch.from_dlpack(c.read(f"{EXACT}.{part}")) for part in ("qweight", "qzeros", "scales")]
        self.assertEqual(arrays[0].dtype, torch.int32)
        linear = libawq.Linear.from_arrays(*arrays, group_size=128)
        self.assertEqual(linear(torch.tensor(SAMPLE))[:6].tolist(), FIRST)


if __name__ == "__main__":
    unittest.main()
