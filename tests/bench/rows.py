"""The rows. Each is measured in several windows of one life of the gateway, or in several lives."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import bench
from bench import Scene, Tool, iec104, modbus, modbus_slave, row
from ports import free_port

FLOOR = {}


def floor(registers, core):
    """CPU time in us of a bare ping-pong with the same device, on the same cores, once a run."""
    if (registers, core) not in FLOOR:
        device = Tool("modbus_device", "still", core=core)
        client = Tool("pingpong", device.port, registers, core=bench.GATEWAY)
        FLOOR[registers, core] = bench.bare_us(device, client)
    return FLOOR[registers, core]


def relayed():
    """Latencies of the bare way between the same cores: TCP, a process, a seqpacket socket, a process, TCP."""
    argv = [bench.TOOLS / "relay", bench.OUTSIDE, bench.GATEWAY, 200 if bench.QUICK else 1000, 1100]
    age = json.loads(bench.popen(argv, bench.OUTSIDE, stdout=subprocess.PIPE, text=True).communicate()[0])
    return {"floor p50 us": age["p50"], "floor p99 us": age["p99"]}


def still(core):
    def measure(side):
        bare = floor(10, core)

        def figures(w):
            n = w.device["requests"]
            runner = w.runner_us if side == "ours" else w.supervisor_us
            return {
                "requests/s": n / w.seconds,
                "runner us/request": runner / n,
                "floor us/request": bare,
                "runner x floor": runner / n / bare,
            }

        with Scene(side, ("modbus_device", "still"), [modbus("m", 10)], core=core) as s:
            return s.windows(figures)

    return measure


# Ten registers a request that never change, polled without a pause. On one core no time goes to waking another.
row("modbus-still", {"runner x floor": 1.6})(still(bench.OUTSIDE))
row("modbus-still-one-core", {"runner x floor": 1.6})(still(bench.GATEWAY))


def masters(port, count):
    """Requests per second in each window, of so many masters at once, each asking as soon as it is answered; on the
    slave's core, so that no time goes to waking another."""
    client = Tool("pingpong", port, 10, count, core=bench.GATEWAY)
    samples = []
    for _ in range(bench.WINDOWS):
        a, start = client.ask()["requests"], time.monotonic()
        time.sleep(bench.WINDOW_S)
        samples.append((client.ask()["requests"] - a) / (time.monotonic() - start))
    client.close()
    return samples


def libmodbus(count):
    """The same of libmodbus's own slave on the gateway's core."""
    sim = bench.BUILD / "tests" / "lib" / "modbus-sim"
    process = bench.popen([sim, "--period", "0"], bench.GATEWAY, stdout=subprocess.PIPE, text=True)
    figures = masters(int(process.stdout.readline()), count)
    process.terminate()
    process.wait()
    return bench.median(figures)


def slave(count):
    def measure(side):
        port = free_port()
        with bench.realtime():
            theirs = libmodbus(count)
        with bench.realtime(), Scene(side, ("modbus_device", "still"), [modbus_slave("s", port)]) as s:
            bench.wait(lambda: bench.accepts(port), "the slave listens")
            before, start = s.gateway.cpu(), time.monotonic()
            rates = masters(port, count)
            cpu = sum(s.gateway.cpu()) - sum(before)
            share = cpu / 1e3 / (bench.median(rates) * (time.monotonic() - start))
            return [{"requests/s": r, "x libmodbus": r / theirs, "cpu us/request": share} for r in rates]

    return measure


row("modbus-slave-1", {"x libmodbus": (">=", 0.9)}, quick=False)(slave(1))
row("modbus-slave-100", {"x libmodbus": (">=", 0.9)})(slave(100))


def per_event(side, w):
    n = w.sink["events"]
    return {
        "events/s": n / w.seconds,
        "cpu us/event": w.cpu_us / n,
        "runner us/event": w.runner_us / n if side == "ours" else None,
        "supervisor us/event": w.supervisor_us / n if side == "ours" else None,
    }


@row("modbus-changing", {"cpu us/event": 2.0})
def modbus_changing(side):
    """A hundred registers a request, each changing each time."""

    def figures(w):
        return {**per_event(side, w), "events/message": w.sink["events"] / w.sink["messages"]}

    with Scene(side, ("modbus_device", "changing"), [modbus("m", 100)]) as s:
        return s.windows(figures)


@row("modbus-change-to-sink", {"p50 us": 100, "p99 us": 400})
def modbus_change(side):
    """The device's answer with a new value, to its event at the sink; polled every 2 ms."""

    with bench.realtime():
        bare = relayed()

    def figures(w):
        age = w.sink["age"]
        return {"p50 us": age["p50"], "p99 us": age["p99"], "max us": age["max"], **bare}

    with bench.realtime(), Scene(side, ("modbus_device", "stamp"), [modbus("m", 4, 0.002, 64)], "modbus") as s:
        return s.windows(figures)


