"""The places where gatewayd's lines go, which of them, and that nobody who should take them can hold it up."""

import contextlib
import fcntl
import os
import re
import pty
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import ports
from gatewayd import Ctl, Gateway, probe, program, wait_until

MODBUS = {
    "connection": {
        "modbus_type": "TCP",
        "transport": {"type": "TCP", "host": "127.0.0.1", "port": 1},
        "connect_timeout": 1, "connect_delay": 60, "request_timeout": 1, "request_delay": 0,
        "request_retry_immediate_count": 1, "request_retry_delayed_count": 1,
        "request_retry_delay": 1},
    "remote_devices": [],
}


MOUNTS = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0


def modbus(name):
    return {"name": name, "module": "hat.gateway.devices.modbus.master", **MODBUS}


def python_log(handlers, level="DEBUG", loggers=None):
    return {"version": 1, "handlers": handlers, "loggers": loggers or {},
            "root": {"level": level, "handlers": list(handlers)}}


class Receiver:
    """What arrives at a datagram socket."""

    def __init__(self, sock):
        # A descriptor of its own: its number is not another socket's while the thread reads from it.
        self.sock = sock.dup()
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError):
            while data := self.sock.recv(65536):
                self.lines.append(data.decode())

    def find(self, *texts):
        return next((line for line in self.lines if all(t in line for t in texts)), None)


def accounted(g):
    """Lines of a flood that were written, and those that were told to be left out."""
    told = [re.search(r"(\d+) lines of", x) for x in g.log()]
    return sum(": line " in x for x in g.log()) + sum(int(m[1]) for m in told if m)


