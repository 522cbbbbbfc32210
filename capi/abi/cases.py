"""The shared cases (cases.json): merged with their base calls, and written out as C for cases.c and cases.cpp.

test_cases.py runs the same merged cases through ctypes. What a value of a case means is said in cases.json itself.
"""

import copy
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import header

PATH = Path(__file__).resolve().parent / "cases.json"
# dtype: (DLDataTypeCode, bits)
DTYPES = {"i8": (0, 8), "i32": (0, 32), "u16": (1, 16), "f16": (2, 16), "f32": (2, 32), "f64": (2, 64), "bf16": (4, 16)}
BUFFER = 65536
DESTROY = {
    "awq_context": "awq_context_destroy",
    "awq_linear": "awq_linear_destroy",
    "awq_checkpoint": "awq_checkpoint_destroy",
    "char": "awq_string_destroy",
}


def merge(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    out = copy.deepcopy(base)
    for key, value in change.items():
        out[key] = merge(out.get(key), value)
    return out


def merged() -> Iterator[Dict[str, Any]]:
    """Each case with `call`, `arguments` (complete), `name`, and what is expected."""
    for group in json.loads(PATH.read_text(encoding="utf-8"))["groups"]:
        for case in group["cases"]:
            out = {k: v for k, v in case.items() if k != "with"}
            out["call"] = group["call"]
            out["arguments"] = merge(group["base"], case.get("with", {}))
            yield out


def tensor(value: Dict[str, Any]) -> Dict[str, Any]:
    """A DLTensor's members with all defaults filled in, and `capacity`: the bytes that its data needs."""
    shape: Optional[List[int]] = value.get("shape")
    code, bits = DTYPES[value["dtype"]]
    ndim = value.get("ndim", len(shape) if shape is not None else 0)
    offset = value.get("byte_offset", 0)
    strides = value.get("strides", "compact")
    if strides == "compact" and shape is not None:
        strides, step = [], 1
        for d in reversed(shape):
            strides.insert(0, step if abs(step) < 2**62 else 1)
            step *= d
    elif strides == "compact":
        strides = None
    capacity = BUFFER
    if shape is not None and all(d >= 0 for d in shape):
        if strides is None:
            last, step = 0, 1
            for d in reversed(shape):
                last, step = last + (d - 1) * step, step * d
        else:
            last = sum((d - 1) * s for d, s in zip(shape, strides))
        if 0 in shape:
            last = -1
        wanted = (last + 1) * bits // 8
        if 0 <= wanted <= 1 << 20:
            capacity = wanted
    return {
        "shape": shape, "strides": strides, "ndim": ndim, "code": code, "bits": bits, "lanes": value.get("lanes", 1),
        "device": value.get("device", 1), "byte_offset": offset, "data": value.get("data", "own"), "capacity": capacity + offset, "ints": value.get("ints"),
    }  # fmt: skip


def room(name: str, arguments: Dict[str, Any]) -> int:
    """Bytes of tensor `name`'s buffer, with those of tensors that lie in it."""
    need = tensor(arguments[name])["capacity"]
    for other in arguments.values():
        if isinstance(other, dict) and isinstance(other.get("data"), list) and other["data"][0] == name:
            need = max(need, other["data"][1] + tensor(other)["capacity"])
    return need


def beyond(member: header.Member, struct_size: Any) -> bool:
    """Whether a struct that was made short has no room for the member."""
    return isinstance(struct_size, int) and struct_size >= 8 and member.offset + member.size > struct_size


def c_text(value: str) -> str:
    return json.dumps(value)


class Writer:
    """Writes one case as a C function; the same text is C11 and C++17."""

    def __init__(self, h: header.Header) -> None:
        self.h = h
        self.lines: List[str] = []
        self.count = 0

    def add(self, line: str) -> None:
        self.lines.append("  " + line)

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def integer(self, type_: str, value: int) -> str:
        bare = self.h.types.get(type_, type_)
        if bare in ("size_t", "uint64_t"):
            return f"({type_}){value}ULL"
        if bare == "int64_t":
            return f"({type_}){value}LL"
        return f"({type_}){value}" if value >= 0 else f"({type_})({value})"

    def int64s(self, values: Optional[List[int]]) -> str:
        if values is None:
            return "NULL"
        name = self.fresh()
        self.add(f"int64_t *{name} = (int64_t *)block(h, {max(1, len(values))} * sizeof(int64_t), 0, 1);")
        for i, v in enumerate(values):
            self.add(f"{name}[{i}] = {v}LL;")
        return name

    def tensor(self, name: str, value: Dict[str, Any], constant: bool, size: int) -> str:
        t = tensor(value)
        if t["data"] is None:
            data = "NULL"
        elif isinstance(t["data"], list):
            data = f"(char *)data_{t['data'][0]} + {t['data'][1]}"
        else:
            data = f"data_{name}"
            self.add(f"void *{data} = block(h, {size}, {'0' if constant else 'FILL'}, {int(constant)});")
            if t["ints"]:
                self.add(f"set_ints({data}, {t['byte_offset']}, {t['shape'][0]}, {', '.join(map(str, t['ints']))});")
        v = self.fresh()
        shape, strides = self.int64s(t["shape"]), self.int64s(t["strides"])
        self.add(f"DLTensor *{v} = (DLTensor *)block(h, sizeof(DLTensor), 0, 1);")
        self.add(
            f"set_tensor({v}, {data}, {t['device']}, {t['ndim']}, {t['code']}, {t['bits']}, {t['lanes']}, {shape}, {strides}, {t['byte_offset']});"
        )
        return v

    def struct(self, type_: str, value: Dict[str, Any], constant: bool) -> str:
        v = self.fresh()
        size = value.get("struct_size", f"sizeof({type_})")
        surplus, last = value.get("surplus", (0, 0))
        self.add(f"{type_} *{v} = ({type_} *)sized(h, sizeof({type_}), {size}, {surplus}, {last}, {int(constant)});")
        members = {m.name: m for m in self.h.structs[type_].members}
        for key, item in value.items():
            if key in ("struct_size", "surplus") or item is None or beyond(members[key], size):
                continue
            self.add(f"{v}->{key} = {self.value(members[key].type, key, item, True)};")
            if isinstance(item, list):
                self.add(f"{v}->{key}_count = {len(item)};")
        return v

    def value(self, type_: str, name: str, value: Any, constant: bool, size: int = 0) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, int):
            return self.integer(type_, value)
        if isinstance(value, list):
            v = self.fresh()
            self.add(f"const char **{v} = (const char **)block(h, {len(value) + 1} * sizeof(char *), 0, 1);")
            for i, item in enumerate(value):
                self.add(f"{v}[{i}] = {'NULL' if item is None else f'path(h, {c_text(item)})'};")
            return v
        if isinstance(value, dict):
            bare = type_.replace("const ", "").rstrip("* ")
            if bare == "DLTensor":
                return self.tensor(name, value, constant, size or tensor(value)["capacity"])
            return self.struct(bare, value, constant)
        if value in ("$context", "$linear", "$checkpoint"):
            return f"h->{value[1:]}"
        if value == "$buffer":
            v = self.fresh()
            self.add(f"void *{v} = block(h, {BUFFER}, FILL, 0);")
            return v
        return f"path(h, {c_text(value)})"

    def case(self, number: int, case: Dict[str, Any]) -> str:
        f = self.h.functions[case["call"]]
        self.add(f"begin(h, {c_text(case['call'] + ': ' + case['name'])});")
        args, outs = [], []
        given = case["arguments"]
        for p in f.parameters:
            value = given[p.name]
            if value == "$out":
                target = p.type[:-1].strip()  # "awq_linear **" -> "awq_linear *"
                v = self.fresh()
                if target.endswith("*"):
                    self.add(f"{target} {v} = ({target})h->poison;")
                    outs.append((target.rstrip("* "), v))
                    args.append(f"&{v}")
                else:
                    self.add(f"{target} *{v} = ({target} *)block(h, sizeof({target}), FILL, 0);")
                    args.append(v)
                continue
            size = room(p.name, given) if isinstance(value, dict) and "dtype" in value else 0
            args.append(self.value(p.type, p.name, value, p.type.startswith("const"), size))
        self.add("seal(h);")
        call = f"{f.name}({', '.join(args)})"
        if f.result == "void":
            self.add(f"{call};")
            self.add("finish(h, 1);")
        elif f.result == "awq_status":
            says = case.get("says", [])
            words = self.fresh()
            self.add(f"static const char *const {words}[] = {{{', '.join([c_text(s) for s in says] + ['NULL'])}}};")
            self.add(f"awq_status got = {call};")
            self.add(f"expect(h, got, {case['status']}, {words}, {int(case.get('untouched', False))});")
            for kind, v in outs:
                self.add(f"if (out_pointer(h, got, (void *){v})) {DESTROY[kind]}({v});")
            self.add("finish(h, got == AWQ_OK);")
        elif f.result == "const char *":
            self.add(f"expect_text(h, {call}, {c_text(case['text']) if case['text'] is not None else 'NULL'});")
            self.add("finish(h, 1);")
        else:
            self.add(f"expect_exit(h, {call}, {case['exit']});")
            self.add("finish(h, 1);")
        return f"static void case_{number}(struct harness *h) {{\n" + "\n".join(self.lines) + "\n}\n"


def c_source(h: header.Header, command: str) -> str:
    out = [f"/* DO NOT EDIT: made by {command} from cases.json. */"]
    numbers = []
    for i, case in enumerate(merged()):
        out.append(Writer(h).case(i, case))
        numbers.append(f"case_{i}")
    out.append("static void (*const all_cases[])(struct harness *h) = {\n  " + ",\n  ".join(numbers) + ",\n};")
    return "\n".join(out) + "\n"
