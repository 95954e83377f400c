"""A hat-gateway site switches over: its configurations load unchanged, and with the same one gatewayd
registers what hat-gateway registers. Slow by nature."""

import glob
import importlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import eventer
import pki
from gatewayd import ROOT, program
from ports import free_ports

try:
    import hat_site
    from hat import json
    from hat.gateway import common
except ImportError:
    hat_site = None

FILES = []  # copies, with certificates that are there
PREFIX = "gateway/modbus_master/plc1"
QUIET_S = 1.2


def setUpModule():
    folder = unittest.enterModuleContext(tempfile.TemporaryDirectory())
    ca = pki.Authority(folder)
    for name, path in zip(("cert.pem", "key.pem", "ca.pem"), (*ca.issue("station", rsa=2048), ca.with_crl())):
        os.symlink(path, os.path.join(folder, name))
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "dropin", "*.yaml"))):
        text = pathlib.Path(path).read_text(encoding="utf-8").replace("/etc/station", folder)
        FILES.append(os.path.join(folder, os.path.basename(path)))
        pathlib.Path(FILES[-1]).write_text(text, encoding="utf-8")


# Values that are allowed, and larger than anybody needs.
LARGE = {"send_retry_count": 65535, "request_retry_immediate_count": 65535, "max_connections": 65535,
         "request_retry_delayed_count": 1000000, "reconnect_delay": 1000000, "connect_delay": 1000000,
         "time_sync_delay": 604800.5, "status_delay": 604800, "test_timeout": 1000000,
         "poll_class2_delay": 1000000, "keep_alive_timeout": 1000000, "buffer": ""}

HUGE = {"send_retry_count": 10**12, "request_retry_immediate_count": 10**12, "request_retry_delayed_count": 10**12,
        "reconnect_delay": 1e12, "connect_delay": 1e12, "time_sync_delay": 1e9, "status_delay": 1e9, "test_timeout": 1e9,
        "response_timeout": 2e8, "send_window_size": 100000, "receive_window_size": 32768, "size": 10**9, "silent_interval": 11}


def doubled(value, key=None):
    """A copy with its remote devices, data and buffers twice. Two hosts of one name are a fault of ours: gateway-ping(7)."""
    if isinstance(value, dict):
        if value.get("module") == "hat.gateway.devices.ping":
            return value
        return {k: doubled(v, k) for k, v in value.items()}
    if isinstance(value, list):
        items = [doubled(v) for v in value]
        return items * 2 if key in ("remote_devices", "data", "buffers") else items
    return value


# TOML has no null.
FOR_NULL = {"interval": 5, "poll_class2_delay": 2, "time_sync_delay": 60.5, "buffer": "", "max_connections": 3,
            "remote_hosts": ["127.0.0.1"]}


def changed(value, change, key=None):
    """A copy, each value of which is change(key, value)."""
    if isinstance(value, dict):
        return {k: changed(v, change, k) for k, v in value.items()}
    if isinstance(value, list):
        return [changed(v, change, key) for v in value]
    return change(key, value)


def variants(text, conf):
    """The same configuration as others would write it: its kind of file, its text."""
    yield "yaml", "\ufeff" + text.replace("\n", "\r\n")
    yield "yaml", text + "\nversion: '1'\nversion: '2'\n"
    yield "yaml", json.encode(conf, json.Format.YAML)
    yield "json", json.encode(conf, indent=1)
    yield "json", json.encode(changed(conf, lambda _, v: float(v) if type(v) is int else v))
    yield "json", json.encode(changed(conf, lambda k, v: LARGE.get(k, v)))
    said = changed(conf, lambda k, v: FOR_NULL.get(k) if v is None else v)
    if "null" not in json.encode(said):
        yield "toml", json.encode(said, json.Format.TOML)


