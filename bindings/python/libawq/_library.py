"""Finds and loads the shared library on first use, and declares its functions."""

import ctypes
import os
import threading
from pathlib import Path
from typing import List, Optional

from . import _abi
from ._errors import NotFound, Unsupported

_NAMES = (_abi.SONAME, "libawq.so")
_lock = threading.Lock()
_loaded: Optional[ctypes.CDLL] = None


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


def candidates() -> List[str]:
    """Where the library is looked for, in this order. $LIBAWQ_PATH is final: if it is set, nothing else is tried."""
    chosen = os.environ.get("LIBAWQ_PATH")
    if chosen:
        return [os.path.join(chosen, name) for name in _NAMES] if os.path.isdir(chosen) else [chosen]
    package = Path(__file__).resolve().parent
    out = [str(package / name) for name in _NAMES]
    if package.parent.name == "python" and package.parent.parent.name == "bindings":
        out += [str(package.parents[2] / "build" / name) for name in reversed(_NAMES)]
    return [path for path in out if os.path.exists(path)] + [_abi.SONAME]


def _open() -> ctypes.CDLL:
    tried = []
    for path in candidates():
        try:
            return ctypes.CDLL(path)  # CDLL, not PyDLL: other Python threads run during calls
        except OSError as e:
            tried.append(str(e))
    raise NotFound(f"cannot load the libawq shared library; set LIBAWQ_PATH to it ({'; '.join(tried)})", _abi.AWQ_ERR_NOT_FOUND)


def library() -> ctypes.CDLL:
    global _loaded
    if _loaded is not None:
        return _loaded
    with _lock:
        if _loaded is None:
            lib = _open()
            for name, (result, arguments) in _abi.PROTOTYPES.items():
                try:
                    function = getattr(lib, name)
                except AttributeError:
                    raise Unsupported(f"{lib._name} has no function {name}: it is older than this package", _abi.AWQ_ERR_UNSUPPORTED) from None
                function.restype, function.argtypes = result, arguments
            number = lib.awq_version()
            if number // 10000 != _abi.VERSION[0]:
                text = lib.awq_version_string().decode()
                raise Unsupported(f"{lib._name} is version {text}, this package needs {_abi.VERSION[0]}.x", _abi.AWQ_ERR_UNSUPPORTED)
            _loaded = lib
    return _loaded
