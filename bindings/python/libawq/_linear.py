"""Quantised linear layers: y = x . W^T (+ bias)."""

import ctypes
import sys
import weakref
from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type

from . import _abi
from ._context import Context, default_context
from ._errors import InvalidArgument, check, error
from ._jobs import Path, choice, encode_path, int32
from ._library import library
from ._tensor import View, empty_like, is_buffer, make, numpy_dtype, view

_COMPUTE = {"exact": _abi.AWQ_COMPUTE_EXACT, "int8": _abi.AWQ_COMPUTE_INT8}
_LAYOUTS = {"gemm": _abi.AWQ_LAYOUT_GEMM}
_PLANS = 64  # call shapes that are remembered
_address, _byte = ctypes.addressof, ctypes.c_char.from_buffer


def _described(x: Any) -> Any:
    """A DLTensor of a numpy array without its address; None if the array has to be made compact before the library can read it."""
    size = x.itemsize
    pair = numpy_dtype(x.dtype)
    if x.flags.c_contiguous:  # numpy's strides of dimensions of size 1 may be anything
        return make(0, pair, x.shape)
    if x.ndim == 2 and x.strides[1] == size and x.strides[0] >= x.shape[1] * size and x.strides[0] % size == 0:
        return make(0, pair, x.shape, [s // size for s in x.strides])
    return None


class _Plan:
    """The two DLTensors of one call shape; a call only fills in the addresses."""

    __slots__ = ("x", "y", "px", "py", "shape", "x_buffer", "y_buffer")

    def __init__(self, x: Any, y: Any, shape: Tuple[int, ...]) -> None:
        self.x, self.y, self.shape = x, y, shape
        self.px, self.py = ctypes.addressof(x), ctypes.addressof(y)
        self.x_buffer = self.y_buffer = True  # whether the quick way to an address works for arrays of this kind


class Linear:
    """A quantised linear on the CPU. Calls from several threads at once are fine; close() must not run at the same time as one."""

    def __init__(self, handle: int) -> None:
        lib = library()
        p = _abi.awq_linear_properties()
        p.struct_size = ctypes.sizeof(p)
        self._finalizer = weakref.finalize(self, lib.awq_linear_destroy, handle)
        self._finalizer.atexit = False
        check(lib.awq_linear_info(handle, ctypes.byref(p)))
        self._handle: Optional[int] = handle
        # The same function with addresses as plain numbers: half of ctypes' own time saved.
        prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self._forward = prototype(("awq_linear_forward", lib))
        self._plans: Dict[Any, _Plan] = {}
        self.n: int = p.n
        self.k: int = p.k
        self.group_size: int = p.group_size
        self.has_bias: bool = bool(p.has_bias)
        self.kernel: str = p.kernel.decode()
        self.nbytes: int = p.bytes
        self.compute: str = next((name for name, value in _COMPUTE.items() if value == p.compute), str(p.compute))

    @classmethod
    def load(cls, dir: Path, name: str, compute: str = "exact", *, ctx: Optional[Context] = None) -> "Linear":
        """Module `name` ("model.layers.0.mlp.down_proj") of the quantised folder `dir`.

        compute: "exact", or "int8": x rounded to int8 per row and group, faster where the CPU has int8 dot products.
        """
        options = _abi.awq_linear_options()
        options.struct_size = ctypes.sizeof(options)
        options.compute = choice("compute", compute, _COMPUTE)
        out = ctypes.c_void_p()
        with (ctx or default_context()).use() as handle:
            check(library().awq_linear_load(handle, encode_path(dir), name.encode("utf-8"), ctypes.byref(options), ctypes.byref(out)))
        return cls(out.value or 0)

    @classmethod
    def from_arrays(
        cls,
        qweight: Any,
        qzeros: Any,
        scales: Any,
        bias: Any = None,
        *,
        group_size: int,
        layout: str = "gemm",
        compute: str = "exact",
        ctx: Optional[Context] = None,
    ) -> "Linear":
        """From arrays in AutoAWQ's "gemm" layout: qweight int32 [k, n/8], qzeros int32 [k/group, n/8] (None: symmetric, zero point
        8), scales float16 [k/group, n], bias [n] or None. They are copied. group_size -1: one group a row."""
        desc = _abi.awq_linear_desc()
        desc.struct_size = ctypes.sizeof(desc)
        desc.group_size = int32("group_size", group_size)
        desc.layout = choice("layout", layout, _LAYOUTS)
        desc.compute = choice("compute", compute, _COMPUTE)
        views = []
        try:
            for name, array in (("qweight", qweight), ("qzeros", qzeros), ("scales", scales), ("bias", bias)):
                if array is not None:
                    views.append(view(array))
                    setattr(desc, name, ctypes.pointer(views[-1].tensor))
                    if name == "qweight":
                        if len(views[-1].shape) != 2:
                            shape = list(views[-1].shape)
                            raise InvalidArgument(f"qweight has shape {shape}, expected [k, n/8]", _abi.AWQ_ERR_INVALID_ARGUMENT)
                        desc.k, desc.n = views[-1].shape[0], views[-1].shape[1] * 8
            out = ctypes.c_void_p()
            with (ctx or default_context()).use() as handle:
                check(library().awq_linear_create(handle, ctypes.byref(desc), ctypes.byref(out)))
        finally:
            for v in views:
                v.release()
        return cls(out.value or 0)

    def __call__(self, x: Any, out: Any = None) -> Any:
        """x: [..., k] float32, float16 or bfloat16; returns [..., n] of the same kind and dtype, or fills and returns `out`.

        A plain buffer (array.array, memoryview, bytes) of one dimension holds whole rows one behind another.
        """
        handle = self._handle
        if handle is None:
            raise ValueError("the linear is closed")
        numpy = sys.modules.get("numpy")
        if numpy is None or type(x) is not numpy.ndarray or (out is not None and type(out) is not numpy.ndarray):
            return self._general(handle, x, out)
        key = (x.shape, x.strides, x.dtype) if out is None else (x.shape, x.strides, x.dtype, out.shape, out.strides, out.dtype)
        plan = self._plans.pop(key, None)  # taken out while in use: another thread makes its own
        if plan is None:
            plan = self._plan(x, out)
            if plan is None:
                return self._general(handle, numpy.ascontiguousarray(x), out)
        if out is None:
            y = numpy.empty(plan.shape, x.dtype)
        elif not out.flags.writeable:
            raise InvalidArgument("out is read-only", _abi.AWQ_ERR_INVALID_ARGUMENT)
        else:
            y = out
        # x.ctypes.data is right for each array, and four times as slow as asking the buffer that most arrays are
        if plan.x_buffer:
            try:
                plan.x.data = _address(_byte(x))
            except (TypeError, ValueError):
                plan.x_buffer = False
        if not plan.x_buffer:
            plan.x.data = x.ctypes.data
        if plan.y_buffer:
            try:
                plan.y.data = _address(_byte(y))
            except (TypeError, ValueError):
                plan.y_buffer = False
        if not plan.y_buffer:
            plan.y.data = y.ctypes.data
        status = self._forward(handle, plan.px, plan.py, None)
        if status:
            raise error(status)
        if len(self._plans) < _PLANS:
            self._plans[key] = plan
        return y

    def _plan(self, x: Any, out: Any) -> Optional[_Plan]:
        shape = x.shape[:-1] + (self.n,)
        tx = _described(x)
        ty = make(0, numpy_dtype(x.dtype), shape) if out is None else _described(out)
        return None if tx is None or ty is None else _Plan(tx, ty, shape)

    def _general(self, handle: int, x: Any, out: Any) -> Any:
        vx = view(x)
        vy: Optional[View] = None
        try:
            shape = vx.shape
            tx = vx.tensor
            rows_of_buffer = is_buffer(x) and len(shape) == 1
            if rows_of_buffer:
                if shape[0] % self.k:
                    message = f"x holds {shape[0]} numbers, which is no multiple of k={self.k}"
                    raise InvalidArgument(message, _abi.AWQ_ERR_INVALID_ARGUMENT)
                tx = make(tx.data or 0, vx.dtype, (shape[0] // self.k, self.k))
                wanted: Tuple[int, ...] = (shape[0] // self.k * self.n,)
            else:
                wanted = shape[:-1] + (self.n,)
            y = empty_like(x, vx.dtype, wanted) if out is None else out
            vy = view(y)
            if vy.read_only:
                raise InvalidArgument("out is read-only", _abi.AWQ_ERR_INVALID_ARGUMENT)
            ty = vy.tensor
            if is_buffer(y) and len(vy.shape) == 1 and tx.ndim == 2 and vy.shape[0] == tx.shape[0] * self.n:
                ty = make(ty.data or 0, vy.dtype, (tx.shape[0], self.n))
            status = self._forward(handle, ctypes.addressof(tx), ctypes.addressof(ty), None)
            if status:
                raise error(status)
            return y
        finally:
            vx.release()
            if vy is not None:
                vy.release()

    def close(self) -> None:
        """Frees it."""
        self._handle = None
        self._finalizer()

    def __enter__(self) -> "Linear":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"libawq.Linear(n={self.n}, k={self.k}, group_size={self.group_size}, kernel={self.kernel!r})"
