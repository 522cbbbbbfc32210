"""Arrays of other people as DLTensor views, and our own memory as something they can take over: DLPack capsules and buffers.

Nothing here needs numpy or torch; what is in sys.modules already is used.
"""

import ctypes
import math
import sys
from array import array
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from . import _abi

Pair = Tuple[int, int]  # DLDataTypeCode, bits

F16: Pair = (_abi.kDLFloat, 16)
F32: Pair = (_abi.kDLFloat, 32)
BF16: Pair = (_abi.kDLBfloat, 16)

# Names as in safetensors, in DLPack's terms, and how numpy and the buffer protocol call them.
_SAFETENSORS: Dict[str, Pair] = {
    "F64": (2, 64), "F32": F32, "F16": F16, "BF16": BF16, "I64": (0, 64), "I32": (0, 32), "I16": (0, 16), "I8": (0, 8),
    "U64": (1, 64), "U32": (1, 32), "U16": (1, 16), "U8": (1, 8), "BOOL": (6, 8),
}  # fmt: skip
_NUMPY = {
    (2, 64): "float64", F32: "float32", F16: "float16", (0, 64): "int64", (0, 32): "int32", (0, 16): "int16", (0, 8): "int8",
    (1, 64): "uint64", (1, 32): "uint32", (1, 16): "uint16", (1, 8): "uint8", (6, 8): "bool",
}  # fmt: skip
_FORMATS = {"e": 2, "f": 2, "d": 2, "b": 0, "h": 0, "i": 0, "l": 0, "q": 0, "B": 1, "H": 1, "I": 1, "L": 1, "Q": 1, "?": 6}


class DLManagedTensor(ctypes.Structure):
    pass


DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
DLManagedTensor._fields_ = [("dl_tensor", _abi.DLTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", DELETER)]


class DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", DELETER),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", _abi.DLTensor),
    ]


_READ_ONLY = 1
_capsule_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_capsule_get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
_capsule_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))
_capsule_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
# The same by address: a capsule that is being destroyed must not become a Python reference again.
_dying_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_dying_get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))

# PyCapsule keeps the pointer to the name that it is given: these must live as long as the process.
_TENSOR, _TENSOR_USED = ctypes.c_char_p(b"dltensor"), ctypes.c_char_p(b"used_dltensor")
_VERSIONED, _VERSIONED_USED = ctypes.c_char_p(b"dltensor_versioned"), ctypes.c_char_p(b"used_dltensor_versioned")


