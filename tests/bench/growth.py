#!/usr/bin/env python3
"""make growth: what an event costs the supervisor, where there is more and more of something else; and a runner.

Counts user instructions by callgrind: the difference of a long and a short life, by the events that the long one had
more. A row fails where ten times as much costs more than 1.3 times as much, or where its last figure is above a limit.
Prints "growth: N passed, N failed". GROWTH=quick: the first and the last size; GROWTH_ROWS: some rows.
"""

import concurrent.futures
import contextlib
import json
import math
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bench  # noqa: E402
import rows  # noqa: E402
from bench import Scene, iec104, modbus  # noqa: E402

QUICK = os.environ.get("GROWTH") == "quick"
A_DECADE = 1.3
SHORT, LONG = 100, 500 if QUICK else 1500  # events of a life
GAP_US = 2000  # events that come in one turn are cheaper
AT_ONCE = len(bench.CORES)
ROWS = []


def row(name, sizes, limit=None, each=False):
    """Instructions an event at each size; limit: of the last. each: what one more of them costs is judged."""

    def add(measure):
        ROWS.append((name, sizes, limit, each, measure))
        return measure

    return add


def quiet(name):
    return lambda _: {"module": "hat.gateway.devices.ping", "name": name, "remote_devices": []}


class Life:
    """A supervisor under callgrind with one device that is enabled, and others."""

    def __init__(self, folder, device, devices):
        self.out, shim = folder / "callgrind", folder / "shim.so"
        sources = [bench.ROOT / "tests" / "lib" / f"{part}_shim.c" for part in ("pidfd", "turn")]
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", shim, *sources], check=True)
        env = ["env", f"LD_PRELOAD={shim}", "valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={self.out}"]
        # valgrind knows no seccomp(2) either.
        self.scene = Scene("ours", device, devices, wrap=env, enabled=1, sandbox="off")
        self.socket = os.path.join(self.scene.gateway.dir, "control")

    def ask(self, command, **members):
        with contextlib.closing(self.connect(command, **members)) as s:
            return json.loads(s.recv(1 << 20))["rows"]

    def connect(self, command, **members):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(bench.WAIT_S)
        s.connect(self.socket)
        s.send(json.dumps({"command": command, **members}).encode())
        return s

    def watch(self):
        s = self.connect("watch")
        s.recv(1 << 20)

        def drain():
            with contextlib.suppress(OSError):
                while s.recv(1 << 20):
                    pass

        threading.Thread(target=drain, daemon=True).start()

    def notify(self, count):
        """Events one by one, to the device that is enabled."""
        sink = self.scene.sink
        sink.ask(f"notify modbus {count} {GAP_US} gateway/ping/d0/system/x")
        bench.wait(lambda: sink.ask()["left"] == 0, "all are sent")
        bench.wait(lambda: self.ask("show", names=["d0"])[0]["counters"]["delivered"] >= count, "all came")

    def end(self):
        """Its instructions."""
        self.scene.gateway.stop()
        self.scene.close()
        for line in self.out.read_text().splitlines():
            if line.startswith(("totals:", "summary:")):
                return int(line.split()[1])
        raise RuntimeError("callgrind wrote no total")


def difference(lives):
    """For two lives, each (instructions, events)."""
    return (lives[1][0] - lives[0][0]) / (lives[1][1] - lives[0][1])


def notified(folder, devices, watchers, count):
    """Its instructions and its events."""
    life = Life(folder, ("modbus_device", "still"), [quiet(f"d{i}") for i in range(devices)])
    for _ in range(watchers):
        life.watch()
    life.notify(count)
    return life.end(), count


@row("notified-devices", (10, 100, 1000))
def notified_devices(folder, size, long):
    return notified(folder, size, 0, LONG if long else SHORT)


@row("notified-watchers", (1, 10, 50), limit=1000, each=True)
def notified_watchers(folder, size, long):
    return notified(folder, 1, size, LONG if long else SHORT)


def registered(folder, device, conf, size, long):
    life = Life(folder, device, [conf, *(quiet(f"d{i}") for i in range(1, size))])
    sink = life.scene.sink
    least = 20 * (LONG if long else SHORT)
    bench.wait(lambda: sink.ask()["events"] > least, "its events")
    life.scene.gateway.stop()
    events = sink.ask()["events"]
    return life.end(), events


@row("registered-devices", (10, 100, 1000), limit=1350)
def registered_devices(folder, size, long):
    return registered(folder, ("modbus_device", "changing"), modbus("d0", 100), size, long)


@row("registered-iec104", (10,), limit=1900)
def registered_iec104(folder, size, long):
    return registered(folder, ("iec104_device", 30, 10), iec104("d0"), size, long)


def runner(device, conf, family, counter, long):
    """A runner under callgrind in place of the supervisor; counter: of the device, else events are counted."""
    return rows.under_callgrind("ours", device, conf, family, counter, 2 if long else 0.5)


@row("runner-still", (1,), limit=2000)
def runner_still(_folder, _size, long):
    return runner(("modbus_device", "still"), modbus("d0", 10), "modbus", "requests", long)


@row("runner-changing", (1,), limit=1450)
def runner_changing(_folder, _size, long):
    return runner(("modbus_device", "changing"), modbus("d0", 100), "modbus", None, long)


@row("runner-iec104", (22,), limit=1650)
def runner_iec104(_folder, _size, long):
    return runner(("iec104_device", 30, 22), iec104("d0"), "iec60870", None, long)


def judge(sizes, figures, limit, each):
    """What is wrong, or ''."""
    if each:
        figures = [(b - a) / (m - n) for a, b, n, m in zip(figures, figures[1:], sizes, sizes[1:])]
    for a, b, n, m in zip(figures, figures[1:], sizes, sizes[1:]):
        if b > a * A_DECADE ** math.log10(m / n):
            return f"{b / a:.2f} times as much for {m / n:.0f} times as many"
    return f"more than {limit}" if limit and figures[-1] > limit else ""


def measure(sizes, life):
    """Instructions an event at each size."""
    with tempfile.TemporaryDirectory(prefix="gatewayd-growth-") as top:
        folders = []
        for i in range(2 * len(sizes)):
            folders.append(pathlib.Path(top, str(i)))
            folders[-1].mkdir()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            lives = list(pool.map(lambda i: life(folders[i], sizes[i // 2], i % 2 == 1), range(len(folders))))
    return [difference(lives[i : i + 2]) for i in range(0, len(lives), 2)]


def main():
    wanted = os.environ.get("GROWTH_ROWS", "").split()
    # Not on one core each: several lives run at a time.
    bench.GATEWAY = bench.OUTSIDE = ",".join(map(str, bench.CORES))
    passed = failed = 0
    for name, sizes, limit, each, life in ROWS:
        if wanted and name not in wanted:
            continue
        if QUICK:
            sizes = tuple(dict.fromkeys((sizes[0], sizes[-1])))
        figures = measure(sizes, life)
        why = judge(sizes, figures, limit, each)
        text = ", ".join(f"{n}: {f:,.0f}" for n, f in zip(sizes, figures))
        print(f"{'FAILED' if why else 'ok':<6} {name}: {text}{' - ' + why if why else ''}", flush=True)
        passed, failed = passed + (not why), failed + bool(why)
    print(f"growth: {passed} passed, {failed} failed")
    return 1 if failed else 0


if not shutil.which("valgrind"):
    print("growth: 0 passed, 0 failed, 1 skipped: valgrind is not installed")
    sys.exit(0)
sys.exit(main())
