"""The shared cases of capi/abi/cases.json, through the raw ctypes declarations."""

import ctypes
import os
import tempfile
import unittest
from typing import Any, Dict, List, Optional, Tuple

import support
from support import EXACT, FIXTURE, MODEL, TEXT

from libawq import _abi
from libawq._library import library

import cases  # capi/abi, by support
import header

FILL = 0xA5
HEADER = header.load()


class Caller:
    """Builds the arguments of one case. `blocks` are compared after the call: (memory, copy, constant)."""

    def __init__(self, objects: Dict[str, int], scratch: str) -> None:
        self.objects, self.scratch = objects, scratch
        self.blocks: List[Tuple[Any, bytes, bool]] = []
        self.keep: List[Any] = []
        self.data: Dict[str, Any] = {}

    def block(self, size: int, fill: int, constant: bool) -> Any:
        memory = (ctypes.c_ubyte * max(1, size))(*([fill] * max(1, size)) if fill else ())
        self.blocks.append((memory, b"", constant))
        return memory

    def seal(self) -> None:
        self.blocks = [(m, bytes(m), constant) for m, _, constant in self.blocks]

    def text(self, value: str) -> bytes:
        for key, path in {"{model}": MODEL, "{float}": support.FLOAT, "{text}": TEXT, "{dir}": FIXTURE, "{scratch}": self.scratch}.items():
            value = value.replace(key, str(path))
        return value.encode()

    def int64s(self, values: Optional[List[int]]) -> Any:
        if values is None:
            return None
        memory = self.block(8 * max(1, len(values)), 0, True)
        array = (ctypes.c_int64 * max(1, len(values))).from_buffer(memory)
        array[: len(values)] = values
        return ctypes.cast(array, ctypes.POINTER(ctypes.c_int64))

    def tensor(self, name: str, value: Dict[str, Any], constant: bool, size: int) -> Any:
        t = cases.tensor(value)
        memory = self.block(ctypes.sizeof(_abi.DLTensor), 0, True)
        out = _abi.DLTensor.from_buffer(memory)
        if isinstance(t["data"], list):
            out.data = ctypes.addressof(self.data[t["data"][0]]) + t["data"][1]
        elif t["data"] is not None:
            self.data[name] = self.block(size, 0 if constant else FILL, constant)
            out.data = ctypes.addressof(self.data[name])
            if t["ints"]:
                start, run, groups = t["ints"]
                ints = [start + i // run % groups for i in range(t["shape"][0])]
                ctypes.memmove(out.data + t["byte_offset"], (ctypes.c_int32 * len(ints))(*ints), 4 * len(ints))
        out.device.device_type, out.ndim, out.byte_offset = t["device"], t["ndim"], t["byte_offset"]
        out.dtype.code, out.dtype.bits, out.dtype.lanes = t["code"], t["bits"], t["lanes"]
        out.shape, out.strides = self.int64s(t["shape"]), self.int64s(t["strides"])
        return ctypes.pointer(out)

    def struct(self, type_: str, value: Dict[str, Any], constant: bool) -> Any:
        kind = getattr(_abi, type_)
        real = ctypes.sizeof(kind)
        size = value.get("struct_size", real)
        surplus, last = value.get("surplus", (0, 0))
        told = size + surplus
        memory = self.block(max(real, told), 0, constant)
        out = kind.from_buffer(memory)
        out.struct_size = told
        if surplus:
            memory[told - 1] = last
        members = {m.name: m for m in HEADER.structs[type_].members}
        for key, item in value.items():
            if key in ("struct_size", "surplus") or item is None or cases.beyond(members[key], size):
                continue
            setattr(out, key, self.value(members[key].type, key, item, True))
            if isinstance(item, list):
                setattr(out, key + "_count", len(item))
        return ctypes.pointer(out)

    def value(self, type_: str, name: str, value: Any, constant: bool, size: int = 0) -> Any:
        if value is None and type_ in HEADER.callbacks:
            return getattr(_abi, type_)()
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, list):
            array = (ctypes.c_char_p * (len(value) + 1))(*[None if v is None else self.text(v) for v in value])
            self.keep.append(array)
            return ctypes.cast(array, ctypes.POINTER(ctypes.c_char_p))
        if isinstance(value, dict):
            bare = type_.replace("const ", "").rstrip("* ")
            if bare == "DLTensor":
                return self.tensor(name, value, constant, size or cases.tensor(value)["capacity"])
            return self.struct(bare, value, constant)
        if value in ("$context", "$linear", "$checkpoint"):
            return self.objects[value[1:]]
        if value == "$buffer":
            return ctypes.addressof(self.block(cases.BUFFER, FILL, False))
        return self.text(value)


