"""libawq: 4-bit Activation-aware Weight Quantization on CPUs.

    import libawq
    libawq.quantize("SmolLM2-135M-Instruct", "SmolLM2-awq", progress=print)
    linear = libawq.Linear.load("SmolLM2-awq", "model.layers.0.mlp.down_proj")
    y = linear(x)          # numpy arrays, anything with __dlpack__ (torch), array.array, memoryview

Importing it loads nothing; the first use loads the shared library: $LIBAWQ_PATH (the file or its folder) if that is set, else the
one beside this package (wheels have it there), else build/ of the source tree this package lies in, else the system's.

After fork() only Linear objects work in the child (runtime limit of the library): use the "spawn" or "forkserver" start method.
"""

from ._abi import VERSION as _VERSION
from ._calls import Progress
from ._checkpoint import Checkpoint, TensorInfo
from ._context import Context, Device, devices, version
from ._errors import (
    AwqError,
    Cancelled,
    CorruptError,
    DeviceError,
    ForkedError,
    InternalError,
    InvalidArgument,
    IOFailure,
    NotFound,
    OutOfMemory,
    Unsupported,
)
from ._fused import forward_glu, forward_grouped, forward_many
from ._jobs import Evaluation, evaluate, plan, quantize
from ._linear import Linear
from ._tensor import Tensor

__version__ = "%d.%d.%d" % _VERSION

__all__ = [
    "AwqError",
    "Cancelled",
    "Checkpoint",
    "Context",
    "CorruptError",
    "Device",
    "DeviceError",
    "Evaluation",
    "ForkedError",
    "IOFailure",
    "InternalError",
    "InvalidArgument",
    "Linear",
    "NotFound",
    "OutOfMemory",
    "Progress",
    "Tensor",
    "TensorInfo",
    "Unsupported",
    "devices",
    "evaluate",
    "forward_glu",
    "forward_grouped",
    "forward_many",
    "plan",
    "quantize",
    "version",
]
