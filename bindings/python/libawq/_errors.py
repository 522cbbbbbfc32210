"""Statuses of the library as exceptions. Each is an AwqError and, where Python has one, also the builtin that people catch."""

from typing import Dict, Tuple, Type

from . import _abi


class AwqError(Exception):
    """A call failed. str() is the library's message; `status` is the number of the awq_status, `status_name` its name."""

    status: int

    def __init__(self, message: str, status: int = _abi.AWQ_ERR_INTERNAL) -> None:
        super().__init__(message)
        self.status = status

    @property
    def status_name(self) -> str:
        return _abi.STATUS_NAMES.get(self.status, f"status {self.status}")

    def __reduce__(self) -> Tuple[Type["AwqError"], Tuple[str, int]]:
        return type(self), (str(self), self.status)


class InvalidArgument(AwqError, ValueError):
    """A wrong shape, dtype, stride, or a value out of range."""


class Unsupported(AwqError, NotImplementedError):
    """Valid, but not offered: a model family, layout or dtype that the library does not know."""


class NotFound(AwqError, FileNotFoundError):
    """A file, folder, tensor or module that is not there."""


class CorruptError(AwqError, ValueError):
    """A file contradicts its format or itself, or weights hold NaN or Inf."""


class IOFailure(AwqError, OSError):
    """The operating system refused a read or a write."""


class OutOfMemory(AwqError, MemoryError):
    """An allocation failed."""


class DeviceError(AwqError, RuntimeError):
    """A driver or device failed, or there is no such device."""


class Cancelled(AwqError):
    """The call was cancelled. Raise it (or anything else) in a progress function to stop the call."""

    def __init__(self, message: str = "cancelled", status: int = _abi.AWQ_ERR_CANCELLED) -> None:
        super().__init__(message, status)


class InternalError(AwqError, RuntimeError):
    """A bug in the library; the context at hand refuses further work."""


class ForkedError(AwqError, RuntimeError):
    """Called in a child made by fork(): use the "spawn" or "forkserver" start method."""


_CLASSES: Dict[int, Type[AwqError]] = {
    _abi.AWQ_ERR_INVALID_ARGUMENT: InvalidArgument,
    _abi.AWQ_ERR_UNSUPPORTED: Unsupported,
    _abi.AWQ_ERR_NOT_FOUND: NotFound,
    _abi.AWQ_ERR_CORRUPT: CorruptError,
    _abi.AWQ_ERR_IO: IOFailure,
    _abi.AWQ_ERR_OUT_OF_MEMORY: OutOfMemory,
    _abi.AWQ_ERR_DEVICE: DeviceError,
    _abi.AWQ_ERR_CANCELLED: Cancelled,
    _abi.AWQ_ERR_INTERNAL: InternalError,
    _abi.AWQ_ERR_FORKED: ForkedError,
}


def error(status: int) -> AwqError:
    """The exception for a failed call of this thread, with the library's message."""
    from ._library import library

    message = library().awq_last_error_message().decode("utf-8", "replace")
    return _CLASSES.get(status, AwqError)(message or _abi.STATUS_NAMES.get(status, f"status {status}"), status)


def check(status: int) -> None:
    if status:
        raise error(status)
