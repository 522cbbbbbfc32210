"""quantize, plan and evaluate: the long calls over whole model folders."""

import ctypes
import json
import math
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Union

from . import _abi
from ._calls import Interruptible, ProgressFn, take_text
from ._context import Context
from ._errors import check
from ._library import library

Path = Union[str, "os.PathLike[str]"]

_METHODS = {"awq": _abi.AWQ_METHOD_AWQ, "rtn": _abi.AWQ_METHOD_RTN}
_OBJECTIVES = {"linear": _abi.AWQ_OBJECTIVE_LINEAR, "module": _abi.AWQ_OBJECTIVE_MODULE, "auto": _abi.AWQ_OBJECTIVE_AUTO}
_REFINEMENTS = {"off": _abi.AWQ_REFINEMENT_OFF, "fast": _abi.AWQ_REFINEMENT_FAST}
_LAYOUTS = {"gemm": _abi.AWQ_LAYOUT_GEMM}


def choice(what: str, value: str, table: Mapping[str, int]) -> int:
    if value not in table:
        raise ValueError(f"{what}={value!r}: known are {', '.join(map(repr, table))}")
    return table[value]


def int32(what: str, value: int) -> int:
    if not -(2**31) <= value < 2**31:  # ctypes would cut it to 32 bits without a word
        raise ValueError(f"{what}={value} is out of range")
    return int(value)


def encode_path(path: Path) -> bytes:
    return os.fsencode(path)


def _text(value: Optional[str]) -> Optional[bytes]:
    return None if value is None else value.encode("utf-8")


@contextmanager
def _handle(ctx: Optional[Context]) -> Iterator[int]:
    """A long call has a context of its own unless it is given one, so that it keeps nobody else waiting."""
    if ctx is not None:
        with ctx.use() as handle:
            yield handle
    else:
        with Context() as own, own.use() as handle:
            yield handle


def _quant_config(
    group_size: int,
    zero_point: bool,
    method: str,
    layout: str,
    samples: int,
    seq_len: int,
    exclude: Union[None, str, Sequence[str]],
    objective: Optional[str],
    refine: Optional[str],
) -> _abi.awq_quant_config:
    c = _abi.awq_quant_config()
    c.struct_size = ctypes.sizeof(c)
    c.group_size = int32("group_size", group_size)
    c.zero_point = _abi.AWQ_ZERO_POINT_ASYMMETRIC if zero_point else _abi.AWQ_ZERO_POINT_SYMMETRIC
    c.method = choice("method", method, _METHODS)
    c.layout = choice("layout", layout, _LAYOUTS)
    if objective is not None:
        c.objective = choice("objective", objective, _OBJECTIVES)
    if refine is not None:
        c.refinement = choice("refine", refine, _REFINEMENTS)
    c.samples, c.seq_len = int32("samples", samples), int32("seq_len", seq_len)
    if exclude is not None:
        patterns = [exclude] if isinstance(exclude, str) else list(exclude)
        c.exclude = (ctypes.c_char_p * max(1, len(patterns)))(*[p.encode("utf-8") for p in patterns])
        c.exclude_count = len(patterns)
    return c


def quantize(
    src: Path,
    dst: Path,
    *,
    group_size: int = 128,
    zero_point: bool = True,
    method: str = "awq",
    layout: str = "gemm",
    clip: bool = True,
    duo_scaling: bool = True,
    objective: Optional[str] = None,
    refine: Optional[str] = None,
    calib: Optional[Path] = None,
    samples: int = 128,
    seq_len: int = 512,
    exclude: Union[None, str, Sequence[str]] = None,
    chat: bool = False,
    text_column: str = "text",
    seed: int = 0,
    overwrite: bool = False,
    progress: Optional[ProgressFn] = None,
    ctx: Optional[Context] = None,
) -> Dict[str, Any]:
    """Quantises the Hugging Face model folder `src` into the new folder `dst` and returns the report.

    group_size: 32, 64, 128, 256, or -1 for one group a row. method: "awq" or "rtn" (round to nearest, no calibration). calib: a
    .txt, .jsonl, .json or .parquet file (default: the built-in text). exclude: patterns of modules kept in float (default:
    lm_head). progress is called with a Progress about ten times a second; what it returns is ignored, what it raises stops the
    call and comes out of it. `dst` appears complete or not at all.
    """
    c = _quant_config(group_size, zero_point, method, layout, samples, seq_len, exclude, objective, refine)
    c.no_clip, c.no_duo, c.chat, c.overwrite = not clip, not duo_scaling, chat, overwrite
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed={seed} is out of range")
    c.seed = seed
    c.calib = None if calib is None else encode_path(calib)
    c.text_column = _text(text_column)
    lib = library()
    out = ctypes.c_void_p()
    with Interruptible() as call:
        c.progress = call.progress(progress)
        with _handle(ctx) as handle:
            status = lib.awq_quantize(handle, encode_path(src), encode_path(dst), ctypes.byref(c), ctypes.byref(out))
            report = take_text(out) if status == 0 else ""
            if call.pending is None:
                check(status)
    result: Dict[str, Any] = json.loads(report)
    return result


def plan(
    src: Path,
    *,
    group_size: int = 128,
    zero_point: bool = True,
    method: str = "awq",
    layout: str = "gemm",
    samples: int = 128,
    seq_len: int = 512,
    exclude: Union[None, str, Sequence[str]] = None,
    objective: Optional[str] = None,
    refine: Optional[str] = None,
    ctx: Optional[Context] = None,
) -> Dict[str, Any]:
    """What quantize would do with these settings, without reading weights."""
    c = _quant_config(group_size, zero_point, method, layout, samples, seq_len, exclude, objective, refine)
    out = ctypes.c_void_p()
    with _handle(ctx) as handle:
        check(library().awq_plan(handle, encode_path(src), ctypes.byref(c), ctypes.byref(out)))
        result: Dict[str, Any] = json.loads(take_text(out))
    return result


@dataclass(frozen=True)
class Evaluation:
    perplexity: float  # exp(nll)
    nll: float  # mean negative log-likelihood, nats
    tokens: int  # predicted tokens
    kl: Optional[float]  # mean KL(against || dir), nats; None without `against`
    top1_agreement: Optional[float]  # 0..1; None without `against`
    seconds: float


def evaluate(
    dir: Path,
    text: Path,
    *,
    against: Optional[Path] = None,
    context: int = 1024,
    tokens: int = 0,
    chat: bool = False,
    text_column: str = "text",
    progress: Optional[ProgressFn] = None,
    ctx: Optional[Context] = None,
) -> Evaluation:
    """Perplexity of a float or quantised folder on the text file `text`, in windows of `context` tokens, at most `tokens` of them
    (0: all); with `against`, also how far its predictions are from that folder's."""
    c = _abi.awq_eval_config()
    c.struct_size = ctypes.sizeof(c)
    c.text, c.text_column = encode_path(text), _text(text_column)
    c.against = None if against is None else encode_path(against)
    c.context, c.chat, c.tokens = int32("context", context), chat, tokens
    r = _abi.awq_eval_result()
    r.struct_size = ctypes.sizeof(r)
    lib = library()
    with Interruptible() as call:
        c.progress = call.progress(progress)
        with _handle(ctx) as handle:
            status = lib.awq_evaluate(handle, encode_path(dir), ctypes.byref(c), ctypes.byref(r))
            if call.pending is None:
                check(status)
    kl = None if math.isnan(r.kl) else r.kl
    top1 = None if math.isnan(r.top1_agreement) else r.top1_agreement
    return Evaluation(r.perplexity, r.nll, r.tokens, kl, top1, r.seconds)
