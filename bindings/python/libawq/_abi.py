"""The C ABI of libawq for ctypes.

DO NOT EDIT: made by capi/abi/generate.py --write from include/awq/awq.h.
"""

from ctypes import CFUNCTYPE, POINTER, Structure
from ctypes import c_char, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, Tuple

VERSION: Tuple[int, int, int] = (0, 1, 0)
SONAME = "libawq.so.1"

kDLCPU = 1
kDLCUDA = 2
kDLCUDAHost = 3
kDLOpenCL = 4
kDLVulkan = 7
kDLMetal = 8
kDLVPI = 9
kDLROCM = 10
kDLROCMHost = 11
kDLExtDev = 12
kDLCUDAManaged = 13
kDLOneAPI = 14
kDLWebGPU = 15
kDLHexagon = 16
kDLMAIA = 17
kDLTrn = 18
kDLInt = 0
kDLUInt = 1
kDLFloat = 2
kDLOpaqueHandle = 3
kDLBfloat = 4
kDLComplex = 5
kDLBool = 6
kDLFloat8_e3m4 = 7
kDLFloat8_e4m3 = 8
kDLFloat8_e4m3b11fnuz = 9
kDLFloat8_e4m3fn = 10
kDLFloat8_e4m3fnuz = 11
kDLFloat8_e5m2 = 12
kDLFloat8_e5m2fnuz = 13
kDLFloat8_e8m0fnu = 14
kDLFloat6_e2m3fn = 15
kDLFloat6_e3m2fn = 16
kDLFloat4_e2m1fn = 17
AWQ_OK = 0
AWQ_ERR_INVALID_ARGUMENT = 1
AWQ_ERR_UNSUPPORTED = 2
AWQ_ERR_NOT_FOUND = 3
AWQ_ERR_CORRUPT = 4
AWQ_ERR_IO = 5
AWQ_ERR_OUT_OF_MEMORY = 6
AWQ_ERR_DEVICE = 7
AWQ_ERR_CANCELLED = 8
AWQ_ERR_INTERNAL = 9
AWQ_ERR_FORKED = 10
AWQ_LAYOUT_DEFAULT = 0
AWQ_LAYOUT_GEMM = 1
AWQ_ZERO_POINT_DEFAULT = 0
AWQ_ZERO_POINT_ASYMMETRIC = 1
AWQ_ZERO_POINT_SYMMETRIC = 2
AWQ_METHOD_DEFAULT = 0
AWQ_METHOD_AWQ = 1
AWQ_METHOD_RTN = 2
AWQ_OBJECTIVE_DEFAULT = 0
AWQ_OBJECTIVE_LINEAR = 1
AWQ_OBJECTIVE_MODULE = 2
AWQ_OBJECTIVE_AUTO = 3
AWQ_REFINEMENT_DEFAULT = 0
AWQ_REFINEMENT_OFF = 1
AWQ_REFINEMENT_FAST = 2
AWQ_COMPUTE_DEFAULT = 0
AWQ_COMPUTE_EXACT = 1
AWQ_COMPUTE_INT8 = 2
AWQ_LOG_INFO = 1
AWQ_LOG_WARNING = 2

STATUS_NAMES: Dict[int, str] = {
    0: "AWQ_OK",
    1: "AWQ_ERR_INVALID_ARGUMENT",
    2: "AWQ_ERR_UNSUPPORTED",
    3: "AWQ_ERR_NOT_FOUND",
    4: "AWQ_ERR_CORRUPT",
    5: "AWQ_ERR_IO",
    6: "AWQ_ERR_OUT_OF_MEMORY",
    7: "AWQ_ERR_DEVICE",
    8: "AWQ_ERR_CANCELLED",
    9: "AWQ_ERR_INTERNAL",
    10: "AWQ_ERR_FORKED",
}

awq_log_fn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)

awq_cancel_fn = CFUNCTYPE(c_int32, c_void_p)


class DLDevice(Structure):
    _fields_ = [
        ("device_type", c_int32),
        ("device_id", c_int32),
    ]


class DLDataType(Structure):
    _fields_ = [
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
    ]


class DLTensor(Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device", DLDevice),
        ("ndim", c_int32),
        ("dtype", DLDataType),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class awq_context_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_int32),
        ("reserved", c_int32),
        ("isa", c_char_p),
        ("backend_path", c_char_p),
        ("log", awq_log_fn),
        ("log_user", c_void_p),
    ]


class awq_device_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("device_type", c_int32),
        ("index", c_int32),
        ("available", c_int32),
        ("reserved", c_int32),
        ("name", c_char * 64),
        ("description", c_char * 256),
    ]


class awq_progress(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("stage", c_char_p),
        ("item", c_char_p),
        ("fraction", c_double),
        ("seconds", c_double),
        ("seconds_left", c_double),
    ]

awq_progress_fn = CFUNCTYPE(c_int32, c_void_p, POINTER(awq_progress))


class awq_quant_config(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("bits", c_int32),
        ("group_size", c_int32),
        ("zero_point", c_int32),
        ("method", c_int32),
        ("layout", c_int32),
        ("no_clip", c_int32),
        ("no_duo", c_int32),
        ("samples", c_int32),
        ("seq_len", c_int32),
        ("chat", c_int32),
        ("overwrite", c_int32),
        ("reserved", c_int32),
        ("seed", c_uint64),
        ("calib", c_char_p),
        ("text_column", c_char_p),
        ("exclude", POINTER(c_char_p)),
        ("exclude_count", c_size_t),
        ("progress", awq_progress_fn),
        ("user", c_void_p),
        ("objective", c_int32),
        ("refinement", c_int32),
    ]


