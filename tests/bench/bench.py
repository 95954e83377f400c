"""What rows of the benchmark are made of: processes pinned to two cores, figures of a window of time.

The device and the Event Server sink share the first core, the gateway has the second; with one core all share it.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "lib"))
BUILD = ROOT / os.environ.get("BUILD", "build")
TOOLS = BUILD / "tests" / "bench"
VENV = BUILD / "venv"
PEER = VENV / "bin" / "hat-gateway"
QUICK = os.environ.get("BENCH") == "quick"
WINDOWS = 3 if QUICK else 5
WINDOW_S = 0.4 if QUICK else 1.5
WAIT_S = 30

CORES = sorted(os.sched_getaffinity(0))
OUTSIDE, GATEWAY = CORES[0], CORES[1 % len(CORES)]


ahead = ["nice", "-n", "-15"]


@contextlib.contextmanager
def realtime():
    """Processes that are started inside run under SCHED_FIFO: for latencies, which are to be the gateway's and not
    those of what else the machine does."""
    global ahead
    before, ahead = ahead, ["chrt", "-f", "1"]
    try:
        yield
    finally:
        ahead = before


def popen(argv, core, **kwargs):
    """Pinned, and ahead of what else the machine does, where that is permitted."""
    prefix = ahead if os.geteuid() == 0 else []
    return subprocess.Popen([*prefix, "taskset", "-c", str(core), *map(str, argv)], **kwargs)


def wait(condition, what, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"not in time: {what}")
        time.sleep(0.01)
    return value


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


class Tool:
    """One of the C tools: prints its port, answers a line of JSON to each order."""

    def __init__(self, name, *args, core=OUTSIDE):
        self.process = popen([TOOLS / name, *args], core, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def ask(self, order="stat"):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(WAIT_S)


def cpu_ns(pid):
    total = 0
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def bare_us(device, client):
    """CPU time in us of a request of a tool that does nothing but ask another one. Ends both."""
    samples = []
    for _ in range(WINDOWS):
        a, cpu = client.ask(), cpu_ns(client.process.pid)
        time.sleep(WINDOW_S)
        b = client.ask()
        samples.append((cpu_ns(client.process.pid) - cpu) / 1e3 / (b["requests"] - a["requests"]))
    client.close()
    device.close()
    return median(samples)


def busy_s():
    """The time; the CPU time of the whole machine less that of our own processes that have ended."""
    with open("/proc/stat", encoding="utf-8") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    used = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return time.monotonic(), used - own.user - own.system - own.children_user - own.children_system


def children(pid):
    with contextlib.suppress(OSError):
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def pss_kib(pid):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class Gateway:
    """gatewayd, or hat-gateway, on a configuration of the latter's."""

    def __init__(self, side, conf, wrap=()):
        self.side = side
        self.dir = tempfile.mkdtemp(prefix="gatewayd-bench-")
        path = os.path.join(self.dir, "gateway.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        argv = [BUILD / "gatewayd", "--config", path] if side == "ours" else [PEER, "--conf", path]
        self.argv = [*wrap, *argv]
        self.log = open(os.path.join(self.dir, "log"), "w+", encoding="utf-8")
        self.start()

    def start(self):
        env = {**os.environ, "RUNTIME_DIRECTORY": self.dir, "STATE_DIRECTORY": self.dir}
        self.started_ns = time.monotonic_ns()
        self.process = popen(self.argv, GATEWAY, env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.pid = self.process.pid

    def runners(self):
        return children(self.pid)

    def cpu(self):
        return cpu_ns(self.pid), sum(map(cpu_ns, self.runners()))

    def pss(self):
        runners = [pss_kib(p) for p in self.runners()]
        return pss_kib(self.pid) + sum(runners), runners

    def tail(self):
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-15:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in self.runners():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def close(self):
        self.stop()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@dataclasses.dataclass
class Window:
    """What happened in a while: differences of counters, CPU time in us."""

    seconds: float
    supervisor_us: float
    runner_us: float
    sink: dict
    device: dict

    @property
    def cpu_us(self):
        return self.supervisor_us + self.runner_us


class Scene:
    """A sink, a device and a gateway between them, all devices running; enabled: the first ones. wrap: a command that
    starts gatewayd; more: of its configuration."""

    def __init__(self, side, device, devices, mode="count", core=OUTSIDE, known=100, wrap=(), enabled=None, **more):
        self.stack = contextlib.ExitStack()
        try:
            self.sink = self._enter(Tool("sink", known, *([] if enabled is None else [enabled])))
            self.device = self._enter(Tool(*device, core=core))
            conf = {
                "type": "gateway",
                "name": "bench",
                "log": {"version": 1, "disable_existing_loggers": False},
                "event_server": {
                    "require_operational": True,
                    "eventer_server": {"host": "127.0.0.1", "port": self.sink.port},
                },
                "devices": [d(self.device.port) for d in devices],
                **more,
            }
            if side == "ours":
                del conf["log"]
            self.gateway = self._enter(Gateway(side, conf, wrap))
            self._wait_running(len(devices) if enabled is None else enabled)
            self.sink.ask(f"mode {mode}")
        except BaseException:
            self.close()
            raise

    def _enter(self, thing):
        self.stack.callback(thing.close)
        return thing

    def _wait_running(self, count):
        def running():
            if self.gateway.process.poll() is not None:
                raise RuntimeError("the gateway ended:\n" + self.gateway.tail())
            return self.sink.ask()["running"] >= count

        try:
            wait(running, f"{count} devices running")
        except RuntimeError as e:
            raise RuntimeError(f"{e}\n{self.gateway.tail()}") from None

    def start_ms(self):
        return (self.sink.ask()["running_at"] - self.gateway.started_ns) / 1e6

    def window(self, seconds=WINDOW_S):
        def look():
            device, sink, cpu = self.device.ask(), self.sink.ask(), self.gateway.cpu()
            return time.monotonic(), device, sink, cpu

        before = look()
        time.sleep(seconds)
        after = look()
        cpu = [(b - a) / 1e3 for a, b in zip(before[3], after[3])]
        sink = difference(before[2], after[2])
        device = difference(before[1], after[1])
        if not sink["events"] and not device.get("requests"):
            raise RuntimeError(f"nothing happened in {after[0] - before[0]:.1f} s\n{self.gateway.tail()}")
        return Window(after[0] - before[0], *cpu, sink, device)

    def windows(self, work, settle=0.3):
        """work(window) of each of the windows."""
        time.sleep(settle)
        return [work(self.window()) for _ in range(WINDOWS)]

    def check(self):
        if self.sink.ask()["bad"]:
            raise RuntimeError("the sink was sent what is no message of the protocol")

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.check()
        finally:
            self.close()


def difference(a, b):
    """Counters as what they grew by, everything else as it is at the end."""
    return {k: v - a[k] if isinstance(v, int) and k in a and not isinstance(v, bool) else v for k, v in b.items()}


# --- devices ---


def modbus(name, registers, interval=0, bits=16, writable=False):
    step = (bits + 15) // 16
    data = [
        {
            "name": f"d{i}",
            "interval": interval,
            "data_type": "HOLDING_REGISTER",
            "start_address": i * step,
            "bit_offset": 0,
            "bit_count": bits,
        }
        for i in range(registers // step)
    ]
    if writable:
        data.append({**data[0], "name": "w", "interval": None, "start_address": 60000, "bit_count": 64})

    def conf(port):
        return {
            "module": "hat.gateway.devices.modbus.master",
            "name": name,
            "connection": {
                "modbus_type": "TCP",
                "transport": {"type": "TCP", "host": "127.0.0.1", "port": port},
                "connect_timeout": 5,
                "connect_delay": 1,
                "request_timeout": 5,
                "request_delay": 0,
                "request_retry_immediate_count": 1,
                "request_retry_delayed_count": 1,
                "request_retry_delay": 1,
            },
            "remote_devices": [{"device_id": 1, "timeout_poll_delay": 1, "data": data}],
        }

    return conf


def modbus_slave(name, port):
    data = [
        {
            "name": f"d{i}",
            "device_id": 1,
            "data_type": "HOLDING_REGISTER",
            "start_address": i,
            "bit_offset": 0,
            "bit_count": 16,
        }
        for i in range(100)
    ]

    def conf(_):
        return {
            "module": "hat.gateway.devices.modbus.slave",
            "name": name,
            "modbus_type": "TCP",
            "transport": {
                "type": "TCP",
                "local_host": "127.0.0.1",
                "local_port": port,
                "remote_hosts": None,
                "max_connections": None,
                "response_timeout": 5,
                "keep_alive_timeout": None,
            },
            "data": data,
        }

    return conf


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def iec104(name):
    def conf(port):
        return {
            "module": "hat.gateway.devices.iec104.master",
            "name": name,
            "remote_addresses": [{"host": "127.0.0.1", "port": port}],
            "response_timeout": 15,
            "supervisory_timeout": 10,
            "test_timeout": 20,
            "send_window_size": 12,
            "receive_window_size": 8,
            "reconnect_delay": 1,
            "time_sync_delay": None,
            "security": None,
        }

    return conf


def iec104_slave(name, port, count):
    data = [{"data_type": "BITSTRING", "asdu_address": 1, "io_address": i, "buffer": None} for i in range(count)]

    def conf(_):
        master = iec104(name)(port)
        del master["remote_addresses"], master["reconnect_delay"], master["time_sync_delay"]
        return {
            **master,
            "module": "hat.gateway.devices.iec104.slave",
            "local_host": "127.0.0.1",
            "local_port": port,
            "remote_hosts": None,
            "max_connections": None,
            "buffers": [],
            "data": data,
        }

    return conf


# --- the table ---

ROWS = []
BINDING = set()  # names of rows


def row(name, targets=None, peer=True, quick=True, binding=False):
    """A row: a function of a side that returns samples, each a dict of metric to figure. targets: metric to the
    highest (or, as (">=", n), the lowest) figure that will do; binding: a row that misses one has failed."""

    def add(function):
        ROWS.append((name, function, targets or {}, peer, quick))
        if binding:
            BINDING.add(name)
        return function

    return add


def summary(samples):
    """Median, lowest and highest of each metric."""
    out = {}
    for key in samples[0]:
        values = [s[key] for s in samples if s.get(key) is not None]
        if values:
            out[key] = {"median": median(values), "min": min(values), "max": max(values), "n": len(values)}
    return out


def number(v):
    return f"{v:,.0f}" if abs(v) >= 1000 else f"{v:.1f}" if abs(v) >= 10 else f"{v:.2f}"


def meets(figure, target):
    if target is None:
        return None
    return figure >= target[1] if isinstance(target, tuple) else figure <= target


def keeps(name, figures, targets):
    """False of a row that has to meet its targets and does not."""
    return name not in BINDING or all(meets(figures[k]["median"], t) for k, t in targets.items())


def cell(figure):
    if not figure:
        return "-"
    return f"{number(figure['median'])} ({number(figure['min'])} .. {number(figure['max'])})"


def print_row(name, ours, peer, targets):
    for key, figure in ours.items():
        target = targets.get(key)
        ok = meets(figure["median"], target)
        wanted = "" if target is None else (f">= {target[1]:,}" if isinstance(target, tuple) else f"<= {target:,}")
        mark = {None: "", True: "met", False: "MISSED"}[ok]
        print(f"{name:<26} {key:<24} {cell(figure):>32} {cell(peer.get(key)):>32}  {wanted:>12} {mark}")
    sys.stdout.flush()


def have_peer():
    """hat-gateway in a venv of the build folder; False, saying so, where PyPI is out of reach."""
    if PEER.exists():
        return True
    try:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True, capture_output=True)
        subprocess.run(
            [VENV / "bin" / "pip", "install", "-q", "hat-gateway==0.6.48"], check=True, capture_output=True, timeout=300
        )
        return PEER.exists()
    except (subprocess.SubprocessError, OSError) as e:
        print(f"bench: hat-gateway is not available from PyPI, its column is left out ({type(e).__name__})")
        return False
