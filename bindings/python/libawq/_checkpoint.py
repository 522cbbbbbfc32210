"""Opened model folders."""

import ctypes
import json
import os
import weakref
from types import TracebackType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type

from . import _abi
from ._calls import take_text
from ._context import Context, default_context
from ._errors import NotFound, check
from ._jobs import Path, encode_path
from ._library import library
from ._tensor import Tensor


class TensorInfo(NamedTuple):
    name: str
    dtype: str  # safetensors' name, "F16"
    shape: Tuple[int, ...]
    nbytes: int


def _destroy(handle: int, pid: int) -> None:
    if os.getpid() == pid:
        library().awq_checkpoint_destroy(handle)


class Checkpoint:
    """A model folder, float or quantised: `with libawq.Checkpoint.open(dir) as c: c.inspect()`."""

    def __init__(self, handle: int) -> None:
        self._handle: Optional[int] = handle
        self._infos: Optional[Dict[str, TensorInfo]] = None
        self._finalizer = weakref.finalize(self, _destroy, handle, os.getpid())
        self._finalizer.atexit = False

    @classmethod
    def open(cls, dir: Path, *, ctx: Optional[Context] = None) -> "Checkpoint":
        """Opens a folder of safetensors (single or sharded) and checks its headers."""
        out = ctypes.c_void_p()
        with (ctx or default_context()).use() as handle:
            check(library().awq_checkpoint_open(handle, encode_path(dir), ctypes.byref(out)))
        return cls(out.value or 0)

    def _live(self) -> int:
        if self._handle is None:
            raise ValueError("the checkpoint is closed")
        return self._handle

    def inspect(self) -> Dict[str, Any]:
        """What the folder is: architecture, quantisation, layout, sizes, linears."""
        out = ctypes.c_void_p()
        check(library().awq_checkpoint_inspect(self._live(), ctypes.byref(out)))
        result: Dict[str, Any] = json.loads(take_text(out))
        return result

    def tensors(self) -> List[TensorInfo]:
        """All tensors in order of their names."""
        return list(self._table().values())

    def _table(self) -> Dict[str, TensorInfo]:
        if self._infos is None:
            lib, handle = library(), self._live()
            count = ctypes.c_size_t()
            check(lib.awq_checkpoint_tensor_count(handle, ctypes.byref(count)))
            info = _abi.awq_tensor_info()
            info.struct_size = ctypes.sizeof(info)
            table = {}
            for i in range(count.value):
                check(lib.awq_checkpoint_tensor_at(handle, i, ctypes.byref(info)))
                name = info.name.decode("utf-8")
                table[name] = TensorInfo(name, info.dtype.decode("utf-8"), tuple(info.shape[: info.ndim]), info.bytes)
            self._infos = table
        return self._infos

    def info(self, name: str) -> TensorInfo:
        """One tensor's dtype, shape and size."""
        self._live()
        try:
            return self._table()[name]
        except KeyError:
            raise NotFound(f"no tensor {name}", _abi.AWQ_ERR_NOT_FOUND) from None

    def read_bytes(self, name: str) -> bytes:
        """A tensor's bytes, row-major, little-endian; of any dtype."""
        info = self.info(name)
        memory = (ctypes.c_char * max(1, info.nbytes))()
        check(library().awq_checkpoint_read(self._live(), name.encode("utf-8"), memory, info.nbytes))
        return memory.raw[: info.nbytes]

    def read(self, name: str) -> Tensor:
        """A copy of a tensor. `.numpy()`, `.tobytes()`, or hand it to torch.from_dlpack."""
        info = self.info(name)
        out = Tensor(info.dtype, info.shape)
        check(library().awq_checkpoint_read(self._live(), name.encode("utf-8"), out.address, info.nbytes))
        return out

    def __contains__(self, name: str) -> bool:
        return name in self._table()

    def __iter__(self) -> Iterator[TensorInfo]:
        return iter(self.tensors())

    def __len__(self) -> int:
        return len(self._table())

    def close(self) -> None:
        """Closes it. Must not run while another thread reads."""
        self._handle = None
        self._finalizer()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()