def unread(g, runner):
    """Bytes in the pipe that a runner prints to."""
    pipe = os.readlink(f"/proc/{runner}/fd/2")
    folder = f"/proc/{g.pid}/fd"
    end = next(n for n in os.listdir(folder) if os.readlink(f"{folder}/{n}") == pipe)
    fd = os.open(f"{folder}/{end}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]
    finally:
        os.close(fd)


class TestLevels(unittest.TestCase):

    def test_a_device_speaks_louder_at_run_time(self):
        with Gateway({"devices": [modbus("m1"), modbus("m2")]}) as g:
            g.enable("m1", "m2")
            g.wait_state(["m1", "m2"], "running")
            g.ctl("log", "m1", "debug")
            g.ctl("send", "m1", "unheard/of", "1")
            g.ctl("send", "m2", "unheard/of", "1")
            line = g.wait_log("m1: ignored an event of an unknown type")
            self.assertIn("debug", line)
            self.assertFalse([x for x in g.log() if "m2: an event" in x])
            g.ctl("log", "m1", "error")
            g.ctl("restart", "m1")
            g.ctl("restart", "m2")
            g.wait_log("m2: stopping -> ")
            g.wait_state("m1", "running")
            self.assertFalse([x for x in g.log() if "m1: stopping" in x])

    def test_the_gateways_level_is_not_its_devices(self):
        with Gateway({"devices": [modbus("m1")]}) as g:
            g.ctl("log", "m1", "debug")
            self.assertEqual(g.ctl("info")[0]["log_level"], "info")
            g.ctl("log", "warning")
            self.assertEqual(g.ctl("info")[0]["log_level"], "warning")
            self.assertEqual(g.ctl("show", "m1")[0]["device"]["log_level"], "warning")

    def test_levels_of_the_configuration(self):
        log = python_log({"c": {"class": "logging.StreamHandler"}}, "INFO",
                         {"hat.gateway.devices.modbus.master": {"level": "DEBUG"}})
        with Gateway({"devices": [modbus("m1"), probe("p1")], "log": log}) as g:
            self.assertEqual(g.ctl("show", "m1")[0]["device"]["log_level"], "debug")
            self.assertEqual(g.ctl("show", "p1")[0]["device"]["log_level"], "info")
            g.enable("m1")
            g.wait_state("m1", "running")
            g.ctl("send", "m1", "unheard/of", "1")
            g.wait_log("m1: ignored an event of an unknown type")

    def test_a_name_that_two_types_share(self):
        """Each has its own level and is called by its whole name; the name alone is refused."""
        devices = [modbus("x"), probe("x"), probe("y")]
        with Gateway({"devices": devices}) as g:
            for args in (("log", "x", "debug"), ("status", "x"), ("disable", "x"), ("events", "x")):
                r = g.ctl.run(*args)
                self.assertEqual(r.returncode, 1, args)
                self.assertIn("several types have a device", r.stderr)
            self.assertEqual(g.ctl.text("log", "probe/x", "error"), "probe/x: error\n")
            g.enable("probe/x", "modbus_master/x")
            g.wait_log("modbus_master/x: starting -> running")
            g.ctl("wait", "probe/x", "running")
            self.assertFalse([x for x in g.log() if "probe/x: " in x])
            rows = g.ctl("watch", "--timeout", "0.3", "modbus_master/x")
            self.assertEqual({r.get("device") for r in rows}, {None, "modbus_master/x"})
            # Alone again, it has its name, and its level of the configuration.
            g.write_config({"devices": devices[1:]})
            g.ctl("reload")
            self.assertEqual(g.ctl("show", "x")[0]["device"]["log_level"], "info")
            g.ctl("restart", "x")
            g.wait_log(" x: stopping -> starting")

    def test_a_reload_that_changes_a_logger(self):
        """--diff says so, and the devices of that logger follow; others keep what was set."""
        def log(level):
            return python_log({"c": {"class": "logging.StreamHandler"}}, "INFO",
                              {"hat.gateway.devices.modbus.master": {"level": level}})

        devices = [modbus("m1"), probe("p1")]
        with Gateway({"devices": devices, "log": log("INFO")}) as g:
            g.ctl("log", "p1", "error")
            g.write_config({"devices": devices, "log": log("DEBUG")})
            expected = [("changed", "log", "the log level of 1 device: at once"),
                        ("same", "2 devices", "go on")]
            for args in (("--diff",), ()):
                rows = [(r["change"], r["what"], r["detail"]) for r in g.ctl("reload", *args)]
                self.assertEqual(rows, expected)
            level = lambda name: g.ctl("show", name)[0]["device"]["log_level"]
            self.assertEqual([level("m1"), level("p1")], ["debug", "error"])

    def test_a_flood_is_limited_and_told(self):
        with Gateway({"devices": [probe("p1"), probe("p2")]}) as g:
            g.enable("p1", "p2")
            g.wait_state(["p1", "p2"], "running")
            g.ctl("send", "p1", "do", '"flood"')
            g.wait_log("lines of output")
            self.assertLess(len(g.log()), 400)
            # All of it is accounted for, though nothing is printed any more.
            g.wait(lambda: accounted(g) == 10000, "all lines")
            g.ctl("send", "p2", "do", '"print hello"')
            g.wait_log("p2: hello")

    @unittest.skipUnless(os.geteuid() == 0, "only root sees the pipes of a process that is not dumpable")
    def test_a_flood_that_nobody_reads_is_told(self):
        """It fills its pipe, and what that does not take is counted."""
        with Gateway({"devices": [probe("p1")]}) as g:
            g.enable("p1")
            g.wait_state("p1", "running")
            pid = g.status("p1")["pid"]
            os.kill(pid, signal.SIGSTOP)
            # A runner that is stopped cannot say what it takes.
            g.ctl("send", "--force", "p1", "do", '"flood"')
            g.wait(lambda: g.ctl("show", "p1")[0]["counters"]["delivered"] == 1, "the runner has been told")
            os.kill(g.pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
            wait_until(lambda: unread(g, pid) > 65536 - 50, "the pipe is full")
            os.kill(g.pid, signal.SIGCONT)
            g.wait(lambda: accounted(g) == 10000, "all lines")


class TestTargets(unittest.TestCase):

    def test_syslog_over_udp(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            got = Receiver(s)
            log = python_log({"s": {"class": "logging.handlers.SysLogHandler",
                                    "address": ["127.0.0.1", s.getsockname()[1]]}})
            with Gateway({"devices": [probe("p1")], "log": log}) as g:
                g.enable("p1")
                g.wait_state("p1", "running")
                wait_until(lambda: got.find("p1: starting -> running"), "the line")
                line = got.find("p1: starting -> running")
                self.assertTrue(line.startswith("<30>"), line)  # daemon.info
                self.assertIn("gatewayd", line)
                self.assertEqual([x for x in g.log() if "starting -> running" in x], [])

    def test_syslog_over_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as d, socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            path = os.path.join(d, "log")
            s.bind(path)
            got = Receiver(s)
            log = python_log({"s": {"class": "logging.handlers.SysLogHandler", "address": path}})
            with Gateway({"devices": [probe("p1")], "log": log}) as g:
                g.enable("p1")
                wait_until(lambda: got.find("p1: starting -> running"), "the line")
                os.unlink(path)
                s.shutdown(socket.SHUT_RD)  # as its end
                g.ctl("restart", "p1")  # and nothing waits for a syslog that is gone
                g.wait_state("p1", "running")
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
                    again.bind(path)
                    later = Receiver(again)
                    wait_until(lambda: g.ctl("restart", "p1") and later.find("p1: "), "its return")
                    wait_until(lambda: later.find("lines did not reach the syslog daemon"), "a count")

    def test_what_waits_for_syslog_over_tcp_outlives_a_reload(self):
        port = ports.free_port()

        def conf(name, level):
            return {"name": name, "devices": [], "log": python_log({"s": {
                "class": "logging.handlers.SysLogHandler", "address": ["127.0.0.1", port],
                "socktype": "ext://socket.SOCK_STREAM"}}, level)}
        with Gateway(conf("first", "DEBUG")) as g:
            for name, level in (("second", "DEBUG"), ("second", "INFO")):
                g.write_config(conf(name, level))
                g.ctl("reload")
                g.wait_connected()
            with ports.listen(port) as s:
                s.settimeout(20)
                peer, _ = s.accept()
                with peer:
                    got = Receiver(peer)
                    wait_until(lambda: "0 the same" in "".join(got.lines), "the last line")
                    self.assertIn(": first, 0 devices", "".join(got.lines))
                    got.sock.close()

    @unittest.skipUnless(MOUNTS, "a mount namespace is not available")
    def test_a_name_server_that_is_silent(self):
        """It holds nothing up; when it answers, the lines go where they should."""
        with tempfile.TemporaryDirectory() as d, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            names.bind(("127.9.8.7", 53))
            s.bind(("127.0.0.1", 0))
            got = Receiver(s)
            with open(os.path.join(d, "resolv.conf"), "w", encoding="utf-8") as f:
                f.write("nameserver 127.9.8.7\n")
            log = python_log({"s": {"class": "logging.handlers.SysLogHandler",
                                    "address": ["logs.example", s.getsockname()[1]]}})
            g = Gateway({"devices": [probe("p1")]}, start=False)
            self.addCleanup(g.close)
            g.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                 os.path.join(d, "resolv.conf"), program("gatewayd"), "--config", g.config],
                env=g.env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, text=True)
            g._reader = threading.Thread(target=g._read_log, args=(g.process.stderr,), daemon=True)
            g._reader.start()
            g.ctl = Ctl(g.socket)
            g.wait(g._answers, "the control socket answers")
            g.enable("p1")
            g.wait_state("p1", "running")
            g.write_config({"devices": [probe("p1")], "log": log})
            start = time.monotonic()
            g.ctl("reload")
            g.ctl("restart", "p1")
            g.ctl("status")
            self.assertLess(time.monotonic() - start, 2)
            g.wait_log("p1: stopping -> starting")
            names.settimeout(10)
            while True:  # the first query and, where there is one, that for IPv6
                query, peer = names.recvfrom(512)
                end = query.index(b"\0", 12) + 5
                address = query[end - 4:end - 2] == b"\0\1"
                names.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([address]) + b"\0\0\0\0"
                             + query[12:end] + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
                                               if address else b""), peer)
                if address:
                    break
            names.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                query, peer = names.recvfrom(512)
                end = query.index(b"\0", 12) + 5
                names.sendto(query[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + query[12:end], peer)
            wait_until(lambda: g.ctl("restart", "p1") and got.find("p1: "), "a line at the daemon")

    @unittest.skipUnless(MOUNTS, "a mount namespace is not available")
    def test_journal_fields(self):
        with tempfile.TemporaryDirectory() as d, socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            os.mkdir(os.path.join(d, "journal"))
            s.bind(os.path.join(d, "journal", "socket"))
            stream, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            st = os.fstat(end.fileno())
            got = Receiver(s)
            self.gateway_in_journal(d, end, f"{st.st_dev}:{st.st_ino}", got, stream)
            fields = got.find("MESSAGE=p1: starting -> running").splitlines()
            self.assertEqual(fields, ["PRIORITY=6", "SYSLOG_IDENTIFIER=gatewayd",
                                      "MESSAGE=p1: starting -> running", "DEVICE=p1",
                                      "EVENT=state"])
            # What the built-in Event Server says goes where the gateway's lines go.
            self.assertTrue(got.find("MESSAGE=gateway-eventd: listening on "))
            stream.close()
            end.close()

    def gateway_in_journal(self, folder, end, journal_stream, got, stream):
        g = Gateway({"devices": [probe("p1")]}, start=False)
        try:
            command = ('mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && '
                       f'mkdir /run/systemd/journal && mount --bind {folder}/journal '
                       f'/run/systemd/journal && exec "$@"')
            g.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", command, "sh", program("gatewayd"), "--config",
                 g.config], env={**g.env, "JOURNAL_STREAM": journal_stream}, stderr=end,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            g._reader = threading.Thread(target=lambda: None)
            g._reader.start()
            g.ctl = Ctl(g.socket)
            g.wait(g._answers, "the control socket answers")
            g.enable("p1")
            wait_until(lambda: got.find("p1: starting -> running"), "the line")
            # Without journald the lines go to its stream, with their priority.
            got.sock.close()
            os.unlink(os.path.join(folder, "journal", "socket"))
            g.ctl("restart", "p1")
            stream.settimeout(10)
            text = b""
            while b"<6>p1: starting -> running" not in text:
                text += stream.recv(4096)
            self.streamed = text
        finally:
            g.close()


