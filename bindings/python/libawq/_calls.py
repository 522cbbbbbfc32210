"""Long calls: progress, Ctrl-C, and exceptions of the caller's progress function."""

import ctypes
import signal
import threading
from functools import partial
from types import TracebackType
from typing import Any, Callable, Dict, NamedTuple, Optional, Type

from . import _abi


class Progress(NamedTuple):
    stage: str  # "calibrate", "search", "write", ...
    item: str  # "model.layers.3"
    fraction: float  # 0..1 of the whole job
    seconds: float  # since the start
    seconds_left: Optional[float]  # None while unknown


ProgressFn = Callable[[Progress], Any]


def _text(value: Optional[bytes]) -> str:
    return value.decode("utf-8", "replace") if value else ""


class Interruptible:
    """While it is entered, Python's signal handlers run but what they raise (KeyboardInterrupt) is kept; `stop` tells the library
    to cancel, and leaving the block raises it.

    Why not just let KeyboardInterrupt fly: Python runs a pending handler at the first instruction of the callback, before any
    `try` in it is entered; ctypes would print the exception and the call would go on.
    """

    _SIGNALS = tuple(getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, n))

    def __init__(self) -> None:
        self.pending: Optional[BaseException] = None
        self._handlers: Dict[int, Any] = {}

    def _caught(self, handler: Callable[..., Any], number: int, frame: Any) -> None:
        try:
            handler(number, frame)
        except BaseException as e:
            self.pending = self.pending or e

    def stop(self, *_: Any) -> int:
        return 1 if self.pending is not None else 0

    def __enter__(self) -> "Interruptible":
        if threading.current_thread() is threading.main_thread():
            for number in self._SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, partial(self._caught, handler))
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self.pending is not None:
            raise self.pending from None

    def progress(self, function: Optional[ProgressFn]) -> Any:
        """The callback for the library. Keep it referenced for the length of the call."""

        def report(_: Any, p: Any) -> int:
            if self.pending is None and function is not None:
                try:
                    c = p.contents
                    left = c.seconds_left if c.seconds_left >= 0 else None
                    function(Progress(_text(c.stage), _text(c.item), c.fraction, c.seconds, left))
                except BaseException as e:
                    self.pending = self.pending or e
            return self.stop()

        return _abi.awq_progress_fn(report)


def take_text(pointer: ctypes.c_void_p) -> str:
    """Copies text that the library made, and frees it."""
    from ._library import library

    try:
        return ctypes.string_at(pointer.value or 0).decode("utf-8") if pointer.value else ""
    finally:
        library().awq_string_destroy(ctypes.cast(pointer, ctypes.c_char_p))
