"""ping: the same events as hat-gateway's device at the same hosts, in a network namespace of the test's own."""

import logging
import os
import subprocess
import sys
import unittest

import peers  # noqa: F401

try:
    import hat.gateway.devices.ping as hat_ping
except ImportError as e:
    raise unittest.SkipTest(f"a peer is not importable: {e}")

from hat_device import Reference  # noqa: E402
from runner_host import Runner  # noqa: E402

logging.disable(logging.CRITICAL)
RUNNER = os.path.join(os.environ.get("BUILD", "build"), "libexec/icmp")


def sh(command):
    subprocess.run(command, shell=True, check=True, capture_output=True)


class Same(unittest.TestCase):
    def play(self, make):
        """Two hosts, one of which goes and comes again, and one that never is there; the events of each."""
        hosts = [{"name": n, "host": h, "ping_delay": 0.1, "ping_timeout": 0.3, "retry_count": 1, "retry_delay": 0.05}
                 for n, h in (("here", "127.0.0.1"), ("goes", "10.77.0.1"), ("never", "192.0.2.1"))]
        sh("ip addr add 10.77.0.1/32 dev lo")
        device = make({"name": "p", "remote_devices": hosts})

        def said(name):
            return [e.payload for e in device.events if e.type == "gateway/status/" + name]
        try:
            device.wait(lambda: len(said("here")) == len(said("goes")) == 2)
            sh("ip addr del 10.77.0.1/32 dev lo")
            device.wait(lambda: len(said("goes")) == 3)
            sh("ip addr add 10.77.0.1/32 dev lo")
            device.wait(lambda: len(said("goes")) == 4)
        finally:
            device.stop()
            sh("ip addr del 10.77.0.1/32 dev lo")
        return {h["name"]: said(h["name"]) for h in hosts}

    def test_the_same(self):
        theirs = self.play(lambda c: Reference(hat_ping.info, c))
        ours = self.play(lambda c: Runner(RUNNER, "ping", c))
        self.assertEqual(ours, theirs)
        self.assertEqual(ours["never"], ["NOT_AVAILABLE"])


class Namespace(unittest.TestCase):
    def test_the_same(self):
        script = ('ip link set lo up && sysctl -qw net.ipv4.ping_group_range="0 2147483647" && '
                  'exec "$0" -m unittest test_ping_same.Same')
        out = subprocess.run(["unshare", "-n", "sh", "-c", script, sys.executable], capture_output=True, text=True,
                             env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))})
        if "unshare failed" in out.stderr:
            self.skipTest("no network namespaces: " + out.stderr.strip())
        self.assertEqual(out.returncode, 0, out.stderr[-4000:])


def load_tests(loader, _tests, _pattern):
    """Same by Namespace alone."""
    return loader.loadTestsFromTestCase(Namespace)


if __name__ == "__main__":
    unittest.main()
