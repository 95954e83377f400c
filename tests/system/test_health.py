"""The health of remote ends as an operator sees it: frozen, absent and refusing devices of each type, in status,
show, health and the log."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import iec104  # noqa: E402
import iec_serial  # noqa: E402
import mms  # noqa: E402
import snmp  # noqa: E402
from gatewayd import Gateway, probe  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from serial_bridge import Bridge  # noqa: E402
from smsc import BIND, RESPONSE, Smsc  # noqa: E402
from test_iec61850 import attributes, config as iec61850_conf  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402
from test_modbus_slave import tcp_conf  # noqa: E402
from test_ping import host  # noqa: E402
from test_smpp import client_conf  # noqa: E402
from test_snmp_manager import A, conf as manager_conf  # noqa: E402


# Says that it is ready, and dies.
DIES = """#!/usr/bin/python3 -S
import socket
s = socket.socket(fileno=3)
s.setblocking(True)
s.recv(65536)
for number, version in (32, 2), (34, 0):
    s.send(number.to_bytes(4, "little") + version.to_bytes(4, "little") + b"\\x90")
raise SystemExit(1)
"""


class Case(unittest.TestCase):
    def serve(self, *devices, **more):
        self.g = self.enterContext(Gateway({"devices": list(devices), **more}))
        names = [d["name"] for d in devices]
        self.g.enable(*names)
        self.g.wait_state(names, "running")
        return self.g

    def health(self, *args):
        """Exit code, and rows by remote end."""
        r = self.g.ctl.run("--json", "health", *args)
        return r.returncode, {row["remote"]: row for row in json.loads(r.stdout)}

    def all_ends(self, name):
        return self.health("--all", name)[1]

    def count(self, name, end, key):
        """What it has counted so far, once it is known."""
        return self.all_ends(name).get(end, {}).get(key, 0)

    def wait_end(self, name, end, state):
        """The row of a remote end once it is in that state."""

        def find():
            row = self.all_ends(name).get(end)
            return row if row and row["state"] == state else None

        return self.g.wait(find, f"{end} is {state}")


class Modbus(Case):
    def modbus(self, remotes, **more):
        self.silent = set()
        self.slave = Slave(device=Registers({0: 7}))
        self.addCleanup(self.slave.stop)
        conf = master_conf(self.slave.port, remotes, **more)
        self.serve({"module": "hat.gateway.devices.modbus.master", **conf, "name": "plc"})
        for unit, *_ in remotes:
            self.g.ctl("send", "plc", f"remote_device/{unit}/enable", "true")

    def test_a_unit_that_nobody_has_and_its_return(self):
        self.modbus([(1, [register("x", 0)]), (2, [register("y", 0)])])
        for end in "device 1", "device 2":
            row = self.wait_end("plc", end, "up")
        self.assertEqual(row["severity"], "ok")
        self.assertEqual(self.health("plc"), (0, {}))
        self.assertEqual(self.g.ctl.text("health", "plc"), "ok: nothing is wrong\n")
        self.g.wait(lambda: (self.g.status("plc")["remotes"] or {}).get("all") == 2, "two remote ends")
        self.assertEqual(self.g.status("plc")["remotes"], {"up": 2, "all": 2, "state": "up"})
        self.slave.silent_units = {1}
        row = self.wait_end("plc", "device 1", "down")
        self.assertTrue(row["what"].startswith("no answer within 0.2 s; "), row["what"])
        self.g.wait(lambda: self.count("plc", "device 1", "timeouts") >= 3, "its time-outs")
        code, rows = self.health()
        self.assertEqual((code, list(rows)), (2, ["device 1"]))
        self.assertEqual((rows["device 1"]["device"], rows["device 1"]["severity"]), ("plc", "critical"))
        self.assertEqual(self.g.status("plc")["remotes"], {"up": 1, "all": 2, "state": "down"})
        # The whole row has the colour of the worst of them.
        line = self.g.ctl.text("--color", "always", "status").splitlines()[1]
        self.assertIn("\033[31m1/2\033[0m", line)
        self.assertIn("\033[31mplc", line)
        show = self.g.ctl.text("show", "plc")
        self.assertRegex(show, r"(?m)^  device 1 +down +00:00:\d\d ")
        self.assertEqual(len([x for x in self.g.lines if "device 1 is down" in x]), 1)
        self.slave.silent_units = set()
        self.wait_end("plc", "device 1", "up")
        self.g.wait_log("device 1 is up")
        self.assertEqual(self.health("plc")[0], 0)

    def test_counters(self):
        self.modbus([(1, [register("x", 0)])])
        self.g.wait(lambda: self.count("plc", "device 1", "requests") > 5, "requests")
        row = self.all_ends("plc")["device 1"]
        self.assertGreater(row["bytes_out"], 12 * 5)
        self.assertGreater(row["bytes_in"], 10 * 5)
        self.assertGreater(row["rtt_min_us"], 0)
        self.assertLessEqual(row["rtt_min_us"], row["rtt_avg_us"])
        self.assertLessEqual(row["rtt_avg_us"], row["rtt_max_us"])
        self.assertEqual((row["errors"], row["timeouts"], row["loss_percent"]), (0, 0, 0))

    def test_exceptions_degrade(self):
        self.modbus([(1, [register("x", 0), register("bad", 500)])])
        self.slave.device.refused.add(500)
        row = self.wait_end("plc", "device 1", "degraded")
        self.assertTrue(row["what"].startswith("exception 2: illegal data address; "), row["what"])
        code, rows = self.health()
        self.assertEqual((code, rows["device 1"]["severity"]), (1, "warning"))
        self.g.wait(lambda: self.count("plc", "device 1", "errors"), "its errors")

    def test_a_wrong_unit_behind_a_gateway(self):
        self.modbus([(1, [register("x", 0)]), (9, [register("y", 0)])])
        self.slave.on_request = lambda s, t, unit, pdu: unit == 9 and (
            s.reply(t, unit, bytes([pdu[0] | 0x80, 11])) or True)
        row = self.wait_end("plc", "device 9", "down")
        self.assertTrue(row["what"].startswith("exception 11: gateway target device failed to respond; "), row["what"])
        self.wait_end("plc", "device 1", "up")
        self.g.wait_log("device 9 is down: exception 11")
        self.assertEqual(self.g.status("plc")["remotes"], {"up": 1, "all": 2, "state": "down"})
        self.assertEqual((self.health("plc")[0], list(self.health("plc")[1])), (2, ["device 9"]))

    def test_nobody_listens(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.serve({"module": "hat.gateway.devices.modbus.master",
                        **master_conf(s.getsockname()[1], [(1, [register("x", 0)])]), "name": "plc"})
            self.wait_end("plc", "device 1", "off")
            self.g.ctl("send", "plc", "remote_device/1/enable", "true")
            row = self.wait_end("plc", "device 1", "down")
        self.assertIn("refused", row["what"])

    def test_disabled_counts_for_nothing(self):
        self.modbus([(1, [register("x", 0)])])
        self.wait_end("plc", "device 1", "up")
        self.g.ctl("send", "plc", "remote_device/1/enable", "false")
        self.assertEqual(self.wait_end("plc", "device 1", "off")["what"], "disabled")
        self.g.wait(lambda: self.g.status("plc")["remotes"] is None, "no remote end")
        self.assertEqual(self.health("plc"), (0, {}))

    def test_slave(self):
        conf = {"module": "hat.gateway.devices.modbus.slave", **tcp_conf(), "name": "sl"}
        self.serve(conf)
        row = self.wait_end("sl", "masters", "down")
        self.assertEqual(row["what"], "no master is connected")
        with socket.create_connection(("127.0.0.1", conf["transport"]["local_port"])) as s:
            name = f"master 127.0.0.1:{s.getsockname()[1]}"
            self.wait_end("sl", name, "up")
            self.assertEqual(list(self.all_ends("sl")), [None, name])
        self.g.wait(lambda: name not in self.all_ends("sl"), "the master is gone")


class Others(Case):
    def test_iec104(self):
        station = iec104.Station()
        self.addCleanup(station.close)
        self.serve({**iec104.master_conf(station.port), "name": "sub"})
        peer = station.accept()
        self.wait_end("sub", "station 127.0.0.1", "up")
        self.assertEqual(self.g.ctl.run("wait", "sub", "connected").returncode, 0)
        self.assertEqual(self.g.ctl.run("wait", "sub", "healthy").returncode, 0)
        station.close()
        peer.close()
        self.wait_end("sub", "station 127.0.0.1", "down")
        r = self.g.ctl.run("wait", "--timeout", "0.3", "sub", "healthy")
        self.assertEqual((r.returncode, r.stdout), (1, ""))

    def test_iec104_slave(self):
        conf = {**iec104.slave_conf(iec104.free_port()), "name": "up"}
        self.serve(conf)
        self.wait_end("up", "masters", "down")
        with socket.create_connection(("127.0.0.1", conf["local_port"])):
            self.wait_end("up", "master 127.0.0.1", "up")

    def test_serial_station(self):
        bridge = Bridge()
        self.addCleanup(bridge.__exit__)
        conf = iec_serial.master101(bridge.a, [iec_serial.remote(1), iec_serial.remote(2)])
        self.serve({"module": "hat.gateway.devices.iec101.master", **conf, "name": "rtu"})
        for address in 1, 2:
            self.g.ctl("send", "rtu", f"remote_device/{address}/enable", "true")
        self.assertEqual(self.wait_end("rtu", "device 2", "down")["severity"], "critical")

    def test_ping(self):
        self.serve({"module": "hat.gateway.devices.ping", "name": "p",
                    "remote_devices": [host("here"), host("nowhere", "nowhere.invalid")]})
        row = self.wait_end("p", "here (127.0.0.1)", "up")
        self.g.wait(lambda: self.count("p", "here (127.0.0.1)", "rtt_avg_us"), "round trips")
        row = self.wait_end("p", "nowhere (nowhere.invalid)", "down")
        self.assertIn("no reply to 2 requests: look up nowhere.invalid: Domain name not found", row["what"])
        self.assertTrue(row["last_error"])
        self.assertEqual(self.health("p")[0], 2)

    def test_smpp(self):
        smsc = Smsc()
        self.addCleanup(smsc.close)
        self.serve({"module": "hat.gateway.devices.smpp.client", **client_conf(smsc.port), "name": "sms"})
        session = smsc.session()
        session.bind()
        self.wait_end("sms", "SMSC 127.0.0.1", "up")
        smsc.close()
        session.close()
        self.wait_end("sms", "SMSC 127.0.0.1", "down")


def serve_stations(station):
    """Takes each connection, starts it and answers its tests, until it ends."""
    while True:
        with contextlib.suppress(AssertionError, OSError):
            peer = station.accept()
            threading.Thread(target=lambda p: [p.event() for _ in iter(int, 1)], args=(peer,), daemon=True).start()


def serve_sessions(smsc):
    """Takes each session, binds it and answers its enquiries, until it ends."""

    def answer(session):
        while p := session.take():
            session.say(p.command | RESPONSE, 0, p.sequence, b"smsc\0" if p.command == BIND else b"")

    while True:
        threading.Thread(target=answer, args=(smsc.session(),), daemon=True).start()


def peers(pipe):
    """The process of all peers: says where they are, and serves until it is killed."""
    threading.excepthook = lambda args: None  # connections that ended
    keep = {"modbus_master": Slave(device=Registers({0: 7})), "iec101_master": iec_serial.Remote(),
            "iec103_master": iec_serial.Remote(), "iec104_master": iec104.Station(), "smpp_client": Smsc(),
            "snmp_manager": snmp.Agent({A: (snmp.INTEGER, b"\1")}), "iec61850_client": mms.Server(attributes())}
    for serve, name in (serve_stations, "iec104_master"), (serve_sessions, "smpp_client"):
        threading.Thread(target=serve, args=(keep[name],), daemon=True).start()
    pipe.send({name: p.path if hasattr(p, "path") else p.port for name, p in keep.items()})
    signal.pause()


class Frozen(Case):
    """Peers that stop, with their connections open, and go on."""

    def test_each_device_type_that_asks(self):
        mine, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=peers, args=(theirs,), daemon=True)
        process.start()
        self.addCleanup(process.join)
        self.addCleanup(process.kill)
        at = mine.recv()
        patient = {"response_timeout": 0.5}
        confs = {
            "modbus_master": master_conf(at["modbus_master"], [(1, [register("x", 0)])], request_timeout=0.5),
            "iec101_master": iec_serial.master101(at["iec101_master"], [iec_serial.remote(1, **patient)]),
            "iec103_master": iec_serial.master103(at["iec103_master"], [iec_serial.remote(1, **patient)]),
            "iec104_master": iec104.master_conf(at["iec104_master"], test_timeout=1, response_timeout=1),
            "smpp_client": client_conf(at["smpp_client"], enquire_link_delay=0.2, enquire_link_timeout=0.5),
            "snmp_manager": manager_conf(at["snmp_manager"], request_timeout=0.5),
            "iec61850_client": iec61850_conf(at["iec61850_client"], connection={
                "status_delay": 0.2, "status_timeout": 0.5, "response_timeout": 0.5, "connect_timeout": 1})}
        g = self.serve(*({**conf, "module": name, "name": name} for name, conf in confs.items()))
        for name in "modbus_master", "iec101_master", "iec103_master":
            g.ctl("send", name, "remote_device/1/enable", "true")

        def states():
            return {name: (row["remotes"] or {}).get("state") for name, row in g.status().items()}

        def said(name, state):
            return len([x for x in g.log() if re.search(rf" {name}: .* is {state}(: |$)", x)])

        def told(state, times):
            g.wait(lambda: set(states().values()) == {state}, f"all are {state}: {states()}")
            for name in confs:
                g.wait(lambda: said(name, state) >= times, f"{name} says that it is {state}")

        told("up", 1)
        self.assertEqual(self.health(), (0, {}))
        os.kill(process.pid, signal.SIGSTOP)
        told("down", 1)
        r = g.ctl.run("--json", "health")
        rows = [row for row in json.loads(r.stdout) if row["remote"]]
        self.assertEqual((r.returncode, {row["device"] for row in rows}), (2, set(confs)))
        self.assertEqual({(row["state"], row["severity"]) for row in rows}, {("down", "critical")})
        self.assertEqual([row for row in rows if not row["what"]], [])
        self.assertEqual({name: said(name, "down") for name in confs}, dict.fromkeys(confs, 1))
        os.kill(process.pid, signal.SIGCONT)
        told("up", 2)


class Gateways(Case):
    def test_processes_and_the_event_server(self):
        self.serve(probe("p1"))
        self.assertEqual(self.health(), (0, {}))
        code, rows = self.health("--all")
        self.assertEqual((code, rows["Event Server"]["state"], rows[None]["state"]), (0, "connected", "running"))
        r = self.g.ctl.run("health", "nobody")
        self.assertEqual(r.returncode, 1)
        self.assertIn("no device", r.stderr)

    def test_devices_that_cannot_work(self):
        """enable --wait says why, and does not wait for them."""
        tls = {"cert_path": "/none.pem", "key_path": "/none.key", "verify_cert": False, "ca_path": None}
        slave = {**tcp_conf(), "module": "modbus_slave", "name": "elsewhere"}
        slave["transport"] = {**slave["transport"], "local_host": "192.0.2.1"}
        g = self.enterContext(Gateway({"devices": [
            {**iec104.master_conf(1), "module": "iec104_master", "name": "master", "security": tls},
            {**iec104.slave_conf(iec104.free_port()), "module": "iec104_slave", "name": "station", "security": tls},
            slave, {**iec104.master_conf(1), "module": "iec104_master", "name": "alone"}]}))
        for name, why in (("master", "open /none.pem: No such file or directory; put the file there"),
                          ("station", "open /none.pem: No such file or directory; put the file there"),
                          ("elsewhere", "Cannot assign requested address; no interface has that address")):
            r = g.ctl.run("enable", "--wait", "--timeout", "600", name)
            self.assertEqual(r.returncode, 1, r.stderr)
            self.assertIn(f"{name} does not stay running: ", r.stderr)
            self.assertIn(why, r.stderr)
            line = g.wait_log(f"{name}: runner ")
            self.assertEqual((line.count(why), line.count("last line")), (1, 0), line)
            (row,) = g.ctl("status", name)
            self.assertEqual(row["last_exit"].count(why), 1)
        r = g.ctl.run("enable", "--wait", "alone")
        self.assertEqual((r.returncode, r.stdout), (0, "alone: enable true registered\n"))
        self.assertIn("alone runs, but it is not connected: ", r.stderr)
        self.assertIn("Connection refused; check the port", r.stderr)

    def test_one_that_dies_at_once(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gatewayd-dies-"))
        path = os.path.join(folder, "dies")
        with open(path, "w", encoding="ascii") as f:
            f.write(DIES)
        os.chmod(path, 0o755)
        os.chmod(folder, 0o755)
        g = self.enterContext(Gateway({"devices": [{"name": "dies", "type": "dies", "runner": path}]}))
        r = g.ctl.run("enable", "--wait", "dies")
        self.assertEqual(r.returncode, 1)
        self.assertRegex(r.stderr, "dies does not stay running: exit code 1")
        self.g = g
        g.wait(lambda: self.health()[0] == 2, "health says so")


if __name__ == "__main__":
    unittest.main()