class Cases(support.Case):
    @classmethod
    def setUpClass(cls) -> None:
        lib = library()
        model = os.fsencode(MODEL)
        cls.objects = {}
        out = ctypes.c_void_p()
        assert lib.awq_context_create(None, ctypes.byref(out)) == 0, lib.awq_last_error_message()
        cls.objects["context"] = out.value
        out = ctypes.c_void_p()
        assert lib.awq_checkpoint_open(cls.objects["context"], model, ctypes.byref(out)) == 0, lib.awq_last_error_message()
        cls.objects["checkpoint"] = out.value
        out = ctypes.c_void_p()
        assert lib.awq_linear_load(cls.objects["context"], model, EXACT.encode(), None, ctypes.byref(out)) == 0, lib.awq_last_error_message()
        cls.objects["linear"] = out.value

    @classmethod
    def tearDownClass(cls) -> None:
        for name, handle in cls.objects.items():
            getattr(library(), f"awq_{name}_destroy")(handle)

    def one(self, case: Dict[str, Any]) -> None:
        lib = library()
        f = HEADER.functions[case["call"]]
        poison = ctypes.create_string_buffer(16)
        with tempfile.TemporaryDirectory() as folder:
            caller = Caller(self.objects, os.path.join(folder, "out"))
            arguments, outs = [], []
            given = case["arguments"]
            for p in f.parameters:
                value = given[p.name]
                if value == "$out" and p.type.rstrip("*").rstrip() + " *" != p.type:  # T **
                    out = ctypes.c_void_p(ctypes.addressof(poison))
                    outs.append((p.type.rstrip("* "), out))
                    arguments.append(ctypes.byref(out))
                elif value == "$out":
                    memory = caller.block(HEADER.size_of(p.type[:-1].strip()), FILL, False)
                    arguments.append(ctypes.cast(memory, _abi.PROTOTYPES[f.name][1][len(arguments)]))
                else:
                    size = cases.room(p.name, given) if isinstance(value, dict) and "dtype" in value else 0
                    arguments.append(caller.value(p.type, p.name, value, p.type.startswith("const"), size))
            caller.seal()
            got = getattr(lib, f.name)(*arguments)
            ok = True
            if f.result == "awq_status":
                ok = got == 0
                message = lib.awq_last_error_message().decode()
                self.assertEqual(_abi.STATUS_NAMES.get(got, got), case["status"], message)
                if got:
                    self.assertTrue(message and "\n" not in message, repr(message))
                    for word in case.get("says", []):
                        self.assertIn(word, message)
                for kind, out in outs:
                    if got:
                        self.assertIsNone(out.value, "out-pointer after a failure")
                    else:
                        self.assertNotIn(out.value, (None, ctypes.addressof(poison)))
                        destroy = getattr(lib, cases.DESTROY[kind])
                        destroy(ctypes.cast(out, ctypes.c_char_p) if kind == "char" else out)
            elif f.result == "const char *":
                want = case["text"]
                if want == "{version}":
                    v = lib.awq_version()
                    want = f"{v // 10000}.{v // 100 % 100}.{v % 100}"
                self.assertTrue(got)
                self.assertIn(got.decode(), (want,) if want else (got.decode(),))
            elif f.result == "int32_t":
                self.assertEqual(got, case["exit"])
            for memory, copy, constant in caller.blocks:
                if constant or not ok or case.get("untouched"):
                    self.assertEqual(bytes(memory), copy, "memory that must be left as it was")
            self.assertFalse(os.path.exists(caller.scratch), "nothing may be written")


def add(number: int, case: Dict[str, Any]) -> None:
    def test(self: Cases) -> None:
        self.one(case)

    test.__doc__ = f"{case['call']}: {case['name']}"
    setattr(Cases, f"test_{number:03d}_{case['call']}", test)


for index, merged in enumerate(cases.merged()):
    add(index, merged)

if __name__ == "__main__":
    unittest.main()
