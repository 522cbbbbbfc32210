"""Which functions of the shared library reach Go, from the stripped file itself.

C functions have unwind entries (.eh_frame), Go's have none: code that a C function names by a direct call, a jump or its address
and that lies in no entry is Go's. Calls through a table of kernels are followed too: the tables are the long runs of pointers to
C functions among the relocated constants.
"""

import bisect
import re
import subprocess
from pathlib import Path
from typing import Dict, List, Set, Union

Place = Union[int, str]  # start of a C function, or the name of one in another library
GO = "Go"
TABLE = 10  # pointers in a row; awqk_ops has about twice as many


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class CallGraph:
    def __init__(self, library: Path) -> None:
        sections = output("readelf", "-SW", str(library))
        self.text = self.section(sections, ".text")
        frames = re.findall(r"FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", output("readelf", "--debug-dump=frames", str(library)))
        ranges = sorted((int(a, 16), int(b, 16)) for a, b in frames)
        self.starts, self.ends = [a for a, _ in ranges], [b for _, b in ranges]
        symbols = output("nm", "-D", "--defined-only", str(library))
        self.exported = {name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]+) T ([^@\s]+)", symbols, re.M)}
        self.calls: Dict[Place, Set[Place]] = {}
        for line in output("objdump", "-d", "--no-show-raw-insn", "-j", ".text", str(library)).splitlines():
            m = re.match(r"\s*([0-9a-f]+):.*?([0-9a-f]+) <([^>]+)>$", line)
            if m:
                here = self.place(int(m.group(1), 16))
                there = m.group(3).split("@")[0] if m.group(3).endswith("@plt") else self.place(int(m.group(2), 16))
                if here != GO and there is not None and here != there:
                    self.calls.setdefault(here, set()).add(there)
        self.tables = self.find_tables(library, self.section(sections, ".data.rel.ro"))

    @staticmethod
    def section(listing: str, name: str) -> range:
        at, size = re.search(rf" {re.escape(name)}\s+\w+\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)", listing).groups()
        return range(int(at, 16), int(at, 16) + int(size, 16))

    def place(self, address: int) -> Union[Place, None]:
        """The C function that an address lies in, GO for other code, None for what is no code."""
        if address not in self.text:
            return None
        i = bisect.bisect_right(self.starts, address) - 1
        return self.starts[i] if i >= 0 and address < self.ends[i] else GO

    def find_tables(self, library: Path, constants: range) -> List[List[int]]:
        pointers = re.findall(r"^([0-9a-f]+)\s+[0-9a-f]+ R_\w+_RELATIVE\s+([0-9a-f]+)", output("readelf", "-rW", str(library)), re.M)
        starts, tables, last = set(self.starts), [], 0
        for at, to in sorted((int(a, 16), int(b, 16)) for a, b in pointers):
            if at in constants and to in starts:
                if at != last + 8:
                    tables.append([])
                tables[-1].append(to)
                last = at
        return [t for t in tables if len(t) >= TABLE]

    def reached(self, places: List[int]) -> Set[Place]:
        seen: Set[Place] = set()
        left: List[Place] = list(places)
        while left:
            place = left.pop()
            if place not in seen:
                seen.add(place)
                left += self.calls.get(place, ())
        return seen

    def way(self, start: int) -> str:
        """One way to Go, for a complaint."""
        ways: Dict[Place, List[Place]] = {start: [start]}
        left: List[Place] = [start]
        for place in left:
            if place == GO:
                return " -> ".join(hex(p) if isinstance(p, int) else p for p in ways[place])
            for to in self.calls.get(place, ()):
                if to not in ways:
                    ways[to] = [*ways[place], to]
                    left.append(to)
        return ""
