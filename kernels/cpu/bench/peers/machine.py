"""The machine: what it is, and how fast it multiplies and reads, as `awq bench roof` measures it."""

import json
import os
import pathlib
import platform
import re
import subprocess
import time


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    brand = re.search(r"^model name\s*: (.*)$", text, re.M)
    return brand.group(1).strip() if brand else platform.processor() or platform.machine()


def threads():
    """What this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Others:
    """What other processes take of the processors from now on; 0 where the system does not say."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        try:
            fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        except OSError:
            return None
        user, nice, system, _, _, irq, softirq, steal = map(int, fields)
        own = os.times()
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return busy - own.user - own.system, time.monotonic()

    def share(self):
        end = self.now()
        if not end:
            return 0.0
        return max(0.0, end[0] - self.start[0]) / max(end[1] - self.start[1], 1e-3) / os.cpu_count()


class Roof:
    """Asks the program each time; after its first failure the roof is unknown."""

    def __init__(self, program, threads):
        self.program, self.threads, self.trouble = program, threads, ""

    def measure(self):
        """{"kernel", "threads", "gflops", "gops_int8", "gbytes_per_second"}, or None."""
        if self.trouble:
            return None
        environment = {**os.environ, "AWQ_NUM_THREADS": str(self.threads)}
        try:
            done = subprocess.run([self.program, "bench", "roof", "--json"], env=environment, capture_output=True, text=True, check=True)
            roof = json.loads(done.stdout)
            return {name: float(roof[name]) for name in ("gflops", "gops_int8", "gbytes_per_second")} | {"kernel": roof["kernel"]}
        except subprocess.CalledProcessError as e:
            self.trouble = (e.stderr.strip().splitlines() or [f"exit code {e.returncode}"])[0]
        except (OSError, ValueError, KeyError, TypeError) as e:
            self.trouble = f"{type(e).__name__}: {e}"
        return None
