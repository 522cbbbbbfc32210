"""The tensors of one call: views of the caller's arrays, made, described to the library and given back together."""

import math
from array import array
from types import TracebackType
from typing import Any, List, Optional, Tuple, Type

from . import _abi
from ._errors import InvalidArgument
from ._tensor import Pair, View, empty_like, is_buffer, is_numpy, make, numpy_dtype, view


def invalid(message: str) -> InvalidArgument:
    return InvalidArgument(message, _abi.AWQ_ERR_INVALID_ARGUMENT)


def described(x: Any) -> Any:
    """A DLTensor of a numpy array without its address; None if the array has to be made compact before the library can read it."""
    size = x.itemsize
    pair = numpy_dtype(x.dtype)
    if x.flags.c_contiguous:  # numpy's strides of dimensions of size 1 may be anything
        return make(0, pair, x.shape)
    if x.ndim == 2 and x.strides[1] == size and x.strides[0] >= x.shape[1] * size and x.strides[0] % size == 0:
        return make(0, pair, x.shape, [s // size for s in x.strides])
    return None


class Operands:
    """x first, then the outputs. `flat`: x is a plain buffer of one dimension, which holds whole rows one behind another."""

    def __init__(self) -> None:
        self._views: List[View] = []
        self.flat = False
        self.lead: Tuple[int, ...] = ()
        self._x: Any = None
        self._dtype: Pair = (0, 0)

    def __enter__(self) -> "Operands":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        for v in self._views:
            v.release()

    def view(self, x: Any) -> View:
        self._views.append(view(x))
        return self._views[-1]

    @property
    def rows(self) -> int:
        return math.prod(self.lead)

    def input(self, x: Any, k: int) -> Any:
        """The DLTensor of x [..., k]; a numpy array that the library can't read as it lies is copied."""
        if is_numpy(x) and described(x) is None:
            import numpy

            x = numpy.ascontiguousarray(x)
        v = self.view(x)
        self._x, self._dtype, self.lead = x, v.dtype, v.shape[:-1]
        if not (is_buffer(x) and len(v.shape) == 1):
            return v.tensor
        if v.shape[0] % k:
            raise invalid(f"x holds {v.shape[0]} numbers, which is no multiple of k={k}")
        self.flat, self.lead = True, (v.shape[0] // k,)
        return make(v.tensor.data or 0, v.dtype, (self.rows, k))

    def output(self, out: Any, lead: Tuple[int, ...], n: int, name: str = "out") -> Tuple[Any, Any]:
        """The array [*lead, n] to return, `out` or one of x's kind, and its DLTensor."""
        y = empty_like(self._x, self._dtype, (math.prod(lead) * n,) if self.flat else (*lead, n)) if out is None else out
        v = self.view(y)
        if v.read_only:
            raise invalid(f"{name} is read-only")
        if is_buffer(y) and len(v.shape) == 1 and len(lead) == 1 and v.shape[0] == lead[0] * n:
            return y, make(v.tensor.data or 0, v.dtype, (lead[0], n))
        return y, v.tensor

    def ints(self, values: Any) -> Any:
        """The DLTensor of int32 values; a list or tuple of Python's numbers, or a strided numpy array, is copied."""
        if isinstance(values, (list, tuple)):
            values = array("i", values)
        elif is_numpy(values):
            import numpy

            values = numpy.ascontiguousarray(values)
        return self.view(values).tensor