@unittest.skipUnless(hat_site, "needs build/venv")
class TestConfigurations(unittest.TestCase):

    def validate(self, conf):
        """As hat-gateway does; the types of the devices."""
        validator = json.DefaultSchemaValidator(common.json_schema_repo)
        validator.validate("hat-gateway://main.yaml", conf)
        infos = [importlib.import_module(d["module"]).info for d in conf["devices"]]
        for info, device in zip(infos, conf["devices"], strict=True):
            validator.validate(info.json_schema_id, device)
        return {info.type for info in infos}

    def test_hat_gateway_takes_them(self):
        seen = set()
        for path in FILES:
            if "seed" not in path:
                with self.subTest(path):
                    seen |= self.validate(json.decode_file(pathlib.Path(path)))
        self.assertEqual(seen, {"modbus_master", "modbus_slave", "iec101_master", "iec101_slave",
                                "iec103_master", "iec104_master", "iec104_slave", "ping",
                                "snmp_manager", "snmp_trap_listener"})

    def test_both_take_their_variants(self):
        kinds = []
        with tempfile.TemporaryDirectory() as folder:
            for path in FILES:
                conf = json.decode_file(pathlib.Path(path))
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                for n, (kind, variant) in enumerate(variants(text, conf)):
                    file = pathlib.Path(folder, f"gateway.{kind}")
                    file.write_text(variant, encoding="utf-8", newline="")
                    kinds.append(kind)
                    with self.subTest(path, variant=n):
                        if "seed" not in path:
                            self.validate(json.decode_file(file))
                        r = subprocess.run([program("gatewayd"), "--check", "--config", file],
                                           capture_output=True, text=True, timeout=60)
                        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertGreaterEqual(kinds.count("toml"), 5)

    def test_both_take_what_is_beyond_reason(self):
        """Delays above three years, retries for ever, windows above 15 bits, one thing twice: with a warning."""
        warned = set()
        for path in FILES:
            conf = json.decode_file(pathlib.Path(path))
            for change in (lambda c: changed(c, lambda k, v: HUGE.get(k, v)), doubled):
                with self.subTest(path, change=change), tempfile.TemporaryDirectory() as folder:
                    file = pathlib.Path(folder, "gateway.json")
                    json.encode_file(change(conf), file)
                    if "seed" not in path:
                        self.validate(json.decode_file(file))
                    r = subprocess.run([program("gatewayd"), "--check", "--config", file], capture_output=True, text=True, timeout=60)
                    self.assertEqual(r.returncode, 0, r.stderr)
                    warned |= {w for w in ("100000000", "1000000", "32767", "10000000", "counts") if w in r.stderr}
        self.assertEqual(warned, {"100000000", "1000000", "32767", "10000000", "counts"})

    def test_gatewayd_takes_them(self):
        for path in FILES:
            with self.subTest(path):
                r = subprocess.run([program("gatewayd"), "--check", "--config", path],
                                   capture_output=True, text=True, timeout=60)
                self.assertEqual(r.returncode, 0, r.stderr)
                # What is not served is named: of these files, the form of a log line; and a secret in a
                # file that others can read.
                self.assertEqual([x for x in r.stderr.splitlines()
                                  if "log.formatters" not in x and "community: is a secret" not in x], [])


# What a device touches in its configuration, by the keys of each.
TOUCHED = (("may connect {} port {}", "host", "port"), ("may listen {} port {}", "local_host", "local_port"),
           ("may tty {}", "port"), ("may file {}", "cert_path"), ("may file {}", "key_path"),
           ("may udp {} port {}", "remote_host", "remote_port"), ("may file {}", "ca_path"), ("remote device {}:", "device_id"), ("remote device {}:", "address"))


def objects(value):
    """The objects in a device's configuration: itself, and those of transports, stations, remote devices."""
    if isinstance(value, dict):
        yield value
        for k, v in value.items():
            yield from objects(v) if k not in ("data", "devices") else ()
    for item in value if isinstance(value, list) else ():
        yield from objects(item)


def touched(conf):
    """Lines that gatewayd says of a device."""
    for o in objects(conf):
        for form, *keys in TOUCHED:
            if all(o.get(k) is not None for k in keys) and ("tty" in form) == isinstance(o.get("port"), str):
                yield form.replace("listen", "udp-listen" if "users" in o else "listen").format(*(o[k] for k in keys))


