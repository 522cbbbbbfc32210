"""The command `awq`, for pip users: python -m libawq, or the console command that the package installs."""

import ctypes
import os
import signal
import sys
import threading
from typing import Any, List, Optional

from . import _abi
from ._library import library


def main(argv: Optional[List[str]] = None) -> int:
    """Runs the command with argv (default: this process's arguments) and returns its exit code."""
    words = [b"awq"] + [os.fsencode(a) for a in (sys.argv[1:] if argv is None else argv)]
    main_thread = threading.current_thread() is threading.main_thread()
    stop: List[int] = []

    def caught(number: int, _: Any) -> None:
        stop.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process

    before = {}
    if main_thread:
        # Before the library is loaded, whose runtime remembers what it finds. SIGPIPE: end quietly with `| head`.
        before = {s: signal.signal(s, h) for s, h in ((signal.SIGINT, caught), (signal.SIGTERM, caught), (signal.SIGPIPE, signal.SIG_DFL))}
    cancel = _abi.awq_cancel_fn(lambda _: 1 if stop else 0)
    sys.stdout.flush()
    try:
        return int(library().awq_command_run(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None), cancel, None))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
