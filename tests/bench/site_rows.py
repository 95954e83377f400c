"""Rows of a whole site: what many devices cost at the start, at rest, at a reload and at a restart of the service."""

import json
import os
import pathlib
import re
import subprocess
import time

import bench
from bench import Scene, modbus, row
from rows import memory

STILL = ("modbus_device", "still")


def spawned_ms(count):
    """CPU time of a process that the kernel starts from the same program, and that ends at once; the floor of a start."""
    program, used = bench.BUILD / "libexec" / "modbus", 0
    null = os.open(os.devnull, os.O_WRONLY)
    quiet = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    for _ in range(count):
        pid = os.posix_spawn(program, [program, "--help"], {}, file_actions=quiet)
        usage = os.wait4(pid, 0)[2]
        used += usage.ru_utime + usage.ru_stime
    os.close(null)
    return used * 1e3 / count


def site(count, registers=10, **more):
    return Scene("ours", STILL, [modbus(f"d{i}", registers, 1) for i in range(count)], "running", **more)


def all_polled(scene, count):
    bench.wait(lambda: scene.device.ask()["polled"] >= count, "all devices are polled", 120)


@row("runner-start", {"runner ms/start": 1.5}, peer=False)
def runner_start(_):
    """CPU time of a device's start, from the beginning of gatewayd to the device's first answer: of the runner, which is
    the outer lock, the program, the inner lock, configuration, plan, connection and events; and of both processes."""
    count, samples = 100, []
    for _ in range(bench.WINDOWS):
        floor = spawned_ms(count)
        with site(count) as s:
            all_polled(s, count)
            supervisor, runners = s.gateway.cpu()
        start = (supervisor + runners) / 1e6 / count
        samples.append({"runner ms/start": runners / 1e6 / count, "both ms/start": start, "floor ms": floor,
                        "x floor": start / floor})
    return samples


def start_of(count):
    return lambda side: memory(side, (STILL, lambda name: modbus(name, 10, 1)), count)


row("modbus-1000-devices", {"start ms": 1200, "PSS KiB": 140 * 1024}, peer=False, quick=False)(start_of(1000))
row("modbus-4096-devices", {"PSS KiB": 560 * 1024}, peer=False, quick=False)(start_of(4096))


def texts_kib(pid):
    """What the kernel keeps of the devices' configurations."""
    folder, sizes = pathlib.Path(f"/proc/{pid}/fd"), {}
    for fd in folder.iterdir():
        if os.readlink(fd).startswith("/memfd:devices"):
            status = os.stat(fd)
            sizes[status.st_ino] = status.st_size / 1024
    return sum(sizes.values())


@row("supervisor-memory", {"KiB a point": 0.1}, peer=False)
def supervisor_memory(_):
    """PSS of gatewayd by data point: what two configurations of as many devices differ by. The texts of devices are
    in the kernel's memory."""
    sizes, figures = (1000, 60_000), []
    for points in sizes:
        devices = [modbus("d0", 10, 1), *(modbus(f"d{i}", points, 1) for i in (1, 2))]
        with Scene("ours", STILL, devices, "running", enabled=1) as s:
            figures.append((bench.pss_kib(s.gateway.pid), texts_kib(s.gateway.pid)))
    own, texts = ((b - a) / 2 / (sizes[1] - sizes[0]) for a, b in zip(*figures))
    return [{"KiB a point": own, "of texts, KiB a point": texts}]


def address_space_kib(points):
    with Scene("ours", STILL, [modbus("d", points, 1)], "running") as s:
        status = pathlib.Path(f"/proc/{s.gateway.runners()[0]}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmPeak:\s*(\d+)", status)[1])


@row("runner-address-space", {"KiB": 2048, "KiB a point": 1.1}, peer=False)
def runner_address_space(_):
    """What "memory" of "limits" limits, as gatewayd.yaml(5) has it."""
    few, many = 10, 60_000
    least, most = address_space_kib(few), address_space_kib(many)
    return [{"KiB": least, "KiB a point": (most - least) / (many - few)}]


@row("service-restart-100", {"restart ms": 400}, peer=False)
def service_restart(_):
    """From SIGTERM until the last device is polled again."""
    count, samples = 100, []
    with site(count) as s:
        for life in range(1, bench.WINDOWS + 1):
            all_polled(s, life * count)
            began = time.monotonic_ns()
            s.gateway.stop()
            stopped = time.monotonic_ns()
            s.gateway.start()
            all_polled(s, (life + 1) * count)
            samples.append({"restart ms": (s.device.ask()["polled_at"] - began) / 1e6, "of it stop ms": (stopped - began) / 1e6})
    return samples


def reload_of(count):
    def measure(_):
        with site(count) as s:
            path, samples = pathlib.Path(s.gateway.dir, "gateway.json"), []
            conf = json.loads(path.read_text(encoding="utf-8"))
            ctl = [bench.BUILD / "gatewayctl", "--socket", os.path.join(s.gateway.dir, "control"), "reload"]
            for turn in range(bench.WINDOWS):
                conf["devices"][0]["connection"]["request_timeout"] = 6 + turn
                path.write_text(json.dumps(conf), encoding="utf-8")
                before, began = bench.cpu_ns(s.gateway.pid), time.monotonic()
                subprocess.run(ctl, check=True, stdout=subprocess.DEVNULL, timeout=bench.WAIT_S)
                samples.append({"reload ms": (time.monotonic() - began) * 1e3,
                                "supervisor cpu ms": (bench.cpu_ns(s.gateway.pid) - before) / 1e6})
            return samples

    return measure


row("reload-100", peer=False)(reload_of(100))
row("reload-1000", peer=False, quick=False)(reload_of(1000))
