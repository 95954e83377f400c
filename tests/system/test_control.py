"""gatewayctl and the control socket, over the real programs: what it shows, once and as a stream."""

import contextlib
import json
import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import unicodedata
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from event_server import EventServer  # noqa: E402
from gatewayd import WAIT_S, CtlError, Gateway, probe  # noqa: E402

MAX_CLIENTS = 64


class Case(unittest.TestCase):
    def serve(self, devices, server=True, **conf):
        """A gateway on an Event Server of the test's own (self.server), or on the built-in one."""
        if server:
            self.server = EventServer()
            self.addCleanup(self.server.close)
            conf["event_server"] = self.server.conf
        g = Gateway({"devices": devices, **conf})
        self.addCleanup(g.close)
        return g

    def refused(self, code, text, call, *args):
        with self.assertRaises(CtlError) as e:
            call(*args)
        self.assertEqual(e.exception.code, code, e.exception.text)
        self.assertIn(text, e.exception.text)

    def stream(self, g, *args):
        """A running stream that has said its first line."""
        p = g.ctl.start("--json", *args)
        self.addCleanup(self.end, p)
        return p, json.loads(p.stdout.readline())

    @staticmethod
    def end(p):
        if p.poll() is None:
            p.kill()
        p.communicate()

    def row(self, p, **want):
        """The next row of a stream that has these members."""
        for line in p.stdout:
            row = json.loads(line)
            if all(row.get(k) == v for k, v in want.items()):
                return row
        self.fail(f"the stream ended without {want}: {p.stderr.read()}")


# A runner that sends frames of these sizes as soon as it is traced.
TRACER = """#!/usr/bin/python3 -I
import socket
s = socket.socket(fileno=3)
def say(kind, body, id=0):
    s.send(bytes([kind, 0, 0, 0, id, 0, 0, 0]) + body)
say(32, b"\\x90", 2)
say(34, b"\\x90")
while True:
    packet = s.recv(65536)
    if packet[0] == 6:
        s.send(bytes([38, 0, 0, 0]) + packet[4:8] + b"\\x90")
    elif packet[0] == 7 or not packet:
        break
    elif packet[0] == 9:
        for n in %s:
            say(50, b"\\x98\\x00\\x01\\xa0\\xc2\\xa0\\xa0\\xa0\\xc5" + n.to_bytes(2, "big") + bytes(n))
"""


def raw(g, timeout=WAIT_S):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(timeout)
    s.connect(g.socket)
    return s


def request(command, **members):
    return json.dumps({"command": command, **members}).encode()


def collect(s):
    """All rows and the end of an answer; the end is None where the connection ended before."""
    rows = []
    while True:
        packet = s.recv(1 << 20)
        if not packet:
            return rows, None
        reply = json.loads(packet)
        rows += reply["rows"]
        if reply.get("end"):
            return rows, reply


