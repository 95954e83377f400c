"""Rows of what one thing costs where there is more and more of it: instructions, by callgrind, of the built code."""

import math
import pathlib
import shutil
import subprocess
import tempfile

import bench
from bench import row

GROWTH = "growth, a decade"
MOST = 1.3


def instructions(tool, kind, n):
    """For one thing of this kind among n."""
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is not installed")
    with tempfile.TemporaryDirectory(prefix="gatewayd-bench-") as folder:
        out = pathlib.Path(folder, "out")
        command = ["valgrind", "--tool=callgrind", "-q", "--collect-atstart=no", "--toggle-collect=measured"]
        command += [f"--callgrind-out-file={out}", str(bench.BUILD / "tests" / "bench" / tool), kind, str(n)]
        done = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for line in out.read_text().splitlines():
            if line.startswith(("totals:", "summary:")):
                return int(line.split()[1]) / done
    raise RuntimeError("callgrind wrote no total")


def growth(tool, kind, sizes):
    """The cost at each size, and by how much it grows from one decade to the next at worst."""
    costs = [instructions(tool, kind, n) for n in sizes]
    worst = 0
    for i in range(1, len(sizes)):
        decades = math.log10(sizes[i] / sizes[i - 1])
        worst = max(worst, (costs[i] / costs[i - 1]) ** (1 / decades))
    return [{**{f"among {n:,}": c for n, c in zip(sizes, costs)}, GROWTH: worst}]


def holds(figures):
    """False of a row that grows too much."""
    return GROWTH not in figures or figures[GROWTH]["median"] <= MOST


def eventd(name, kind, sizes, long_sizes):
    def measure(_):
        return growth("growth_eventd", kind, sizes if bench.QUICK else sizes + long_sizes)

    row(f"eventd: {name}", targets={GROWTH: MOST}, peer=False)(measure)


eventd("latest of one type", "latest", [1000, 100_000], [1_000_000])
eventd("last event", "last", [1000, 65_536], [500_000])
eventd("page by id", "page", [1000, 65_536], [500_000])
eventd("page by time", "since", [1000, 65_536], [500_000])
eventd("all, an event", "all", [1000, 65_536], [500_000])
eventd("an event, clients", "clients", [1, 64, 256], [])


def slaves(name, kind, sizes, long_sizes):
    def measure(_):
        return growth("growth_slaves", kind, sizes if bench.QUICK else sizes + long_sizes)

    row(f"slaves: {name}", targets={GROWTH: MOST}, peer=False)(measure)


slaves("Modbus, a write", "write", [10, 1000], [60_000])
slaves("Modbus, a read", "read", [10, 1000], [60_000])
slaves("IEC 60870-5, to find a point", "find", [1000, 10_000], [100_000, 1_000_000])
slaves("IEC 60870-5, start, a point, with buffers", "start", [1000, 10_000], [100_000, 1_000_000])