class awq_eval_config(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", c_char_p),
        ("text_column", c_char_p),
        ("against", c_char_p),
        ("context", c_int32),
        ("chat", c_int32),
        ("tokens", c_int64),
        ("progress", awq_progress_fn),
        ("user", c_void_p),
    ]


class awq_eval_result(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("perplexity", c_double),
        ("nll", c_double),
        ("tokens", c_int64),
        ("kl", c_double),
        ("top1_agreement", c_double),
        ("seconds", c_double),
    ]


class awq_tensor_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("dtype", c_char_p),
        ("shape", POINTER(c_int64)),
        ("ndim", c_int32),
        ("reserved", c_int32),
        ("bytes", c_uint64),
    ]


class awq_linear_desc(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("n", c_int64),
        ("k", c_int64),
        ("group_size", c_int32),
        ("layout", c_int32),
        ("compute", c_int32),
        ("reserved", c_int32),
        ("qweight", POINTER(DLTensor)),
        ("qzeros", POINTER(DLTensor)),
        ("scales", POINTER(DLTensor)),
        ("bias", POINTER(DLTensor)),
        ("g_idx", POINTER(DLTensor)),
    ]


class awq_linear_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("compute", c_int32),
        ("reserved", c_int32),
        ("cache", c_char_p),
    ]


class awq_linear_properties(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("n", c_int64),
        ("k", c_int64),
        ("group_size", c_int32),
        ("compute", c_int32),
        ("has_bias", c_int32),
        ("device_type", c_int32),
        ("device_index", c_int32),
        ("reserved", c_int32),
        ("bytes", c_uint64),
        ("kernel", c_char * 32),
        ("shared", c_int32),
        ("reserved_2", c_int32),
    ]


# name: (result, arguments)
PROTOTYPES: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "awq_version": (c_uint32, ()),
    "awq_version_string": (c_char_p, ()),
    "awq_last_error_message": (c_char_p, ()),
    "awq_status_name": (c_char_p, (c_int32,)),
    "awq_context_create": (c_int32, (POINTER(awq_context_options), POINTER(c_void_p))),
    "awq_context_destroy": (None, (c_void_p,)),
    "awq_device_count": (c_int32, (c_void_p, POINTER(c_int32))),
    "awq_device_get": (c_int32, (c_void_p, c_int32, POINTER(awq_device_info))),
    "awq_quantize": (c_int32, (c_void_p, c_char_p, c_char_p, POINTER(awq_quant_config), POINTER(c_void_p))),
    "awq_plan": (c_int32, (c_void_p, c_char_p, POINTER(awq_quant_config), POINTER(c_void_p))),
    "awq_string_destroy": (None, (c_char_p,)),
    "awq_evaluate": (c_int32, (c_void_p, c_char_p, POINTER(awq_eval_config), POINTER(awq_eval_result))),
    "awq_checkpoint_open": (c_int32, (c_void_p, c_char_p, POINTER(c_void_p))),
    "awq_checkpoint_inspect": (c_int32, (c_void_p, POINTER(c_void_p))),
    "awq_checkpoint_tensor_count": (c_int32, (c_void_p, POINTER(c_size_t))),
    "awq_checkpoint_tensor_at": (c_int32, (c_void_p, c_size_t, POINTER(awq_tensor_info))),
    "awq_checkpoint_read": (c_int32, (c_void_p, c_char_p, c_void_p, c_size_t)),
    "awq_checkpoint_destroy": (None, (c_void_p,)),
    "awq_linear_create": (c_int32, (c_void_p, POINTER(awq_linear_desc), POINTER(c_void_p))),
    "awq_linear_load": (c_int32, (c_void_p, c_char_p, c_char_p, POINTER(awq_linear_options), POINTER(c_void_p))),
    "awq_linear_forward": (c_int32, (c_void_p, POINTER(DLTensor), POINTER(DLTensor), c_void_p)),
    "awq_linear_forward_part": (c_int32, (c_void_p, POINTER(DLTensor), POINTER(DLTensor), c_int32, c_int32)),
    "awq_linear_forward_many": (c_int32, (POINTER(c_void_p), c_size_t, POINTER(DLTensor), POINTER(POINTER(DLTensor)), c_void_p)),
    "awq_linear_forward_glu": (c_int32, (c_void_p, c_void_p, POINTER(DLTensor), POINTER(DLTensor), c_void_p)),
    "awq_linear_forward_grouped": (c_int32, (POINTER(c_void_p), POINTER(c_void_p), c_size_t, POINTER(DLTensor), POINTER(DLTensor), POINTER(DLTensor), POINTER(DLTensor), c_void_p)),
    "awq_linear_info": (c_int32, (c_void_p, POINTER(awq_linear_properties))),
    "awq_linear_destroy": (None, (c_void_p,)),
    "awq_command_run": (c_int32, (c_int32, POINTER(c_char_p), awq_cancel_fn, c_void_p)),
}
