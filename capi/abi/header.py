"""Reads include/awq/awq.h and include/dlpack/dlpack.h into plain data: what the ABI golden and the bindings are made from.

This is a reader of the style that those two headers keep (one declaration a statement, enumerators with numbers), not of C. What
it does not understand it refuses, and the C compiler checks what it says: layout.inc asserts each size and offset.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "awq" / "awq.h"
DLPACK = ROOT / "include" / "dlpack" / "dlpack.h"

# Size and alignment of scalars on LP64, the only data model the library is built for.
SCALARS = {
    "char": 1, "int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4,
    "int64_t": 8, "uint64_t": 8, "size_t": 8, "float": 4, "double": 8,
}  # fmt: skip


@dataclass
class Parameter:
    type: str  # "const awq_linear *"
    name: str


@dataclass
class Function:
    name: str
    result: str
    parameters: List[Parameter]

    def signature(self) -> str:
        return f"{self.result} ({', '.join(p.type for p in self.parameters) or 'void'})"


@dataclass
class Member:
    name: str
    type: str
    array: int  # 0: no array
    offset: int = 0
    size: int = 0


@dataclass
class Struct:
    name: str
    members: List[Member]
    size: int = 0
    align: int = 0

    @property
    def sized(self) -> bool:
        return self.members[0].name == "struct_size"


@dataclass
class Header:
    version: Tuple[int, int, int] = (0, 0, 0)
    enums: Dict[str, int] = field(default_factory=dict)
    types: Dict[str, str] = field(default_factory=dict)
    opaque: List[str] = field(default_factory=list)
    callbacks: Dict[str, Function] = field(default_factory=dict)
    structs: Dict[str, Struct] = field(default_factory=dict)
    functions: Dict[str, Function] = field(default_factory=dict)

    def size_of(self, type_: str) -> int:
        if type_.endswith("*") or type_ in self.callbacks:
            return 8
        bare = self.types.get(type_, type_)
        if bare in self.structs:
            return self.structs[bare].size
        return SCALARS[bare]

    def align_of(self, type_: str) -> int:
        return self.structs[type_].align if type_ in self.structs else self.size_of(type_)


def clean(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", " ", text)
    text = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", " ", text, flags=re.M)
    text = re.sub(r'extern\s+"C"\s*\{', " ", text)
    return re.sub(r"\s+", " ", text)


def statements(text: str) -> List[str]:
    """Splits at semicolons outside braces."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c == "{":
            depth += 1
        elif c == "}":
            depth -= 1
            if depth < 0:  # the closing brace of extern "C"
                depth, start = 0, i + 1
        elif c == ";" and depth == 0:
            out.append(text[start:i].strip())
            start = i + 1
    return [s for s in out if s]


def typed_name(text: str) -> Tuple[str, str]:
    """'const char *const *exclude' -> ('const char *const *', 'exclude')."""
    m = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*", text)
    if not m:
        raise ValueError(f"cannot read the declaration {text!r}")
    return m.group(1).strip(), m.group(2)


def parameters(text: str) -> List[Parameter]:
    if text.strip() in ("", "void"):
        return []
    return [Parameter(*typed_name(part)) for part in text.split(",")]


def members(body: str) -> List[Member]:
    out = []
    for declaration in filter(None, (d.strip() for d in body.split(";"))):
        names = declaration.split(",")
        first = re.sub(r"\[\d+\]", "", names[0])
        type_, _ = typed_name(first)
        for i, name in enumerate(names):
            array = re.search(r"\[(\d+)\]", name)
            bare = re.sub(r"\[\d+\]", "", name).strip()
            out.append(Member(typed_name(bare)[1] if i == 0 else bare, type_, int(array.group(1)) if array else 0))
    return out


def layout(header: Header, struct: Struct) -> None:
    offset, align = 0, 1
    for m in struct.members:
        a = header.align_of(m.type)
        offset = -(-offset // a) * a
        m.offset, m.size = offset, header.size_of(m.type) * max(1, m.array)
        offset += m.size
        align = max(align, a)
    struct.size, struct.align = -(-offset // align) * align, align


def add_struct(header: Header, name: str, body: str) -> None:
    struct = Struct(name, members(body))
    layout(header, struct)
    header.structs[name] = struct


def add_enum(header: Header, body: str) -> None:
    for entry in filter(None, (e.strip() for e in body.split(","))):
        m = re.fullmatch(r"(\w+) = (-?\d+)U?", entry)
        if not m:
            raise ValueError(f"enumerator without a number: {entry!r}")
        header.enums[m.group(1)] = int(m.group(2))


def parse(awq: str, dlpack: str) -> Header:
    h = Header()
    # DLPack: the four structs and the enumerators of devices and types; its managed tensors are not in our ABI.
    for s in statements(clean(re.sub(r"enum : int32_t \{", "enum {", dlpack.replace("typedef enum : int32_t {", "")))):
        if m := re.fullmatch(r"typedef enum \{ (.*?),? \} (\w+)", s):
            add_enum(h, m.group(1))
            h.types[m.group(2)] = "int32_t"
        elif m := re.fullmatch(r"typedef struct \{ (.*) \} (DLDevice|DLDataType|DLTensor)", s):
            add_struct(h, m.group(2), m.group(1))
    version = [re.search(rf"#define AWQ_VERSION_{part} (\d+)", awq) for part in ("MAJOR", "MINOR", "PATCH")]
    h.version = tuple(int(m.group(1)) for m in version)
    for s in statements(clean(awq)):
        s = s.replace("AWQ_API ", "")
        if m := re.fullmatch(r"typedef struct (\w+) \1", s):
            h.opaque.append(m.group(1))
        elif m := re.fullmatch(r"typedef struct (\w+) \{ (.*) \} \1", s):
            add_struct(h, m.group(1), m.group(2))
        elif m := re.fullmatch(r"typedef (\w+) \(\*(\w+)\)\((.*)\)", s):
            h.callbacks[m.group(2)] = Function(m.group(2), m.group(1), parameters(m.group(3)))
        elif m := re.fullmatch(r"typedef (\w+) (\w+)", s):
            h.types[m.group(2)] = m.group(1)
        elif m := re.fullmatch(r"enum \{ (.*?),? \}", s):
            add_enum(h, m.group(1))
        elif m := re.fullmatch(r"([\w ]+?[ *]+)(awq_\w+)\((.*)\)", s):
            h.functions[m.group(2)] = Function(m.group(2), m.group(1).strip(), parameters(m.group(3)))
        else:
            raise ValueError(f"cannot read this statement of awq.h: {s!r}")
    return h


def load() -> Header:
    return parse(HEADER.read_text(encoding="utf-8"), DLPACK.read_text(encoding="utf-8"))
