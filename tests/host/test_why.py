"""Why devices do not run: the reason is in info, status and wait, in the words of whoever is in the way, and the log
has a line for each change. What is optional keeps nobody from running."""

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import time
import tty
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "system")]

import eventer  # noqa: E402
import iec104  # noqa: E402
import iec_serial  # noqa: E402
import namespaces as ns  # noqa: E402
import ports  # noqa: E402
from gatewayd import PROBE, Gateway, probe, program  # noqa: E402
from test_iec61850 import config as iec61850_conf  # noqa: E402
from test_modbus_master import master_conf, register, tty_conf  # noqa: E402
from test_smpp import client_conf  # noqa: E402
from test_snmp_manager import conf as manager_conf  # noqa: E402


def slave_conf(port):
    return {"modbus_type": "TCP", "transport": {"type": "TCP", "local_host": "127.0.0.1", "local_port": port, "remote_hosts": None,
                                                "max_connections": None, "response_timeout": 2, "keep_alive_timeout": None}, "data": []}


REMOTE103 = {"address": 1, "response_timeout": 1, "send_retry_count": 3, "poll_class1_delay": 0.5, "poll_class2_delay": 2,
             "reconnect_delay": 10, "time_sync_delay": None}


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def gateway(self, conf, **more):
        g = Gateway(conf, start=False, **more)
        self.addCleanup(g.close)
        return g

    def is_told(self, g, *texts):
        """Everywhere: info, status, wait and what an operator asks for."""
        def told(text):
            return all(part in (text or "") for part in texts)
        g.wait(lambda: told(g.ctl("info")[0]["why_idle"]), f"info: {texts}")
        self.assertTrue(told(g.status("p1")["why"]), g.status("p1"))
        self.assertIn("WHY", g.ctl.text("status"))
        (row,) = (json.loads(g.ctl.run("--json", "health").stdout))
        self.assertEqual((row["remote"], row["severity"]), ("Event Server", "critical"))
        self.assertTrue(told(row["what"]), row)
        for command in (("wait", "--timeout", "0.2", "p1"), ("enable", "p1")):
            r = g.ctl.run(*command)
            self.assertEqual(r.returncode, 1)
            self.assertTrue(told(r.stderr), r.stderr)
        g.wait(lambda: any(told(line) for line in g.log() if "no device runs" in line), "a line of the log")

    def runs(self, g):
        g.wait_connected(60)
        g.enable("p1")
        g.wait_state("p1", "running")
        self.assertIsNone(g.ctl("info")[0]["why_idle"])
        self.assertIsNone(g.status("p1")["why"])
        self.assertNotIn("WHY", g.ctl.text("status"))