def writes(scene, kind, event_type, gap_us):
    """Sends commands, some of them in each window, and returns their ages at the device and the sink."""
    counter = "writes" if kind == "modbus" else "commands"
    count = int(bench.WINDOW_S * 1e6 / gap_us)
    samples = []
    for _ in range(bench.WINDOWS):
        before = scene.device.ask()[counter]
        scene.sink.ask(f"notify {kind} {count} {gap_us} {event_type}")
        bench.wait(lambda: scene.device.ask("count")[counter] - before >= count, "all commands on the wire")
        time.sleep(0.05)
        samples.append((scene.device.ask(), scene.sink.ask()))
    return samples


@row("modbus-write-to-wire", {"p99 us - request": 500})
def modbus_write(side):
    """A write event to the request at the device, while 1,000 registers are polled without a pause."""
    with bench.realtime(), Scene(side, ("modbus_device", "still"), [modbus("m", 1000, writable=True)]) as s:
        time.sleep(0.3)
        w = s.window(0.3)
        request = w.seconds * 1e6 / w.device["requests"]
        ages = writes(s, "modbus", "gateway/modbus_master/m/system/remote_device/1/write/w", 5000)
        return [
            {
                "p50 us": d["age"]["p50"],
                "p99 us": d["age"]["p99"],
                "p99 us - request": d["age"]["p99"] - request,
                "request us": request,
            }
            for d, _ in ages
        ]


def ingest(kind, objects):
    def measure(side):
        with Scene(side, ("iec104_device", kind, objects), [iec104("s")]) as s:
            return s.windows(lambda w: per_event(side, w))

    return measure


row("iec104-float-1", {"cpu us/event": 5.0})(ingest(36, 1))
row("iec104-float-10", {"cpu us/event": 2.0})(ingest(36, 10))
row("iec104-float-16", {"cpu us/event": 1.5}, quick=False)(ingest(36, 16))
row("iec104-single-1", {"cpu us/event": 5.0}, quick=False)(ingest(30, 1))
row("iec104-single-10", {"cpu us/event": 2.0}, quick=False)(ingest(30, 10))
row("iec104-single-22", {"cpu us/event": 1.5, "events/s": (">=", 400000)})(ingest(30, 22))


@row(
    "iec104-command",
    {"wire p50 us": 60, "wire p99 us": 150, "round trip p50 us": 150, "round trip p99 us": 300},
)
def iec104_command(side):
    """A command event to the ASDU at the slave, and to the event of its confirmation at the sink."""
    with bench.realtime(), Scene(side, ("iec104_device", 36, 0), [iec104("s")], "iec") as s:
        bare = relayed()
        ages = writes(s, "iec", "gateway/iec104_master/s/system/command/bitstring/1/1", 1100)
        return [
            {
                **bare,
                "wire p50 us": d["age"]["p50"],
                "wire p99 us": d["age"]["p99"],
                "round trip p50 us": k["age"]["p50"],
                "round trip p99 us": k["age"]["p99"],
            }
            for d, k in ages
        ]


@row("iec104-decode", peer=False)
def iec104_decode(side):
    """Bytes to struct iec_object, 22 M_SP_TB_1 an ASDU."""
    rounds = 1 if bench.QUICK else 3
    argv = ["taskset", "-c", str(bench.GATEWAY), str(bench.TOOLS / "decode")]
    return [{"objects/s": float(subprocess.run(argv, capture_output=True, check=True).stdout)} for _ in range(rounds)]


def memory(side, make, count):
    lives = []
    for _ in range(1 if bench.QUICK and side == "peer" else bench.WINDOWS):
        with Scene(side, make[0], [make[1](f"d{i}") for i in range(count)], "running") as s:
            start = s.start_ms()
            time.sleep(0.5)
            total, runners = s.gateway.pss()
            lives.append(
                {
                    "start ms": start,
                    "PSS KiB": total,
                    "PSS KiB a runner": sum(runners) / count if side == "ours" else None,
                    "PSS KiB supervisor": total - sum(runners) if side == "ours" else None,
                }
            )
    return lives


TARGETS_100 = {"start ms": 120, "PSS KiB": 15 * 1024}


@row("modbus-100-devices", TARGETS_100)
def modbus_100(side):
    return memory(side, (("modbus_device", "still"), lambda name: modbus(name, 10, 1)), 100)


@row("iec104-100-devices", TARGETS_100)
def iec104_100(side):
    return memory(side, (("iec104_device", 36, 0), iec104), 100)


WARM_S = 25


