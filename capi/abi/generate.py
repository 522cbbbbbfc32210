#!/usr/bin/env python3
"""Makes everything that is derived from the public header, or (without arguments) checks that it is up to date.

    capi/abi/generate.py                   check: exits 1 and names the stale files
    capi/abi/generate.py --write           rewrite them (`make abi`)
    capi/abi/generate.py --additions OLD   compare awq.abi with an older one: inside a major version nothing may go or change

From include/awq/awq.h:        capi/abi/awq.abi, capi/abi/layout.inc, bindings/python/libawq/_abi.py
From capi/abi/cases.json too:  capi/abi/cases.inc
"""

import argparse
import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cases  # noqa: E402
import header  # noqa: E402

COMMAND = "capi/abi/generate.py --write"
HERE = Path(__file__).resolve().parent


def golden(h: header.Header) -> str:
    out = [f"# DO NOT EDIT: made by {COMMAND} from include/awq/awq.h. Sizes and offsets in bytes, LP64."]
    out.append("version %d.%d.%d" % h.version)
    out.append(f"soname libawq.so.{soname(h)}")
    out += [f"type {name} {t}" for name, t in h.types.items()]
    out += [f"enum {name} {value}" for name, value in h.enums.items()]
    out += [f"opaque {name}" for name in h.opaque]
    out += [f"callback {c.name} {c.signature()}" for c in h.callbacks.values()]
    for s in h.structs.values():
        out.append(f"struct {s.name} {s.size}")
        for m in s.members:
            out.append(f"member {s.name}.{m.name} {m.offset} {m.size} {m.type}{f'[{m.array}]' if m.array else ''}")
    out += [f"function {f.name} {f.signature()}" for f in h.functions.values()]
    return "\n".join(out) + "\n"


def soname(h: header.Header) -> int:
    return max(1, h.version[0])  # 0.x ships as libawq.so.1 already: the ABI that 1.0 will have


def layout_inc(h: header.Header) -> str:
    """Assertions that the C and C++ compilers check, and each function taken by a pointer of the type that the golden states."""
    out = [f"/* DO NOT EDIT: made by {COMMAND}. What awq.abi says, asked of the compiler. */"]
    for s in h.structs.values():
        out.append(f'AWQ_ASSERT(sizeof({s.name}) == {s.size}, "size of {s.name}");')
        for m in s.members:
            out.append(f'AWQ_ASSERT(offsetof({s.name}, {m.name}) == {m.offset}, "offset of {s.name}.{m.name}");')
            out.append(f'AWQ_ASSERT(sizeof((({s.name} *)0)->{m.name}) == {m.size}, "size of {s.name}.{m.name}");')
    for name, value in h.enums.items():
        out.append(f'AWQ_ASSERT((int){name} == {value}, "{name}");')
    for f in h.functions.values():
        args = ", ".join(p.type for p in f.parameters) or "void"
        out.append(f"static {f.result} (*const ptr_{f.name})({args}) = {f.name};")
    out.append("static const struct { const char *name; void (*address)(void); } awq_functions[] = {")
    out += [f'  {{"{name}", (void (*)(void))ptr_{name}}},' for name in h.functions]
    out.append("};")
    return "\n".join(out) + "\n"


CTYPES = {
    "char": "c_char", "int8_t": "c_int8", "uint8_t": "c_uint8", "int16_t": "c_int16", "uint16_t": "c_uint16", "int32_t": "c_int32",
    "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64", "size_t": "c_size_t", "float": "c_float", "double": "c_double",
}  # fmt: skip


def ctype(h: header.Header, type_: str) -> str:
    """The ctypes name of a C type. Handles and data are c_void_p; text that the library returns for us to free keeps its address."""
    t = type_.replace("const ", "").replace("const", "").replace(" ", "")
    t = h.types.get(t, t)
    if t == "void":
        return "None"
    if t in h.callbacks or t in h.structs:
        return t
    if not t.endswith("*"):
        return CTYPES[t]
    base = t.rstrip("*")
    stars = len(t) - len(base)
    if base == "char":
        if stars == 1:
            return "c_char_p"
        return "POINTER(c_char_p)" if type_.startswith("const") else "POINTER(c_void_p)"
    if base == "void" or base in h.opaque:
        return "c_void_p" if stars == 1 else "POINTER(c_void_p)"
    return "POINTER(" * stars + (base if base in h.structs else CTYPES[base]) + ")" * stars


