"""The site of test_site.py: the gateway that works is frozen, and comes back. Slow by nature: the Monitor
Server waits 40 s."""

import signal
import time
import unittest

from test_site import MONITOR_WINDOW_S, Base, hat_site, report


@unittest.skipUnless(hat_site, "needs build/venv")
class TestFrozen(Base):
    def test_gateway_frozen(self):
        t = time.monotonic()
        frozen = self.gateways["gw1"].process
        frozen.send_signal(signal.SIGSTOP)
        first = self.wait_standby("gw2", "gw1", t, MONITOR_WINDOW_S + 10)
        last = self.device.polls("gw1")[-1]
        report("gateway frozen (SIGSTOP)", first - t)
        self.assertLess(last, first, "two at one device")
        frozen.send_signal(signal.SIGCONT)
        self.assertEqual(self.ended(self.gateways["gw1"])[0], 1)  # its Monitor Server left it
        time.sleep(2)
        self.assertEqual(self.device.polls("gw1", time.monotonic() - 1.5), [],
                         "it went on when it came back")
        self.check_events()

    def test_gateway_frozen_with_its_runner(self):
        gateway = self.gateways["gw1"]
        frozen = [gateway.process, *self.runners("gw1")]
        t = time.monotonic()
        for p in frozen:
            p.send_signal(signal.SIGSTOP)
        first = self.wait_standby("gw2", "gw1", t, MONITOR_WINDOW_S + 10)
        report("gateway and runner frozen", first - t)
        for p in reversed(frozen):
            p.send_signal(signal.SIGCONT)
        self.assertEqual(self.ended(gateway)[0], 1)
        time.sleep(2)
        self.check_events()


if __name__ == "__main__":
    unittest.main()
