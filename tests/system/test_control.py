"""gatewayctl and the control socket, over the real programs."""

import array
import contextlib
import json
import fcntl
import os
import pty
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unicodedata
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from event_server import EventServer  # noqa: E402
from gatewayd import ROOT, WAIT_S, Ctl, CtlError, Gateway, probe, program  # noqa: E402
from manual import displays, source  # noqa: E402

BAY = os.path.join(ROOT, "tests", "lib", "bay.cid")
MAX_REQUEST = 64 * 1024
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


class Send(Case):
    def test_relative_and_whole(self):
        for naming, prefix in (("name", "gateway/probe/p1"), ("gateway_name", "gateway/gw/probe/p1")):
            conf = {"gateway_name": "gw"} if naming == "gateway_name" else {}
            g = self.serve([probe("p1")], **conf)
            g.enable("p1")
            g.wait_state("p1", "running")
            g.ctl("send", "p1", "echo/a", '{"request_id": "1", "value": 5}')
            g.ctl("send", prefix + "/system/echo/b", "-5")
            g.ctl("send", "p1", "echo/c")
            for suffix, payload in (("a", {"request_id": "1", "value": 5}), ("b", -5), ("c", None)):
                g.wait(
                    lambda s=suffix, v=payload: self.server.find(f"{prefix}/gateway/echo/{s}") == [v],
                    f"the echo of {suffix}",
                )
            _, _, source = next(e for e in self.server.events if e[0][-1] == "a")
            self.assertLess(abs(source[0] - time.time()), 60)

    def test_refused(self):
        g = self.serve([probe("p1")])
        g.wait_connected()
        before = len(self.server.events)
        for type_, text in (
            ("gateway/probe/p1/gateway/running", "source is not 'system'"),
            ("gateway/probe/p1/system", "belongs to no device"),
            ("gateway/probe/p1/system/*", "queries"),
            ("gateway//p1/system/x", "empty segment"),
            ("gateway/" + "/".join("x" * 40), "too many"),
        ):
            self.refused(1, text, g.ctl, "send", "--force", type_, "1")
        self.refused(1, "begin with gateway/probe/p1/system/", g.ctl, "send", "gateway/probe/p1/gateway/x", "1")
        self.refused(1, "no device 'other'", g.ctl, "send", "other", "x", "1")
        self.refused(2, "not JSON", g.ctl, "send", "p1", "x", "{")
        self.refused(2, "usage", g.ctl, "send", "p1")
        self.assertEqual(len(self.server.events), before)

    def test_without_event_server(self):
        g = self.serve([probe("p1")])
        g.wait_connected()
        self.server.close()
        g.wait(lambda: g.ctl("info")[0]["link"] != "connected", "the link is down")
        for args in (("enable", "p1"), ("send", "p1", "x", "1"), ("events",)):
            self.refused(1, "the Event Server is not connected", g.ctl, *args)


