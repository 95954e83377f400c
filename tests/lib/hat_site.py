"""A site of PyPI's hat-monitor and hat-event, gateways that are restarted as systemd would, and one
simulated Modbus device that knows who polls it. Needs the interpreter of build/venv."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import eventer
from gatewayd import Ctl, program, wait_until
from patience import end_process

HAT = os.path.dirname(sys.executable)
DEVICE = "gateway/modbus_master/plc1"
RESTART_S = 0.5


class Service:
    """A program that is started again when it ends, unless it was stopped."""

    def __init__(self, name, argv, env=None, restart=True):
        self.name, self.argv, self.env, self.restart = name, argv, env, restart
        self.log = tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=".log")
        self.process = None
        self.exits = []
        self.wanted = False

    def start(self):
        self.wanted = True
        self._spawn()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _spawn(self):
        self.process = subprocess.Popen(self.argv, env=self.env, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)

    def _watch(self):
        while self.wanted:
            self.exits.append(self.process.wait())
            if not self.wanted or not self.restart:
                return
            time.sleep(RESTART_S)
            if self.wanted:
                self._spawn()

    @property
    def pid(self):
        return self.process.pid

    def kill(self, sig=signal.SIGKILL, for_good=False):
        if for_good:
            self.wanted = False
        self.process.send_signal(sig)

    def stop(self):
        self.wanted = False
        if self.process:
            with contextlib.suppress(OSError):
                self.process.send_signal(signal.SIGCONT)
            end_process(self.process)

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()


class Process:
    """One that somebody else started."""

    def __init__(self, pid):
        self.pid = pid

    def send_signal(self, sig):
        os.kill(self.pid, sig)


class Device:
    """modbus-sim behind a door that notes each request: (time, name of the address it came to)."""

    def __init__(self, names, host="0.0.0.0", registers=16):
        self.names = names
        self.requests = []
        self.sim = subprocess.Popen(
            [program("tests/lib/modbus-sim"), "--port", "0", "--registers", str(registers),
             "--period", "0"], stdout=subprocess.PIPE, text=True)
        self.sim_port = int(self.sim.stdout.readline())
        self.sock = socket.create_server((host, 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            name = self.names[sock.getsockname()[0]]
            try:
                inner = socket.create_connection(("127.0.0.1", self.sim_port))
            except OSError:
                sock.close()
                return
            threading.Thread(target=self._copy, args=(sock, inner, name), daemon=True).start()
            threading.Thread(target=self._copy, args=(inner, sock, None), daemon=True).start()

    def _copy(self, source, sink, name):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if name:
                    self.requests.append((time.monotonic(), name))
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def polls(self, name, since=0.0):
        return [t for t, n in list(self.requests) if n == name and t >= since]

    def wait_poll(self, name, since, seconds=60):
        """When it polled first after `since`."""
        return wait_until(lambda: self.polls(name, since), f"polled by {name}", seconds)[0]

    def close(self):
        self.sock.close()
        self.sim.kill()
        self.sim.wait()
        self.sim.stdout.close()


def device_conf(host, port, interval=0.1):
    return {
        "module": "hat.gateway.devices.modbus.master", "name": "plc1",
        "connection": {
            "modbus_type": "TCP", "transport": {"type": "TCP", "host": host, "port": port},
            "connect_timeout": 2, "connect_delay": 0.2, "request_timeout": 1, "request_delay": 0,
            "request_retry_immediate_count": 1, "request_retry_delayed_count": 1,
            "request_retry_delay": 0.5},
        "remote_devices": [{"device_id": 1, "timeout_poll_delay": 1, "data": [
            {"name": "a", "interval": interval, "data_type": "HOLDING_REGISTER",
             "start_address": 0, "bit_offset": 0, "bit_count": 16},
            {"name": "w", "interval": interval, "data_type": "HOLDING_REGISTER",
             "start_address": 12, "bit_offset": 0, "bit_count": 16}]}]}


class Site:
    """Starts and ends what a test names; folder, ports and processes are its own."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="gatewayd-site-")
        self.services = []
        self.closers = []

    def close(self):
        for s in reversed(self.services):
            s.wanted = False
        for s in reversed(self.services):
            s.stop()
        for close in reversed(self.closers):
            close()
        self.dir.cleanup()

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def write(self, name, conf):
        with open(self.path(name), "w", encoding="utf-8") as f:
            json.dump(conf, f, indent=1)
        return self.path(name)

    def service(self, name, argv, **kwargs):
        s = Service(name, argv, **kwargs)
        self.services.append(s)
        return s.start()

    def wait_port(self, port, host="127.0.0.1", seconds=30):
        def answers():
            with contextlib.suppress(OSError):
                socket.create_connection((host, port), 1).close()
                return True
        wait_until(answers, f"port {port}", seconds)

    def monitor(self, name, port, master_port, parents=(), host="127.0.0.1", prefix=()):
        conf = self.write(f"{name}.json", {
            "type": "monitor", "default_algorithm": "BLESS_ONE", "group_algorithms": {},
            "server": {"host": host, "port": port, "default_rank": 1},
            "master": {"host": host, "port": master_port},
            "slave": {"parents": [{"host": "127.0.0.1", "port": p} for p in parents],
                      "connect_timeout": 2, "connect_retry_count": 2,
                      "connect_retry_delay": 0.5}})
        return self.service(name, [*prefix, os.path.join(HAT, "hat-monitor"), "--conf", conf])

    def event_server(self, name, server_id, port, monitor_port=None, backend="lmdb",
                     host="127.0.0.1", monitor_host="127.0.0.1"):
        every = [["*"]]
        backends = {
            "memory": {"module": "hat.event.backends.memory"},
            "lmdb": {"module": "hat.event.backends.lmdb", "db_path": self.path(f"{name}.db"),
                     "identifier": None, "flush_period": 0.2, "cleanup_period": 60,
                     "conditions": [], "latest": {"subscriptions": every},
                     "timeseries": [{"order_by": "TIMESTAMP", "subscriptions": every}]}}
        conf = {"type": "event", "name": name, "server_id": server_id, "modules": [],
                "backend": backends[backend],
                "eventer_server": {"host": host, "port": port}}
        if monitor_port:
            conf["monitor_component"] = {"host": monitor_host, "port": monitor_port,
                                         "group": "event"}
        return self.service(name, [os.path.join(HAT, "hat-event-server"), "--conf",
                                   self.write(f"{name}.json", conf)])

    def gateway(self, name, event_server, devices, prefix=()):
        """gatewayd as a service; its ctl answers while it lives."""
        runtime, state = self.path(f"{name}.run"), self.path(f"{name}.state")
        os.makedirs(runtime, exist_ok=True)
        os.makedirs(state, exist_ok=True)
        conf = self.write(f"{name}.json", {
            "type": "gateway", "name": name, "event_server": event_server, "devices": devices})
        s = self.service(
            name, [*prefix, program("gatewayd"), "--config", conf],
            env={**os.environ, "RUNTIME_DIRECTORY": runtime, "STATE_DIRECTORY": state})
        s.ctl = Ctl(os.path.join(runtime, "control"))
        return s