@row("modbus-500-devices", {"longest gap ms": 1100, "PSS grew KiB": 512}, peer=False)
def modbus_500(side):
    """500 devices of 30 registers, every second: the longest time between two polls of one, and growth once each
    runner has answered its first pings. BENCH_SECONDS: for how long."""
    warm, seconds = (3, 4) if bench.QUICK else (WARM_S, 30)
    seconds = int(os.environ.get("BENCH_SECONDS", seconds))
    with Scene(side, ("modbus_device", "changing"), [modbus(f"d{i}", 30, 1) for i in range(500)]) as s:
        time.sleep(warm)
        before = s.gateway.pss()[0]
        w = s.window(seconds)
        return [
            {
                "longest gap ms": w.device["gap"] / 1e3,
                "requests/s": w.device["requests"] / w.seconds,
                "cpu %": w.cpu_us / w.seconds / 1e4,
                "PSS KiB": before,
                "PSS grew KiB": s.gateway.pss()[0] - before,
            }
        ]


@row("modbus-still-calls", {"calls/request": 7}, peer=False)
def modbus_calls(side):
    """System calls of the runner in a second, by strace -c, over its writes: a request is one."""
    if not shutil.which("strace"):
        raise RuntimeError("strace is not installed")
    with Scene(side, ("modbus_device", "still"), [modbus("m", 10)]) as s:
        time.sleep(0.3)
        calls, _ = trace(s, s.gateway.runners()[0])
        return [{"calls/request": sum(calls.values()) / calls["write"], **per("", calls, calls["write"])}]


@row("modbus-changing-calls", peer=False)
def modbus_changing_calls(side):
    """System calls of both processes, a request of a hundred changing registers."""
    with Scene(side, ("modbus_device", "changing"), [modbus("m", 100)]) as s:
        time.sleep(0.3)
        result = {}
        for who, pid in (("runner", s.gateway.runners()[0]), ("supervisor", s.gateway.pid)):
            calls, n = trace(s, pid)
            result |= per(f"{who} ", calls, n["requests"])
        return [result]


def trace(scene, pid):
    before = scene.device.ask()
    argv = ["timeout", "-s", "INT", "1", "strace", "-f", "-c", "-p", str(pid)]
    out = subprocess.run(argv, capture_output=True, text=True).stderr
    calls = {}
    for line in out.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    if not calls:
        raise RuntimeError("strace says nothing: " + out.strip()[-200:])
    return calls, bench.difference(before, scene.device.ask())


def per(prefix, calls, n):
    return {prefix + name: c / n for name, c in sorted(calls.items(), key=lambda i: -i[1]) if c / n > 0.01}


@row("instructions", peer=False, quick=False)
def instructions(side):
    """User instructions of the runner, by callgrind: the difference of a long and a short life, by its work."""
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is not installed")
    rows = {
        "a request, still": (("modbus_device", "still"), modbus("m", 10), "modbus", "requests"),
        "a changing register": (("modbus_device", "changing"), modbus("m", 100), "modbus", None),
        "a single point, 22": (("iec104_device", 30, 22), iec104("m"), "iec60870", None),
    }
    result = {}
    for name, (device, conf, family, counter) in rows.items():
        (a, x), (b, y) = (under_callgrind(side, device, conf, family, counter, s) for s in (0.5, 2.5))
        result[name] = (b - a) / (y - x)
    return [result]


LIMITS = {"files": 64, "memory": 16 << 30}


def under_callgrind(side, device, conf, family, counter, seconds):
    """Instructions of one life, and what it did: requests, or events at the sink."""
    with tempfile.TemporaryDirectory(prefix="gatewayd-bench-") as folder:
        script = pathlib.Path(folder, "runner")
        script.write_text(
            # valgrind lets a program set its file limit only to what it was, twelve less: the limit below and one for its plan.
            "#!/bin/sh\nulimit -n 77\nPATH=/usr/bin:/bin exec valgrind --tool=callgrind -q "
            f"--callgrind-out-file={folder}/out '{bench.BUILD}/libexec/{family}'\n"
        )
        script.chmod(0o755)
        device_type = "modbus_master" if family == "modbus" else "iec104_master"

        def traced(port):
            plain = conf(port)
            del plain["module"]
            return {**plain, "type": device_type, "runner": str(script), "sandbox": "off", "limits": LIMITS}

        with Scene(side, device, [traced]) as s:
            time.sleep(seconds)
            s.gateway.stop()
            done = s.device.ask()[counter] if counter else s.sink.ask()["events"]
        for line in pathlib.Path(folder, "out").read_text().splitlines():
            if line.startswith(("totals:", "summary:")):
                return int(line.split()[1]), done
    raise RuntimeError("callgrind wrote no total")
