"""Contexts: the library's state. Most programs never make one: short calls share a default one, long calls make their own."""

import ctypes
import os
import threading
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Iterator, List, Optional, Type

from . import _abi
from ._errors import check
from ._library import library

_NESTED = "a callback must not use the context of the call that runs it"
LogFn = Callable[[str, str], Any]


@dataclass(frozen=True)
class Device:
    name: str  # "cpu/avx2"
    description: str  # one line; says why it is not available
    device_type: int  # DLDeviceType: 1 is the CPU
    index: int
    available: bool


def _destroy(handle: int, pid: int) -> None:
    if os.getpid() == pid:  # a forked child leaves the parent's context alone
        library().awq_context_destroy(handle)


class Context:
    """Settings for the calls that get it as `ctx`. May be used from several threads: loads run beside each other, other calls wait for their turn.

    threads: CPU threads of the kernels (default: $AWQ_NUM_THREADS, else what the process may use). isa: "scalar", "avx2" or
    another one of devices(), instead of the best. log: called with ("info" | "warning", line).
    """

    def __init__(self, threads: int = 0, isa: Optional[str] = None, log: Optional[LogFn] = None) -> None:
        options = _abi.awq_context_options()
        options.struct_size = ctypes.sizeof(options)
        options.threads = threads
        options.isa = isa.encode() if isa is not None else None
        self._log = _abi.awq_log_fn()
        if log is not None:
            names = {_abi.AWQ_LOG_INFO: "info", _abi.AWQ_LOG_WARNING: "warning"}
            receive = log

            def forward(_: Any, level: int, text: bytes) -> None:
                receive(names.get(level, str(level)), text.decode("utf-8", "replace"))

            self._log = _abi.awq_log_fn(forward)
        options.log = self._log
        out = ctypes.c_void_p()
        check(library().awq_context_create(ctypes.byref(options), ctypes.byref(out)))
        self._handle: Optional[int] = out.value
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._busy = False
        self._sharing: List[int] = []  # threads in calls that may run beside others
        self._idle = threading.Condition(self._lock)
        self._finalizer = weakref.finalize(self, _destroy, out.value or 0, self._pid)
        self._finalizer.atexit = False

    @contextmanager
    def use(self) -> Iterator[int]:
        """The handle, for one call."""
        if os.getpid() != self._pid:  # the lock may have been held by a thread that does not exist here; the library answers
            yield self._live()
            return
        with self._lock:
            self._alone()
            self._busy = True
            try:
                yield self._live()
            finally:
                self._busy = False

    @contextmanager
    def share(self) -> Iterator[int]:
        """The handle, for one call that may run beside others of its kind."""
        if os.getpid() != self._pid:
            yield self._live()
            return
        me = threading.get_ident()
        with self._lock:  # not while a call of the other kind runs
            if self._busy or me in self._sharing:
                raise RuntimeError(_NESTED)
            handle = self._live()
            self._sharing.append(me)
        try:
            yield handle
        finally:
            with self._lock:
                self._sharing.remove(me)
                self._idle.notify_all()

    def _alone(self) -> None:
        """Waits, with the lock, until no call runs."""
        if self._busy or threading.get_ident() in self._sharing:
            raise RuntimeError(_NESTED)
        while self._sharing:
            self._idle.wait()

    def _live(self) -> int:
        if self._handle is None:
            raise ValueError("the context is closed")
        return self._handle

    def devices(self) -> List[Device]:
        lib = library()
        out = []
        with self.use() as handle:
            count = ctypes.c_int32()
            check(lib.awq_device_count(handle, ctypes.byref(count)))
            for i in range(count.value):
                info = _abi.awq_device_info()
                info.struct_size = ctypes.sizeof(info)
                check(lib.awq_device_get(handle, i, ctypes.byref(info)))
                out.append(Device(info.name.decode(), info.description.decode(), info.device_type, info.index, bool(info.available)))
        return out

    def close(self) -> None:
        """Frees it. Linears made with it stay valid."""
        with self._lock:
            while self._sharing:
                self._idle.wait()
            self._handle = None
            self._finalizer()

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


_default: Optional[Context] = None
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def default_context() -> Context:
    global _default
    with _lock:
        if _default is None:
            _default = Context()
        return _default


def devices() -> List[Device]:
    """All devices the library knows, present or not."""
    return default_context().devices()


def version() -> str:
    """Version of the loaded library, "0.1.0"."""
    return str(library().awq_version_string().decode())