class TestNobodyHoldsItUp(unittest.TestCase):

    def run_with(self, stderr, busy=200):
        """A gateway that says much and still answers and stops."""
        log = python_log({"c": {"class": "logging.StreamHandler"}})
        g = Gateway({"devices": [probe("p1")], "log": log}, start=False)
        try:
            g.process = subprocess.Popen(
                [program("gatewayd"), "--config", g.config, "--verbose"], env=g.env,
                stderr=stderr, stdout=stderr, stdin=subprocess.DEVNULL)
            g._reader = threading.Thread(target=lambda: None)
            g._reader.start()
            g.ctl = Ctl(g.socket)
            g.wait(g._answers, "the control socket answers")
            g.enable("p1")
            g.wait_state("p1", "running")
            for _ in range(busy // 50):
                g.ctl("send", "p1", "do", '"flood"')
                time.sleep(0.3)
                g.ctl("restart", "p1")
                g.wait_state("p1", "running")
            self.assertEqual(g.stop(), 0)
        finally:
            g.close()

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as f:
            self.run_with(f)

    def run_with_a_full(self, reader, writer, piece):
        try:
            os.set_blocking(writer, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(writer, b"x" * piece)
            os.set_blocking(writer, True)
            self.run_with(writer)
        finally:
            os.close(reader)
            os.close(writer)

    def test_a_pipe_that_nobody_reads(self):
        self.run_with_a_full(*os.pipe(), 4096)

    def test_a_pipe_whose_reader_is_gone(self):
        r, w = os.pipe()
        os.close(r)
        try:
            self.run_with(w)
        finally:
            os.close(w)

    def test_a_socket_that_nobody_reads(self):
        a, b = socket.socketpair()
        self.run_with_a_full(a.detach(), b.detach(), 4096)

    def test_a_terminal_that_was_stopped(self):
        self.run_with_a_full(*pty.openpty(), 256)


if __name__ == "__main__":
    unittest.main()