@unittest.skipUnless(hat_site, "needs build/venv")
class TestVerboseCheck(unittest.TestCase):

    def test_it_says_what_each_device_touches(self):
        samples = glob.glob(os.path.join(ROOT, "etc", "samples", "*.yaml"))
        for path in FILES + samples:
            if "own-keys" in path:  # its runner is somebody else's
                continue
            conf = json.decode_file(pathlib.Path(path))
            r = subprocess.run([program("gatewayd"), "--check", "--verbose", "--config", path],
                               capture_output=True, text=True, timeout=60)
            said = r.stdout
            for device in conf["devices"]:
                kind = "_".join(device["module"].removeprefix("hat.gateway.devices.").split("."))
                events = "/".join(filter(None, ("gateway", conf.get("gateway_name"), kind, device["name"])))
                with self.subTest(path, device=device["name"]):
                    head = f"\n{device['name']} ({kind}): runner "
                    self.assertIn(head, said)  # in their order
                    said = said[said.index(head) + 1:]
                    lines = re.split(r"\n(?=\S)", said)[0].split("\n")
                    self.assertTrue(any(x.startswith(f"  events below {events}: ") for x in lines), lines)
                    self.assertTrue(any(x.startswith("  registers ") for x in lines), lines)
                    self.assertTrue(any(x.startswith("  takes ") for x in lines), lines)
                    for what in touched(device):
                        self.assertTrue(any(x.startswith("  " + what) for x in lines), (what, lines))


def write_register(port, address, value):
    """As another master at the device would."""
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 6, address, value))
        s.recv(64)