def python_abi(h: header.Header) -> str:
    out = [
        '"""The C ABI of libawq for ctypes.',
        "",
        f"DO NOT EDIT: made by {COMMAND} from include/awq/awq.h.",
        '"""',
        "",
        "from ctypes import CFUNCTYPE, POINTER, Structure",
        "from ctypes import c_char, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p",
        "from typing import Any, Dict, Tuple",
        "",
        "VERSION: Tuple[int, int, int] = (%d, %d, %d)" % h.version,
        f'SONAME = "libawq.so.{soname(h)}"',
        "",
    ]
    out += [f"{name} = {value}" for name, value in h.enums.items()]
    out.append("")
    out.append("STATUS_NAMES: Dict[int, str] = {")
    out += [f'    {value}: "{n}",' for n, value in h.enums.items() if n == "AWQ_OK" or n.startswith("AWQ_ERR_")]
    out += ["}", ""]
    out += sum((callback(h, c) for c in h.callbacks.values() if not struct_arguments(h, c)), [])
    for s in h.structs.values():
        out += ["", f"class {s.name}(Structure):", "    _fields_ = ["]
        for m in s.members:
            out.append(f'        ("{m.name}", {ctype(h, m.type)}{f" * {m.array}" if m.array else ""}),')
        out += ["    ]", ""]
        out += sum((callback(h, c) for c in h.callbacks.values() if struct_arguments(h, c) == [s.name]), [])
    out += ["", "# name: (result, arguments)", "PROTOTYPES: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {"]
    for f in h.functions.values():
        args = "".join(ctype(h, p.type) + ", " for p in f.parameters).rstrip()
        if len(f.parameters) > 1:
            args = args.rstrip(",")
        out.append(f'    "{f.name}": ({ctype(h, f.result)}, ({args})),')
    out += ["}", ""]
    return "\n".join(out)


def struct_arguments(h: header.Header, c: header.Function) -> list:
    return [s for s in h.structs if any(s in p.type for p in c.parameters)]


def callback(h: header.Header, c: header.Function) -> list:
    args = ", ".join([ctype(h, c.result)] + [ctype(h, p.type) for p in c.parameters])
    return [f"{c.name} = CFUNCTYPE({args})", ""]


def outputs(h: header.Header) -> dict:
    return {
        HERE / "awq.abi": golden(h),
        HERE / "layout.inc": layout_inc(h),
        HERE / "cases.inc": cases.c_source(h, COMMAND),
        header.ROOT / "bindings" / "python" / "libawq" / "_abi.py": python_abi(h),
    }


def records(text: str) -> dict:
    """'member awq_x.y 0 8 size_t' -> {('member', 'awq_x.y'): '0 8 size_t'}."""
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, name, *rest = line.split(" ", 2)
            out[(kind, name) if kind not in ("version", "soname") else (kind, "")] = rest[0] if rest else name
    return out


def breaks(old: str, new: str) -> list:
    """What an older caller would notice. A sized struct may grow at its end; everything else that was there must be as it was."""
    was, now = records(old), records(new)
    if was[("soname", "")] != now[("soname", "")]:
        return []  # another major version: anything goes
    out = []
    for key, value in was.items():
        if key == ("version", ""):
            if tuple(map(int, now[key].split("."))) < tuple(map(int, value.split("."))):
                out.append(f"version went back from {value} to {now[key]}")
        elif key not in now:
            out.append(f"{key[0]} {key[1]} was removed")
        elif now[key] != value:
            grew = key[0] == "struct" and ("member", f"{key[1]}.struct_size") in was and int(now[key]) > int(value)
            if not grew:
                out.append(f"{key[0]} {key[1]} changed from '{value}' to '{now[key]}'")
    for kind, name in now.keys() - was.keys():  # a new member must lie behind all that an older caller knows
        struct = name.split(".")[0]
        if kind == "member" and ("struct", struct) in was:
            offset, size = int(now[(kind, name)].split()[0]), int(was[("struct", struct)])
            if offset < size:
                out.append(f"member {name} lies at {offset}, inside the {size} bytes that older callers pass")
    return sorted(out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true", help="the default")
    parser.add_argument("--additions", metavar="OLD", type=Path, help="an older awq.abi")
    args = parser.parse_args()
    h = header.load()
    if args.additions:
        found = breaks(args.additions.read_text(encoding="utf-8"), golden(h))
        for line in found:
            print(f"ABI break: {line}", file=sys.stderr)
        return 1 if found else 0
    stale = 0
    for path, text in outputs(h).items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        if args.write:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(header.ROOT)}")
            continue
        stale += 1
        print(f"{path.relative_to(header.ROOT)} is stale: run {COMMAND}", file=sys.stderr)
        diff = difflib.unified_diff(old.splitlines(), text.splitlines(), "committed", "generated", lineterm="", n=0)
        for line in list(diff)[:40]:
            print("  " + line, file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