class Do(Case):
    def test_enable_disable_wait(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.wait_connected()
        self.assertEqual(
            g.ctl("enable", "--wait", "p1", "p2"),
            [{"name": n, "result": "enable true registered"} for n in ("p1", "p2")],
        )
        self.assertEqual({r["state"] for r in g.ctl("status")}, {"running"})
        g.ctl("disable", "--wait", "p1")
        self.assertEqual(g.status("p1")["state"], "disabled")
        self.assertEqual(g.status("p2")["state"], "running")
        self.refused(1, "no device", g.ctl, "enable", "p1", "nobody")
        self.assertEqual(g.status("p1")["state"], "disabled")

    def test_a_device_that_invents_types(self):
        g = self.serve([probe("p1", interval_ms=20, values=5, limits={"types": 3})])
        g.enable("p1")
        g.wait_state("p1", "running")
        def counters():
            return g.ctl("show", "p1")[0]["counters"]
        g.wait(lambda: counters()["dropped_types"] > 20, "events are dropped")
        self.assertEqual(counters()["types"], 3)
        before = len(self.server.find("gateway/probe/p1/gateway/value/0"))
        g.wait(lambda: len(self.server.find("gateway/probe/p1/gateway/value/0")) > before, "known types go on")
        kinds = {t[4:] for t, _, _ in self.server.events if t[:4] == ("gateway", "probe", "p1", "gateway")}
        self.assertEqual(len(kinds - {("running",)}), 3)
        self.assertEqual("\n".join(g.log()).count("it has registered 3 event types (limits.types)"), 1)

    def test_refused_by_the_event_server(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1")
        g.wait_state("p1", "running")
        self.server.refuse = True
        self.refused(1, "not enabled: the Event Server refused it", g.ctl, "enable", "p2")
        self.refused(1, "the event is not registered: the Event Server refused it", g.ctl, "send", "p1", "x", "1")
        self.refused(1, "disabled, but that was not kept: the Event Server refused it", g.ctl, "disable", "p1")
        g.wait_state("p1", "disabled")
        self.assertEqual(g.status("p2")["state"], "disabled")
        self.server.refuse = False
        self.server.cut()
        g.wait_state("p1", "running")

    def test_not_answered_by_the_event_server(self):
        g = self.serve([probe("p1")])
        g.enable("p1")
        g.wait_state("p1", "running")
        self.server.deaf = True
        waits = g.ctl.start("disable", "p1")
        self.addCleanup(self.end, waits)
        g.wait_state("p1", "disabled")
        self.assertIsNone(waits.poll())
        self.assertEqual(waits.wait(WAIT_S), 1)
        self.assertIn("the Event Server did not answer in time", waits.stderr.read())

    def test_link_lost_before_the_answer(self):
        g = self.serve([probe("p1")])
        g.wait_connected()
        self.server.deaf = True
        waits = g.ctl.start("enable", "p1")
        self.addCleanup(self.end, waits)
        g.wait(lambda: self.server.find("gateway/probe/p1/system/enable"), "it is registered")
        self.server.cut()
        self.assertEqual(waits.wait(WAIT_S), 1)
        self.assertIn("the link to the Event Server was lost", waits.stderr.read())

    def test_wait_for_a_gateway_that_starts(self):
        with EventServer() as away:
            g = Gateway({"devices": [probe("p1")], "event_server": away.conf}, start=False)
        self.addCleanup(g.close)
        waits = Ctl(g.socket).start("enable", "--wait", "p1")
        self.addCleanup(self.end, waits)
        g.start()
        self.refused(1, "the Event Server is not connected", g.ctl, "enable", "p1")
        self.refused(1, "the Event Server is not connected", g.ctl, "enable", "--wait", "--timeout", "0.3", "p1")
        self.assertIsNone(waits.poll())
        self.enterContext(EventServer(away.port))
        self.assertEqual(waits.wait(WAIT_S), 0, waits.stderr.read())
        self.assertEqual(g.status("p1")["state"], "running")

    def test_wait(self):
        g = self.serve([probe("p1", ready=False), probe("p2", fault="it is wrong")])
        g.enable("p1", "p2")
        g.ctl("wait", "p1", "starting")
        self.refused(1, "p1 is not running in time; 'gatewayctl show p1'", g.ctl, "wait", "p1",
                     "--timeout", "0.2")
        self.refused(1, "p1 is not failed or backoff in time", g.ctl, "wait", "p1", "failed",
                     "backoff", "--timeout", "0.2")
        self.refused(1, "p2 failed: configuration: fault: it is wrong", g.ctl, "wait", "p2")
        g.ctl("wait", "p2", "running", "failed")
        g.ctl("disable", "--wait", "p2")
        self.refused(2, "", g.ctl, "wait", "p1", "happy")

    def test_restart(self):
        g = self.serve([probe("p1"), probe("p2")])
        self.refused(1, "p1 is disabled", g.ctl, "restart", "p1")
        g.enable("p1")
        g.wait_state("p1", "running")
        before = g.status("p1")["pid"]
        self.assertEqual(g.ctl("restart", "--wait", "p1"), [{"name": "p1", "result": "restarts"}])
        self.assertNotEqual(g.status("p1")["pid"], before)
        # Failed for good, until someone says so.
        g.ctl("send", "p1", "do", '"config"')
        g.wait_state("p1", "failed")
        self.assertIn("78", g.status("p1")["last_exit"])
        g.ctl("restart", "--wait", "p1")

    def test_storm(self):
        g = self.serve([probe("p1"), probe("p2", interval_ms=10)])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        for level in ("debug", "info"):
            for _ in range(20):
                g.ctl("log", "p1", level)
                g.ctl("restart", "--wait", "p1")
        self.assertEqual(g.status("p1")["last_exit"], None)

    def descriptors(self, g):
        """Those of gatewayd, which lets nobody but root look at them."""
        return len(os.listdir(f"/proc/{g.pid}/fd")) if os.geteuid() == 0 else 0

    def test_toggles(self):
        """A storm of a thousand: the last word counts, nothing is left over."""
        g = self.serve([probe("p1"), probe("p2", interval_ms=5)])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        fds = self.descriptors(g)
        for last in ("enable", "disable"):
            with raw(g) as s:
                for i in range(500):
                    odd = last if i % 2 else {"enable": "disable", "disable": "enable"}[last]
                    s.send(request(odd, names=["p1"]))
                    self.assertEqual(collect(s)[1]["code"], 0)
            g.wait_state("p1", "running" if last == "enable" else "disabled")
        running = "gateway/probe/p1/gateway/running"
        g.wait(lambda: self.server.find(running)[-1] is False, "'running' false is registered")

        def only_child():
            with open(f"/proc/{g.pid}/task/{g.pid}/children", encoding="utf-8") as f:
                return f.read().split() == [str(g.status("p2")["pid"])]

        # The storm goes by way of the Event Server: its last words may still be on their way.
        g.wait(only_child, "no process is left over")
        self.assertLessEqual(self.descriptors(g), fds)
        values = self.server.find("gateway/probe/p2/gateway/value/0")
        self.assertEqual(values, list(range(1, len(values) + 1)))

    def test_log(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        self.assertEqual(g.ctl("log", "p1", "debug"), [{"name": "p1", "result": "debug"}])
        for name in ("p2", "p1"):
            g.ctl("send", name, "do", '"debug"')
        self.assertIn("p1: a line at debug", g.wait_log("a line at debug"))
        self.assertEqual(g.ctl("show", "p1")[0]["device"]["log_level"], "debug")
        g.ctl("log", "error")
        self.assertEqual(g.ctl("info")[0]["log_level"], "error")
        g.ctl("send", "p1", "do", '"print a warning"')
        g.ctl("send", "p1", "echo", "1")
        g.wait(lambda: self.server.find("gateway/probe/p1/gateway/echo"), "the echo")
        g.ctl("log", "info")
        g.ctl("send", "p1", "do", '"print the next"')
        g.wait_log("the next")
        self.assertFalse([line for line in g.log() if "a warning" in line])
        self.assertEqual(len([line for line in g.log() if "a line at debug" in line]), 1)
        self.refused(2, "expected one of", g.ctl, "log", "p1", "loud")

    def test_trace(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        p, first = self.stream(g, "trace", "p1")
        self.assertEqual((first["kind"], first["device"]), ("state", "p1"))
        self.assertTrue(g.ctl("show", "p1")[0]["device"]["traced"])
        for name in ("p2", "p1"):
            g.ctl("send", name, "echo", '"abc"')
        for direction in ("rx", "tx"):
            row = self.row(p, kind="frame")
            self.assertEqual((row["device"], row["direction"]), ("p1", direction))
            self.assertEqual(bytes.fromhex(row["hex"]), b'"abc"')
        # A new process is traced as well.
        g.ctl("restart", "--wait", "p1")
        g.ctl("send", "p1", "echo", "77")
        self.assertEqual(self.row(p, kind="frame")["hex"], b"77".hex())
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(WAIT_S), 0)
        g.wait(lambda: not g.ctl("show", "p1")[0]["device"]["traced"], "tracing is off again")

    def test_trace_shows_large_frames_close_together(self):
        """Two frames that do not fit into one packet of the control socket."""
        sizes = (6000, 60000, 6000, 58000)
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        runner = os.path.join(folder, "tracer")
        with open(runner, "w", encoding="utf-8") as f:
            f.write(TRACER % (sizes,))
        os.chmod(runner, 0o755)
        g = self.serve([{"module": "x", "type": "tracer", "name": "t1", "runner": runner, "sandbox": "off"}])
        p, _ = self.stream(g, "trace", "t1")
        g.enable("t1")
        for n in sizes:
            row = self.row(p, kind="frame")
            self.assertEqual((row["bytes"], len(row["hex"])), (n, 2 * n))

    def test_reload_is_not_there_or_works(self):
        g = self.serve([probe("p1")])
        r = g.ctl.run("--json", "reload", "--diff")
        self.assertIn(r.returncode, (0, 1))
        self.assertIsInstance(json.loads(r.stdout), list)


class Usage(Case):
    def test_codes(self):
        ctl = Ctl("/nonexistent/control")
        for args in ((), ("nonsense",), ("status", "--bad"), ("watch", "--count", "0"), ("enable",)):
            self.assertEqual(ctl.run(*args).returncode, 2, args)
        r = ctl.run("status")
        self.assertEqual(r.returncode, 3)
        self.assertIn("/nonexistent/control", r.stderr)
        self.assertIn("--socket", r.stderr)
        self.assertEqual(Ctl("/" + "x" * 200).run("status").returncode, 3)
        for args, text in ((("status", "--diff"), "--diff is no option of status"),
                           (("--count", "3", "watch"), "--count is an option of some commands")):
            r = ctl.run(*args)
            self.assertEqual(r.returncode, 2)
            self.assertIn(text, r.stderr)
        r = ctl.run("--version")
        self.assertRegex(r.stdout, r"^gatewayctl \d+\.\d+\.\d+\n$")

    def test_help_of_every_command(self):
        ctl = Ctl("/nonexistent/control")
        text = ctl.text("--help")
        names = re.findall(r"(?m)^  ([a-z]+) ", text)
        self.assertGreaterEqual(len(names), 13)
        for name in names:
            if name != "help":
                self.assertIn(f"gatewayctl {name}", ctl.text(name, "--help"))
            text += ctl.text(name, "--help")
            if name != "help":
                self.assertEqual(ctl.text("help", name), ctl.text(name, "--help"))
        text += subprocess.run([program("gatewayd"), "--help"], capture_output=True, text=True).stdout
        self.assertEqual([line for line in text.splitlines() if len(line) > 79], [])

    def test_a_closed_output(self):
        """What is printed goes nowhere, and not to gatewayd in its place."""
        g = self.serve([probe("p1")])
        for args in (("status",), ("watch", "--timeout", "0.3")):
            r = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *g.ctl.argv(*args)],
                               stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
            self.assertEqual((r.returncode, r.stderr),
                             (1, "gatewayctl: standard output: Bad file descriptor\n"))

    def answered_by(self, packets):
        """A gatewayctl whose gatewayd says these packets, whatever is asked."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(s.close)
        s.bind(folder.name + "/control")
        s.listen()

        def serve():
            with contextlib.suppress(OSError), s.accept()[0] as c:
                c.recv(1 << 17)
                for packet in packets:
                    c.send(packet)
                c.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        return Ctl(folder.name + "/control")

    def test_answers_that_make_no_sense(self):
        for packet in (b"x", b"{}", b'{"rows": [1]}', b'{"rows": [], "end": true}', b" " * 140000, b""):
            r = self.answered_by([packet]).run("status")
            self.assertEqual((r.returncode, r.stdout), (3, ""), packet[:40])
            self.assertNotEqual(r.stderr, "")
        r = self.answered_by([]).run("watch", "--timeout", "0.1")
        self.assertEqual(r.returncode, 3)
        r = self.answered_by([]).run("events", "--timeout", "0.1")
        self.assertEqual(r.returncode, 3)
        self.assertIn("in time", r.stderr)
        row = b'{"rows": [{"name": 5, "pid": "x", "since": [], "extra": {}}], "end": true, "code": 0}'
        self.assertIn("5", self.answered_by([row]).text("status"))
        row = b'{"rows": [{"kind": "event"}, {"kind": "new"}, {}], "end": true, "code": 0}'
        self.assertEqual(len(self.answered_by([row]).text("watch").splitlines()), 1)
        row = b'{"rows": [{"plan": 7, "obituaries": {}, "device": []}], "end": true, "code": 0}'
        self.answered_by([row]).text("show", "x")

    def test_default_socket(self):
        g = self.serve([])
        for env in ({"RUNTIME_DIRECTORY": g.runtime}, None):
            if env is None:
                os.symlink(g.runtime, os.path.join(g.dir, "gatewayd"))
                env = {"XDG_RUNTIME_DIR": g.dir}
            r = subprocess.run(
                [program("gatewayctl"), "info"], env=env, capture_output=True, timeout=WAIT_S
            )
            self.assertEqual(r.returncode, 0, r.stderr)


class Documents(Case):
    """What the manual page and the completion say is so."""

    def path_with_ctl(self, g):
        """A PATH on which gatewayctl is ours, asking g."""
        folder = os.path.join(g.dir, "bin")
        os.makedirs(folder, exist_ok=True)
        wrapper = os.path.join(folder, "gatewayctl")
        with open(wrapper, "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec "{program("gatewayctl")}" "$@"\n')
        os.chmod(wrapper, 0o755)
        return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "RUNTIME_DIRECTORY": g.runtime}

    def test_examples_of_the_manual_page(self):
        examples = [c for block in displays("gatewayctl.1") for c in re.split(r"(?m)^\$ ", block) if c]
        self.assertGreaterEqual(len(examples), 9)
        g = self.serve([probe("plc1", interval_ms=50)])
        g.wait_connected()
        for example in examples:
            r = subprocess.run(
                ["bash", "-c", example],
                env=self.path_with_ctl(g), capture_output=True, text=True, timeout=3 * WAIT_S,
            )
            self.assertEqual((r.returncode, r.stderr), (0, ""), example)

    def test_every_command_is_in_the_manual_page(self):
        text = Ctl("/nonexistent").text("--help")
        self.assertEqual(
            set(re.findall(r"(?m)^\.It (?:Xo\n\.)?Cm (\w+)", source("gatewayctl.1"))), set(re.findall(r"(?m)^  ([a-z]+) ", text))
        )

    def complete(self, env, *words, shell="bash"):
        source = os.path.join(ROOT, "etc", "gatewayctl." + ("fish" if shell == "fish" else f"{shell}-completion"))
        scripts = {
            "bash": f'source "{source}"; COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; _gatewayctl;'
            ' printf "%s\\n" "${COMPREPLY[@]}"',
            # compadd belongs to the line editor: here it prints.
            "zsh": 'compadd() { while [[ $1 == -* ]] { [[ $1 == -S ]] && shift; shift }; print -l -- "$@" };'
            f' words=("$@"); CURRENT=$#; source "{source}"',
            "fish": f'source "{source}"; complete -C (string join " " -- $argv)',
        }
        argv = {
            "bash": ["bash", "-c", scripts["bash"], "bash", "gatewayctl", *words],
            "zsh": ["zsh", "-f", "-c", scripts["zsh"], "zsh", "gatewayctl", *words],
            "fish": ["fish", "--no-config", "-c", scripts["fish"], "gatewayctl", *words],
        }[shell]
        r = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual(r.stderr, "")
        return set(r.stdout.split())

    def test_completion(self):
        g = self.serve([probe("plc1"), probe("plc2"), probe("rtu3")])
        env = self.path_with_ctl(g)
        commands = set(re.findall(r"(?m)^  ([a-z]+) ", g.ctl.text("--help")))
        self.assertEqual(self.complete(env, ""), commands)
        self.assertEqual(self.complete(env, "re"), {"read", "restart", "reload"})
        self.assertEqual(self.complete(env, "show", "pl"), {"plc1", "plc2"})
        self.assertEqual(self.complete(env, "--json", "status", "plc1", "r"), {"rtu3"})
        self.assertEqual(self.complete(env, "enable", "--w"), {"--wait"})
        self.assertEqual(self.complete(env, "log", "plc1", "de"), {"debug"})
        self.assertEqual(self.complete(env, "wait", "plc1", "ru"), {"running"})
        self.assertEqual(self.complete(env, "wait", "plc1", "he"), {"healthy"})
        self.assertEqual(self.complete(env, "status", "--sort", "st"), {"state"})
        self.assertEqual(self.complete(env, "status", "--filter", "st"), {"state="})
        self.assertEqual(self.complete(env, "help", "inf"), {"info"})
        self.assertIn("--json", self.complete(env, "--"))
        self.assertNotIn("--wait", self.complete(env, "status", "--"))
        for words, offered in (
            (("status", "--filter", "state=st"), {"state=starting", "state=stopping"}),
            (("status", "--filter", "name=p"), {"name=plc1", "name=plc2"}),
            (("status", "--columns", "name,si"), {"name,since"}),
            (("status", "--columns=name,si"), {"--columns=name,since"}),
            (("status", "--sort", "-re"), {"-restarts", "-remotes"}),
            (("status", "probe/p"), {"probe/plc1", "probe/plc2"}),
            (("--color", "a"), {"auto", "always"}),
            (("health", "--filter", "state=d"), {"state=degraded", "state=down"}),
            (("events", "plc1/gateway/r"), {"plc1/gateway/running"}),
            (("events", "--type", "gateway/probe/rtu3/gateway/"), {"gateway/probe/rtu3/gateway/running"}),
            (("events", "--since", "1"), {"15m", "1h", "1d", "1w"}),
            (("new", "iec104"), {"iec104_master", "iec104_slave"}),
            (("new", "iec61850_client", "bay", "--scl", BAY, "--ied", ""), {"BAY1"}),
            (("new", "ping", ""), set()),
            (("help", "status", ""), set()),
            (("describe", "plc1", ""), set()),
            (("-s", g.socket, "show", "r"), {"rtu3"}),
        ):
            with self.subTest(words):
                self.assertEqual(set(g.ctl.text("complete", *(() if words[0] == "-s" else ("-s", g.socket)),
                                                *words).split()), offered)
        # bash holds what stands before = for a word of its own.
        self.assertEqual(self.complete(env, "status", "--filter", "state=ba"), {"backoff"})
        for shell in "bash", "zsh", "fish":
            if shutil.which(shell):
                for words, offered in ((("show", "pl"), {"plc1", "plc2"}), (("re",), {"read", "restart", "reload"}),
                                       (("new", "smp"), {"smpp_client"})):
                    self.assertEqual(self.complete(env, *words, shell=shell), offered)
                self.assertIn("BAY1", "\n".join(self.complete(
                    env, "new", "iec61850_client", "x", "--scl", BAY, "--ied", "", shell=shell)))
        self.assertIn(BAY, self.complete(env, "new", "iec61850_client", "x", "--scl", BAY[:-6]))
        other = {**env, "RUNTIME_DIRECTORY": "/nonexistent"}
        self.assertEqual(self.complete(other, "show", ""), set())
        self.assertEqual(
            self.complete(other, "--socket", g.socket, "show", ""), {"plc1", "plc2", "rtu3"}
        )

    def test_completion_knows_every_option(self):
        ctl = Ctl("/nonexistent")
        top = set(re.findall(r"--[a-z-]+", ctl.text("--help").partition("\n\n  -j")[2])) - {"--version"}
        for name in re.findall(r"(?m)^  ([a-z]+) ", ctl.text("--help")):
            if name == "help":
                continue
            usage = re.match(r"(?s)usage.*?\n(?! )", ctl.text(name, "--help"))[0]
            own = set(re.findall(r"--[a-z-]+", ctl.text("new", "--help") if name == "new" else usage))
            offered = set(ctl.text("complete", name, "--").split()) - {"--version"}
            self.assertEqual(offered, own | ({"--help"} if name == "new" else top), name)


# --- clients that mean no good ---------------------------------------------------------------------


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
