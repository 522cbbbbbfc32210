"""Several linears in one call: siblings of one x, the gated half of an MLP, mixtures of experts."""

import ctypes
import sys
from array import array
from typing import Any, Callable, List, Optional, Sequence, Tuple

from . import _abi
from ._errors import check
from ._library import library
from ._linear import PLANS, Linear
from ._operands import Operands, described, invalid

Handles = Tuple[int, ...]


def _handles(lins: Sequence[Linear], name: str) -> Handles:
    if not lins:
        raise invalid(f"{name} holds no linears")
    for lin in lins:
        if not isinstance(lin, Linear):
            raise TypeError(f"{name} holds a {type(lin).__name__}: expected libawq.Linear")
    return tuple([lin._live() for lin in lins])


def _pointers(handles: Handles) -> Any:
    return (ctypes.c_void_p * len(handles))(*handles)


def _references(tensors: Sequence[Any]) -> Any:
    return (ctypes.POINTER(_abi.DLTensor) * len(tensors))(*[ctypes.pointer(t) for t in tensors])


def _address(x: Any) -> int:
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(x))  # a quarter of what x.ctypes.data takes
    except (TypeError, ValueError, BufferError):
        return x.ctypes.data


def _quick(lin: Linear, name: str, handles: Any, arrays: Sequence[Any], arguments: Callable[[List[Any]], Tuple[Any, ...]]) -> bool:
    """Calls `name` on numpy arrays with what an earlier call of these shapes has prepared, which `lin` remembers: its DLTensors and
    `arguments` of them, in the order of `arrays`. False if one of the arrays has to be looked at more closely."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not all([type(a) is numpy.ndarray for a in arrays]):
        return False
    key = (name, handles, *[(a.shape, a.strides, a.dtype) for a in arrays])
    plan = lin._plans.pop(key, None)  # taken out while in use: another thread makes its own
    if plan is None:
        tensors = [described(a) for a in arrays]
        if None in tensors:
            return False
        plan = (tensors, arguments(tensors))
    for t, a in zip(plan[0], arrays):
        t.data = _address(a)
    check(getattr(library(), name)(*plan[1]))
    if len(lin._plans) < PLANS:
        lin._plans[key] = plan
    return True


def _fresh(x: Any, n: int) -> Any:
    """An output for numpy's x, None for other arrays."""
    numpy = sys.modules.get("numpy")
    return numpy.empty((*x.shape[:-1], n), x.dtype) if numpy is not None and type(x) is numpy.ndarray else None


def _writable(out: Any) -> bool:
    return out is not None and (not hasattr(out, "flags") or out.flags.writeable)  # else Operands says so


def forward_many(lins: Sequence[Linear], x: Any, outs: Optional[Sequence[Any]] = None) -> List[Any]:
    """[lin(x) for lin in lins] in one call (q, k, v; gate, up): x is prepared once, the bits are those of single calls.

    Up to 64 linears of one context with the same k, group_size, compute and g_idx. outs: arrays to fill, one a linear.
    """
    handles = _handles(lins, "lins")
    if outs is not None and len(outs) != len(lins):
        raise invalid(f"outs holds {len(outs)} arrays for {len(lins)} linears")
    ys = [_fresh(x, lin.n) for lin in lins] if outs is None else list(outs)
    if all([_writable(y) for y in ys]) and _quick(
        lins[0], "awq_linear_forward_many", handles, [x, *ys],
        lambda t: (_pointers(handles), len(handles), ctypes.pointer(t[0]), _references(t[1:]), None),
    ):  # fmt: skip
        return ys
    with Operands() as op:
        tx = op.input(x, lins[0].k)
        pairs = [op.output(None if outs is None else outs[i], op.lead, lin.n, f"outs[{i}]") for i, lin in enumerate(lins)]
        ts = _references([t for _, t in pairs])
        check(library().awq_linear_forward_many(_pointers(handles), len(handles), ctypes.byref(tx), ts, None))
        return [y for y, _ in pairs]


def forward_glu(gate: Linear, up: Linear, x: Any, out: Any = None) -> Any:
    """silu(gate(x)) * up(x) in one call, without the intermediates; silu(a) = a / (1 + exp(-a)) in float32."""
    handles = _handles((gate, up), "gate, up")
    y = _fresh(x, up.n) if out is None else out
    if _writable(y) and _quick(up, "awq_linear_forward_glu", handles, [x, y], lambda t: (*handles, ctypes.pointer(t[0]), ctypes.pointer(t[1]), None)):
        return y
    with Operands() as op:
        tx = op.input(x, up.k)
        y, ty = op.output(out, op.lead, up.n)
        check(library().awq_linear_forward_glu(*handles, ctypes.byref(tx), ctypes.byref(ty), None))
        return y


def forward_grouped(
    experts: Sequence[Linear], x: Any, offsets: Any, rows: Any = None, gates: Optional[Sequence[Linear]] = None, out: Any = None
) -> Any:
    """Mixture of experts: rows of x [..., k] dealt to up to 1024 experts in one call; returns y [routed rows, n].

    rows: int32, the row of x of each routed row, sorted by expert; None: x's own rows in order. offsets: int32 [experts + 1],
    expert e has the routed rows offsets[e] .. offsets[e+1]-1, perhaps none. Both may be lists. gates: one linear an expert, then
    y = silu(gate(x)) * expert(x).
    """
    handles = _handles(experts, "experts")
    if gates is not None and len(gates) != len(experts):
        raise invalid(f"gates holds {len(gates)} linears for {len(experts)} experts")
    gate_handles = () if gates is None else _handles(gates, "gates")

    def arguments(t: List[Any]) -> Tuple[Any, ...]:
        references = [ctypes.pointer(v) if v is not None else None for v in t]
        return (_pointers(handles), _pointers(gate_handles) if gate_handles else None, len(handles), *references, None)

    n = experts[0].n
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(x) is numpy.ndarray and rows is not None:
        offsets, rows = [numpy.asarray(array("i", v)) if isinstance(v, (list, tuple)) else v for v in (offsets, rows)]
        y = numpy.empty((len(rows), n), x.dtype) if out is None else out
        if _writable(y) and _quick(
            experts[0], "awq_linear_forward_grouped", (handles, gate_handles), [x, rows, offsets, y], arguments
        ):
            return y
    with Operands() as op:
        tx = op.input(x, experts[0].k)
        tr = None if rows is None else op.ints(rows)
        to = op.ints(offsets)
        routed = op.rows if tr is None else tr.shape[0] if tr.ndim == 1 else 0  # the library refuses other dimensions
        y, ty = op.output(out, (routed,), n)
        check(library().awq_linear_forward_grouped(*arguments([tx, tr, to, ty])))
        return y