class Run:
    """One gateway, driven step by step; what it registered in each step."""

    def __init__(self, argv):
        self.server = eventer.EventerServer(port=self.PORT)
        self.steps = []
        self.sim = None
        self.start_sim()
        self.log = tempfile.TemporaryFile()
        self.process = None
        self.argv = argv
        self.taken = 0

    def start_sim(self):
        self.sim = subprocess.Popen(
            [program("tests/lib/modbus-sim"), "--port", str(self.SIM_PORT), "--registers", "16",
             "--unit", "1", "--period", "0"], stdout=subprocess.PIPE, text=True)
        self.sim.stdout.readline()

    def stop_sim(self):
        if self.sim:
            self.sim.kill()
            self.sim.wait()
            self.sim.stdout.close()
            self.sim = None

    def start(self, env):
        self.process = subprocess.Popen(self.argv, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, env=env)
        self.server.wait(lambda: self.server.clients, 20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.stop_sim()
        self.server.close()
        self.log.close()

    def settle(self, name, seconds=QUIET_S):
        """Until nothing was registered for a while; the step's events then."""
        end = time.monotonic() + 12
        count = -1
        while count != len(self.server.registered) and time.monotonic() < end:
            count = len(self.server.registered)
            time.sleep(seconds)
        events = [e for _, e in self.server.registered[self.taken:]]
        self.taken += len(events)
        self.steps.append((name, events))

    def tell(self, name, *events):
        self.server.notify([
            self.server.event(f"{PREFIX}/system/{kind}", payload, eventer.now())
            for kind, payload in events])
        self.settle(name)


def script(run, env):
    """The life of a device."""
    true, false = eventer.Json(True), eventer.Json(False)
    run.start(env)
    run.settle("start")
    run.tell("enable is not true", ("enable", eventer.Json(1)))
    run.tell("enable", ("enable", true))
    run.tell("enable remote 1", ("remote_device/1/enable", true))
    write_register(run.SIM_PORT, 12, 77)
    run.settle("a value changes")
    run.tell("write", ("remote_device/1/write/w",
                       eventer.Json({"request_id": "r1", "value": 4242})))
    run.tell("write a coil", ("remote_device/1/write/c",
                              eventer.Json({"request_id": "r3", "value": 1})))
    run.tell("write what cannot be",
             ("remote_device/1/write/nothing", eventer.Json({"request_id": "r2", "value": 1})),
             ("remote_device/1/write/i", eventer.Json({"request_id": "r4", "value": 1})))
    run.tell("remote that does not answer", ("remote_device/2/enable", true))
    run.tell("disable it", ("remote_device/2/enable", false))
    run.tell("disable remote 1", ("remote_device/1/enable", false))
    run.tell("enable remote 1 again", ("remote_device/1/enable", true))
    run.stop_sim()
    run.settle("the device goes away")
    run.start_sim()
    run.settle("the device is back", 5)
    run.tell("disable", ("enable", false))
    run.tell("enable again", ("enable", true))
    run.process.terminate()
    run.process.wait(20)
    run.settle("end")


def show(event):
    payload = event.payload and event.payload.data
    return "/".join(event.type[3:]) + " " + repr(payload)


def by_type(events):
    """The payloads of each type, in order: what is registered of one source is in order, sources
    that poll at their own pace are not in step."""
    result = {}
    for e in events:
        result.setdefault("/".join(e.type[3:]), []).append(e.payload and e.payload.data)
    return result


def statuses(events):
    """The device's clock: two remote devices change theirs beside each other."""
    return [show(e) for e in events if e.type[4:] in (("running",), ("status",))]


def at_last(events):
    return {k: v[-1] for k, v in by_type(events).items() if "/2/" not in k}


def without_first_running(events):
    """The engine says at its start that nothing runs, as the seed has it; hat-gateway 0.6 does not."""
    return events[1:] if events and show(events[0]) == "gateway/running False" else events


@unittest.skipUnless(hat_site, "needs build/venv")
class TestSameEvents(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        Run.PORT, Run.SIM_PORT = free_ports(2)
        self.dir = tempfile.TemporaryDirectory(prefix="gatewayd-dropin-")
        self.addCleanup(self.dir.cleanup)
        self.conf = os.path.join(self.dir.name, "gateway.yaml")
        device = hat_site.device_conf("127.0.0.1", Run.SIM_PORT)
        device["connection"].update(request_timeout=0.3, connect_delay=4, request_retry_delay=0.1)
        data = device["remote_devices"][0]["data"]
        point = {"interval": 0.2, "bit_offset": 0, "bit_count": 1, "start_address": 9}
        data += [{**point, "name": "c", "data_type": "COIL"},
                 {**point, "name": "i", "data_type": "DISCRETE_INPUT", "start_address": 0},
                 {**point, "name": "r", "data_type": "INPUT_REGISTER", "bit_count": 16},
                 {**point, "name": "two", "data_type": "HOLDING_REGISTER", "bit_offset": 4,
                  "bit_count": 20},
                 {**point, "name": "far", "data_type": "HOLDING_REGISTER", "bit_count": 16,
                  "start_address": 500, "interval": 600},
                 {**point, "name": "never", "interval": None, "data_type": "HOLDING_REGISTER",
                  "bit_count": 16}]
        device["remote_devices"].append({"device_id": 2, "timeout_poll_delay": 600, "data": [
            {**point, "name": "a", "data_type": "HOLDING_REGISTER", "bit_count": 16,
             "interval": 600}]})
        with open(self.conf, "w", encoding="utf-8") as f:
            import json as plain
            plain.dump({
                "type": "gateway", "name": "station",
                "log": {"version": 1, "disable_existing_loggers": False},
                "event_server": {"require_operational": True, "eventer_server": {
                    "host": "127.0.0.1", "port": Run.PORT}},
                "devices": [device]}, f)

    def run_one(self, argv):
        run = Run(argv)
        try:
            script(run, {**os.environ, "RUNTIME_DIRECTORY": self.dir.name,
                         "STATE_DIRECTORY": self.dir.name})
            return run.steps
        finally:
            run.close()

    def test_modbus_master(self):
        theirs = self.run_one([os.path.join(hat_site.HAT, "hat-gateway"), "--conf", self.conf])
        ours = self.run_one([program("gatewayd"), "--config", self.conf])
        count = 0
        for (name, a), (_, b) in zip(theirs, ours, strict=True):
            if name == "start":
                b = without_first_running(b)
            if name == "the device goes away":
                # How often it is tried in vain before it is gone for good, is a matter of luck.
                self.assertEqual(at_last(b), at_last(a), name)
                continue
            if name == "write what cannot be":
                # hat-gateway says nothing; whoever asked is answered here.
                self.assertEqual([x.payload.data["result"] for x in b], ["UNKNOWN_DATA", "NOT_WRITABLE"], name)
                self.assertEqual(a, [], name)
                continue
            with self.subTest(name):
                self.assertEqual(by_type(b), by_type(a))
                self.assertEqual(statuses(b), statuses(a))
                for x in b:
                    self.assertEqual(x.source_timestamp is None,
                                     next(y for y in a if y.type == x.type).source_timestamp
                                     is None, x.type)
            count += len(a)
        print(f"    drop-in: {count} events in {len(theirs)} steps compared", flush=True)


if __name__ == "__main__":
    unittest.main()