class View:
    """A DLTensor over someone's memory. release() gives it back; until then `keep` holds the owner."""

    __slots__ = ("tensor", "shape", "dtype", "read_only", "keep", "_release")

    def __init__(
        self, tensor: Any, read_only: bool, keep: Any, release: Optional[Callable[[], None]] = None
    ) -> None:
        self.tensor = tensor
        self.shape: Tuple[int, ...] = tuple(tensor.shape[: tensor.ndim]) if tensor.ndim > 0 else ()
        self.dtype: Pair = (tensor.dtype.code, tensor.dtype.bits)
        self.read_only = read_only
        self.keep = keep
        self._release = release

    def release(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()
        self.keep = None


def make(pointer: int, dtype: Pair, shape: Sequence[int], strides: Optional[Sequence[int]] = None) -> Any:
    """A DLTensor on the CPU. `strides` in elements; None: compact."""
    n = len(shape)
    t = _abi.DLTensor()
    t.data = pointer or None
    t.device.device_type = _abi.kDLCPU
    t.ndim = n
    t.dtype.code, t.dtype.bits, t.dtype.lanes = dtype[0], dtype[1], 1
    t.shape = (ctypes.c_int64 * max(1, n))(*shape)
    if strides is None:
        strides = compact(shape)
    t.strides = (ctypes.c_int64 * max(1, n))(*strides)
    return t


def compact(shape: Sequence[int]) -> List[int]:
    out: List[int] = []
    step = 1
    for d in reversed(shape):
        out.insert(0, step)
        step *= d
    return out


def numpy_dtype(dtype: Any) -> Pair:
    """A numpy dtype (or ml_dtypes' bfloat16) in DLPack's terms."""
    if not dtype.isnative:
        raise TypeError(f"dtype {dtype.str}: not in this machine's byte order")
    if dtype.name == "bfloat16":
        return BF16
    code = {"f": 2, "i": 0, "u": 1, "b": 6, "c": 5}.get(dtype.kind)
    if code is None:
        raise TypeError(f"dtype {dtype}: not an array of numbers")
    return code, dtype.itemsize * 8


def _from_numpy(x: Any) -> View:
    size = x.itemsize
    if any(s % size for s in x.strides):
        raise ValueError("array whose strides are no multiple of the element size")
    interface = x.__array_interface__
    strides = [s // size for s in x.strides]
    return View(make(interface["data"][0], numpy_dtype(x.dtype), x.shape, strides), not x.flags.writeable, x)


def _from_dlpack(x: Any) -> View:
    try:
        capsule = x.__dlpack__(max_version=(1, 0))
    except TypeError:  # a producer from before DLPack 1.0
        capsule = x.__dlpack__()
    if _capsule_valid(capsule, _VERSIONED):
        name, used = _VERSIONED, _VERSIONED_USED
        kind: Any = DLManagedTensorVersioned
    elif _capsule_valid(capsule, _TENSOR):
        name, used, kind = _TENSOR, _TENSOR_USED, DLManagedTensor
    else:
        raise TypeError(f"{type(x).__name__}.__dlpack__ gave no unused DLPack capsule")
    address = _capsule_get(capsule, name)
    managed = kind.from_address(address)
    _capsule_rename(capsule, used)  # from here on it is ours, and the deleter ours to call

    def release() -> None:
        if managed.deleter:
            managed.deleter(address)

    major = managed.major if kind is DLManagedTensorVersioned else 1
    if major != 1:
        release()
        raise TypeError(f"{type(x).__name__}.__dlpack__ speaks DLPack {major}, known is 1")
    read_only = kind is DLManagedTensorVersioned and bool(managed.flags & _READ_ONLY)
    return View(managed.dl_tensor, read_only, (capsule, x), release)


def _from_buffer(x: Any) -> View:
    m = memoryview(x)
    form = m.format.lstrip("@=") if m.format else "B"
    if form not in _FORMATS or (m.format.startswith("=") and ctypes.sizeof(ctypes.c_long) != 8):
        raise TypeError(f"buffer of format {m.format!r}: expected 'f' (float32) or 'e' (float16)")
    pointer, release = buffer_address(m)
    strides = [s // m.itemsize for s in m.strides] if m.strides else compact(m.shape or ())
    return View(make(pointer, (_FORMATS[form], m.itemsize * 8), m.shape or (), strides), m.readonly, (m, x), release)


class _PyBuffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p),
    ]  # fmt: skip


_get_buffer = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)(
    ("PyObject_GetBuffer", ctypes.pythonapi)
)
_release_buffer = ctypes.PYFUNCTYPE(None, ctypes.POINTER(_PyBuffer))(("PyBuffer_Release", ctypes.pythonapi))
_PyBUF_STRIDES = 0x0010 | 0x0008


def buffer_address(m: memoryview) -> Tuple[int, Callable[[], None]]:
    """Where a buffer's first element lies, read-only ones too, and how to let go of it. While it is held the owner can't move it."""
    raw = _PyBuffer()
    _get_buffer(m, ctypes.byref(raw), _PyBUF_STRIDES)
    return raw.buf or 0, lambda: _release_buffer(ctypes.byref(raw))


def is_numpy(x: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.ndarray)


def is_buffer(x: Any) -> bool:
    """Plain memory: its one dimension holds whole rows one behind another."""
    return isinstance(x, (array, memoryview, bytes, bytearray))


def view(x: Any) -> View:
    if is_numpy(x):
        return _from_numpy(x)
    if hasattr(x, "__dlpack__"):
        return _from_dlpack(x)
    try:
        return _from_buffer(x)
    except TypeError as e:
        if "bytes-like" not in str(e):
            raise
        raise TypeError(f"{type(x).__name__}: expected a numpy array, an object with __dlpack__, or a buffer") from None


# What we export stays here until the consumer calls the deleter.
_exported: Dict[int, Any] = {}


def _forget(address: int) -> None:
    _exported.pop(address, None)


def _forget_capsule(capsule: int) -> None:
    for name in (_TENSOR, _VERSIONED):  # a used capsule has another name, and its consumer calls the deleter
        if _dying_valid(capsule, name):
            _exported.pop(_dying_get(capsule, name), None)


