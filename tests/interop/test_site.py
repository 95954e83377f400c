"""Two gatewayd with one device, PyPI's hat-monitor and hat-event: who works when something fails, and after
how long. Each switch-over prints one line: what failed, and the time to the standby's first poll.
Slow by nature."""

import json
import signal
import time
import unittest

import eventer
from gatewayd import wait_until
from ports import free_ports

try:
    import hat_site
    from hat_site import DEVICE
except ImportError:
    hat_site = None

# hat-monitor's: a ping after 20 s of silence, 20 s for its answer.
MONITOR_WINDOW_S = 40


def report(what, seconds):
    print(f"    switch-over: {what:34s} {seconds:6.2f} s to the standby's first poll", flush=True)


class Base(unittest.TestCase):
    """Two Event Servers in a group, two gateways; `monitors` Monitor Servers."""

    monitors = 1

    def reach(self, name):
        """The address by which a gateway reaches monitor and device, and how it is started."""
        return {"gw1": "127.0.0.1", "gw2": "127.0.0.2"}[name], []

    def monitor_host(self, name):
        """The address at which a gateway finds the Monitor Server."""
        return "127.0.0.1"

    def server_host(self):
        """The address at which all find the Event Servers."""
        return "127.0.0.1"

    def setUp(self):
        self.site = hat_site.Site()
        self.host = self.server_host()
        self.addCleanup(self.site.close)
        self.device = hat_site.Device({self.reach(k)[0]: k for k in ("gw1", "gw2")})
        self.addCleanup(self.device.close)
        ports = free_ports(6)
        self.monitor_ports, masters, self.event_ports = ports[:2], ports[2:4], ports[4:]
        self.monitor = [self.site.monitor("monitor1", self.monitor_ports[0], masters[0], host="0.0.0.0")]
        self.site.wait_port(self.monitor_ports[0])
        if self.monitors == 2:
            self.monitor.append(self.site.monitor(
                "monitor2", self.monitor_ports[1], masters[1], parents=[masters[0]],
                host="0.0.0.0"))
            self.site.wait_port(self.monitor_ports[1])
        self.events, self.recorders = [], []
        for i in range(2):
            self.events.append(self.site.event_server(
                f"event{i + 1}", i + 1, self.event_ports[i], self.near(i), host=self.host))
            self.site.wait_port(self.event_ports[i], self.host)
            self.recorders.append(hat_site.Recorder(self.event_ports[i], self.host))
            self.addCleanup(self.recorders[i].close)
        self.gateways = {}
        for i, name in enumerate(("gw1", "gw2")):
            address, prefix = self.reach(name)
            self.gateways[name] = self.site.gateway(
                name, {"require_operational": True, "monitor_component": {
                    "host": self.monitor_host(name), "port": self.near(i), "gateway_group": "gateway",
                    "event_server_group": "event"}},
                [hat_site.device_conf(address, self.device.port)], prefix)
            if i == 0:
                wait_until(lambda: self.state("gw1") == "connected", "gw1", 30)
                self.blessed = time.monotonic()
        self.enable()

    def near(self, i):
        return self.monitor_ports[i if self.monitors == 2 else 0]

    def state(self, name):
        r = self.gateways[name].ctl.run("--json", "info")
        return r.returncode == 0 and json.loads(r.stdout)[0]["link"]

    def enable(self):
        hat_site.enable(self.event_ports[0], self.host)
        self.device.wait_poll("gw1", 0)

        # The standby server has heard of it.
        def is_known():
            with eventer.EventerClient(host=self.host, port=self.event_ports[1]) as client:
                return len(client.query_latest([f"{DEVICE}/system/*"]).events) == 2

        wait_until(is_known, "the events on the other server", 30)

    def wait_standby(self, name, other, since, seconds):
        """When `name` polled first; `other` polls no more then."""
        t = self.device.wait_poll(name, since, seconds)
        time.sleep(2)
        self.assertEqual(self.device.polls(other, t + 0.05), [], f"{other} works beside {name}")
        return t

    def check_one_works(self):
        time.sleep(3)
        names = {n for when, n in self.device.requests if when > time.monotonic() - 1}
        self.assertEqual(len(names), 1)

    def check_events(self, switch_overs=1):
        """Only what is ours was registered; 'running' is never true twice in a row; who polled the
        device changed as often as it had to: two at once would show as many changes."""
        for recorder in self.recorders:
            kinds = {"/".join(e.type) for _, e in list(recorder.events)}
            self.assertEqual(kinds - set(hat_site.ALLOWED), set())
            self.assertNotIn((True, True), recorder.pairs(f"{DEVICE}/gateway/running"))
        heard = [r for r in self.recorders if r.find(f"{DEVICE}/gateway/remote_device/1/read/a")
                 and r.find(f"{DEVICE}/gateway/running", payload=eventer.Json(True))]
        self.assertTrue(heard)
        names = [name for _, name in list(self.device.requests)]
        changes = sum(a != b for a, b in zip(names, names[1:]))
        self.assertLessEqual(changes, switch_overs, "two at one device")

    def runners(self, name):
        rows = json.loads(self.gateways[name].ctl.text("--json", "status"))
        return [hat_site.Process(row["pid"]) for row in rows if row["pid"]]

    def ended(self, service, count=1, seconds=30):
        return wait_until(lambda: len(service.exits) >= count and service.exits, "its end", seconds)


