"""Quantised linear layers: y = x . W^T (+ bias)."""

import ctypes
import sys
import weakref
from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type

from . import _abi
from ._context import Context, default_context
from ._errors import check, error
from ._jobs import Path, choice, encode_path, int32
from ._library import library
from ._operands import Operands, described, invalid
from ._tensor import make, numpy_dtype

_COMPUTE = {"exact": _abi.AWQ_COMPUTE_EXACT, "int8": _abi.AWQ_COMPUTE_INT8}
_LAYOUTS = {"gemm": _abi.AWQ_LAYOUT_GEMM}
PLANS = 64  # call shapes that are remembered
_address, _byte = ctypes.addressof, ctypes.c_char.from_buffer


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
        self._plans: Dict[Any, Any] = {}  # by shapes: _Plan, and what _fused.py remembers
        self.n: int = p.n
        self.k: int = p.k
        self.group_size: int = p.group_size
        self.has_bias: bool = bool(p.has_bias)
        self.kernel: str = p.kernel.decode()
        self.nbytes: int = p.bytes
        self.shared: bool = bool(p.shared)  # whether the weight is a mapping of a file in the cache
        self.compute: str = next((name for name, value in _COMPUTE.items() if value == p.compute), str(p.compute))

    @classmethod
    def load(
        cls, dir: Path, name: str, compute: str = "exact", *, cache: Optional[Path] = None, ctx: Optional[Context] = None
    ) -> "Linear":
        """Module `name` ("model.layers.0.mlp.down_proj") of the quantised folder `dir`.

        compute: "exact", or "int8": x rounded to int8 per row and group, faster where the CPU has int8 dot products.
        cache: a folder of packed forms, made if missing: what one process packed, later loads map, so that all share the memory.
        """
        options = _abi.awq_linear_options()
        options.struct_size = ctypes.sizeof(options)
        options.compute = choice("compute", compute, _COMPUTE)
        options.cache = None if cache is None else encode_path(cache)
        out = ctypes.c_void_p()
        with (ctx or default_context()).share() as handle:
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
        g_idx: Any = None,
        layout: str = "gemm",
        compute: str = "exact",
        ctx: Optional[Context] = None,
    ) -> "Linear":
        """From arrays in AutoAWQ's "gemm" layout: qweight int32 [k, n/8], qzeros int32 [k/group, n/8] (None: symmetric, zero point
        8), scales float16 [k/group, n], bias [n] or None. They are copied. group_size -1: one group a row.

        g_idx: int32 [k], the group of each input ("act-order"), every group group_size times; None: k // group_size."""
        desc = _abi.awq_linear_desc()
        desc.struct_size = ctypes.sizeof(desc)
        desc.group_size = int32("group_size", group_size)
        desc.layout = choice("layout", layout, _LAYOUTS)
        desc.compute = choice("compute", compute, _COMPUTE)
        out = ctypes.c_void_p()
        with Operands() as op:
            arrays = {"qweight": qweight, "qzeros": qzeros, "scales": scales, "bias": bias, "g_idx": g_idx}
            views = {name: op.view(a) for name, a in arrays.items() if a is not None}
            for name, v in views.items():
                setattr(desc, name, ctypes.pointer(v.tensor))
            if "qweight" in views:
                shape = views["qweight"].shape
                if len(shape) != 2:
                    raise invalid(f"qweight has shape {list(shape)}, expected [k, n/8]")
                desc.k, desc.n = shape[0], shape[1] * 8
            with (ctx or default_context()).share() as handle:
                check(library().awq_linear_create(handle, ctypes.byref(desc), ctypes.byref(out)))
        return cls(out.value or 0)

    def __call__(self, x: Any, out: Any = None) -> Any:
        """x: [..., k] float32, float16 or bfloat16; returns [..., n] of the same kind and dtype, or fills and returns `out`.

        A plain buffer (array.array, memoryview, bytes) of one dimension holds whole rows one behind another.
        """
        handle = self._live()
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
            raise invalid("out is read-only")
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
        if len(self._plans) < PLANS:
            self._plans[key] = plan
        return y

    def _plan(self, x: Any, out: Any) -> Optional[_Plan]:
        shape = x.shape[:-1] + (self.n,)
        tx = described(x)
        ty = make(0, numpy_dtype(x.dtype), shape) if out is None else described(out)
        return None if tx is None or ty is None else _Plan(tx, ty, shape)

    def _general(self, handle: int, x: Any, out: Any) -> Any:
        with Operands() as op:
            tx = op.input(x, self.k)
            y, ty = op.output(out, op.lead, self.n)
            status = self._forward(handle, ctypes.addressof(tx), ctypes.addressof(ty), None)
            if status:
                raise error(status)
            return y

    def forward_part(self, x: Any, out: Any, part: int, parts: int) -> None:
        """Fills share `part` of `parts` of out's columns, on the calling thread alone: for hosts with threads of their own, each of
        which calls with its own part. The parts together have the bits of the whole."""
        if out is None:
            raise TypeError("out is None: expected the array that all parts fill")
        with Operands() as op:
            tx = op.input(x, self.k)
            _, ty = op.output(out, op.lead, self.n)
            part, parts = int32("part", part), int32("parts", parts)
            check(library().awq_linear_forward_part(self._live(), ctypes.byref(tx), ctypes.byref(ty), part, parts))

    def _live(self) -> int:
        if self._handle is None:
            raise ValueError("the linear is closed")
        return self._handle

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
