"""The Event Server's link where the server says nothing. Slow by nature: it waits for time-outs, side by side."""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import WAIT_S, Gateway, probe  # noqa: E402
from test_engine import Case  # noqa: E402
from test_link import cpu_s  # noqa: E402


class Silence(Case):
    @classmethod
    def setUpClass(cls):
        """A built-in server hangs while the other test waits."""
        cls.hung = cls.enterClassContext(Gateway({"devices": [probe("p1")]}))
        cls.hung.enable("p1")
        cls.hung.wait_state("p1", "running")
        out = subprocess.run(["pgrep", "-P", str(cls.hung.pid), "-f", "gateway-eventd"], capture_output=True, check=True)
        os.kill(int(out.stdout), signal.SIGSTOP)

    def test_silence_and_half_open(self):
        """10 s for an init that is not answered, 2 x 20 s for a peer without pongs."""
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        silent.settimeout(3 * WAIT_S)
        mute = Gateway(
            {"event_server": {"eventer_server": {"host": "127.0.0.1", "port": silent.getsockname()[1]}}}
        )
        self.addCleanup(mute.close)
        self.serve(1)
        self.wait_connects(1)
        self.server.clients[0].chatter.answer_pings = False
        began = time.monotonic()
        conn, _ = silent.accept()
        again, _ = silent.accept()
        self.assertTrue(9 < time.monotonic() - began < 14, time.monotonic() - began)
        conn.close(), again.close()
        before = cpu_s(self.g.pid)
        self.wait_connects(2, 60)
        self.assertTrue(38 < time.monotonic() - began < 50, time.monotonic() - began)
        self.assertLess(cpu_s(self.g.pid) - before, 1.0, "waiting costs nothing")
        self.g.wait_log("silent")

    def test_the_built_in_server_that_hung_is_started_again(self):
        """After 2 x 20 s without a pong, and two connections of 10 s that it says nothing on."""
        self.hung.wait_log("silent", 60)
        self.hung.wait_connected(60)
        self.hung.wait_state("p1", "running")


if __name__ == "__main__":
    unittest.main()
