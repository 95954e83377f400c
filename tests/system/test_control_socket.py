"""The control socket: clients that mean no good, and who may use it."""

import array
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gatewayd import WAIT_S, Gateway, probe, program  # noqa: E402
from test_control import MAX_CLIENTS, Case, collect, raw, request  # noqa: E402

MAX_REQUEST = 64 * 1024


class Hostile(Case):
    def setUp(self):
        self.g = self.serve([probe("p1", interval_ms=5), probe("p2", interval_ms=1, values=40, payload=20000)])
        self.g.enable("p1")
        self.g.wait_state("p1", "running")

    def tearDown(self):
        """Whatever was done: the supervisor lives, p1 has had one life, its values have no gap."""
        row = self.g.status("p1")
        self.assertEqual((row["state"], row["restarts"], row["last_exit"]), ("running", 0, None))
        self.assertIsNone(self.g.process.poll())
        values = self.server.find("gateway/probe/p1/gateway/value/0")
        self.assertEqual(values, list(range(1, len(values) + 1)))

    def fds(self):
        return len(os.listdir(f"/proc/{self.g.pid}/fd"))

    def test_bad_requests(self):
        bad = [
            b"\x00",
            b"nonsense",
            b"\xff\xfe",
            b"{}",
            b"[]",
            b'"status"',
            b"null",
            b'{"command": 1}',
            b'{"command": "status"',
            b'{"command": "status"} {}',
            b'{"command": "nonsense"}',
            b'{"command": "status", "names": "p1"}',
            b'{"command": "status", "names": [1]}',
            b'{"command": "status", "extra": 1}',
            b'{"command": "show"}',
            b'{"command": "show", "names": []}',
            b'{"command": "log", "level": "loud"}',
            b'{"command": "wait", "names": ["p1"], "states": []}',
            b"[" * 30000,
            b'{"command": "status", "names": ' + b"[" * 1000 + b"]" * 1000 + b"}",
            request("status", names=["p1"] * 2000),
            request("status", names=["x" * 5000]),
            b'{"command": "' + b"s" * (MAX_REQUEST - 16) + b'"}',
            b" " * (MAX_REQUEST + 1),
            b"x" * 150000,
        ]
        for packet in bad:
            with raw(self.g) as s:
                s.send(packet)
                rows, end = collect(s)
                self.assertEqual(rows, [])
                self.assertIsNotNone(end, packet[:60])
                self.assertEqual(end["code"], 2, packet[:60])
                self.assertTrue(end["error"])
                self.assertEqual(end["reason"], "request")
                self.assertEqual(s.recv(10), b"", packet[:60])

    def test_a_refusal_says_why_in_a_word(self):
        g = Gateway({"devices": [probe("p1"), probe("off"), {**probe("p1"), "type": "other"},
                                 probe("bad", fault="x")]})
        self.addCleanup(g.close)
        g.wait_connected()
        self.assertEqual(g.ctl.run("enable", "bad").returncode, 0)
        g.wait(lambda: g.status("bad")["state"] == "failed", "it fails")
        with raw(g) as s:
            for reason, command, arguments in (
                    (None, "status", {}), ("no_device", "show", {"names": ["nobody"]}),
                    ("no_device", "wait", {"names": ["nobody"], "states": ["running"]}),
                    ("ambiguous", "show", {"names": ["p1"]}), ("state", "restart", {"names": ["off"]}),
                    ("state", "describe", {"name": "off"}), ("state", "wait", {"names": ["bad"], "states": ["running"]}),
                    ("value", "send", {"type": "a/b", "payload": "1"}),
                    ("value", "send", {"name": "off", "type": "x", "payload": "{"})):
                s.send(request(command, **arguments))
                _, end = collect(s)
                self.assertEqual((end["reason"], end["code"]), (reason, 1 if reason else 0), (command, arguments, end))
            g.write_config("devices: 7")
            s.send(request("reload"))
            self.assertEqual(collect(s)[1]["reason"], "configuration")

    def test_largest_request(self):
        text = request("status", names=["p1"])
        with raw(self.g) as s:
            s.send(text + b" " * (MAX_REQUEST - len(text)))
            self.assertEqual(len(collect(s)[0]), 1)

    def test_several_requests_on_one_connection(self):
        with raw(self.g) as s:
            for _ in range(20):
                s.send(request("status", names=["p1"]))
                rows, end = collect(s)
                self.assertEqual((len(rows), end["code"]), (1, 0))

    def test_an_empty_packet_ends_it(self):
        with raw(self.g) as s:
            s.send(b"")
            self.assertEqual(s.recv(10), b"")

    def test_a_request_into_a_stream(self):
        with raw(self.g) as s:
            s.send(request("watch"))
            s.recv(1 << 20)
            s.send(request("status"))
            _, end = collect(s)
            self.assertEqual(end["code"], 2)
            self.assertIn("one request at a time", end["error"])

    def test_descriptors_are_not_taken(self):
        with raw(self.g) as s:
            s.send(request("status"))
            collect(s)
            before = self.fds()
            rights = array.array("i", [0] * 20)
            for _ in range(5):
                s.sendmsg([request("status")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                self.assertEqual(collect(s)[1]["code"], 0)
            self.assertEqual(self.fds(), before)

    def test_silent_clients_give_way(self):
        silent = []
        for _ in range(1000):
            # Blocking: what the listener's queue does not hold waits.
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(self.g.socket)
            silent.append(s)
        self.assertEqual(self.g.status("p1")["state"], "running")
        self.assertLessEqual(self.fds(), MAX_CLIENTS + 40)
        for s in silent:
            s.close()
        self.g.wait(lambda: self.g.ctl("info")[0]["clients"] == 1, "they are gone")

    def test_more_clients_than_there_is_room_for(self):
        clients = []
        for _ in range(MAX_CLIENTS):
            s = raw(self.g)
            s.send(request("watch", names=["p2"]))
            s.recv(1 << 20)
            clients.append(s)
        with raw(self.g) as s:
            rows, end = collect(s)
            self.assertEqual((rows, end["code"], end["reason"]), ([], 1, "busy"))
            self.assertIn("too many clients", end["error"])
        r = self.g.ctl.run("status")
        self.assertEqual(r.returncode, 1)
        self.assertIn("too many clients", r.stderr)
        for s in clients:
            s.close()
        self.g.wait(lambda: self.g.ctl.run("status").returncode == 0, "there is room again")

    def test_idle_clients_are_cut_off(self):
        with raw(self.g, timeout=20) as silent, raw(self.g, timeout=20) as spoken:
            spoken.send(request("status"))
            collect(spoken)
            started = time.monotonic()
            self.assertEqual(silent.recv(10), b"")
            self.assertEqual(spoken.recv(10), b"")
            self.assertLess(time.monotonic() - started, 15)

    def test_slow_watchers_are_cut_off(self):
        self.g.enable("p2")
        with raw(self.g) as s:
            s.send(request("watch", names=["p2"]))
            self.g.wait_log("reads too slowly")
            while s.recv(1 << 20):
                pass
        with open(f"/proc/{self.g.pid}/status", encoding="utf-8") as f:
            rss = int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
        self.assertLess(rss, 200000)
        self.g.ctl("disable", "--wait", "p2")

    def test_a_flood_leaves_room_for_others(self):
        flood = [raw(self.g) for _ in range(20)]
        for s in flood:
            s.setblocking(False)
        deadline = time.monotonic() + 3
        answered, slowest = 0, 0
        while time.monotonic() < deadline:
            for s in flood:
                try:
                    s.send(request("show", names=["p1"]))
                except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                    pass
            started = time.monotonic()
            self.assertEqual(self.g.status("p1")["state"], "running")
            slowest = max(slowest, time.monotonic() - started)
            answered += 1
        self.assertLess(slowest, 3)
        for s in flood:
            s.close()


class Socket(Case):
    def for_everybody(self, g):
        """gatewayctl where anybody may run it: the build folder may be in root's home."""
        return shutil.copy(program("gatewayctl"), g.dir)

    def test_mode_and_group(self):
        g = self.serve([])
        st = os.stat(g.socket)
        self.assertTrue(stat.S_ISSOCK(st.st_mode))
        self.assertEqual(stat.S_IMODE(st.st_mode), 0o660)
        g.stop()
        self.assertFalse(os.path.exists(g.socket))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_group_of_the_configuration(self):
        import grp

        group = grp.getgrnam("daemon")
        g = self.serve([], control={"group": "daemon"})
        self.assertEqual(os.stat(g.socket).st_gid, group.gr_gid)
        os.chmod(g.dir, 0o755)
        ask = [self.for_everybody(g), "--socket", g.socket, "status"]
        r = subprocess.run(ask, user=65534, group=65534, extra_groups=[group.gr_gid], capture_output=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        r = subprocess.run(ask, user=65534, group=65534, extra_groups=[], capture_output=True)
        self.assertEqual(r.returncode, 3)
        self.assertIn(b"group", r.stderr)
        # A folder that gatewayd made itself lets the group through.
        g.stop()
        shutil.rmtree(g.runtime)
        g.start()
        r = subprocess.run(ask, user=65534, group=65534, extra_groups=[group.gr_gid], capture_output=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(g.runtime).st_mode), 0o750)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_credentials_are_checked_beside_the_mode(self):
        g = self.serve([])
        os.chmod(g.dir, 0o755)
        os.chmod(g.socket, 0o666)
        r = subprocess.run(
            [self.for_everybody(g), "--socket", g.socket, "status"],
            user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
        )
        self.assertEqual(r.returncode, 1)
        self.assertIn("not allowed", r.stderr)
        g.wait_log("user 65534")

    def test_an_unknown_group_is_said(self):
        g = Gateway({"control": {"group": "no-such-group-here"}}, start=False)
        self.addCleanup(g.close)
        g.start(wait=False)
        self.assertEqual(g.process.wait(WAIT_S), 1)
        g.wait_log("no-such-group-here")

    def test_a_dead_ones_socket_is_replaced(self):
        g = self.serve([probe("p1")])
        g.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(g.socket))
        g.start()
        self.assertEqual(len(g.ctl("status")), 1)

    def test_a_living_ones_is_refused(self):
        g = self.serve([])
        second = subprocess.run(
            [program("gatewayd"), "--config", g.config],
            env=g.env, capture_output=True, text=True, timeout=WAIT_S,
        )
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"{g.socket}: another gatewayd serves it", second.stderr)
        self.assertEqual(g.ctl("status"), [])

    def test_another_programs_socket_is_refused(self):
        g = Gateway({}, start=False)
        self.addCleanup(g.close)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.bind(g.socket)
            s.listen()
            g.start(wait=False)
            self.assertEqual(g.process.wait(WAIT_S), 1)
            g.wait_log("another process serves it")

    def test_built_in_event_server(self):
        g = self.serve([probe("p1")], server=False)
        g.enable("p1")
        g.wait_state("p1", "running")
        self.assertIn("built in", g.ctl("info")[0]["event_server"])
        self.assertIs(g.events("p1")["gateway/probe/p1/gateway/running"]["payload"], True)


if __name__ == "__main__":
    unittest.main()