@unittest.skipUnless(hat_site, "needs build/venv")
class TestOneMonitor(Base):

    def test_gateway_killed(self):
        t = time.monotonic()
        self.gateways["gw1"].kill()
        first = self.wait_standby("gw2", "gw1", t, 20)
        report("gateway killed", first - t)
        # It comes back and stands by.
        wait_until(lambda: self.state("gw1") == "off", "gw1 again", 20)
        t = time.monotonic()
        self.gateways["gw2"].kill(signal.SIGTERM)
        first = self.wait_standby("gw1", "gw2", t, 20)
        report("gateway stopped (SIGTERM)", first - t)
        self.assertEqual(self.ended(self.gateways["gw2"])[0], 0)
        self.check_events(switch_overs=2)

    def test_event_server_killed(self):
        t = time.monotonic()
        self.events[0].kill(for_good=True)
        wait_until(lambda: self.recorders[1].find(f"{DEVICE}/gateway/running", t)
                   and self.recorders[1].find(f"{DEVICE}/gateway/remote_device/1/read/a", t),
                   "the device on the other server", 30)
        first = next(when for when, e in self.recorders[1].events if when > t
                     and eventer.matches(e.type, f"{DEVICE}/gateway/remote_device/1/read/a"))
        report("Event Server killed (same gateway)", first - t)
        self.assertEqual(self.device.polls("gw2"), [])
        self.check_events()

    def test_monitor_killed(self):
        t = time.monotonic()
        self.monitor[0].kill()
        for name in ("gw1", "gw2"):
            self.assertEqual(self.ended(self.gateways[name])[0], 1)
        down = time.monotonic()
        first = wait_until(lambda: self.device.polls("gw1", down + 0.2)
                           or self.device.polls("gw2", down + 0.2), "polls again", 40)[0]
        report("Monitor Server killed, restarted", first - t)
        self.check_one_works()
        self.check_events()


@unittest.skipUnless(hat_site, "needs build/venv")
class TestMasterAndSlave(Base):
    monitors = 2

    def test_master_killed_and_back(self):
        t = time.monotonic()
        self.monitor[0].kill(for_good=True)
        first = self.wait_standby("gw2", "gw1", t, 40)
        report("master Monitor Server killed", first - t)
        self.assertEqual(set(self.gateways["gw1"].exits), {1})
        self.check_events()

    def test_master_frozen_and_back(self):
        """Its slave asks it again and again, and takes its place never: the standby must not work."""
        t = time.monotonic()
        self.monitor[0].process.send_signal(signal.SIGSTOP)
        self.ended(self.gateways["gw1"], seconds=MONITOR_WINDOW_S + 5)
        end = time.monotonic()
        print(f"    master Monitor Server frozen: its gateway ended after {end - t:.1f} s", flush=True)
        self.monitor[0].process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.device.polls("gw1", end) or self.device.polls("gw2", end), "polls again", 40)
        self.check_one_works()
        self.check_events()

    def test_gateway_killed(self):
        t = time.monotonic()
        self.gateways["gw1"].kill()
        report("gateway killed, two monitors", self.wait_standby("gw2", "gw1", t, 20) - t)
        self.check_events()


if __name__ == "__main__":
    unittest.main()
