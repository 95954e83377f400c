"""The site of test_site.py, each gateway in a network of its own: one is cut off. Slow by nature: the
Monitor Server waits 40 s."""

import os
import subprocess
import time
import unittest

from gatewayd import wait_until
from test_site import MONITOR_WINDOW_S, Base, hat_site, report


def can_make_namespaces():
    name = f"gatewayd-{os.getpid()}-t"
    try:
        if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
            return False
        return subprocess.run(["ip", "netns", "del", name], capture_output=True).returncode == 0
    except OSError:
        return False


class Networks(Base):
    """Each gateway in a network of its own, with a second way that only leads to the Monitor Server."""

    def setUp(self):
        self.links = {}
        self.addCleanup(self.drop_networks)
        for i, name in enumerate(("gw1", "gw2")):
            netns = f"gatewayd-{os.getpid()}-{i}"
            net = f"10.213.{os.getpid() % 60 * 4 + 2 * i}"
            second = f"10.213.{os.getpid() % 60 * 4 + 2 * i + 1}"
            link = f"gd{os.getpid() % 100000}x{i}"
            self.links[name] = (netns, link, net, second)
            self.ip("netns", "add", netns)
            self.ip("-n", netns, "link", "set", "lo", "up")
            self.connect(netns, link, net)
            self.connect(netns, f"{link}m", second)
            self.ip("-n", netns, "route", "add", "default", "via", f"{net}.1")
        super().setUp()

    def ip(self, *args):
        subprocess.run(["ip", *args], check=True, capture_output=True)

    def connect(self, netns, link, net):
        self.ip("link", "add", link, "type", "veth", "peer", "name", f"{link}p", "netns", netns)
        self.ip("addr", "add", f"{net}.1/24", "dev", link)
        self.ip("link", "set", link, "up")
        self.ip("-n", netns, "addr", "add", f"{net}.2/24", "dev", f"{link}p")
        self.ip("-n", netns, "link", "set", f"{link}p", "up")

    def drop_networks(self):
        # Those of a namespace go some time after it: the next test has the same names.
        for netns, link, *_ in self.links.values():
            for name in (link, f"{link}m"):
                subprocess.run(["ip", "link", "del", name], capture_output=True)
            subprocess.run(["ip", "netns", "del", netns], capture_output=True)

    def reach(self, name):
        """From where the gateway is, and how to start it there."""
        netns, _, net, _ = self.links[name]
        return f"{net}.1", ["ip", "netns", "exec", netns]

    def monitor_host(self, name):
        return f"{self.links[name][3]}.1"

    def server_host(self):
        return f"{self.links['gw1'][2]}.1"

    def set_links(self, state, *suffixes):
        for suffix in suffixes:
            self.ip("link", "set", self.links["gw1"][1] + suffix, state)


@unittest.skipUnless(hat_site, "needs build/venv")
@unittest.skipUnless(can_make_namespaces(), "network namespaces need privileges")
class TestNetworkCut(Networks):

    def test_cut(self):
        t = time.monotonic()
        self.set_links("down", "", "m")
        first = self.wait_standby("gw2", "gw1", t, MONITOR_WINDOW_S + 10)
        report("network of the gateway cut", first - t)
        self.assertEqual(self.ended(self.gateways["gw1"], 1, 60)[0], 1)
        self.set_links("up", "", "m")
        wait_until(lambda: self.state("gw1") == "off", "gw1 again, standing by", 60)
        self.check_events()

    def test_cut_from_the_monitor_alone(self):
        # The Monitor Server heard of the gateway 19 s before the cut, when it was blessed; the gateway
        # heard of it until then, as the state of others changes all the time.
        with hat_site.Restless(self.monitor_ports[0]):
            time.sleep(max(0, self.blessed + 18.5 - time.monotonic()))
            t = time.monotonic()
            self.set_links("down", "m")
            first = self.wait_standby("gw2", "gw1", t, MONITOR_WINDOW_S + 10)
        last = self.device.polls("gw1")[-1]
        report("cut from the Monitor Server alone", first - t)
        print(f"    the gateway that was cut off polled last {first - last:.2f} s before that", flush=True)
        self.assertLess(last, first, "two at one device")
        self.set_links("up", "m")
        self.check_events()


if __name__ == "__main__":
    unittest.main()
