"""Rows of the serial IEC 60870-5 devices, at a pseudo-terminal, at 9600 8E1 where a bridge paces the bytes.
The peer is hat-drivers' master, in a process of its own."""

import contextlib
import sys
import time

import bench
from bench import row

sys.path.append(str(bench.ROOT / "tests" / "lib"))

import eventer  # noqa: E402
import iec_serial as lib  # noqa: E402
from serial_bridge import Bridge  # noqa: E402

ENABLE = "system/remote_device/{}/enable"
STATUS = "gateway/remote_device/{}/status"
REMOTES = 30
DEVICE = "gateway/iec101_master/bench/"
PEER = bench.ROOT / "tests" / "bench" / "hat_iec101.py"


def data_count(master):
    return sum("/data/" in e.type for e in list(master.events))


@contextlib.contextmanager
def hosted(device_type, conf, latest=None):
    runner = lib.start(device_type, conf, latest, log_level=4)
    try:
        yield runner
    finally:
        runner.stop()


@contextlib.contextmanager
def pair(line, points, buffer):
    """A slave that has a change of each point, and our master of it."""
    with hosted("iec101_slave", lib.slave101(line.b, [1], points, False, [buffer], keep_alive=600)) as slave:
        slave.wait(lambda: slave.ready)
        for p in points:
            slave.send(f"system/data/scaled/1/{p['io_address']}", lib.scaled(1))
        conf = lib.master101(line.a, [lib.remote(1, response_timeout=2, poll_class1_delay=0.5)])
        with hosted("iec101_master", conf, {ENABLE.format(1): True}) as master:
            master.wait_event(STATUS.format(1), "CONNECTED")
            yield master


def bus(large):
    """Share of the time that the line carries bytes while class 1 data are fetched: an interrogation, whose
    ASDUs are full, or changes, one an ASDU."""
    n = 1500 if large else 150
    points = [lib.point("SCALED", 1, i, None if large else "b") for i in range(n)]
    with Bridge(baud=9600, bits=11) as line, pair(line, points, {"name": "b", "size": n}) as master:
        if large:
            master.send("system/remote_device/1/interrogation/1",
                        {"is_test": False, "request": 20, "cause": "ACTIVATION"})
        bench.wait(lambda: data_count(master) > 2, "first data")
        busy, start = sum(line.busy), time.monotonic()
        bench.wait(lambda: data_count(master) >= n * 9 // 10, "all data")
        return [{"line busy %": 100 * (sum(line.busy) - busy) / (time.monotonic() - start)}]


row("iec101-bus-interrogation", {"line busy %": (">=", 90)}, peer=False)(lambda side: bus(True))
row("iec101-bus-changes", {"line busy %": (">=", 90)}, peer=False)(lambda side: bus(False))


@contextlib.contextmanager
def polling(side, line, count):
    """The pid of a master that polls that many devices of a slave of ours without a pause."""
    addresses = list(range(1, count + 1))
    with hosted("iec101_slave", lib.slave101(line.b, addresses, [], keep_alive=600)) as slave:
        slave.wait(lambda: slave.ready)
        if side == "ours":
            conf = lib.master101(line.a, [
                lib.remote(a, response_timeout=2, poll_class1_delay=0) for a in addresses])
            with hosted("iec101_master", conf, {ENABLE.format(a): True for a in addresses}) as master:
                for a in addresses:
                    master.wait_event(STATUS.format(a), "CONNECTED", timeout=60)
                yield master.process.pid
        else:
            argv = [bench.VENV / "bin" / "python", "-P", PEER, line.a, count]
            peer = bench.subprocess.Popen(list(map(str, argv)), stdout=bench.subprocess.PIPE)
            try:
                if peer.stdout.readline() != b"connected\n":
                    raise RuntimeError("the peer did not connect")
                yield peer.pid
            finally:
                peer.kill()
                peer.wait()


def windows(side, line, count, figures):
    with polling(side, line, count) as pid:
        samples = []
        for _ in range(bench.WINDOWS):
            line.frames, cpu, start = [], bench.cpu_ns(pid), time.monotonic()
            time.sleep(bench.WINDOW_S)
            frames = line.frames
            samples.append(figures(frames, bench.cpu_ns(pid) - cpu, time.monotonic() - start))
        return samples


@row("iec101-cycle-30")
def cycle(side):
    """30 remote devices on one line at 9600 8E1: how long until each was polled once more."""
    with Bridge(baud=9600, bits=11) as line:
        def figures(frames, _, seconds):
            polls = [f for f in frames if f[1] == 0]
            if len(polls) < 2:
                raise RuntimeError(f"{len(polls)} polls in {seconds:.1f} s")
            return {"ms/cycle": 1e3 * REMOTES * (polls[-1][0] - polls[0][0]) / (len(polls) - 1)}

        return windows(side, line, REMOTES, figures)


@contextlib.contextmanager
def polling_gateway(side, line, count):
    """The same by a whole gateway: gatewayd, or hat-gateway, at an Event Server that has everything enabled."""
    addresses = list(range(1, count + 1))
    with contextlib.ExitStack() as stack:
        slave = stack.enter_context(hosted("iec101_slave", lib.slave101(line.b, addresses, [], keep_alive=600)))
        slave.wait(lambda: slave.ready)
        server = stack.enter_context(eventer.EventerServer())
        for suffix in ["system/enable", *(ENABLE.format(a) for a in addresses)]:
            server.preset(DEVICE + suffix, eventer.Json(True))
        remotes = [lib.remote(a, response_timeout=2, poll_class1_delay=0) for a in addresses]
        conf = {
            "type": "gateway",
            "name": "bench",
            "event_server": {
                "require_operational": True,
                "eventer_server": {"host": "127.0.0.1", "port": server.port},
            },
            "devices": [{
                **lib.master101(line.a, remotes), "name": "bench", "module": "hat.gateway.devices.iec101.master"}],
        }
        if side != "ours":
            conf["log"] = {"version": 1, "disable_existing_loggers": False}
        gateway = bench.Gateway(side, conf)
        stack.callback(gateway.close)
        for a in addresses:
            server.wait_event(DEVICE + STATUS.format(a), eventer.Json("CONNECTED"), timeout=30)
        yield gateway


@row("iec101-gateway-30")
def gateway_cycle(side):
    """As iec101-cycle-30, with the whole of either gateway; CPU of all its processes a frame."""
    with Bridge(baud=9600, bits=11) as line, polling_gateway(side, line, REMOTES) as gateway:
        samples = []
        for _ in range(bench.WINDOWS):
            line.frames, cpu = [], sum(gateway.cpu())
            time.sleep(bench.WINDOW_S)
            frames, cpu = line.frames, sum(gateway.cpu()) - cpu
            polls = [f for f in frames if f[1] == 0]
            if len(polls) < 2:
                raise RuntimeError(f"{len(polls)} polls in a window")
            samples.append({
                "ms/cycle": 1e3 * REMOTES * (polls[-1][0] - polls[0][0]) / (len(polls) - 1),
                "us/frame": cpu / 1e3 / len(frames)})
        return samples


@row("iec101-cpu")
def cpu(side):
    """Polls without pacing: CPU of the master a frame, sent or received."""
    with Bridge() as line:
        return windows(side, line, 1, lambda frames, ns, seconds: {
            "us/frame": ns / 1e3 / len(frames), "frames/s": len(frames) / seconds})