class State(Case):
    """The folder of what is kept."""

    def test_a_folder_that_comes_late(self):
        g = self.gateway({"devices": [probe("p1")]})
        disk = os.path.join(self.dir, "disk")
        g.env["STATE_DIRECTORY"] = os.path.join(disk, "state")
        g.start()
        self.is_told(g, "No such file or directory", disk)
        os.mkdir(disk)
        self.runs(g)
        g.wait_log("devices can run again")

    def test_a_folder_that_others_can_write_to(self):
        g = self.gateway({"devices": [probe("p1")]})
        os.chmod(g.state, 0o777)
        g.start()
        self.is_told(g, "other users can write to", g.state)
        os.chmod(g.state, 0o700)
        self.runs(g)

    @ns.needs_mounts
    def test_a_disk_that_is_read_only(self):
        g = self.gateway({"devices": [probe("p1")]})
        g.wrap = ns.wrap(f"mount -t tmpfs -o ro,mode=700 none '{g.state}'", "-m")
        g.start()
        self.is_told(g, "Read-only file system")
        ns.enter(g.pid, "mount", "-o", "remount,rw", g.state)
        self.runs(g)

    @ns.needs_mounts
    def test_a_disk_that_is_full(self):
        g = self.gateway({"devices": [probe("p1")]})
        g.wrap = ns.wrap(f"mount -t tmpfs -o size=64k,mode=700 none '{g.state}'\n"
                         f"dd if=/dev/zero of='{g.state}/fill' bs=1k 2>/dev/null || true", "-m")
        g.start()
        self.is_told(g, "No space left on device")
        ns.enter(g.pid, "mount", "-o", "remount,size=16m", g.state)
        self.runs(g)

    @ns.needs_loop
    def test_a_disk_that_dies_and_is_mounted_again(self):
        """Values go on to whoever is connected; what was kept is there again with the disk."""
        image = os.path.join(self.dir, "image")
        subprocess.run(["truncate", "-s", "32M", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        g = self.gateway({"devices": [probe("p1", interval_ms=50)]})
        g.wrap = ns.wrap(f"mount -o loop '{image}' '{g.state}'\nchmod 700 '{g.state}'", "-m")
        g.start()
        self.runs(g)
        shutdown = f"import fcntl, os; fcntl.ioctl(os.open('{g.state}', os.O_RDONLY), 0x8004587d, b'\\2\\0\\0\\0')"
        ns.enter(g.pid, sys.executable, "-c", shutdown)  # EXT4_IOC_SHUTDOWN, without the journal
        g.wait_log("cannot write to the store: Input/output error")
        pid, sent = g.status("p1")["pid"], g.ctl("info")[0]["events_out"]
        g.wait(lambda: g.ctl("info")[0]["events_out"] > sent + 20, "events go on")
        self.assertEqual(g.status("p1")["pid"], pid)
        ns.enter(g.pid, "umount", "-l", g.state)
        g.wait_log("is another one now, without events")
        # Plugged in again it is another device; of the same one the kernel would remember that it is dead.
        shutil.copy(image, image + ".again")
        ns.enter(g.pid, "mount", "-o", "loop", image + ".again", g.state)
        g.wait_log("is another one now, with events: gateway-eventd starts again with them")
        g.wait(lambda: g.status("p1")["state"] == "running" and g.status("p1")["pid"] != pid, "p1 runs again")

    @ns.needs_mounts
    def test_a_disk_that_is_mounted_late(self):
        """Below the mount point is an empty folder; on the disk are the events of before."""
        store = os.path.join(self.dir, "store")
        os.mkdir(store, 0o700)
        g = self.gateway({"devices": [probe("p1")]})
        g.env["STATE_DIRECTORY"] = store
        g.start()
        self.runs(g)
        g.stop()
        g.env["STATE_DIRECTORY"] = g.state
        g.wrap = ns.wrap("true", "-m")
        g.start()
        g.wait_connected()
        self.assertEqual(g.status("p1")["state"], "disabled")
        ns.enter(g.pid, "mount", "--bind", store, g.state)
        g.wait_log("is another one now, with events: gateway-eventd starts again with them")
        g.wait_state("p1", "running")

    def test_a_folder_that_is_removed(self):
        """Devices go on, an operator is told, and what is kept can be saved."""
        g = self.gateway({"devices": [probe("p1")]})
        g.start()
        self.runs(g)
        pid = g.status("p1")["pid"]
        shutil.rmtree(g.state)
        g.wait_log(f"folder {g.state} was removed: its events are lost when gateway-eventd ends")
        os.mkdir(g.state, 0o700)
        g.wait_log(f"folder {g.state} is another one now, without events")
        saved = os.path.join(self.dir, "saved")
        subprocess.run([os.path.join(os.path.dirname(PROBE), "../../gateway-eventd"), "--backup", saved, "--unix",
                        os.path.join(g.runtime, "eventd")], check=True, capture_output=True)
        self.assertEqual(g.status("p1")["pid"], pid)
        shutil.copy(os.path.join(saved, "data.mdb"), g.state)
        g.wait_log("is another one now, with events")
        g.wait(lambda: g.status("p1")["state"] == "running" and g.status("p1")["pid"] != pid, "p1 runs again")


class SideListener(Case):
    """The TCP listener of the built-in Event Server."""

    def conf(self, host, port):
        token = os.path.join(self.dir, "token")
        with open(token, "w", encoding="ascii") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write("a token of this test\n")
        return {"devices": [probe("p1")],
                "event_server": {"built_in": {"listen": {"host": host, "port": port, "token_file": token}}}}

    @staticmethod
    def fault(g):
        return g.ctl("info")[0]["eventd_listener"] or ""

    def test_a_port_that_another_program_has(self):
        other = ports.listen()
        port = other.getsockname()[1]
        g = self.gateway(self.conf("127.0.0.1", port))
        g.start()
        self.runs(g)
        g.wait(lambda: "Address already in use" in self.fault(g), "the reason")
        other.close()
        g.wait(lambda: not self.fault(g), "the listener")
        g.wait_log(f"listening on TCP port {port}")
        self.assertEqual(len([line for line in g.log() if "event_server.built_in.listen: " in line]), 1)

        def events():
            with eventer.EventerClient("127.0.0.1", port, token="a token of this test") as c:
                return c.query_latest([("*",)])
        self.assertTrue(events())
        # It comes again with each process.
        before = g.ctl("info")[0]["eventd_pid"]
        os.kill(before, 9)
        g.wait(lambda: g.ctl("info")[0]["link"] == "connected" and g.ctl("info")[0]["eventd_pid"] != before, "the next one")
        g.wait(lambda: len([line for line in g.log() if f"eventd: listening on TCP port {port}" in line]) == 2, "listening again")
        self.assertTrue(events())

    def test_a_name_that_nobody_knows(self):
        g = self.gateway(self.conf("gateway.invalid", 23012))
        g.start()
        self.runs(g)
        g.wait(lambda: "gateway.invalid" in self.fault(g), "the reason")

    @ns.needs_network
    def test_an_address_that_comes_late(self):
        g = self.gateway(self.conf("192.0.2.77", 23012), wrap=ns.wrap("ip link set lo up", "-n"))
        g.start()
        self.runs(g)
        g.wait(lambda: "Cannot assign requested address" in self.fault(g), "the reason")
        ns.enter(g.pid, "ip", "address", "add", "192.0.2.77/32", "dev", "lo", flags=("-n",))
        g.wait(lambda: not self.fault(g), "the listener")
        ns.enter(g.pid, sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.77', 23012), 10)", flags=("-n",))


class Device(Case):
    def test_a_port_of_a_slave_that_another_program_has(self):
        other = ports.listen()
        port = other.getsockname()[1]
        g = self.gateway({"devices": [{"module": "hat.gateway.devices.modbus.slave", "name": "p1", **slave_conf(port)}]})
        g.start()
        g.enable("p1")
        for look in (lambda: g.status("p1")["why"], lambda: g.ctl("show", "p1")[0]["device"]["why"],
                     lambda: g.ctl.run("wait", "--timeout", "0.2", "p1").stderr,
                     lambda: json.loads(g.ctl.run("--json", "health").stdout)[0]["what"]):
            g.wait(lambda look=look: f"listen on 127.0.0.1 port {port}: Address already in use" in (look() or ""), "the reason")
        other.close()
        g.wait_state("p1", "running", 60)
        self.assertIsNone(g.status("p1")["why"])

    def test_a_runner_that_cannot_be_started(self):
        os.chmod(self.dir, 0o755)
        runner = os.path.join(self.dir, "runner")
        shutil.copy(PROBE, runner)
        g = self.gateway({"devices": [probe("p1", runner=runner)]})
        g.start()
        self.runs(g)
        os.rename(runner, runner + ".away")
        os.kill(g.status("p1")["pid"], 9)
        g.wait(lambda: "No such file or directory" in (g.status("p1")["why"] or ""), "the errno")
        r = g.ctl.run("wait", "--timeout", "0.2", "p1")
        self.assertIn("No such file or directory", r.stderr)
        self.assertIn("No such file or directory", g.ctl("show", "p1")[0]["device"]["why"])
        with open(runner, "w", encoding="ascii") as f:
            f.write("no program\n")
        os.chmod(runner, 0o755)
        g.wait(lambda: "Exec format error" in (g.status("p1")["why"] or ""), "the next errno")
        os.rename(runner + ".away", runner)
        g.wait_state("p1", "running", 60)
        self.assertIsNone(g.status("p1")["why"])

    def test_a_tty_whose_fault_changes(self):
        """Missing, no tty, taken: each is logged once, and shown; of every family that has ttys."""
        names = {"modbus": "m", "101": "a", "103": "b"}
        path = {name: os.path.join(self.dir, name) for name in names.values()}
        modules = "hat.gateway.devices."
        modbus = master_conf(tty_conf(path["m"]), [(1, [register("a", 1)])], "RTU", connect_delay=0.2)
        g = self.gateway({"devices": [
            {**modbus, "module": modules + "modbus.master", "name": "m"},
            {**iec_serial.master101(path["a"], [iec_serial.remote(1)]), "module": modules + "iec101.master", "name": "a",
             "reconnect_delay": 0.2},
            {**iec_serial.master103(path["b"], [REMOTE103]), "module": modules + "iec103.master", "name": "b", "reconnect_delay": 0.2}]})
        g.start()
        g.enable(*names.values())
        g.wait_state(names.values(), "running")
        for name in names.values():
            g.ctl("send", name, "remote_device/1/enable", "true")
        self.shows(g, names.values(), "No such file or directory")
        for p in path.values():
            os.symlink("/dev/null", p)
        self.shows(g, names.values(), "Inappropriate ioctl for device")
        holders = []
        for p in path.values():
            leader, follower = pty.openpty()
            tty.setraw(follower)
            holder = subprocess.Popen(["flock", "-n", os.ttyname(follower), "sh", "-c", "echo; read x"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            holder.stdout.readline()
            holders.append(holder)
            self.addCleanup(holder.communicate)
            self.addCleanup(os.close, leader)
            self.addCleanup(os.close, follower)
            os.symlink(os.ttyname(follower), p + ".new")
            os.rename(p + ".new", p)
        self.shows(g, names.values(), "Device or resource busy")
        for holder in holders:
            holder.communicate(b"\n")
        for name in names.values():
            g.wait(lambda name=name: [x for x in g.log() if x.endswith(f"{name}: connected")], f"{name} connected")

    def shows(self, g, names, text):
        for name in names:
            def there(name=name):
                ends = g.ctl("show", name)[0].get("remote_ends") or []
                logged = [x for x in g.log() if f" {name}: " in x and text in x and "next attempt" in x]
                return logged and any(text in (e["what"] or "") for e in ends)
            g.wait(there, f"{name}: {text}")
            began = time.monotonic()
            g.wait(lambda: time.monotonic() - began > 0.5, "more attempts")
            self.assertEqual(len([x for x in g.log() if f" {name}: " in x and text in x and "next attempt" in x]), 1)


# Nobody has these addresses, or the way to them, before the test says so.
THERE, HERE_LATER = "192.0.2.1", "192.0.2.9"
HOLD = """
import socket, sys
for kind, port in zip(sys.argv[1::2], sys.argv[2::2]):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", int(port)))
    if kind == "tcp":
        s.listen()
    globals()[kind + port] = s
print("bound", flush=True)
sys.stdin.read()
"""


@ns.needs_network
class Reasons(Case):
    """A reason why the other end cannot be had is logged once, another one again, and the current one is shown, for each
    device type."""

    def devices(self):
        """(conf, kind, enabled remote devices) by type. kind: a client, a server or a line."""
        tty = {name: os.path.join(self.dir, name) for name in ("iec101_master", "iec101_slave", "iec103_master")}
        self.ttys = list(tty.values())
        modbus = master_conf(502, [(1, [register("a", 1)])], connect_delay=0.1)
        return {
            "modbus_master": (modbus, "client", (1,)),
            "modbus_slave": (slave_conf(1502), "server", ()),
            "iec101_master": ({**iec_serial.master101(tty["iec101_master"], [iec_serial.remote(1)]), "reconnect_delay": 0.1}, "line", (1,)),
            "iec101_slave": (iec_serial.slave101(tty["iec101_slave"], [1], []), "line", ()),
            "iec103_master": ({**iec_serial.master103(tty["iec103_master"], [REMOTE103]), "reconnect_delay": 0.1}, "line", (1,)),
            "iec104_master": (iec104.master_conf(2404, reconnect_delay=0.1), "client", ()),
            "iec104_slave": (iec104.slave_conf(12404), "server", ()),
            "iec61850_client": (iec61850_conf(102, connection={"reconnect_delay": 0.1}), "client", ()),
            "ping": ({"remote_devices": [{"name": "far", "host": "127.0.0.1", "ping_delay": 0.1, "ping_timeout": 0.1, "retry_count": 1,
                                          "retry_delay": 0.1}]}, "client", ()),
            "smpp_client": (client_conf(2775), "client", ()),
            "snmp_manager": (manager_conf(161, connect_delay=0.1), "client", ()),
            "snmp_trap_listener": ({"local_host": "127.0.0.1", "local_port": 1162, "users": [], "remote_devices": []}, "server", ()),
        }

    def elsewhere(self, conf, kind):
        return json.loads(json.dumps(conf).replace("127.0.0.1", HERE_LATER if kind == "server" else THERE))

    def test_each_device_type(self):
        schema = json.loads(subprocess.run([program("gatewayd"), "--schema"], capture_output=True, check=True).stdout)
        devices = self.devices()
        self.assertEqual(set(devices), {t for t in schema["definitions"] if t != "device"})
        kinds = {name: kind for name, (_, kind, _) in devices.items()}
        self.g = self.gateway({"devices": [{**self.elsewhere(conf, kind), "module": name, "name": name}
                                           for name, (conf, kind, _) in devices.items()]}, wrap=ns.wrap("ip link set lo up", "-n", "-m"))
        self.g.start()
        self.g.wait_connected()
        for name, (_, _, remotes) in devices.items():
            for remote in remotes:
                self.g.ctl("send", name, f"remote_device/{remote}/enable", "true")
        self.g.enable(*devices)
        self.say(kinds, {"client": "Network is unreachable", "server": "Cannot assign requested address",
                         "line": "No such file or directory"})
        self.enter("ip", "route", "add", "unreachable", "192.0.2.0/24")
        for path in self.ttys:
            os.symlink("/dev/null", path)
        holder = subprocess.Popen(["nsenter", "-n", "-t", str(self.g.pid), sys.executable, "-c", HOLD, "tcp", "1502",
                                   "tcp", "12404", "udp", "1162"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        self.assertEqual(holder.stdout.readline(), b"bound\n")
        self.enter("ip", "address", "add", HERE_LATER + "/32", "dev", "lo")
        servers = [name for name, kind in kinds.items() if kind == "server"]
        self.g.ctl.run("restart", *servers)
        self.say(kinds, {"client": "No route to host", "server": "Address already in use",
                         "line": "Inappropriate ioctl for device"})

    def enter(self, *command):
        ns.enter(self.g.pid, *command, flags=("-n",))

    def say(self, kinds, texts):
        for name, kind in kinds.items():
            self.g.wait(lambda: self.logged(name, texts[kind]), f"{name}: {texts[kind]}")
            self.g.wait(lambda: texts[kind] in self.shown(name), f"{name} shows {texts[kind]}")
        lasting = {name: texts[kind] for name, kind in kinds.items() if kind != "server"}
        before = {name: len(self.logged(name, text)) for name, text in lasting.items()}
        # At most the state of the remote end, and when it is tried again.
        self.assertEqual({name: n for name, n in before.items() if n > 2}, {})
        began = time.monotonic()
        self.g.wait(lambda: time.monotonic() - began > 1, "more attempts")
        self.assertEqual({name: len(self.logged(name, text)) for name, text in lasting.items()}, before)

    def logged(self, name, text):
        return [x for x in self.g.log() if f" {name}: " in x and text in x]

    def shown(self, name):
        """What show and status say of it now."""
        (row,), status = self.g.ctl("show", name), self.g.status(name)
        return json.dumps([[e["what"] for e in row.get("remote_ends") or []], status["why"],
                           row["obituaries"][-1:] if status["state"] != "running" else []])


if __name__ == "__main__":
    unittest.main()