class Status(Case):
    def test_table(self):
        long = "a-name-that-is-much-longer-than-any-column-would-think"
        g = self.serve([probe("p1", interval_ms=20, values=2), probe(long), probe("zażółć")])
        g.enable("p1")
        g.wait_state("p1", "running")
        lines = g.ctl.text("status").splitlines()
        self.assertRegex(
            lines[0], r"^NAME +TYPE +STATE +PID +SINCE +RESTARTS +LAST EXIT +LINK +REMOTES +EVENTS/S$"
        )
        self.assertEqual(len(lines), 4)
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})
        self.assertRegex(lines[1], r"^p1 +probe +running +\d+ +00:00:0\d +0 +- +connected +- +\d+\.\d$")
        self.assertRegex(lines[2], rf"^{long}  probe +disabled +- +00:00:0\d +0 +- +- +- +-$")
        self.assertTrue(lines[3].startswith("zażółć"))

    def test_json_is_an_array_of_the_same_words(self):
        g = self.serve([probe("p1")])
        (row,) = g.ctl("status")
        self.assertEqual(
            list(row),
            "name type state pid since restarts last_exit link remotes events_per_s why".split(),
        )
        self.assertEqual((row["name"], row["state"], row["pid"]), ("p1", "disabled", None))

    def test_no_device_still_prints_the_header(self):
        g = self.serve([])
        self.assertTrue(g.ctl.text("status").startswith("NAME "))
        self.assertEqual(g.ctl("status"), [])

    def on_terminal(self, g, columns, *args):
        """The lines that a terminal of so many columns gets."""
        leader, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        p = subprocess.Popen(g.ctl.argv(*args), stdout=terminal, stderr=terminal,
                             env={"GATEWAYCTL_PAGER": "", **os.environ})
        os.close(terminal)
        text = b""
        with contextlib.suppress(OSError):
            while data := os.read(leader, 65536):
                text += data
        os.close(leader)
        p.wait(WAIT_S)
        return text.decode().replace("\r\n", "\n").splitlines()

    def columns(self, text):
        return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c)
                   for c in text)

    def test_columns_of_any_language(self):
        g = self.serve([probe(n) for n in ("p1", "泵站-1", "zażółć", "e\u0301te\u0301")])
        lines = g.ctl.text("status").splitlines()
        self.assertEqual(len({self.columns(line) for line in lines}), 1, lines)

    def test_a_terminal_of_80_columns(self):
        long = "a-name-that-is-much-longer-than-any-column-would-think"
        devices = [probe("p1", interval_ms=20, link="disconnected since noon"), probe(long)]
        g = self.serve(devices)
        g.enable("p1")
        g.wait_state("p1", "running")
        g.wait(lambda: g.status("p1")["link"], "the word of its link")
        for width, header in (
            (200, "NAME TYPE STATE PID SINCE RESTARTS LAST EXIT LINK REMOTES EVENTS/S"),
            (80, "NAME STATE SINCE RESTARTS LAST EXIT LINK REMOTES EVENTS/S"),
            (60, "NAME STATE SINCE LINK REMOTES"),
        ):
            lines = self.on_terminal(g, width, "--color", "never", "status")
            self.assertEqual(" ".join(lines[0].split()), header)
            self.assertEqual([line for line in lines if self.columns(line) > width], [])
            self.assertEqual("…" in "".join(lines), width < 200, lines)
            self.assertIn("disconnecte", lines[1])
        # A fault is told whole, whatever it takes.
        g.write_config({"devices": [probe("p1", fault="f" * 100)]})
        lines = self.on_terminal(g, 80, "reload")
        self.assertEqual([line for line in lines if self.columns(line) > 80], [])
        self.assertGreater("".join(lines).count("f"), 100)

    def test_what_is_wrong_is_told_whole(self):
        """On a narrow terminal as well: in health, and in show, whose tables and long names fit."""
        long = "a-name-that-is-longer-than-a-narrow-terminal-is-wide-and-goes-on-below"
        fault = "the port is taken by another program; stop that one, or give this device another port"
        g = self.serve([probe(long, fault=fault)])
        g.enable(long)
        g.wait_state(long, "failed")
        for width in 60, 80:
            for command in "health", "show":
                lines = self.on_terminal(g, width, "--color", "never", "--no-pager", command, "*")
                self.assertEqual([line for line in lines if self.columns(line) > width], [])
                words = iter(" ".join(lines).split())
                self.assertEqual([w for w in fault.split() if w not in words], [], lines)

    def test_chosen_sorted_filtered(self):
        g = self.serve([probe(n) for n in ("b", "a", "c")])
        g.enable("a")
        g.wait_state("a", "running")
        text = g.ctl.text("status", "--columns", "name,state", "--sort", "name", "--filter", "state=dis*")
        self.assertEqual(text, "NAME  STATE\nb     disabled\nc     disabled\n")
        rows = g.ctl("status", "--sort", "-name", "--filter", "type=probe", "--filter", "name=[ab]")
        self.assertEqual([r["name"] for r in rows], ["b", "a"])
        self.assertEqual(g.ctl("status", "--filter", "state=failed"), [])
        for option, value in (("--columns", "name,size"), ("--sort", "size"), ("--filter", "size=1")):
            r = g.ctl.run("status", option, value)
            self.assertEqual((r.returncode, r.stdout), (2, ""))
            self.assertIn("the columns are name, type, state", r.stderr)
        self.assertEqual(g.ctl.run("status", "--filter", "name").returncode, 2)

    def test_colours(self):
        g = self.serve([probe("p1")])
        self.assertIn("\033[2mdisabled\033[0m", g.ctl.text("--color", "always", "status"))
        self.assertNotIn("\033", g.ctl.text("status"))
        self.assertNotIn("\033", "".join(self.on_terminal(g, 80, "--color", "never", "status")))
        terminal = {"TERM": "xterm", "NO_COLOR": ""}
        with unittest.mock.patch.dict(os.environ, terminal):
            self.assertIn("\033[2m", "".join(self.on_terminal(g, 80, "status")))
            os.environ["NO_COLOR"] = "1"
            self.assertNotIn("\033", "".join(self.on_terminal(g, 80, "status")))

    def test_pager(self):
        g = self.serve([probe("p1")])
        with unittest.mock.patch.dict(os.environ, {"GATEWAYCTL_PAGER": "sed s/^/paged:/"}):
            lines = self.on_terminal(g, 80, "status")
            self.assertTrue(lines[0].startswith("paged:NAME"), lines)
            self.assertTrue(self.on_terminal(g, 80, "--no-pager", "status")[0].startswith("NAME"))
            self.assertTrue(g.ctl.text("status").startswith("NAME"))
            os.environ["GATEWAYCTL_PAGER"] = "exit 1"
            self.on_terminal(g, 80, "status")

    def test_again_and_again(self):
        g = self.serve([probe("p1")])
        with subprocess.Popen(g.ctl.argv("status", "--watch"), stdout=subprocess.PIPE, text=True) as p:
            try:
                seen = [p.stdout.readline() for _ in range(4)]
                self.assertEqual([s.startswith("\033[H\033[2JNAME") for s in seen], [True, False] * 2)
                p.send_signal(signal.SIGINT)
                self.assertEqual(p.wait(WAIT_S), 0)
            finally:
                p.kill()

    def test_patterns_of_names(self):
        g = self.serve([probe(n) for n in ("plc1", "plc2", "rtu1")])
        self.assertEqual([r["name"] for r in g.ctl("status", "plc*")], ["plc1", "plc2"])
        self.assertEqual([r["name"] for r in g.ctl("status", "probe/*[1]")], ["plc1", "rtu1"])
        g.ctl("log", "plc?", "debug")
        levels = [r["device"]["log_level"] for r in g.ctl("show", "*")]
        self.assertEqual(levels, ["debug", "debug", "info"])
        g.ctl("wait", "r*", "disabled")
        r = g.ctl.run("wait", "plc*")
        self.assertEqual((r.returncode, r.stderr), (1, "gatewayctl: 'plc*' fits 2 devices, expected one\n"))
        g.wait(lambda: g.ctl("events", "plc1"), "it is registered that it does not run")
        for pattern in ("pl*", "p*1/gateway/running", "plc[1]/gateway/?"):
            self.assertEqual([r["type"][2] for r in g.ctl("events", pattern)][0], "plc1", pattern)
        r = g.ctl.run("events", "x*")
        self.assertEqual((r.returncode, r.stderr), (1, "gatewayctl: no device fits 'x*'\n"))
        r = g.ctl.run("read", "pcl1")
        self.assertIn("did you mean 'plc1'?", r.stderr)
        r = g.ctl.run("status", "x*")
        self.assertEqual((r.returncode, r.stderr), (1, "gatewayctl: no device fits 'x*'\n"))

    def test_what_was_meant(self):
        g = self.serve([probe("plc1")])
        r = g.ctl.run("show", "pcl1")
        self.assertEqual(r.returncode, 1)
        self.assertIn("did you mean 'plc1'?", r.stderr)
        for args, said in (
            (("stauts",), "unknown command 'stauts'; did you mean 'status'? ('gatewayctl help' lists the commands)\n"),
            (("e",), "'e' may be events or enable ('gatewayctl help' lists the commands)\n"),
            (("frobnicate",), "unknown command 'frobnicate' ('gatewayctl help' lists the commands)\n"),
        ):
            r = g.ctl.run(*args)
            self.assertEqual((r.returncode, r.stderr), (2, "gatewayctl: " + said))
        self.assertEqual(g.ctl("st")[0]["name"], "plc1")
        self.assertEqual(g.ctl.text("help", "stat"), g.ctl.text("status", "--help"))
        self.assertEqual(g.ctl.text("help"), g.ctl.text("--help"))
        r = g.ctl.run("events", "nope")
        self.assertEqual((r.returncode, r.stderr), (1, "gatewayctl: no device 'nope'\n"))
        r = g.ctl.run("enable")
        self.assertIn("enable takes at least one argument, found 0", r.stderr)

    def test_by_name(self):
        g = self.serve([probe("p1"), probe("p2"), probe("p3")])
        self.assertEqual([r["name"] for r in g.ctl("status", "p3", "p1")], ["p3", "p1"])
        self.assertEqual([r["name"] for r in g.ctl("status", "probe/p2")], ["p2"])
        r = g.ctl.run("status", "p1", "nobody")
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("no device 'nobody'", r.stderr)

    def test_rate(self):
        g = self.serve([probe("p1", interval_ms=50, values=5)])
        g.enable("p1")
        g.wait_state("p1", "running")
        g.wait(lambda: 60 < g.status("p1")["events_per_s"] < 110, "about 100 events a second")

    def test_info(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1")
        g.wait_state("p1", "running")
        (info,) = g.ctl("info")
        self.assertEqual(info["name"], "gw")
        self.assertEqual(info["pid"], g.pid)
        self.assertEqual((info["link"], info["server_status"]), ("connected", "operational"))
        self.assertEqual((info["devices"], info["enabled"], info["running"]), (2, 1, 1))
        self.assertGreaterEqual(info["events_out"], 3)
        self.server.cut()
        g.wait(lambda: g.ctl("info")[0]["connects"] == 2, "the link comes back")
        g.wait_state("p1", "running")
        self.assertRegex(g.ctl.text("info"), r"(?m)^  link +connected$")


class Show(Case):
    def test_everything(self):
        listen = [{"host": "127.0.0.1", "port": 0}]
        g = self.serve([probe("p1", listen=listen, interval_ms=50), probe("p2")])
        g.enable("p1")
        g.wait_state("p1", "running")
        g.wait(lambda: g.ctl("show", "p1")[0]["plan"][0]["opened"], "the planned socket is open")
        (row,) = g.ctl("show", "p1")
        self.assertEqual(row["device"]["event_prefix"], ["gateway", "probe", "p1"])
        self.assertEqual(
            row["plan"],
            [{"kind": "listen", "target": "127.0.0.1", "port": 0, "opened": True, "any_address": False}],
        )
        self.assertEqual(row["process"]["pid"], row["device"]["pid"])
        self.assertGreater(row["process"]["rss_kib"], 100)
        self.assertGreater(row["counters"]["registered"], 0)
        text = g.ctl.text("show", "p1")
        for part in ("sandbox in force", "listen  127.0.0.1", "events below   gateway/probe/p1"):
            self.assertIn(part, text)
        (idle,) = g.ctl("show", "p2")
        self.assertIsNone(idle["process"])
        self.assertEqual(idle["plan"], [])

    def test_sandbox_is_the_kernels_word(self):
        g = self.serve([probe("strict"), probe("off", sandbox="off")])
        g.enable("strict", "off")
        g.wait_state(["strict", "off"], "running")
        for row in g.ctl("show", "strict", "off"):
            with open(f"/proc/{row['process']['pid']}/status", encoding="utf-8") as f:
                fields = dict(line.split(":", 1) for line in f)
            box = row["sandbox"]
            self.assertEqual(box["configured"], row["device"]["name"])
            self.assertEqual(["none", "strict", "filter"].index(box["seccomp"]), int(fields["Seccomp"]))
            self.assertEqual(box["no_new_privs"], fields["NoNewPrivs"].strip() == "1")
            self.assertEqual(box["capabilities"], fields["CapEff"].strip())
            self.assertEqual(box["uid"], int(fields["Uid"].split()[1]))
            with open(f"/proc/{row['process']['pid']}/limits", encoding="utf-8") as f:
                files = next(line for line in f if line.startswith("Max open files"))
            self.assertEqual(box["open_files"], int(files.split()[3]))

    def test_obituaries(self):
        g = self.serve([probe("p1")])
        g.enable("p1")
        g.wait_state("p1", "running")
        for _ in range(2):
            g.ctl("send", "p1", "do", '"print its last words"')
            restarts = g.status("p1")["restarts"]
            g.ctl("send", "p1", "do", '"exit"')
            g.wait(lambda n=restarts: g.status("p1")["restarts"] > n, "it was restarted")
            g.wait_state("p1", "running")
        (row,) = g.ctl("show", "p1")
        self.assertEqual(row["device"]["deaths"], 2)
        self.assertEqual(len(row["obituaries"]), 2)
        for o in row["obituaries"]:
            self.assertEqual((o["cause"], o["last_line"]), ("exit code 1", "its last words"))
        self.assertEqual(row["device"]["last_exit"], "exit code 1")
        self.assertIn("exit code 1", g.ctl.text("status"))

    def test_more_than_one_request_takes(self):
        names = [f"p{n}" for n in range(70)]
        g = self.serve([probe(n) for n in names])
        self.assertEqual([r["device"]["name"] for r in g.ctl("show", *names)], names)


class Watch(Case):
    def test_both_directions_states_and_values(self):
        g = self.serve([probe("p1"), probe("p2")])
        p, first = self.stream(g, "watch")
        self.assertEqual(first["kind"], "link")
        if first["state"] != "connected":
            self.row(p, kind="link", state="connected")
        g.enable("p1")
        row = self.row(p, direction="in")
        self.assertEqual(row["type"], ["gateway", "probe", "p1", "system", "enable"])
        self.assertIs(row["payload"], True)
        self.assertEqual(self.row(p, kind="state", state="starting")["before"], "disabled")
        self.assertEqual(self.row(p, kind="state", state="running")["before"], "starting")
        row = self.row(p, direction="out")
        self.assertEqual((row["type"][-1], row["payload"]), ("running", True))
        self.assertRegex(row["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        value = {"request_id": "1", "value": 12345678901234567890123, "deep": [[[1.50]]]}
        g.ctl("send", "p1", "echo/x/y", json.dumps(value))
        row = self.row(p, direction="out", device="p1")
        self.assertEqual(row["type"][3:], ["gateway", "echo", "x", "y"])
        self.assertEqual(row["payload"], value)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(WAIT_S), 0)

    def test_a_stream_that_nobody_can_see_ends(self):
        g = self.serve([probe("p1", interval_ms=10)])
        g.enable("p1")
        with open("/dev/full", "w") as full:
            r = subprocess.run(
                g.ctl.argv("watch"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=WAIT_S
            )
        self.assertEqual(r.returncode, 1)
        self.assertIn("standard output", r.stderr)

    def test_names_count_and_timeout(self):
        g = self.serve([probe("p1", interval_ms=20), probe("p2", interval_ms=20)])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        rows = g.ctl("watch", "--count", 6, "p2")
        self.assertEqual(rows[1]["state"], "running")
        self.assertEqual({r["device"] for r in rows[1:]}, {"p2"})
        values = [r["payload"] for r in rows if r["kind"] == "event"]
        self.assertEqual(values, list(range(values[0], values[0] + 6)))
        started = time.monotonic()
        text = g.ctl.text("watch", "--timeout", "0.3", "p1")
        self.assertLess(time.monotonic() - started, 3)
        self.assertRegex(text, r"(?m)^\d\d:\d\d:\d\d\.\d{3}  out    p1        gateway/value/0 = \d+$")
        self.refused(1, "no device 'x'", g.ctl, "watch", "--count", 1, "x")

    def test_all_who_watch_see_the_same(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        streams = [self.stream(g, "watch", *names)[0] for names in ((), ("p1",), ("p2",), ("p2", "p1"))]
        for device, value in (("p1", "\\" * 50000), ("p2", {"n": 1}), ("p1", "last")):
            self.server.store(("gateway", "probe", device, "system", "echo", "x"), value)
            watching = [streams[i] for i in ((0, 1, 3) if device == "p1" else (0, 2, 3))]
            # The first is too long for a packet, and for the runner.
            for direction in ("in", "out") if len(value) < 50000 else ("in",):
                rows = [self.row(p, direction=direction) for p in watching]
                self.assertEqual([r["device"] for r in rows], [device] * 3)
                self.assertEqual(rows, rows[:1] * 3)
                if len(value) < 50000:
                    self.assertEqual(rows[0]["payload"], value)

    def test_link_and_crash(self):
        g = self.serve([probe("p1")])
        g.enable("p1")
        g.wait_state("p1", "running")
        p, _ = self.stream(g, "watch", "p1")
        g.ctl("send", "p1", "do", '"exit"')
        row = self.row(p, kind="state", state="starting")
        self.assertEqual(row["last_exit"], "exit code 1")
        self.row(p, kind="state", state="running")
        self.server.cut()
        self.row(p, kind="link", state="waiting")
        self.row(p, kind="link", state="connected")

    def test_hostile_text_stays_text(self):
        g = self.serve([probe("p1")])
        g.enable("p1")
        g.wait_state("p1", "running")
        p = g.ctl.start("watch", "p1")
        self.addCleanup(self.end, p)
        p.stdout.readline()
        self.server.store(("gateway", "probe", "p1", "system", "echo", "\x1b[2J"), ["\x1b[31m\x9b"])
        line = next(line for line in p.stdout if "echo" in line)
        self.assertNotRegex(line.rstrip("\n"), r"[\x00-\x1f\x7f-\x9f]")

    def test_a_frame_too_large_to_show_is_told(self):
        g = self.serve([probe("p1")])
        g.enable("p1")
        g.wait_state("p1", "running")
        p, _ = self.stream(g, "watch", "p1")
        # Each backslash takes two bytes more in JSON of JSON: no packet holds it.
        self.server.store(("gateway", "probe", "p1", "system", "x"), "\\" * 50000)
        row = self.row(p, direction="in")
        self.assertIsNone(row["payload"])
        g.ctl("send", "p1", "echo", "1")
        self.assertEqual(self.row(p, direction="out")["payload"], 1)


class Events(Case):
    def test_patterns(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.wait_connected()
        self.server.register("gateway/probe/p1/gateway/a/x", {"v": 1})
        self.server.register("gateway/probe/p1/gateway/a/y", {"v": 2})
        self.server.register("gateway/probe/p2/gateway/a/x", {"v": 3})
        self.server.register("other/thing", 4)
        self.server.store(("gateway", "probe", "p2", "gateway", "b"), ("blob", b"\x00\xff"))

        def types(*patterns):
            return {t for t in g.events(*patterns) if not t.endswith("/running")}

        every = {f"gateway/probe/{t}" for t in ("p1/gateway/a/x", "p1/gateway/a/y", "p2/gateway/a/x")}
        every.add("gateway/probe/p2/gateway/b")
        self.assertEqual(types(), every)
        self.assertEqual(types("gateway/*"), every)
        self.assertEqual(types("p1"), {t for t in every if "/p1/" in t})
        self.assertEqual(types("p1/gateway/?/x"), {"gateway/probe/p1/gateway/a/x"})
        self.assertEqual(types("gateway/?/?/gateway/a/x"), {t for t in every if t.endswith("x")})
        self.assertEqual(types("other/thing"), {"other/thing"})
        self.assertEqual(types("*"), every | {"other/thing"})
        self.assertEqual(types("p2/gateway/b", "other/?"), {"gateway/probe/p2/gateway/b", "other/thing"})
        blob = g.events("p2/gateway/b")["gateway/probe/p2/gateway/b"]
        self.assertEqual(blob["payload"], {"type": "blob", "hex": "00ff"})
        self.assertIn("blob 0x00ff", g.ctl.text("events", "p2/gateway/b"))
        self.assertEqual(g.ctl("events", "nothing/like/it"), [])
        self.refused(1, "empty segment", g.ctl, "events", "a//b")

    def test_many(self):
        g = self.serve([])
        g.wait_connected()
        for i in range(3000):
            self.server.store(("gateway", "x", str(i)), {"text": "y" * 100, "i": i})
        rows = g.ctl("events", "gateway/x/?")
        self.assertEqual(sorted(r["payload"]["i"] for r in rows), list(range(3000)))

    def test_more_than_may_wait_is_refused(self):
        g = self.serve([])
        g.wait_connected()
        for i in range(400):
            self.server.store(("gateway", "x", str(i)), "y" * 30000)
        # Read only after the answer was made: what waits for the reader has a limit.
        with raw(g) as s:
            s.send(request("events", types=["gateway/x/?"]))
            time.sleep(0.5)
            rows, end = collect(s)
        self.assertEqual(end["code"], 1)
        self.assertIn("too long", end["error"])
        self.assertEqual(end["reason"], "too_long")
        self.assertLess(len(rows), 400)
        self.assertEqual(g.ctl("status"), [])

    def test_answer_lost_with_the_connection(self):
        g = self.serve([])
        g.wait_connected()
        self.server.mute = True
        p = g.ctl.start("events")
        self.addCleanup(self.end, p)
        g.wait(lambda: self.server.muted, "the query has arrived")
        self.server.mute = False
        self.server.cut()
        self.server.muted.clear()
        self.assertEqual(p.wait(WAIT_S), 1)
        self.assertIn("the link to the Event Server was lost", p.stderr.read())

    def test_answer_to_one_who_is_gone(self):
        g = self.serve([])
        g.wait_connected()
        self.server.register("gateway/x/y", 1)
        self.server.mute = True
        with raw(g) as leaves, raw(g) as hurries:
            leaves.send(request("events"))
            hurries.send(request("events"))
            g.wait(lambda: len(self.server.muted) == 2, "the queries have arrived")
            hurries.send(request("status"))
            self.assertIn("one request at a time", collect(hurries)[1]["error"])
            self.assertEqual(hurries.recv(10), b"")
        with raw(g) as stays:
            stays.send(request("events", types=["gateway/x/y"]))
            g.wait(lambda: len(self.server.muted) == 3, "the third query has arrived")
            self.server.unmute()
            rows, end = collect(stays)
        self.assertEqual(([r["type"] for r in rows], end["code"]), ([["gateway", "x", "y"]], 0))
        g.wait(lambda: g.ctl("info")[0]["clients"] == 1, "both are gone")


if __name__ == "__main__":
    unittest.main()