class Recorder:
    """Everything that an Event Server notifies, as long as it lives; connects again and again."""

    def __init__(self, port, host="127.0.0.1"):
        self.host, self.port = host, port
        self.events = []
        self.connects = []  # when
        self.open = True
        self.client = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while self.open:
            try:
                with eventer.EventerClient(host=self.host, port=self.port, name="recorder",
                                       subscriptions=["gateway/*"]) as client:
                    self.client = client
                    self.connects.append(time.monotonic())
                    while self.open and not client.closed.is_set():
                        with contextlib.suppress(TimeoutError):
                            now = client.next_events(0.2)
                            self.events.extend((time.monotonic(), e) for e in now)
            except (OSError, ValueError, eventer.Closed, eventer.Refused):
                time.sleep(0.1)

    def find(self, kind, since=0.0, payload=None):
        return [e for t, e in list(self.events) if t >= since and eventer.matches(e.type, kind)
                and payload in (None, e.payload)]

    def pairs(self, kind):
        """The payloads of two such events, one after the other, that one connection told of."""
        found = [(t, e.payload.data) for t, e in list(self.events) if eventer.matches(e.type, kind)]
        return [(x, y) for (a, x), (b, y) in zip(found, found[1:])
                if not any(a < c <= b for c in list(self.connects))]

    def close(self):
        self.open = False


class Restless:
    """A component of the Monitor Server, of no group that matters, that changes twice a second."""

    def __init__(self, port, host="127.0.0.1"):
        self.chatter = eventer.Chatter(eventer.connect(host, port))
        self.open = True
        for run in (self._change, self._read):
            threading.Thread(target=run, daemon=True).start()

    def _change(self):
        count = 0
        with contextlib.suppress(eventer.Closed):
            while self.open:
                count += 1
                data = (eventer.put_str("restless") + eventer.put_str("restless") +
                        eventer.put_str(str(count)) + eventer.put_optional(None, None) +
                        eventer.put_bool(False))
                self.chatter.send("HatObserver.MsgClient", data)
                time.sleep(0.5)

    def _read(self):
        with contextlib.suppress(eventer.Closed):
            while True:
                self.chatter.receive()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.open = False
        self.chatter.close()


def enable(port, host="127.0.0.1"):
    """Enables the device and its remote device 1."""
    with eventer.EventerClient(host=host, port=port, name="operator") as client:
        client.register([eventer.RegisterEvent(f"{DEVICE}/system/{what}", eventer.now(), eventer.Json(True))
                         for what in ("enable", "remote_device/1/enable")], response=True)


# What a modbus_master registers, and what is registered for it here.
ALLOWED = [f"{DEVICE}/gateway/{t}" for t in (
    "running", "status", "remote_device/1/status", "remote_device/1/read/a",
    "remote_device/1/read/w", "remote_device/1/write/w")] + [
    f"{DEVICE}/system/{t}" for t in (
        "enable", "remote_device/1/enable", "remote_device/1/write/w")]
