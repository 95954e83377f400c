"""The Event Server's link, with real processes: its loss and return, refusals, garbage. test_silence.py has servers
that say nothing."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import eventer  # noqa: E402
import ports  # noqa: E402
from eventer import EventerServer, Json  # noqa: E402
from gatewayd import WAIT_S, Gateway  # noqa: E402
from name_server import name_server  # noqa: E402
from test_engine import FALSE, TRUE, Case, Raw  # noqa: E402

MOUNTS = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Link(Case):
    def test_its_loss_ends_engine_and_devices_and_it_comes_back(self):
        self.serve(3)
        self.wait_connects(1)
        for n in ("p0", "p1"):
            self.enable(n)
        self.wait_running("p0", [False, True])
        self.wait_running("p1", [False, True])
        port = self.server.port
        pids = [self.g.status(n)["pid"] for n in ("p0", "p1")]
        self.server.close()
        for pid in pids:
            self.g.wait(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "the end of the runners")
        self.assertFalse(self.g.ctl("info")[0]["engine"])
        self.assertEqual({r["state"] for r in self.g.status().values()}, {"disabled"})
        old, self.server = self.server, EventerServer(port=port)
        self.addCleanup(self.server.close)
        self.server.latest = old.latest
        for name, told in (("p0", [False, True]), ("p1", [False, True]), ("p2", [False])):
            self.wait_running(name, told, 3 * WAIT_S)
        self.assertEqual([q[0] for q in self.server.queries], ["latest"])

    def attempts(self, seconds):
        """Times of connects, for so long."""
        seen, end = [], time.monotonic() + seconds
        count = self.server.connects
        while time.monotonic() < end:
            if self.server.connects > count:
                seen += [time.monotonic()] * (self.server.connects - count)
                count = self.server.connects
            time.sleep(0.005)
        return seen

    def check_backoff(self, seen):
        gaps = [b - a for a, b in zip(seen, seen[1:])]
        self.assertGreaterEqual(len(gaps), 2)
        self.assertLessEqual(len(seen), 8, gaps)
        self.assertGreater(gaps[-1], 1.5 * gaps[0])

    def test_refused(self):
        server = EventerServer()
        server.init_error = "not \x1b[31myou\n\x00"
        self.serve(1, server=server)
        self.check_backoff(self.attempts(4))
        text = self.g.wait_log("refused the connection")
        self.assertNotIn("\x1b", text)
        server.init_error = None
        self.wait_connects(1)

    def test_closed_at_once(self):
        server = EventerServer()
        server.accepting.clear()
        self.serve(1, server=server)
        self.check_backoff(self.attempts(4))
        server.accepting.set()
        self.wait_connects(1)
        self.enable("p0")
        self.wait_running("p0", [False, True])

    def test_closed_after_init(self):
        server = EventerServer()
        server.on_query = lambda kind, types: server.drop_clients() or []
        self.serve(1, server=server)
        self.check_backoff(self.attempts(4))
        server.on_query = None
        self.wait_connects(len(server.inits) + 1)
        self.enable("p0")
        self.server.wait_event(self.kind("p0", "gateway/running"), TRUE)

    def test_nobody_listens_and_then_somebody_does(self):
        server = EventerServer()
        port = server.port
        server.close()
        self.serve(1, server=server)
        self.g.wait_log("Connection refused")
        self.server = EventerServer(port=port)
        self.addCleanup(self.server.close)
        self.wait_connects(1, 2 * WAIT_S)

    def test_a_name_with_an_address_that_is_silent(self):
        """As long as the queue of what is to be accepted is full the kernel answers nobody."""
        silent = ports.listen(backlog=0)
        self.addCleanup(silent.close)
        port = silent.getsockname()[1]
        for _ in range(3):
            s = socket.socket()
            self.addCleanup(s.close)
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
        try:
            server = EventerServer(host="::1", port=port)
        except OSError as e:
            self.skipTest(f"no IPv6: {e}")
        self.serve(1, {"event_server": {"eventer_server": {"host": "localhost", "port": port}}}, server=server)
        self.wait_connects(1, 3 * WAIT_S)

    @unittest.skipUnless(MOUNTS, "a mount namespace is not available")
    def test_a_name_server_that_is_named_later(self):
        """As where the gateway starts before the network is configured, or the network changes."""
        self.addCleanup(name_server("127.9.8.5", ["127.0.0.1"]).close)
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as conf:
            conf.write("nameserver 127.9.8.4\n")
            conf.flush()
            server = EventerServer()
            self.addCleanup(server.close)
            self.g = Gateway({"event_server": {"eventer_server": {"host": "events.example", "port": server.port}}},
                             wrap=["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                                   conf.name])
            self.addCleanup(self.g.close)
            self.g.wait_log("look up events.example")
            conf.truncate(0)
            conf.seek(0)
            conf.write("nameserver 127.9.8.5\n")
            conf.flush()
            self.g.wait_connected(3 * WAIT_S)

    def test_garbage_ends_the_connection_and_nothing_else(self):
        def frame(kind, data=b"", first=77, owner=True, last=True):
            return eventer.put_frame(eventer.Msg(1, first, owner, True, last, kind, data))

        events = "HatEventer.MsgEventsNotify"
        faults = [
            b"\x04\xff\xff\xff\xff garbage",
            b"\x00",
            b"\xff" * 256,
            b"\xff" * 100,
            b"\x08" + b"\x7f" + b"\xff" * 7,
            b"\x01\x01\x00",
            bytes(random.Random(1).randbytes(5000)),
            frame("HatEventer.MsgNothing"),
            frame("HatEventer.MsgRegisterReq"),
            frame("HatEventer.MsgInitRes", b"\x80\x82"),
            frame("HatEventer.MsgQueryRes", b"\x80\x00"),
            frame("HatEventer.MsgStatusNotify", b"\x99"),
            frame("HatEventer.MsgStatusNotify"),
            frame(events, b"\xff"),
            frame(events, eventer.put_int(1 << 62)),
            frame(events, eventer.put_int(1)),
            frame(events, eventer.put_int(1 << 80)),
            frame(events, eventer.put_int(0) + b"surplus"),
            frame(events, eventer.put_list(eventer.put_event, [self.an_event("\ud800")])),
            frame(events, eventer.put_list(eventer.put_event, [self.an_event("x")])[:-1]),
        ]
        for fault in faults:
            self.serve(1)
            self.wait_connects(1)
            (client,) = self.server.clients
            client.chatter.send_raw(fault)
            if fault[0] > 8:  # a frame's length of so many bytes that are still to come
                client.chatter.close()
            try:
                self.wait_connects(2)
            except TimeoutError:
                self.fail(f"still connected after {fault[:60]}")
            self.enable("p0")
            self.server.wait_event(self.kind("p0", "gateway/running"), TRUE)
            self.assertEqual(self.g.stop(), 0)
            self.server.close()

    def test_an_end_within_a_frame(self):
        self.serve(1)
        self.wait_connects(1)
        self.server.close_mid_frame()
        self.wait_connects(2)

    @staticmethod
    def an_event(segment):
        """An event with a segment that json or str would not let through."""
        return eventer.Event((1, 1, 1), (Raw(segment),), (0, 0), None, None)

    def test_pings_are_answered_and_keep_the_link(self):
        self.serve(1)
        self.wait_connects(1)
        chatter = self.server.clients[0].chatter
        got = []
        original = chatter.receive

        def receive():
            chatter.answer_pings = False
            msg = original()
            return msg

        chatter.receive = receive
        seen = eventer.Chatter.fill
        self.addCleanup(setattr, eventer.Chatter, "fill", seen)

        def fill(this, n):
            seen(this, n)
            if b"HatChatter.Pong" in this.buffer and this is chatter:
                got.append(1)

        eventer.Chatter.fill = fill
        for _ in range(3):
            chatter.send("HatChatter.Ping", last=False)
        self.server.wait(lambda: got)
        self.assertEqual(len(self.server.inits), 1)

    def test_a_notification_that_wants_it_is_acknowledged(self):
        self.serve(1)
        self.wait_connects(1)
        for want in (True, False, True):
            self.server.notify([self.server.event(self.kind("p0", "system/enable"), TRUE)], want)
        self.server.wait(lambda: self.server.acks == 2)
        self.wait_running("p0", [False, True])
        self.enable("p0", FALSE)
        self.wait_running("p0", [False, True, False])
        self.assertEqual(self.server.acks, 2)

    def test_a_server_that_reads_nothing_costs_no_event(self):
        """The runners wait for credit; what they registered comes when it reads again."""
        self.serve(2)
        self.wait_connects(1)
        for n in self.names:
            self.enable(n)
        self.g.wait_state(self.names, "running")
        self.server.stalled.set()
        count = 20000
        text = "x" * 200
        for i in range(0, count, 100):
            self.server.notify(
                [
                    self.server.event(self.kind(n, "system/echo"), Json([i + k, text]))
                    for k in range(100)
                    for n in self.names
                ]
            )
        time.sleep(0.5)
        before = cpu_s(self.g.pid)
        time.sleep(1)
        self.assertLess(cpu_s(self.g.pid) - before, 0.3, "waiting for room costs nothing")
        self.server.stalled.clear()
        self.server.wait(lambda: self.server.count >= 2 * count, 6 * WAIT_S)
        for n in self.names:
            kind = self.kind(n, "gateway/echo")
            self.server.wait(lambda k=kind: len(self.server.find(k)) == count, 6 * WAIT_S)
            self.assertEqual([e.payload.data[0] for e in self.server.find(kind)], list(range(count)))

    def test_the_last_words_reach_a_server_that_is_slow_and_talks(self):
        """What it says to a connection that is closed would reset it, and with that what is under way."""
        server = EventerServer()
        server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # of what is accepted
        self.serve(1, server=server, interval_ms=1, payload=20000)
        self.wait_connects(1)
        self.enable("p0")
        self.g.wait_state("p0", "running")
        server.stalled.set()
        self.g.wait(lambda: self.g.ctl("show", "p0")[0]["queues"]["to_event_server_bytes"], "what does not leave")
        chatter, fill = server.clients[0].chatter, eventer.Chatter.fill

        def talk(this, n):
            if this is chatter and n > 100:
                with contextlib.suppress(eventer.Closed):
                    server.notify([server.event(self.kind("p0", "system/echo"), TRUE)])
            fill(this, n)

        self.addCleanup(setattr, eventer.Chatter, "fill", fill)
        eventer.Chatter.fill = talk
        self.g.process.send_signal(signal.SIGTERM)
        self.g.wait_log("running -> stopping")
        server.stalled.clear()
        self.wait_running("p0", [False, True, False])
        self.assertEqual(self.g.process.wait(WAIT_S), 0)

    def test_a_server_that_does_not_close_is_not_waited_for(self):
        self.serve(1)
        self.wait_connects(1)
        self.enable("p0")
        self.g.wait_state("p0", "running")
        self.server.stalled.set()
        start = time.monotonic()
        self.assertEqual(self.g.stop(), 0)
        self.assertLess(time.monotonic() - start, 3)


if __name__ == "__main__":
    unittest.main()