_delete = DELETER(_forget)
_destroy_capsule = DELETER(_forget_capsule)


class Tensor:
    """Memory with a dtype (safetensors' name) and a shape, row-major.

    Takes part in DLPack (`torch.from_dlpack(t)`, `numpy.from_dlpack(t)`); `numpy()`, `tobytes()` and `data` (a memoryview of its
    bytes) give the contents. Linear.from_arrays takes it as it is.
    """

    def __init__(self, dtype: str, shape: Sequence[int], data: Optional[bytes] = None) -> None:
        if dtype not in _SAFETENSORS:
            raise TypeError(f"dtype {dtype!r}: known are {', '.join(_SAFETENSORS)}")
        self.dtype = dtype
        self.shape = tuple(shape)
        self._pair = _SAFETENSORS[dtype]
        self.nbytes = math.prod(self.shape) * self._pair[1] // 8
        self._memory = (ctypes.c_char * max(1, self.nbytes))()
        if data is not None:
            if len(data) != self.nbytes:
                raise ValueError(f"{len(data)} bytes for {dtype} {list(self.shape)}, which has {self.nbytes}")
            ctypes.memmove(self._memory, data, self.nbytes)

    @property
    def address(self) -> int:
        return ctypes.addressof(self._memory)

    @property
    def data(self) -> memoryview:
        return memoryview(self._memory).cast("B")[: self.nbytes]

    def tobytes(self) -> bytes:
        return bytes(self.data)

    __bytes__ = tobytes

    def numpy(self) -> Any:
        """The same memory as a numpy array; bfloat16 needs the package ml_dtypes."""
        import numpy

        if self._pair == BF16:
            import ml_dtypes

            dtype = numpy.dtype(ml_dtypes.bfloat16)
        else:
            dtype = numpy.dtype(_NUMPY[self._pair])
        return numpy.frombuffer(self.data, dtype=dtype).reshape(self.shape)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return _abi.kDLCPU, 0

    def __dlpack__(self, *, stream: Any = None, max_version: Optional[Tuple[int, int]] = None, **_: Any) -> Any:
        tensor = make(self.address, self._pair, self.shape)
        versioned = max_version is not None and max_version[0] >= 1
        managed: Any = DLManagedTensorVersioned() if versioned else DLManagedTensor()
        if versioned:
            managed.major, managed.minor = 1, 0
        managed.dl_tensor, managed.deleter = tensor, _delete
        address = ctypes.addressof(managed)
        _exported[address] = (managed, tensor, self)
        return _capsule_new(address, _VERSIONED if versioned else _TENSOR, ctypes.cast(_destroy_capsule, ctypes.c_void_p))

    def __repr__(self) -> str:
        return f"libawq.Tensor({self.dtype}, {list(self.shape)})"


def empty_like(x: Any, dtype: Pair, shape: Sequence[int]) -> Any:
    """A fresh array of the same kind and dtype as x."""
    if is_numpy(x):
        import numpy

        return numpy.empty(shape, dtype=x.dtype)
    if hasattr(x, "__dlpack__"):
        module = sys.modules.get(type(x).__module__.partition(".")[0])
        if module is not None and module.__name__ == "torch":
            return module.empty(tuple(shape), dtype=x.dtype)
        name = next((n for n, pair in _SAFETENSORS.items() if pair == dtype), None)
        if name is None:
            raise TypeError(f"DLPack type code {dtype[0]} with {dtype[1]} bits: expected float32, float16 or bfloat16")
        out = Tensor(name, shape)
        if isinstance(x, Tensor):
            return out
        take: Any = x.__array_namespace__() if hasattr(x, "__array_namespace__") else module
        return take.from_dlpack(out) if hasattr(take, "from_dlpack") else out
    if isinstance(x, array):
        return array(x.typecode, bytes(math.prod(shape) * x.itemsize))
    m = memoryview(x)
    raw: Any = memoryview(bytearray(math.prod(shape) * m.itemsize))
    if not raw.nbytes:
        return raw.cast(m.format)
    try:
        return raw.cast(m.format, list(shape))
    except ValueError:
        raise TypeError(f"this Python makes no memoryview of format {m.format!r}: pass out=") from None
