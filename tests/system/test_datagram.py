"""Datagram resources under gatewayd: a runner gets the sockets that its plan names, and a connected one reaches
nobody but its peer."""

import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD, Gateway, probe  # noqa: E402

SANITIZED = "san" in os.path.basename(BUILD)
DATAGRAM = "gateway/probe/p1/gateway/datagram"


class Case(unittest.TestCase):
    def peer(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.bind(("127.0.0.1", 0))
        s.settimeout(30)
        return s, s.getsockname()[1]

    def start(self, **conf):
        g = Gateway({"devices": [probe("p1", **conf)]})
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")
        g.wait(lambda: g.ctl("show", "p1")[0]["plan"][0]["opened"], "the planned socket is open")
        return g

    @staticmethod
    def do(g, what):
        g.ctl("send", "p1", "do", f'"{what}"')

    def heard(self, g, want):
        """Until the probe says that it heard this."""
        g.wait(lambda: g.events(DATAGRAM).get(DATAGRAM, {}).get("payload") == want, f"a datagram event {want}")

    def silent(self, s):
        s.setblocking(False)
        with self.assertRaises(BlockingIOError):
            s.recv(16)


class Connected(Case):
    def test_it_speaks_with_its_peer(self):
        peer, port = self.peer()
        g = self.start(udp=[{"host": "127.0.0.1", "port": port}])
        (row,) = g.ctl("show", "p1")
        self.assertEqual(
            row["plan"],
            [{"kind": "udp", "target": "127.0.0.1", "port": port, "opened": True, "any_address": False}],
        )
        self.do(g, "send hello")
        data, address = peer.recvfrom(16)
        self.assertEqual(data, b"hello")
        peer.sendto(b"1234567", address)
        self.heard(g, 7)

    def test_a_refusal_is_information(self):
        peer, port = self.peer()
        g = self.start(udp=[{"host": "127.0.0.1", "port": port}])
        peer.close()
        self.do(g, "send hello")
        self.heard(g, "ECONNREFUSED")
        self.assertEqual(g.status("p1")["restarts"], 0)

    @unittest.skipIf(SANITIZED, "no filter in a sanitized build")
    def test_it_reaches_nobody_else(self):
        for how, call in (("send_to", "sendto"), ("sendmsg", "sendmsg")):
            peer, port = self.peer()
            stranger, other = self.peer()
            with self.subTest(how):
                g = self.start(udp=[{"host": "127.0.0.1", "port": port}])
                self.do(g, f"{how} {other}")
                g.wait(lambda: g.ctl("show", "p1")[0]["obituaries"], "the runner is dead")
                (row,) = g.ctl("show", "p1")
                self.assertIn(f"denied system call {call}", row["obituaries"][0]["cause"])
                self.silent(stranger)
                self.silent(peer)


class Listening(Case):
    def test_it_hears_and_may_answer_anybody(self):
        stranger, other = self.peer()
        port = self.free_port()
        g = self.start(udp_listen=[{"host": "127.0.0.1", "port": port}])
        self.assertTrue(g.ctl("show", "p1")[0]["plan"][0]["any_address"])
        self.assertRegex(g.ctl.text("show", "p1"), r"ANY ADDRESS\n +udp-listen +127.0.0.1 +\d+ +yes +yes")
        stranger.sendto(b"trap", ("127.0.0.1", port))
        self.heard(g, 4)
        self.do(g, f"send_to {other}")
        self.assertEqual(stranger.recv(16), b"x")
        self.do(g, f"sendmsg {other}")
        self.assertEqual(stranger.recv(16), b"x")
        self.assertEqual(g.status("p1")["restarts"], 0)

    def free_port(self):
        s, port = self.peer()
        s.close()
        return port


class Echo(Case):
    def test_a_reply_comes(self):
        try:
            socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        except PermissionError:
            raise unittest.SkipTest("neither root nor CAP_NET_RAW") from None
        g = self.start(icmp=[{"host": "127.0.0.1", "port": 0}])
        (plan,) = g.ctl("show", "p1")[0]["plan"]
        self.assertEqual((plan["kind"], plan["port"]), ("icmp", None))
        self.do(g, "echo_request")
        g.wait(lambda: g.events(DATAGRAM), "an echo reply")


class Plans(Case):
    def test_many_resources_and_their_descriptors(self):
        g = Gateway({"devices": [probe("p1", listen=[{"host": "127.0.0.1", "port": 0}], files=1001)]})
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")
        (row,) = g.ctl("show", "p1")
        self.assertEqual(len(row["plan"]), 1002)
        if not SANITIZED:
            self.assertEqual(row["sandbox"]["open_files"], 256 + 1002)

    def test_a_plan_that_is_too_long_is_a_fault_of_the_configuration(self):
        for files, text in ((1100, "more than 1024 resources"), (300, "more than 64 KiB")):
            with self.subTest(text):
                g = Gateway({"devices": [probe("p1", files=files)]})
                self.addCleanup(g.close)
                g.enable("p1")
                g.wait_state("p1", "failed")
                g.wait_log(text)


if __name__ == "__main__":
    unittest.main()
